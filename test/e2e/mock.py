"""What the end-to-end tests share: the program, servers as foreground children, and the gateway.

Environment, set by ctest: LEAT_PROGRAM, LEAT_BUILD_DIR, LEAT_SOURCE_DIR, LEAT_TLS_VERSION;
LEAT_CORPORA from the caller. Every wait is bounded, every port is the system's choice, and every
child is stopped by its own process id; should the test itself be killed, the kernel ends its
children.

    with mock.Mock("--events", "10") as gateway:
        ran = mock.leat("chat", "hi", "--base-url", gateway.url, "--cacert", gateway.ca)
"""
import contextlib
import ctypes
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

WAIT_SECONDS = 20
PR_SET_PDEATHSIG = 1
# Opened before any fork: between fork and exec another thread's lock of the loader would stay held.
LIBC = ctypes.CDLL(None)
READY = re.compile(r"listening on (https?://\S+:(\d+))(?: ca (\S+))?")
SOURCE = os.environ.get("LEAT_SOURCE_DIR") or os.path.abspath(
    os.path.join(os.path.dirname(__file__), "../.."))
BUILD = os.environ.get("LEAT_BUILD_DIR") or os.path.join(SOURCE, "build/release")
PROGRAM = os.environ.get("LEAT_PROGRAM") or os.path.join(BUILD, "leat")
# The best that the mbedTLS speaks which the program was built with.
TLS_VERSION = os.environ.get("LEAT_TLS_VERSION", "1.2")
# What would make the program behave as its caller's shell is set up, and not as the test says.
SETTINGS = ("LEAT_API_KEY", "OPENAI_API_KEY", "OPENAI_BASE_URL", "ANTHROPIC_API_KEY",
            "ANTHROPIC_BASE_URL", "GEMINI_API_KEY", "SSL_CERT_FILE", "SSL_CERT_DIR",
            "HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY", "https_proxy", "http_proxy",
            "all_proxy", "no_proxy")


def environment(**more):
    clean = {name: value for name, value in os.environ.items() if name not in SETTINGS}
    return {**clean, "NO_COLOR": "1", **more}


def corpora():
    """The folder of the shared corpora, or None."""
    folder = os.environ.get("LEAT_CORPORA") or os.path.join(SOURCE, "../shared/corpora")
    return folder if os.path.isdir(folder) else None


def leat(*arguments, stdin="", seconds=60, **env):
    """Runs the program to its end. The result has returncode, stdout, stderr (text)."""
    return subprocess.run([PROGRAM, *arguments], input=stdin, env=environment(**env), text=True,
                          capture_output=True, timeout=seconds, check=False)


def load(*arguments, **more):
    """Runs `leat load --json -`: (the finished process, its report, or None without one)."""
    ran = leat("load", "--quiet", "--json", "-", *arguments, **more)
    return ran, json.loads(ran.stdout) if ran.stdout.startswith("{") else None


def die_with_parent():
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def free_port():
    """A port that was free a moment ago, for servers that cannot choose one themselves."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """A server in the foreground. It is ready when `ready()` is true, and stopped by `with`."""

    def __init__(self, command, ready=None, env=None, stdin=subprocess.DEVNULL,
                 seconds=WAIT_SECONDS):
        self.log, self.seconds = [], seconds
        self.process = subprocess.Popen(command, stdin=stdin, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, env=env or environment(),
                                        preexec_fn=die_with_parent, text=True, errors="replace")
        # Read to the end all the time: a full pipe would stop the server.
        self.reader = threading.Thread(target=self.read_log, daemon=True)
        self.reader.start()
        try:
            self.wait_until(ready or (lambda: True))
        except BaseException:
            self.stop()
            raise

    def read_log(self):
        for line in self.process.stdout:
            self.log.append(line)

    def text(self):
        return "".join(self.log)

    def wait_until(self, ready):
        until = time.monotonic() + self.seconds
        while not ready():
            if self.process.poll() is not None:
                self.reader.join(1)
                raise RuntimeError(f"{self.process.args[0]} ended ({self.process.returncode}): "
                                   f"{self.text()}")
            if time.monotonic() > until:
                raise RuntimeError(f"{self.process.args[0]} is not ready: {self.text()}")
            time.sleep(0.01)

    def ended(self, seconds=WAIT_SECONDS):
        """Waits until it has ended and all that it said is read -> its exit code."""
        code = self.process.wait(seconds)
        self.reader.join(WAIT_SECONDS)
        return code

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(WAIT_SECONDS)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.reader.join(WAIT_SECONDS)
        self.process.stdout.close()
        if self.process.stdin:
            with contextlib.suppress(BrokenPipeError):  # what it has not read is lost
                self.process.stdin.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


def answers(port):
    """A `ready` for servers on a given port: does it accept?"""
    def ready():
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0
    return ready


class Mock(Server):
    """`leat mock` on a port of its own: url, port, ca (a PEM file, None with --plain)."""

    def __init__(self, *options):
        self.folder = tempfile.TemporaryDirectory()
        self.found = None
        ca = [] if "--plain" in options else ["--ca-out", os.path.join(self.folder.name, "ca.pem")]
        super().__init__([PROGRAM, "mock", "--port", "0", *ca, *options], self.is_listening)
        self.url, self.port, self.ca = self.found[1], int(self.found[2]), self.found[3]

    def is_listening(self):
        self.found = READY.search(self.text())
        return self.found is not None

    def stop(self):
        super().stop()
        self.folder.cleanup()


def main():
    """Runs the caller's tests. Exit 77, ctest's sign for skipped, when none could run."""
    program = unittest.main(module="__main__", exit=False, verbosity=2)
    result = program.result
    for test, why in result.skipped:
        print(f"SKIPPED {test}: {why}")
    if not result.wasSuccessful():
        sys.exit(1)
    # A class that is skipped as a whole counts among the skipped, but not among those run.
    skipped = sum(isinstance(test, unittest.TestCase) for test, _ in result.skipped)
    sys.exit(77 if result.skipped and result.testsRun == skipped else 0)
