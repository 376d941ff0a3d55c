#!/usr/bin/env python3
"""The same streams through leat load and other harnesses; run.sh builds the parts.

C streams at once in a closed loop over plain HTTP/1.1 (what all of them speak), three requests for
each: the first token due 50 ms after the request, then one each 10 ms, 100 in all. The gateway
(`leat mock`) is pinned to core 0 and each harness, with all of its processes, to core 1. The text
is one whose lines no client splits wrongly: U+2028 stands in a JSON string as it is, and GuideLLM's
HTTP client takes it for the end of a line.

  ttft mean, p99   as the harness reports them, ms
  true             the gateway's mean from the arrival of a request's head (when the kernel took
                   in its last segment) to its first event's stamp, of this very run: what a mean
                   ttft could have been at the least
  error            ttft mean - true
  itl mean, p99, sigma   as reported: of every gap, where the remark says nothing else
  true p99, sigma  of the gaps between the gateway's own events, in this run
  at once          the most requests under way that the gateway saw: was the load as asked for?
  cpu s            of all its processes that it waited for, user and system, from start to end
  MB               peak memory of its largest process
  wall s           from its start to its end, so with whatever it does before and after
  late             the gateway's own lateness, p99, ms: a run is as good as this is small
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import clients  # noqa: E402
import gateway as bench  # noqa: E402

TTFT_MS, GAP_MS, TOKENS, WAVES = 50, 10, 100, 3
SEEDS_MAX = 500
LIMIT_S = 420
NAMES = ("leat", *clients.PEERS, *clients.ABSENT)
HEAD = ("harness", "ttft mean", "p99", "true", "error", "itl mean", "p99", "true p99", "sigma",
        "true", "done", "at once", "cpu s", "MB", "wall s", "late", "remark")
FIGURES = (("ttft_mean", 1), ("ttft_p99", 1), ("true_ttft", 1), ("ttft_error", 1),
           ("itl_mean", 2), ("itl_p99", 2), ("true_itl_p99", 2), ("itl_sigma", 2),
           ("true_sigma", 2), ("completed", 0), ("at_once", 0), ("cpu_s", 1), ("peak_mb", 0),
           ("wall_s", 1), ("late_p99", 2))


def counts(text):
    return [int(n) for n in text.split(",")]


def arguments():
    parser = argparse.ArgumentParser(prog="bench/peers/run.sh",
                                     description="leat load and other harnesses, same streams")
    parser.add_argument("--streams", type=counts, default=[100, 1000], metavar="N,...",
                        help="at once [100,1000]")
    parser.add_argument("--only", metavar="NAME,...", default=",".join(NAMES),
                        help=f"of {', '.join(NAMES)} [all]")
    parser.add_argument("--no-install", action="store_true", help="only those that are there")
    parser.add_argument("--folder", default="build/peers", help="where they are [build/peers]")
    parser.add_argument("--json", metavar="FILE", help="write the figures to this file, too")
    parser.add_argument("--programs", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--leat", required=True, help=argparse.SUPPRESS)
    given = parser.parse_args()
    given.only, given.folder = given.only.split(","), os.path.abspath(given.folder)
    if not set(given.only) <= set(NAMES):
        parser.error(f"--only: known are {', '.join(NAMES)}")
    if min(given.streams) < 1:
        parser.error("--streams are at least 1")
    return given


def chat_body(seed):
    return {"model": "m", "stream": True, "seed": seed, "max_tokens": TOKENS,
            "messages": [{"role": "user", "content": "hi"}]}


def plain_seed(leat):
    """A seed whose text has no line end but the stream's own, for clients that know too many."""
    with bench.fresh(leat, "--plain", "--ttft", "0", "--gap", "0", pinned=False) as gateway:
        for seed in range(1, SEEDS_MAX):
            question = urllib.request.Request(f"{gateway.url}/v1/chat/completions",
                                              data=json.dumps(chat_body(seed)).encode())
            with urllib.request.urlopen(question, timeout=10) as answer:
                text = answer.read().decode()
            if len(text.splitlines()) == text.count("\n"):
                return seed
    raise SystemExit("no seed gives a text of single lines")


