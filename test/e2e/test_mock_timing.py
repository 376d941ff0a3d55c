#!/usr/bin/env python3
"""The gateway as the truth that a client's figures are held against: requests under way and their
peak, when they came, its own lateness and gaps, and a loop that sleeps. Times are checked from
below alone, since a busy machine is late."""
import http.client
import json
import threading
import time
import unittest

import mock

CHAT = "/v1/chat/completions?n={n}&ms={ms}&ttft={ttft}&stamp=1"
BODY = json.dumps({"model": "m", "stream": True, "messages": [{"role": "user", "content": "hi"}]})
SLEEP_MS = 300


def ask(gateway, method, path, body=None):
    """-> (status, body as text)"""
    connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=mock.WAIT_SECONDS)
    try:
        connection.request(method, path, body)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def look(gateway, path, method="GET"):
    status, text = ask(gateway, method, path)
    if status != 200:
        raise AssertionError(f"{method} {path}: {status} {text}")
    return json.loads(text)


def chat(gateway, n=3, ms=0, ttft=0):
    """-> the stamps of its events."""
    text = ask(gateway, "POST", CHAT.format(n=n, ms=ms, ttft=ttft), BODY)[1]
    events = [e[len("data: "):] for e in text.split("\n\n") if e.startswith("data: {")]
    stamps = [json.loads(e).get("mock_ns") for e in events]
    return [s for s in stamps if s]


class Timing(unittest.TestCase):
    def setUp(self):
        self.gateway = mock.Mock("--plain")
        self.addCleanup(self.gateway.stop)

    def test_first_events_and_gaps_are_those_of_the_stamps(self):
        look(self.gateway, "/mock/arrivals", "POST")
        stamps = chat(self.gateway, n=5, ms=10, ttft=20)
        seen = look(self.gateway, "/mock/timing")
        came = look(self.gateway, "/mock/arrivals")["arrivals_ns"]
        gaps = [b - a for a, b in zip(stamps, stamps[1:])]
        self.assertEqual((len(came), seen["first_us"]["count"], seen["gap_us"]["count"]), (1, 1, 4))
        self.assertAlmostEqual(seen["first_us"]["mean"], (stamps[0] - came[0]) / 1000, delta=0.01)
        self.assertAlmostEqual(seen["gap_us"]["mean"], sum(gaps) / 4000, delta=0.01)
        self.assertGreaterEqual(stamps[0] - came[0], 20e6)
        mean = sum(gaps) / 4
        sigma = (sum((g - mean) ** 2 for g in gaps) / 4) ** 0.5 / 1000
        self.assertAlmostEqual(seen["gap_us"]["sigma"], sigma, delta=0.01)

    def test_lateness_counts_the_events_that_were_due(self):
        chat(self.gateway, n=6, ms=2)
        seen = look(self.gateway, "/mock/timing")["lateness_us"]
        self.assertEqual(seen["count"], 6)
        self.assertLessEqual(seen["p50"], seen["p99"])
        self.assertLessEqual(seen["p99"], seen["max"])
        self.assertEqual(look(self.gateway, "/stats")["lateness_us"]["count"], 6)

    def test_a_reset_begins_anew(self):
        chat(self.gateway)
        self.assertEqual(look(self.gateway, "/mock/timing?reset=1")["in_flight_peak"], 1)
        seen = look(self.gateway, "/mock/timing")
        self.assertEqual([seen[name]["count"] for name in ("lateness_us", "first_us", "gap_us")],
                         [0, 0, 0])
        self.assertEqual((seen["in_flight"], seen["in_flight_peak"]), (0, 0))

    def test_peak_of_requests_under_way(self):
        crowd = [threading.Thread(target=chat, args=(self.gateway, 2, 600, 600)) for _ in range(7)]
        for one in crowd:
            one.start()
        until = time.monotonic() + mock.WAIT_SECONDS
        while look(self.gateway, "/mock/timing")["in_flight"] < 7 and time.monotonic() < until:
            time.sleep(0.01)
        for one in crowd:
            one.join(mock.WAIT_SECONDS)
        chat(self.gateway)
        seen = look(self.gateway, "/stats")
        self.assertEqual((seen["in_flight"], seen["in_flight_peak"]), (0, 7))

    def test_a_request_that_is_given_up_is_under_way_no_more(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.gateway.port, timeout=20)
        connection.request("POST", CHAT.format(n=5, ms=0, ttft=60000), BODY)
        connection.getresponse()
        self.assertEqual(look(self.gateway, "/mock/timing")["in_flight"], 1)
        connection.close()
        until = time.monotonic() + mock.WAIT_SECONDS
        while look(self.gateway, "/mock/timing")["in_flight"] and time.monotonic() < until:
            time.sleep(0.01)
        self.assertEqual(look(self.gateway, "/mock/timing")["in_flight"], 0)

    def test_arrivals_are_bounded_and_in_order(self):
        before = time.monotonic_ns()
        look(self.gateway, "/mock/arrivals?max=4", "POST")
        for _ in range(6):
            chat(self.gateway)
        seen = look(self.gateway, "/mock/arrivals")
        came = seen["arrivals_ns"]
        self.assertEqual((seen["seen"], seen["max"], len(came)), (6, 4, 4))
        self.assertEqual(came, sorted(came))
        self.assertLess(before, came[0])
        self.assertLess(came[-1], time.monotonic_ns())
        look(self.gateway, "/mock/arrivals", "POST")
        self.assertEqual(look(self.gateway, "/mock/arrivals")["arrivals_ns"], [])

    def test_nobody_asked_for_arrivals(self):
        chat(self.gateway)
        self.assertEqual(look(self.gateway, "/mock/arrivals"),
                         {"seen": 1, "max": 0, "arrivals_ns": []})

    def test_bad_numbers_are_refused(self):
        for path in ("/mock/arrivals?max=0", "/mock/arrivals?max=1000001", "/mock/arrivals?max=x",
                     "/mock/freeze", "/mock/freeze?ms=0", "/mock/freeze?ms=60001",
                     "/mock/freeze?ms=5&in=x"):
            self.assertEqual(ask(self.gateway, "POST", path)[0], 400, path)
        self.assertEqual(ask(self.gateway, "GET", "/mock/freeze?ms=5")[0], 400)


