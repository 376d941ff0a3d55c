#!/usr/bin/env python3
"""The gateway's limits of rate from outside: requests and tokens of a key and model, polls of a
key, what every answer says about them, and refusals in the words of each route."""
import json
import re
import time
import unittest

import mock
import mock_calls

CHAT = "/v1/chat/completions"
ANTHROPIC = {"anthropic-version": "2023-06-01"}


def chat(model="m", **more):
    return {"model": model, "messages": [{"role": "user", "content": "hi"}], "max_tokens": 3,
            **more}


class Requests(unittest.TestCase):
    def test_of_each_key_and_model(self):
        with mock_calls.Gateway("--rpm", "3", "--limit-window", "1h") as g:
            for key in ("a", "b"):
                for model in ("x", "y"):
                    headers = {"Authorization": f"Bearer {key}"}
                    found = [g.call("POST", CHAT, chat(model), headers) for _ in range(5)]
                    self.assertEqual([f[0] for f in found], [200, 200, 200, 429, 429])
                    left = [f[1]["x-ratelimit-remaining-requests"] for f in found]
                    self.assertEqual(left, ["2", "1", "0", "0", "0"])
                    self.assertEqual(found[0][1]["x-ratelimit-limit-requests"], "3")
                    self.assertRegex(found[1][1]["x-ratelimit-reset-requests"], r"^\d+m\d+s$")
                    self.assertIsNone(found[3][1]["Retry-After"])
                    self.assertIn(b"rate_limit_exceeded", found[3][2])
            limits = g.stats()["limits"]
            self.assertEqual((limits["admitted"], limits["refused_requests"]), (12, 8))
            self.assertEqual(g.call("GET", "/v1/models")[0], 200)

    def test_they_come_back_with_time(self):
        with mock_calls.Gateway("--rpm", "20", "--limit-window", "1s", "--limit-burst", "1") as g:
            begin, good, refused = time.monotonic(), 0, 0
            while good < 20:
                status = g.call("POST", CHAT, chat())[0]
                good += status == 200
                refused += status == 429
                time.sleep(0.002)
            took = time.monotonic() - begin
            self.assertGreaterEqual(took, 19 / 20 - 0.01)
            self.assertEqual(g.stats()["limits"]["refused_requests"], refused)

    def test_retry_after_by_option(self):
        with mock_calls.Gateway("--rpm", "1", "--retry-after") as g:
            g.call("POST", CHAT, chat())
            _, headers, _ = g.call("POST", CHAT, chat())
            self.assertTrue(55 < int(headers["Retry-After"]) <= 60)
            self.assertTrue(55000 < int(headers["retry-after-ms"]) <= 60000)
            self.assertRegex(headers["x-ratelimit-reset-requests"], r"^(\d[\d.]*s|1m0s)$")

    def test_each_route_refuses_in_its_own_words(self):
        with mock_calls.Gateway("--rpm", "1", "--limit-window", "46s") as g:
            gemini = "/v1beta/models/gemini-mill:generateContent"
            asked = {"contents": [{"parts": [{"text": "x"}]}]}
            for path, body, pointer in (
                    ("/v1/messages", chat(), "rate_limit_error"),
                    (gemini, asked, "RESOURCE_EXHAUSTED"),
                    ("/v1/embeddings", {"model": "e", "input": "a"}, "rate_limit_exceeded"),
                    ("/suno/submit/MUSIC", {"prompt": "a"}, '"data":null'),
                    ("/mj/submit/imagine", {"prompt": "a"}, '"code":30')):
                status, first, text = g.call("POST", path, body, ANTHROPIC)
                self.assertEqual(status, 200, text)
                status, headers, text = g.call("POST", path, body, ANTHROPIC)
                self.assertEqual(status, 429)
                self.assertIn(pointer, text.decode(), path)
                if path == "/v1/messages":
                    for h in (first, headers):
                        self.assertEqual(h["anthropic-ratelimit-requests-limit"], "1")
                        self.assertRegex(h["anthropic-ratelimit-requests-reset"],
                                         r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")
                        self.assertIsNone(h["x-ratelimit-limit-requests"])
                if path == gemini:
                    delay = re.search(r'"retryDelay":"(\d+\.\d+)s"', text.decode())[1]
                    self.assertTrue(40 < float(delay) <= 46)
                    self.assertIsNone(headers["x-ratelimit-limit-requests"])


class Tokens(unittest.TestCase):
    def test_prompt_and_answer_are_taken_as_the_usage_will_have_them(self):
        with mock_calls.Gateway("--tpm", "200", "--limit-window", "1h") as g:
            found = g.call("POST", CHAT, chat(max_tokens=30))
            usage = g.good("POST", CHAT, chat("n", max_tokens=30))["usage"]["total_tokens"]
            self.assertEqual(found[1]["x-ratelimit-limit-tokens"], "200")
            self.assertEqual(int(found[1]["x-ratelimit-remaining-tokens"]), 200 - usage)
            self.assertIsNone(found[1]["x-ratelimit-limit-requests"])
            status, _, text = g.call("POST", CHAT, chat(max_tokens=190))
            self.assertEqual((status, b"tokens" in text), (429, True))
            self.assertEqual(g.call("POST", CHAT, chat(max_tokens=30))[0], 200)
            limits = g.stats()["limits"]
            self.assertEqual((limits["admitted_tokens"], limits["refused_tokens"]), (3 * usage, 1))
            status, headers, _ = g.call("POST", "/v1/messages", chat(), ANTHROPIC)
            for name in ("tokens", "input-tokens", "output-tokens"):
                self.assertEqual(headers[f"anthropic-ratelimit-{name}-limit"], "200")

    def test_both_limits_on_one_answer(self):
        with mock_calls.Gateway("--tpm", "1000", "--rpm", "10") as g:
            _, headers, _ = g.call("POST", CHAT, chat(stream=True))
            self.assertEqual({"x-ratelimit-limit-requests", "x-ratelimit-limit-tokens"},
                             {h.lower() for h in headers if h.lower().startswith(
                                 "x-ratelimit-limit")})


class Load(unittest.TestCase):
    def test_more_requests_under_way_than_there_may_be(self):
        with mock_calls.Gateway("--in-flight-max", "3") as g:
            slow = [g.connect() for _ in range(3)]
            for c in slow:
                c.request("POST", CHAT, json.dumps(chat(stream=True)), {"x-mock-gap-ms": "300"})
                c.answer = c.getresponse()
            status, text = g.ask("POST", "/v1/messages", chat(), ANTHROPIC)
            self.assertEqual((status, text["error"]["type"]), (529, "overloaded_error"))
            self.assertEqual(g.call("GET", "/v1/models")[0], 200)
            for c in slow:
                c.answer.read()
                c.close()
            for _ in range(5):
                self.assertEqual(g.call("POST", CHAT, chat())[0], 200)
            limits = g.stats()["limits"]
            self.assertEqual((limits["refused_load"], limits["in_flight_peak"]), (1, 3))


class Polls(unittest.TestCase):
    def test_a_key_may_poll_so_often_a_second_however_it_does(self):
        with mock_calls.Gateway("--polls-per-second", "5", "--retry-after") as g:
            task = g.good("POST", "/suno/submit/MUSIC", {})["data"]
            begin, statuses = time.monotonic(), []
            while len(statuses) < 40:
                statuses.append(g.call("GET", f"/suno/fetch/{task}")[0])
            took = time.monotonic() - begin
            good = statuses.count(200)
            self.assertEqual(statuses[:5], [200] * 5)
            self.assertLessEqual(good, 5 + 5 * took + 1)
            self.assertEqual(g.stats()["limits"]["refused_polls"], 40 - good)
            if good < 40:
                _, headers, body = g.call("POST", "/suno/fetch", {"ids": [task]})
                self.assertTrue(headers["Retry-After"] == "1" or b"success" in body)
            self.assertEqual(g.call("GET", f"/suno/fetch/{task}", None,
                                    {"Authorization": "Bearer other"})[0], 200)


if __name__ == "__main__":
    mock.main()
