#!/usr/bin/env python3
"""haproxy with TLS in front of the gateway: idle connections that it closes at once, refusals that
must be repeated, and time limits of its own in the middle of an answer."""
# ctest: peers 180
import unittest

import mock
import servers

FAST = ("--plain", "--ttft", "1ms", "--gap", "1ms", "--events", "10")
BUSY = ("http-request return status 429 content-type application/json hdr retry-after 0 "
        'string "{\\"error\\":{\\"message\\":\\"slow down\\",\\"type\\":\\"rate_limit\\"}}"')


class HaproxyTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        servers.require("haproxy", "openssl")
        cls.gateway = mock.Mock(*FAST)

    @classmethod
    def tearDownClass(cls):
        cls.gateway.stop()

    def load(self, front, *more, requests=300):
        ran, report = mock.load(*front.target(), "--prompt", "hi", "--requests", str(requests),
                                "--concurrency", "32", "--connections", "8", *more)
        self.assertIsNotNone(report, ran.stderr)
        return ran, report

    def test_pl_many_chats_through_few_connections(self):
        with servers.Haproxy(self.gateway.port) as front:
            ran, report = self.load(front)
            self.assertEqual((ran.returncode, report["requests"]["completed"]), (0, 300))
            self.assertEqual(report["connections"]["opened"], 8)

    def test_pl_connections_closed_after_each_answer(self):
        with servers.Haproxy(self.gateway.port, defaults="option httpclose") as front:
            ran, report = self.load(front)
            self.assertEqual((ran.returncode, report["requests"]["completed"]), (0, 300))
            self.assertEqual(report["connections"]["opened"], 300)
            self.assertLessEqual(report["connections"]["peak"], 8)

    def test_pl_idle_connections_closed_under_our_hands(self):
        with servers.Haproxy(self.gateway.port, defaults="timeout http-keep-alive 1ms") as front:
            ran, report = self.load(front, "--retries", "5")
            self.assertEqual((ran.returncode, report["requests"]["completed"]), (0, 300))

    def test_rt_refusals_are_repeated(self):
        with servers.Haproxy(self.gateway.port, frontend=f"{BUSY} if {{ rand(4) 0 }}") as front:
            ran, report = self.load(front, "--retries", "20", requests=100)
            self.assertEqual((ran.returncode, report["requests"]["completed"]), (0, 100))
            self.assertGreater(report["requests"]["retried"], 0)

    def test_rt_a_refusal_that_stays_is_told_with_its_words(self):
        with servers.Haproxy(self.gateway.port, frontend=BUSY) as front:
            ran = mock.leat("chat", "hi", *front.target(), "--retries", "1")
            self.assertEqual(ran.returncode, 1)
            self.assertIn("429", ran.stderr)
            self.assertIn("slow down", ran.stderr)

    def test_a_limit_in_the_middle_of_an_answer_is_truncation(self):
        with servers.Haproxy(self.gateway.port, backend="timeout server 500ms") as front:
            ran = mock.leat("chat", "hi", *front.target(), "--json", "--retries", "0",
                            "--header", "x-mock-fault: stall=300")
            self.assertEqual(ran.returncode, 1)
            self.assertIn("LEAT_ETRUNCATED", ran.stdout)

    def test_nobody_behind_it_is_one_clear_line(self):
        with servers.Haproxy(mock.free_port()) as front:
            ran = mock.leat("chat", "hi", *front.target(), "--retries", "0")
            self.assertEqual(ran.returncode, 1)
            self.assertIn("503", ran.stderr)
            self.assertEqual(len(ran.stderr.strip().splitlines()), 1, ran.stderr)


if __name__ == "__main__":
    mock.main()
