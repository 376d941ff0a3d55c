#!/usr/bin/env python3
# ctest: e2e 240
"""`leat task run --input`: lines in, lines out, every kind of endpoint, what is wrong with a file
said by its line, and a journal with which the same command goes on."""
import json
import os
import signal
import subprocess
import tempfile
import time
import unittest
import urllib.request

import mock


def job(name, target, body, **more):
    key = "url" if target.startswith("/") else "endpoint"
    return {"custom_id": name, "method": "POST", key: target, "body": body, **more}


def song(name, **body):
    return job(name, "suno.music", {"prompt": f"about {name}", **body})


CHAT = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}


class Batch(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.gateway = mock.Mock("--plain", "--task-queued", "20ms", "--task-time", "150ms")

    @classmethod
    def tearDownClass(cls):
        cls.gateway.stop()

    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.results = self.path("results.jsonl")

    def tearDown(self):
        self.folder.cleanup()

    def path(self, name):
        return os.path.join(self.folder.name, name)

    def write(self, lines, name="jobs.jsonl"):
        with open(self.path(name), "w", encoding="utf-8") as file:
            for line in lines:
                file.write((line if isinstance(line, str) else json.dumps(line)) + "\n")
        return self.path(name)

    def options(self, jobs, *more):
        return ["task", "run", "--input", jobs, "--output", self.results, "--base-url",
                self.gateway.url, "--poll", "50ms", "-q", *more]

    def run_jobs(self, lines, *more, **settings):
        return mock.leat(*self.options(self.write(lines), *more), seconds=100, **settings)

    def read(self):
        with open(self.results, encoding="utf-8") as file:
            lines = [json.loads(line) for line in file]
        self.assertEqual(len({line["custom_id"] for line in lines}), len(lines))
        return {line["custom_id"]: line for line in lines}

    # ---- lines

    def test_every_kind_of_endpoint(self):
        ran = self.run_jobs([
            song("song"), job("path", "/suno/submit/LYRICS", {"prompt": "x"}),
            job("film", "/v1/video/generations", {"model": "m", "prompt": "x"}),
            job("chat", "/v1/chat/completions", CHAT),
            job("gemini", "/v1beta/models/g-1:generateContent",
                {"contents": [{"parts": [{"text": "hi"}]}]}),
            job("vectors", "/v1/embeddings", {"model": "m", "input": "x"}), "",
            {"custom_id": "models", "method": "GET", "url": "/v1/models"}])
        self.assertEqual((ran.returncode, ran.stderr), (0, ""))
        found = self.read()
        self.assertEqual(set(found),
                         {"song", "path", "film", "chat", "gemini", "vectors", "models"})
        for name, line in found.items():
            self.assertEqual(set(line), {"custom_id", "response", "error"}, name)
            self.assertIsNone(line["error"], name)
            self.assertEqual(line["response"]["status_code"], 200, name)
            self.assertEqual(set(line["response"]), {"status_code", "request_id", "body"})
            self.assertIsInstance(line["response"]["body"], dict, name)
        self.assertEqual(found["chat"]["response"]["body"]["object"], "chat.completion")
        self.assertIn("candidates", found["gemini"]["response"]["body"])
        self.assertEqual(found["film"]["response"]["body"]["status"], "completed")

    def test_failures_are_lines_too(self):
        ran = self.run_jobs([
            song("good"), job("bad", "/v1/video/generations",
                              {"model": "m", "prompt": "x", "metadata": {"mock_fail": 1}}),
            job("refused", "/v1/chat/completions", {"messages": []})])
        found = self.read()
        self.assertEqual(ran.returncode, 1)
        self.assertEqual(found["bad"]["error"]["code"], "LEAT_ETASKFAILED")
        self.assertEqual(found["bad"]["response"]["body"]["status"], "failed")
        self.assertIsNone(found["good"]["error"])
        if found["refused"]["response"]["status_code"] != 200:
            self.assertIsNone(found["refused"]["error"])
            self.assertIn("error", found["refused"]["response"]["body"])

    def test_many_jobs_from_a_pipe_to_standard_output(self):
        lines = "".join(json.dumps(song(f"s-{i}")) + "\n" for i in range(300))
        ran = mock.leat("task", "run", "--input", "-", "--base-url", self.gateway.url, "--poll",
                        "100ms", "-q", "-c", "40", stdin=lines, seconds=100)
        self.assertEqual(ran.returncode, 0, ran.stderr)
        names = {json.loads(line)["custom_id"] for line in ran.stdout.splitlines()}
        self.assertEqual(names, {f"s-{i}" for i in range(300)})

    def test_progress_where_there_is_no_terminal(self):
        jobs = self.write([song("one")])
        ran = mock.leat("task", "run", "--input", jobs, "--base-url", self.gateway.url, "--poll",
                        "50ms")
        self.assertIn("1 of 1 jobs ended, 0 failed", ran.stderr)

    # ---- what is wrong is said by its line, before anything is sent

    def refused(self, lines, number, part):
        before = self.submitted()
        ran = self.run_jobs(lines)
        self.assertEqual(ran.returncode, 2, ran.stderr)
        self.assertIn(f"line {number}: ", ran.stderr)
        self.assertIn(part, ran.stderr)
        self.assertEqual(self.submitted(), before)

    def submitted(self):
        with urllib.request.urlopen(f"{self.gateway.url}/stats", timeout=10) as answer:
            return json.load(answer)["tasks"]["submitted"]

    def test_broken_lines(self):
        good = song("good")
        for line, part in (
                ('{"custom_id":"a"', "JSON"), ("[1]", "object"), ({"url": "/x"}, "custom_id"),
                (job("", "suno.music", {}), "custom_id"), (job("a", "suno.nothing", {}), "suno.no"),
                (job("a", "/v1/nowhere", {}), "/v1/nowhere"), ({"custom_id": "a"}, "endpoint"),
                (job("a", "suno.music", "x"), "body"), (job("x" * 600, "suno.music", {}), "512"),
                ({**good, "custom_id": 7}, "custom_id"), ({**song("b"), "method": "GET"}, "POST"),
                (job("a", "/v1/chat/completions", {**CHAT, "stream": True}), "stream"),
                (job("a", "/v1/audio/transcriptions", {}), "form")):
            with self.subTest(line=line):
                self.refused([good, line], 2, part)

    def test_a_name_twice(self):
        self.refused([song("same"), song("other"), "", song("same")], 4, "same")

    def test_a_broken_line_of_a_pipe_ends_the_reading(self):
        lines = json.dumps(song("first")) + "\n{]\n" + json.dumps(song("third")) + "\n"
        ran = mock.leat("task", "run", "--input", "-", "--base-url", self.gateway.url, "--poll",
                        "50ms", "-q", stdin=lines)
        self.assertEqual(ran.returncode, 2)
        self.assertIn("line 2", ran.stderr)
        self.assertEqual([json.loads(x)["custom_id"] for x in ran.stdout.splitlines()], ["first"])

    def test_wrong_command_lines(self):
        jobs = self.write([song("a")])
        for words, part in (
                (["run", "--input", "/nonexistent"], "cannot read"),
                (["submit", "--input", jobs], "task run"), (["run", "--journal", "j"], "--input"),
                (["run", "x", "--model", "m", "-c", "3"], "--input"),
                (["run", "--input", jobs, "--model", "m"], "--input"),
                (["run", "--input", jobs, "--resume"], "--journal")):
            ran = mock.leat("task", *words, "--base-url", self.gateway.url)
            self.assertEqual(ran.returncode, 2, words)
            self.assertIn(part, ran.stderr, words)

    # ---- the journal

    def test_the_same_command_again_does_nothing(self):
        jobs = [song(f"s-{i}") for i in range(20)] + [job("chat", "/v1/chat/completions", CHAT)]
        journal = ("--journal", self.path("journal"))
        self.assertEqual(self.run_jobs(jobs, *journal).returncode, 0)
        first, before = self.read(), self.submitted()
        ran = self.run_jobs(jobs, *journal)
        self.assertEqual(ran.returncode, 0, ran.stderr)
        self.assertEqual((self.read(), self.submitted()), (first, before))

    def test_more_lines_with_the_same_journal(self):
        journal = ("--journal", self.path("journal"))
        self.run_jobs([song("a")], *journal)
        self.run_jobs([song("a"), song("b")], *journal)
        self.assertEqual(set(self.read()), {"a", "b"})

    def test_an_interrupt_leaves_what_is_open_to_the_next_run(self):
        slow = {"metadata": {"mock_ms": 1500}}
        jobs = self.write([song(f"s-{i}", **slow) for i in range(5)])
        journal = ("--journal", self.path("journal"))
        child = subprocess.Popen([mock.PROGRAM, *self.options(jobs, *journal)],
                                 stderr=subprocess.PIPE, text=True, env=mock.environment())
        before, until = self.submitted(), time.monotonic() + 20
        while self.submitted() == before and time.monotonic() < until:
            time.sleep(0.02)
        time.sleep(0.2)
        child.send_signal(signal.SIGINT)
        child.communicate(timeout=30)
        self.assertEqual(child.returncode, 130)
        total = self.submitted()
        ran = mock.leat(*self.options(jobs, *journal), seconds=60)
        self.assertEqual(ran.returncode, 0, ran.stderr)
        self.assertEqual(len(self.read()), 5)
        self.assertEqual(self.submitted(), total)

    def test_files_that_are_no_journal(self):
        jobs = self.write([song("a")])
        ran = mock.leat(*self.options(jobs, "--journal", jobs))
        self.assertNotEqual(ran.returncode, 0)
        self.assertIn("no journal", ran.stderr)

    # ---- one job by its endpoint's name

    def test_an_endpoint_by_name(self):
        for words in (["suno.music", '{"prompt":"x"}'], ["suno.lyrics", "--prompt", "x"],
                      ["video.generate", "--body", '{"model":"m","prompt":"x"}']):
            ran = mock.leat("task", "run", *words, "--base-url", self.gateway.url, "--poll", "50ms",
                            "--json", "-q")
            self.assertEqual(ran.returncode, 0, (words, ran.stderr))
            last = json.loads(ran.stdout.splitlines()[-1])
            self.assertEqual(last["done"]["state"], "succeeded", words)
        ran = mock.leat("task", "run", "suno.nothing", "x", "--base-url", self.gateway.url)
        self.assertEqual(ran.returncode, 2)
        self.assertIn("endpoint", ran.stderr)


if __name__ == "__main__":
    mock.main()
