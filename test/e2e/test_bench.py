#!/usr/bin/env python3
"""The benches in miniature, so that they do not rot: that they run to their end, count every event
and print what they promise. No figure of time is judged."""
# ctest: e2e 240
import json
import os
import subprocess
import sys
import tempfile
import unittest

import mock

PARTS = os.path.join(mock.BUILD, "bench")
PEER = os.path.join(PARTS, "peer_curl")


def shell_scripts():
    for folder, _, names in os.walk(os.path.join(mock.SOURCE, "bench")):
        yield from (os.path.join(folder, name) for name in names if name.endswith(".sh"))


class Bench(unittest.TestCase):
    def run_bench(self, script, *options, codes=(0,)):
        """-> what it printed, and what it wrote to the file of --json."""
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "figures.json")
            ran = subprocess.run([sys.executable, os.path.join(mock.SOURCE, "bench", script),
                                  "--leat", mock.PROGRAM, "--json", path, *options],
                                 stdin=subprocess.DEVNULL, capture_output=True, text=True,
                                 timeout=200, check=False, env=mock.environment())
            self.assertIn(ran.returncode, codes, ran.stdout + ran.stderr)
            with open(path, encoding="utf-8") as file:
                return ran.stdout, json.load(file)


class Compare(Bench):
    SMALL = ("--programs", PARTS, "-C", "6", "-N", "4", "--ms", "5", "-R", "1")

    def compare(self, *rows):
        text, figures = self.run_bench("compare/table.py", *self.SMALL, "--only", ",".join(rows))
        self.assertEqual(list(figures["clients"]), list(rows))
        for name, row in figures["clients"].items():
            self.assertIn(f"| {name.replace('+c', ' --coalesce')} |", text)
            self.assertGreaterEqual(row["events"], 6 * 4)
            self.assertGreater(row["kb_stream"], 0)
        # Every client counted what the gateway sent, each event in a record of its own.
        self.assertNotIn("counted", text)
        self.assertNotIn("held more than one event", text)
        return figures["clients"]

    def test_http1_beside_its_floor(self):
        self.compare("floor-h1", "leat-h1", "leat-h1+c")

    def test_http2_beside_its_floor(self):
        rows = self.compare("floor-h2", "leat-h2", "leat-h2+c")
        self.assertIsNotNone(rows["leat-h2"]["gap_p99_ms"])

    @unittest.skipUnless(os.path.exists(PEER), "built without libcurl (test/run.sh --peers)")
    def test_libcurl_does_the_same_work(self):
        rows = self.compare("libcurl-h1", "libcurl-h2")
        self.assertEqual(rows["libcurl-h1"]["events"], rows["libcurl-h2"]["events"])

    def test_events_that_share_a_record_are_noticed(self):
        with mock.Mock("--h2-coalesce") as gateway:
            ran = subprocess.run([os.path.join(PARTS, "floor_h2"), str(gateway.port), "5",
                                  "/v1/chat/completions?n=50&ms=0&ttft=0", "1"],
                                 stdin=subprocess.DEVNULL, capture_output=True, text=True,
                                 timeout=60, check=False)
            said = json.loads(ran.stdout)
        self.assertEqual((ran.returncode, said["events"]), (0, 5 * 52))
        self.assertGreater(said["crowded"], 0)


class Streams(Bench):
    def test_many_streams_few_here(self):
        text, figures = self.run_bench("streams/streams.py", "--programs", PARTS, "--divide",
                                       "500", "--seconds", "1")
        for name, streams in (("crowd", 20), ("mass", 200), ("flat", 1)):
            seen = figures["runs"][name]
            self.assertEqual((seen["completed"], seen["errors"]), (streams, []))
            self.assertEqual(seen["events"], seen["events_sent"])
            self.assertEqual(seen["connections"], 1)
        self.assertIsNotNone(figures["runs"]["crowd"]["lag_p99_ms"])
        self.assertEqual(text.count("| completed |"), 3)


class Sharing(Bench):
    def test_uploads_and_chats(self):
        text, figures = self.run_bench("uploads/uploads.py", "--client",
                                       os.path.join(mock.BUILD, "uploads"), "--uploads", "4",
                                       "--bytes", "200000", "--chats", "8")
        self.assertIn("| leat as it comes |", text)
        self.assertTrue(figures)

    def test_a_sleeper_among_others(self):
        """Exit 1 judges time, which nobody does here."""
        text, figures = self.run_bench("pause/pause.py", "--client",
                                       os.path.join(mock.BUILD, "pause"), "--streams", "5",
                                       "--events", "40", "--gap", "5ms", "--rounds", "1",
                                       codes=(0, 1))
        self.assertEqual((figures["awake"]["lost"], figures["asleep"]["lost"]), (0, 0))
        self.assertIn("| one sleeps |", text)


class Accuracy(Bench):
    def test_the_published_test_at_a_few_streams(self):
        text, figures = self.run_bench("accuracy/accuracy.py", "--programs", PARTS, "--only",
                                       "paced", "--streams", "3", "--events", "20", "--rounds",
                                       "1", "--divide", "300")
        self.assertEqual(text.count("| streams | ttft |"), 4)
        for rows in figures["paced"].values():
            seen = rows["3"]
            self.assertEqual((seen["completed"], seen["first_events"]), (9, 9))
            self.assertEqual((seen["gaps"], seen["gaps_true"]), (9 * 19, 9 * 19))
            self.assertLessEqual(seen["in_flight_peak"], 3)
            self.assertGreaterEqual(seen["ttft_true_ms"], 50)
            self.assertIn(seen["verdict"], ("valid", "degraded", "invalid"))

    def test_flood_start_open_loop_and_burst_in_small(self):
        text, figures = self.run_bench("accuracy/accuracy.py", "--programs", PARTS, "--only",
                                       "flood,start,open,burst", "--divide", "50",
                                       "--rounds", "2")
        self.assertEqual(figures["flood"]["events"], figures["flood"]["events_sent"])
        self.assertEqual(figures["flood"]["crowded"], 0)
        self.assertEqual((figures["flood"]["rounds"], figures["flood"]["held"]["rounds"]), (2, 2))
        self.assertGreater(figures["start"]["ms"], 0)
        self.assertEqual((figures["open"]["failed"], figures["burst"]["failed"]), (0, 0))
        self.assertEqual(figures["burst"]["came"], 2 * figures["burst"]["size"])
        self.assertIn("| open loop of 100 requests/s", text)


class Beside(Bench):
    def test_those_that_are_not_there_are_rows_that_say_so(self):
        with tempfile.TemporaryDirectory() as empty:
            text, figures = self.run_bench("peers/peers.py", "--programs", PARTS, "--streams", "3",
                                           "--no-install", "--folder", empty)
        rows = figures["streams"]["3"]
        self.assertEqual((rows["leat"]["completed"], rows["leat"]["at_once"]), (9, 3))
        self.assertGreaterEqual(rows["leat"]["true_ttft"], 50)
        for name in ("aiperf", "guidellm", "vllm", "locust", "k6"):
            self.assertIn("why", rows[name])
            self.assertIn(f"| {name} |", text)


class Scripts(unittest.TestCase):
    def test_shell_scripts_parse(self):
        for path in shell_scripts():
            subprocess.run(["bash", "-n", path], check=True, timeout=20)


if __name__ == "__main__":
    mock.main()
