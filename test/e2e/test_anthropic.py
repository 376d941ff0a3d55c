#!/usr/bin/env python3
"""Anthropic's Messages and OpenAI's Responses through the program, against the gateway.

# ctest: e2e 120
"""
import json
import ssl
import unittest
import urllib.error
import urllib.request

import mock

KEY = "sk-ant-canary-7d21-never-shown"
EVENTS = 12


class Messages(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.gateway = mock.Mock("--events", str(EVENTS), "--ttft", "5ms", "--gap", "1ms",
                                "--require-key", KEY)
        cls.addClassCleanup(cls.gateway.stop)

    def chat(self, *arguments, fault=None, protocol="anthropic", **more):
        headers = ["-H", "x-mock-seed: 7"] + (["-H", f"x-mock-fault: {fault}"] if fault else [])
        return mock.leat("chat", "--protocol", protocol, "--base-url", self.gateway.url,
                         "--cacert", self.gateway.ca, *headers, "--model", "m", *arguments,
                         **{"ANTHROPIC_API_KEY": KEY, "OPENAI_API_KEY": KEY, **more})

    def text(self, *arguments, **more):
        ran = self.chat(*arguments, **more)
        self.assertEqual((ran.returncode, ran.stderr), (0, ""))
        return ran.stdout

    def lines(self, *arguments, **more):
        ran = self.chat("--json", *arguments, **more)
        return ran, [json.loads(line) for line in ran.stdout.split("\n")[:-1]]

    def test_the_text_is_the_same_in_every_dialect_and_version(self):
        whole = self.text("hi", protocol="openai-chat")
        self.assertGreater(len(whole), 100)
        for protocol in ("anthropic", "openai-responses"):
            for arguments in ((), ("--no-stream",), ("--http", "1.1"), ("--http", "2"),
                              ("--system", "be brief")):
                with self.subTest(protocol=protocol, arguments=arguments):
                    self.assertEqual(self.text(*arguments, "hi", protocol=protocol), whole)

    def test_a_stream_tells_what_the_whole_tells(self):
        for protocol, finish in (("anthropic", "end_turn"), ("openai-responses", "completed")):
            with self.subTest(protocol=protocol):
                _, streamed = self.lines("hi", protocol=protocol)
                _, whole = self.lines("--no-stream", "hi", protocol=protocol)
                for lines in (streamed, whole):
                    kinds = [line.get("kind") for line in lines]
                    self.assertEqual(lines[kinds.index("finish")]["finish_reason"], finish)
                    last = [line for line in lines if line.get("kind") == "usage"][-1]["usage"]
                    self.assertEqual(last["output"], EVENTS)
                    self.assertIsNone(lines[-1]["done"]["error"])
                    self.assertEqual(lines[-1]["done"]["model"], "m")

    def test_thinking_and_its_signature(self):
        extra = json.dumps({"thinking": {"type": "enabled", "budget_tokens": 1024}})
        for mode in ((), ("--no-stream",)):
            _, lines = self.lines("--extra-body", extra, *mode, "hi")
            kinds = [line["kind"] for line in lines[:-1]]
            self.assertLess(kinds.index("reasoning"), kinds.index("signature"))
            self.assertLess(kinds.index("signature"), kinds.index("text"))

    def test_a_tool_that_must_be_called(self):
        extra = json.dumps({"tools": [{"name": "f", "input_schema": {"type": "object"}}],
                            "tool_choice": {"type": "any"}})
        for mode in ((), ("--no-stream",)):
            _, lines = self.lines("--extra-body", extra, *mode, "hi")
            calls = [line for line in lines if line.get("kind") == "tool_call"]
            self.assertEqual((calls[0]["name"], calls[0]["index"]), ("f", 0))
            arguments = json.loads("".join(call["arguments"] for call in calls))
            self.assertEqual(arguments, {"pieces": list(range(EVENTS))})
            finish, = [line for line in lines if line.get("kind") == "finish"]
            self.assertEqual(finish["finish_reason"], "tool_use")

    def test_an_answer_that_reached_its_limit_says_so(self):
        ran = self.chat("--max-tokens", "5", "hi")
        self.assertEqual(ran.returncode, 0)
        self.assertIn("--max-tokens", ran.stderr)
        _, lines = self.lines("--max-tokens", "5", "hi")
        self.assertEqual(len([line for line in lines if line.get("kind") == "text"]), 5)
        _, lines = self.lines("hi", "-H", "x-mock-finish: length", protocol="openai-responses")
        finish, = [line for line in lines if line.get("kind") == "finish"]
        self.assertEqual((finish["finish_reason"], finish["finish_detail"]),
                         ("incomplete", "max_output_tokens"))

    def test_errors_in_and_behind_the_framing_fail(self):
        for protocol, fault in (("anthropic", "error=3"), ("anthropic", "bare-error=3"),
                                ("anthropic", "no-finish"), ("anthropic", "truncate=900"),
                                ("openai-responses", "error=3"), ("openai-responses", "no-finish"),
                                ("openai-responses", "truncate=900")):
            with self.subTest(protocol=protocol, fault=fault):
                ran, lines = self.lines("--retries", "0", "hi", fault=fault, protocol=protocol)
                self.assertEqual(ran.returncode, 1)
                self.assertIsNotNone(lines[-1]["done"]["error"])
        ran, lines = self.lines("hi", fault="error=3")
        self.assertIn("Overloaded", ran.stderr)
        self.assertEqual(len([line for line in lines if line.get("kind") == "text"]), 3)

    def test_the_end_needs_no_marker_but_a_reason(self):
        self.assertEqual(self.text("hi", fault="no-done"), self.text("hi"))
        self.assertEqual(self.text("hi", fault="json"), self.text("hi"))

    def test_what_the_dialect_lacks_is_refused_before_anything_is_sent(self):
        for arguments, word in ((("--seed", "1"), "seed"),
                                (("--extra-body", '{"max_tokens":1}'), "extra")):
            ran = self.chat(*arguments, "hi")
            self.assertEqual((ran.returncode, ran.stdout), (2, ""))
            self.assertIn(word, ran.stderr)

    def test_a_body_of_ones_own(self):
        body = json.dumps({"model": "m", "max_tokens": 99, "stream": True,
                           "messages": [{"role": "user", "content": "hi"}]})
        ran = mock.leat("chat", "--protocol", "anthropic", "--base-url", self.gateway.url,
                        "--cacert", self.gateway.ca, "-H", "x-mock-seed: 7", "--body", body,
                        ANTHROPIC_API_KEY=KEY)
        self.assertEqual((ran.returncode, ran.stdout), (0, self.text("hi")), ran.stderr)
        bad = mock.leat("chat", "--protocol", "anthropic", "--base-url", self.gateway.url,
                        "--cacert", self.gateway.ca, "--body", '{"model":"m","messages":[]}',
                        ANTHROPIC_API_KEY=KEY)
        self.assertEqual(bad.returncode, 1)
        self.assertIn("max_tokens: Field required", bad.stderr)

    def test_key_and_base_come_from_the_providers_environment(self):
        whole = self.text("hi")
        for base in ("", "/", "/v1", "/v1/"):
            ran = mock.leat("chat", "--protocol", "anthropic", "--cacert", self.gateway.ca, "-H",
                            "x-mock-seed: 7", "--model", "m", "hi", ANTHROPIC_API_KEY=KEY,
                            ANTHROPIC_BASE_URL=self.gateway.url.rstrip("/") + base)
            self.assertEqual((ran.returncode, ran.stdout), (0, whole), ran.stderr)
        ran = mock.leat("chat", "--protocol", "anthropic", "--cacert", self.gateway.ca, "hi",
                        ANTHROPIC_API_KEY=KEY,
                        ANTHROPIC_BASE_URL=self.gateway.url.rstrip("/") + "/other/")
        self.assertIn("/other/v1/messages", ran.stderr)
        ran = self.chat("hi", ANTHROPIC_API_KEY="wrong")
        self.assertEqual(ran.returncode, 1)
        self.assertIn("401", ran.stderr)

    def test_the_key_is_never_shown(self):
        ran = self.chat("--trace", "-", "hi", fault="echo-key")
        self.assertEqual(ran.returncode, 1)
        self.assertNotIn(KEY, ran.stdout + ran.stderr)


class Gateway(unittest.TestCase):
    """What the gateway itself says, read by nothing of ours."""

    @classmethod
    def setUpClass(cls):
        cls.gateway = mock.Mock("--events", "3", "--ttft", "0", "--gap", "0")
        cls.addClassCleanup(cls.gateway.stop)
        cls.tls = ssl.create_default_context(cafile=cls.gateway.ca)
        cls.tls.check_hostname = False

    def post(self, body, **headers):
        request = urllib.request.Request(
            self.gateway.url.rstrip("/") + "/v1/messages", json.dumps(body).encode(),
            {"anthropic-version": "2023-06-01", "content-type": "application/json", **headers})
        try:
            with urllib.request.urlopen(request, timeout=20, context=self.tls) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def test_events_come_in_their_order_under_their_names(self):
        status, text = self.post({"model": "m", "max_tokens": 9, "stream": True, "messages": [],
                                  "thinking": {"type": "enabled", "budget_tokens": 1024}})
        events = [dict(line.split(": ", 1) for line in block.split("\n"))
                  for block in text.strip().split("\n\n")]
        data = [json.loads(event["data"]) for event in events]
        self.assertEqual(status, 200)
        self.assertEqual([event["event"] for event in events], [one["type"] for one in data])
        self.assertEqual([one["type"] for one in data], [
            "message_start", "content_block_start", "ping", "content_block_delta",
            "content_block_delta", "content_block_stop", "content_block_start",
            "content_block_delta", "content_block_delta", "content_block_stop", "message_delta",
            "message_stop"])
        self.assertEqual([one["index"] for one in data if "index" in one],
                         [0, 0, 0, 0, 1, 1, 1, 1])
        self.assertEqual(data[0]["message"]["content"], [])
        self.assertEqual(data[-2]["delta"], {"stop_reason": "end_turn", "stop_sequence": None})
        self.assertEqual(data[-2]["usage"]["output_tokens"], 3)

    def test_what_is_missing_is_asked_for(self):
        whole = {"model": "m", "max_tokens": 9, "messages": []}
        self.assertEqual(self.post(whole)[0], 200)
        for name in whole:
            body = {key: value for key, value in whole.items() if key != name}
            status, text = self.post(body)
            error = json.loads(text)
            self.assertEqual((status, error["type"], error["error"]["type"]),
                             (400, "error", "invalid_request_error"))
            self.assertEqual(error["error"]["message"], f"{name}: Field required")
        status, text = self.post({**whole, "max_tokens": 0})
        self.assertEqual(status, 400)
        self.assertIn("max_tokens", text)


if __name__ == "__main__":
    mock.main()
