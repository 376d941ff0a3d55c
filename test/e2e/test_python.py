#!/usr/bin/env python3
"""The Python package: installs from this tree with one pip, is typed, and passes its own suite.

A virtual environment below the build folder has the package and what its tests run against (httpx,
httpx2, the official SDKs, uvloop, gevent); it is made once. Where no registry answers, or Python's
headers are missing, the test is skipped."""
# ctest: peers 900 once
import os
import subprocess
import unittest

import installed
import mock

PACKAGE = os.path.join(mock.SOURCE, "bindings", "python")
NEEDS = ("pytest", "mypy", "httpx", "httpx2", "openai", "anthropic", "uvloop", "gevent")
TEST_SECONDS = 240


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

    def test_passes_its_suite(self):
        # In the folder of the tests, so that the package is the one that was installed.
        ran = run(self.python, "-m", "pytest", "-q", ".", seconds=TEST_SECONDS,
                  cwd=os.path.join(PACKAGE, "tests"), LEAT_PROGRAM=mock.PROGRAM)
        self.assertEqual(ran.returncode, 0, ran.stdout)
        self.assertNotIn("no tests ran", ran.stdout)


if __name__ == "__main__":
    mock.main()
