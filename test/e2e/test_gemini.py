#!/usr/bin/env python3
"""Gemini through the program: against the gateway in each framing, and over the recorded streams.

# ctest: e2e 120
"""
import glob
import json
import os
import unittest

import mock

KEY = "AIza-canary-4c1f-never-shown"
MODEL = "models/x:y"
FIELDS = ("format", "transport", "choices", "usage", "error", "ended", "complete", "signature")


class Gemini(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.gateway = mock.Mock("--events", "12", "--ttft", "5ms", "--gap", "1ms", "--require-key",
                                KEY)
        cls.addClassCleanup(cls.gateway.stop)

    def chat(self, *arguments, fault=None, protocol="gemini", **more):
        headers = ["-H", "x-mock-seed: 7"] + (["-H", f"x-mock-fault: {fault}"] if fault else [])
        return mock.leat("chat", "--protocol", protocol, "--base-url", self.gateway.url,
                         "--cacert", self.gateway.ca, *headers, *arguments,
                         **{"GEMINI_API_KEY": KEY, "OPENAI_API_KEY": KEY, **more})

    def text(self, *arguments, **more):
        ran = self.chat(*arguments, **more)
        self.assertEqual((ran.returncode, ran.stderr), (0, ""))
        return ran.stdout

    def lines(self, *arguments, **more):
        ran = self.chat("--json", *arguments, **more)
        return ran, [json.loads(line) for line in ran.stdout.split("\n")[:-1]]

    def test_the_text_is_the_same_in_every_framing_and_version(self):
        whole = self.text("--model", "m", "hi", protocol="openai-chat")
        array = ("--chat-path", "/v1beta/models/m:streamGenerateContent")
        for arguments in ((), ("--no-stream",), array, ("--http", "1.1"), ("--http", "2")):
            with self.subTest(arguments=arguments):
                self.assertEqual(self.text("--model", MODEL, *arguments, "hi"), whole)

    def test_the_model_is_that_of_the_path_and_the_key_googles(self):
        ran, lines = self.lines("--model", MODEL, "hi")
        done = lines[-1]["done"]
        self.assertEqual((ran.returncode, done["model"], done["status"]), (0, MODEL, 200))
        ran = self.chat("--model", MODEL, "hi", GEMINI_API_KEY="wrong")
        self.assertEqual(ran.returncode, 1)
        self.assertIn("401", ran.stderr)

    def test_the_key_is_never_shown(self):
        ran = self.chat("--model", "m", "--trace", "-", "hi", fault="echo-key")
        self.assertEqual(ran.returncode, 1)
        self.assertNotIn(KEY, ran.stdout + ran.stderr)

    def test_thoughts_and_their_signature(self):
        _, lines = self.lines("--model", "m", "--reasoning-effort", "low", "hi")
        kinds = [line["kind"] for line in lines[:-1]]
        self.assertLess(kinds.index("reasoning"), kinds.index("signature"))
        self.assertLess(kinds.index("signature"), kinds.index("text"))

    def test_a_body_of_ones_own_goes_with_a_model(self):
        body = json.dumps({"contents": [{"role": "user", "parts": [{"text": "hi"}]}],
                           "generationConfig": {"maxOutputTokens": 12}})
        whole = self.text("--model", "m", "hi")
        self.assertEqual(self.text("--model", "m", "--body", body), whole)
        self.assertEqual(self.text("--model", "m", "--no-stream", "--body", body), whole)
        ran = self.chat("--body", body)
        self.assertEqual(ran.returncode, 2, ran.stderr)
        self.assertIn("model", ran.stderr)

    def test_errors_in_and_behind_the_framing_fail(self):
        array = ("--chat-path", "/v1beta/models/m:streamGenerateContent")
        for arguments, fault in (((), "error=3"), (array, "error=3"), ((), "bare-error=3"),
                                 ((), "no-finish"), (array, "no-finish"), (array, "truncate=900")):
            with self.subTest(arguments=arguments, fault=fault):
                ran = self.chat("--model", "m", "--retries", "0", *arguments, "hi", fault=fault)
                self.assertEqual(ran.returncode, 1, ran.stderr)
                if "error" in fault:
                    self.assertIn("An internal error has occurred.", ran.stderr)

    def test_what_gemini_lacks_is_refused_before_anything_is_sent(self):
        ran = self.chat("--model", "m", "--extra-body", '{"contents": []}', "hi")
        self.assertEqual(ran.returncode, 2)
        self.assertIn('extra repeats the member "contents"', ran.stderr)


class Decode(unittest.TestCase):
    def test_the_recorded_streams_at_every_split(self):
        folder = mock.corpora()
        if not folder:
            self.skipTest("no corpora: set LEAT_CORPORA")
        paths = sorted(glob.glob(os.path.join(folder, "streams/gem-*.expected.json")))
        self.assertGreaterEqual(len(paths), 13)
        for path in paths:
            with open(path, encoding="utf-8") as file:
                expected = json.load(file)
            for split in ("1", "7", "100000"):
                with self.subTest(path=os.path.basename(path), split=split):
                    ran = mock.leat("decode", "--protocol", "gemini", "--split", split,
                                    path.replace(".expected.json", ".body"))
                    self.assertEqual((ran.returncode, ran.stderr), (0, ""))
                    got = json.loads(ran.stdout)
                    if expected.get("error_message_free"):
                        expected["error"]["message"] = got["error"]["message"]
                    self.assertEqual({key: got.get(key) for key in FIELDS},
                                     {key: expected.get(key) for key in FIELDS})


if __name__ == "__main__":
    mock.main()
