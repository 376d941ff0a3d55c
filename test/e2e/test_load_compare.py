#!/usr/bin/env python3
# ctest: e2e 180
"""Results of real loads beside each other, again, and together: compare, report, merge, configs."""
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import unittest

import mock


def options(gateway, *more):
    return ["--base-url", gateway.url, "--model", "m", "--prompt", "hi", "--max-tokens", "5", *more]


def figures(document):
    return {row["figure"]: row for row in document["figures"]}


class Folder(unittest.TestCase):
    """A gateway for all, and a folder for each."""

    @classmethod
    def setUpClass(cls):
        cls.gateway = mock.Mock("--plain", "--ttft", "2ms", "--gap", "1ms")
        cls.gateway.__enter__()

    @classmethod
    def tearDownClass(cls):
        cls.gateway.__exit__(None, None, None)

    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def path(self, name):
        return os.path.join(self.folder.name, name)

    def write(self, name, text):
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text if isinstance(text, str) else json.dumps(text))
        return self.path(name)

    def read(self, name):
        with open(self.path(name), encoding="utf-8") as file:
            return file.read()

    def load(self, name, *more):
        ran = mock.leat("load", *options(self.gateway, "-q", "--json", self.path(name), *more))
        self.assertEqual((ran.returncode, ran.stdout), (0, ""), ran.stderr)
        return self.path(name)


