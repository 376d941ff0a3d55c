#!/usr/bin/env python3
"""A crowd of streams from one asyncio program: how late events reach it, and what memory it takes.

The gateway is a process of its own, and stamps each event when it writes it; an event's lateness is
what passes from there until the program's own code has it, by the clock that both share. All
streams run at once, spread over one gap, each of so many events a second.

usage: crowd.py [--streams N] [--rate EVENTS_A_SECOND] [--seconds N] [--program FILE]
       [--late-ms N] [--memory-mb N]
exit: 1 when the 99th percentile is above --late-ms [100] or the process above --memory-mb [250]
"""
import argparse
import asyncio
import json
import resource
import sys
import time

from measure import ROOT, gateway, peak_kb


def quantile(ordered, share):
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


async def read(client, delay, late):
    await asyncio.sleep(delay)
    async for event in client.chat("hi", model="m", raw="beside"):
        if event.text:
            late.append(time.monotonic_ns() - json.loads(event.raw)["mock_ns"])


async def crowd(url, ca, chosen):
    import leat
    late = []
    async with leat.Client(url, "k", ca_file=ca, http="2",
                           headers={"x-mock-stamp": "1"}) as client:
        spread = 1 / chosen.rate
        await asyncio.gather(*(read(client, spread * i / chosen.streams, late)
                               for i in range(chosen.streams)))
        stats = client.stats()
    return late, stats


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--streams", type=int, default=5000)
    options.add_argument("--rate", type=float, default=2)
    options.add_argument("--seconds", type=int, default=10)
    options.add_argument("--program", default=str(ROOT / "build/release/leat"))
    options.add_argument("--late-ms", type=float, default=100)
    options.add_argument("--memory-mb", type=float, default=250)
    chosen = options.parse_args()
    events = int(chosen.seconds * chosen.rate)
    gap = f"{1000 / chosen.rate:.0f}ms"
    with gateway(chosen.program, "--gap", gap, "--ttft", gap, "--events", str(events),
                 "--bytes", "20") as (url, ca):
        late, stats = asyncio.run(crowd(url, ca, chosen))
    if len(late) != chosen.streams * events:
        sys.exit(f"{len(late)} events of {chosen.streams * events}")
    late.sort()
    p50, p99, worst = (quantile(late, share) / 1e6 for share in (0.5, 0.99, 1))
    used = resource.getrusage(resource.RUSAGE_SELF)
    memory = peak_kb() / 1024
    print(f"{chosen.streams} streams, {stats['conns_opened']} connections: lateness p50 {p50:.1f}, "
          f"p99 {p99:.1f}, at most {worst:.1f} ms; {memory:.0f} MB; "
          f"{(used.ru_utime + used.ru_stime) / len(late) * 1e6:.1f} us CPU an event")
    sys.exit(p99 > chosen.late_ms or memory > chosen.memory_mb)


if __name__ == "__main__":
    main()
