#!/usr/bin/env python3
"""How many streams one process carries over a few HTTP/2 connections, and how well; run.sh builds
the parts.

Each run has a gateway of its own (`leat mock`, pinned to core 0) and `leat load` pinned to core 1;
one follows the other. The gateway writes each event alone, in a TLS record of its own, and where
events have gaps stamps it then; the lag is how much later the client had read it. CPU and peak
memory are the kernel's figures of the whole client, from its start to its end; wall is from the
first request to the last answer's end. Every figure that has a target has it beside it. What the
machine can do at all stands beside the events without gaps: the floor of bench/compare, which drops
the bytes that it has decrypted, on the same work.
"""
import argparse
import json
import os
import sys
from typing import NamedTuple

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import gateway as bench  # noqa: E402

GAP_DEADLINE = "LEAT_EGAPTIMEOUT"
GAP_DEADLINE_SECONDS = 5
START_SECONDS = 60


class Run(NamedTuple):
    """One run: so many streams over so many connections, each of so many events."""

    name: str
    streams: int
    connections: int
    events: int
    gap_ms: int
    gap_deadline: int  # seconds
    cores: float = None
    peak_mb: int = None
    lag_p99_ms: int = None
    events_a_second: int = None


# The targets of the full size. `--seconds` sets the length of the paced ones, by the number of
# events where the gap is short, by the gap where it is long.
def all_runs(seconds):
    return {
        "crowd": Run("crowd", 10000, 40, max(2, round(seconds / 0.5)), 500, GAP_DEADLINE_SECONDS,
                     cores=0.15, peak_mb=30, lag_p99_ms=10),
        "mass": Run("mass", 100000, 400, 5, round(seconds * 200), 2 * GAP_DEADLINE_SECONDS,
                    peak_mb=250),
        "flat": Run("flat", 500, 2, 2000, 0, GAP_DEADLINE_SECONDS, events_a_second=400000),
    }


