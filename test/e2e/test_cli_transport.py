#!/usr/bin/env python3
"""The program's options for transports: which HTTP, proxies and where they are named, client
certificates; and that passwords and keys are shown nowhere."""
# ctest: e2e 120
import os
import socket
import subprocess
import tempfile
import time
import unittest

import mock

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


class Versions(Case):
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
                self.assertEqual(report["config"]["connections"], connections)
                self.assertLess(time.monotonic() - began, 30)
        _, report = mock.load("--base-url", url, "-c", "2000", "--http", "2", "--streams", "50",
                              "--coalesce")
        self.assertEqual(report["config"]["connections"], 20)
        self.assertEqual(report["config"]["streams"], 50)
        self.assertTrue(report["config"]["coalesce"])


if __name__ == "__main__":
    mock.main()