def launch(given, command, folder, env):
    """-> CPU seconds, peak MB, wall seconds, exit status and what it printed."""
    report, log = (os.path.join(folder, name) for name in ("report", "log"))
    before = time.monotonic()
    with open(log, "w", encoding="utf-8") as errors:
        try:
            ran = subprocess.run([f"{given.programs}/pinned", str(bench.CLIENT_CORE), report,
                                  *command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                 stderr=errors, text=True, timeout=LIMIT_S, check=False,
                                 env={**os.environ, **env}, cwd=folder)
        except subprocess.TimeoutExpired:
            return {"why": f"not done in {LIMIT_S} s"}
    wall = time.monotonic() - before
    with open(report, encoding="utf-8") as file:
        cpu, peak_kb = file.read().split()[:2]
    if ran.returncode:
        with open(log, encoding="utf-8", errors="replace") as file:
            last = (file.read() + ran.stdout).strip().split("\n")[-1]
        return {"why": f"exit {ran.returncode}: {last[:120]}"}
    return {"cpu_s": float(cpu), "peak_mb": int(peak_kb) / 1024, "wall_s": wall,
            "stdout": ran.stdout}


def truth(gateway):
    timing, stats = gateway.ask("/mock/timing"), gateway.stats()
    return {"true_ttft": timing["first_us"]["mean"] / 1e3,
            "true_itl_p99": timing["gap_us"]["p99"] / 1e3,
            "true_sigma": timing["gap_us"]["sigma"] / 1e3,
            "late_p99": timing["lateness_us"]["p99"] / 1e3, "at_once": stats["in_flight_peak"]}


def measure(given, streams, client):
    """One harness against a fresh gateway. `client`: (command, env, read) of a gateway, a path and
    a folder. -> its row, or {"why": ...}"""
    path = "/v1/chat/completions"
    options = ("--plain", "--rx-stamps", "--tick", "250us", "--ttft", f"{TTFT_MS}ms", "--gap",
               f"{GAP_MS}ms", "--events", TOKENS)
    with bench.fresh(given.leat, *options) as gateway, tempfile.TemporaryDirectory() as folder:
        command, env, read = client(gateway, path, folder)
        ran = launch(given, command, folder, env)
        if "why" in ran:
            return ran
        try:
            said = read(ran.pop("stdout"))
        except (OSError, ValueError, KeyError, IndexError, TypeError, ZeroDivisionError) as error:
            return {"why": f"left no figures that can be read: {error!r}"[:150]}
        row = {**ran, **said, **truth(gateway)}
        return {**row, "ttft_error": row["ttft_mean"] - row["true_ttft"], "asked": streams}


def leat_client(given, streams, seed):
    def read(stdout):
        point = json.loads(stdout)["points"][0]
        ttft, itl = (point["latencies"][name]["sent"] for name in ("ttft", "itl"))
        return {"ttft_mean": ttft["mean"], "ttft_p99": ttft["p99"], "itl_mean": itl["mean"],
                "itl_p99": itl["p99"], "itl_sigma": itl["sd"],
                "completed": point["counts"]["completed"],
                "remark": point["certificate"]["verdict"]}

    def client(gateway, path, _):
        options = ["--http", "1.1", "--concurrency", streams, "--connections", streams,
                   "--requests", WAVES * streams, "--header", f"x-mock-seed: {seed}"]
        program = os.path.abspath(given.leat)
        return bench.load(program, gateway, path, *options), {}, read
    return client


def peer_client(given, streams, seed, name):
    peer = clients.PEERS[name]

    def client(gateway, path, folder):
        job = clients.Job(gateway.url, path, seed, streams, WAVES * streams, TOKENS,
                          os.path.join(given.folder, name, "bin"), given.tokenizer, folder)
        return (peer.command(job), peer.env(job),
                lambda stdout: {**peer.read(job, stdout), "remark": peer.remark})
    return client


def ready(given):
    """Installs what is missing -> {name: why it is not there}; sets given.tokenizer."""
    given.tokenizer, missing = None, {}
    for name in given.only:
        if name in clients.ABSENT:
            missing[name] = clients.ABSENT[name]
        elif name in clients.PEERS:
            missing[name] = clients.install(given.folder, name, not given.no_install)
            if missing[name] is None and given.tokenizer is None:
                given.tokenizer = clients.make_tokenizer(given.folder, name)
    for name in ("aiperf", "guidellm", "vllm"):
        if name in missing and missing[name] is None and given.tokenizer is None:
            missing[name] = "no tokenizer can be made here"
    return {name: why for name, why in missing.items() if why}


def cell(row, name, places):
    value = row.get(name)
    return "-" if value is None else f"{value:,.{places}f}"


def line(name, row):
    if "why" in row:
        return f"| {name} |{' |' * (len(HEAD) - 2)} {row['why']} |"
    cells = [cell(row, *figure) for figure in FIGURES]
    return f"| {name} | {' | '.join(cells)} | {row.get('remark', '')} |"


def table(given, streams, seed, missing, titles):
    print(f"\n{streams:,} streams, {WAVES * streams:,} requests of {TOKENS} tokens\n")
    print(f"| {' | '.join(HEAD)} |\n|{'---|' * len(HEAD)}", flush=True)
    rows = {}
    for name in given.only:
        if name in missing:
            rows[name] = {"why": missing[name]}
        elif name == "leat":
            rows[name] = measure(given, streams, leat_client(given, streams, seed))
        else:
            rows[name] = measure(given, streams, peer_client(given, streams, seed, name))
        print(line(titles[name], rows[name]), flush=True)
    return rows


def main():
    given = arguments()
    print(bench.machine(), flush=True)
    given.programs = os.path.abspath(given.programs)
    missing, seed = ready(given), plain_seed(given.leat)
    titles = {name: name if name in missing or name == "leat" else
              f"{name} {clients.version(given.folder, name)}" for name in given.only}
    report = {str(n): table(given, n, seed, missing, titles) for n in given.streams}
    if len(bench.CORES) < 2:
        print("remark: one core for gateway and client: the figures disturb each other")
    if given.json:
        with open(given.json, "w", encoding="utf-8") as file:
            json.dump({"machine": bench.machine(), "streams": report}, file, indent=1)
    if any("why" in rows.get("leat", {}) for rows in report.values()):
        sys.exit(1)


if __name__ == "__main__":
    main()
