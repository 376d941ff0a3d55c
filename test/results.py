#!/usr/bin/env python3
"""What came of a run of ctest, from its JUnit file.

usage: results.py count FILE            prints PASSED FAILED SKIPPED
       results.py settle FILE AGAIN     puts into FILE what came of the failed tests' second try,
                                        whose results are AGAIN; exit 0 when each of them passed
       results.py tell FILE [WHERE]     for each test that failed, or passed on its second try: a
                                        line, and the end of what it had said when it failed"""
import sys
import xml.etree.ElementTree as tree

SECOND = "second"  # the status of a test that passed on its second try
LINES = 16
CALM = ("[ RUN      ]", "[       OK ]")  # says only that all is well so far


def count(suite):
    ran, failed = int(suite.get("tests")), int(suite.get("failures"))
    skipped = int(suite.get("skipped")) + int(suite.get("disabled"))
    return ran - failed - skipped, failed, skipped


def settle(suite, again):
    """-> how many of those that failed did so again."""
    passed = {case.get("name") for case in again if case.get("status") == "run"}
    left = 0
    for case in suite.iter("testcase"):
        failure = case.find("failure")
        if failure is None:
            continue
        if case.get("name") not in passed:
            left += 1
            continue
        case.remove(failure)
        case.set("status", SECOND)
    suite.set("failures", str(left))
    return left


def end_of(case):
    said = case.findtext("system-out") or ""
    return [line for line in said.strip().split("\n") if not line.startswith(CALM)][-LINES:]


def tell(suite, where):
    for case in suite.iter("testcase"):
        if case.get("status") == SECOND:
            said = "passed on the second try"
        elif case.find("failure") is not None:
            said = "failed"
        else:
            continue
        print(f"{said}: {case.get('name')}{where}")
        print("\n".join("    " + line for line in end_of(case)))


def main(verb, path, *rest):
    file = tree.parse(path)
    suite = file.getroot()
    if verb == "count" and not rest:
        print(*count(suite))
    elif verb == "settle" and len(rest) == 1:
        left = settle(suite, tree.parse(rest[0]).getroot())
        file.write(path, encoding="utf-8", xml_declaration=True)
        return 1 if left else 0
    elif verb == "tell" and len(rest) <= 1:
        tell(suite, f" ({rest[0]})" if rest else "")
    else:
        print(__doc__, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
