#!/usr/bin/env python3
"""WebSockets of python3-websockets and of Node's `ws`: a thousand at once, each byte compared;
chats over them, and what the program says to them."""
# ctest: peers 300
import importlib.util
import json
import os
import ssl
import subprocess
import sys
import time
import unittest
import urllib.request

import mock
import servers

CROWD = 1000
MESSAGES = 5
EVENTS = 10


def python_library():
    path = [*sys.path, "/usr/lib/python3/dist-packages"]
    return any(os.path.isdir(os.path.join(folder, "websockets")) for folder in path) or \
        importlib.util.find_spec("websockets") is not None


class Front(servers.Front):
    """One of the two programs, over TLS or plain."""

    def __init__(self, program, script, plain):
        options = ["plain"] if plain else []
        super().__init__(lambda front: [program, servers.here(script), str(front.port),
                                        front.folder, *options])
        self.plain = plain
        scheme = "" if plain else "s"
        self.url = f"http{scheme}://127.0.0.1:{self.port}"
        self.ws = f"ws{scheme}://127.0.0.1:{self.port}"

    def ended(self):
        """The counters, when every socket has ended as far as the server knows."""
        until = time.monotonic() + mock.WAIT_SECONDS
        seen = self.counts()
        while seen["open"] and time.monotonic() < until:
            time.sleep(0.05)
            seen = self.counts()
        return seen

    def counts(self):
        context = None if self.plain else ssl.create_default_context(cafile=self.ca)
        with urllib.request.urlopen(f"{self.url}/stats", context=context,
                                    timeout=mock.WAIT_SECONDS) as answer:
            return json.load(answer)


class Peers:
    """What holds for each of them. `front(plain)` starts one."""

    def sockets(self, front, count, messages):
        program = os.path.join(mock.BUILD, "examples", "sockets")
        trust = {} if front.plain else {"SSL_CERT_FILE": front.ca}
        return subprocess.run([program, f"{front.ws}/echo", str(count), str(messages)],
                              env=mock.environment(**trust), stdin=subprocess.DEVNULL, text=True,
                              capture_output=True, timeout=120, check=False)

    def check_crowd(self, plain):
        with self.front(plain) as front:
            ran = self.sockets(front, CROWD, MESSAGES)
            self.assertEqual((ran.returncode, ran.stderr), (0, ""))
            self.assertEqual(ran.stdout, f"{CROWD} sockets open at once, {CROWD * MESSAGES} "
                                         "messages echoed, 0 wrong, 0 sockets failed\n")
            seen = front.ended()
            self.assertEqual((seen["sockets"], seen["peak"], seen["messages"]),
                             (CROWD, CROWD, CROWD * MESSAGES))
            self.assertEqual(seen["codes"], {"1000": CROWD})

    def test_a_thousand_sockets_at_once(self):
        self.check_crowd(True)

    def test_a_thousand_sockets_at_once_over_tls(self):
        self.check_crowd(False)

    def test_a_thousand_chats_at_once(self):
        with self.front(False) as front:
            ran, report = mock.load("--base-url", front.url, "--cacert", front.ca, "--model", "m",
                                    "--prompt", "hi", "--protocol", "chat-ws",
                                    "--connect-timeout", "60", "--tls-max", "1.2", "--requests",
                                    str(CROWD), "--concurrency", str(CROWD), "--chat-path",
                                    f"/v1/chat/ws?n={EVENTS}&ms=200&ttft=2000", seconds=120)
            self.assertIsNotNone(report, ran.stderr)
            self.assertEqual(ran.returncode, 0, ran.stderr + json.dumps(report["errors"]))
            self.assertEqual(report["requests"]["completed"], CROWD)
            self.assertEqual(report["content_events"], CROWD * EVENTS)
            self.assertEqual(report["content_bytes"], CROWD * EVENTS * len("word 0 "))
            self.assertEqual(report["requests"]["retried"], 0)
            seen = front.ended()
            self.assertEqual((seen["sockets"], seen["messages"]), (CROWD, CROWD))
            self.assertEqual(set(seen["codes"]), {"1000"})
            self.assertGreater(seen["peak"], CROWD // 2)

    def test_what_the_program_says_comes_back(self):
        lines = "".join(f"line {i} äöü {'x' * (i * 37 % 5000)}\n" for i in range(2000))
        with self.front(False) as front:
            for more in ((), ("--message-max", "8K")):
                ran = mock.leat("ws", f"{front.ws}/echo", "--cacert", front.ca, "--wait", "500ms",
                                *more, stdin=lines)
                self.assertEqual((ran.returncode, ran.stderr), (0, ""))
                self.assertEqual(ran.stdout, lines)
            big = "y" * (3 << 20)
            ran = mock.leat("ws", f"{front.ws}/echo", "-k", "--wait", "1", stdin=big)
            self.assertEqual((ran.returncode, ran.stdout), (0, big + "\n"))
            raw = bytes(b for b in range(256) if b not in b"\r\n")
            ran = subprocess.run([mock.PROGRAM, "ws", f"{front.ws}/echo", "-k", "--binary",
                                  "--wait", "500ms"], input=raw, capture_output=True, timeout=60,
                                 env=mock.environment(), check=False)
            self.assertEqual((ran.returncode, ran.stdout), (0, raw))

    def test_one_chat(self):
        with self.front(False) as front:
            ran = mock.leat("chat", "--base-url", front.url, "--cacert", front.ca, "--model", "m",
                            "--protocol", "chat-ws", "hi")
            self.assertEqual((ran.returncode, ran.stderr), (0, ""))
            self.assertEqual(ran.stdout, "".join(f"word {i} " for i in range(EVENTS)) + "\n")


class Node(Peers, unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        servers.require("node", "openssl")
        if not os.path.isdir("/usr/share/nodejs/ws"):
            raise unittest.SkipTest("not installed: node-ws (test/run.sh --peers)")

    def front(self, plain):
        return Front(servers.find("node"), "wschats.mjs", plain)


class Python(Peers, unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        servers.require("openssl")
        if not python_library():
            raise unittest.SkipTest("not installed: python3-websockets (test/run.sh --peers)")

    def front(self, plain):
        return Front(sys.executable, "wschats.py", plain)


if __name__ == "__main__":
    mock.main()
