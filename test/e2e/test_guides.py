#!/usr/bin/env python3
"""What stands in the guides is true: every block of code in docs/*.md is run, with a gateway of the
tests in the place of https://gateway.example.

```sh runs by bash, with the program in its path, what takes minutes in short; ```sh read is read by
bash alone, since others install, and have machines to reach. ```json is a config of its guide. ```c
is a program, which is built with warnings as errors and runs; ```c part stands in a function that
has what the guide speaks of. ```python and ```js run with this tree's packages."""
# ctest: peers 900 once
import glob
import os
import re
import subprocess
import tempfile
import unittest

import installed
import mock
import node_project

DOCS = os.path.join(mock.SOURCE, "docs")
GATEWAY = "https://gateway.example"
NEEDS = ("fastapi", "uvicorn", "openai", "anthropic", "httpx", "httpx2", "pdoc")
# What it says runs as root, and has tests of its own.
ELSEWHERE = {"packages.md"}
KINDS = {"sh", "sh read", "json", "c", "c part", "python", "js"}
BLOCK = re.compile(r"^```([a-z][a-z ]*)\n(.*?)^```$", re.M | re.S)
SHORTER = (("--duration 1m", "--duration 1s"), ("--warmup 10s", "--warmup 200ms"),
           ("rate=5..320", "rate=5..20"), ('"duration": "2m", "warmup": "10s"', '"duration": "1s"'))
INVALID_EXIT = 4  # of --strict: a machine that is busy with other tests
LINK = re.compile(r"\]\((?!https?:)([^)#]+)")
PART = """#include <stdio.h>
#include <string.h>
#include <leat.h>
void part(leat_engine *engine, struct uv_loop_s *loop, leat_id id, const leat_result *result,
          void (*run_there)(leat_engine *, void *), void *user);
void part(leat_engine *engine, struct uv_loop_s *loop, leat_id id, const leat_result *result,
          void (*run_there)(leat_engine *, void *), void *user) {
  leat_config config;
  leat_request request;
  leat_config_init(&config);
  leat_request_init(&request);
  (void)engine, (void)loop, (void)id, (void)result, (void)run_there, (void)user, (void)config;
%s}
"""
WARNINGS = ("-std=c11", "-Wall", "-Wextra", "-Wshadow", "-Werror")


def guides():
    return sorted(glob.glob(os.path.join(DOCS, "*.md")))


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def blocks(kind):
    """(guide, number, text) of all blocks of a kind."""
    for path in guides():
        name = os.path.basename(path)
        if name not in ELSEWHERE:
            for i, (found, text) in enumerate(BLOCK.findall(read(path)), 1):
                if found == kind:
                    yield name, i, text


class Guides(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.gateway = mock.Mock("--plain", "--ttft", "5ms", "--gap", "2ms", "--events", "20")
        cls.folder = tempfile.TemporaryDirectory()
        programs = os.path.dirname(os.path.abspath(mock.PROGRAM))
        cls.env = mock.environment(LEAT_API_KEY="sk-guide",
                                   OPENAI_BASE_URL=cls.gateway.url,
                                   PATH=f"{programs}:{os.environ['PATH']}")

    @classmethod
    def tearDownClass(cls):
        cls.gateway.stop()
        cls.folder.cleanup()

    def put(self, name, text, folder=None):
        path = os.path.join(folder or self.folder.name, name)
        for long, short in ((GATEWAY, self.gateway.url), *SHORTER):
            text = text.replace(long, short)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def run_here(self, *command, cwd=None, codes=(0,)):
        ran = subprocess.run(command, env=self.env, cwd=cwd or self.folder.name, text=True,
                             stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=False,
                             stderr=subprocess.STDOUT, timeout=100)
        self.assertIn(ran.returncode, codes, ran.stdout[-3000:])
        return ran.stdout

    def each(self, kind, least, check):
        """Every block of a kind; there are at least so many, or they are not found any more."""
        found = list(blocks(kind))
        self.assertGreaterEqual(len(found), least)
        for guide, i, text in found:
            with self.subTest(guide=guide, block=i):
                check(f"{guide}-{i}", text)

    def test_every_block_is_of_a_known_kind(self):
        for path in guides():
            if os.path.basename(path) not in ELSEWHERE:
                text = read(path)
                self.assertEqual({kind for kind, _ in BLOCK.findall(text)} - KINDS, set(), path)
                self.assertEqual(len(re.findall("^```", text, re.M)), 2 * len(BLOCK.findall(text)),
                                 path)

    def test_links_lead_somewhere(self):
        for path in [*guides(), *glob.glob(f"{mock.SOURCE}/bindings/examples/*/README.md")]:
            for link in LINK.findall(read(path)):
                self.assertTrue(os.path.exists(os.path.join(os.path.dirname(path), link)),
                                f"{path}: {link}")
        index = read(os.path.join(DOCS, "README.md"))
        for path in guides():
            name = os.path.basename(path)
            self.assertTrue(name == "README.md" or f"({name})" in index, name)

    def test_commands_do_what_they_say(self):
        for guide, _, text in blocks("json"):
            self.assertEqual(guide, "load.md")
            self.put("nightly.json", text)

        def check(name, text):
            codes = (0, INVALID_EXIT) if "--strict" in text else (0,)
            self.assertNotEqual(self.run_here("bash", "-eu", self.put(name, text), codes=codes), "")
        self.each("sh", 9, check)

    def test_commands_for_elsewhere_can_be_read(self):
        def check(name, text):
            self.run_here("bash", "-n", self.put(name, text))
        self.each("sh read", 4, check)

    def test_c_programs_run(self):
        sanitized = "LEAT_SANITIZE:BOOL=ON" in read(os.path.join(mock.BUILD, "CMakeCache.txt"))
        def check(name, text):
            program = os.path.join(self.folder.name, "program")
            self.run_here("cc", *WARNINGS, *(["-fsanitize=address,undefined"] * sanitized),
                          "-I", f"{mock.SOURCE}/engine", self.put(f"{name}.c", text), "-o", program,
                          "-L", mock.BUILD, "-lleat", f"-Wl,-rpath,{mock.BUILD}")
            self.assertGreater(len(self.run_here(program)), 100)
        self.each("c", 1, check)

    def test_parts_of_c_programs_compile(self):
        def check(name, text):
            self.run_here("cc", *WARNINGS, "-I", f"{mock.SOURCE}/engine", "-fsyntax-only",
                          self.put(f"{name}.c", PART % text))
        self.each("c part", 7, check)

    def test_python_programs_run(self):
        python = installed.python("documents", *NEEDS, tree=True).python

        def check(name, text):
            self.assertNotEqual(self.run_here(python, self.put(f"{name}.py", text)), "")
        self.each("python", 6, check)

    def test_node_programs_run(self):
        project = node_project.make()

        def check(name, text):
            with project.scratch() as folder:
                self.run_here(project.node, self.put(f"{name}.mjs", text, folder))
        self.each("js", 2, check)


if __name__ == "__main__":
    mock.main()
