#!/usr/bin/env python3
"""How often `leat compare` sees a difference where there is none, and where there is one.

It records short runs of one load against the mock of this machine, deals them to A and B by
chance, some a side, without any run on both, and compares: every difference is false. Then the same
against runs of a gateway that is slower by a known share. Runs that were recorded once are used
again where --folder holds them.

    bench/compare_runs.py --leat build/release/leat
    bench/compare_runs.py --leat build/release/leat --runs 40 --seconds 1.5 --side 5 --pairs 100

Exit 1 where more than 5 % of the A/A pairs differ in any figure."""
import argparse
import collections
import json
import os
import random
import subprocess
import sys
import tempfile

import gateway

TTFT_MS, GAP_MS, TOKENS = 20, 5, 20


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--leat", default="build/release/leat")
    parser.add_argument("--runs", type=int, default=40, help="of each kind")
    parser.add_argument("--seconds", type=float, default=1.5, help="of a run")
    parser.add_argument("--side", type=int, default=5, help="runs on each side of a pair")
    parser.add_argument("--pairs", type=int, default=100)
    parser.add_argument("--slower", type=float, default=1.1, help="the gateway of the true pairs")
    parser.add_argument("--rate", type=float, default=None, help="an open loop, requests a second")
    parser.add_argument("--concurrency", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1, help="of the dealing")
    parser.add_argument("--folder", help="where the runs are kept")
    return parser.parse_args()


def record(options, folder, kind, factor):
    """Files of one run each, and their texts."""
    texts = []
    shape = ["-c", str(options.concurrency)]
    if options.rate:
        shape = ["--rate", str(options.rate), "-c", "1000"]
    cadence = ("--ttft", f"{TTFT_MS * factor}ms", "--gap", f"{GAP_MS * factor}ms",
               "--jitter", "2ms")
    with gateway.fresh(options.leat, "--plain", *cadence, pinned=False) as server:
        for number in range(options.runs):
            path = os.path.join(folder, f"{kind}-{number}.json")
            if not os.path.exists(path):
                subprocess.run([options.leat, "load", "--base-url", server.url, "--model", "m",
                                "--prompt", "hi", "--max-tokens", str(TOKENS), *shape,
                                "--duration", str(options.seconds), "--quiet", "--json", path],
                               check=True, timeout=60 + 10 * options.seconds)
                print(f"\r{kind}: {number + 1} of {options.runs} runs", end="", file=sys.stderr)
            with open(path, encoding="utf-8") as file:
                texts.append(file.read())
    print(file=sys.stderr)
    return texts


def compare(leat, folder, a, b):
    """The figures of a comparison."""
    for name, texts in (("a", a), ("b", b)):
        with open(os.path.join(folder, name + ".json"), "w", encoding="utf-8") as file:
            file.write("".join(texts))
    ran = subprocess.run([leat, "compare", os.path.join(folder, "a.json"),
                          os.path.join(folder, "b.json"), "--quiet", "--json", "-"],
                         check=True, capture_output=True, text=True, timeout=60)
    return json.loads(ran.stdout)["figures"]


def verdicts(options, folder, pick):
    """Pairs in which any figure differs, and how often each does."""
    pairs, figures, seen = 0, collections.Counter(), 0
    for _ in range(options.pairs):
        rows = compare(options.leat, folder, *pick())
        found = [row["figure"] for row in rows if row["verdict"] in ("better", "worse")]
        pairs += bool(found)
        figures.update(found)
        seen += len(rows)
    return pairs, figures, seen


def main():
    options = arguments()
    dealer = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.folder or scratch
        os.makedirs(folder, exist_ok=True)
        same = record(options, folder, "same", 1)
        slower = record(options, folder, "slower", options.slower)

        def equal():
            dealt = dealer.sample(same, 2 * options.side)
            return dealt[:options.side], dealt[options.side:]

        def unequal():
            return dealer.sample(same, options.side), dealer.sample(slower, options.side)

        false_pairs, false_figures, seen = verdicts(options, scratch, equal)
        true_pairs, true_figures, _ = verdicts(options, scratch, unequal)
    total = sum(false_figures.values())
    print(f"{options.runs} runs of {options.seconds} s, {options.side} against {options.side}, "
          f"{options.pairs} pairs each")
    print(f"A/A: {false_pairs} of {options.pairs} pairs differ in any figure, "
          f"{total} of {seen} figures ({100 * total / seen:.2f} %) {dict(false_figures)}")
    print(f"B slower by {options.slower - 1:.0%}: {true_pairs} of {options.pairs} pairs differ, "
          f"{dict(true_figures.most_common(8))}")
    return 1 if false_pairs > 0.05 * options.pairs else 0


if __name__ == "__main__":
    sys.exit(main())