class Compare(Folder):
    def compare(self, *arguments):
        ran = mock.leat("compare", *arguments, "-q", "--json", "-")
        self.assertEqual(ran.returncode, 0, ran.stderr)
        return json.loads(ran.stdout)

    def test_repeats_are_compared_figure_by_figure(self):
        a = self.load("a.json", "-n", "20", "-c", "4", "--repeat", "4", "--pause", "off")
        b = self.load("b.json", "-n", "20", "-c", "4", "--repeat", "4", "--pause", "off")
        document = self.compare(a, b)
        self.assertEqual((document["leat_compare"], document["ways"]), (1, 70))
        self.assertEqual((document["a"]["runs"], document["b"]["runs"]), (4, 4))
        ttft = figures(document)["ttft.p50"]
        self.assertEqual((ttft["unit"], ttft["interval_of"], len(ttft["runs_a"])),
                         ("ms", "ratio", 4))
        self.assertGreater(ttft["a"], 1)
        self.assertIn(ttft["verdict"], ("no difference seen", "better", "worse"))
        self.assertLess(ttft["low"], ttft["high"])
        self.assertEqual(figures(document)["error_rate"]["verdict"], "no difference seen")
        self.assertTrue(any("came before" in text for text in document["warnings"]))

    def test_one_run_each_decides_nothing(self):
        a = self.load("a.json", "-n", "4")
        ran = mock.leat("compare", a, self.load("b.json", "-n", "4"))
        self.assertEqual(ran.returncode, 0)
        self.assertIn("nothing is decidable", ran.stdout)
        rows = [line for line in ran.stdout.splitlines() if line.startswith("  ttft.")]
        self.assertTrue(rows and all(row.endswith("not decidable") for row in rows), ran.stdout)

    def test_files_put_together_are_one(self):
        one, two = self.load("1.json", "-n", "4"), self.load("2.json", "-n", "4")
        both = self.write("both.json", self.read("1.json") + self.read("2.json"))
        document = self.compare(both, one)
        self.assertEqual((document["a"]["runs"], document["b"]["runs"]), (2, 1))
        self.assertTrue(any("run 1 of A is run 1 of B" in text for text in document["warnings"]))
        self.assertTrue(os.path.exists(two))

    def test_configs_take_turns(self):
        for name, tokens in (("a.json", 3), ("b.json", 40)):
            self.write(name, {"base-url": self.gateway.url, "model": "m", "prompt": "hi",
                              "max-tokens": tokens, "requests": 8, "concurrency": 4})
        started = time.time()
        ran = mock.leat("compare", "--run", self.path("a.json"), self.path("b.json"), "--repeat",
                        "4", "--pause", "off", "--json", self.path("c.json"), "-o",
                        self.path("c.html"), "-o", self.path("c.txt"), "--title", "turns")
        self.assertEqual(ran.returncode, 0, ran.stderr)
        self.assertIn("run 8 of 8", ran.stderr)
        document = json.loads(self.read("c.json"))
        self.assertEqual(figures(document)["e2e.p50"]["verdict"], "worse")
        self.assertTrue(any(text.startswith("A and B were not asked for the same (A / B): "
                                            "max-tokens: 3 / 40")
                            for text in document["warnings"]), document["warnings"])
        self.assertFalse(any("came before" in text for text in document["warnings"]))
        self.assertEqual(self.read("c.txt"), ran.stdout.split("\n\n", 1)[1])
        self.assertTrue(self.read("c.html").startswith("<!"))
        self.assertLess(time.time() - started, 60)

    def test_an_interrupted_contest_tells_what_it_has(self):
        self.write("a.json", {"base-url": self.gateway.url, "model": "m", "prompt": "hi",
                              "max-tokens": 3})
        running = mock.Server([mock.PROGRAM, "compare", "--run", self.path("a.json"),
                               self.path("a.json"), "--pause", "1m", "--repeat", "1"])
        self.addCleanup(running.stop)
        running.wait_until(lambda: "run 1 of 2" in running.text())
        time.sleep(1)  # the run is over long before, and the rest lasts a minute
        running.process.send_signal(signal.SIGINT)
        self.assertEqual(running.ended(), 130, running.text())
        self.assertIn("interrupted", running.text())

    def test_a_run_that_failed_is_an_exit_code(self):
        self.write("a.json", {"base-url": self.gateway.url, "prompt": "hi", "model": "m",
                              "header": "x-mock-fault: status=500"})
        ran = mock.leat("compare", "--run", self.path("a.json"), self.path("a.json"), "--repeat",
                        "1", "--pause", "off", "-q")
        self.assertEqual(ran.returncode, 1, ran.stderr)

    def test_what_is_no_comparison_is_usage(self):
        a = self.load("a.json", "-n", "2")
        broken = self.write("broken.json", self.read("a.json")[:-20])
        for arguments, said in (([a], "two files of runs"), ([a, a, a], "two files of runs"),
                                ([a, broken], "broken.json: not JSON at byte"),
                                ([a, self.write("x.json", "{}")], "x.json: run 1: "),
                                ([a, self.write("y.json", "")], "y.json: it holds no run"),
                                ([a, self.path("none")], "cannot read"),
                                ([a, a, "-o", "x.csv"], "its ending says"),
                                ([a, a, "--repeat", "2"], "--run"),
                                (["--run", a, a], "is no option of load")):
            ran = mock.leat("compare", *arguments)
            self.assertEqual(ran.returncode, 2, arguments)
            self.assertIn(said, ran.stderr)


class Bench(unittest.TestCase):
    def test_false_differences_are_counted(self):
        bench = os.path.join(mock.SOURCE, "bench/compare_runs.py")
        ran = subprocess.run([sys.executable, bench, "--leat", mock.PROGRAM, "--runs", "10",
                              "--seconds", "0.2", "--side", "4", "--pairs", "2",
                              "--slower", "3"], capture_output=True, text=True, timeout=120,
                             check=False, env=mock.environment())
        self.assertIn(ran.returncode, (0, 1), ran.stderr)
        self.assertIn("of 2 pairs differ in any figure", ran.stdout)
        self.assertIn("B slower by 200%: ", ran.stdout)


