"""Many requests, and what is left of them: memory, objects, descriptors, whatever happens to the
gateway meanwhile. LEAT_SOAK_REQUESTS asks for more of them (10,000 are what a release is given)."""
from __future__ import annotations

import asyncio
import gc
import os
import re
import subprocess
import sys
import time
import tracemalloc
from typing import Any, Awaitable, Callable

import pytest
from conftest import PROGRAM, ROOT, Mock, descriptors, run

import leat

REQUESTS = int(os.environ.get("LEAT_SOAK_REQUESTS") or 500)
AT_ONCE = 50
SHORT = {"x-mock-events": "3", "x-mock-gap-ms": "0", "x-mock-ttft-ms": "0"}
GROWTH_MAX = 100_000  # bytes; a request that leaves 200 of them would show
Ask = Callable[[], Awaitable[int]]


def resident() -> int:
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


async def many(ask: Ask, count: int) -> None:
    """So many requests, AT_ONCE of them at a time; each must bring its three texts."""
    async def work(share: int) -> list[int]:
        return [await ask() for _ in range(share)]
    counts = await asyncio.gather(*(work(count // AT_ONCE) for _ in range(AT_ONCE)))
    assert all(n == 3 for one in counts for n in one)


async def flat(ask: Ask) -> None:
    """What Python holds, counts and has open is the same before and behind the requests."""
    await many(ask, 4 * AT_ONCE)
    gc.collect()
    tracemalloc.start()
    try:
        before = (tracemalloc.get_traced_memory()[0], len(gc.get_objects()), descriptors())
        held = resident()
        await many(ask, REQUESTS)
        await asyncio.sleep(0.1)
        gc.collect()
        after = (tracemalloc.get_traced_memory()[0], len(gc.get_objects()), descriptors())
    finally:
        tracemalloc.stop()
    assert after[0] - before[0] < GROWTH_MAX
    assert after[1] - before[1] < 200
    assert after[2] <= before[2] + 2  # the pool may have opened a connection
    assert resident() - held < 64 << 20  # freed memory is kept by the allocator, and tracemalloc's
    assert not [o for o in gc.get_objects() if isinstance(o, leat.Stream)]


def test_requests_leave_nothing(mock: Mock) -> None:
    async def main() -> None:
        async with leat.Client(**mock.options) as client:
            async def ask() -> int:
                stream = client.chat("hi", model="m", headers=SHORT)
                return sum([1 async for e in stream if e.text])
            await flat(ask)
            assert client.stats()["requests_completed"] == REQUESTS + 4 * AT_ONCE
    asyncio.run(main())


@pytest.mark.parametrize("library", ["httpx", "httpx2"])
def test_requests_through_a_transport_leave_nothing(mock: Mock, library: str) -> None:
    lib, module = pytest.importorskip(library), pytest.importorskip(f"leat.{library}")
    chat = {"model": "m", "messages": [{"role": "user", "content": "hi"}], "stream": True}

    async def main() -> None:
        transport = module.AsyncTransport(ca_file=mock.ca)
        async with lib.AsyncClient(transport=transport, timeout=30,
                                   headers={"authorization": "Bearer k", **SHORT}) as client:
            async def ask() -> int:
                url = f"{mock.url}/v1/chat/completions"
                async with client.stream("POST", url, json=chat) as response:
                    lines = [line async for line in response.aiter_lines()]
                return sum('"content":"' in line and '"content":""' not in line
                           for line in lines)
            await flat(ask)
    asyncio.run(main())


def test_many_streams_side_by_side_are_small(new_mock: Callable[..., Mock]) -> None:
    """A small version of bench/crowd.py: 500 streams side by side, each of 2 events a second."""
    gateway = new_mock("--ttft", "500ms", "--gap", "500ms", "--events", "6")

    async def main() -> None:
        async with leat.Client(**gateway.options) as client:
            async def ask() -> int:
                return sum([1 async for e in client.chat("hi", model="m") if e.text])
            started = time.monotonic()
            assert await asyncio.gather(*(ask() for _ in range(500))) == [6] * 500
            assert time.monotonic() - started < 20  # 3 s by the gateway's cadence
            assert client.stats()["conns_opened"] <= 8
    before = resident()
    run(main())
    assert resident() - before < 100 << 20


def test_a_gateway_killed_under_load_is_told_and_found_again(
        new_mock: Callable[..., Mock]) -> None:
    """Each request ends well or with an error that says why, and behind the restart all end well:
    on the same port, as the gateway of a deployment comes back."""
    gateway = new_mock("--plain", "--ttft", "5ms", "--gap", "5ms", "--events", "20")
    port = gateway.url.rpartition(":")[2]
    ended: list[Any] = []

    async def main() -> None:
        async with leat.Client(gateway.url, "k", retries=1) as client:
            async def ask() -> int:
                return sum([1 async for e in client.chat("hi", model="m") if e.text])

            async def load(until: float) -> None:
                while time.monotonic() < until:
                    try:
                        ended.append(await asyncio.wait_for(ask(), 10))
                    except leat.LeatError as error:
                        ended.append(error)

            loads = [asyncio.ensure_future(load(time.monotonic() + 3)) for _ in range(50)]
            await asyncio.sleep(0.7)
            gateway.process.kill()
            gateway.process.wait(10)
            await asyncio.sleep(0.7)
            new_mock("--plain", "--port", port, "--ttft", "5ms", "--gap", "5ms", "--events", "20")
            await asyncio.gather(*loads)
            assert await asyncio.gather(*(ask() for _ in range(20))) == [20] * 20
            assert client.stats()["requests_live"] == 0
    run(main())
    failures = [e for e in ended if isinstance(e, leat.LeatError)]
    assert all(n == 20 for n in ended if isinstance(n, int))
    assert failures and len(ended) - len(failures) > 50
    for error in failures:
        assert isinstance(error, (leat.ConnectError, leat.StreamError)), error
        assert len(str(error)) > len(error.name) + 2 and (error.attempts or error.retryable)
        assert "k" != error.text and (error.text or not isinstance(error, leat.StreamError))


@pytest.mark.parametrize("command", [
    ("crowd.py", "--streams", "200", "--seconds", "2", "--late-ms", "10000"),
    ("measure.py", "--streams", "20", "--events", "40", "--rounds", "1", "--clients", "leat-2")])
def test_the_benches_measure(mock: Mock, command: tuple[str, ...]) -> None:
    """In small, so that they run when they are wanted; what they say is for idle machines."""
    script = ROOT / "bindings/python/bench" / command[0]
    ran = subprocess.run([sys.executable, str(script), *command[1:], "--program", PROGRAM],
                         capture_output=True, text=True, timeout=60)
    assert ran.returncode == 0, ran.stderr + ran.stdout
    assert re.search(r"p99 [\d.]+, at most|us/event", ran.stdout), ran.stdout
