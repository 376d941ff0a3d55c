#!/usr/bin/env python3
"""The recorded streams of the corpora, replayed by Node's https server in pieces of odd sizes, must
come out of `leat chat` as they were recorded, whatever way the body ends."""
# ctest: peers 300
import collections
import glob
import json
import os
import unittest

import mock
import servers

FORMATS = ("openai-chat", "openai-completions")
SIZES = (1, 7, 0)  # bytes a write; 0: the whole body in one


def recordings():
    """Name -> what the corpus expects of that stream, for the protocols there are."""
    found = {}
    for path in sorted(glob.glob(os.path.join(mock.corpora(), "streams", "*.expected.json"))):
        with open(path, encoding="utf-8") as file:
            expected = json.load(file)
        if expected["format"] in FORMATS and not expected.get("hostile"):
            found[os.path.basename(path).removesuffix(".expected.json")] = expected
    return found


def assemble(lines):
    """The events of `chat --json` -> (choices as the corpora write them, usage)."""
    texts = collections.defaultdict(lambda: {"text": "", "reasoning": "", "refusal": ""})
    calls, finish, usage = collections.defaultdict(dict), {}, None
    for event in lines:
        kind, choice = event.get("kind"), event.get("choice", 0)
        if kind in ("text", "reasoning", "refusal"):
            texts[choice][kind] += event["text"]
        elif kind == "tool_call":
            call = calls[choice].setdefault(event["index"], {"id": "", "name": "", "arguments": ""})
            for part in call:
                call[part] = call[part] + event.get(part, "") if part == "arguments" else \
                    event.get(part) or call[part]
        elif kind == "finish":
            finish[choice] = event["finish_reason"]
        elif kind == "usage":
            usage = event["usage"]
    return texts, calls, finish, usage


class NodeTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        servers.require("node", "openssl")
        if not mock.corpora():
            raise unittest.SkipTest("the shared corpora are absent (LEAT_CORPORA)")
        cls.recordings = recordings()
        cls.node = servers.NodeReplay(os.path.join(mock.corpora(), "streams"))

    @classmethod
    def tearDownClass(cls):
        cls.node.stop()

    def chat(self, name, size, end="chunked", protocol="openai-chat"):
        """-> (exit status, events, the done object)"""
        ran = mock.leat("chat", "hi", *self.node.target(), "--json", "--retries", "0",
                        "--protocol", protocol,
                        "--chat-path", f"/replay?name={name}&size={size}&end={end}")
        lines = [json.loads(line) for line in ran.stdout.splitlines()]
        self.assertTrue(lines and "done" in lines[-1], f"{name}: {ran.stdout}{ran.stderr}")
        return ran.returncode, lines[:-1], lines[-1]["done"]

    def check_choices(self, name, expected, events):
        texts, calls, finish, usage = assemble(events)
        for choice in expected["choices"]:
            index = choice["index"]
            for channel in ("text", "reasoning", "refusal"):
                self.assertEqual(texts[index][channel], choice.get(channel) or "", (name, channel))
            self.assertEqual(finish.get(index), choice.get("finish_reason"), name)
            wanted = [{part: call.get(part) or "" for part in ("id", "name", "arguments")}
                      for call in choice.get("tool_calls") or []]
            self.assertEqual([calls[index][at] for at in sorted(calls[index])], wanted, name)
        for count, value in (expected.get("usage") or {}).items():
            if value is not None:
                self.assertEqual((usage or {}).get(count), value, (name, count))

    def check(self, name, size, end):
        expected = self.recordings[name]
        status, events, done = self.chat(name, size, end, expected["format"])
        with self.subTest(name=name, size=size, end=end):
            self.check_choices(name, expected, events)
            if expected["complete"]:
                self.assertIsNone(done["error"], done)
            elif expected.get("error"):
                self.assertEqual(done["error"], "LEAT_EAPI", done)
            else:
                self.assertEqual(done["error"], "LEAT_EINCOMPLETE", done)
            self.assertEqual(status, 0 if expected["complete"] else 1)

    def test_every_recording_at_every_write_size(self):
        self.assertGreater(len(self.recordings), 20)
        for name in self.recordings:
            for size in SIZES:
                self.check(name, size, "chunked")

    def test_every_recording_with_content_length(self):
        for name in self.recordings:
            self.check(name, 0, "length")

    def test_a_cut_before_the_marker_is_truncation(self):
        for name, expected in self.recordings.items():
            if expected["ended"] == "eof" and not expected.get("error"):
                with self.subTest(name=name):
                    status, _, done = self.chat(name, 7, "cut")
                    self.assertEqual((status, done["error"]), (1, "LEAT_ETRUNCATED"))

    def test_a_cut_behind_the_marker_is_none(self):
        checked = 0
        for name, expected in self.recordings.items():
            if expected["ended"] == "done" and expected["complete"]:
                with self.subTest(name=name):
                    status, _, done = self.chat(name, 0, "cut", expected["format"])
                    self.assertEqual((status, done["error"]), (0, None))
                    checked += 1
        self.assertGreater(checked, 10)

    def test_load_over_kept_connections(self):
        ran, report = mock.load(*self.node.target(), "--prompt", "hi", "--requests", "200",
                                "--concurrency", "16", "--connections", "8", "--chat-path",
                                "/replay?name=oa-chat-crlf&size=13")
        self.assertEqual(ran.returncode, 0, ran.stderr)
        self.assertEqual(report["requests"]["completed"], 200)
        self.assertLessEqual(report["connections"]["peak"], 8)
        self.assertEqual(report["connections"]["opened"], report["connections"]["peak"])


if __name__ == "__main__":
    mock.main()
