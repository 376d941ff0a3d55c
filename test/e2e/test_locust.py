#!/usr/bin/env python3
"""Locust: its users go through the engine, its master and workers carry the load.

The types and the suite of `leat.locust` in an environment that has Locust; the example with a
master and two workers, whose sums are held against what the gateway counted; and 200 users of one
worker whose requests are under way together. The file in the guide runs, too."""
# ctest: peers 600 once
import json
import os
import re
import signal
import ssl
import subprocess
import tempfile
import time
import unittest
import urllib.request

import installed
import mock

BINDING = os.path.join(mock.SOURCE, "bindings", "python")
GUIDE = os.path.join(mock.SOURCE, "docs", "locust-and-ray.md")
EXAMPLE = os.path.join(BINDING, "examples", "locustfile.py")
NEEDS = ("locust>=2.32", "pytest", "mypy")
SECONDS, OVERLAP_SECONDS, USERS = 180, 90, 200
SLOW = """
import locust, os
import leat.locust

class Slow(leat.locust.LeatUser):
    api_key, model = "k", "m"
    client_options = {"ca_file": os.environ["LEAT_CA_FILE"]}
    @locust.task
    def ask(self):
        self.client.chat("hi")
"""


def stats(gateway):
    """What the gateway counts."""
    context = ssl.create_default_context(cafile=gateway.ca) if gateway.ca else None
    with urllib.request.urlopen(gateway.url + "/stats", timeout=20, context=context) as answer:
        return json.load(answer)


class Locust(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.venv = installed.python("locust", *NEEDS, tree=True)

    def run_python(self, *arguments, cwd):
        ran = subprocess.run([self.venv.python, *arguments], cwd=cwd, text=True, timeout=SECONDS,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
                             env=mock.environment(LEAT_PROGRAM=mock.PROGRAM))
        self.assertEqual(ran.returncode, 0, ran.stdout)
        return ran.stdout

    def command(self, *arguments):
        return [self.venv.python, "-m", "locust", *arguments]

    def test_is_typed(self):
        self.run_python("-m", "mypy", "--follow-imports=silent", "-p", "leat.locust", cwd=BINDING)

    def test_passes_its_suite(self):
        said = self.run_python("-m", "pytest", "-q", "test_locust.py",
                               cwd=os.path.join(BINDING, "tests"))
        self.assertRegex(said, r"\d+ passed")
        self.assertNotIn("skipped", said)

    def test_a_master_and_two_workers_tell_what_the_gateway_counted(self):
        with mock.Mock("--ttft", "20ms", "--gap", "2ms", "--fault",
                       "truncate=900:0.2") as gateway:
            port = str(mock.free_port())
            env = mock.environment(LEAT_API_KEY="sk-tests-secret", LEAT_CA_FILE=gateway.ca)
            master = mock.Server(
                self.command("-f", EXAMPLE, "--master", "--headless", "--master-bind-port", port,
                             "--expect-workers", "2", "-u", "40", "-r", "40", "-t", "5s",
                             "--stop-timeout", "60", "--host", gateway.url, "--json",
                             "--exit-code-on-error", "0"), env=env)
            workers = [mock.Server(self.command("-f", EXAMPLE, "--worker",
                                                "--master-port", port), env=env) for _ in range(2)]
            try:
                self.assertEqual(master.ended(SECONDS), 0, master.text())
                for worker in workers:
                    worker.ended()
            finally:
                for server in (master, *workers):
                    server.stop()
            counted = stats(gateway)
        said = master.text()
        self.assertNotIn("sk-tests-secret", said)
        self.check_rows(said, counted)

    def check_rows(self, said, counted):
        table, _ = json.JSONDecoder().raw_decode(said[said.index("[\n"):])
        rows = {(row["method"], row["name"]): row for row in table}
        chats = [rows["chat", f"{turn} turn"] for turn in ("first", "second")]
        requests = sum(row["num_requests"] for row in chats)
        failures = sum(row["num_failures"] for row in chats)
        self.assertEqual(requests, counted["streams"], said)
        self.assertEqual(failures, counted["faults"])
        self.assertGreater(failures, 0)
        for kind in ("ttft", "itl"):
            told = sum(rows[kind, f"{turn} turn"]["num_requests"] for turn in ("first", "second"))
            self.assertEqual(told, requests - failures)
        found = re.search(r"(\d+) tokens in, (\d+) out, over (\d+) chats", said)
        self.assertEqual(int(found[3]), requests - failures)
        self.assertEqual(int(found[2]), 40 * (requests - failures))

    def test_the_file_in_the_guide_runs(self):
        with open(GUIDE, encoding="utf-8") as file:
            block = file.read().split("~~~python\n")[1].split("~~~")[0]
        with mock.Mock("--plain") as gateway, tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "locustfile.py")
            with open(path, "w", encoding="utf-8") as file:
                file.write(block)
            said = self.run_python("-m", "locust", "-f", path, "--headless", "-u", "3", "-t", "3s",
                                   "-r", "3", "--host", gateway.url, "--only-summary", cwd=folder)
        for row in ("chat +rivers", "ttft +rivers", "itl +longest"):
            self.assertRegex(said, rf"{row} +[1-9]\d* +0\(0.00%\)")

    def test_two_hundred_users_of_one_worker_overlap(self):
        with mock.Mock("--ttft", "5s", "--gap", "50ms", "--events",
                       "20") as gateway, tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "slow.py")
            with open(path, "w", encoding="utf-8") as file:
                file.write(SLOW)
            command = self.command("-f", path, "--headless", "-u", str(USERS), "-r", str(USERS),
                                   "--host", gateway.url, "--loglevel", "WARNING")
            with mock.Server(command, env=mock.environment(LEAT_CA_FILE=gateway.ca)) as worker:
                until = time.monotonic() + OVERLAP_SECONDS
                while stats(gateway)["streams"] < 2 * USERS and time.monotonic() < until:
                    time.sleep(0.2)
                seen = stats(gateway)
                worker.process.send_signal(signal.SIGTERM)
                worker.ended()
                said = worker.text()
        self.assertEqual(seen["peak"], USERS, said)
        self.assertGreaterEqual(seen["streams_done"], USERS)
        self.assertNotIn("Traceback", said)
        self.assertEqual(worker.process.returncode, 0, said)


if __name__ == "__main__":
    mock.main()
