#!/usr/bin/env python3
# ctest: e2e 300
"""What the load claims of itself, held against what the server saw: never more requests under way
than were asked for, starts that come as the arrivals say, and latencies that a frozen server cannot
hide from.

The server's own view is exact: it counts a request from its head to its answer's last byte, and
its log of arrivals can have the kernel's stamps. Where a busy machine could bend a figure, what is
checked is either the bound that the report itself gives, or follows from what the server wrote
down."""
import json
import math
import unittest
import urllib.request

import mock

RATE, STARTS = 1000, 10000
KS_SLACK, TRIES = 0.02, 3
FREEZE_AT_S, FREEZE_S = 3, 2
OPEN_RATE, OPEN_STARTS, TTFT_S, GAP_S, EVENTS = 100, 1000, 0.02, 0.001, 3


def ask(gateway, path, method="GET"):
    """One of a plain gateway's own pages."""
    with urllib.request.urlopen(urllib.request.Request(gateway.url + path, method=method),
                                timeout=mock.WAIT_SECONDS) as answer:
        return json.load(answer)


class Case(unittest.TestCase):
    def load(self, gateway, *more, codes=(0,)):
        ran, report = mock.load("--base-url", gateway.url, "--model", "m", "--prompt", "hi", *more,
                                seconds=120)
        self.assertIn(ran.returncode, codes, ran.stderr)
        return report["points"][0]


class UnderWay(Case):
    """The peak of requests under way as the server saw it, in every shape that promises one."""

    def setUp(self):
        self.gateway = mock.Mock("--plain", "--ttft", "10ms", "--gap", "2ms", "--events", "8",
                                 "--h2-streams", "40")
        self.addCleanup(self.gateway.stop)

    def peak(self, *options, codes=(0,)):
        ask(self.gateway, "/mock/timing?reset=1")
        point = self.load(self.gateway, *options, codes=codes)
        seen = ask(self.gateway, "/mock/timing")
        self.assertEqual(seen["in_flight"], 0)
        self.assertGreater(point["counts"]["completed"], 0)
        return seen["in_flight_peak"], point["counts"]["in_flight_peak"]

    def test_a_closed_loop_has_exactly_its_streams(self):
        for http in ("1.1", "2"):
            for threads in ("1", "2"):
                with self.subTest(http=http, threads=threads):
                    server, said = self.peak("-c", "12", "-n", "300", "--http", http, "--threads",
                                             threads)
                    self.assertEqual((server, said), (12, 12))

    def test_streams_that_threads_do_not_divide(self):
        self.assertEqual(self.peak("-c", "7", "-n", "120", "--threads", "3")[0], 7)
        self.assertEqual(self.peak("-c", "1", "-n", "20", "--threads", "2")[0], 1)

    def test_an_open_loop_keeps_to_its_cap(self):
        """That it comes up to it follows from its rate, if the machine lets both threads run."""
        for threads in ("1", "2"):
            with self.subTest(threads=threads):
                server, said = self.peak("--rate", "2000", "-n", "400", "-c", "5", "--threads",
                                         threads)
                self.assertLessEqual(server, 5)
                self.assertLessEqual(said, 5)
                self.assertGreaterEqual(server, 3)

    def test_all_at_once_under_a_cap(self):
        self.assertEqual(self.peak("--rate", "inf", "-n", "100", "-c", "9")[0], 9)

    def test_a_ramp_ends_at_its_level(self):
        for threads in ("1", "2"):
            with self.subTest(threads=threads):
                server, _ = self.peak("-c", "10", "--ramp", "500ms", "--duration", "1500ms",
                                      "--threads", threads)
                self.assertEqual(server, 10)

    def test_stages_never_pass_their_highest(self):
        for threads in ("1", "2"):
            with self.subTest(threads=threads):
                stages = "2@300ms,2..11@500ms,11@400ms,3@400ms"
                server, _ = self.peak("--concurrency-stages", stages, "--threads", threads)
                self.assertEqual(server, 11)

    def test_an_end_that_cuts_begins_nothing_more(self):
        server, _ = self.peak("-c", "6", "--duration", "700ms", "--end", "cut")
        self.assertEqual(server, 6)

    def test_conversations_count_once(self):
        self.assertEqual(self.peak("-c", "4", "-n", "40", "--turns", "3")[0], 4)


def ks_exponential(gaps, mean):
    """The distance of Kolmogorov and Smirnov between these gaps and exponential ones."""
    gaps, n, worst = sorted(gaps), len(gaps), 0.0
    for i, gap in enumerate(gaps):
        at = 1 - math.exp(-gap / mean)
        worst = max(worst, at - i / n, (i + 1) / n - at)
    return worst


def dispersion(times, width):
    """Variance over mean of how many fall into each slot of this width: 1 for Poisson's."""
    first, last = times[0], times[-1]
    counts = [0] * int((last - first) / width)
    for at in times:
        slot = int((at - first) / width)
        if slot < len(counts):
            counts[slot] += 1
    mean = sum(counts) / len(counts)
    return sum((c - mean) ** 2 for c in counts) / len(counts) / mean


