#!/usr/bin/env python3
"""The example of a server on a borrowed loop: many browsers at once, each gets its whole answer;
one that leaves has its request cancelled, one that does not read has it paused, and neither is felt
by the others. What ends badly does not look whole."""
import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import time
import unittest
import urllib.request

import mock
import mock_text

PROGRAM = os.path.join(mock.BUILD, "examples", "server")
EVENTS, BROWSERS = 20, 300


class Server(mock.Server):
    """The example on a port of its own, in front of a gateway."""

    def __init__(self, gateway):
        env = mock.environment(LEAT_API_KEY="sk-of-the-server",
                               **({"SSL_CERT_FILE": gateway.ca} if gateway.ca else {}))
        super().__init__([PROGRAM, gateway.url, "m"], self.is_listening, env=env)
        self.port = int(self.text().strip().rsplit(":", 1)[1])

    def is_listening(self):
        return self.text().endswith("\n")

    def ask(self, path):
        """-> (status, body); one request at a time."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=20) as connection:
            connection.sendall(f"GET {path} HTTP/1.1\r\nHost: here\r\n\r\n".encode())
            return split(read_to_end(connection))

    def counts(self):
        return {name: int(value) for name, value in
                (line.split() for line in self.ask("/stats")[1].splitlines())}

    def wait(self, what):
        """Until the counters are so, which `what` says."""
        until = time.monotonic() + mock.WAIT_SECONDS
        while not what(self.counts()):
            if time.monotonic() > until:
                raise AssertionError(f"never so: {self.counts()}")
            time.sleep(0.02)


def read_to_end(connection):
    got = b""
    while piece := connection.recv(65536):
        got += piece
    return got


def split(answer):
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), body.decode()


def read_events(body):
    """As a browser reads an event stream: (the messages joined, what the `end` event said)."""
    text, end = "", None
    for event in body.split("\n\n"):
        fields = [line.partition(": ") for line in event.split("\n") if not line.startswith(":")]
        value = "\n".join(rest for name, _, rest in fields if name == "data")
        if ("event", ": ", "end") in fields:
            end = value
        else:
            text += value
    return text, end


def as_lines(text):
    """An event stream has one kind of line end."""
    return re.sub("\r\n|\r", "\n", text)


async def ask_at_once(port, count):
    async def one(i):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(f"GET /chat?prompt=hello+{i} HTTP/1.1\r\nHost: here\r\n\r\n".encode())
        answer = await reader.read(-1)
        writer.close()
        return split(answer)
    return await asyncio.gather(*(one(i) for i in range(count)))


def gateway_counts(gateway):
    with urllib.request.urlopen(f"{gateway.url}/stats", timeout=20) as answer:
        return json.load(answer)


class ServerExample(unittest.TestCase):
    def test_browsers_get_whole_answers_at_once(self):
        with mock.Mock("--ttft", "300ms", "--gap", "5ms", "--events", str(EVENTS)) as gateway, \
                Server(gateway) as server:
            answers = asyncio.run(ask_at_once(server.port, BROWSERS))
            counts = server.counts()
        wanted = {as_lines(mock_text.nth_answer(i + 1, EVENTS)) for i in range(BROWSERS)}
        for status, body in answers:
            text, end = read_events(body)
            self.assertEqual((status, end), (200, "LEAT_OK"))
            self.assertIn(text, wanted)
            wanted.remove(text)
        self.assertEqual((counts["answered"], counts["failed"]), (BROWSERS, 0))

    def test_a_browser_that_leaves_cancels_its_request(self):
        with mock.Mock("--plain", "--gap", "20ms", "--events", "100000") as gateway, \
                Server(gateway) as server:
            with socket.create_connection(("127.0.0.1", server.port), timeout=20) as browser:
                browser.sendall(b"GET /chat?prompt=hi HTTP/1.1\r\n\r\n")
                self.assertIn(b"200 OK", browser.recv(65536))
                self.assertEqual(gateway_counts(gateway)["aborted"], 0)
            server.wait(lambda counts: counts["gone"] == 1)
            until = time.monotonic() + mock.WAIT_SECONDS
            while gateway_counts(gateway)["aborted"] == 0 and time.monotonic() < until:
                time.sleep(0.02)
            self.assertEqual(gateway_counts(gateway)["aborted"], 1)

    def test_a_browser_that_does_not_read_is_paused_alone(self):
        with mock.Mock("--plain", "--gap", "1ms", "--events", "400", "--bytes", "40000",
                       "--ttft", "5ms") as gateway, Server(gateway) as server:
            with socket.socket() as slow:
                slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
                slow.settimeout(60)
                slow.connect(("127.0.0.1", server.port))
                slow.sendall(b"GET /chat?prompt=hi HTTP/1.1\r\n\r\n")
                server.wait(lambda counts: counts["paused"] == 1)
                text, end = read_events(server.ask("/chat?prompt=hi")[1])
                self.assertEqual((len(text.encode()) > 10_000_000, end), (True, "LEAT_OK"))
                self.assertEqual(server.counts()["paused"], 1)
                late, end = read_events(split(read_to_end(slow))[1])
            self.assertEqual((len(late.encode()) > 10_000_000, end), (True, "LEAT_OK"))

    def test_what_ends_badly_does_not_look_whole(self):
        with mock.Mock("--plain", "--fault", "truncate=900") as gateway, Server(gateway) as server:
            status, body = server.ask("/chat?prompt=hi")
            self.assertEqual((status, read_events(body)[1]), (200, "LEAT_ETRUNCATED"))
        with mock.Mock("--plain", "--fault", "status=401") as gateway, Server(gateway) as server:
            self.assertEqual(server.ask("/chat?prompt=hi"), (502, "LEAT_ESTATUS"))
            self.assertEqual(server.counts()["failed"], 1)

    def test_requests_that_are_none_are_refused(self):
        with mock.Mock("--plain") as gateway, Server(gateway) as server:
            self.assertEqual(server.ask("/")[0], 200)
            for path, status in (("/nowhere", 404), ("/chat", 400), ("/chat?prompt=%4", 400),
                                 ("/chat?prompt=%00", 400), (f"/{'x' * 100}", 414),
                                 (f"/chat?prompt={'x' * 5000}", 414), (f"/{'x' * 9000}", 431)):
                self.assertEqual(server.ask(path)[0], status, path[:40])
            for text, status in ((b"POST /chat HTTP/1.1\r\n\r\n", 405), (b"\r\n\r\n", 400),
                                 (b"GET  HTTP/1.1\r\n\r\n", 400), (b"GET / HTTP/2.0\r\n\r\n", 400)):
                with socket.create_connection(("127.0.0.1", server.port), timeout=20) as browser:
                    for byte in text:
                        browser.sendall(bytes([byte]))
                    self.assertEqual(split(read_to_end(browser))[0], status, text)

    def test_a_signal_lets_answers_end(self):
        with mock.Mock("--plain", "--ttft", "300ms", "--events", str(EVENTS)) as gateway, \
                Server(gateway) as server:
            with socket.create_connection(("127.0.0.1", server.port), timeout=20) as browser:
                browser.sendall(b"GET /chat?prompt=hi HTTP/1.1\r\n\r\n")
                server.wait(lambda counts: counts["browsers"] == 2)
                server.process.send_signal(signal.SIGTERM)
                text, end = read_events(split(read_to_end(browser))[1])
            self.assertEqual(end, "LEAT_OK")
            self.assertEqual(text, as_lines(mock_text.nth_answer(1, EVENTS)))
            self.assertEqual(server.ended(), 0, server.text())

    def test_wrong_use(self):
        for words in ((), ("http://127.0.0.1:1", "m", "70000"), ("ftp://x", "m", "x")):
            ran = subprocess.run([PROGRAM, *words], capture_output=True, text=True, timeout=20,
                                 check=False)
            self.assertEqual((ran.returncode, ran.stderr),
                             (2, "usage: server BASE_URL MODEL [PORT]\n"))
        with mock.Mock("--plain") as gateway, Server(gateway) as server:
            ran = subprocess.run([PROGRAM, gateway.url, "m", str(server.port)], text=True,
                                 capture_output=True, timeout=20, check=False)
            self.assertEqual(ran.returncode, 1)
            self.assertIn("address already in use", ran.stderr)


if __name__ == "__main__":
    mock.main()
