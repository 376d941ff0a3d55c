#!/usr/bin/env python3
"""The program's options for transports: which HTTP, proxies and where they are named, client
certificates; and that passwords and keys are shown nowhere."""
# ctest: e2e 120
import json
import os
import socket
import subprocess
import tempfile
import time
import unittest

import mock
import tunnel

PASSWORD = "pw-canary-7f3a%409b2c"
DECODED = "pw-canary-7f3a@9b2c"


class Case(unittest.TestCase):
    def fails(self, ran, code, *words):
        """One line on standard error, with all the words, and this exit code."""
        self.assertEqual(ran.returncode, code, ran.stderr)
        self.assertEqual(ran.stderr.count("\n"), 1, ran.stderr)
        self.assertTrue(ran.stderr.startswith("leat: "), ran.stderr)
        for word in words:
            self.assertIn(word, ran.stderr)

    def file(self, text="", mode=0o600):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        path = os.path.join(folder.name, "file")
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(path, mode)
        return path


class Certificates(Case):
    def test_a_key_needs_a_certificate_and_is_not_shown(self):
        ran = mock.leat("chat", "x", "--key", "sk-canary-typed-in-the-wrong-place")
        self.fails(ran, 2, "--cert", "--key-file", "LEAT_API_KEY")
        self.assertNotIn("canary", ran.stderr)
        ran = mock.leat("chat", "x", "--cert", self.file(), "--key", "sk-canary-again")
        self.fails(ran, 2, "--key", "No such file")
        self.assertNotIn("canary", ran.stderr)

    def test_a_certificate_that_is_not_there(self):
        self.fails(mock.leat("chat", "x", "--cert", "/nonexistent/c"), 2, "/nonexistent/c",
                   "No such file")

    def test_a_key_that_others_read_is_warned_of(self):
        base = ("chat", "x", "--base-url", "ftp://h", "--cert", self.file())
        self.assertIn("chmod 600", mock.leat(*base, "--key", self.file(mode=0o644)).stderr)
        self.assertNotIn("chmod", mock.leat(*base, "--key", self.file()).stderr)

    def test_a_file_that_is_no_certificate_is_told(self):
        with mock.Mock("--events", "2") as gateway:
            ran = mock.leat("chat", "x", "--base-url", gateway.url, "--cacert", gateway.ca,
                            "--cert", self.file("nothing"), "--retries", "0")
            self.fails(ran, 1, "--cert")


