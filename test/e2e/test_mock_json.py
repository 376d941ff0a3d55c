#!/usr/bin/env python3
"""The gateway's calls of JSON from outside: embeddings and orders of documents that a client can
compute, models in three shapes, moderation, images in every form, and counts of tokens."""
import base64
import hashlib
import json
import struct
import unittest
import urllib.parse
import zlib

import mock
import mock_calls
from mock_calls import content, lane, mix

ANTHROPIC = {"x-api-key": "k", "anthropic-version": "2023-06-01"}


def hashed(start, text):
    for byte in text:
        start = mix(start ^ byte)
    return start


def vector(text, size):
    h = hashed(0x656D6264, text)
    return [(mix(h ^ i) >> 40) / 2 ** 23 - 1 for i in range(size)]


def single(numbers):
    """As float32, which is what the digits of an answer are enough for."""
    return list(struct.unpack(f"<{len(numbers)}f", struct.pack(f"<{len(numbers)}f", *numbers)))


def tokens(*numbers):
    return b"".join(struct.pack("<q", n) for n in numbers)


class Case(unittest.TestCase):
    options = ()

    @classmethod
    def setUpClass(cls):
        cls.g = mock_calls.Gateway(*cls.options)

    @classmethod
    def tearDownClass(cls):
        cls.g.stop()


