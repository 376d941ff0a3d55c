#!/usr/bin/env python3
"""How many jobs one process carries, and how soon it knows that one has ended; run.sh builds the
parts.

Jobs take lognormal times, median 60 s and sigma 0.8, divided by 20; the family's floor of 15 s is
divided by 20 too, the limit of 50 questions a second is not. The gateway (`leat mock`, pinned to
core 0) keeps a ledger: when each job ended, and when it was first looked at behind that. The lag is
the time between the two, and is set against the cadence in force when the job ended: the longer of
the floor and open jobs / (limit x ids a question). "One by one" is how many questions it would take
to look at each open job alone at that cadence. CPU and peak memory are the kernel's of the whole
client; memory a job is what the peak has more than that of a run with ten.
"""
import argparse
import bisect
import json
import os
import ssl
import subprocess
import sys
import tempfile
import urllib.request
from typing import NamedTuple

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import gateway as bench  # noqa: E402

LIMIT = 50
FLOOR = 15.0 / 20
MEDIAN = "3s"
SIGMA = "0.8"
STEP = 0.02  # of the integral over the open jobs


class Run(NamedTuple):
    name: str
    endpoint: str
    jobs: int
    ids: int  # a question
    plain: bool = False


RUNS = {
    "batch": Run("batch", "suno.music", 10000, 100),
    "single": Run("single", "video.generate", 500, 1),
    "plain": Run("plain", "video.generate", 500, 1, plain=True),
}


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--programs", required=True)
    parser.add_argument("--leat", required=True)
    parser.add_argument("--only", default=",".join(RUNS))
    parser.add_argument("--divide", type=int, default=1)
    parser.add_argument("--json")
    return parser.parse_args()


def write_jobs(path, run, jobs):
    with open(path, "w", encoding="utf-8") as file:
        for i in range(jobs):
            body = {"prompt": f"song {i}", "model": "m"}
            file.write(json.dumps({"custom_id": f"job-{i}", "method": "POST",
                                   "endpoint": run.endpoint, "body": body}) + "\n")


def command(options, run, gateway, folder):
    jobs, results = os.path.join(folder, "jobs.jsonl"), os.path.join(folder, "results.jsonl")
    if run.plain:
        here = os.path.dirname(os.path.abspath(__file__))
        return [sys.executable, os.path.join(here, "plain.py"), "--url", gateway.url, "--ca",
                gateway.ca, "--input", jobs, "--output", results, "--limit", str(LIMIT),
                "--floor", str(FLOOR)]
    return [options.leat, "task", "run", "--input", jobs, "--output", results, "--base-url",
            gateway.url, "--cacert", gateway.ca, "--api-key", "sk-bench", "--poll", f"{FLOOR}",
            "--polls-per-second", str(LIMIT), "--quiet"]


def one(options, run, jobs):
    """-> CPU seconds, peak KB, results written, the ledger, the gateway's counters."""
    with bench.fresh(options.leat, "--task-median", MEDIAN, "--task-sigma", SIGMA,
                     "--task-queued", "50ms", "--polls-per-second", LIMIT,
                     "--seed", "7") as gateway:
        with tempfile.TemporaryDirectory() as folder:
            write_jobs(os.path.join(folder, "jobs.jsonl"), run, jobs)
            report = os.path.join(folder, "report")
            pinned = [os.path.join(options.programs, "pinned"), str(bench.CLIENT_CORE), report]
            ran = subprocess.run([*pinned, *command(options, run, gateway, folder)],
                                 stdin=subprocess.DEVNULL, capture_output=True, text=True,
                                 timeout=900, check=False)
            if ran.returncode != 0:
                raise SystemExit(f"{run.name}: exit {ran.returncode}\n{ran.stdout}{ran.stderr}")
            with open(report, encoding="utf-8") as file:
                cpu, peak_kb = file.read().split()[:2]
            with open(os.path.join(folder, "results.jsonl"), encoding="utf-8") as file:
                names = [json.loads(line)["custom_id"] for line in file]
        return {"cpu": float(cpu), "peak_kb": int(peak_kb), "names": names,
                "ledger": ledger(gateway), "stats": gateway.stats()}


def ledger(gateway):
    trust = ssl.create_default_context(cafile=gateway.ca)
    with urllib.request.urlopen(f"{gateway.url}/mock/ledger?since=0", context=trust,
                                timeout=30) as answer:
        return [json.loads(line) for line in answer.read().decode().splitlines() if line]


