#!/usr/bin/env python3
"""Ray Data: rows go through actors of the engine, and none of them is lost.

The types and the suite of `leat.ray` in an environment that has Ray; the example on a cluster of
this machine, two CPUs and a small store, against a gateway that fails some; and the program in the
guide. The comparison with Ray's own processor is bindings/python/bench/ray_rows.py."""
# ctest: peers 600 once
import json
import os
import subprocess
import tempfile
import unittest

import installed
import mock

BINDING = os.path.join(mock.SOURCE, "bindings", "python")
NEEDS = ("ray[data]>=2.44", "pytest", "mypy")
GUIDE = os.path.join(mock.SOURCE, "docs", "locust-and-ray.md")
SECONDS, ROWS = 180, 240
BODY = {"model": "m", "max_tokens": 5, "messages": [{"role": "user", "content": "hi"}]}


class Ray(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.venv = installed.python("ray", *NEEDS, tree=True)

    def run_python(self, *arguments, cwd=BINDING, **env):
        """-> what it printed. All that Ray starts ends with the process that started it; its
        actors look for modules in `cwd` first, which must not be where this tree's are."""
        ran = subprocess.run([self.venv.python, *arguments], cwd=cwd, text=True, timeout=SECONDS,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
                             env=mock.environment(LEAT_PROGRAM=mock.PROGRAM,
                                                  RAY_USAGE_STATS_ENABLED="0", **env))
        self.assertEqual(ran.returncode, 0, ran.stdout)
        return ran.stdout

    def test_is_typed(self):
        self.run_python("-m", "mypy", "--follow-imports=silent", "-p", "leat.ray")

    def test_passes_its_suite(self):
        said = self.run_python("-m", "pytest", "-q", "test_ray.py",
                               cwd=os.path.join(BINDING, "tests"))
        self.assertRegex(said, r"\d+ passed")
        self.assertNotIn("skipped", said)

    def test_every_row_of_a_cluster_comes_back_and_says_how_it_went(self):
        with mock.Mock("--ttft", "20ms", "--fault", "status=400:0.1") as gateway, \
                tempfile.TemporaryDirectory() as folder:
            asked, told = os.path.join(folder, "asked"), os.path.join(folder, "told.jsonl")
            os.mkdir(asked)
            for part in range(4):  # a block each
                with open(os.path.join(asked, f"{part}.jsonl"), "w", encoding="utf-8") as file:
                    for i in range(part, ROWS, 4):
                        file.write(json.dumps({"custom_id": f"{i:05}", "method": "POST",
                                               "url": "/v1/chat/completions", "body": BODY}))
                        file.write("\n")
                    file.write("this is no request\n")
            said = self.run_python(os.path.join(BINDING, "examples", "ray_batch.py"), asked,
                                   told, "--base-url", gateway.url, cwd=folder,
                                   LEAT_API_KEY="sk-tests-secret", LEAT_CA_FILE=gateway.ca)
            with open(told, encoding="utf-8") as file:
                rows = [json.loads(line) for line in file]
        self.assertNotIn("sk-tests-secret", said)
        self.check_rows(rows)

    def check_rows(self, rows):
        self.assertEqual(sorted(row["custom_id"] for row in rows if row["custom_id"]),
                         [f"{i:05}" for i in range(ROWS)])
        unread = [row for row in rows if not row["custom_id"]]
        self.assertEqual([row["error"]["code"] for row in unread], ["invalid_row"] * 4)
        refused = [row for row in rows if row["error"] and row["custom_id"]]
        self.assertGreater(len(refused), 0)
        for row in refused:
            self.assertEqual(row["error"]["code"], "LEAT_ESTATUS")
            self.assertEqual(row["response"]["status_code"], 400)
        for row in rows:
            if not row["error"]:
                self.assertEqual(row["response"]["body"]["usage"]["completion_tokens"], 5)

    def test_the_program_in_the_guide_runs(self):
        with open(GUIDE, encoding="utf-8") as file:
            block = file.read().split("~~~python\n")[2].split("~~~")[0]
        with mock.Mock("--ttft", "5ms", "--gap", "1ms") as gateway, \
                tempfile.TemporaryDirectory() as folder:
            program = block.replace("https://gateway.example", gateway.url)
            self.assertNotEqual(program, block)
            said = self.run_python("-c", program, cwd=folder, LEAT_API_KEY="k",
                                   LEAT_CA_FILE=gateway.ca)
        self.assertIn("1000 answered, 20000 tokens", said)


if __name__ == "__main__":
    mock.main()