class Report(Folder):
    def test_a_result_is_told_again_as_it_was(self):
        a = self.load("a.json", "-n", "6", "-c", "2", "-o", self.path("first.csv"), "-o",
                      self.path("first.prom"), "-o", self.path("first.txt"))
        ran = mock.leat("report", a, *(part for kind in ("csv", "prom", "txt", "html", "json")
                                       for part in ("-o", self.path(f"again.{kind}"))))
        self.assertEqual(ran.returncode, 0, ran.stderr)
        for kind in ("csv", "prom", "txt"):
            self.assertEqual(self.read(f"again.{kind}"), self.read(f"first.{kind}"), kind)
        self.assertEqual(json.loads(self.read("again.json")), json.loads(self.read("a.json")))
        self.assertEqual(ran.stdout, self.read("first.txt"))
        self.assertIn("</html>", self.read("again.html"))

    def test_gates_are_exit_codes(self):
        a = self.load("a.json", "-n", "4")
        for gates, code in ((["--require", "ttft.p50<10m"], 0),
                            (["--require", "ttft.p50<1us"], 3),
                            (["--require", "failed==0", "--require", "e2e.max<1us"], 3),
                            (["--require", "nonsense<1"], 2), (["--format", "vllm"], 0)):
            ran = mock.leat("report", a, "-q", *gates)
            self.assertEqual(ran.returncode, code, gates)

    def test_strictness_is_an_exit_code(self):
        a = self.load("a.json", "-n", "4")
        document = json.loads(self.read("a.json"))
        for verdict, code in (("valid", 0), ("degraded", 4), ("invalid", 4)):
            for point in document["points"]:
                point["certificate"]["verdict"] = verdict
            ran = mock.leat("report", self.write("b.json", document), "-q", "--strict")
            self.assertEqual(ran.returncode, code, verdict)
        self.assertTrue(os.path.exists(a))


class Merge(Folder):
    def shards(self, count, *more):
        start = str(time.time() + 4)  # a busy machine needs some time to start them
        running = [mock.Server([mock.PROGRAM, "load", *options(
            self.gateway, "-q", "--shard", f"{i}/{count}", "--start-at", start, "--json",
            self.path(f"{i}.json"), *more)]) for i in range(count)]
        for server in running:
            self.addCleanup(server.stop)
            self.assertEqual(server.ended(60), 0, server.text())
        return [self.path(f"{i}.json") for i in range(count)]

    def test_shards_add_up(self):
        ran = mock.leat("merge", *self.shards(3, "-n", "50", "-c", "7"), "--json",
                        self.path("all.json"))
        self.assertEqual(ran.returncode, 0, ran.stderr)
        told = ran.stdout.count("clock's error") + ran.stdout.count("clock within")
        self.assertEqual(told, 3, ran.stdout)
        again = mock.leat("report", self.path("all.json"), "-o", self.path("all.html"))
        self.assertEqual((again.returncode, again.stdout), (ran.returncode, ran.stdout))
        self.assertIn("Shard 2", self.read("all.html"))
        sums = json.loads(self.read("all.json"))
        parts = [json.loads(self.read(f"{i}.json")) for i in range(3)]
        self.assertEqual(sums["points"][0]["counts"]["started"], 50)
        self.assertEqual(sums["points"][0]["counts"]["started"],
                         sum(part["points"][0]["counts"]["started"] for part in parts))
        self.assertEqual(sums["points"][0]["latencies"]["itl"]["sent"]["count"],
                         sum(part["points"][0]["latencies"]["itl"]["sent"]["count"]
                             for part in parts))
        self.assertEqual((sums["shard"], sums["shards"]), (0, 1))
        self.assertEqual([part["shard"] for part in sums["parts"]], [0, 1, 2])
        self.assertFalse({"shard", "start-at"} & set(sums["config"]))
        self.assertEqual(sums["config"]["requests"], 50)
        self.assertEqual(sums["points"][0]["latencies"]["e2e"]["sent"]["max"],
                         max(part["points"][0]["latencies"]["e2e"]["sent"]["max"]
                             for part in parts))

    def test_what_does_not_belong_together_is_refused(self):
        a, b = self.shards(2, "-n", "4", "-c", "2")
        whole = self.load("whole.json", "-n", "4")
        self.write("other.json", {**json.loads(self.read("1.json")),
                                  "config": {"shard": "1/2", "requests": 5}})
        for files, said in (([], "which shards"), ([a, a], "are both shard 0"),
                            ([a, whole], "whole.json is no shard"),
                            ([a, self.path("other.json")], "are not of one load"),
                            ([a, self.path("none")], "cannot read")):
            ran = mock.leat("merge", *files)
            self.assertEqual(ran.returncode, 2, files)
            self.assertIn(said, ran.stderr)
        self.assertTrue(os.path.exists(b))

    def test_a_shard_without_a_stream_is_usage(self):
        ran = mock.leat("load", *options(self.gateway, "-n", "4", "--shard", "0/2"))
        self.assertEqual(ran.returncode, 2)
        self.assertIn("leaves some shard without a stream", ran.stderr)

    def test_a_missing_shard_is_no_valid_sum(self):
        a, _ = self.shards(2, "-n", "4", "-c", "2")
        ran = mock.leat("merge", a, "--strict", "--json", self.path("all.json"), "-q")
        self.assertEqual(ran.returncode, 4, ran.stderr)
        self.assertIn("1 of 2 shards are missing", self.read("all.json"))


