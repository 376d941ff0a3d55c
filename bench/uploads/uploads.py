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
import re
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

READY = re.compile(r"listening on (https://\S+)")
START_SECONDS = 10
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


class Gateway:
    """`leat mock` for one run. Its log goes to a file, which no full pipe can stop."""

    def __init__(self, given, folder):
        self.ca = os.path.join(folder, "ca.pem")
        self.log = os.path.join(folder, "mock.log")
        with open(self.log, "w", encoding="utf-8") as log:
            self.process = subprocess.Popen(
                [given.leat, "mock", "--port", "0", "--ca-out", self.ca, "--ttft", "10ms",
                 "--gap", "2ms", "--events", "10", "--h2-window", given.window,
                 "--h2-window-delay", given.window_delay],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            self.url = self.wait()
        except BaseException:
            self.stop()
            raise

    def wait(self):
        until = time.monotonic() + START_SECONDS
        text = ""
        while time.monotonic() < until and self.process.poll() is None:
            with open(self.log, encoding="utf-8") as log:
                text = log.read()
            found = READY.search(text)
            if found:
                return found[1]
            time.sleep(0.01)
        raise SystemExit(f"the gateway did not start: {text}")

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


def run(given, settings):
    """-> what the client printed, and of the gateway's counters who was asked for twice."""
    asked = {"uploads": given.uploads, "bytes": given.bytes, "chats": given.chats, **settings}
    with tempfile.TemporaryDirectory() as folder, Gateway(given, folder) as gateway:
        client = [given.client, gateway.url, gateway.ca, *(f"{k}={v}" for k, v in asked.items())]
        ran = subprocess.run(client, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                             timeout=600, check=False)
        if not ran.stdout.startswith("{"):
            raise SystemExit(f"{' '.join(client)}: exit {ran.returncode}\n{ran.stderr}")
        sys.stderr.write(ran.stderr)
        said, ids = json.loads(ran.stdout), gateway.stats()["ids"]
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
