#!/usr/bin/env python3
"""One reader that sleeps among many that share an HTTP/2 connection, and the same without it.

Both ways run by turns against one gateway (`leat mock`), as often as --rounds says; figures are
medians of the rounds. The sleeper pauses at its tenth event until the others are done: by then the
gateway has sent it as much as its window allows, which is what leat holds for it.
bench/pause/run.sh builds the parts and runs this.
"""
import argparse
import json
import os
import statistics
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import gateway as bench  # noqa: E402

WORSE_MAX = 1.10
# A hold grows by doubling, and is copied when it does.
HOLD_FACTOR = 3
SLACK_KB = 256
FIGURES = ("p50", "p99", "p999", "max", "peak_kb", "held")


def arguments():
    parser = argparse.ArgumentParser(prog="bench/pause/run.sh",
                                     description="one paused stream among many")
    parser.add_argument("--streams", type=int, default=200, help="on one connection [200]")
    parser.add_argument("--events", type=int, default=250, help="of each [250]")
    parser.add_argument("--gap", default="20ms", help="between events [20ms]")
    parser.add_argument("--bytes", type=int, default=400, help="of text in each event [400]")
    parser.add_argument("--window", type=int, default=65536, help="of a stream [65536]")
    parser.add_argument("--rounds", type=int, default=5, help="of both ways [5]")
    parser.add_argument("--json", metavar="FILE", help="write the figures to this file, too")
    parser.add_argument("--client", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--leat", required=True, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.streams < 2 or given.events < 20 or given.rounds < 1:
        parser.error("--streams is at least 2, --events 20, --rounds 1")
    return given


def run(given, gateway, sleeps):
    """-> what the client printed"""
    asked = {"streams": given.streams, "events": given.events, "window": given.window,
             "sleeps": sleeps}
    return bench.client([given.client, gateway.url, gateway.ca,
                         *(f"{k}={v}" for k, v in asked.items())])


def median_row(rounds):
    row = {key: statistics.median(r[key] for r in rounds) for key in FIGURES}
    return {**row, "lost": sum(r["lost"] for r in rounds),
            "connections": max(r["connections"] for r in rounds)}


def line(name, row):
    gaps = " | ".join(f"{row[key]:.2f}" for key in FIGURES[:4])
    return f"| {name} | {gaps} | {row['peak_kb']:.0f} | {row['held']:.0f} | {row['lost']} |"


def judge(given, awake, asleep):
    """-> what is wrong, in words"""
    more_kb = asleep["peak_kb"] - awake["peak_kb"]
    if awake["lost"] or asleep["lost"]:
        yield "answers were lost"
    if awake["connections"] > 1 or asleep["connections"] > 1:
        yield "more than one connection was opened"
    if asleep["p99"] > awake["p99"] * WORSE_MAX:
        yield "the others' p99 is more than a tenth worse"
    if asleep["held"] > given.window or more_kb > HOLD_FACTOR * given.window / 1024 + SLACK_KB:
        yield "the sleeper holds more than its window"
    if asleep["held"] < given.window / 2:
        yield "the sleeper's window never filled: more --events or --bytes are needed"


def main():
    given = arguments()
    rounds = {0: [], 1: []}
    print(f"{given.streams} streams on one HTTP/2 connection, {given.events} events each, "
          f"{given.bytes} bytes of text every {given.gap}; a stream's window {given.window}; "
          f"medians of {given.rounds} rounds; load average {os.getloadavg()[0]:.2f}")
    with bench.fresh(given.leat, "--ttft", given.gap, "--gap", given.gap, "--bytes", given.bytes,
                     "--h2-streams", given.streams + 10, pinned=False) as gateway:
        for _ in range(given.rounds):
            for sleeps, row in rounds.items():
                row.append(run(given, gateway, sleeps))
    awake, asleep = median_row(rounds[0]), median_row(rounds[1])
    print()
    print("| gaps of the others in ms | p50 | p99 | p99.9 | max | peak memory, KB | bytes held "
          "| lost |")
    print("|---|---|---|---|---|---|---|---|")
    print(line("all read", awake))
    print(line("one sleeps", asleep))
    print()
    print(f"p99 with the sleeper: {asleep['p99'] / awake['p99']:.3f} of that without; "
          f"memory: {asleep['peak_kb'] - awake['peak_kb']:+.0f} KB")
    if given.json:
        with open(given.json, "w", encoding="utf-8") as file:
            json.dump({"awake": awake, "asleep": asleep, "rounds": rounds}, file, indent=1)
    wrong = list(judge(given, awake, asleep))
    for words in wrong:
        print(f"not as it should be: {words}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
