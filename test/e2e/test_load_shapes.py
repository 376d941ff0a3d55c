#!/usr/bin/env python3
"""Shapes of `leat load` through the whole program: what each request's line says of its intended
start, beside the schedule that was asked for. How late anything was is no matter here."""
# ctest: e2e 120
import json
import os
import tempfile
import unittest

import mock

# The first starts of a Poisson process with seed 1, in operational time times a thousand.
POISSON_MS = (0.577445, 0.999783, 1.438122, 2.129278, 2.313935)
NS_MS = 0.0002  # lines say times in ms with four digits


class Shapes(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.gateway = cls.enterClassContext(mock.Mock("--events", "3", "--gap", "1ms",
                                                      "--ttft", "1ms"))
        cls.folder = cls.enterClassContext(tempfile.TemporaryDirectory())

    def run_load(self, *arguments):
        """-> (the report, the lines of its requests in the order of their numbers)."""
        path = os.path.join(self.folder, "lines.jsonl")
        ran, report = mock.load("--base-url", self.gateway.url, "--cacert", self.gateway.ca,
                                "--jsonl", path, *arguments)
        self.assertEqual(ran.returncode, 0, ran.stderr)
        with open(path, encoding="utf-8") as lines:
            rows = [json.loads(line) for line in lines]
        return report, sorted(rows, key=lambda row: row["index"])

    def starts(self, rows):
        return [row["intended_ms"] - rows[0]["intended_ms"] for row in rows]

    def check_starts(self, rows, wanted):
        self.assertEqual(len(rows), len(wanted))
        for found, due in zip(self.starts(rows), wanted):
            self.assertAlmostEqual(found, due - wanted[0], delta=NS_MS)

    def test_a_seed_gives_its_schedule_on_any_number_of_threads(self):
        for threads in "1", "3":
            _, rows = self.run_load("--rate", "100", "--requests", "5", "--threads", threads)
            self.check_starts(rows, [10 * at for at in POISSON_MS])

    def test_shards_have_the_parts_of_one_schedule(self):
        parts = []
        for shard in "0/2", "1/2":
            _, rows = self.run_load("--rate", "100", "--requests", "5", "--shard", shard)
            parts.append(rows)
        self.assertEqual([row["index"] for row in parts[0]], [0, 2, 4])
        self.assertEqual([row["index"] for row in parts[1]], [1, 3])
        self.check_starts(parts[0], [10 * at for at in POISSON_MS[0::2]])
        self.check_starts(parts[1], [10 * at for at in POISSON_MS[1::2]])

    def test_a_ramp_is_evenly_denser(self):
        report, rows = self.run_load("--rate-stages", "0..100@1s,100@200ms", "--arrivals",
                                     "constant")
        self.check_starts(rows, [(at / 50) ** 0.5 * 1000 for at in range(50)] +
                          [1000 + 10 * at for at in range(20)])
        self.assertEqual(report["points"][0]["offer"]["label"], "rate in 2 stages, 100/s at last")

    def test_bursts_come_together_and_the_first_is_the_warmup(self):
        report, rows = self.run_load("--burst", "20", "--burst-every", "100ms", "--requests", "50",
                                     "--warmup", "300ms")
        self.check_starts(rows, [0] * 20 + [300] * 20 + [400] * 20 + [500] * 10)
        self.assertEqual([row["warmup"] for row in rows], [True] * 20 + [False] * 50)
        self.assertEqual(report["points"][0]["counts"]["started"], 50)
        self.assertEqual(report["points"][0]["counts"]["warmup"], 20)

    def test_a_trace_is_replayed_in_its_order_at_its_speed(self):
        path = os.path.join(self.folder, "trace.csv")
        with open(path, "w", encoding="utf-8") as trace:
            trace.write("Timestamp,Model,Request tokens,Response tokens\r\n"
                        "12.5,\"a, b\",7,2\r\n12,a,5,1\r\n13.25,a,6,3\r\n")
        report, rows = self.run_load("--replay", path, "--replay-speed", "5")
        self.check_starts(rows, [0, 100, 250])
        self.assertEqual([row["output_tokens"] for row in rows], [1, 2, 3])
        self.assertEqual(report["points"][0]["offer"]["label"], "replay of trace.csv")

    def test_a_cap_is_never_passed(self):
        report, rows = self.run_load("--rate", "500", "--requests", "100", "--concurrency", "2")
        self.assertEqual(len(rows), 100)
        self.assertLessEqual(report["points"][0]["counts"]["in_flight_peak"], 2)

    def test_streams_follow_their_stages(self):
        report, _ = self.run_load("--concurrency-stages", "1..6@300ms,6@300ms,2@200ms")
        self.assertEqual(report["points"][0]["counts"]["in_flight_peak"], 6)

    def test_a_sweep_has_a_point_for_each_level_and_new_requests_in_each(self):
        report, rows = self.run_load("--sweep", "concurrency=1,2,4", "-n", "8", "--warmup", "2",
                                     "--pause", "10ms")
        labels = [point["offer"]["label"] for point in report["points"]]
        self.assertEqual(labels, ["concurrency 1", "concurrency 2", "concurrency 4"])
        self.assertEqual([point["counts"]["started"] for point in report["points"]], [8] * 3)
        self.assertEqual([row["index"] for row in rows],
                         [point * 10**9 + at for point in range(3) for at in range(10)])


class Knee(unittest.TestCase):
    def test_the_knee_of_a_gateway_that_refuses_is_searched_between_its_sides(self):
        """The gateway takes eight at a time; its count may be a moment behind, so that the seventh
        or the eighth is refused now and then."""
        with mock.Mock("--events", "3", "--ttft", "5ms", "--gap", "1ms",
                       "--in-flight-max", "8") as gateway:
            ran, report = mock.load("--base-url", gateway.url, "--cacert", gateway.ca, "--sweep",
                                    "concurrency=1..256", "-n", "100", "--slo", "ttft.p99<10s",
                                    "--pause", "10ms", "--allow-failures", "100%")
        self.assertEqual(ran.returncode, 0, ran.stderr)
        levels = [point["offer"]["concurrency"] for point in report["points"]]
        self.assertEqual(levels[:4], [1, 2, 4, 8])
        self.assertLessEqual(max(levels), 16)
        knee = report["knee"]
        self.assertTrue(knee["searched"])
        self.assertTrue(4 <= levels[knee["point"]] <= 8, levels)
        self.assertTrue(knee["level"].startswith("ttft.p99<10s"))


class Refused(unittest.TestCase):
    def test_what_contradicts_itself_is_refused_before_anything_is_sent(self):
        for arguments, said in (
                (("--rate", "5", "--burst", "5"), "leave out one of them"),
                (("--rate", "5"), "--duration TIME or --requests N"),
                (("--sweep", "rate=1,2", "--duration", "1s", "--slo", "x<5"), "--slo x<5: "),
                (("--rate-stages", "5@"), "its time is above 0")):
            ran = mock.leat("load", "--base-url", "http://127.0.0.1:9/v1", *arguments)
            self.assertEqual(ran.returncode, 2)
            self.assertIn(said, ran.stderr)


if __name__ == "__main__":
    mock.main()
