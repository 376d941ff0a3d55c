#!/usr/bin/env python3
"""Histograms of `leat load --json` in the hands of another library: hdr-histogram-js, installed by
its name into a folder beside the builds, decodes each of them and finds the percentiles that stand
beside it."""
# ctest: peers 300 once
import json
import os
import subprocess
import tempfile
import unittest

import installed
import mock

PACKAGE = "hdr-histogram-js@3"
REQUESTS = 200  # so that every rank below is whole: libraries round others differently
PERCENTS = (10, 25, 50, 75, 90, 95, 99, 100)
SCRIPT = """
import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';
const hdr = createRequire(process.argv[2] + '/')('hdr-histogram-js');
const texts = JSON.parse(readFileSync(0, 'utf8')), found = {};
for (const [name, text] of Object.entries(texts)) {
  const h = hdr.decodeFromCompressedBase64(text, 64, false);
  found[name] = { count: h.totalCount, max: h.maxValue, digits: h.numberOfSignificantValueDigits,
                  highest: h.highestTrackableValue,
                  percents: %s.map((p) => h.getValueAtPercentile(p)),
                  again: hdr.encodeIntoCompressedBase64(h) };
}
process.stdout.write(JSON.stringify(found));
"""


def histograms(report):
    """Name -> {"hdr", "count", "p50", ...}, of all points."""
    found = {}
    for i, point in enumerate(report["points"]):
        parts = {**{name: forms["sent"] for name, forms in point["latencies"].items()},
                 **{name + ".intended": forms["intended"]
                    for name, forms in point["latencies"].items()},
                 **{name: point["certificate"][name]
                    for name in ("receive_lag", "schedule_lag", "kernel_lag")}}
        found.update({f"{i}.{name}": part for name, part in parts.items() if part})
    return found


class Formats(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = installed.node("hdr-histogram-js", PACKAGE, seconds=200)
        cls.gateway = mock.Mock("--ttft", "5ms", "--gap", "1ms", "--events", "21")

    @classmethod
    def tearDownClass(cls):
        cls.gateway.stop()

    def decode(self, report):
        with tempfile.TemporaryDirectory() as folder:
            script = os.path.join(folder, "decode.mjs")
            with open(script, "w", encoding="utf-8") as file:
                file.write(SCRIPT % json.dumps(PERCENTS))
            texts = {name: h["hdr"] for name, h in histograms(report).items()}
            ran = subprocess.run(["node", script, self.folder], input=json.dumps(texts), text=True,
                                 capture_output=True, timeout=60, check=False)
        self.assertEqual(ran.returncode, 0, ran.stderr)
        return json.loads(ran.stdout)

    def check(self, report):
        ours, theirs = histograms(report), self.decode(report)
        self.assertGreater(len(ours), 4)
        for name, h in ours.items():
            with self.subTest(name=name):
                found = theirs[name]
                self.assertEqual(found["count"], h["count"])
                self.assertEqual((found["digits"], found["highest"]), (3, 3600000000))
                values = dict(zip(PERCENTS, found["percents"]))
                for percent in (50, 90, 95, 99):
                    if h["count"] * percent % 100 == 0:
                        value = min(values[percent], h["exact"]["max_us"])
                        self.assertEqual(round(h[f"p{percent}"] * 1000), value, percent)
                if h["count"]:
                    self.assertLessEqual(abs(values[100] - h["exact"]["max_us"]),
                                         h["exact"]["max_us"] / 1000 + 1)

    def run_load(self, *options):
        ran, report = mock.load("--base-url", self.gateway.url, "--cacert", self.gateway.ca,
                                "--model", "m", "-n", str(REQUESTS), *options)
        self.assertEqual(ran.returncode, 0, ran.stderr)
        return report

    def test_a_closed_loop(self):
        report = self.run_load("-c", "20")
        self.assertEqual(histograms(report)["0.ttft"]["count"], REQUESTS)
        self.assertEqual(histograms(report)["0.itl"]["count"], REQUESTS * 20)
        self.check(report)

    def test_an_open_loop(self):
        report = self.run_load("--rate", "200")
        self.assertIn("0.ttft.intended", histograms(report))
        self.check(report)

    def test_what_it_writes_again_is_read(self):
        report = self.run_load("-c", "20")
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "theirs.json")
            forms = report["points"][0]["latencies"]["ttft"]
            forms["sent"]["hdr"] = self.decode(report)["0.ttft"]["again"]
            with open(path, "w", encoding="utf-8") as file:
                json.dump(report, file)
            ran = mock.leat("report", path, "--json", "-", "--quiet")
            self.assertEqual(ran.returncode, 0, ran.stderr)
            again = json.loads(ran.stdout)["points"][0]["latencies"]["ttft"]["sent"]
            for figure in ("count", "mean", "sd", "p50", "p99", "max"):
                self.assertEqual(again[figure], forms["sent"][figure], figure)


if __name__ == "__main__":
    mock.main()
