#!/usr/bin/env python3
"""Large uploads and short chats at the same moment, to a gateway with a small and slow window: what
leat's placement makes of it, beside one connection a request and one shared connection.

Each way has a gateway of its own (`leat mock`) and the same requests. The table says, of uploads
and of chats, how long each took from submit to headers, and that beside the ways that users have
without placement; how many were lost, and how many the gateway was asked for twice; and how many
connections were opened. bench/uploads/run.sh builds the parts and runs this.
"""
import argparse
import json
import os
import statistics
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import gateway as bench  # noqa: E402

MANY = 10000

# Each way: its name, and the client's settings.
PLACED = "leat as it comes"
EACH_1, EACH_2 = "a connection each, HTTP/1.1", "a connection each, HTTP/2"
SHARED = "one connection, HTTP/2"
WAYS = (
    (PLACED, {}),
    ("leat, HTTP/2 alone", {"http": 2}),
    (EACH_1, {"http": 1, "conns": MANY}),
    (EACH_2, {"http": 2, "h2_conns": MANY, "h2_streams": 1}),
    (SHARED, {"http": 2, "h2_conns": 1}),
)


def arguments():
    parser = argparse.ArgumentParser(prog="bench/uploads/run.sh",
                                     description="uploads and chats at once, in several ways")
    parser.add_argument("--uploads", type=int, default=60, help="how many [60]")
    parser.add_argument("--bytes", type=int, default=1 << 20, help="of each [1048576]")
    parser.add_argument("--chats", type=int, default=100, help="how many [100]")
    parser.add_argument("--window", default="65535",
                        help="of a stream and of a connection of the gateway [65535]")
    parser.add_argument("--window-delay", default="50ms", help="given back so late [50ms]")
    parser.add_argument("--json", metavar="FILE", help="write the figures to this file, too")
    parser.add_argument("--client", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--leat", required=True, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.uploads < 1 or given.chats < 1 or given.bytes < 1:
        parser.error("--uploads, --chats and --bytes are at least 1")
    return given


def run(given, settings):
    """-> what the client printed, and of the gateway's counters who was asked for twice."""
    asked = {"uploads": given.uploads, "bytes": given.bytes, "chats": given.chats, **settings}
    with bench.fresh(given.leat, "--ttft", "10ms", "--gap", "2ms", "--events", 10,
                     "--h2-window", given.window, "--h2-window-delay", given.window_delay,
                     pinned=False) as gateway:
        said = bench.client([given.client, gateway.url, gateway.ca,
                             *(f"{k}={v}" for k, v in asked.items())])
        ids = gateway.stats()["ids"]
        missing = given.uploads + given.chats - ids["done"]
        return {**said, "lost": max(said["lost"], missing), "doubled": ids["repeated"]}


def percentile(times, share):
    ranked = sorted(times)
    return ranked[min(len(ranked) - 1, int(share * len(ranked)))]


def figures(said):
    """-> {"uploads": {median, p99}, "chats": ..., and the counts}"""
    out = {kind: {"median": statistics.median(said[kind]), "p99": percentile(said[kind], 0.99)}
           for kind in ("uploads", "chats") if said[kind]}
    return {**out, **{key: said[key] for key in ("lost", "doubled", "connections", "http2")}}


def line(name, row):
    cells = [f"{row[kind][key]:.0f}" if kind in row else "-"
             for kind in ("uploads", "chats") for key in ("median", "p99")]
    return (f"| {name} | {' | '.join(cells)} | {row['lost']} | {row['doubled']} "
            f"| {row['connections']} ({row['http2']}) |")


def ratios(rows):
    """Medians beside each other, the first as a multiple of the second: < 1 is better."""
    for kind in ("uploads", "chats"):
        for other in (EACH_1, EACH_2, SHARED):
            if kind in rows[PLACED] and kind in rows[other]:
                yield kind, other, rows[PLACED][kind]["median"] / rows[other][kind]["median"]


def main():
    given = arguments()
    rows = {}
    print(f"{given.uploads} POSTs of {given.bytes} bytes and {given.chats} short chats at once; "
          f"window {given.window}, given back after {given.window_delay}; load average "
          f"{os.getloadavg()[0]:.2f}")
    print()
    print("| ms from submit to headers | uploads: median | p99 | chats: median | p99 "
          "| lost | doubled | connections (HTTP/2) |")
    print("|---|---|---|---|---|---|---|---|")
    for name, settings in WAYS:
        rows[name] = figures(run(given, settings))
        print(line(name, rows[name]), flush=True)
    print()
    told = list(ratios(rows))
    for kind, other, ratio in told:
        print(f"{PLACED}, {kind}: {ratio:.3f} of the median of: {other}")
    if given.json:
        with open(given.json, "w", encoding="utf-8") as file:
            json.dump({"ways": rows, "ratios": [{"of": kind, "beside": other, "ratio": ratio}
                                                for kind, other, ratio in told]}, file, indent=1)
    return 1 if any(row["lost"] or row["doubled"] for row in rows.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
