#!/usr/bin/env python3
# ctest: e2e 240
"""The load itself: every shape begins what it says, ends as it says, and is told as it was.

Nothing here depends on how fast the machine is: what is checked are numbers of requests, orders,
and bounds from below."""
import json
import os
import signal
import subprocess
import tempfile
import time
import unittest

import mock
import mock_calls

EVENTS = 10


class Case(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.gateway = mock.Mock("--events", str(EVENTS), "--ttft", "20ms", "--gap", "2ms")
        cls.addClassCleanup(cls.gateway.stop)

    def arguments(self, *more):
        return ["--base-url", self.gateway.url, "--cacert", self.gateway.ca, "--http", "2", *more]

    def load(self, *more, code=0, **env):
        ran, report = mock.load(*self.arguments(*more), **env)
        self.assertEqual(ran.returncode, code, ran.stderr)
        return report

    def folder(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        return folder.name


class Shapes(Case):
    def test_a_closed_loop_runs_exactly_its_requests(self):
        # The last ones live long enough for the third thread to begin while the first is at it.
        threads = ("-c", "8", "-n", "16", "--threads", "3", "-H", "x-mock-ttft-ms: 2000")
        for options, peak in ((("-c", "7", "-n", "50"), 7), (("-c", "9", "-n", "4"), 4),
                              (threads, 8)):
            with self.subTest(options=options):
                report = self.load(*options)
                wanted = int(options[3])
                self.assertEqual(report["requests"]["completed"], wanted)
                self.assertEqual(report["requests"]["live_peak"], peak)
                self.assertEqual(report["content_events"], wanted * EVENTS)

    def test_other_harnesses_words_are_taken(self):
        report = self.load("--num-prompts", "6", "--max-concurrency", "2")
        self.assertEqual((report["requests"]["completed"], report["requests"]["live_peak"]),
                         (6, 2))

    def test_an_open_loop_begins_its_schedule(self):
        for arrivals in ("constant", "poisson", "gamma"):
            with self.subTest(arrivals=arrivals):
                report = self.load("--rate", "100", "--arrivals", arrivals, "-n", "80")
                self.assertEqual(report["requests"]["completed"], 80)
                point = report["points"][0]
                self.assertEqual(point["offer"]["shape"], "open")
                self.assertEqual(point["latencies"]["ttft"]["intended"]["count"], 80)
                self.assertGreaterEqual(point["latencies"]["ttft"]["intended"]["mean"],
                                        point["latencies"]["ttft"]["sent"]["mean"])

    def test_one_schedule_whatever_the_threads(self):
        """Threads take turns in one schedule: the same starts, by their number and time."""
        folder = self.folder()
        starts = []
        for threads in ("1", "3"):
            path = os.path.join(folder, threads)
            self.load("--rate", "200", "-n", "60", "--threads", threads, "--jsonl", path)
            with open(path, encoding="utf-8") as file:
                lines = sorted((json.loads(line) for line in file), key=lambda one: one["index"])
            first = lines[0]["intended_ms"]
            starts.append([(one["index"], one["intended_ms"] - first) for one in lines])
        self.assertEqual([index for index, _ in starts[0]], [index for index, _ in starts[1]])
        for one, other in zip(*starts):
            self.assertAlmostEqual(one[1], other[1], delta=0.01)

    def test_a_burst_is_one_instant(self):
        report = self.load("--burst", "30")
        self.assertEqual((report["requests"]["completed"], report["requests"]["live_peak"]),
                         (30, 30))
        report = self.load("--burst", "10", "--burst-every", "100ms", "-n", "30")
        self.assertEqual(report["requests"]["completed"], 30)

    def test_a_cap_keeps_starts_waiting_and_says_so(self):
        report = self.load("--rate", "500", "-n", "60", "-c", "3")
        point = report["points"][0]
        self.assertEqual(report["requests"]["completed"], 60)
        self.assertLessEqual(report["requests"]["live_peak"], 3)
        self.assertGreater(point["counts"]["missed"], 0)
        self.assertNotEqual(report["verdict"], "valid")

    def test_stages_and_ramps(self):
        report = self.load("--concurrency-stages", "2@300ms,2..8@500ms")
        self.assertLessEqual(report["requests"]["live_peak"], 8)
        self.assertGreater(report["requests"]["live_peak"], 2)
        report = self.load("--rate-stages", "20@500ms,20..200@500ms", "--arrivals", "constant")
        self.assertEqual(report["requests"]["completed"], 10 + 55)

    def test_thinking_streams_ask_less(self):
        began = time.monotonic()
        report = self.load("-c", "2", "-n", "6", "--think", "200ms")
        self.assertEqual(report["requests"]["completed"], 6)
        self.assertGreaterEqual(time.monotonic() - began, 0.4)

    def test_a_sweep_has_a_point_for_each_level(self):
        report = self.load("--sweep", "concurrency=1,2,4", "-n", "8", "--pause", "10ms")
        self.assertEqual([point["offer"]["concurrency"] for point in report["points"]], [1, 2, 4])
        self.assertEqual([point["counts"]["completed"] for point in report["points"]], [8, 8, 8])
        self.assertTrue(report["knee"]["searched"])


class Ends(Case):
    def test_warmup_is_not_measured(self):
        report = self.load("-c", "2", "-n", "10", "--warmup", "6")
        self.assertEqual((report["requests"]["completed"], report["content_events"]),
                         (10, 10 * EVENTS))
        self.assertEqual(report["points"][0]["counts"]["warmup"], 6)
        report = self.load("-c", "2", "-n", "10", "--warmup", "200ms")
        self.assertEqual(report["requests"]["completed"], 10)
        self.assertGreater(report["points"][0]["counts"]["warmup"], 0)

    def test_the_end_drains_or_cuts(self):
        slow = ("-H", "x-mock-ttft-ms: 600", "--duration", "300ms", "-c", "4")
        report = self.load(*slow)
        self.assertEqual((report["requests"]["completed"], report["requests"]["cut"]), (4, 0))
        self.assertTrue(report["points"][0]["drained"])
        report = self.load(*slow, "--end", "cut")
        self.assertEqual((report["requests"]["completed"], report["requests"]["cut"]), (0, 4))
        self.assertFalse(report["points"][0]["drained"])
        report = self.load(*slow, "--drain-timeout", "100ms")
        self.assertEqual(report["requests"]["cut"], 4)

    def test_repeats_are_runs_of_their_own(self):
        path, page = (os.path.join(self.folder(), name) for name in ("runs.json", "runs.html"))
        ran = mock.leat("load", *self.arguments("-n", "3", "--repeat", "3", "--pause", "10ms",
                                                "--json", path, "-o", page))
        self.assertEqual(ran.returncode, 0, ran.stderr)
        with open(path, encoding="utf-8") as file:
            runs = json.load(file)
        self.assertEqual([run["requests"]["completed"] for run in runs], [3, 3, 3])
        for part in ("run 1 of 3\nrequests ", "\nrun 3 of 3\nrequests ", "over 3 runs, "):
            self.assertIn(part, ran.stdout)
        with open(page, encoding="utf-8") as file:
            self.assertIn("3 runs of the same load", file.read())
        told = mock.leat("report", path)
        self.assertEqual(told.stdout, ran.stdout)

    def test_an_interrupt_of_several_threads(self):
        gateway = mock_calls.Gateway("--ttft", "60s")
        self.addCleanup(gateway.stop)
        child = subprocess.Popen(
            [mock.PROGRAM, "load", "--base-url", gateway.url, "-c", "6", "--duration", "60s",
             "--threads", "2", "--quiet", "--json", "-"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=mock.environment())
        until = time.monotonic() + mock.WAIT_SECONDS
        while gateway.stats()["live"] < 6 and time.monotonic() < until:
            time.sleep(0.05)
        child.send_signal(signal.SIGINT)
        stdout, stderr = child.communicate(timeout=60)
        counts = json.loads(stdout)["requests"]
        self.assertEqual(child.returncode, 130, stderr)
        self.assertEqual(counts["started"],
                         counts["completed"] + counts["failed"] + counts["cancelled"])
        self.assertEqual(counts["cancelled"], 6)

    def test_the_gateway_dies(self):
        gateway = mock.Mock("--events", "1000", "--ttft", "5ms", "--gap", "5ms")
        self.addCleanup(gateway.stop)
        child = subprocess.Popen(
            [mock.PROGRAM, "load", "--base-url", gateway.url, "--cacert", gateway.ca, "-c", "5",
             "-n", "40", "--quiet", "--json", "-"], stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True, env=mock.environment())
        time.sleep(1)
        gateway.stop()
        stdout, stderr = child.communicate(timeout=90)
        self.assertEqual(child.returncode, 1, stderr)
        self.assertEqual(json.loads(stdout)["requests"]["failed"], 40)


class Verdicts(Case):
    def test_failures_exit_1_unless_they_are_allowed(self):
        broken = ("-n", "4", "-H", "x-mock-fault: status=500")
        self.load(*broken, code=1)
        self.load(*broken, "--allow-failures", "4")
        self.load(*broken, "--allow-failures", "100%")
        self.load(*broken, "--allow-failures", "50%", code=1)

    def test_a_truncated_answer_is_a_failure(self):
        report = self.load("-n", "4", "-H", "x-mock-fault: truncate=900", code=1)
        self.assertEqual((report["requests"]["completed"], report["requests"]["truncated"]),
                         (0, 4))

    def test_a_gate_that_is_missed_exits_3(self):
        self.load("-n", "4", "--require", "ttft.p99<60s")
        self.load("-n", "4", "--require", "ttft.p99<1ms", code=3)
        self.load("-n", "4", "--require", "error_rate<=0%", "--require", "goodput>2", "--goodput",
                  "ttft:60000", code=3)

    def test_goodput_counts_what_keeps_to_every_level(self):
        report = self.load("-n", "5", "--goodput", "ttft:60000 tpot:60000 e2el:60000")
        self.assertEqual(report["points"][0]["goodput"]["good"], 5)
        report = self.load("-n", "5", "--goodput", "ttft:1", "--goodput", "e2el:60000")
        self.assertEqual(report["points"][0]["goodput"]["good"], 0)

    def test_without_usage_tokens_are_null(self):
        point = self.load("-n", "3", "--no-usage")["points"][0]
        self.assertIsNone(point["volume"]["output_tokens"])
        self.assertIsNone(point["rates"]["output_tokens_per_s"])
        self.assertNotIn("tpot", point["latencies"])
        point = self.load("-n", "3")["points"][0]
        self.assertEqual(point["volume"]["output_tokens"], 3 * EVENTS)

    def test_the_certificate_is_always_there(self):
        report = self.load("-n", "3")
        certificate = report["points"][0]["certificate"]
        self.assertIn(certificate["verdict"], ("valid", "degraded", "invalid"))
        self.assertGreater(certificate["receive_lag"]["count"], 0)
        self.assertGreater(certificate["lag_valid_us"], 0)
        ran = mock.leat("load", *self.arguments("-n", "3"))
        self.assertIn("certificate", ran.stdout)

    def test_wrong_use_is_refused_before_anything_is_sent(self):
        for options, why in ((("--rate", "10", "--burst", "3"), "--burst"),
                             (("--require", "speed<3"), "speed"), (("-o", "x.doc"), "x.doc"),
                             (("--threads", "4", "--connections", "2"), "--connections"),
                             (("--protocol", "none"), "none"), (("--goodput", "ttft"), "ttft")):
            with self.subTest(options=options):
                ran = mock.leat("load", *self.arguments("-n", "1", *options))
                self.assertEqual((ran.returncode, ran.stdout), (2, ""), ran.stderr)
                self.assertIn(why, ran.stderr)
                self.assertEqual(ran.stderr.count("\n"), 1)


if __name__ == "__main__":
    mock.main()
