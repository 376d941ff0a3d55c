#!/usr/bin/env python3
"""Metrics end to end: the example's text and the file of --metrics, read by Prometheus' own Python
client and, where it is installed, by promtool."""
import os
import re
import shutil
import subprocess
import tempfile
import unittest

import mock

try:
    from prometheus_client.parser import text_string_to_metric_families as families
except ImportError:
    families = None


def values(text):
    """{(name, labels): value} of all samples, as Prometheus' client reads them."""
    found = {}
    for family in families(text):
        for sample in family.samples:
            found[sample.name, tuple(sorted(sample.labels.items()))] = sample.value
    return found


def check_tool(text):
    tool = shutil.which("promtool")
    if not tool:
        return
    ran = subprocess.run([tool, "check", "metrics"], input=text, text=True, capture_output=True,
                         timeout=30, check=False)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", ""), ran.stdout + ran.stderr


class Metrics(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.gateway = mock.Mock("--ttft", "5ms", "--gap", "2ms", "--events", "20")
        cls.folder = tempfile.TemporaryDirectory()

    @classmethod
    def tearDownClass(cls):
        cls.gateway.stop()
        cls.folder.cleanup()

    def path(self, name):
        return os.path.join(self.folder.name, name)

    def run_example(self, count):
        with open(self.path("key"), "w", encoding="utf-8") as file:
            file.write("sk-from-a-file\n")
        program = os.path.join(mock.BUILD, "examples", "metrics")
        env = mock.environment(SSL_CERT_FILE=self.gateway.ca)
        return subprocess.run([program, self.gateway.url, "m", self.path("key"), str(count)],
                              env=env, text=True, capture_output=True, timeout=60, check=False)

    def test_the_example(self):
        ran = self.run_example(10)
        self.assertEqual(ran.returncode, 0, ran.stderr)
        lines = ran.stderr.splitlines()
        starts = [line for line in lines if line.startswith("start ")]
        retries = [line for line in lines if line.startswith("retry ")]
        self.assertEqual(len(starts), 10 + len(retries))
        self.assertEqual(len([line for line in lines if line.startswith("done ")]), 10)
        self.assertNotIn("sk-from", ran.stdout + ran.stderr)
        check_tool(ran.stdout)
        if not families:
            return
        found = values(ran.stdout)
        chat = (("protocol", "openai-chat"),)
        self.assertEqual(found["leat_request_duration_seconds_count", chat], 10)
        self.assertEqual(found["leat_first_content_seconds_count", chat], 10)
        self.assertGreater(found["leat_content_gap_seconds_count", chat], 50)
        self.assertEqual(found["leat_requests_ended_total", (("outcome", "completed"),)], 10)
        tokens = tuple(sorted({"protocol": "openai-chat", "direction": "output"}.items()))
        self.assertEqual(found["leat_request_tokens_count", tokens], 10)

    def test_without_its_key_the_example_says_why(self):
        program = os.path.join(mock.BUILD, "examples", "metrics")
        ran = subprocess.run([program, self.gateway.url, "m", self.path("nowhere"), "2"],
                             env=mock.environment(SSL_CERT_FILE=self.gateway.ca), text=True,
                             capture_output=True, timeout=60, check=False)
        self.assertEqual(ran.returncode, 1)
        self.assertEqual(len(re.findall("^done .* LEAT_EIO$", ran.stderr, re.M)), 2)

    def test_the_file_of_the_program(self):
        path = self.path("leat.prom")
        ran = mock.leat("chat", "--base-url", self.gateway.url, "--cacert", self.gateway.ca,
                        "--model", "m", "hi", "--metrics", path, "--quiet")
        self.assertEqual(ran.returncode, 0, ran.stderr)
        with open(path, encoding="utf-8") as file:
            text = file.read()
        self.assertEqual([name for name in os.listdir(self.folder.name) if name.endswith("tmp")],
                         [])
        self.assertIn('leat_requests_ended_total{outcome="completed"} 1\n', text)
        self.assertIn('leat_request_duration_seconds_count{protocol="openai-chat"} 1\n', text)
        check_tool(text)
        if families:
            self.assertEqual(values(text)["leat_requests_in_flight", ()], 0)

    def test_a_file_that_cannot_be_written_is_said_once(self):
        path = os.path.join(self.folder.name, "missing", "leat.prom")
        ran = mock.leat("chat", "--base-url", self.gateway.url, "--cacert", self.gateway.ca,
                        "--model", "m", "hi", "--metrics", path, "--quiet")
        self.assertEqual(ran.returncode, 0)
        self.assertEqual(ran.stderr.count("cannot write"), 1)

    @unittest.skipUnless(families, "python3-prometheus-client is not installed")
    def test_prometheus_own_client_reads_it(self):
        ran = self.run_example(1)
        kinds = {family.name: family.type for family in families(ran.stdout)}
        self.assertEqual(kinds["leat_content_gap_seconds"], "histogram")
        self.assertEqual(kinds["leat_tls_handshakes"], "counter")
        self.assertEqual(kinds["leat_requests_in_flight"], "gauge")
        self.assertNotIn("unknown", kinds.values())


if __name__ == "__main__":
    mock.main()
