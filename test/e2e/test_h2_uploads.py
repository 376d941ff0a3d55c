#!/usr/bin/env python3
"""Bodies of a few bytes to 8 MB over HTTP/2, up to a hundred at once, many times what the windows
of these servers hold at first. Each arrives whole, which its reader proves by its hash, and once:
through nginx, h2o, haproxy and nghttpx, and to Node, Go and nghttpd. And servers that do not read
to the end: early answers, RST_STREAM(NO_ERROR) behind an answer, windows that stay shut."""
# ctest: peers 300
import hashlib
import http.server
import json
import subprocess
import sys
import threading

import mock
import servers
from h2crowd import EVENTS, FAST_PATH, Crowd

KB, MB = 1 << 10, 1 << 20
# Bytes of a body, and how many at once.
SIZES = ((1, 100), (65_536, 100), (300 * KB, 100), (MB, 100), (8 * MB, 5))
PIECE = '{"id":"c","choices":[{"index":0,"delta":{"content":"word "},"finish_reason":null}]}'
FINISH = '{"id":"c","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}'
CHAT = (f"data: {PIECE}\n\n" * EVENTS + f"data: {FINISH}\n\ndata: [DONE]\n\n").encode()


class Listener(http.server.BaseHTTPRequestHandler):
    """Answers with a chat when the body is what was promised."""
    protocol_version = "HTTP/1.1"

    def body(self):
        if "chunked" not in self.headers.get("transfer-encoding", ""):
            return self.rfile.read(int(self.headers["content-length"]))
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def do_POST(self):  # pylint: disable=invalid-name
        good = hashlib.sha256(self.body()).hexdigest() == self.headers["x-body-sha256"]
        with self.server.lock:
            self.server.heard.append(good)
        self.send_response(200 if good else 422)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Content-Length", str(len(CHAT) if good else 0))
        self.end_headers()
        self.wfile.write(CHAT if good else b"")

    def log_message(self, *_):  # pylint: disable=arguments-differ
        pass


