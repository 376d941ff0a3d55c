#!/usr/bin/env python3
"""The Python package: installs from this tree with one pip, is typed, and passes its own suite.

A virtual environment below the build folder has the package and what its tests run against (httpx,
httpx2, the official SDKs, uvloop, gevent); it is made once. Where no registry answers, or Python's
headers are missing, the test is skipped."""
# ctest: peers 900
import os
import shutil
import subprocess
import sys
import sysconfig
import unittest

import mock

VENV = os.path.join(mock.BUILD, "python-venv")
PYTHON = os.path.join(VENV, "bin", "python")
PACKAGE = os.path.join(mock.SOURCE, "bindings", "python")
NEEDS = ("pytest", "mypy", "httpx", "httpx2", "openai", "anthropic", "uvloop", "gevent")
BUILD_SECONDS, TEST_SECONDS = 600, 240


def run(*command, seconds, cwd=PACKAGE, **env):
    return subprocess.run(command, env={**os.environ, **env}, cwd=cwd, text=True, check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=seconds)


def make_venv():
    """Why there is none, or None."""
    header = os.path.join(sysconfig.get_path("include"), "Python.h")
    if not os.path.exists(header):
        return f"{header} is missing (python3-dev)"
    if not os.path.exists(PYTHON):
        made = run(sys.executable, "-m", "venv", VENV, seconds=120)
        if made.returncode == 0:
            made = run(PYTHON, "-m", "pip", "install", "-q", *NEEDS, seconds=BUILD_SECONDS)
        if made.returncode != 0:
            shutil.rmtree(VENV, ignore_errors=True)
            return f"no virtual environment: {made.stdout[-400:]}"
    return None


class PythonPackage(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        why = make_venv()
        if why:
            raise unittest.SkipTest(why)
        installed = run(PYTHON, "-m", "pip", "install", "-q", "--force-reinstall", "--no-deps",
                        PACKAGE, seconds=BUILD_SECONDS, CMAKE_BUILD_PARALLEL_LEVEL="2")
        if installed.returncode != 0:
            raise AssertionError(f"pip install: {installed.stdout[-4000:]}")

    def test_is_typed(self):
        checked = run(PYTHON, "-m", "mypy", seconds=TEST_SECONDS)
        self.assertEqual(checked.returncode, 0, checked.stdout)

    def test_passes_its_suite(self):
        # In the folder of the tests, so that the package is the one that was installed.
        ran = run(PYTHON, "-m", "pytest", "-q", ".", seconds=TEST_SECONDS,
                  cwd=os.path.join(PACKAGE, "tests"), LEAT_PROGRAM=mock.PROGRAM)
        self.assertEqual(ran.returncode, 0, ran.stdout)
        self.assertNotIn("no tests ran", ran.stdout)


if __name__ == "__main__":
    mock.main()