def percentile(values, p):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * p / 100))] if ordered else 0.0


class Books:
    """Who was open when, as the ledger has it: submitted, and not yet seen to have ended."""

    def __init__(self, lines, ids):
        self.begun = sorted(line["submitted_ns"] / 1e9 for line in lines)
        self.ended = sorted(line["seen_ns"] / 1e9 for line in lines if line["seen_ns"])
        self.ids = ids

    def open_at(self, t):
        return bisect.bisect_right(self.begun, t) - bisect.bisect_right(self.ended, t)

    def cadence_at(self, t):
        return max(FLOOR, self.open_at(t) / (LIMIT * self.ids))

    def one_by_one(self):
        t, looks = self.begun[0], 0.0
        while t < self.ended[-1]:
            looks += self.open_at(t) / self.cadence_at(t) * STEP
            t += STEP
        return looks


def judge(run, jobs, got, base_kb):
    lines = [line for line in got["ledger"] if line["seen_ns"]]
    books = Books(lines, run.ids)
    lags = [line["lag_ms"] / 1e3 for line in lines]
    shares = [lag / books.cadence_at(line["final_ns"] / 1e9) for lag, line in zip(lags, lines)]
    tasks = got["stats"]["tasks"]
    questions = tasks["polls"] if run.ids == 1 else questions_of(tasks)
    return {"jobs": jobs, "results": len(set(got["names"])), "doubled":
            len(got["names"]) - len(set(got["names"])), "submits": tasks["submitted"],
            "lag_p50_s": percentile(lags, 50), "lag_p99_s": percentile(lags, 99),
            "cadence_max_s": max(books.cadence_at(line["final_ns"] / 1e9) for line in lines),
            "lag_p99_share": percentile(shares, 99), "questions": questions,
            "one_by_one": books.one_by_one(), "violations": got["stats"]["limits"]["refused_polls"],
            "kb_a_job": (got["peak_kb"] - base_kb) / jobs, "cpu_ms_a_job": got["cpu"] * 1e3 / jobs}


def questions_of(tasks):
    """Looks that came in fetches of many count as those fetches; the rest came alone."""
    return tasks["batch_polls"] + max(0, tasks["polls"] - tasks["batch_ids"])


def row(name, value, bound, fine):
    return f"  {name:<44} {value:>12}  {bound:>14}  {'' if fine else 'missed'}"


def table(run, m):
    if run.plain:
        print(f"\n{m['jobs']} jobs, one by one, a plain poller in asyncio")
    elif run.ids == 1:
        print(f"\n{m['jobs']} jobs of a family that is asked one by one")
    else:
        print(f"\n{m['jobs']} jobs, {run.ids} a question")
    print(row("results, each once", m["results"], m["jobs"],
              m["results"] == m["jobs"] == m["submits"] and m["doubled"] == 0))
    print(row("lag, median", f"{m['lag_p50_s']:.2f} s", "", True))
    print(row("lag, p99", f"{m['lag_p99_s']:.2f} s", "", True))
    print(row("cadence in force, at most", f"{m['cadence_max_s']:.2f} s", "", True))
    print(row("lag / cadence in force, p99", f"{m['lag_p99_share']:.2f}", "<= 1.10",
              m["lag_p99_share"] <= 1.10 or run.plain))
    print(row("questions", f"{m['questions']:,}", "", True))
    share = m["one_by_one"] / max(1, m["questions"])
    if run.ids > 1:
        print(row("... one by one it were so many times", f"{share:.0f}", ">= 50", share >= 50))
    print(row("questions above the limit", m["violations"], 0, m["violations"] == 0))
    print(row("memory a job", f"{m['kb_a_job']:.2f} KB", "<= 2 KB" if run.ids > 1 else "",
              run.ids == 1 or m["kb_a_job"] <= 2))
    print(row("CPU a job", f"{m['cpu_ms_a_job']:.3f} ms", "<= 0.2 ms" if run.ids > 1 else "",
              run.ids == 1 or m["cpu_ms_a_job"] <= 0.2))


def main():
    options = arguments()
    found = {}
    print(bench.machine())
    for name in options.only.split(","):
        run = RUNS[name]
        jobs = max(10, run.jobs // options.divide)
        base = one(options, run, 10)
        found[name] = judge(run, jobs, one(options, run, jobs), base["peak_kb"])
        table(run, found[name])
        sys.stdout.flush()
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump(found, file, indent=1)
    return 0


if __name__ == "__main__":
    sys.exit(main())
