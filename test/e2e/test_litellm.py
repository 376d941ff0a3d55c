#!/usr/bin/env python3
"""LiteLLM's proxy, a gateway that nobody here wrote, between the program and its own gateway: each
dialect is spoken to it, and what it makes of them must arrive whole."""
# ctest: peers 600 once
import json
import os
import unittest

import installed
import mock

PACKAGE = "litellm[proxy]>=1.100,<2"  # the newest whose own needs can be had
START_SECONDS = 90
FAST = ("--plain", "--ttft", "5ms", "--gap", "1ms", "--events", "60", "--require-key", "sk-up")
FIXED = "These words are made by the proxy itself."
CONFIG = """
model_list:
  - model_name: chat
    litellm_params: {{model: openai/m, api_base: "{gateway}/v1", api_key: sk-up}}
  - model_name: claude
    litellm_params: {{model: anthropic/claude, api_base: "{gateway}", api_key: sk-up}}
  - model_name: wrong
    litellm_params: {{model: openai/m, api_base: "{gateway}/v1", api_key: sk-wrong}}
  - model_name: fixed
    litellm_params: {{model: openai/x, api_key: sk-up, mock_response: "{fixed}"}}
general_settings: {{master_key: sk-front}}
litellm_settings: {{telemetry: false, num_retries: 0}}
"""


class LitellmTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        venv = installed.python("litellm", PACKAGE)
        cls.gateway = mock.Mock(*FAST)
        cls.addClassCleanup(cls.gateway.stop)
        config = os.path.join(cls.gateway.folder.name, "litellm.yaml")
        with open(config, "w", encoding="utf-8") as file:
            file.write(CONFIG.format(gateway=cls.gateway.url, fixed=FIXED))
        port = mock.free_port()
        cls.url = f"http://127.0.0.1:{port}"
        path = venv.programs + os.pathsep + os.environ.get("PATH", "")
        cls.proxy = mock.Server(
            [venv.program("litellm"), "--config", config, "--host", "127.0.0.1",
             "--port", str(port)], mock.answers(port), seconds=START_SECONDS,
            env=mock.environment(PATH=path, LITELLM_LOCAL_MODEL_COST_MAP="True"))
        cls.addClassCleanup(cls.proxy.stop)

    def chat(self, *arguments, code=0, key="sk-front"):
        ran = mock.leat("chat", "hi", *arguments, LEAT_API_KEY=key)
        self.assertEqual(ran.returncode, code, ran.stderr)
        return ran

    def through(self, dialect, model, *more):
        base = self.url if dialect in ("anthropic", "gemini") else self.url + "/v1"
        return self.chat("--protocol", dialect, "--base-url", base, "--model", model, *more).stdout

    def test_chats_arrive_whole(self):
        seed = ("--seed", "11")  # the gateway's texts follow from it
        direct = self.chat("--base-url", self.gateway.url, "--model", "m", *seed, key="sk-up")
        self.assertGreater(len(direct.stdout), 1000)
        self.assertEqual(self.through("openai-chat", "chat", *seed), direct.stdout)
        self.assertEqual(self.through("openai-chat", "chat", "--no-stream", *seed), direct.stdout)

    def test_its_own_words_in_every_dialect(self):
        for dialect in ("openai-chat", "openai-completions", "anthropic", "gemini"):
            with self.subTest(dialect):
                self.assertEqual(self.through(dialect, "fixed").strip(), FIXED)

    def test_dialects_that_it_translates(self):
        for dialect, model in (("openai-chat", "claude"), ("openai-responses", "chat"),
                               ("anthropic", "chat"), ("gemini", "chat")):
            with self.subTest(dialect=dialect, model=model):
                lines = self.through(dialect, model, "--json").strip().split("\n")
                events = [json.loads(line) for line in lines]
                self.assertGreater(len([e for e in events if e.get("kind") == "text"]), 1)
                self.assertIsNone(events[-1]["done"]["error"])

    def test_refusals_are_told_with_their_words(self):
        for model, words in (("nosuch", "model=nosuch"), ("wrong", "401")):
            with self.subTest(model):
                ran = self.chat("--base-url", self.url + "/v1", "--model", model, "--retries",
                                "0", code=1)
                self.assertIn(words, ran.stderr)
                self.assertNotIn("sk-front", ran.stderr)

    def test_many_at_once(self):
        ran, report = mock.load("--base-url", self.url + "/v1", "--model", "fixed", "--prompt",
                                "hi", "-n", "100", "-c", "20", LEAT_API_KEY="sk-front")
        self.assertIsNotNone(report, ran.stderr)
        self.assertEqual((ran.returncode, report["requests"]["completed"]), (0, 100))


if __name__ == "__main__":
    mock.main()
