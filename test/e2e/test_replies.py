#!/usr/bin/env python3
"""What `leat decode --group` makes of the gateway's answers, which are written from what gateways
send and not from the readers that are tested here: jobs of every family in every form of answer,
and all that is answered at once."""
import base64
import json
import os
import struct
import subprocess
import tempfile
import time
import unittest
import urllib.error
import urllib.request

import mock

FORMS = ("usual", "new-api", "vendor", "docs")
# Family: path and body of the submit, path of the poll, and its body if it has one.
FAMILIES = {
    "video": ("/v1/video/generations", {}, "/v1/video/generations/{}", None),
    "sora": ("/v1/videos", {}, "/v1/videos/{}", None),
    "kling": ("/kling/v1/videos/text2video", {}, "/kling/v1/videos/text2video/{}", None),
    "jimeng": ("/jimeng/?Action=CVSync2AsyncSubmitTask&Version=2022-08-31", {"req_key": "k"},
               "/jimeng/?Action=CVSync2AsyncGetResult&Version=2022-08-31",
               {"req_key": "k", "task_id": "{}"}),
    "vidu": ("/ent/v2/text2video", {}, "/ent/v2/tasks/{}/creations", None),
    "seedance": ("/api/v3/contents/generations/tasks", {},
                 "/api/v3/contents/generations/tasks/{}", None),
    "suno": ("/suno/submit/MUSIC", {}, "/suno/fetch/{}", None),
    "lyrics": ("/suno/submit/LYRICS", {}, "/suno/fetch/{}", None),
    "producer": ("/producer/submit/MUSIC", {}, "/producer/fetch/{}", None),
    "midjourney": ("/mj/submit/imagine", {}, "/mj/task/{}/fetch", None),
}


def decode(group, body):
    ran = subprocess.run([mock.PROGRAM, "decode", "--group", group], input=body, timeout=30,
                         env=mock.environment(), capture_output=True, check=False)
    assert ran.returncode == 0, (group, body[:500], ran.stderr)
    return json.loads(ran.stdout)


