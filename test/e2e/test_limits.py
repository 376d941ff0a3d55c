#!/usr/bin/env python3
"""The program before a gateway that refuses whoever comes too often: with --learn-limits nobody is
refused, and what is allowed is used."""
import json
import os
import tempfile
import time
import unittest

import mock

QUICK = ("--plain", "--ttft", "5ms", "--gap", "1ms", "--events", "3")


def jobs(folder, count):
    path = os.path.join(folder, "jobs.jsonl")
    body = {"model": "m", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 5}
    with open(path, "w", encoding="utf-8") as out:
        for i in range(count):
            out.write(json.dumps({"custom_id": f"job {i}", "method": "POST",
                                  "url": "/v1/chat/completions", "body": body}) + "\n")
    return path


class LimitsTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def run_jobs(self, gateway, count, *options):
        """Seconds, statuses of the results, refusals that were seen."""
        output, trace = (os.path.join(self.folder, name) for name in ("out.jsonl", "trace"))
        began = time.monotonic()
        ran = mock.leat("task", "run", "--input", jobs(self.folder, count), "--output", output,
                        "--base-url", gateway.url, "--concurrency", str(count), "--trace", trace,
                        "--connections", "20", *options)
        seconds = time.monotonic() - began
        with open(output, encoding="utf-8") as lines:
            statuses = [json.loads(line)["response"]["status_code"] for line in lines]
        with open(trace, encoding="utf-8") as lines:
            refused = sum("status 429" in line for line in lines)
        self.assertEqual(len(statuses), count, ran.stderr)
        return seconds, statuses, refused

    def check(self, settings, count, allowed_seconds):
        with mock.Mock(*QUICK, *settings) as gateway:
            seconds, statuses, refused = self.run_jobs(gateway, count, "--learn-limits")
            self.assertEqual(statuses, [200] * count)
            self.assertLessEqual(refused, 1)
            # It cannot be faster; how much slower depends on what else the machine does.
            self.assertGreater(seconds, allowed_seconds * 0.9)
            self.assertLess(seconds, allowed_seconds * 2 + 5)

    def test_requests(self):
        self.check(("--rpm", "60", "--limit-window", "2s"), 180, 4)

    def test_a_bucket_that_holds_little(self):
        self.check(("--rpm", "600", "--limit-burst", "10"), 40, 3)

    def test_tokens(self):
        # A job of 80 bytes or so and 5 tokens of answer.
        self.check(("--tpm", "1500", "--limit-window", "2s"), 180, 2)

    def test_without_it_most_are_refused(self):
        with mock.Mock(*QUICK, "--rpm", "60", "--limit-window", "60s") as gateway:
            _, statuses, refused = self.run_jobs(gateway, 100, "--retries", "0")
            self.assertEqual(statuses.count(200), 60)
            self.assertEqual(refused, 40)

    def test_limits_of_ones_own(self):
        with mock.Mock(*QUICK) as gateway:
            seconds, statuses, _ = self.run_jobs(gateway, 60, "--rpm", "1200")
            self.assertEqual(statuses, [200] * 60)
            self.assertGreater(seconds, 1.5)  # 20 at once, then 20 a second


if __name__ == "__main__":
    mock.main()
