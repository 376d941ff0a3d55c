"""How each harness is installed, told the work, and asked what it saw. A client is a function from
a Job to its command; a reader takes what it left and says {ttft_mean, ttft_p99, itl_mean, itl_p99,
itl_sigma, completed}, in ms, None where the harness does not say."""
import json
import os
import shutil
import subprocess
import sys
from typing import Callable, NamedTuple

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../test/e2e"))
import installed as packages  # noqa: E402

INSTALL_SECONDS = 1500
SPARE_BYTES = 4 << 30  # that an installation must leave on the disk


class Job(NamedTuple):
    """One run of one harness."""

    url: str
    path: str  # of the chats, with the cadence in its query
    seed: int
    streams: int
    requests: int
    tokens: int
    programs: str  # the folder of the harness' own programs
    tokenizer: str
    folder: str  # where it may write


class Peer(NamedTuple):
    """A harness other than ours."""

    package: str
    bytes: int  # on disk, about
    command: Callable
    read: Callable
    env: Callable = lambda job: {}
    remark: str = ""


def read_json(job, name):
    with open(os.path.join(job.folder, name), encoding="utf-8") as file:
        return json.load(file)


def extra_body(job):
    return {"seed": job.seed}


# ---- AIPerf

def aiperf(job):
    base, _, path = job.url, None, job.path
    return [os.path.join(job.programs, "aiperf"), "profile", "--model", "m", "--url", base,
            "--custom-endpoint", path, "--endpoint-type", "chat", "--streaming", "--concurrency",
            str(job.streams), "--request-count", str(job.requests), "--tokenizer", job.tokenizer,
            "--isl", "16", "--osl", str(job.tokens), "--extra-inputs", json.dumps(extra_body(job)),
            "--use-server-token-count", "--output-artifact-dir", job.folder, "--ui", "none",
            "--no-gpu-telemetry", "--no-server-metrics"]


def read_aiperf(job, _):
    said = read_json(job, "profile_export_aiperf.json")
    ttft, gap = said["time_to_first_token"], said["inter_chunk_latency"]
    return {"ttft_mean": ttft["avg"], "ttft_p99": ttft["p99"], "itl_mean": gap["avg"],
            "itl_p99": gap["p99"], "itl_sigma": gap["std"],
            "completed": int(said["request_count"]["avg"])}


# ---- GuideLLM

def guidellm(job):
    backend = {"kind": "openai_http", "target": job.url, "model": "m", "validate_backend": False,
               "extras": {"body": extra_body(job)}}
    return [os.path.join(job.programs, "guidellm"), "run", "--backend", json.dumps(backend),
            "--profile", f"kind=concurrent,streams={job.streams}",
            "--constraint", f"kind=max_requests,count={job.requests}",
            "--tokenizer", f"kind=huggingface_auto,model={job.tokenizer}",
            "--data", f"kind=synthetic_text,prompt_tokens=16,output_tokens={job.tokens}",
            "--output", f"kind=json,path={os.path.join(job.folder, 'guidellm.json')}",
            "--disable-console"]


def read_guidellm(job, _):
    metrics = read_json(job, "guidellm.json")["benchmarks"][0]["metrics"]
    ttft, gap = (metrics[name]["successful"] for name in ("time_to_first_token_ms",
                                                          "inter_token_latency_ms"))
    return {"ttft_mean": ttft["mean"], "ttft_p99": ttft["percentiles"]["p99"],
            "itl_mean": gap["mean"], "itl_p99": gap["percentiles"]["p99"],
            "itl_sigma": gap["std_dev"], "completed": metrics["request_totals"]["successful"]}


# ---- vLLM

def vllm(job):
    return [os.path.join(job.programs, "vllm"), "bench", "serve", "--backend", "openai-chat",
            "--base-url", job.url, "--endpoint", job.path, "--model", "m", "--tokenizer",
            job.tokenizer, "--dataset-name", "random", "--random-input-len", "16",
            "--random-output-len", str(job.tokens), "--num-prompts", str(job.requests),
            "--max-concurrency", str(job.streams), "--extra-body", json.dumps(extra_body(job)),
            "--save-result", "--result-dir", job.folder, "--result-filename", "vllm.json",
            "--percentile-metrics", "ttft,itl", "--metric-percentiles", "99", "--disable-tqdm"]


