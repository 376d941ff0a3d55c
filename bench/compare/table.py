#!/usr/bin/env python3
"""Runs every client on the same streams and prints one table; run.sh builds the parts.

Each run has a gateway of its own (`leat mock`, pinned to core 0) and a client pinned to core 1. All
streams are open at once, over TLS, one connection a stream; the gateway writes each event alone.
A run is done with one event a stream and with N of them: the difference in CPU, divided by the
events between, is the marginal cost of an event, free of set-up; the first run's CPU, divided by
the streams, is the cost of bringing one up. CPU and peak memory are the kernel's figures of the
finished process. Medians over the rounds, which go through all clients in turn.
"""
import argparse
import datetime
import json
import os
import platform
import re
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

READY = re.compile(r"listening on (https://\S+:(\d+))")
START_SECONDS = 10
CORES = os.sched_getaffinity(0)
SERVER_CORE, CLIENT_CORE = min(CORES), max(CORES)
LATE_SHARE = 1.25  # of the interval: a client whose gaps are longer puts reads off


def arguments():
    parser = argparse.ArgumentParser(description="leat, libcurl and the floor on the same streams")
    parser.add_argument("-C", "--streams", type=int, default=500, help="at once [500]")
    parser.add_argument("-N", "--events", type=int, default=200, help="a stream [200]")
    parser.add_argument("--ms", type=int, default=20, help="between two events [20]")
    parser.add_argument("-R", "--rounds", type=int, default=3, help="[3]")
    parser.add_argument("--json", help="write the medians to this file, too")
    parser.add_argument("--programs", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--leat", required=True, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.streams < 1 or given.events < 2 or given.ms < 0 or given.rounds < 1:
        parser.error("-C and -R are at least 1, -N at least 2")
    return given


class Gateway:
    """`leat mock` on one core. Its log goes to a file, which no full pipe can stop."""

    def __init__(self, given, folder):
        self.ca = os.path.join(folder, "ca.pem")
        self.log = os.path.join(folder, "mock.log")
        with open(self.log, "w", encoding="utf-8") as log:
            self.process = subprocess.Popen(
                [given.leat, "mock", "--port", "0", "--ca-out", self.ca], stdin=subprocess.DEVNULL,
                stdout=log, stderr=log,
                preexec_fn=lambda: os.sched_setaffinity(0, {SERVER_CORE}))
        try:
            self.url, self.port = self.wait()
        except BaseException:
            self.stop()
            raise

    def wait(self):
        until = time.monotonic() + START_SECONDS
        while time.monotonic() < until and self.process.poll() is None:
            with open(self.log, encoding="utf-8") as log:
                found = READY.search(log.read())
            if found:
                return found[1], found[2]
            time.sleep(0.01)
        with open(self.log, encoding="utf-8") as log:
            raise SystemExit(f"the gateway did not start: {log.read()}")

    def stats(self):
        trust = ssl.create_default_context(cafile=self.ca)
        with urllib.request.urlopen(f"{self.url}/stats", context=trust, timeout=10) as answer:
            return json.load(answer)

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


def clients(given):
    """Name -> a function from (gateway, path) to the client's command."""
    count = str(given.streams)
    return {
        "floor": lambda g, path: [f"{given.programs}/floor", g.port, count, path],
        "libcurl": lambda g, path: [f"{given.programs}/peer_curl", g.url + path, count, g.ca],
        "leat": lambda g, path: [
            given.leat, "load", "--base-url", g.url, "--chat-path", path, "--cacert", g.ca,
            "--model", "m", "--prompt", "hi", "--requests", count, "--concurrency", count,
            "--connections", count, "--http", "1.1", "--quiet", "--json", "-"],
    }


def run(given, command, events):
    """One client against a fresh gateway -> what was measured; SystemExit when it failed."""
    path = f"/v1/chat/completions?n={events}&ms={given.ms}&ttft=0"
    with tempfile.TemporaryDirectory() as folder, Gateway(given, folder) as gateway:
        report = os.path.join(folder, "report")
        client = command(gateway, path)
        limit = 60 + 3 * events * given.ms / 1000
        ran = subprocess.run([f"{given.programs}/pinned", str(CLIENT_CORE), report, *client],
                             stdin=subprocess.DEVNULL, capture_output=True, text=True,
                             timeout=limit, check=False)
        if ran.returncode != 0:
            raise SystemExit(f"{' '.join(client)}: exit {ran.returncode}\n{ran.stdout}{ran.stderr}")
        with open(report, encoding="utf-8") as file:
            cpu, peak_kb, _ = file.read().split()
        said, stats = json.loads(ran.stdout), gateway.stats()
        gap = said.get("gap") or {}
        return {"cpu": float(cpu), "peak_kb": int(peak_kb), "events": said["events"],
                "sent": stats["events"], "at_once": stats["peak"], "gap_p99": gap.get("p99")}


def remarks(given, name, long):
    """What makes a run's figures doubtful."""
    said = set()
    if long["at_once"] < given.streams:
        said.add(f"only {long['at_once']} streams at once")
    if long["gap_p99"] is not None and long["gap_p99"] > LATE_SHARE * given.ms:
        said.add(f"gap p99 {long['gap_p99']:.1f} ms")
    if long["events"] < given.streams * given.events:
        said.add(f"{name} saw {long['events']} events")
    return said


def measure(given):
    """-> {client: (list of (us an event, set-up ms, KB, events) a round, remarks)}"""
    rows = {name: ([], set()) for name in clients(given)}
    for number in range(given.rounds):
        for name, command in clients(given).items():
            print(f"round {number + 1} of {given.rounds}: {name}", file=sys.stderr)
            short, long = run(given, command, 1), run(given, command, given.events)
            between = given.streams * (given.events - 1)
            rows[name][0].append(((long["cpu"] - short["cpu"]) * 1e6 / between,
                                  short["cpu"] * 1e3 / given.streams,
                                  long["peak_kb"] / given.streams, long["events"]))
            rows[name][1].update(remarks(given, name, long))
    return rows


def machine():
    model = "unknown processor"
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        found = re.search(r"^model name\s*: (.*)$", file.read(), re.M)
        model = found[1] if found else model
    return (f"{model}, {os.cpu_count()} cores, {platform.system()} {platform.release()}, "
            f"{datetime.date.today().isoformat()}")


def main():
    given = arguments()
    rows = measure(given)
    medians = {name: [statistics.median(column) for column in zip(*rounds)]
               for name, (rounds, _) in rows.items()}
    print(f"{given.streams} TLS streams x {given.events} events at {given.ms} ms, HTTP/1.1, "
          f"{given.rounds} rounds, medians")
    print(machine())
    print()
    print("| client | us/event | vs floor | set-up ms/stream | KB/stream | events |")
    print("|---|---|---|---|---|---|")
    for name, (event, setup, memory, events) in medians.items():
        print(f"| {name} | {event:.2f} | {event / medians['floor'][0]:.2f} | {setup:.3f} "
              f"| {memory:.1f} | {int(events)} |")
    for name, (_, said) in rows.items():
        for remark in sorted(said):
            print(f"remark: {name}: {remark}")
    if len(CORES) < 2:
        print("remark: one core for gateway and client: the figures disturb each other")
    if given.json:
        names = ("us_event", "setup_ms_stream", "kb_stream", "events")
        report = {name: {**dict(zip(names, row)), "remarks": sorted(rows[name][1])}
                  for name, row in medians.items()}
        with open(given.json, "w", encoding="utf-8") as file:
            json.dump({"machine": machine(), "clients": report}, file, indent=1)


if __name__ == "__main__":
    main()
