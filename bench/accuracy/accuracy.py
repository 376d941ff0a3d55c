#!/usr/bin/env python3
"""Holds `leat load` against the truth; run.sh builds the parts.

The gateway (`leat mock`) is pinned to core 0 and the client to core 1; each run has a gateway of
its own. What each column and figure is, and where its truth comes from, stands at the top of
paced.py (the published test) and of parts.py (the rest).
"""
import argparse
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import gateway as bench  # noqa: E402
import paced  # noqa: E402
import parts  # noqa: E402

STREAMS = (1, 10, 100, 500, 1000, 2000)
KNOWN = ("paced", *parts.PARTS)


def counts(text):
    return [int(n) for n in text.split(",")]


def arguments():
    parser = argparse.ArgumentParser(prog="bench/accuracy/run.sh",
                                     description="leat load against the truth")
    parser.add_argument("--quick", action="store_true", help="one round of each, not three")
    parser.add_argument("--only", metavar="PART,...", default=",".join(KNOWN),
                        help=f"of {', '.join(KNOWN)} [all]")
    parser.add_argument("--streams", type=counts, default=list(STREAMS), metavar="N,...",
                        help=f"of paced [{','.join(map(str, STREAMS))}]")
    parser.add_argument("--events", type=int, default=100, help="a stream of paced [100]")
    parser.add_argument("--rounds", type=int, help="of paced and flood [3]")
    parser.add_argument("--divide", type=int, default=1,
                        help="so many times fewer of everything, for a try [1]")
    parser.add_argument("--json", metavar="FILE", help="write the figures to this file, too")
    parser.add_argument("--programs", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--leat", required=True, help=argparse.SUPPRESS)
    given = parser.parse_args()
    given.only = given.only.split(",")
    given.rounds = given.rounds or (1 if given.quick else 3)
    if not set(given.only) <= set(KNOWN):
        parser.error(f"--only: known are {', '.join(KNOWN)}")
    if min(given.streams) < 1 or given.divide < 1 or given.rounds < 1 or given.events < 3:
        parser.error("--streams, --divide and --rounds are at least 1, --events 3")
    return given


def print_judged(lines):
    print("\n| figure | measured | target | |\n|---|---|---|---|")
    for what, value, target, met in lines:
        print(f"| {what} | {value} | {target} | "
              f"{'' if met is None else 'met' if met else 'missed'} |", flush=True)


def main():
    given = arguments()
    print(bench.machine(), flush=True)
    report, judged = {"machine": bench.machine()}, []
    if "paced" in given.only:
        report["paced"], judged = paced.run(given)
        print_judged(judged)
    for name, (measure, lines) in parts.PARTS.items():
        if name in given.only:
            report[name] = measure(given)
            print_judged(lines(report[name]))
    if len(bench.CORES) < 2:
        print("remark: one core for gateway and client: the figures disturb each other")
    if given.json:
        with open(given.json, "w", encoding="utf-8") as file:
            json.dump(report, file, indent=1)


if __name__ == "__main__":
    main()
