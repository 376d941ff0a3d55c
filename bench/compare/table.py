#!/usr/bin/env python3
"""Runs every client on the same streams and prints one table; run.sh builds the parts.

Each run has a gateway of its own (`leat mock`, pinned to core 0) and a client pinned to core 1. All
streams are open at once, over TLS 1.2, one connection a stream over HTTP/1.1, one for 250 streams
over HTTP/2; the gateway writes each event alone, in a TLS record of its own, which the floors
check. A run is done with one event a stream and with N of them: the difference in CPU, divided by
the events between, is the marginal cost of an event, free of set-up; the first run's CPU, divided
by the streams, is the cost of bringing one up. CPU and peak memory are the kernel's figures of the
finished process. Medians over the rounds, which go through all clients in turn.
"""
import argparse
import json
import os
import statistics
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import gateway as bench  # noqa: E402

LATE_SHARE = 1.25  # of the interval: a client whose gaps are longer puts reads off
STREAMS_A_CONNECTION = 250
FIGURES = ("us_event", "setup_ms_stream", "kb_stream", "gap_p99_ms", "events")


def arguments():
    parser = argparse.ArgumentParser(prog="bench/compare/run.sh",
                                     description="leat, libcurl and the floors, same streams")
    parser.add_argument("-C", "--streams", type=int, default=500, help="at once [500]")
    parser.add_argument("-N", "--events", type=int, default=200, help="a stream [200]")
    parser.add_argument("--ms", type=int, default=20, help="between two events [20]")
    parser.add_argument("-R", "--rounds", type=int, default=3, help="[3]")
    parser.add_argument("--http", choices=("1.1", "2"), help="only this version [both]")
    parser.add_argument("--only", metavar="NAME,...",
                        help="only these rows: floor-h1, libcurl-h2, ...; leat-h2+c is with "
                             "--coalesce [all]")
    parser.add_argument("--json", metavar="FILE", help="write the medians to this file, too")
    parser.add_argument("--programs", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--leat", required=True, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.streams < 1 or given.events < 2 or given.ms < 0 or given.rounds < 1:
        parser.error("-C and -R are at least 1, -N at least 2")
    known = clients(given)
    wanted = given.only.split(",") if given.only else list(known)
    if not set(wanted) <= set(known):
        parser.error(f"--only: known are {', '.join(known)}")
    given.clients = {name: known[name] for name in known if name in wanted}
    return given


def leat_client(given, version, conns, *more):
    return lambda g, path: bench.load(
        given.leat, g, path, "--requests", given.streams, "--concurrency", given.streams,
        "--connections", conns, "--http", version, "--tls-max", "1.2", *more)


def clients(given):
    """Name -> a function from (gateway, path) to the client's command. The names end in the version
    of HTTP, by which each finds its floor."""
    count, found = str(given.streams), {}
    shared = -(-given.streams // STREAMS_A_CONNECTION)
    for short, version, conns in (("h1", "1.1", given.streams), ("h2", "2", shared)):
        if given.http not in (None, version):
            continue
        floor, peer = f"{given.programs}/floor_{short}", f"{given.programs}/peer_curl"
        k = str(conns)
        found[f"floor-{short}"] = lambda g, path, floor=floor, k=k: [floor, g.port, count, path, k]
        if os.path.exists(peer):
            found[f"libcurl-{short}"] = lambda g, path, peer=peer, version=version, k=k: [
                peer, g.url + path, count, g.ca, version, k]
        found[f"leat-{short}"] = leat_client(given, version, conns)
        found[f"leat-{short}+c"] = leat_client(given, version, conns, "--coalesce")
    return found


def run(given, command, events):
    """One client against a fresh gateway -> what was measured; SystemExit when it failed."""
    path = f"/v1/chat/completions?n={events}&ms={given.ms}&ttft=0"
    with bench.fresh(given.leat) as gateway:
        client = command(gateway, path)
        ran = bench.measure(f"{given.programs}/pinned", client, 60 + 3 * events * given.ms / 1000)
        if ran["exit"] != 0:
            raise SystemExit(f"{' '.join(client)}: exit {ran['exit']}\n{ran['stderr']}")
        return {**ran, "stats": gateway.stats()}


def remarks(given, ran):
    """What makes a run's figures doubtful: (kind, how bad, in words)."""
    said, stats = ran["said"], ran["stats"]
    gap, late = (said.get("gap") or {}).get("p99"), stats["lateness_us"]["p99"] / 1000
    missing, lost = given.streams - stats["peak"], abs(said["events"] - stats["events"])
    crowded = said.get("crowded", 0)
    if missing > 0:
        yield "streams", missing, f"only {stats['peak']} streams at once"
    if lost:
        yield "events", lost, f"counted {said['events']} of {stats['events']} events"
    if crowded:
        yield "records", crowded, (f"{crowded} of {said['records']} TLS records held more than "
                                   "one event")
    if gap is not None and gap > LATE_SHARE * given.ms:
        yield "gap", gap, f"gap p99 {gap:.1f} ms"
    if late > (LATE_SHARE - 1) * given.ms:
        yield "late", late, f"the gateway wrote up to {late:.1f} ms late (p99)"


def add_remarks(known, more):
    """Keeps of each kind the worst of all rounds."""
    for kind, bad, words in more:
        known[kind] = max(known.get(kind, (0, "")), (bad, words))


def figures(given, short, long):
    between = given.streams * (given.events - 1)
    gap = long["said"].get("gap") or {}
    return {"us_event": (long["cpu"] - short["cpu"]) * 1e6 / between,
            "setup_ms_stream": short["cpu"] * 1e3 / given.streams,
            "kb_stream": long["peak_kb"] / given.streams, "gap_p99_ms": gap.get("p99"),
            "events": long["said"]["events"]}


def measure(given):
    """-> {client: (the figures of each round, remarks by kind)}"""
    rows = {name: ([], {}) for name in given.clients}
    for number in range(given.rounds):
        for name, command in given.clients.items():
            print(f"round {number + 1} of {given.rounds}: {name}", file=sys.stderr)
            short, long = run(given, command, 1), run(given, command, given.events)
            rows[name][0].append(figures(given, short, long))
            add_remarks(rows[name][1], remarks(given, long))
    return rows


def median_row(rounds):
    return {key: None if rounds[0][key] is None else statistics.median(r[key] for r in rounds)
            for key in FIGURES}


def against_floor(name, medians):
    floor = medians.get("floor-" + name.split("-")[1].removesuffix("+c"))
    return f"{medians[name]['us_event'] / floor['us_event']:.2f}" if floor else "-"


def line(name, medians, said):
    row = medians[name]
    gap = "-" if row["gap_p99_ms"] is None else f"{row['gap_p99_ms']:.2f}"
    label = name.replace("+c", " --coalesce")
    return (f"| {label} | {row['us_event']:.2f} | {against_floor(name, medians)} "
            f"| {row['setup_ms_stream']:.3f} | {row['kb_stream']:.1f} | {gap} "
            f"| {int(row['events'])} | {'; '.join(said)} |")


def main():
    given = arguments()
    print(f"{given.streams} TLS streams x {given.events} events at {given.ms} ms, "
          f"{given.rounds} rounds, medians")
    print(bench.machine(), flush=True)
    rows = measure(given)
    medians = {name: median_row(rounds) for name, (rounds, _) in rows.items()}
    doubts = {name: [words for _, words in found.values()] for name, (_, found) in rows.items()}
    print()
    print("| client | us/event | vs floor | set-up ms/stream | KB/stream | gap p99 ms | events "
          "| remarks |")
    print("|---|---|---|---|---|---|---|---|")
    for name in rows:
        print(line(name, medians, doubts[name]))
    if len(bench.CORES) < 2:
        print("remark: one core for gateway and client: the figures disturb each other")
    if given.json:
        report = {name: {**row, "remarks": doubts[name]} for name, row in medians.items()}
        with open(given.json, "w", encoding="utf-8") as file:
            json.dump({"machine": bench.machine(), "clients": report}, file, indent=1)


if __name__ == "__main__":
    main()
