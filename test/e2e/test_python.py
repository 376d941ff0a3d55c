#!/usr/bin/env python3
"""The Python package: installs from this tree with one pip, is typed, and passes its own suite.

A virtual environment below the build folder has the package and what its tests run against (httpx,
httpx2, the official SDKs, uvloop, gevent); it is made once. Where no registry answers, or Python's
headers are missing, the test is skipped.

With LEAT_PYTHON_ASAN=1 the extension is also built with ASan and UBSan and the suite run on that,
but for what takes its measure of memory; LEAT_SOAK_REQUESTS=10000 makes its soaks what a release
is given."""
# ctest: peers 1500 once
import os
import re
import shutil
import subprocess
import unittest

import installed
import mock

PACKAGE = os.path.join(mock.SOURCE, "bindings", "python")
NEEDS = ("pytest", "mypy", "httpx", "httpx2", "openai", "anthropic", "uvloop", "gevent",
         "pyright")
TEST_SECONDS = 600
BUILD_SECONDS = 300
ASAN_BUILD = os.path.join(mock.BUILD, "python-asan")


def run(*command, seconds, cwd=PACKAGE, **env):
    return subprocess.run(command, env={**os.environ, **env}, cwd=cwd, text=True, check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=seconds)


class PythonPackage(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.python = installed.python("python", *NEEDS, tree=True).python

    def test_is_typed(self):
        checked = run(self.python, "-m", "mypy", seconds=TEST_SECONDS)
        self.assertEqual(checked.returncode, 0, checked.stdout)

    def test_is_typed_for_pyright_too(self):
        if not shutil.which("node"):
            self.skipTest("node is not installed, which pyright runs on")
        checked = run(self.python, "-m", "pyright", "--pythonpath", self.python,
                      seconds=TEST_SECONDS)
        if not re.search(r"^\d+ errors?, ", checked.stdout, re.MULTILINE):
            self.skipTest(f"pyright cannot be had: {checked.stdout.strip()[-200:]}")
        self.assertEqual(checked.returncode, 0, checked.stdout)

    @unittest.skipUnless(os.environ.get("LEAT_PYTHON_ASAN"), "LEAT_PYTHON_ASAN is not set")
    def test_passes_its_suite_under_sanitizers(self):
        for step in (("-S", PACKAGE, "-B", ASAN_BUILD, "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Debug",
                      "-DCMAKE_C_FLAGS_DEBUG=-O1 -g", "-DLEAT_SANITIZE=ON",
                      f"-DPython_EXECUTABLE={self.python}"),
                     ("--build", ASAN_BUILD, "--target", "_core", "-j2")):
            made = run("cmake", *step, seconds=BUILD_SECONDS)
            self.assertEqual(made.returncode, 0, made.stdout[-4000:])
        package = os.path.join(ASAN_BUILD, "site", "leat")
        shutil.rmtree(package, ignore_errors=True)
        shutil.copytree(os.path.join(PACKAGE, "leat"), package)
        shutil.copy(os.path.join(ASAN_BUILD, "_core.abi3.so"), package)
        library = run("cc", "-print-file-name=libasan.so", seconds=10).stdout.strip()
        ran = run(self.python, "-m", "pytest", "-q", ".", "--deselect", "test_soak.py",
                  seconds=BUILD_SECONDS, cwd=os.path.join(PACKAGE, "tests"),
                  LEAT_PROGRAM=mock.PROGRAM, PYTHONPATH=os.path.dirname(package),
                  PYTHONMALLOC="malloc", LD_PRELOAD=library,
                  ASAN_OPTIONS="detect_leaks=0")  # the interpreter's own would be told
        self.assertEqual(ran.returncode, 0, ran.stdout)
        self.assertIn(" passed", ran.stdout)

    def test_passes_its_suite(self):
        # In the folder of the tests, so that the package is the one that was installed.
        ran = run(self.python, "-m", "pytest", "-q", ".", seconds=TEST_SECONDS,
                  cwd=os.path.join(PACKAGE, "tests"), LEAT_PROGRAM=mock.PROGRAM)
        self.assertEqual(ran.returncode, 0, ran.stdout)
        self.assertNotIn("no tests ran", ran.stdout)


if __name__ == "__main__":
    mock.main()
