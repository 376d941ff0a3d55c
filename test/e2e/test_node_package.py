#!/usr/bin/env python3
"""The Node package: installs from this tree with one npm (node_project.py), is typed, and passes
its own suite."""
# ctest: peers 900 once
import json
import os
import re
import shutil
import unittest

import mock
import node_project
from node_project import PACKAGE, run

TEST_SECONDS = 280
TESTS_LEAST = 60
PROGRAM = """
import { Client, createFetch } from 'leat';
const [url, caFile] = process.argv.slice(2);
const client = new Client({ baseURL: url, apiKey: 'k', caFile });
let said = '';
for await (const event of client.chat('hi', { model: 'm' })) said += event.text;
const answer = await createFetch({ caFile })(`${url}/v1/models`);
console.log(JSON.stringify({ said: said.length, status: answer.status }));
"""
TSCONFIG = {
    "compilerOptions": {
        "strict": True, "noEmit": True, "target": "es2022", "lib": ["esnext"],
        "module": "nodenext", "types": ["node"]},
    "files": ["types.ts", "../node_modules/leat/lib/native.d.ts"]}


class NodePackage(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.project = node_project.make()
        cls.node = cls.project.node
        cls.env = {**cls.project.env, "LEAT_PROGRAM": mock.PROGRAM,
                   "LEAT_CORPORA": mock.corpora() or ""}

    def test_streams_where_it_was_installed(self):
        with self.project.scratch() as folder, mock.Mock() as gateway:
            with open(os.path.join(folder, "main.js"), "w", encoding="utf-8") as file:
                file.write(PROGRAM)
            ran = run(self.node, "main.js", gateway.url, gateway.ca, seconds=60, cwd=folder,
                      **self.env)
        self.assertEqual(ran.returncode, 0, ran.stdout)
        self.assertEqual(json.loads(ran.stdout)["status"], 200)
        self.assertGreater(json.loads(ran.stdout)["said"], 100)

    def test_is_typed(self):
        tsc = os.path.join(self.project.peers, "node_modules", "typescript", "bin", "tsc")
        with self.project.scratch() as folder:
            shutil.copy(os.path.join(PACKAGE, "test", "types.ts"), folder)
            with open(os.path.join(folder, "tsconfig.json"), "w", encoding="utf-8") as file:
                json.dump(TSCONFIG, file)
            checked = run(self.node, tsc, "-p", folder, seconds=TEST_SECONDS, **self.env)
        self.assertEqual(checked.returncode, 0, checked.stdout)

    def test_passes_its_suite(self):
        tests = sorted(name for name in os.listdir(os.path.join(PACKAGE, "test"))
                       if name.startswith("test_") and name.endswith(".mjs"))
        ran = run(self.node, "--test", "--test-reporter=spec", "--test-timeout=120000",
                  *(os.path.join("test", name) for name in tests), seconds=TEST_SECONDS, **self.env)
        self.assertEqual(ran.returncode, 0, ran.stdout[-8000:])
        counts = dict(re.findall(r"(tests|pass|fail|skipped) (\d+)", ran.stdout))
        self.assertGreater(int(counts["pass"]), TESTS_LEAST, ran.stdout[-2000:])
        if int(counts["skipped"]):
            print(f"{counts['skipped']} of the package's tests were skipped:")
            print("\n".join(re.findall(r".*# .*", ran.stdout)))

    def test_packs_what_a_user_needs(self):
        packed = run("npm", "pack", "--dry-run", "--json", "--ignore-scripts", seconds=60,
                     **self.env)
        self.assertEqual(packed.returncode, 0, packed.stdout)
        names = {file["path"] for file in json.loads(packed.stdout[packed.stdout.index("["):])
                 [0]["files"]}
        for name in ("package.json", "README.md", "build.js", "lib/index.js", "lib/index.d.ts"):
            self.assertIn(name, names)
        foreign = [name for name in names if re.match(r"(test|bench|src|build)/", name)]
        self.assertEqual(foreign, [])


if __name__ == "__main__":
    mock.main()
