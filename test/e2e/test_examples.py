#!/usr/bin/env python3
"""Each example program, run against the gateway as its comment says."""
import os
import re
import socket
import subprocess
import time
import unittest

import mock

QUICK = ("--ttft", "5ms", "--gap", "2ms", "--events", "20")


def example(name):
    return os.path.join(mock.BUILD, "examples", name)


def run(name, *arguments, ca=None, said=""):
    env = mock.environment(LEAT_API_KEY="sk-test", **({"SSL_CERT_FILE": ca} if ca else {}))
    return subprocess.run([example(name), *arguments], env=env, input=said, text=True,
                          capture_output=True, timeout=60, check=False)


class ExamplesTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.gateway = mock.Mock(*QUICK)

    @classmethod
    def tearDownClass(cls):
        cls.gateway.stop()

    def run_here(self, name, *arguments):
        return run(name, self.gateway.url, "m", *arguments, ca=self.gateway.ca)

    def test_wrong_use(self):
        for name in ("stream", "many", "tasks", "sockets", "borrowed_loop", "metrics", "lanes"):
            ran = run(name)
            self.assertEqual(ran.returncode, 2, name)
            self.assertTrue(ran.stderr.startswith(f"usage: {name} "), ran.stderr)

    def test_stream(self):
        ran = self.run_here("stream", "hi")
        self.assertEqual((ran.returncode, ran.stderr), (0, ""))
        self.assertGreater(len(ran.stdout), 40)

    def test_sockets(self):
        echo = self.gateway.url.replace("https:", "wss:") + "/ws/echo"
        ran = run("sockets", echo, "100", "5", ca=self.gateway.ca)
        self.assertEqual((ran.returncode, ran.stderr), (0, ""))
        self.assertEqual(ran.stdout, "100 sockets open at once, 500 messages echoed, 0 wrong, "
                                     "0 sockets failed\n")

    def test_sockets_say_what_failed(self):
        for path, *words in (("/nowhere", "404"), ("/ws/echo?close=4001&after=1", "4001"),
                             ("/ws/echo?alien=1", "subprotocol")):
            url = self.gateway.url.replace("https:", "wss:") + path
            ran = run("sockets", url, "10", "3", ca=self.gateway.ca)
            self.assertEqual(ran.returncode, 1)
            for word in words:
                self.assertIn(word, ran.stderr)
        self.assertEqual(run("sockets", "ftp://x", "10", "3").returncode, 1)

    def test_stream_says_what_failed(self):
        ran = run("stream", f"https://127.0.0.1:{mock.free_port()}", "m", "hi", ca=self.gateway.ca)
        self.assertEqual(ran.returncode, 1)
        self.assertIn("LEAT_EREFUSED", ran.stderr)

    def test_stream_does_not_trust_anybody(self):
        ran = run("stream", self.gateway.url, "m", "hi")
        self.assertEqual(ran.returncode, 1)
        self.assertIn("LEAT_ECERT", ran.stderr)

    def test_lanes(self):
        lines = "ann: one\nBOB: two\nann: three\nno chat\nann: four\nBOB: five\ncat: six\n"
        ran = run("lanes", self.gateway.url, "m", ca=self.gateway.ca, said=lines)
        self.assertEqual((ran.returncode, ran.stderr), (0, ""))
        self.assertEqual(ran.stdout.splitlines()[-1], "3 answered, 3 superseded, 0 failed")
        for name in ("BOB", "ann", "cat"):
            self.assertEqual(len(re.findall(f"^{name}: ", ran.stdout, re.M)), 1, name)

    def test_many(self):
        ran = self.run_here("many", "100", "4")
        self.assertEqual(ran.returncode, 0, ran.stdout + ran.stderr)
        lines = ran.stdout.splitlines()
        self.assertRegex(lines[-1], r"^100 good, 0 bad, [1-4] connections, 1 full handshakes$")
        self.assertEqual({int(line.split(":")[0]) for line in lines[:-1]}, set(range(1, 101)))

    def test_many_counts_what_failed(self):
        ran = run("many", f"https://127.0.0.1:{mock.free_port()}", "m", "3", "2",
                  ca=self.gateway.ca)
        self.assertEqual(ran.returncode, 1)
        self.assertIn("0 good, 3 bad", ran.stdout)

    def test_tasks(self):
        with mock.Mock("--task-bytes", "100000", "--task-queued", "10ms",
                       "--task-time", "200ms") as gateway:
            path = os.path.join(gateway.folder.name, "video")
            ran = run("tasks", gateway.url, "m", "a cat", path, "0.05", ca=gateway.ca)
            self.assertEqual(ran.returncode, 0, ran.stderr)
            self.assertEqual(os.path.getsize(path), 100000)
            self.assertRegex(ran.stdout, r"^\S+ done: 100000 bytes after \d+ polls\n$")

    def test_borrowed_loop_echoes_while_it_chats(self):
        with mock.Mock("--ttft", "3s", "--gap", "10ms", "--events", "50") as gateway:
            env = mock.environment(SSL_CERT_FILE=gateway.ca)
            with subprocess.Popen([example("borrowed_loop"), gateway.url, "m", "hi"], env=env,
                                  stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
                                  stderr=subprocess.PIPE,
                                  preexec_fn=mock.die_with_parent) as process:
                said = process.stderr.readline()
                port = int(re.fullmatch(r"echo on 127\.0\.0\.1:(\d+)\n", said)[1])
                started = time.monotonic()
                self.assertEqual(echo(port, b"x" * 10000), b"x" * 10000)
                self.assertLess(time.monotonic() - started, 2.9)
                out, err = process.communicate(timeout=30)
        self.assertEqual(process.returncode, 0, err)
        self.assertGreater(len(out), 100)
        self.assertGreater(int(re.fullmatch(r"(\d+) ticks meanwhile\n", err)[1]), 2)


def echo(port, sent):
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(sent)
        got = b""
        while len(got) < len(sent):
            piece = connection.recv(65536)
            if not piece:
                break
            got += piece
    return got


if __name__ == "__main__":
    mock.main()
