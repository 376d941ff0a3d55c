#!/usr/bin/env python3
"""nginx with TLS in front of the gateway: connections that it closes after a few requests, gzip,
sessions that are or are not resumed, and what it does when the gateway behind it fails."""
# ctest: peers 180
import unittest

import mock
import servers

FAST = ("--plain", "--ttft", "1ms", "--gap", "1ms", "--events", "10")


class NginxTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        servers.require("nginx", "openssl")
        cls.gateway = mock.Mock(*FAST)

    @classmethod
    def tearDownClass(cls):
        cls.gateway.stop()

    def load(self, front, *more, requests=200, connections=4):
        ran, report = mock.load(*front.target(), "--prompt", "hi", "--requests", str(requests),
                                "--concurrency", "16", "--connections", str(connections), *more)
        self.assertIsNotNone(report, ran.stderr)
        return ran, report

    def test_pl_limit_of_requests_on_a_connection(self):
        with servers.Nginx(self.gateway.port, server="keepalive_requests 7;") as front:
            ran, report = self.load(front)
            self.assertEqual(ran.returncode, 0, ran.stderr)
            self.assertEqual(report["requests"]["completed"], 200)
            self.assertLessEqual(report["connections"]["peak"], 4)
            self.assertGreaterEqual(report["connections"]["opened"], 200 // 7)
            self.assertEqual(len(front.requests(200)), 200)

    def test_pl_connections_are_kept(self):
        with servers.Nginx(self.gateway.port) as front:
            ran, report = self.load(front)
            self.assertEqual((ran.returncode, report["requests"]["completed"]), (0, 200))
            self.assertEqual(len({request[0] for request in front.requests(200)}), 4)

    def test_tls_16_sessions_resumed_where_the_server_has_them(self):
        cache = "ssl_session_cache shared:S:1m; ssl_session_tickets on; ssl_protocols TLSv1.2;"
        with servers.Nginx(self.gateway.port, server=cache) as front:
            ran, report = self.load(front, connections=8)
            self.assertEqual(ran.returncode, 0, ran.stderr)
            self.assertEqual(report["connections"]["resumed"], 7)

    def test_tls_16_no_sessions_cost_full_handshakes_and_no_error(self):
        off = "ssl_session_cache off; ssl_session_tickets off; ssl_protocols TLSv1.2;"
        with servers.Nginx(self.gateway.port, server=off) as front:
            ran, report = self.load(front, connections=8)
            self.assertEqual((ran.returncode, report["requests"]["completed"]), (0, 200))
            self.assertEqual(report["connections"]["resumed"], 0)

    def test_gzip_of_an_answer_that_is_not_streamed(self):
        gzip = "gzip on; gzip_types application/json; gzip_min_length 1; gzip_proxied any;"
        ask = ("chat", "hi", "--model", "m", "--no-stream", "--header", "x-mock-seed: 5",
               "--header", "x-mock-events: 200")
        plain = mock.leat(*ask, "--base-url", self.gateway.url)
        self.assertEqual(plain.returncode, 0, plain.stderr)
        with servers.Nginx(self.gateway.port, server=gzip) as front:
            packed = mock.leat(*ask, "--base-url", front.url, "--cacert", front.ca)
            self.assertEqual((packed.returncode, packed.stdout), (0, plain.stdout), packed.stderr)
            self.assertNotEqual(front.requests(1)[-1][2], "-", "nginx did not compress")

    def test_streams_are_not_compressed(self):
        gzip = "gzip on; gzip_types text/event-stream; gzip_min_length 1; gzip_proxied any;"
        with servers.Nginx(self.gateway.port, server=gzip) as front:
            ran = mock.leat("chat", "hi", *front.target())
            self.assertEqual(ran.returncode, 0, ran.stderr)
            self.assertEqual(front.requests(1)[-1][2], "-")

    def test_gateway_gone_is_one_clear_line(self):
        with servers.Nginx(mock.free_port()) as front:
            ran = mock.leat("chat", "hi", *front.target(), "--retries", "0")
            self.assertEqual(ran.returncode, 1)
            self.assertIn("502", ran.stderr)
            self.assertEqual(len(ran.stderr.strip().splitlines()), 1, ran.stderr)

    def test_stall_behind_it_is_truncation_not_success(self):
        with servers.Nginx(self.gateway.port, location="proxy_read_timeout 1s;") as front:
            ran = mock.leat("chat", "hi", *front.target(), "--json", "--retries", "0",
                            "--header", "x-mock-fault: stall=300")
            self.assertEqual(ran.returncode, 1)
            self.assertIn("LEAT_ETRUNCATED", ran.stdout)

    def test_tls_02_unknown_ca_is_refused(self):
        with servers.Nginx(self.gateway.port) as front, servers.Nginx(self.gateway.port) as other:
            ran = mock.leat("chat", "hi", "--model", "m", "--base-url", front.url,
                            "--cacert", other.ca, "--retries", "0")
            self.assertEqual(ran.returncode, 1)
            self.assertIn("certificate", ran.stderr)
            self.assertEqual(front.requests(), [])

    def test_tls_22_old_versions_are_refused(self):
        old = "ssl_protocols TLSv1 TLSv1.1; ssl_ciphers ALL:@SECLEVEL=0;"
        with servers.Nginx(self.gateway.port, server=old) as front:
            ran = mock.leat("chat", "hi", *front.target(), "--retries", "0")
            self.assertEqual(ran.returncode, 1)
            self.assertIn("TLS", ran.stderr)


if __name__ == "__main__":
    mock.main()