class Proxies(Case):
    def test_the_first_that_is_set_counts(self):
        """Each is one that cannot be used, so that the error tells which was taken."""
        order = ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")
        for at, name in enumerate(order):
            env = {other: "socks5://127.0.0.1:1" for other in order[at:]}
            with self.subTest(name=name):
                ran = mock.leat("chat", "x", "--base-url", "https://h.invalid", **env)
                self.fails(ran, 2, f"{name}:", "socks5")
        env = {other: "socks5://127.0.0.1:1" for other in order}
        ran = mock.leat("chat", "x", "--base-url", "https://h", "--proxy", "gopher://h", **env)
        self.fails(ran, 2, "--proxy:", "gopher")

    def test_one_that_cannot_be_used_is_told_without_its_password(self):
        for proxy in (f"http://u:{PASSWORD}@h:99999", f"http://u:{PASSWORD}@", f"u:{PASSWORD}@a b"):
            with self.subTest(proxy=proxy):
                ran = mock.leat("chat", "x", "--base-url", "https://h", "--proxy", proxy)
                self.fails(ran, 2, "proxy", "--proxy")
                self.assertNotIn("canary", ran.stderr)

    def test_one_for_https_is_none_for_http(self):
        env = {"https_proxy": "socks5://h:1", "HTTPS_PROXY": "socks5://h:1"}
        with mock.Mock("--plain", "--events", "2") as gateway:
            ran = mock.leat("chat", "x", "--base-url", gateway.url, **env)
            self.assertEqual((ran.returncode, ran.stderr), (0, ""))
            ran = mock.leat("chat", "x", "--base-url", gateway.url, ALL_PROXY="socks5://h:1")
            self.fails(ran, 2, "ALL_PROXY:")
            ran = mock.leat("chat", "x", "--base-url", gateway.url, "--proxy", "",
                            ALL_PROXY="socks5://h:1")
            self.assertEqual((ran.returncode, ran.stderr), (0, ""))

    def test_a_unix_socket_has_none(self):
        ran = mock.leat("chat", "x", "--base-url", "unix:/nonexistent", "--proxy", "http://h:1")
        self.fails(ran, 2, "Unix socket")
        ran = mock.leat("chat", "x", "--base-url", "unix:/nonexistent", "--retries", "0",
                        ALL_PROXY="socks5://h:1")
        self.assertNotIn("ALL_PROXY", ran.stderr)

    def test_the_demo_asks_no_proxy(self):
        ran = mock.leat("demo", "--chats", "2", "--tasks", "0", "--connections", "2", "-q",
                        ALL_PROXY="socks5://h:1", HTTPS_PROXY="http://127.0.0.1:1")
        self.assertEqual(ran.returncode, 0, ran.stderr)

    def test_a_password_is_in_no_process_list_and_no_message(self):
        with socket.create_server(("127.0.0.1", 0)) as silent:
            port = silent.getsockname()[1]
            child = subprocess.Popen(
                [mock.PROGRAM, "chat", "x", "--base-url", f"http://127.0.0.1:{port}", "--proxy",
                 f"http://user:{PASSWORD}@127.0.0.1:{port}"], stdin=subprocess.DEVNULL,
                env=mock.environment(), preexec_fn=mock.die_with_parent, stdout=subprocess.PIPE,
                stderr=subprocess.PIPE, text=True)
            silent.settimeout(mock.WAIT_SECONDS)
            peer, _ = silent.accept()
            with open(f"/proc/{child.pid}/cmdline", encoding="utf-8") as file:
                shown = file.read()
            peer.settimeout(mock.WAIT_SECONDS)
            peer.recv(65536)
            peer.sendall(f"HTTP/1.1 407 {DECODED} {PASSWORD}\r\nContent-Length: 0\r\n\r\n".encode())
            peer.close()
            silent.close()
            out, err = child.communicate(timeout=mock.WAIT_SECONDS)
        self.assertNotIn("canary", shown)
        self.assertNotIn("user", shown)
        self.assertIn(f"@127.0.0.1:{port}", shown)
        self.assertNotIn("canary", out + err)
        self.assertEqual(child.returncode, 1)


