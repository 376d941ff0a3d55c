#!/usr/bin/env python3
"""Versions of TLS against servers that nobody here wrote: nginx with one version alone, and openssl
s_server, which sends what is rare: a HelloRetryRequest, many tickets, a KeyUpdate."""
# ctest: peers 120
import contextlib
import json
import os
import subprocess
import time
import unittest

import mock
import servers

FAST = ("--plain", "--ttft", "1ms", "--gap", "1ms", "--events", "10")
ONLY_12, ONLY_13, BOTH = "TLSv1.2", "TLSv1.3", "TLSv1.2 TLSv1.3"
SESSIONS = "ssl_session_cache shared:S:1m; ssl_session_tickets on;"
NO_SESSIONS = "ssl_session_cache off; ssl_session_tickets off;"
needs_13 = unittest.skipUnless(mock.TLS_VERSION == "1.3", "this mbedTLS has no TLS 1.3")


def chunk(text):
    return ('data: {"choices":[{"index":0,"delta":{"content":"%s"}}]}\n\n' % text).encode()


BODY_END = (b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'
            b'data: [DONE]\n\n')


class Sserver(servers.Front):
    """openssl s_server for one connection; what it answers is typed into it."""

    def __init__(self, *options):
        super().__init__(self.make(options), lambda: "ACCEPT" in self.text(),
                         stdin=subprocess.PIPE)

    @staticmethod
    def make(options):
        def command(front):
            return [servers.find("openssl"), "s_server", "-accept", f"127.0.0.1:{front.port}",
                    "-cert", os.path.join(front.folder, "cert.pem"), "-key",
                    os.path.join(front.folder, "key.pem"), "-naccept", "1", *options]
        return command

    def type(self, piece):
        self.process.stdin.write(piece.decode())
        self.process.stdin.flush()

    def head(self, size):
        """Once the request's head has come: it says `size` bytes of a stream."""
        self.wait_until(lambda: "\nContent-Type: application/json" in self.text())
        self.type(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
                  b"Content-Length: %d\r\n\r\n" % size)


class Case(unittest.TestCase):
    def done_of(self, target, *options):
        """-> (exit code, the last line of chat --json, stderr)."""
        ran = mock.leat("chat", "hi", *target, "--json", "--retries", "0", *options)
        return ran.returncode, json.loads(ran.stdout.splitlines()[-1])["done"], ran.stderr


