#!/usr/bin/env python3
"""What an event costs a Python program: process CPU of all threads, beside aiohttp's.

Each client runs in a process of its own against one `leat mock`: so many streams at once, each of
so many events, one every 20 ms. The cost of an event is the difference between a long and a short
run, so that start and connecting do not hide in it.

usage: measure.py [--streams N] [--events N] [--rounds N] [--clients NAME,...] [--program FILE]
clients: leat-2, leat-1.1 (native), aiohttp; the SDK over its own transport: openai (HTTP/1.1),
openai-h2, and over ours: openai-leat
"""
import argparse
import asyncio
import contextlib
import ctypes
import json
import os
import re
import resource
import signal
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

LIBC = ctypes.CDLL(None)  # opened before any fork
ROOT = Path(__file__).resolve().parents[3]
SHORT_SHARE = 4
SECONDS = 120
CHAT = {"model": "m", "messages": [{"role": "user", "content": "hi"}], "stream": True}


def cpu():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def peak_kb():
    """The process's own peak: getrusage has that of whoever started it, too."""
    with open("/proc/self/status", encoding="ascii") as status:
        return int(re.search(r"VmHWM:\s+(\d+)", status.read())[1])


# ---- the clients: each counts the events of all streams

async def run_leat(url, ca, streams, http, headers):
    import leat

    async def one(client):
        n = 0
        async for event in client.chat("hi", model="m", headers=headers):
            if event.text:
                n += 1
        return n

    async with leat.Client(url, "k", ca_file=ca, http=http, conns_max=streams) as client:
        return sum(await asyncio.gather(*(one(client) for _ in range(streams))))


async def run_aiohttp(url, ca, streams, headers):
    import aiohttp

    async def one(session):
        n = 0
        async with session.post(f"{url}/v1/chat/completions", json=CHAT,
                                headers=headers) as response:
            async for line in response.content:
                if not line.startswith(b"data: {"):
                    continue
                choices = json.loads(line[6:]).get("choices")
                if choices and choices[0]["delta"].get("content"):
                    n += 1
        return n

    connector = aiohttp.TCPConnector(limit=0, ssl=ssl.create_default_context(cafile=ca))
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(
            total=None), headers={"authorization": "Bearer k"}) as session:
        return sum(await asyncio.gather(*(one(session) for _ in range(streams))))


async def run_openai(url, ca, streams, headers, transport):
    import httpx2
    import openai
    options = {"timeout": None}
    if transport == "leat":
        import leat.httpx2
        options["transport"] = leat.httpx2.AsyncTransport(ca_file=ca)
    else:
        options["http2"] = transport == "2"
        options["verify"] = ssl.create_default_context(cafile=ca)
        options["limits"] = httpx2.Limits(max_connections=None)
    client = openai.AsyncOpenAI(api_key="k", base_url=f"{url}/v1", max_retries=0,
                                http_client=openai.DefaultAsyncHttpx2Client(**options))

    async def one():
        n = 0
        async for chunk in await client.chat.completions.create(**CHAT, extra_headers=headers):
            if chunk.choices and chunk.choices[0].delta.content:
                n += 1
        return n

    async with client:
        return sum(await asyncio.gather(*(one() for _ in range(streams))))


def child(name, url, ca, streams, events):
    settled = min(3000, 500 + 5 * streams)  # ms until all are connected
    headers = {"x-mock-events": str(events), "x-mock-gap-ms": "20",
               "x-mock-ttft-ms": str(settled), "x-mock-bytes": "20"}
    runs = {"leat-2": lambda: run_leat(url, ca, streams, "2", headers),
            "leat-1.1": lambda: run_leat(url, ca, streams, "1.1", headers),
            "aiohttp": lambda: run_aiohttp(url, ca, streams, headers),
            "openai-leat": lambda: run_openai(url, ca, streams, headers, "leat"),
            "openai": lambda: run_openai(url, ca, streams, headers, "1.1"),
            "openai-h2": lambda: run_openai(url, ca, streams, headers, "2")}
    started = time.monotonic()
    count = asyncio.run(runs[name]())
    assert count == streams * events, f"{count} events of {streams * events}"
    print(json.dumps({"cpu": cpu(), "wall": time.monotonic() - started,
                      "kb": peak_kb()}))


# ---- the comparison

def die_with_parent():
    LIBC.prctl(1, signal.SIGTERM)


@contextlib.contextmanager
def gateway(program, *options):
    """A mock as a child: its URL and its CA's file."""
    with tempfile.TemporaryDirectory() as folder:
        ca = os.path.join(folder, "ca.pem")
        mock = subprocess.Popen([program, "mock", "--port", "0", "--quiet", "--ca-out", ca,
                                 *options], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                text=True, preexec_fn=die_with_parent)
        try:
            yield re.search(r"https://\S+", mock.stdout.readline())[0], ca
        finally:
            mock.terminate()
            mock.wait(10)
            mock.stdout.close()


def measure(name, address, streams, events):
    ran = subprocess.run([sys.executable, __file__, "--child", name, *address, str(streams),
                          str(events)], capture_output=True, text=True, timeout=SECONDS)
    if ran.returncode:
        sys.exit(f"{name}: {ran.stderr}")
    return json.loads(ran.stdout)


def main():
    if sys.argv[1:2] == ["--child"]:
        name, url, ca, streams, events = sys.argv[2:]
        child(name, url, ca, int(streams), int(events))
        return
    options = argparse.ArgumentParser()
    options.add_argument("--streams", type=int, default=500)
    options.add_argument("--events", type=int, default=200)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--clients", default="leat-2,leat-1.1,aiohttp")
    options.add_argument("--program", default=str(ROOT / "build/release/leat"))
    chosen = options.parse_args()
    short = max(1, chosen.events // SHORT_SHARE)
    costs = {}
    with gateway(chosen.program) as address:
        for _ in range(chosen.rounds):
            for name in chosen.clients.split(","):
                low = measure(name, address, chosen.streams, short)
                high = measure(name, address, chosen.streams, chosen.events)
                spent = (high["cpu"] - low["cpu"]) / chosen.streams / (chosen.events - short)
                costs.setdefault(name, []).append((spent * 1e6, high["kb"], high["wall"]))
    for name, rows in costs.items():
        us, kb, wall = (statistics.median(row[i] for row in rows) for i in range(3))
        print(f"{name:12} {us:7.2f} us/event   {kb / 1024:6.0f} MB   {wall:5.1f} s")


if __name__ == "__main__":
    main()