class Embeddings(Case):
    def ask(self, **body):
        return self.g.good("POST", "/v1/embeddings", {"model": "m", **body})

    def test_one_text_has_the_vector_that_follows_from_it(self):
        text = "a m\u00efll \U0001f600 \"quoted\"\n"
        found = self.ask(input=text)
        self.assertEqual(found["object"], "list")
        self.assertEqual(single(found["data"][0]["embedding"]), vector(text.encode(), 1536))
        self.assertEqual(found["usage"]["prompt_tokens"], (len(text.encode()) + 3) // 4)

    def test_several_texts_dimensions_and_models(self):
        found = self.ask(input=["a", "b", "a"], dimensions=3)
        rows = [single(row["embedding"]) for row in found["data"]]
        self.assertEqual(rows, [vector(t, 3) for t in (b"a", b"b", b"a")])
        self.assertEqual([row["index"] for row in found["data"]], [0, 1, 2])
        large = self.ask(input="a", model="text-embedding-3-large")
        self.assertEqual(len(large["data"][0]["embedding"]), 3072)

    def test_tokens_and_arrays_of_tokens(self):
        one = self.ask(input=[5, 6, 70000], dimensions=4)
        self.assertEqual([single(r["embedding"]) for r in one["data"]],
                         [vector(tokens(5, 6, 70000), 4)])
        two = self.ask(input=[[5, 6], [7]], dimensions=4)
        self.assertEqual([single(r["embedding"]) for r in two["data"]],
                         [vector(tokens(5, 6), 4), vector(tokens(7), 4)])
        self.assertEqual(two["usage"]["total_tokens"], 3)

    def test_base64_is_float32_low_byte_first(self):
        for size in (1, 2, 3, 4, 5, 1536, 4096):
            found = self.ask(input="x", dimensions=size, encoding_format="base64")
            raw = base64.b64decode(found["data"][0]["embedding"], validate=True)
            self.assertEqual(list(struct.unpack(f"<{size}f", raw)), vector(b"x", size))

    def test_what_is_no_input_is_refused(self):
        for body in ({}, {"input": ""}, {"input": []}, {"input": 5}, {"input": [["a"]]},
                     {"input": "a", "dimensions": 0}, {"input": "a", "dimensions": 100000},
                     {"input": [{}]}, {"input": ["a", 5]}):
            status, answer = self.g.ask("POST", "/v1/embeddings", body)
            self.assertEqual((status, answer["error"]["type"]), (400, "invalid_request_error"),
                             body)
        self.assertEqual(self.g.call("POST", "/v1/embeddings", "{]")[0], 400)

    def test_geminis_one_and_many(self):
        part = {"content": {"parts": [{"text": "a "}, {"text": "mill"}]}}
        path = "/v1beta/models/gemini-embedding-001"
        one = self.g.good("POST", path + ":embedContent", part)
        self.assertEqual(single(one["embedding"]["values"]), vector(b"a mill", 768))
        many = self.g.good("POST", path + ":batchEmbedContents",
                           {"requests": [part, {**part, "outputDimensionality": 2}]})
        self.assertEqual([len(e["values"]) for e in many["embeddings"]], [768, 2])
        status, answer = self.g.ask("POST", path + ":embedContent", {})
        self.assertEqual((status, answer["error"]["status"]), (400, "INVALID_ARGUMENT"))


class Rerank(Case):
    def test_best_first_with_scores_that_follow_from_the_texts(self):
        documents = [f"document {i}" for i in range(10)]
        found = self.g.good("POST", "/v1/rerank", {"model": "r", "query": "mill", "top_n": 4,
                                                   "documents": documents})
        start = hashed(0x656D6264, b"mill")
        scores = [(mix(hashed(start, d.encode())) >> 40) / 2 ** 24 for d in documents]
        best = sorted(range(10), key=lambda i: -scores[i])[:4]
        self.assertEqual([r["index"] for r in found["results"]], best)
        for row in found["results"]:
            self.assertAlmostEqual(row["relevance_score"], scores[row["index"]], places=8)

    def test_documents_are_given_back_on_request(self):
        found = self.g.good("POST", "/v1/rerank", {"query": "q", "return_documents": True,
                                                   "documents": [{"text": "a"}, "b"]})
        self.assertEqual({r["index"]: r["document"]["text"] for r in found["results"]},
                         {0: "a", 1: "b"})
        for body in ({}, {"query": "q"}, {"query": "q", "documents": []},
                     {"query": "q", "documents": [5]}):
            self.assertEqual(self.g.call("POST", "/v1/rerank", body)[0], 400)


class Models(Case):
    def test_the_shape_is_that_of_who_asks(self):
        openai = self.g.good("GET", "/v1/models")
        self.assertEqual((openai["object"], openai["success"]), ("list", True))
        ids = [m["id"] for m in openai["data"]]
        anthropic = self.g.good("GET", "/v1/models", None, ANTHROPIC)
        self.assertEqual([m["id"] for m in anthropic["data"]], ids)
        self.assertEqual((anthropic["data"][0]["type"], anthropic["has_more"]), ("model", False))
        for path, headers in (("/v1/models", {"x-goog-api-key": "k"}), ("/v1/models?key=k", None),
                              ("/v1beta/models", None)):
            gemini = self.g.good("GET", path, None, headers)
            self.assertEqual([m["name"] for m in gemini["models"]], ["models/" + i for i in ids])

    def test_one_and_names_that_must_be_escaped(self):
        for name in ("gpt-5", "org/mill", "mill:free"):
            path = "/v1/models/" + urllib.parse.quote(name, safe="")
            self.assertEqual(self.g.good("GET", path)["id"], name)
            self.assertEqual(self.g.good("GET", path, None, ANTHROPIC)["type"], "model")
        self.assertEqual(self.g.good("GET", "/v1beta/models/gemini-mill")["name"],
                         "models/gemini-mill")

    def test_an_unknown_one_is_an_error_inside_200_only_for_openai(self):
        status, answer = self.g.ask("GET", "/v1/models/none")
        self.assertEqual((status, answer["error"]["code"]), (200, "model_not_found"))
        status, answer = self.g.ask("GET", "/v1/models/none", None, ANTHROPIC)
        self.assertEqual((status, answer["error"]["type"]), (404, "not_found_error"))
        status, answer = self.g.ask("GET", "/v1beta/models/none")
        self.assertEqual((status, answer["error"]["status"]), (404, "NOT_FOUND"))
        self.assertEqual(self.g.call("GET", "/v1/models/org/mill")[0], 404)


class Moderations(Case):
    def ask(self, given):
        return self.g.good("POST", "/v1/moderations", {"input": given})["results"]

    def test_a_category_is_flagged_where_its_name_stands(self):
        one = self.ask("some violence/graphic thing")[0]
        self.assertTrue(one["flagged"])
        flagged = {name for name, value in one["categories"].items() if value}
        self.assertEqual(flagged, {"violence", "violence/graphic"})
        self.assertGreater(one["category_scores"]["violence"], 0.9)
        self.assertFalse(self.ask("a mill")[0]["flagged"])

    def test_texts_have_a_result_each_and_parts_have_one(self):
        self.assertEqual([r["flagged"] for r in self.ask(["a", "hate", "b"])],
                         [False, True, False])
        parts = [{"type": "text", "text": "x"},
                 {"type": "image_url", "image_url": {"url": "https://x/y.png"}}]
        found = self.ask(parts)
        self.assertEqual((len(found), found[0]["category_applied_input_types"]["hate"]),
                         (1, ["text", "image"]))
        for body in ({}, {"input": 5}, {"input": [5]}, {"input": []}):
            self.assertEqual(self.g.call("POST", "/v1/moderations", body)[0], 400)


class Images(Case):
    def ask(self, headers=None, **body):
        return self.g.good("POST", "/v1/images/generations", {"prompt": "a mill", **body}, headers)

    def test_addresses_and_base64(self):
        found = self.ask(seed=3, n=3)
        self.assertEqual(len(found["data"]), 3)
        for i, image in enumerate(found["data"]):
            status, headers, body = self.g.fetch(image["url"])
            self.assertEqual((status, headers["Content-Type"]), (200, "image/png"))
            self.assertEqual(body, content(lane(3, i), 4096))
            self.assertEqual(self.g.fetch(image["url"][:-1])[0], 403)
        found = self.ask(seed=3, n=2, response_format="b64_json", prompt="mock_bytes=10000")
        self.assertEqual([base64.b64decode(i["b64_json"]) for i in found["data"]],
                         [content(lane(3, i), 10000) for i in range(2)])
        self.assertIn("total_tokens", found["usage"])

    def test_one_of_megabytes(self):
        found = self.ask(seed=3, response_format="b64_json", prompt="mock_bytes=5000000")
        got = base64.b64decode(found["data"][0]["b64_json"])
        self.assertEqual((len(got), got[-999:]), (5000000, content(3, 999, 4999001)))

    def test_a_stream_of_partial_images(self):
        status, headers, body = self.g.call(
            "POST", "/v1/images/generations",
            {"prompt": "x mock_bytes=50000", "seed": 3, "stream": True, "partial_images": 2})
        self.assertEqual((status, headers["Content-Type"]), (200, "text/event-stream"))
        found = mock_calls.events(body)
        self.assertEqual([name for name, _ in found], ["image_generation.partial_image"] * 2
                         + ["image_generation.completed"])
        said = [json.loads(text) for _, text in found]
        self.assertEqual([s.get("partial_image_index") for s in said], [0, 1, None])
        self.assertEqual([base64.b64decode(s["b64_json"]) for s in said],
                         [content(lane(3, k), 50000) for k in (100, 101, 0)])
        self.assertIn("usage", said[-1])

    def test_an_edit_says_what_it_got(self):
        picture, mask = bytes(range(256)) * 300, b"\r\n--" * 5000
        body, headers = mock_calls.form(
            [("prompt", "bluer"), ("n", "2"), ("response_format", "b64_json")],
            [("image[]", "a \"b\".png".replace('"', '\\"'), "image/png", picture),
             ("image[]", "c.png", "image/png", picture[::-1]), ("mask", "m.png", "image/png",
                                                               mask)])
        found = self.g.good("POST", "/v1/images/edits", body, headers)
        self.assertEqual(len(found["data"]), 2)
        self.assertEqual(found["mock"]["fields"], [["prompt", "bluer"], ["n", "2"],
                                                   ["response_format", "b64_json"]])
        for got, sent in zip(found["mock"]["files"], (picture, picture[::-1], mask)):
            self.assertEqual((got["bytes"], got["sha256"], got["crc32"]),
                             (len(sent), hashlib.sha256(sent).hexdigest(),
                              f"{zlib.crc32(sent):08x}"))
        self.assertEqual([f["filename"] for f in found["mock"]["files"]],
                         ['a "b".png', "c.png", "m.png"])
        body, headers = mock_calls.form([("prompt", "x"), ("stream", "true"),
                                         ("partial_images", "1")],
                                        [("image", "a.png", "image/png", b"x")])
        events = mock_calls.events(self.g.call("POST", "/v1/images/edits", body, headers)[2])
        self.assertEqual([name for name, _ in events],
                         ["image_edit.partial_image", "image_edit.completed"])

    def test_refusals(self):
        for body in ({}, {"prompt": "x", "n": 11}, {"prompt": "x", "n": 0},
                     {"prompt": "x", "partial_images": 4}, {"prompt": "mock_bytes=999999999"}):
            self.assertEqual(self.g.call("POST", "/v1/images/generations", body)[0], 400)
        body, headers = mock_calls.form([("prompt", "x")])
        self.assertEqual(self.g.call("POST", "/v1/images/edits", body, headers)[0], 400)

    def test_an_error_inside_the_stream(self):
        events = mock_calls.events(self.g.call(
            "POST", "/v1/images/generations", {"prompt": "x", "stream": True,
                                               "partial_images": 3},
            {"x-mock-fault": "error=2"})[2])
        self.assertEqual([name for name, _ in events][2:], ["error"])

    def test_an_image_among_geminis_parts(self):
        path = "/v1beta/models/nano-banana:"
        body = {"contents": [{"parts": [{"text": "a mill"}]}],
                "generationConfig": {"seed": 3, "maxOutputTokens": 2,
                                     "responseModalities": ["TEXT", "IMAGE"]}}
        whole = self.g.good("POST", path + "generateContent", body)
        parts = whole["candidates"][0]["content"]["parts"]
        self.assertEqual(base64.b64decode(parts[1]["inlineData"]["data"]), content(3, 4096))
        text = self.g.call("POST", path + "streamGenerateContent?alt=sse", body,
                           {"x-mock-bytes": "20000"})[2].decode()
        said = [json.loads(e[6:]) for e in text.split("\r\n\r\n") if e]
        images = [p["inlineData"] for s in said for p in s["candidates"][0]["content"]["parts"]
                  if "inlineData" in p]
        self.assertEqual([base64.b64decode(i["data"]) for i in images], [content(3, 20000)])


class Counts(Case):
    def test_tokens_are_counted_in_both_words(self):
        body = {"model": "claude", "messages": [{"role": "user", "content": "hi"}]}
        found = self.g.good("POST", "/v1/messages/count_tokens", body, ANTHROPIC)
        self.assertEqual(found, {"input_tokens": (len(json.dumps(body)) + 3) // 4})
        status, answer = self.g.ask("POST", "/v1/messages/count_tokens", body)
        self.assertEqual((status, answer["error"]["type"]), (400, "invalid_request_error"))
        found = self.g.good("POST", "/tokenize", {"model": "m", "prompt": "good water"})
        self.assertEqual((found["count"], len(found["tokens"])), (3, 3))
        again = self.g.good("POST", "/tokenize", {"prompt": "good food"})
        self.assertEqual(again["tokens"][0], found["tokens"][0])
        self.assertEqual(self.g.ask("POST", "/tokenize", {"model": "m"})[0], 400)
        for prompt, tokens in ([1, 2, 3], 3), (list(range(500)), 500):
            found = self.g.good("POST", "/v1/completions", {"model": "m", "prompt": prompt})
            self.assertEqual(found["usage"]["prompt_tokens"], tokens)
        body = {"contents": [{"parts": [{"text": "hi"}]}]}
        found = self.g.good("POST", "/v1beta/models/gemini:countTokens", body)
        self.assertEqual(found["totalTokens"], (len(json.dumps(body)) + 3) // 4)
        self.assertEqual(self.g.call("POST", "/v1beta/models/gemini:countTokens", {})[0], 400)


class Keys(Case):
    options = ("--require-key", "k1", "--auth", "strict")

    def status(self, path, headers, method="GET"):
        return self.g.call(method, path, None if method == "GET" else {}, headers)[0]

    def test_a_key_counts_where_the_gateways_look(self):
        everywhere = ({"Authorization": "Bearer k1"}, {"Authorization": "bearer k1"},
                      {"Authorization": "k1"})
        for headers in everywhere:
            for path in ("/v1/models", "/v1beta/models", "/nowhere"):
                self.assertNotEqual(self.status(path, headers), 401, (headers, path))
        cases = (("x-api-key", "/v1/models", True), ("x-api-key", "/v1/messages", True),
                 ("x-api-key", "/v1/embeddings", False), ("x-goog-api-key", "/v1beta/models", True),
                 ("x-goog-api-key", "/v1/embeddings", False), ("api-key", "/v1/models", False),
                 ("mj-api-secret", "/mj/submit/imagine", True),
                 ("mj-api-secret", "/mj-fast/mj/submit/imagine", True),
                 ("mj-api-secret", "/v1/models", False))
        for header, path, fine in cases:
            found = self.status(path, {header: "k1"}, "GET" if "models" in path else "POST")
            self.assertEqual(found != 401, fine, (header, path))
        self.assertEqual(self.status("/v1beta/models?key=k1", {}), 200)
        self.assertEqual(self.status("/v1beta/models?key=k2", {}), 401)
        self.assertEqual(self.status("/v1/models", {"Authorization": "Token k1"}), 401)
        self.assertNotEqual(self.status("/ent/v2/text2video", {"Authorization": "Token k1"},
                                        "POST"), 401)
        keys = self.g.stats()["keys"]
        self.assertTrue(keys["bearer"] and keys["raw"] and keys["query"] and keys["token"])

    def test_refusals_are_in_the_routes_own_words_and_never_say_the_key(self):
        for path, method, pointer in (("/v1/messages", "POST", "authentication_error"),
                                      ("/v1beta/models", "GET", "UNAUTHENTICATED"),
                                      ("/suno/submit/MUSIC", "POST", "invalid_api_key"),
                                      ("/v1/models", "GET", "invalid_api_key")):
            status, _, body = self.g.call(method, path, None if method == "GET" else {},
                                          {"Authorization": "Bearer secret-key"})
            self.assertEqual(status, 401)
            self.assertIn(pointer, body.decode())
            self.assertNotIn("secret", body.decode())


class AnyKey(Case):
    options = ("--require-key", "k 1&")

    def test_any_place_will_do(self):
        for headers in ({"x-api-key": "k 1&"}, {"api-key": "k 1&"}, {"mj-api-secret": "k 1&"},
                        {"x-goog-api-key": "k 1&"}, {"Authorization": "Token k 1&"}):
            self.assertEqual(self.g.call("GET", "/v1/models", None, headers)[0], 200, headers)
        self.assertEqual(self.g.call("GET", "/v1/models?a=b&key=k%201%26&c=d")[0], 200)
        self.assertEqual(self.g.call("GET", "/v1/models")[0], 401)


if __name__ == "__main__":
    mock.main()