class NginxTest(Case):
    @classmethod
    def setUpClass(cls):
        servers.require("nginx", "openssl")
        cls.gateway = mock.Mock(*FAST)

    @classmethod
    def tearDownClass(cls):
        cls.gateway.stop()

    def front(self, versions, more=SESSIONS, listen="ssl"):
        front = servers.Nginx(self.gateway.port, server=f"ssl_protocols {versions}; {more}",
                              listen=listen)
        self.addCleanup(front.stop)
        return front

    def load(self, front, *options):
        ran, report = mock.load(*front.target(), "--prompt", "hi", "--requests", "200",
                                "--concurrency", "16", "--connections", "8", *options)
        self.assertEqual((ran.returncode, report["requests"]["completed"]), (0, 200), ran.stderr)
        return report["connections"]

    @needs_13
    def test_tls13_alone_is_spoken_and_resumed(self):
        front = self.front(ONLY_13)
        code, done, said = self.done_of(front.target())
        self.assertEqual((code, done["tls"], done["resumed_tls"]), (0, "1.3", False), said)
        connections = self.load(front, "--http", "1.1")
        self.assertEqual((connections["opened"], connections["full_handshakes"],
                          connections["resumed"]), (8, 1, 7))
        marks = [request[3] for request in front.requests(201)]  # nginx says so too
        self.assertIn("r", marks)
        self.assertIn(".", marks)

    @needs_13
    def test_tls13_over_http2(self):
        front = self.front(ONLY_13, listen="ssl http2")
        code, done, said = self.done_of(front.target(), "--http", "2")
        self.assertEqual((code, done["tls"], done["http"]), (0, "1.3", "2"), said)
        connections = self.load(front, "--http", "2", "--streams", "4")
        self.assertGreaterEqual(connections["opened"], 4)
        self.assertEqual(connections["resumed"], connections["opened"] - 1)

    @needs_13
    def test_tls13_without_tickets_costs_full_handshakes_and_no_error(self):
        self.assertEqual(self.load(self.front(ONLY_13, NO_SESSIONS))["resumed"], 0)

    def test_of_two_versions_the_better_is_spoken(self):
        front = self.front(BOTH)
        code, done, said = self.done_of(front.target())
        self.assertEqual((code, done["tls"]), (0, mock.TLS_VERSION), said)

    def test_tls_max_holds_whatever_the_server_speaks(self):
        for versions in (ONLY_12, BOTH):
            with self.subTest(versions=versions):
                front = self.front(versions)
                code, done, said = self.done_of(front.target(), "--tls-max", "1.2")
                self.assertEqual((code, done["tls"]), (0, "1.2"), said)
                self.assertEqual(self.load(front, "--tls-max", "1.2")["resumed"], 7)

    def test_a_server_of_tls13_alone_is_a_named_error_where_that_is_not_spoken(self):
        code, done, said = self.done_of(self.front(ONLY_13).target(), "--tls-max", "1.2")
        self.assertEqual((code, done["error"]), (1, "LEAT_ETLS"), said)
        self.assertIn("version", said)


@needs_13
class SserverTest(Case):
    @classmethod
    def setUpClass(cls):
        servers.require("openssl")

    def chat(self, server, type_answer):
        with server:
            client = subprocess.Popen(
                [mock.PROGRAM, "chat", "hi", *server.target(), "--json", "--retries", "0",
                 "--http", "1.1"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                stderr=subprocess.PIPE, env=mock.environment(), text=True)
            try:
                type_answer(server)
                out, said = client.communicate(timeout=mock.WAIT_SECONDS)
            finally:
                client.kill()
                client.wait()
        return client.returncode, json.loads(out.splitlines()[-1])["done"], said

    def answer(self, server):
        server.head(len(chunk("hello") + BODY_END))
        server.type(chunk("hello"))
        server.type(BODY_END)

    def check_whole(self, *options):
        code, done, said = self.chat(Sserver("-tls1_3", *options), self.answer)
        self.assertEqual((code, done["tls"], done["error"]), (0, "1.3", None), said)

    def test_hello_retry_request(self):
        self.check_whole("-groups", "P-384")

    def test_each_of_our_suites(self):
        for suite in ("TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384",
                      "TLS_CHACHA20_POLY1305_SHA256"):
            with self.subTest(suite=suite):
                self.check_whole("-ciphersuites", suite)

    def test_many_tickets_and_none(self):
        for count in (0, 1, 20):
            with self.subTest(tickets=count):
                self.check_whole("-num_tickets", str(count))

    def test_a_key_update_in_the_middle_is_a_named_error_and_no_end(self):
        """mbedTLS 3.6 knows none: RFC 8446 section 4.6.3."""
        def answer(server):
            server.head(2 * len(chunk("hello")) + len(BODY_END))
            server.type(chunk("hello"))
            time.sleep(0.5)  # a command is what s_server reads at once and alone
            server.type(b"k\n")
            server.wait_until(lambda: "SSL_do_handshake" in server.text())
            with contextlib.suppress(BrokenPipeError):  # it may be gone, as its client is
                server.type(chunk("hello"))
                server.type(BODY_END)
        code, done, said = self.chat(Sserver("-tls1_3"), answer)
        self.assertEqual(code, 1, said)
        self.assertEqual(done["error"], "LEAT_ETLS", said)


if __name__ == "__main__":
    mock.main()