class Upstream(http.server.ThreadingHTTPServer):
    """Listeners on a port of their own, for fronts. `heard`: was each body as promised?"""
    daemon_threads = True
    request_queue_size = 512

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Listener)
        self.lock = threading.Lock()
        self.heard = []
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, request, client_address):
        """A front that closes a connection it keeps is no error."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()


class Uploads(Crowd):
    def upload(self, front, size, count, *more, **how):
        path = self.body_file(size)
        with open(path, "rb") as file:
            digest = hashlib.sha256(file.read()).hexdigest()
        return self.load(front, "--header", f"x-body-sha256: {digest}", *more, body=path,
                         requests=count, concurrency=count, **how)

    def through(self, make_front, *more, **how):
        """Each size through a front, as often as were asked for and no oftener."""
        for size, count in SIZES:
            with self.subTest(size=size), Upstream() as upstream:
                with make_front(upstream.server_port) as front:
                    self.upload(front, size, count, *more, **how)
                self.assertEqual(upstream.heard, [True] * count)

    def test_nginx(self):
        servers.require("nginx", "openssl")
        self.through(lambda port: servers.Nginx(port, listen="ssl http2",
                                                server="client_max_body_size 9m;"))

    def test_nginx_that_passes_on_at_once(self):
        servers.require("nginx", "openssl")
        self.through(lambda port: servers.Nginx(
            port, listen="ssl http2", server="client_max_body_size 9m;",
            location="proxy_request_buffering off;"), connections=2)

    def test_h2o(self):
        servers.require("h2o", "openssl")
        self.through(servers.H2o)

    def test_haproxy(self):
        servers.require("haproxy", "openssl")
        self.through(lambda port: servers.Haproxy(port, alpn="h2,http/1.1"))

    def test_nghttpx(self):
        servers.require("nghttpx", "openssl")
        self.through(servers.Nghttpx)

    def test_nghttpx_with_the_smallest_windows_and_one_connection(self):
        servers.require("nghttpx", "openssl")
        self.through(lambda port: servers.Nghttpx(
            port, "--frontend-http2-window-size=65535",
            "--frontend-http2-connection-window-size=65535"), connections=1)

    def to(self, make_front):
        with make_front() as front:
            for size, count in SIZES:
                for connections in (1, 8):
                    with self.subTest(size=size, connections=connections):
                        self.upload(front, size, count, "--chat-path", FAST_PATH,
                                    connections=connections)

    def test_node(self):
        servers.require("node", "openssl")
        self.to(servers.NodeChats)

    def test_go(self):
        servers.require("go", "openssl")
        self.to(servers.GoChats)

    def test_nghttpd_that_reads_and_forgets(self):
        servers.require("nghttpd", "openssl")
        with servers.Nghttpd({"chat": CHAT.decode()}) as front:
            for size, count in SIZES:
                with self.subTest(size=size):
                    self.upload(front, size, count, "--chat-path", "/chat")

    def test_one_upload_takes_one_connection(self):
        servers.require("haproxy", "openssl")
        with Upstream() as upstream, servers.Haproxy(upstream.server_port, alpn="h2") as front:
            report = self.upload(front, 4 * MB, 1)
            self.assertEqual(report["connections"]["opened"], 1)


class AsOffered(Crowd):
    """Which HTTP is leat's choice: large bodies may go over HTTP/1.1, where the server has that."""

    def upload(self, front, *more, size=MB, count=60):
        path = self.body_file(size)
        with open(path, "rb") as file:
            digest = hashlib.sha256(file.read()).hexdigest()
        ran, report = mock.load(
            "--base-url", front.url, "--cacert", front.ca, "--body", path, "--requests",
            str(count), "--concurrency", str(count), "--connections", "16", "--header",
            f"x-body-sha256: {digest}", *more, seconds=120)
        self.assertEqual(ran.returncode, 0, ran.stderr + json.dumps(report["errors"]))
        self.assertEqual(report["requests"]["completed"], count)
        self.assertEqual(report["requests"]["retried"], 0)
        self.assertLessEqual(report["connections"]["peak"], 32)
        return report["http"]

    def through(self, make_front):
        for size in (70_000, MB):
            with self.subTest(size=size), Upstream() as upstream:
                with make_front(upstream.server_port) as front:
                    self.upload(front, size=size)
                self.assertEqual(upstream.heard, [True] * 60)

    def test_fronts_that_have_both(self):
        servers.require("openssl")
        fronts = (("nginx", lambda port: servers.Nginx(port, listen="ssl http2",
                                                       server="client_max_body_size 9m;")),
                  ("h2o", servers.H2o), ("nghttpx", servers.Nghttpx),
                  ("haproxy", lambda port: servers.Haproxy(port, alpn="h2,http/1.1")))
        for name, make_front in fronts:
            if servers.find(name):
                with self.subTest(front=name):
                    self.through(make_front)

    def test_go_has_both(self):
        servers.require("go", "openssl")
        with servers.GoChats() as front:
            self.upload(front, "--chat-path", FAST_PATH)

    def test_node_ends_a_handshake_without_http2(self):
        servers.require("node", "openssl")
        with servers.NodeChats() as front:
            self.assertEqual(self.upload(front, "--chat-path", FAST_PATH)["version"], "2")

    def test_nghttpd_lets_it_pass_and_speaks_nothing_else(self):
        servers.require("nghttpd", "openssl")
        with servers.Nghttpd({"chat": CHAT.decode()}) as front:
            self.assertEqual(self.upload(front, "--chat-path", "/chat")["version"], "2")