def divided(run, by):
    return run._replace(streams=max(1, run.streams // by),
                        connections=max(1, run.connections // by),
                        events=run.events if run.gap_ms else max(1, run.events // by))


def arguments():
    known = list(all_runs(25))
    parser = argparse.ArgumentParser(prog="bench/streams/run.sh",
                                     description="many streams at once over HTTP/2")
    parser.add_argument("--only", metavar="RUN,...", default=",".join(known),
                        help="of crowd (10,000), mass (100,000) and flat (without gaps) [all]")
    parser.add_argument("--divide", type=int, default=1,
                        help="so many times fewer streams and connections, for a try [1]")
    parser.add_argument("--seconds", type=float, default=25, help="of the paced runs [25]")
    parser.add_argument("--coalesce", action="store_true", help="leat reads up to 1 ms late")
    parser.add_argument("--json", metavar="FILE", help="write the figures to this file, too")
    parser.add_argument("--programs", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--leat", required=True, help=argparse.SUPPRESS)
    given = parser.parse_args()
    given.only = given.only.split(",")
    if not set(given.only) <= set(known):
        parser.error(f"--only: known are {', '.join(known)}")
    if given.divide < 1 or not 0.1 <= given.seconds <= 3600:
        parser.error("--divide is at least 1, --seconds 0.1 to 3600")
    return given


def measure(given, run, command):
    """Runs a command, made of a gateway and a path -> what it said, what the kernel said of it, and
    the gateway's counters."""
    path = f"/v1/chat/completions?n={run.events}&ms={run.gap_ms}&ttft={run.gap_ms}"
    limit = START_SECONDS + 3 * run.events * (run.gap_ms + 1) / 1000
    with bench.fresh(given.leat) as gateway:
        ran = bench.measure(f"{given.programs}/pinned", command(gateway, path), limit)
        sys.stderr.write(ran["stderr"])
        return {**ran, "stats": gateway.stats()}


def leat_client(given, run):
    options = ["--requests", run.streams, "--concurrency", run.streams, "--connections",
               run.connections, "--http", "2", "--gap-timeout", run.gap_deadline]
    if run.gap_ms:
        options += ["--header", "x-mock-stamp: 1"]
    if given.coalesce:
        options.append("--coalesce")
    return lambda gateway, path: bench.load(given.leat, gateway, path, *options)


def floor_rate(given, run):
    """-> the events a second of CPU that nothing but decryption and frames comes to."""
    ran = measure(given, run, lambda gateway, path: [
        f"{given.programs}/floor_h2", gateway.port, str(run.streams), path, str(run.connections)])
    return ran["said"]["events"] / ran["cpu"]


def figures(ran):
    said, stats = ran["said"], ran["stats"]
    lag, wall = said.get("lag") or {}, said["wall_s"] or 1e-9
    deadlines = sum(e["count"] for e in said["errors"] if e["error"] == GAP_DEADLINE)
    return {"completed": said["requests"]["completed"], "at_once": stats["peak"],
            "connections": said["connections"]["peak"], "events": said["events"],
            "events_sent": stats["events"], "gap_deadlines": deadlines, "wall_s": wall,
            "cpu_s": ran["cpu"], "cores": ran["cpu"] / wall, "peak_mb": ran["peak_kb"] / 1024,
            "lag_p50_ms": lag.get("p50"), "lag_p99_ms": lag.get("p99"),
            "lag_max_ms": lag.get("max"), "gateway_late_p99_ms": stats["lateness_us"]["p99"] / 1000,
            "events_a_wall_second": said["events"] / wall,
            "events_a_cpu_second": said["events"] / ran["cpu"] if ran["cpu"] else 0,
            "errors": said["errors"]}


def lines(run, seen):
    """The rows of a run: (what, its figure as text, the target as text, met: None without one)"""
    def exactly(what, key, wanted):
        return what, f"{seen[key]:,}", f"{wanted:,}", seen[key] == wanted

    def at_most(what, key, most, places=0):
        value = f"{seen[key]:,.{places}f}" if seen[key] is not None else "-"
        met = None if most is None else seen[key] is not None and seen[key] <= most
        return what, value, "" if most is None else f"<= {most:,}", met

    yield exactly("completed", "completed", run.streams)
    if run.gap_ms:
        yield exactly("at once", "at_once", run.streams)
    yield at_most("connections", "connections", run.connections)
    yield exactly("events counted, of those sent", "events", seen["events_sent"])
    yield exactly(f"gap deadlines of {run.gap_deadline} s that fired", "gap_deadlines", 0)
    yield at_most("wall, s", "wall_s", None, 2)
    yield at_most("CPU of the client, s", "cpu_s", None, 2)
    yield at_most("cores used (CPU / wall)", "cores", run.cores, 3)
    yield at_most("peak memory of the client, MB", "peak_mb", run.peak_mb, 1)
    if run.gap_ms:
        yield at_most("lag p50, ms", "lag_p50_ms", None, 2)
        yield at_most("lag p99, ms", "lag_p99_ms", run.lag_p99_ms, 2)
        yield at_most("lag max, ms", "lag_max_ms", None, 2)
        yield at_most("the gateway's own lateness p99, ms", "gateway_late_p99_ms", None, 2)
    else:
        yield at_most("events a second of wall", "events_a_wall_second", None)
        rate, least = seen["events_a_cpu_second"], run.events_a_second
        yield "events a second of CPU", f"{rate:,.0f}", f">= {least:,}", rate >= least
        yield "the same of the floor", f"{seen['floor_events_a_cpu_second']:,.0f}", "", None


def pace(run):
    return f"one each {run.gap_ms} ms" if run.gap_ms else "without gaps"


def main():
    given = arguments()
    runs = [divided(run, given.divide) for name, run in all_runs(given.seconds).items()
            if name in given.only]
    print(bench.machine(), end=", with --coalesce\n\n" if given.coalesce else "\n\n")
    print("| run | figure | measured | target | |")
    print("|---|---|---|---|---|", flush=True)
    report = {}
    for run in runs:
        seen = figures(measure(given, run, leat_client(given, run)))
        if run.gap_ms == 0:
            seen["floor_events_a_cpu_second"] = floor_rate(given, run)
        report[run.name] = seen
        title = (f"{run.streams:,} streams over {run.connections}, {run.events:,} events each, "
                 f"{pace(run)}")
        for what, value, target, met in lines(run, seen):
            judged = "" if met is None else "met" if met else "missed"
            print(f"| {title} | {what} | {value} | {target} | {judged} |", flush=True)
            title = ""
        for error in seen["errors"]:
            print(f"{error['count']} {error['error']}: {error['message']}", file=sys.stderr)
    if len(bench.CORES) < 2:
        print("remark: one core for gateway and client: the figures disturb each other")
    if given.json:
        with open(given.json, "w", encoding="utf-8") as file:
            json.dump({"machine": bench.machine(), "runs": report}, file, indent=1)


if __name__ == "__main__":
    main()
