#!/usr/bin/env python3
"""Bursts of uploads and chats over HTTP/2 while the gateway leaves (GOAWAY) and refuses streams,
and through windows that come back late: none is lost, and the gateway is asked for none twice. The
client is that of bench/uploads/run.sh, which names each request; the gateway counts the names."""
# ctest: e2e 240
import json
import os
import ssl
import subprocess
import unittest
import urllib.request

import mock

CLIENT = os.path.join(mock.BUILD, "uploads")
QUICK = ("--ttft", "5ms", "--gap", "2ms", "--events", "5")


def counters(gateway):
    trust = ssl.create_default_context(cafile=gateway.ca)
    with urllib.request.urlopen(f"{gateway.url}/stats", context=trust,
                                timeout=mock.WAIT_SECONDS) as answer:
        return json.load(answer)


class Bursts(unittest.TestCase):
    def client(self, gateway, **settings):
        """-> what it printed, when it lost nothing."""
        ran = subprocess.run([CLIENT, gateway.url, gateway.ca,
                              *(f"{name}={value}" for name, value in settings.items())],
                             stdin=subprocess.DEVNULL, capture_output=True, text=True,
                             timeout=100, check=False, env=mock.environment())
        self.assertEqual(ran.returncode, 0, ran.stderr)
        said = json.loads(ran.stdout)
        self.assertEqual((said["lost"], said["maybe_twice"]), (0, 0))
        return said

    def burst(self, *options, uploads=24, chats=60, waves=3, **settings):
        """-> what the client said, and the gateway's counters of HTTP/2."""
        with mock.Mock(*QUICK, *options) as gateway:
            said = self.client(gateway, uploads=uploads, chats=chats, waves=waves,
                               bytes=settings.pop("bytes", 300_000), **settings)
            seen, asked = counters(gateway), (uploads + chats) * waves
            self.assertEqual({name: seen["ids"][name] for name in ("done", "repeated")},
                             {"done": asked, "repeated": 0})
            self.assertEqual(len(said["uploads"]) + len(said["chats"]), asked)
            return said, seen["h2"]

    def check_leaving(self, *options, **settings):
        said, h2 = self.burst("--fault", "goaway:0.04", *options, http=2, **settings)
        self.assertGreater(h2["goaways"], 0)
        self.assertGreater(said["replayed"], 0)
        self.assertEqual(said["retried"], said["replayed"])
        self.assertGreater(said["connections"], 1)

    def test_h2_08_goaway_in_the_midst_of_uploads(self):
        self.check_leaving()

    def test_h2_08_goaway_in_the_midst_of_uploads_that_crawl(self):
        self.check_leaving("--h2-window", "65535", "--h2-window-delay", "5ms")

    def test_h2_08_goaway_in_the_midst_of_chats(self):
        self.check_leaving(uploads=0, chats=300)

    def test_h2_08_goaway_before_a_connections_first_request(self):
        """Each tenth connection takes up nothing at all: that the others do is what counts."""
        with mock.Mock(*QUICK, "--fault", "goaway:0.1") as gateway:
            said = self.client(gateway, uploads=0, chats=300, waves=3, http=2)
        self.assertGreater(said["connections"], 30)

    def test_h2_08_goaway_with_an_error_code(self):
        said, _ = self.burst("--fault", "goaway=11:0.02", http=2)
        self.assertGreater(said["replayed"], 0)

    def test_h2_09_streams_refused_in_the_midst_of_uploads(self):
        said, h2 = self.burst("--fault", "refused:0.2", http=2)
        self.assertGreater(h2["refused"], 10)
        self.assertGreaterEqual(said["replayed"], h2["refused"])

    def test_h2_09_streams_refused_in_the_midst_of_chats(self):
        said, h2 = self.burst("--fault", "refused:0.2", http=2, uploads=0, chats=300)
        self.assertGreaterEqual(said["replayed"], h2["refused"])

    def test_h2_09_all_of_it_at_once_with_few_streams(self):
        self.check_leaving("--fault", "refused:0.1", "--fault", "maxstreams=4:0.02",
                           "--h2-streams", "20", "--h2-window", "100000", "--h2-window-delay",
                           "2ms")

    def test_h2_08_as_the_server_offers(self):
        """Large bodies may go over HTTP/1.1 then, which no GOAWAY meets."""
        _, h2 = self.burst("--fault", "goaway:0.04", "--fault", "refused:0.1", "--h2-window",
                           "65535")
        self.assertGreater(h2["goaways"] + h2["refused"], 0)


class Windows(unittest.TestCase):
    """What placement is for: the figures are those of bench/uploads/run.sh, in small. The shared
    connection needs 3 s by its window alone, however fast the machine is."""

    def times(self, **settings):
        with mock.Mock(*QUICK, "--h2-window", "65535", "--h2-window-delay", "30ms") as gateway:
            said = Bursts.client(self, gateway, uploads=12, bytes=512 << 10, chats=40, **settings)
            self.assertEqual(counters(gateway)["ids"]["repeated"], 0)
            return sorted(said["uploads"])[6], sorted(said["chats"])[20], said

    def test_placement_beats_one_shared_connection(self):
        upload, chat, said = self.times()
        shared, _, _ = self.times(http=2, h2_conns=1)
        self.assertLess(3 * upload, shared)
        self.assertLess(3 * chat, shared)
        self.assertEqual(said["connections"] - said["http2"], 12)  # each over HTTP/1.1

    def test_placement_over_http2_alone(self):
        upload, chat, said = self.times(http=2)
        shared, _, _ = self.times(http=2, h2_conns=1)
        self.assertLess(3 * upload, shared)
        self.assertLess(3 * chat, shared)
        self.assertEqual((said["connections"], said["http2"]), (8, 8))

    def test_more_uploads_than_http1_has_connections_share_http2(self):
        """Each answer keeps its HTTP/1.1 connection for 2 s: no upload waits for one of those."""
        slow = ("--ttft", "1s", "--gap", "100ms", "--events", "10")
        with mock.Mock(*slow, "--h2-window", "65535", "--h2-window-delay", "1ms") as gateway:
            said = Bursts.client(self, gateway, uploads=60, bytes=100_000, chats=20, conns=10)
            seen = counters(gateway)
        self.assertEqual(seen["ids"]["repeated"], 0)
        self.assertEqual(seen["h1"]["requests"] - 1, 10)  # besides the counters
        self.assertEqual(seen["h2"]["requests"], 70)
        self.assertEqual(said["connections"] - said["http2"], 10)


if __name__ == "__main__":
    mock.main()