class Freeze(unittest.TestCase):
    def asleep(self, gateway):
        """-> how long it slept, ms."""
        seen = look(gateway, "/mock/timing")["frozen"]
        self.assertEqual(seen["count"], 1)
        return (seen["to_ns"] - seen["from_ns"]) / 1e6

    def test_it_answers_first_and_then_sleeps(self):
        with mock.Mock("--plain") as gateway:
            before = time.monotonic()
            said = look(gateway, f"/mock/freeze?ms={SLEEP_MS}", "POST")
            self.assertEqual(said, {"ms": SLEEP_MS, "in": 0})
            chat(gateway, n=1)
            self.assertGreaterEqual(time.monotonic() - before, SLEEP_MS / 1000)
            self.assertGreaterEqual(self.asleep(gateway), SLEEP_MS)

    def test_by_option_it_sleeps_in_the_midst_of_a_stream(self):
        with mock.Mock("--plain", "--freeze", f"50ms,{SLEEP_MS}ms") as gateway:
            time.sleep(0.1)  # which is not what AT counts from
            stamps = chat(gateway, n=20, ms=10)
            slept = self.asleep(gateway)
            longest = max(b - a for a, b in zip(stamps, stamps[1:])) / 1e6
            self.assertGreaterEqual(slept, SLEEP_MS)
            self.assertGreaterEqual(longest, slept - 20)

    def test_options_that_make_no_sense(self):
        for text in ("1", "1,0", "1,61s", "x,1", "1,"):
            ran = mock.leat("mock", "--freeze", text)
            self.assertEqual(ran.returncode, 2, text)
            self.assertIn("--freeze", ran.stderr)


class Stamps(unittest.TestCase):
    def stamped(self):
        try:
            return mock.Mock("--plain", "--rx-stamps")
        except RuntimeError as error:
            if "not supported" not in str(error):
                raise
            self.skipTest("built for POSIX alone, which has no such stamps")

    def test_a_request_came_before_it_could_be_read(self):
        """Asked for while the gateway sleeps: the kernel has it, who reads it later."""
        with self.stamped() as gateway:
            look(gateway, "/mock/arrivals", "POST")
            look(gateway, f"/mock/freeze?ms={SLEEP_MS}", "POST")
            chat(gateway, n=1)
            came = look(gateway, "/mock/arrivals")["arrivals_ns"][0]
            seen = look(gateway, "/mock/timing")
        woke = seen["frozen"]["to_ns"]
        self.assertLess(came, woke)
        self.assertGreaterEqual(seen["first_us"]["mean"] * 1000, woke - came)

    def test_stamps_are_of_our_clock(self):
        with self.stamped() as gateway:
            look(gateway, "/mock/arrivals", "POST")
            before = time.monotonic_ns()
            chat(gateway, n=1)
            came = look(gateway, "/mock/arrivals")["arrivals_ns"][0]
            # The wall clock's distance from ours is read beside it, not with it.
            self.assertLess(before - 1e6, came)
            self.assertLess(came, time.monotonic_ns())


class Ticks(unittest.TestCase):
    def test_a_finer_tick_is_not_rounded_to_milliseconds(self):
        """Ten gaps of 300 us are 3 ms by fine ticks; by whole milliseconds the last is due at the
        same, but the first events wait for each other."""
        with mock.Mock("--plain", "--tick", "100us") as gateway:
            stamps = chat(gateway, n=11, ms=0.3)
            seen = look(gateway, "/mock/timing")["lateness_us"]
        self.assertGreaterEqual(stamps[-1] - stamps[0], 2.5e6)
        self.assertEqual(seen["count"], 11)

    def test_ticks_that_make_no_sense(self):
        for text in ("0", "9us", "2s", "x"):
            ran = mock.leat("mock", "--tick", text)
            self.assertEqual(ran.returncode, 2, text)
            self.assertIn("--tick", ran.stderr)


class Http2(unittest.TestCase):
    def test_streams_are_under_way_too(self):
        with mock.Mock("--ttft", "100ms", "--gap", "20ms", "--events", "10") as gateway:
            ran = mock.load("--base-url", gateway.url, "--cacert", gateway.ca, "--model", "m",
                            "--prompt", "hi", "--http", "2", "--requests", "12",
                            "--concurrency", "6", "--connections", "2")[0]
        self.assertEqual(ran.returncode, 0, ran.stderr)
        seen = json.loads(gateway.text().split("mock: ")[-1])
        self.assertEqual((seen["in_flight"], seen["in_flight_peak"]), (0, 6))
        self.assertEqual(seen["lateness_us"]["count"], 120)


if __name__ == "__main__":
    mock.main()
