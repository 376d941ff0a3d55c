#!/usr/bin/env python3
"""Another harness beside leat load, on the same gateway, once in small: that AIPerf can be
installed by its name, told the same work, and its figures read. The others of bench/peers are many
gigabytes each: they are run here where somebody has installed them before."""
# ctest: peers 900 once
import json
import os
import subprocess
import sys
import tempfile
import unittest

import mock

sys.path.insert(0, os.path.join(mock.SOURCE, "bench/peers"))
import clients  # noqa: E402

FOLDER = os.path.join(mock.SOURCE, "build/peers")
STREAMS, WAVES, INSTALL_SECONDS = 4, 3, 420


class Peers(unittest.TestCase):
    def row(self, name):
        """The harness' row; skips, and says why, where there is none."""
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "figures.json")
            ran = subprocess.run([sys.executable, os.path.join(mock.SOURCE, "bench/peers/peers.py"),
                                  "--programs", os.path.join(mock.BUILD, "bench"), "--leat",
                                  mock.PROGRAM, "--only", name, "--streams", str(STREAMS),
                                  "--no-install", "--folder", FOLDER, "--json", path],
                                 stdin=subprocess.DEVNULL, capture_output=True, text=True,
                                 timeout=500, check=False, env=mock.environment())
            self.assertEqual(ran.returncode, 0, ran.stderr)
            with open(path, encoding="utf-8") as file:
                row = json.load(file)["streams"][str(STREAMS)][name]
        self.assertNotIn("why", row)
        return row

    def check(self, name):
        row = self.row(name)
        self.assertEqual((row["completed"], row["at_once"]), (STREAMS * WAVES, STREAMS))
        self.assertGreaterEqual(row["true_ttft"], 50)
        self.assertGreater(row["ttft_mean"], 45)
        self.assertGreater(row["cpu_s"], 0)

    def test_aiperf(self):
        why = clients.install(FOLDER, "aiperf", True, INSTALL_SECONDS)
        if why:
            self.skipTest(f"aiperf: {why}")
        self.check("aiperf")

    def check_if_there(self, name):
        if not clients.installed(FOLDER, name):
            self.skipTest(f"{name} is not installed (bench/peers/run.sh installs it)")
        self.check(name)

    def test_guidellm(self):
        self.check_if_there("guidellm")

    def test_vllm(self):
        self.check_if_there("vllm")

    def test_locust(self):
        self.check_if_there("locust")


if __name__ == "__main__":
    mock.main()