class Arrivals(Case):
    def arrive(self):
        """One run of Poisson starts -> (arrivals in seconds, the report's point). A connection
        each, so that every request has a stamp of its own."""
        try:
            gateway = mock.Mock("--plain", "--rx-stamps", "--ttft", "0", "--events", "1")
        except RuntimeError as error:
            if "not supported" not in str(error):
                raise
            self.skipTest("built for POSIX alone, which has no stamps of the kernel")
        with gateway:
            ask(gateway, f"/mock/arrivals?max={STARTS}", "POST")
            point = self.load(gateway, "--rate", str(RATE), "--arrivals", "poisson", "-n",
                              str(STARTS), "--http", "1.1", "--seed", "7")
            came = sorted(ask(gateway, "/mock/arrivals")["arrivals_ns"])
        self.assertEqual(len(came), STARTS)
        return [at / 1e9 for at in came], point

    def test_requests_come_as_poisson_says(self):
        """A run that the certificate calls valid must also be as dispersed as Poisson's is; one on
        a machine too busy for that is held to the lag that it admits."""
        for _ in range(TRIES):
            came, point = self.arrive()
            certificate = point["certificate"]
            lag_s = certificate["schedule_lag"]["p99"] / 1e3
            gaps = [b - a for a, b in zip(came, came[1:])]
            distance = ks_exponential(gaps, 1 / RATE)
            said = f"KS {distance:.4f}, schedule lag p99 {lag_s * 1e3:.3f} ms"
            self.assertLessEqual(distance, RATE * lag_s + KS_SLACK, said)
            if certificate["verdict"] == "valid":
                self.assertTrue(0.85 <= dispersion(came, 0.01) <= 1.15, said)
                break


def frozen_ttfts(starts, frozen, slots):
    """What the server of the test makes of these intended starts, in seconds from one clock:

        sent    = the intended start, or when one of the `slots` is free, whichever is later
        read    = sent, or the end of the freeze if it falls into it
        first   = read + the server's time to the first token, or the end of the freeze
        free    = first + the rest of the answer, or the end of the freeze
        TTFT    = first - the intended start

    -> the TTFTs, and those from the send."""
    begun, ended = frozen
    free, intended, sent_ones = [0.0] * slots, [], []

    def outside(at):
        return ended if begun <= at < ended else at

    for start in starts:
        slot = min(range(slots), key=free.__getitem__)
        sent = max(start, free[slot])
        first = outside(outside(sent) + TTFT_S)
        free[slot] = outside(first + (EVENTS - 1) * GAP_S)
        intended.append(first - start)
        sent_ones.append(first - sent)
    return intended, sent_ones


def p99(values):
    return sorted(values)[math.ceil(0.99 * len(values)) - 1]


class Omission(Case):
    """An open loop of evenly spaced starts, and a server that is frozen for two seconds in its
    midst. When it slept is what it says itself; the starts are the first arrival and so many
    hundredths of a second behind it."""

    def run_frozen(self, *more):
        freeze = f"{FREEZE_AT_S}s,{FREEZE_S}s"
        with mock.Mock("--plain", "--freeze", freeze, "--ttft", f"{TTFT_S * 1e3}ms", "--gap",
                       f"{GAP_S * 1e3}ms", "--events", str(EVENTS), "--h2-streams",
                       "500") as gateway:
            ask(gateway, "/mock/arrivals?max=1", "POST")
            point = self.load(gateway, "--rate", str(OPEN_RATE), "--arrivals", "constant", "-n",
                              str(OPEN_STARTS), "--http", "2", "--connections", "2", *more)
            first = ask(gateway, "/mock/arrivals")["arrivals_ns"][0] / 1e9
            slept = ask(gateway, "/mock/timing")["frozen"]
        self.assertEqual(point["counts"]["completed"], OPEN_STARTS)
        starts = [first + i / OPEN_RATE for i in range(OPEN_STARTS)]
        return point, starts, (slept["from_ns"] / 1e9, slept["to_ns"] / 1e9)

    def test_ttft_from_the_intended_start_is_the_truth(self):
        point, starts, frozen = self.run_frozen()
        truth = p99(frozen_ttfts(starts, frozen, OPEN_STARTS)[0]) * 1e3
        said = point["latencies"]["ttft"]
        self.assertAlmostEqual(said["intended"]["p99"], truth, delta=0.02 * truth)
        self.assertIsNotNone(said["sent"]["p99"])
        self.assertLessEqual(said["sent"]["p99"], said["intended"]["p99"] * 1.001)

    def test_a_cap_hides_the_freeze_from_those_who_ask_at_the_send(self):
        """Four requests wait for the server, two hundred for them: from the send no more than four
        of a thousand were slow."""
        point, starts, frozen = self.run_frozen("-c", "4")
        truth = p99(frozen_ttfts(starts, frozen, 4)[0]) * 1e3
        said = point["latencies"]["ttft"]
        self.assertAlmostEqual(said["intended"]["p99"], truth, delta=0.02 * truth)
        self.assertLess(said["sent"]["p99"], FREEZE_S * 1e3 / 4)
        self.assertGreater(point["counts"]["missed"], 100)


if __name__ == "__main__":
    mock.main()
