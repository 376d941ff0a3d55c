#!/usr/bin/env python3
"""HTTP/2 from Node's http2 module, Go's net/http and nghttpd themselves: a thousand chats at once,
streams that are refused, GOAWAY while chats run, files."""
# ctest: peers 300
import json
import subprocess

import mock
import servers
from h2crowd import CROWD, EVENTS, FAST_PATH, SLOW_PATH, Crowd

FINISH = '{"id":"c","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}'


def recorded(words):
    """A chat as it lies in a file: `words` pieces of content of some 200 bytes."""
    piece = {"id": "c", "choices": [{"index": 0, "delta": {"content": "mill " * 40},
                                     "finish_reason": None}]}
    return f"data: {json.dumps(piece)}\n\n" * words + f"data: {FINISH}\n\ndata: [DONE]\n\n"


class Chats(Crowd):
    """Those that say chats themselves and count what they see."""

    def counts(self, front):
        """/stats, asked for by HTTP/2, which curl speaks and Python does not."""
        ran = subprocess.run([servers.find("curl"), "--silent", "--http2", "--cacert", front.ca,
                              f"{front.url}/stats"], capture_output=True, timeout=30, check=True)
        return json.loads(ran.stdout)

    def check_crowd(self, front):
        report = self.crowd(front, "--chat-path", SLOW_PATH)
        seen = self.counts(front)
        self.assertEqual((seen["streams"], seen["peak"]), (CROWD, CROWD))
        # besides ours the probe for readiness, and curl
        self.assertLessEqual(seen["sessions"], report["connections"]["opened"] + 2)
        self.assertGreaterEqual(report["connections"]["peak"], CROWD // 250)



class Node(Chats):
    @classmethod
    def setUpClass(cls):
        servers.require("node", "openssl", "curl")

    def test_a_thousand_chats_at_once(self):
        with servers.NodeChats() as front:
            self.check_crowd(front)

    def test_h2_09_refused_streams_are_asked_again(self):
        with servers.NodeChats("refuse=70") as front:
            report = self.load(front, "--chat-path", FAST_PATH, requests=500, concurrency=250)
            self.assertGreaterEqual(report["requests"]["retried"], 70)
            self.assertEqual(self.counts(front)["streams"], 500)

    def test_h2_08_goaway_while_chats_run(self):
        with servers.NodeChats("close=40") as front:
            report = self.load(front, "--chat-path", FAST_PATH, "--retries", "3", requests=2000,
                               concurrency=200)
            seen = self.counts(front)
            self.assertGreater(seen["goaways"], 0)
            self.assertEqual(seen["streams"], 2000)
            self.assertGreaterEqual(report["connections"]["opened"], seen["goaways"])


class Go(Chats):
    @classmethod
    def setUpClass(cls):
        servers.require("go", "openssl", "curl")

    def test_a_thousand_chats_at_once(self):
        with servers.GoChats() as front:
            self.check_crowd(front)

    def test_h2_08_goaway_while_chats_run(self):
        with servers.GoChats("close=100") as front:
            report = self.load(front, "--chat-path", FAST_PATH, "--retries", "3", requests=2000,
                               concurrency=200)
            self.assertEqual(self.counts(front)["streams"], 2000)
            self.assertGreater(report["connections"]["opened"], 10)


class Nghttpd(Crowd):
    @classmethod
    def setUpClass(cls):
        servers.require("nghttpd", "openssl")

    def serve(self, *options):
        front = servers.Nghttpd({"chat": recorded(EVENTS)}, *options)
        self.addCleanup(front.stop)
        return front

    def test_a_thousand_chats_from_a_file(self):
        self.load(self.serve(), "--chat-path", "/chat")

    def test_a_thousand_streams_on_one_connection(self):
        report = self.load(self.serve(f"--max-concurrent-streams={CROWD}"), "--chat-path", "/chat",
                           connections=1)
        self.assertEqual(report["connections"]["opened"], 1)

    def test_padded_frames(self):
        self.load(self.serve("--padding=255"), "--chat-path", "/chat", requests=200,
                  concurrency=100)

    def test_prior_knowledge_over_plain_tcp(self):
        front = self.serve("--no-tls")
        front.url = front.url.replace("https:", "http:")
        self.load(front, "--chat-path", "/chat", requests=400, concurrency=100, connections=2)


if __name__ == "__main__":
    mock.main()