def read_vllm(job, _):
    said = read_json(job, "vllm.json")
    return {"ttft_mean": said["mean_ttft_ms"], "ttft_p99": said["p99_ttft_ms"],
            "itl_mean": said["mean_itl_ms"], "itl_p99": said["p99_itl_ms"],
            "itl_sigma": said["std_itl_ms"], "completed": said["completed"]}


# ---- locust

def locust(job):
    file = os.path.join(os.path.dirname(os.path.abspath(__file__)), "locustfile.py")
    return [os.path.join(job.programs, "locust"), "-f", file, "--headless", "--host", job.url,
            "--users", str(job.streams), "--spawn-rate", str(job.streams), "--json",
            "--loglevel", "ERROR", "--exit-code-on-error", "0"]


def locust_env(job):
    body = {"model": "m", "stream": True, "max_tokens": job.tokens, **extra_body(job),
            "messages": [{"role": "user", "content": "hi"}]}
    return {"PEERS_PATH": job.path, "PEERS_BODY": json.dumps(body),
            "PEERS_REQUESTS": str(job.requests)}


def share_of(times, share):
    """The time at or below which this share of locust's rounded times are."""
    ordered = sorted((float(ms), count) for ms, count in times.items())
    wanted = share * sum(count for _, count in ordered)
    for ms, count in ordered:
        wanted -= count
        if wanted <= 0:
            return ms
    return None


def read_locust(_, stdout):
    rows = {row["method"]: row for row in json.loads(stdout[stdout.index("["):])}
    ttft, gap = rows["ttft"], rows["itl"]
    return {"ttft_mean": ttft["total_response_time"] / ttft["num_requests"],
            "ttft_p99": share_of(ttft["response_times"], 0.99),
            "itl_mean": gap["total_response_time"] / gap["num_requests"],
            "itl_p99": share_of(gap["response_times"], 0.99), "itl_sigma": None,
            "completed": ttft["num_requests"]}


PEERS = {
    "aiperf": Peer("aiperf", 2 << 30, aiperf, read_aiperf),
    "guidellm": Peer("guidellm", 7 << 30, guidellm, read_guidellm,
                     lambda job: {"HF_HUB_OFFLINE": "1"}, "itl: a mean a request"),
    "vllm": Peer("vllm", 10 << 30, vllm, read_vllm, lambda job: {"HF_HUB_OFFLINE": "1"},
                 "vllm bench serve"),
    "locust": Peer("locust", 1 << 28, locust, read_locust, locust_env,
                   "a locustfile of ours; p99 rounded by it"),
}
# What is not even tried, and why.
ABSENT = {"k6": "times no tokens: its times end at the head, and no event stream is read"}


def installed(folder, name):
    return os.path.exists(os.path.join(folder, name, "installed"))


def install(folder, name, may, seconds=INSTALL_SECONDS):
    """-> why the harness is not there, None when it is."""
    peer, place = PEERS[name], os.path.join(folder, name)
    if installed(folder, name):
        return None
    if not may:
        return "not installed (--no-install)"
    os.makedirs(folder, exist_ok=True)
    free = shutil.disk_usage(folder).free
    if free < peer.bytes + SPARE_BYTES:
        return f"no room: it needs {peer.bytes >> 30} GB, {free >> 30} GB are free"
    print(f"installing {peer.package} into {place}", file=sys.stderr, flush=True)
    try:
        packages.python(name, peer.package, within=folder, options=("--no-cache-dir",),
                        seconds=seconds)
    except packages.CannotInstall as why:
        return str(why)[:120]
    return None


def version(folder, name):
    """As its own package says it, "" where it does not."""
    code = f"import importlib.metadata as m; print(m.version({PEERS[name].package!r}))"
    ran = subprocess.run([os.path.join(folder, name, "bin/python"), "-c", code],
                         capture_output=True, text=True, timeout=60, check=False)
    return ran.stdout.strip()


def make_tokenizer(folder, name):
    """A folder with a tokenizer, made by this harness' Python; None: it has no packages for it."""
    place = os.path.join(folder, "tokenizer")
    if os.path.exists(os.path.join(place, "tokenizer.json")):
        return place
    script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "tokenizer.py")
    ran = subprocess.run([os.path.join(folder, name, "bin/python"), script, place],
                         capture_output=True, text=True, timeout=120, check=False)
    return place if ran.returncode == 0 else None
