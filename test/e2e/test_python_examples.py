#!/usr/bin/env python3
"""The examples in Python: the bot does what the one in C does, and a FastAPI server streams to
browsers, cancels for those that leave and pauses for those that do not read."""
# ctest: peers 600 once
import asyncio
import json
import os
import re
import socket
import time
import unittest
import urllib.request

import bots
import installed
import mock
import mock_text
import test_example_server as web

# As e2e/test_guides.py and docs/reference.py have them, so that one folder serves all.
NEEDS = ("fastapi", "uvicorn", "openai", "anthropic", "httpx", "httpx2", "pdoc")
EVENTS, BROWSERS = 20, 100


def python():
    return installed.python("documents", *NEEDS, tree=True).python


class PythonBot(bots.BotTests, unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.command = [python(), os.path.join(bots.folder("bot-python"), "bot.py")]


class App(mock.Server):
    """The FastAPI example, in front of a gateway."""

    def __init__(self, gateway):
        env = mock.environment(LEAT_API_KEY="sk-of-the-server", SSL_CERT_FILE=gateway.ca or "")
        if not gateway.ca:
            del env["SSL_CERT_FILE"]
        program = os.path.join(bots.folder("fastapi"), "app.py")
        super().__init__([python(), program, gateway.url, "m"], self.is_listening,
                         env=env, seconds=60)

    def is_listening(self):
        found = re.search(r"running on http://127\.0\.0\.1:(\d+)", self.text())
        self.port = int(found[1]) if found else 0
        return self.port > 0

    def counts(self):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/stats", timeout=20) as answer:
            return json.load(answer)

    def ask(self, path):
        with socket.create_connection(("127.0.0.1", self.port), timeout=60) as connection:
            connection.sendall(f"GET {path} HTTP/1.0\r\n\r\n".encode())
            return web.split(web.read_to_end(connection))

    def wait(self, what):
        until = time.monotonic() + mock.WAIT_SECONDS
        while not what():
            if time.monotonic() > until:
                raise AssertionError(f"never so: {self.counts()}")
            time.sleep(0.05)


async def ask_at_once(port, count):
    async def one(i):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(f"GET /chat?prompt=hello+{i} HTTP/1.0\r\n\r\n".encode())
        answer = await reader.read(-1)
        writer.close()
        return web.split(answer)
    return await asyncio.gather(*(one(i) for i in range(count)))


class FastApiExample(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        python()

    def test_browsers_get_whole_answers_at_once(self):
        with mock.Mock("--ttft", "50ms", "--gap", "5ms", "--events", str(EVENTS)) as gateway, \
                App(gateway) as server:
            answers = asyncio.run(ask_at_once(server.port, BROWSERS))
            self.assertEqual(server.counts()["requests_completed"], BROWSERS)
        wanted = {web.as_lines(mock_text.nth_answer(i + 1, EVENTS)) for i in range(BROWSERS)}
        texts = {web.read_events(body) for _, body in answers}
        self.assertEqual(texts, {(text, "LEAT_OK") for text in wanted})

    def test_a_browser_that_leaves_cancels_its_request(self):
        with mock.Mock("--plain", "--gap", "20ms", "--events", "100000") as gateway, \
                App(gateway) as server:
            with socket.create_connection(("127.0.0.1", server.port), timeout=60) as browser:
                browser.sendall(b"GET /chat?prompt=hi HTTP/1.1\r\nHost: here\r\n\r\n")
                got = b""
                while b"data: " not in got:
                    got += browser.recv(65536)
            server.wait(lambda: server.counts()["requests_cancelled"] == 1)
            server.wait(lambda: web.gateway_counts(gateway)["aborted"] == 1)

    def test_a_browser_that_does_not_read_is_paused_alone(self):
        with mock.Mock("--plain", "--gap", "1ms", "--events", "400", "--bytes", "40000",
                       "--ttft", "5ms") as gateway, App(gateway) as server:
            with socket.socket() as slow:
                slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
                slow.settimeout(60)
                slow.connect(("127.0.0.1", server.port))
                slow.sendall(b"GET /chat?prompt=hi HTTP/1.0\r\n\r\n")
                slow.recv(1, socket.MSG_PEEK)
                text, end = web.read_events(server.ask("/chat?prompt=hi")[1])
                self.assertEqual((len(text.encode()) > 10_000_000, end), (True, "LEAT_OK"))
                self.assertEqual(web.gateway_counts(gateway)["in_flight"], 1)
                late, end = web.read_events(web.split(web.read_to_end(slow))[1])
            self.assertEqual((len(late.encode()) > 10_000_000, end), (True, "LEAT_OK"))

    def test_what_ends_badly_does_not_look_whole(self):
        with mock.Mock("--plain", "--fault", "truncate=900") as gateway, App(gateway) as server:
            status, body = server.ask("/chat?prompt=hi")
            self.assertEqual((status, web.read_events(body)[1]), (200, "LEAT_ETRUNCATED"))
            self.assertEqual(server.ask("/chat?prompt=")[0], 422)
            self.assertIn("EventSource", server.ask("/")[1])


if __name__ == "__main__":
    mock.main()
