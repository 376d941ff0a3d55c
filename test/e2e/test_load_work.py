#!/usr/bin/env python3
# ctest: e2e 240
"""What a load sends: lengths asked for are lengths counted by the gateway, for every dialect and
for calls and jobs; files, templates and conversations arrive as they should; keys stay out of
what is written.

A small server of this test's own keeps every request that comes, for what the gateway does not
tell."""
import http.server
import json
import os
import tempfile
import threading
import unittest

import mock

DIALECTS = ("openai-chat", "openai-completions", "openai-responses", "anthropic", "gemini")
SOCKETS = ("chat-ws", "responses-ws")


class Case(unittest.TestCase):
    def folder(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        return folder.name

    def file(self, text, name="rows.jsonl"):
        path = os.path.join(self.folder(), name)
        with open(path, "w", encoding="utf-8") as out:
            out.write(text)
        return path


class Lengths(Case):
    @classmethod
    def setUpClass(cls):
        cls.gateway = mock.Mock("--plain", "--events", "60", "--ttft", "1ms", "--gap", "0ms",
                                "--task-queued", "10ms", "--task-time", "20ms")
        cls.addClassCleanup(cls.gateway.stop)

    def point(self, *options, code=0):
        ran, report = mock.load("--base-url", self.gateway.url, "-c", "5", *options)
        self.assertEqual(ran.returncode, code, ran.stderr)
        point = report["points"][0]
        self.assertEqual(point["counts"]["failed"], 0)
        return point

    def lengths(self, *options):
        return self.point("--model", "m", "-n", "40", *options)["lengths"]

    def test_every_dialect_is_asked_for_the_lengths_that_it_counts(self):
        for protocol in DIALECTS + SOCKETS:
            with self.subTest(protocol=protocol):
                found = self.lengths("--protocol", protocol, "--input-tokens", "300,30",
                                     "--output-tokens", "12,2")
                exact = protocol == "openai-completions"
                self.assertEqual((found["input_wanted"], found["output_wanted"]), (300, 12))
                # Five standard errors of 40, and what a word more or less is worth.
                self.assertAlmostEqual(found["input_mean"], 300, delta=24 if exact else 26)
                self.assertTrue(15 <= found["input_sd"] <= 48, found)
                self.assertAlmostEqual(found["output_mean"], 12, delta=1.7)
                self.assertIn("token ids" if exact else "by the usage of 3 requests",
                              found["note"])

    def test_equal_lengths_are_equal_to_a_word(self):
        for protocol in DIALECTS:
            with self.subTest(protocol=protocol):
                found = self.lengths("--protocol", protocol, "--input-tokens", "500",
                                     "--output-tokens", "3")
                exact = protocol == "openai-completions"
                self.assertAlmostEqual(found["input_min"], 500, delta=0 if exact else 2)
                self.assertAlmostEqual(found["input_max"], 500, delta=0 if exact else 2)
                self.assertEqual((found["output_min"], found["output_max"]), (3, 3))

    def test_a_shared_prefix_changes_no_length(self):
        for protocol in ("openai-chat", "openai-completions"):
            found = self.lengths("--protocol", protocol, "--input-tokens", "400",
                                 "--shared-prefix-tokens", "300", "--output-tokens", "2")
            self.assertAlmostEqual(found["input_mean"], 400, delta=2)

    def test_the_servers_tokenizer_may_say_what_words_are_worth(self):
        found = self.lengths("--protocol", "openai-completions", "--tokens-by", "tokenize",
                             "--input-tokens", "500", "--output-tokens", "2")
        self.assertIn("/tokenize", found["note"])
        # It counts the prompt alone, the gateway's usage the whole body.
        self.assertTrue(500 <= found["input_mean"] <= 540, found)

    def test_embeddings_and_images_are_calibrated_by_their_usage(self):
        for endpoint in ("embeddings.create", "images.generate"):
            with self.subTest(endpoint=endpoint):
                found = self.lengths("--endpoint", endpoint, "--input-tokens", "200")
                self.assertAlmostEqual(found["input_mean"], 200, delta=2)

    def test_prompts_can_be_made_of_as_many_words(self):
        found = self.lengths("--input-tokens", "200", "--tokens-by", "words")
        self.assertIn("as many words", found["note"])
        self.assertTrue(250 <= found["input_mean"] <= 300, found)

    def test_jobs_run_to_their_ends(self):
        point = self.point("--endpoint", "video.generate", "--model", "m", "--prompt", "a mill",
                           "--poll", "10ms", "--polls-per-second", "1000", "-n", "20")
        self.assertEqual(point["counts"]["completed"], 20)
        self.assertIsNone(point["lengths"]["input_mean"])

    def test_calls_of_all_kinds_can_be_loaded(self):
        for options in (("--endpoint", "models.list"),
                        ("--endpoint", "models.get", "--param", "model=gpt-5"),
                        ("--endpoint", "messages.create", "--model", "m"),
                        ("--endpoint", "moderations.create", "--model", "m"),
                        ("--endpoint", "gemini.generate", "--model", "gemini"),
                        ("--endpoint", "rerank.create", "--body",
                         '{"model":"m","query":"q","documents":["a","b"]}')):
            with self.subTest(options=options):
                point = self.point("-n", "10", *options)
                self.assertEqual(point["counts"]["completed"], 10)

    def test_conversations_grow_turn_by_turn(self):
        for protocol in ("openai-chat", "openai-completions", "anthropic", "gemini") + SOCKETS:
            with self.subTest(protocol=protocol):
                point = self.point("--model", "m", "--protocol", protocol, "--turns", "3",
                                   "--prompt", "why?", "-n", "27", "-c", "1")
                self.assertEqual(point["counts"]["completed"], 27)
                self.assertEqual(point["counts"]["sessions"], 9)
                self.assertGreater(point["lengths"]["input_max"], point["lengths"]["input_min"])

    def test_batch_files_may_mix_endpoints(self):
        rows = [{"custom_id": "a", "url": "/v1/chat/completions",
                 "body": {"model": "x", "messages": [{"role": "user", "content": "hi"}]}},
                {"custom_id": "b", "url": "/v1/embeddings", "body": {"model": "x", "input": "hi"}},
                {"custom_id": "c", "url": "/v1/responses", "body": {"model": "x", "input": "hi"}}]
        path = self.file("\n".join(map(json.dumps, rows)))
        point = self.point("--dataset", path, "--output-tokens", "4", "-n", "30")
        self.assertEqual(point["counts"]["completed"], 30)
        self.assertEqual(point["volume"]["content_events"], 20 * 4)

    def test_a_line_that_cannot_be_used_is_named_before_anything_is_sent(self):
        path = self.file('{"prompt":"a"}\n\n{"prompt":5}\n')
        ran, report = mock.load("--base-url", self.gateway.url, "--dataset", path)
        self.assertEqual(ran.returncode, 2)
        self.assertIn(':3: its "prompt" is not a text', ran.stderr)
        self.assertIsNone(report)


class Keeper(http.server.BaseHTTPRequestHandler):
    """Answers as a chat would, whole, with a usage of one token a blank, and keeps all requests."""
    protocol_version = "HTTP/1.1"
    usage = True

    def do_POST(self):
        size = int(self.headers.get("content-length") or 0)
        body = json.loads(self.rfile.read(size))
        with self.server.lock:
            self.server.kept.append((self.path, dict(self.headers.items()), body))
        text = json.dumps(body.get("messages") or body.get("prompt"))
        answer = {"id": "x", "object": "chat.completion", "model": "m", "choices": [
            {"index": 0, "message": {"role": "assistant", "content": "fine"},
             "finish_reason": "stop"}]}
        if self.server.usage:
            answer["usage"] = {"prompt_tokens": self.server.tokens(text), "completion_tokens": 1,
                               "total_tokens": 1}
        data = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        pass


class Kept(Case):
    def setUp(self):
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Keeper)
        self.server.kept, self.server.lock, self.server.usage = [], threading.Lock(), True
        self.server.tokens = lambda text: text.count(" ") + 20
        thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(self.server.server_close)
        self.addCleanup(self.server.shutdown)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def load(self, *options, code=0, **env):
        self.server.kept.clear()
        whole = () if "--endpoint" in options else ("--no-stream",)
        ran, report = mock.load("--base-url", self.url, *whole, *options, **env)
        self.assertEqual(ran.returncode, code, ran.stderr)
        return ran, report

    def bodies(self):
        return [body for _, _, body in self.server.kept]

    def prompts(self):
        return [body["messages"][-1]["content"] for body in self.bodies()]

    def test_prompts_are_unique_whatever_the_threads_and_the_same_for_the_same_seed(self):
        options = ("--model", "m", "--input-tokens", "30,5", "--tokens-by", "words", "-n", "200")
        self.load(*options, "-c", "8")
        first = sorted(self.prompts())
        self.assertEqual(len(set(first)), 200)
        self.load(*options, "-c", "5", "--threads", "2")
        self.assertEqual(sorted(self.prompts()), first)
        self.load(*options, "-c", "8", "--seed", "2")
        self.assertFalse(set(self.prompts()) & set(first))

    def test_shards_do_together_what_one_does(self):
        options = ("--model", "m", "--input-tokens", "9", "--tokens-by", "words", "-c", "2")
        self.load(*options, "-n", "40")
        whole = sorted(self.prompts())
        parts = []
        for shard in ("0/2", "1/2"):
            self.load(*options, "-n", "40", "--shard", shard)
            parts += self.prompts()
        self.assertEqual(sorted(set(parts)), whole)

    def test_templates_fill_bodies_and_headers(self):
        self.load("--template", "--input-tokens", "12", "--tokens-by", "words", "-n", "20", "-c",
                  "3", "--body", json.dumps({"model": "m", "id": "{{uuid}}", "messages": [
                      {"role": "user", "content": "{{index}} {{env PLACE}} {{prompt}}"}]}),
                  "--header", "x-number: {{index}}/{{random 4 4}}", PLACE='a "mill"')
        self.assertEqual(sorted(int(p.split()[0]) for p in self.prompts()), list(range(20)))
        self.assertTrue(all(p.split(" ", 1)[1].startswith('a "mill" ') for p in self.prompts()))
        self.assertEqual(len({body["id"] for body in self.bodies()}), 20)
        numbers = {headers["x-number"] for _, headers, _ in self.server.kept}
        self.assertEqual(numbers, {f"{i}/4" for i in range(20)})

    def test_secrets_are_in_requests_and_in_nothing_else(self):
        folder = self.folder()
        paths = [os.path.join(folder, name) for name in ("a.json", "a.jsonl", "a.html", "a.csv")]
        ran, _ = self.load("--template", "--prompt", "hi", "--model", "m", "-n", "3",
                           "--header", "Authorization: Bearer {{env MY_KEY}}",
                           "--jsonl", paths[1], "-o", paths[2], "-o", paths[3], "-o", paths[0],
                           MY_KEY="sk-very-secret-words")
        for _, headers, _ in self.server.kept:
            self.assertEqual(headers["Authorization"], "Bearer sk-very-secret-words")
        written = ran.stdout + ran.stderr
        for path in paths:
            with open(path, encoding="utf-8") as file:
                written += file.read()
        self.assertNotIn("sk-very-secret-words", written)

    def test_an_endpoint_gets_its_own_providers_key(self):
        self.load("--endpoint", "messages.count_tokens", "--body", '{"model":"m"}', "-n", "1",
                  ANTHROPIC_API_KEY="key-of-theirs", OPENAI_API_KEY="key-of-others")
        _, headers, body = self.server.kept[0]
        headers = {name.lower(): value for name, value in headers.items()}
        self.assertEqual(headers.get("x-api-key"), "key-of-theirs")
        self.assertNotIn("authorization", headers)
        self.assertEqual(body, {"model": "m"})

    def test_conversations_send_back_what_the_server_answered(self):
        talk = {"conversations": [{"from": "human", "value": "q1"},
                                  {"from": "gpt", "value": "theirs"},
                                  {"from": "human", "value": "q2"}]}
        self.load("--dataset", self.file(json.dumps([talk]), "talks.json"), "--model", "m",
                  "-n", "2")
        said = [[m["content"] for m in body["messages"]] for body in self.bodies()]
        self.assertEqual(said, [["q1"], ["q1", "fine", "q2"]])

    def test_calibration_asks_three_short_questions_first(self):
        _, report = self.load("--model", "m", "--input-tokens", "80", "-n", "10")
        self.assertEqual([b.get("max_tokens") for b in self.bodies()[:3]], [1, 1, 1])
        self.assertEqual(len(self.bodies()), 13)
        self.assertIsNone(self.bodies()[3].get("max_tokens"))
        found = report["points"][0]["lengths"]
        self.assertTrue(79 <= found["input_mean"] <= 81, found)

    def test_without_usage_nothing_is_guessed_and_it_is_said(self):
        self.server.usage = False
        _, report = self.load("--model", "m", "--input-tokens", "80", "-n", "5")
        found = report["points"][0]["lengths"]
        self.assertIsNone(found["input_mean"])
        self.assertIn("tells no usage", found["note"])
        ran, _ = self.load("--model", "m", "--input-tokens", "80", "--tokens-by", "usage",
                           code=1)
        self.assertIn("--tokens-by words asks nobody", ran.stderr)

    def test_tokens_that_do_not_grow_are_refused(self):
        self.server.tokens = lambda text: 7
        ran, _ = self.load("--model", "m", "--input-tokens", "80", code=1)
        self.assertIn("they do not grow with their words", ran.stderr)

    def test_prompts_shorter_than_an_empty_one_are_told(self):
        _, report = self.load("--model", "m", "--input-tokens", "5", "-n", "5")
        self.assertIn("more than was asked for", report["points"][0]["lengths"]["note"])


class Nobody(Case):
    def test_a_gateway_that_is_not_there_ends_calibration_with_its_reason(self):
        ran, report = mock.load("--base-url", f"http://127.0.0.1:{mock.free_port()}", "--model",
                                "m", "--input-tokens", "80")
        self.assertEqual(ran.returncode, 1)
        self.assertIn("measuring how many tokens prompts have", ran.stderr)
        self.assertIsNone(report)


if __name__ == "__main__":
    mock.main()
