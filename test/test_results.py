#!/usr/bin/env python3
"""Tests of results.py, on what ctest writes."""
import contextlib
import io
import os
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import results  # noqa: E402

CASE = '<testcase name="{}" status="{}">{}<system-out>[ RUN      ] a\nwords of {}</system-out>'


def suite(skipped=0, **statuses):
    cases = "".join(CASE.format(name, status, '<failure message=""/>' if status == "fail" else "",
                                name) + "</testcase>" for name, status in statuses.items())
    failed = list(statuses.values()).count("fail")
    return (f'<testsuite tests="{len(statuses)}" failures="{failed}" disabled="0" '
            f'skipped="{skipped}">{cases}</testsuite>')


class ResultsTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.first, self.again = (os.path.join(folder.name, name) for name in ("a.xml", "b.xml"))

    def run_on(self, verb, first, again=None):
        """-> (exit status, what was printed)"""
        for path, text in ((self.first, first), (self.again, again)):
            if text:
                with open(path, "w", encoding="utf-8") as file:
                    file.write(text)
        with contextlib.redirect_stdout(io.StringIO()) as said:
            status = results.main(verb, self.first, *([self.again] if again else []))
        return status, said.getvalue()

    def told(self):
        return self.run_on("count", None)[1], self.run_on("tell", None)[1]

    def test_counts(self):
        _, said = self.run_on("count", suite(1, a="run", b="fail", c="notrun", d="run"))
        self.assertEqual(said, "2 1 1\n")

    def test_who_passes_on_the_second_try_has_passed_and_is_named(self):
        status, _ = self.run_on("settle", suite(a="run", b="fail"), suite(b="run"))
        self.assertEqual(status, 0)
        self.assertEqual(self.told(), ("2 0 0\n", "passed on the second try: b\n    words of b\n"))

    def test_who_fails_twice_has_failed(self):
        status, _ = self.run_on("settle", suite(a="fail", b="fail"), suite(a="fail", b="run"))
        self.assertEqual(status, 1)
        count, said = self.told()
        self.assertEqual(count, "1 1 0\n")
        self.assertIn("failed: a\n    words of a\n", said)

    def test_who_did_not_run_a_second_time_has_failed(self):
        for again in (suite(c="run"), suite(1, a="notrun")):
            self.assertEqual(self.run_on("settle", suite(a="fail"), again)[0], 1)
            self.assertEqual(self.told()[0], "0 1 0\n")


if __name__ == "__main__":
    unittest.main()