class Tunnels(Case):
    """Through a proxy that is there."""

    @classmethod
    def setUpClass(cls):
        cls.gateway = mock.Mock("--events", "5", "--ttft", "1ms", "--gap", "1ms")
        cls.addClassCleanup(cls.gateway.stop)
        cls.plain = mock.Mock("--plain", "--events", "5", "--ttft", "1ms", "--gap", "1ms")
        cls.addClassCleanup(cls.plain.stop)

    def tunnel(self, **how):
        proxy = tunnel.Tunnel(**how)
        self.addCleanup(proxy.close)
        return proxy

    def chat(self, *options, gateway=None, **env):
        gateway = gateway or self.gateway
        ca = ["--cacert", gateway.ca] if gateway.ca else []
        return mock.leat("chat", "x", "--base-url", gateway.url, *ca, "--api-key", "sk-canary-key",
                         "--retries", "0", *options, **env)

    def fine(self, ran):
        self.assertEqual((ran.returncode, ran.stderr), (0, ""))
        self.assertGreater(len(ran.stdout), 10)

    def test_every_origin_is_reached_by_connect(self):
        for gateway in (self.gateway, self.plain):
            proxy = self.tunnel()
            self.fine(self.chat("--proxy", proxy.url, "--allow-plain-key", gateway=gateway))
            head, = proxy.heads
            self.assertTrue(head.startswith(f"CONNECT 127.0.0.1:{gateway.port} HTTP/1.1\r\n"), head)
            self.assertNotIn("authorization", head.lower())

    def test_key_10_no_key_reaches_the_proxy(self):
        proxy = self.tunnel()
        self.fails(self.chat("--proxy", proxy.url, gateway=self.plain), 2, "--allow-plain-key")
        self.assertEqual(proxy.heads, [])
        self.fine(self.chat("--proxy", proxy.url))
        self.assertNotIn("canary", "".join(proxy.heads))
        self.assertNotIn(b"canary", proxy.relayed)

    def test_the_password_is_sent_decoded_and_to_the_proxy_alone(self):
        proxy = self.tunnel(login=f"user:{DECODED}")
        url = proxy.url.replace("://", f"://user:{PASSWORD}@")
        self.fine(self.chat("--proxy", url))
        self.fails(self.chat("--proxy", proxy.url), 1, "407", "--proxy")
        wrong = self.chat("--proxy", url.replace("canary", "heron"))
        self.fails(wrong, 1, "407", "--proxy")
        self.assertNotIn("heron", wrong.stderr)

    def test_the_environment_names_it(self):
        proxy = self.tunnel()
        for name in ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
            self.fine(self.chat(**{name: proxy.url}))
        self.assertEqual(len(proxy.heads), 4)
        self.fine(self.chat("--proxy", "", HTTPS_PROXY=proxy.url))
        self.fine(self.chat(gateway=self.plain, HTTPS_PROXY=proxy.url))
        self.assertEqual(len(proxy.heads), 4)
        self.fine(self.chat("--allow-plain-key", gateway=self.plain,
                            ALL_PROXY=proxy.url.removeprefix("http://")))
        self.assertEqual(len(proxy.heads), 5)

    def test_what_is_excepted_is_reached_directly(self):
        proxy = self.tunnel()
        for value in ("*", "127.0.0.1", "10.0.0.0/8, 127.0.0.0/8",
                      f"127.0.0.1:{self.gateway.port}"):
            for name in ("no_proxy", "NO_PROXY"):
                self.fine(self.chat("--proxy", proxy.url, **{name: value}))
            self.fine(self.chat("--no-proxy", value, HTTPS_PROXY=proxy.url, NO_PROXY="elsewhere"))
        self.assertEqual(proxy.heads, [])
        self.fine(self.chat("--no-proxy", "127.0.0.1:1", HTTPS_PROXY=proxy.url, NO_PROXY="*"))
        self.assertEqual(len(proxy.heads), 1)

    def test_a_crowd_over_http2(self):
        proxy = self.tunnel()
        ran, report = mock.load("--base-url", self.gateway.url, "--cacert", self.gateway.ca, "-n",
                                "400", "-c", "200", "--http", "2", "--proxy", proxy.url)
        self.assertEqual((ran.returncode, ran.stderr), (0, ""))
        self.assertEqual(len(proxy.heads), report["connections"]["opened"])

    def test_a_proxy_that_is_not_there(self):
        port = mock.free_port()
        ran = self.chat("--proxy", f"http://127.0.0.1:{port}")
        self.fails(ran, 1, "the proxy cannot be reached", "refused", "--proxy")


class Sockets(Case):
    def test_a_gateway_behind_a_unix_socket(self):
        with mock.Mock("--plain", "--events", "5", "--ttft", "1ms", "--gap", "1ms") as gateway:
            path = os.path.join(os.path.dirname(self.file()), "s")
            proxy = tunnel.Tunnel(path=path, to=gateway.port)
            self.addCleanup(proxy.close)
            for base in (f"unix:{path}", f"unix:{path}:/v1"):
                ran = mock.leat("chat", "x", "--base-url", base, "--api-key", "sk-a-key",
                                ALL_PROXY="http://127.0.0.1:1")
                self.assertEqual((ran.returncode, ran.stderr), (0, ""))
                self.assertGreater(len(ran.stdout), 10)
            ran = mock.leat("chat", "x", "--base-url", f"unix:{path}x", "--retries", "0")
            self.fails(ran, 1, "--base-url")


