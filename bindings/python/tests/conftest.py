"""The gateway of the tests: `leat mock` as a child on the loopback, a port of its own each.

Environment: LEAT_PROGRAM, or build/release/leat of the tree. Without it all tests are skipped.
"""
from __future__ import annotations

import asyncio
import ctypes
import os
import re
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import Any, Awaitable, Callable, Iterator

import pytest

ROOT = Path(__file__).resolve().parents[3]
PROGRAM = os.environ.get("LEAT_PROGRAM") or str(ROOT / "build/release/leat")
READY = re.compile(r"listening on (https?://\S+:(\d+))(?: ca (\S+))?")
PR_SET_PDEATHSIG = 1
# Opened before any fork: between fork and exec another thread's lock of the loader would stay held.
LIBC = ctypes.CDLL(None)
SECONDS = 120  # a machine under load has them


def die_with_parent() -> None:
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


class Mock:
    """url, ca (None with --plain); stopped by close."""

    def __init__(self, *options: str) -> None:
        self.folder = tempfile.TemporaryDirectory()
        ca = [] if "--plain" in options else ["--ca-out", f"{self.folder.name}/ca.pem"]
        self.process = subprocess.Popen(
            [PROGRAM, "mock", "--port", "0", "--quiet", *ca, *options], stdout=subprocess.PIPE,
            stdin=subprocess.DEVNULL, preexec_fn=die_with_parent, text=True)
        assert self.process.stdout
        found = READY.search(self.process.stdout.readline())
        assert found, "the mock did not start"
        self.url, self.ca = found[1], found[3]

    @property
    def options(self) -> dict[str, Any]:
        return {"base_url": self.url, "api_key": "sk-tests-secret", "ca_file": self.ca}

    def close(self) -> None:
        self.process.terminate()
        self.process.wait(10)
        assert self.process.stdout
        self.process.stdout.close()
        self.folder.cleanup()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if not os.access(PROGRAM, os.X_OK):
        for item in items:
            item.add_marker(pytest.mark.skip(reason=f"{PROGRAM} is not there"))


@pytest.fixture(scope="session")
def mock() -> Iterator[Mock]:
    gateway = Mock("--ttft", "5ms", "--gap", "1ms", "--events", "20")
    yield gateway
    gateway.close()


@pytest.fixture
def new_mock() -> Iterator[Callable[..., Mock]]:
    made: list[Mock] = []

    def make(*options: str) -> Mock:
        made.append(Mock(*options))
        return made[-1]

    yield make
    for gateway in made:
        gateway.close()


def run(coroutine: Awaitable[Any]) -> Any:
    """asyncio.run with an end."""
    async def bounded() -> Any:
        return await asyncio.wait_for(coroutine, SECONDS)
    return asyncio.run(bounded())


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))
