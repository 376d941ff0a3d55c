#!/usr/bin/env python3
"""HTTP/2 through nginx, h2o, haproxy and nghttpx, with the gateway's HTTP/1.1 behind each: a
thousand chats at once, GOAWAY in their midst, few streams a connection, client certificates."""
# ctest: peers 300
import mock
import servers
from h2crowd import CROWD, FAST, SLOW, Crowd, counters


class Front(Crowd):
    """Its subclasses name their program."""
    program = ""

    @classmethod
    def setUpClass(cls):
        servers.require(cls.program, "openssl")

    def gateway(self, *options):
        gateway = mock.Mock(*options)
        self.addCleanup(gateway.stop)
        return gateway

    def slow(self):
        return self.gateway(*SLOW)

    def fast(self):
        return self.gateway(*FAST)

    def check_once(self, gateway, requests):
        """Each chat reached the gateway, none of them twice."""
        seen = counters(gateway)
        self.assertEqual((seen["streams"], seen["aborted"]), (requests, 0))
        return seen


class Nginx(Front):
    program = "nginx"

    def front(self, gateway, **texts):
        return servers.Nginx(gateway.port, listen="ssl http2", **texts)

    def test_a_thousand_chats_at_once(self):
        gateway = self.slow()
        with self.front(gateway) as front:
            report = self.crowd(front)
            self.assertEqual(self.check_once(gateway, CROWD)["peak"], CROWD)
            # nginx lets 128 streams onto a connection
            self.assertGreaterEqual(report["connections"]["peak"], 8)
            self.assertEqual(report["connections"]["full_handshakes"], 1)

    def test_h2_08_connections_that_end_after_a_few_requests(self):
        gateway = self.fast()
        with self.front(gateway, server="keepalive_requests 50;") as front:
            report = self.load(front, requests=2000, concurrency=200)
            self.check_once(gateway, 2000)
            self.assertGreaterEqual(report["connections"]["opened"], 2000 // 50)

    def test_prior_knowledge_over_plain_tcp(self):
        gateway = self.fast()
        with servers.Nginx(gateway.port, listen="http2") as front:
            front.url = front.url.replace("https:", "http:")
            self.load(front, requests=200, concurrency=100, connections=2)

    def test_only_who_shows_a_certificate_comes_in(self):
        gateway = self.fast()
        server = "ssl_client_certificate {folder}/ca.pem; ssl_verify_client on;"
        with self.front(gateway, server=server) as front:
            cert, key = servers.make_client_certificate(front.folder)
            self.load(front, "--cert", cert, "--key", key, requests=40, concurrency=20)
            ran = mock.leat("chat", "hi", *front.target(), "--retries", "0")
            self.assertEqual(ran.returncode, 1)
            self.assertIn("400", ran.stderr)

    def test_auto_finds_it_by_alpn(self):
        gateway = self.fast()
        for listen, version in (("ssl http2", "2"), ("ssl", "1.1")):
            with servers.Nginx(gateway.port, listen=listen) as front:
                ran, report = mock.load(*front.target(), "--prompt", "hi", "--requests", "50",
                                        "--concurrency", "10")
                self.assertEqual((ran.returncode, report["http"]["version"]), (0, version))

    def test_tls_23_none_but_http2_is_an_error_where_there_is_none(self):
        gateway = self.fast()
        with servers.Nginx(gateway.port, listen="ssl") as front:
            ran = mock.leat("chat", "hi", *front.target(), "--http", "2", "--retries", "0")
            self.assertEqual((ran.returncode, ran.stderr.count("\n")), (1, 1), ran.stderr)


class H2o(Front):
    program = "h2o"

    def test_a_thousand_chats_at_once(self):
        gateway = self.slow()
        with servers.H2o(gateway.port) as front:
            report = self.crowd(front)
            self.assertEqual(self.check_once(gateway, CROWD)["peak"], CROWD)
            self.assertGreaterEqual(report["connections"]["peak"], 10)

    def test_few_streams_a_connection_make_the_rest_wait(self):
        gateway = self.fast()
        with servers.H2o(gateway.port, streams=5) as front:
            self.load(front, requests=1000, concurrency=500, connections=8)
            self.assertLessEqual(self.check_once(gateway, 1000)["peak"], 40)


class Haproxy(Front):
    program = "haproxy"

    def test_a_thousand_chats_at_once(self):
        gateway = self.slow()
        with servers.Haproxy(gateway.port, alpn="h2,http/1.1") as front:
            report = self.crowd(front)
            self.assertEqual(self.check_once(gateway, CROWD)["peak"], CROWD)
            self.assertGreaterEqual(report["connections"]["peak"], 10)

    def test_few_streams_a_connection_make_the_rest_wait(self):
        gateway = self.fast()
        with servers.Haproxy(gateway.port, alpn="h2,http/1.1",
                             settings="tune.h2.max-concurrent-streams 3") as front:
            self.load(front, requests=600, concurrency=300, connections=8)
            self.assertLessEqual(self.check_once(gateway, 600)["peak"], 24)

    def test_rt_refusals_are_repeated(self):
        busy = "http-request return status 429 hdr retry-after 0 if { rand(4) 0 }"
        gateway = self.fast()
        with servers.Haproxy(gateway.port, alpn="h2,http/1.1", frontend=busy) as front:
            report = self.load(front, "--retries", "20", requests=400, concurrency=100)
            self.assertGreater(report["requests"]["retried"], 0)
            self.check_once(gateway, 400)

    def test_nobody_behind_it_is_one_clear_line(self):
        with servers.Haproxy(mock.free_port(), alpn="h2,http/1.1") as front:
            ran = mock.leat("chat", "hi", *front.target(), "--http", "2", "--retries", "0")
            self.assertEqual((ran.returncode, ran.stderr.count("\n")), (1, 1), ran.stderr)
            self.assertIn("503", ran.stderr)


class Nghttpx(Front):
    program = "nghttpx"

    def test_a_thousand_chats_at_once(self):
        gateway = self.slow()
        with servers.Nghttpx(gateway.port) as front:
            report = self.crowd(front)
            self.assertEqual(self.check_once(gateway, CROWD)["peak"], CROWD)
            self.assertGreaterEqual(report["connections"]["peak"], 10)

    def test_a_thousand_chats_on_one_connection(self):
        gateway = self.slow()
        streams = f"--frontend-http2-max-concurrent-streams={CROWD}"
        with servers.Nghttpx(gateway.port, streams) as front:
            report = self.crowd(front, connections=1)
            self.assertEqual(self.check_once(gateway, CROWD)["peak"], CROWD)
            self.assertEqual(report["connections"]["opened"], 1)

    def test_a_front_that_ends_in_mid_answer_is_no_success(self):
        gateway = self.slow()
        with servers.Nghttpx(gateway.port, "--backend-read-timeout=1s") as front:
            ran = mock.leat("chat", "hi", *front.target(), "--http", "2", "--retries", "0",
                            "--json", "--header", "x-mock-fault: stall=300")
            self.assertEqual(ran.returncode, 1, ran.stdout)


if __name__ == "__main__":
    mock.main()
