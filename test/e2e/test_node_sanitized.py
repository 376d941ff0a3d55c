#!/usr/bin/env python3
"""The Node binding under AddressSanitizer and UndefinedBehaviorSanitizer: its suite, but for what
needs the SDKs. Node itself is not built with them: their runtime is loaded in front of it."""
# ctest: peers 900 once
import os
import subprocess
import unittest

import mock
import node_project as package

FOLDER = os.path.join(mock.BUILD, "node-sanitized")
TEST_SECONDS = 280
SUITES = ("client", "flow", "socket", "life", "fetch")
TESTS_LEAST = 60


def runtime():
    """The sanitizer's shared object that belongs to the compiler, or None."""
    compiler = os.environ.get("CC", "cc")
    path = subprocess.run([compiler, "-print-file-name=libasan.so"], capture_output=True,
                          text=True, check=False).stdout.strip()
    return path if os.path.isabs(path) and os.path.exists(path) else None


def build(nodedir):
    for command in (
            ("cmake", "-S", package.PACKAGE, "-B", FOLDER, "-DCMAKE_BUILD_TYPE=Debug",
             "-DCMAKE_C_FLAGS_DEBUG=-O1 -g1", "-DLEAT_SANITIZE=ON", f"-DLEAT_NODEDIR={nodedir}"),
            ("cmake", "--build", FOLDER, "--target", "leat_node", "--parallel", "2")):
        made = package.run(*command, seconds=package.BUILD_SECONDS)
        if made.returncode != 0:
            raise AssertionError(f"{' '.join(command)}: {made.stdout[-4000:]}")


class NodeSanitized(unittest.TestCase):
    def test_passes_its_suite(self):
        library = runtime()
        if library is None:
            self.skipTest("the compiler has no shared libasan")
        node, nodedir = package.find_node()
        build(nodedir)
        ran = package.run(
            node, "--test", "--test-reporter=tap", "--test-timeout=120000",
            *(os.path.join("test", f"test_{name}.mjs") for name in SUITES),
            seconds=TEST_SECONDS, LD_PRELOAD=library, LEAT_SANITIZED="1",
            LEAT_NODE_ADDON=os.path.join(FOLDER, "leat.node"), LEAT_PROGRAM=mock.PROGRAM,
            ASAN_OPTIONS="detect_leaks=0", UBSAN_OPTIONS="print_stacktrace=1")
        self.assertEqual(ran.returncode, 0, ran.stdout[-8000:])
        self.assertNotIn("AddressSanitizer", ran.stdout)
        self.assertNotIn("runtime error:", ran.stdout)
        passed = int(ran.stdout.rsplit("# pass ", 1)[1].split()[0])
        self.assertGreater(passed, TESTS_LEAST, ran.stdout[-2000:])


if __name__ == "__main__":
    mock.main()