class Replies(unittest.TestCase):
    def start(self, *options):
        gateway = mock.Mock("--plain", "--task-queued", "0", *options)
        self.addCleanup(gateway.stop)
        self.url = gateway.url

    def call(self, path, body=None, headers=()):
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, {
            "Authorization": "Bearer k", "Content-Type": "application/json", **dict(headers)})
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return answer.read()
        except urllib.error.HTTPError as error:
            return error.read()

    def poll(self, family, number):
        _, _, path, body = FAMILIES[family]
        if body:
            body = {key: value.format(number) for key, value in body.items()}
        return self.call(path.format(number), body)

    def submit(self, family, prompt):
        path, body, _, _ = FAMILIES[family]
        answer = self.call(path, {"model": "m", "prompt": prompt,
                                  "content": [{"type": "text", "text": prompt}], **body})
        job = decode("task", answer)["task"]
        self.assertEqual(job["state"], "running", (family, answer))
        self.assertTrue(job["id"], (family, answer))
        return job["id"]

    def finish(self, family, number):
        until = time.monotonic() + 15
        while True:
            answer = self.poll(family, number)
            job = decode("task", answer)
            if job["task"]["state"] != "running":
                return job, answer
            self.assertLess(time.monotonic(), until, (family, answer))
            time.sleep(0.02)

    def test_jobs_that_succeed_and_fail_in_every_form(self):
        for form in FORMS:
            self.start("--task-forms", form, "--task-time", "0.02")
            for family in FAMILIES:
                with self.subTest(form=form, family=family):
                    number = self.submit(family, "x")
                    job, answer = self.finish(family, number)
                    self.assertEqual(job["task"]["state"], "succeeded", answer)
                    self.assertNotIn("error", job)
                    self.assertIn(job["task"].get("id", number), (number,), answer)
                    if family == "lyrics":
                        self.assertTrue(job["task"]["text"], answer)
                    else:
                        self.assertRegex(job["task"]["urls"][0], "^(https?:|data:)", answer)
                    number = self.submit(family, "x mock_fail=1")
                    job, answer = self.finish(family, number)
                    self.assertEqual(job["task"]["state"], "failed", answer)
                    self.assertTrue(job["error"].get("message"), answer)

    def test_jobs_that_are_not_known(self):
        self.start()
        for family in ("video", "kling", "suno", "producer", "midjourney"):
            with self.subTest(family=family):
                answer = self.poll(family, "task_unknown")
                job = decode("task", answer)
                self.assertTrue(job["task"].get("not_found"), answer)
                self.assertEqual(job["task"]["state"], "failed")

    def test_embeddings_as_numbers_and_as_base64(self):
        self.start()
        body = {"model": "m", "input": ["a", "b"]}
        numbers = self.call("/v1/embeddings", {**body, "encoding_format": "float"})
        packed = self.call("/v1/embeddings", {**body, "encoding_format": "base64"})
        one, two = decode("embeddings", numbers), decode("embeddings", packed)
        rows = [struct.unpack(f"<{len(base64.b64decode(row['embedding'])) // 4}f",
                              base64.b64decode(row["embedding"]))
                for row in json.loads(packed)["data"]]
        for read, row, sent in zip(two["embeddings"], rows, one["embeddings"]):
            single = [struct.unpack("<f", struct.pack("<f", x))[0] for x in read["values"]]
            self.assertEqual(single, list(row))
            self.assertEqual(len(sent["values"]), len(row))
        self.assertEqual([row["index"] for row in two["embeddings"]], [0, 1])
        self.assertGreater(two["usage"]["total"], 0)

    def test_what_is_answered_at_once(self):
        self.start()
        images = self.call("/v1/images/generations", {"model": "m", "prompt": "x", "n": 2})
        self.assertEqual(len(decode("images", images)["images"]), 2)
        models = decode("models", self.call("/v1/models"))["models"]
        self.assertTrue(all(model["id"] for model in models))
        one = decode("models", self.call("/v1/models/" + models[0]["id"]))["models"]
        self.assertEqual(one[0]["id"], models[0]["id"])
        other = self.call("/v1/models", headers={"x-api-key": "k",
                                                 "anthropic-version": "2023-06-01"}.items())
        self.assertTrue(all(model["id"] for model in decode("models", other)["models"]))
        google = decode("models", self.call("/v1beta/models"))["models"]
        self.assertFalse(any(model["id"].startswith("models/") for model in google))
        ranks = self.call("/v1/rerank", {"model": "m", "query": "q", "documents": ["a", "b"]})
        self.assertEqual({rank["index"] for rank in decode("rerank", ranks)["rerank"]}, {0, 1})
        judged = self.call("/v1/moderations", {"input": ["a", "b"]})
        self.assertEqual(len(decode("moderation", judged)["moderation"]), 2)
        missing = decode("models", self.call("/v1/models/no-such-model"))
        self.assertTrue(missing["error"]["message"])

    def test_transcripts_in_every_format(self):
        self.start()
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "a.wav")
            with open(path, "wb") as file:
                file.write(b"RIFF")
            for form in ("json", "text", "srt", "vtt", "verbose_json"):
                with self.subTest(form=form):
                    ran = mock.leat("call", "--base-url", self.url, "--api-key", "k", "--json",
                                    "audio.transcribe", "--form", f"file=@{path}", "--form",
                                    "model=m", "--form", f"response_format={form}")
                    self.assertEqual(ran.returncode, 0, ran.stderr)
                    said = decode("transcript", ran.stdout.encode())["transcript"]
                    self.assertIn("a.wav", said["text"])
                    timed = form in ("srt", "vtt", "verbose_json")
                    self.assertEqual("segments" in said, timed, ran.stdout)


if __name__ == "__main__":
    mock.main()
