"""The same rows through leat.ray and through Ray's own HttpRequestProcessor, on a local cluster.

Each asks a `leat mock` for whole answers to so many rows: where nothing fails, where one answer in
twenty is a refusal, and where one in twenty is truncated. The table says how long it took, the
start of the actors included, how many requests were under way at once, and what became of the rows:
answered; told as failed; passed on as if they were answers though they are none; lost with the job.

usage: ray_rows.py [--rows N] [--actors N] [--concurrency N] [--gateways NAME,...] [--ttft TIME]
                   [--json FILE] [--program FILE]
gateways: sound, refuses, truncates
Ray's processor needs pydantic and aiohttp beside ray[data]; without them its rows say why not.
"""
import argparse
import ctypes
import json
import logging
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")

import ray  # noqa: E402

import leat.ray  # noqa: E402

LIBC = ctypes.CDLL(None)  # opened before any fork
ROOT = Path(__file__).resolve().parents[3]
PATH = "/v1/chat/completions"
BODY = {"model": "m", "max_tokens": 20, "messages": [{"role": "user", "content": "hi"}]}
GATEWAYS = {"sound": (), "refuses": ("--fault", "status=400:0.05"),
            "truncates": ("--fault", "truncate=60:0.05")}
COLUMNS = ("client", "gateway", "seconds", "rows/s", "at once", "answered", "failed",
           "passed on", "lost", "remark")


def die_with_parent():
    LIBC.prctl(1, signal.SIGTERM)


class Gateway:
    """A mock of its own for each run, so that what it counted is this run's."""

    def __init__(self, program, *options):
        self.process = subprocess.Popen(
            [program, "mock", "--port", "0", "--plain", "--quiet", *options], text=True,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, preexec_fn=die_with_parent)
        self.url = re.search(r"http://\S+", self.process.stdout.readline())[0]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(10)
        self.process.stdout.close()

    def stats(self):
        with urllib.request.urlopen(self.url + "/stats", timeout=10) as answer:
            return json.load(answer)


def is_answer(body):
    return isinstance(body, dict) and bool(body.get("choices"))


def rows_of(count, actors):
    return ray.data.from_items([{"custom_id": str(i), "method": "POST", "url": PATH,
                                 "body": json.dumps(BODY)} for i in range(count)],
                               override_num_blocks=2 * actors)


# ---- the clients: each returns (answered, failed, passed on)

def run_leat(url, chosen):
    told = rows_of(chosen.rows, chosen.actors).map_batches(
        leat.ray.BatchRequests, compute=ray.data.ActorPoolStrategy(size=chosen.actors),
        batch_format="pyarrow", batch_size=chosen.concurrency, num_cpus=0.25,
        fn_constructor_kwargs={"base_url": url, "api_key": "k", "retries": 0,
                               "concurrency": chosen.concurrency})
    answered = failed = passed_on = 0
    for row in told.iter_rows():
        if row["error"]:
            failed += 1
        elif is_answer(json.loads(row["response"]["body"])):
            answered += 1
        else:
            passed_on += 1
    return answered, failed, passed_on


def run_ray(url, chosen):
    from ray.data import llm
    build = getattr(llm, "build_processor", None) or llm.build_llm_processor
    config = llm.HttpRequestProcessorConfig(
        url=url + PATH, headers={"Authorization": "Bearer k"}, max_retries=0,
        batch_size=chosen.concurrency, concurrency=(chosen.actors, chosen.actors),
        http_request_stage={"num_cpus": 0.25})
    processor = build(config, preprocess=lambda row: {"payload": json.loads(row["body"])},
                      postprocess=lambda row: {"custom_id": row["custom_id"],
                                               "body": json.dumps(row["http_response"])})
    answered = passed_on = 0
    for row in processor(rows_of(chosen.rows, chosen.actors)).iter_rows():
        if is_answer(json.loads(row["body"])):
            answered += 1
        else:
            passed_on += 1
    return answered, 0, passed_on


# ---- the table

def measure(name, run, chosen, gateway, *options):
    row = dict.fromkeys(COLUMNS, "")
    row.update(client=name, gateway=gateway)
    with Gateway(chosen.program, "--ttft", chosen.ttft, *options) as server:
        began = time.monotonic()
        try:
            counts = run(server.url, chosen)
        except ImportError as error:
            return {**row, "remark": f"not there: {error}"}
        except Exception as error:  # whatever Ray makes of a job that failed
            counts, row["remark"] = (0, 0, 0), f"the job failed: {reason(error)}"
        seconds = time.monotonic() - began
        row.update(zip(COLUMNS[5:8], counts), lost=chosen.rows - sum(counts))
        row["at once"] = server.stats()["in_flight_peak"]
    return {**row, "seconds": round(seconds, 1), "rows/s": round(sum(counts) / seconds, 1)}


def reason(error):
    """The first exception that Ray tells of: it puts its own around those of others."""
    named = re.findall(r"^(\w+(?:Error|Exception): .*)$", str(error), re.MULTILINE)
    return [*named, f"{type(error).__name__}: {error}"][0][:52]


def table(rows):
    widths = [max(len(str(row[name])) for row in rows + [dict(zip(COLUMNS, COLUMNS))])
              for name in COLUMNS]
    for row in [dict(zip(COLUMNS, COLUMNS)), *rows]:
        print("  ".join(str(row[name]).ljust(width)
                        for name, width in zip(COLUMNS, widths)).rstrip())


def options():
    reader = argparse.ArgumentParser(usage=__doc__.split("usage: ")[1])
    reader.add_argument("--rows", type=int, default=1000)
    reader.add_argument("--actors", type=int, default=2)
    reader.add_argument("--concurrency", type=int, default=100)
    reader.add_argument("--gateways", default=",".join(GATEWAYS))
    reader.add_argument("--ttft", default="30ms")
    reader.add_argument("--json")
    reader.add_argument("--program", default=str(ROOT / "build/release/leat"))
    return reader.parse_args()


def main():
    chosen = options()
    ray.init(address="local", num_cpus=2, object_store_memory=128 << 20, include_dashboard=False,
             log_to_driver=False, logging_level="ERROR")
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)
    ray.data.DataContext.get_current().enable_progress_bars = False
    # A first job pays for what the cluster starts once.
    rows_of(10, 1).materialize()
    rows = []
    for gateway in chosen.gateways.split(","):
        for name, run in (("leat.ray", run_leat), ("ray.data.llm", run_ray)):
            rows.append(measure(name, run, chosen, gateway, "--gap", "1ms", *GATEWAYS[gateway]))
    ray.shutdown()
    table(rows)
    if chosen.json:
        Path(chosen.json).write_text(json.dumps(rows), encoding="utf-8")
    sys.exit(0 if all(row["answered"] or row["failed"] for row in rows[::2]) else 1)


if __name__ == "__main__":
    main()
