"""What the tests of HTTP/2 against servers nobody here wrote share: a crowd of chats that are all
under way at once, and what must be true of it whoever serves it."""
import json
import os
import tempfile
import unittest
import urllib.request

import mock

CROWD = 1000
EVENTS = 10
# A chat takes three seconds, so that the first still speaks when the last has begun.
SLOW = ("--plain", "--ttft", "1200ms", "--gap", "200ms", "--events", str(EVENTS), "--conns-max",
        "4000")
FAST = ("--plain", "--ttft", "5ms", "--gap", "5ms", "--events", str(EVENTS), "--conns-max", "4000")
SLOW_PATH = f"/v1/chat/completions?n={EVENTS}&ms=200&ttft=1200"
FAST_PATH = f"/v1/chat/completions?n={EVENTS}&ms=5&ttft=5"


class Crowd(unittest.TestCase):
    def load(self, front, *more, body=None, requests=CROWD, concurrency=CROWD, connections=16):
        """-> the report of a run over HTTP/2 that lost nothing."""
        ask = ["--body", body] if body else ["--model", "m", "--prompt", "hi"]
        ran, report = mock.load("--base-url", front.url, "--cacert", front.ca, *ask, "--http", "2",
                                "--requests", str(requests), "--concurrency", str(concurrency),
                                "--connections", str(connections), *more, seconds=120)
        self.assertIsNotNone(report, ran.stderr)
        self.assertEqual(ran.returncode, 0, ran.stderr + json.dumps(report["errors"]))
        self.assertEqual(report["requests"]["completed"], requests)
        self.assertEqual(report["content_events"], requests * EVENTS)
        self.assertEqual(report["http"], {"version": "2", "requests_http1": 0,
                                          "requests_http2": requests})
        # one may still be shaking hands when the last answer is there
        self.assertLessEqual(report["connections"]["http2"], report["connections"]["opened"])
        self.assertLessEqual(report["connections"]["peak"], connections)
        return report

    def crowd(self, front, *more, **how):
        """A thousand at once: -> the report."""
        report = self.load(front, *more, **how)
        self.assertEqual(report["streams"]["peak"], CROWD)
        self.assertEqual(report["requests"]["retried"], 0)
        return report

    def body_file(self, size):
        """A chat's body of about so many bytes, as a file's path."""
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        path = os.path.join(folder.name, "body.json")
        body = {"model": "m", "stream": True,
                "messages": [{"role": "user", "content": "mill " * (size // 5)}]}
        with open(path, "w", encoding="utf-8") as file:
            json.dump(body, file)
        return path


def counters(gateway):
    """What `leat mock --plain` has counted."""
    with urllib.request.urlopen(f"{gateway.url}/stats", timeout=mock.WAIT_SECONDS) as answer:
        return json.load(answer)