class Versions(Case):
    @classmethod
    def setUpClass(cls):
        cls.gateway = mock.Mock("--events", "20", "--ttft", "100ms", "--gap", "5ms")
        cls.addClassCleanup(cls.gateway.stop)

    def load(self, *options):
        ran, report = mock.load("--base-url", self.gateway.url, "--cacert", self.gateway.ca,
                                "-n", "12", "-c", "6", *options)
        self.assertEqual((ran.returncode, ran.stderr), (0, ""))
        self.assertEqual(report["streams"]["peak"], 6)
        self.assertEqual(report["content_events"], 12 * 20)
        return report

    def test_the_report_says_what_was_spoken(self):
        report = self.load("--connections", "6", "--http", "1.1")
        self.assertEqual(report["http"], {"version": "1.1", "requests_http1": 12,
                                          "requests_http2": 0})
        self.assertEqual((report["connections"]["opened"], report["connections"]["http2"]), (6, 0))
        report = self.load("--http", "2")
        self.assertEqual(report["http"], {"version": "2", "requests_http1": 0,
                                          "requests_http2": 12})
        self.assertEqual((report["connections"]["opened"], report["connections"]["http2"]), (1, 1))

    def test_no_more_streams_than_wanted_on_a_connection(self):
        report = self.load("--http", "2", "--streams", "2", "--connections", "3")
        self.assertEqual((report["connections"]["opened"], report["connections"]["http2"]), (3, 3))

    def test_a_chat_says_what_it_spoke(self):
        for options, version in (([], "2"), (["--http", "2"], "2"), (["--http", "1.1"], "1.1")):
            ran = mock.leat("chat", "x", "--base-url", self.gateway.url, "--cacert",
                            self.gateway.ca, "--json", *options)
            done = json.loads(ran.stdout.splitlines()[-1])["done"]
            self.assertEqual((ran.returncode, done["http"]), (0, version), ran.stderr)

    def test_tls_max_is_the_best_that_is_spoken(self):
        best = mock.TLS_VERSION  # which the gateway speaks too
        for options, version in (([], best), (["--tls-max", "1.3"], best),
                                 (["--tls-max", "1.2"], "1.2")):
            with self.subTest(options=options):
                ran = mock.leat("chat", "x", "--base-url", self.gateway.url, "--cacert",
                                self.gateway.ca, "--json", *options)
                done = json.loads(ran.stdout.splitlines()[-1])["done"]
                self.assertEqual((ran.returncode, done["tls"]), (0, version), ran.stderr)
                self.assertFalse(done["resumed_tls"])

    def test_plain_http_speaks_it_where_it_is_told_to(self):
        with mock.Mock("--plain", "--events", "3") as gateway:
            for options, version in (([], "1.1"), (["--http", "2"], "2")):
                ran = mock.leat("chat", "x", "--base-url", gateway.url, "--json", *options)
                done = json.loads(ran.stdout.splitlines()[-1])["done"]
                self.assertEqual((ran.returncode, done["http"]), (0, version), ran.stderr)

    def test_nothing_was_spoken_where_nobody_listens(self):
        ran, report = mock.load("--base-url", f"http://127.0.0.1:{mock.free_port()}", "-n", "2",
                                "-c", "2")
        self.assertEqual(ran.returncode, 1)
        self.assertEqual(report["http"], {"version": None, "requests_http1": 0,
                                          "requests_http2": 0})
        self.assertEqual(report["streams"]["peak"], 0)

    def test_connections_are_sized_by_the_version(self):
        url = f"http://127.0.0.1:{mock.free_port()}"
        for options, connections in ((["--http", "2"], 8), (["--http", "1.1"], 40),
                                     (["--http", "2", "--connections", "3"], 3),
                                     (["--http", "1.1", "--connections", "3"], 3)):
            with self.subTest(options=options):
                began = time.monotonic()
                _, report = mock.load("--base-url", url, "-n", "40", "-c", "40", *options)
                self.assertEqual(report["connections"]["allowed"], connections)
                self.assertLess(time.monotonic() - began, 30)
        _, report = mock.load("--base-url", url, "-c", "2000", "--http", "2", "--streams", "50",
                              "--coalesce")
        self.assertEqual(report["connections"]["allowed"], 20)
        self.assertEqual(report["config"]["streams"], 50)
        self.assertTrue(report["config"]["coalesce"])


if __name__ == "__main__":
    mock.main()
