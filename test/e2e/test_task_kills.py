#!/usr/bin/env python3
# ctest: slow 600
"""Runs of many jobs that are killed (SIGKILL) at a random moment and started again with the same
journal, until one comes to its end; then the gateway's own ledger is asked: no job lost, none
submitted twice, and uncertain only those that were on their way at a kill. The number of rounds is
LEAT_KILL_ROUNDS [10]."""
import json
import os
import random
import signal
import subprocess
import tempfile
import time
import unittest

import mock

JOBS = 80
ROUNDS = int(os.environ.get("LEAT_KILL_ROUNDS", "10"))
KILLS_MAX = 5  # in a round, behind which a run may come to its end
CONNECTIONS = 8  # and so many submits at once
SEED = int(os.environ.get("LEAT_KILL_SEED", str(time.time_ns() % 1000000)))


class Kills(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.ledger = self.path("ledger.jsonl")
        self.random = random.Random(SEED)

    def tearDown(self):
        self.folder.cleanup()

    def path(self, name):
        return os.path.join(self.folder.name, name)

    def write_jobs(self, round_number):
        with open(self.path("jobs.jsonl"), "w", encoding="utf-8") as file:
            for i in range(JOBS):
                name = f"r{round_number}-j{i}"
                endpoint = "suno.music" if i % 2 else "video.generate"
                body = {"prompt": "x", "model": "m", "metadata": {"custom_id": name}}
                file.write(json.dumps({"custom_id": name, "method": "POST", "endpoint": endpoint,
                                       "body": body}) + "\n")

    def start(self, gateway):
        return subprocess.Popen(
            [mock.PROGRAM, "task", "run", "--input", self.path("jobs.jsonl"), "--output",
             self.path("results.jsonl"), "--journal", self.path("journal"), "--base-url",
             gateway.url, "--poll", "40ms", "--polls-per-second", "200", "--connections",
             str(CONNECTIONS), "--http", "1.1", "-q"],
            stderr=subprocess.PIPE, text=True, env=mock.environment())

    def killed(self, gateway, seconds):
        """One run, killed after so long. False: it had come to its end by itself."""
        child = self.start(gateway)
        try:
            _, said = child.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            child.send_signal(signal.SIGKILL)
            child.communicate()
            return True
        self.assertIn(child.returncode, (0, 1), said)
        return False

    def until(self, kill):
        if not kill:
            return 100
        return self.random.choice((0.03, 0.08, 0.2, 0.4)) * self.random.uniform(0.3, 1.7)

    def submitted(self, round_number):
        """{job: how often the gateway took it} of the ledger's file."""
        found = {}
        with open(self.ledger, encoding="utf-8") as file:
            for line in file:
                entry = json.loads(line)
                if entry["event"] == "submitted" and entry["key"].startswith(f"r{round_number}-"):
                    found[entry["key"]] = found.get(entry["key"], 0) + 1
        return found

    def results(self):
        found = {}
        with open(self.path("results.jsonl"), encoding="utf-8") as file:
            for line in file:
                entry = json.loads(line)
                self.assertNotIn(entry["custom_id"], found, "a job has two lines")
                found[entry["custom_id"]] = entry
        return found

    def check(self, round_number, kills):
        taken, results = self.submitted(round_number), self.results()
        self.assertEqual(set(results), {f"r{round_number}-j{i}" for i in range(JOBS)})
        uncertain = 0
        for name, line in results.items():
            self.assertLessEqual(taken.get(name, 0), 1, f"{name} was submitted twice")
            if line["error"] is None:
                self.assertEqual(taken.get(name), 1, name)
                self.assertEqual(line["response"]["status_code"], 200)
            else:
                self.assertEqual(line["error"]["code"], "LEAT_EUNCERTAIN", line)
                uncertain += 1
        self.assertLessEqual(uncertain, kills * CONNECTIONS)
        return uncertain

    def test_nothing_is_lost_and_nothing_is_paid_for_twice(self):
        kills = uncertain = 0
        with mock.Mock("--plain", "--task-queued", "10ms", "--task-time", "100ms", "--ledger",
                       self.ledger, "--fault", "slow-head=20") as gateway:
            for number in range(ROUNDS):
                for name in ("journal", "journal-wal", "journal-shm", "results.jsonl"):
                    if os.path.exists(self.path(name)):
                        os.unlink(self.path(name))
                self.write_jobs(number)
                before, wanted = kills, self.random.randint(1, KILLS_MAX)
                while self.killed(gateway, self.until(kills - before < wanted)):
                    kills += 1
                    self.assertLessEqual(kills - before, wanted, "it never comes to an end")
                uncertain += self.check(number, kills - before)
        print(f"seed {SEED}: {ROUNDS} rounds of {JOBS} jobs, {kills} kills, {uncertain} uncertain",
              flush=True)
        self.assertGreater(kills, 0)
        self.assertLess(uncertain, ROUNDS * JOBS / 2)


if __name__ == "__main__":
    mock.main()