class Configs(Folder):
    def test_a_printed_config_does_the_same(self):
        ran = mock.leat("load", *options(self.gateway, "-n", "6", "-c", "2", "--print-config",
                                         "-H", "Authorization: Bearer hidden-key-1"),
                        LEAT_API_KEY="hidden-key-2")
        self.assertEqual(ran.returncode, 0, ran.stderr)
        self.assertNotIn("hidden", ran.stdout + ran.stderr)
        self.assertIn("the header Authorization is not in it", ran.stderr)
        config = json.loads(ran.stdout)
        self.assertEqual((config["requests"], config["concurrency"], config["seed"]), (6, 2, 1))
        path = self.write("config.json", ran.stdout)
        ran = mock.leat("load", "--config", path, "-q", "--json", self.path("a.json"))
        self.assertEqual(ran.returncode, 0, ran.stderr)
        result = json.loads(self.read("a.json"))
        self.assertEqual(result["points"][0]["counts"]["started"], 6)
        self.assertEqual({**result["config"], "json": None, "quiet": None},
                         {**config, "json": None, "quiet": None})

    def test_the_environment_says_where_and_the_config_keeps_it(self):
        ran = mock.leat("load", "--print-config", OPENAI_BASE_URL="http://me:hidden@there.example",
                        JOB_COMPLETION_INDEX="1", LEAT_SHARDS="2")
        self.assertEqual(ran.returncode, 0, ran.stderr)
        config = json.loads(ran.stdout)
        self.assertEqual((config["base-url"], config["shard"]), ("http://there.example", "1/2"))

    def test_the_command_line_wins(self):
        path = self.write("config.json", {"requests": 100, "concurrency": 3})
        ran = mock.leat("load", *options(self.gateway, "--config", path, "-n", "5", "-q", "--json",
                                         self.path("a.json")))
        self.assertEqual(ran.returncode, 0, ran.stderr)
        config = json.loads(self.read("a.json"))["config"]
        self.assertEqual((config["requests"], config["concurrency"]), (5, 3))

    def test_what_is_no_config_is_usage(self):
        for text, said in (("{", "not JSON"), ({"requets": 5}, 'did you mean --requests?'),
                           ({"api-key": "k"}, "a config holds no secrets: set LEAT_API_KEY"),
                           ({"requests": "many"}, "not a whole number")):
            ran = mock.leat("load", "--config", self.write("config.json", text))
            self.assertEqual(ran.returncode, 2)
            self.assertIn("config.json: ", ran.stderr)
            self.assertIn(said, ran.stderr)

    def test_a_begin_that_is_over_is_usage(self):
        for when, said in (("2020-01-01T00:00:00Z", "s ago"), ("soon", "RFC 3339")):
            ran = mock.leat("load", *options(self.gateway, "--start-at", when))
            self.assertEqual(ran.returncode, 2)
            self.assertIn("--start-at", ran.stderr)
            self.assertTrue(said in ran.stderr or "write 20" in ran.stderr, ran.stderr)


if __name__ == "__main__":
    mock.main()