class Deaf(Crowd):
    """Servers that do not read the body to its end."""

    def refused(self, front, status, *more, count=20, size=MB):
        """Each is told the status, at once, and not by a broken connection."""
        ran, report = mock.load("--base-url", front.url, "--cacert", front.ca, "--body",
                                self.body_file(size), "--http", "2", "--requests", str(count),
                                "--concurrency", str(count), "--head-timeout", "60", *more)
        self.assertEqual(ran.returncode, 1, ran.stderr)
        errors = [(error["error"], error["count"]) for error in report["errors"]]
        self.assertEqual(errors, [("LEAT_ESTATUS", count)], report["errors"])
        self.assertIn(f"HTTP {status}", report["errors"][0]["message"])

    def test_nginx_413(self):
        servers.require("nginx", "openssl")
        with servers.Nginx(mock.free_port(), listen="ssl http2") as front:
            self.refused(front, 413, size=2 * MB)
            self.refused(front, 413, count=1, size=8 * MB)

    def test_haproxy_413_and_429(self):
        servers.require("haproxy", "openssl")
        for status in (413, 429):
            rule = f"http-request return status {status}"
            with servers.Haproxy(mock.free_port(), alpn="h2", frontend=rule) as front:
                self.refused(front, status)
                self.refused(front, status, count=1, size=8 * MB)

    def test_h2o_502(self):
        servers.require("h2o", "openssl")
        with servers.H2o(mock.free_port()) as front:
            self.refused(front, 502)

    def test_go_413(self):
        servers.require("go", "openssl")
        with servers.GoChats() as front:
            self.refused(front, 413, "--chat-path", "/?early=413")
            self.refused(front, 413, "--chat-path", "/?early=413", "--connections", "1")

    def test_h2_10_node_says_no_error_behind_a_refusal(self):
        servers.require("node", "openssl")
        with servers.NodeChats() as front:
            self.refused(front, 413, "--chat-path", "/?early=413")
            self.refused(front, 413, "--chat-path", "/?early=413", "--connections", "1")

    def test_h2_10_node_says_no_error_behind_a_whole_answer(self):
        servers.require("node", "openssl")
        with servers.NodeChats() as front:
            for connections in ("1", "8"):
                ran, report = mock.load(
                    "--base-url", front.url, "--cacert", front.ca, "--body", self.body_file(MB),
                    "--http", "2", "--requests", "40", "--concurrency", "20", "--connections",
                    connections, "--chat-path", "/?early=200")
                self.assertEqual(ran.returncode, 0, ran.stderr + json.dumps(report["errors"]))
                self.assertEqual(report["content_events"], 40)

    def test_h2_14_a_window_that_never_opens_meets_the_deadline_that_says_so(self):
        servers.require("node", "openssl")
        with servers.NodeChats() as front:
            ran, report = mock.load(
                "--base-url", front.url, "--cacert", front.ca, "--body", self.body_file(MB),
                "--http", "2", "--requests", "10", "--concurrency", "10", "--head-timeout", "1",
                "--chat-path", "/?mute=1")
            self.assertEqual(ran.returncode, 1)
            self.assertEqual([(error["error"], error["count"]) for error in report["errors"]],
                             [("LEAT_EHEADTIMEOUT", 10)])

    def test_an_upload_that_is_interrupted_leaves_the_server_well(self):
        servers.require("node", "openssl")
        with servers.NodeChats() as front:
            command = [mock.PROGRAM, "load", "--base-url", front.url, "--cacert", front.ca,
                       "--body", self.body_file(8 * MB), "--http", "2", "--requests", "20",
                       "--concurrency", "20", "--chat-path", "/?mute=1", "--quiet"]
            with subprocess.Popen(command, env=mock.environment(), stderr=subprocess.PIPE) as ran:
                with self.assertRaises(subprocess.TimeoutExpired):
                    ran.wait(0.5)
                ran.terminate()
                self.assertEqual(ran.wait(mock.WAIT_SECONDS), 130, ran.stderr.read())
            self.load(front, "--chat-path", FAST_PATH, requests=20, concurrency=20)


if __name__ == "__main__":
    mock.main()
