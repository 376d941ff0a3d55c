"""The published test: C streams at once in a closed loop, the first token due 50 ms after the
request, then one each 10 ms, 100 in all; each stream's place is used three times. Plain HTTP/1.1 on
a connection a stream, as published, and TLS with HTTP/2 on four connections. "at once" begins all
streams together, as a closed loop does, so that they also end together: three times a run all of
them are to be begun anew within milliseconds. "spread" begins them over the length of one answer
(--ramp), so that at any time C streams are somewhere in their midst.

Truth is what the gateway wrote down about itself, with the same clock: every event carries the time
at which it was made, and GET /mock/timing has, from the same stamps, how long after the arrival of
its request each first event was made, how far apart the events of a stream were, and how late
events were given to the socket. A request arrives when the kernel takes in its last segment
(--rx-stamps), since a gateway that is busy may read it much later. Its clock ticks each quarter of
a millisecond, so that the events of a tick do not make each other late. So the gateway's own faults
(it rounds up to its ticks, it may be late) are not counted for or against the client.

The columns, all times in ms:
  ttft         the mean that leat load reports
  true         the gateway's mean from the arrival of a request's head to its first event's stamp
  error        ttft - true: the way from our stamp of a send to the kernel, the way back from the
               gateway's stamp of an event, and our own lag
  itl p99      as reported; true: of the gaps between stamps; error: their difference
  sigma        of the gaps as reported; true: of the gaps between stamps; added: the root of the
               difference of their squares, 0 when ours is the smaller
  lag p50 p99  from an event's stamp to the time it has with us, which is the kernel's stamp of it
               where there is one, over all events: event_lag of the report
  late p99     the gateway's own: an event given to the socket less the time it was due
  cpu          of the client over wall time, from its exec to its end; MB: its peak memory
  says         the certificate's verdict, of more rounds the worst and how many said valid, with the
               p99 of its receive lag
  again        rounds that were thrown away because the gateway's p99 was more than 1 ms late. After
               three (one with --quick) the next is kept, and "late" stands beside it
Means and percentiles are the medians over the rounds."""
import math
from typing import NamedTuple

import gateway as bench
import rounds

TTFT_MS, GAP_MS = 50, 10
WAVES, REQUESTS_LEAST = 3, 6
SHARED_CONNECTIONS = 4
TARGET_STREAMS = 1000


class Way(NamedTuple):
    """How the streams are carried."""

    name: str
    options: tuple  # of the gateway
    http: str
    connections: int  # 0: one a stream
    spread: bool  # the streams begin over the length of an answer


PUNCTUAL = ("--rx-stamps", "--tick", "250us")
PLAIN, SHARED = ("--plain", *PUNCTUAL), ("--h2-streams", 1000, *PUNCTUAL)
WAYS = (Way("plain HTTP/1.1, at once", PLAIN, "1.1", 0, False),
        Way("plain HTTP/1.1, spread", PLAIN, "1.1", 0, True),
        Way("TLS HTTP/2 on 4, at once", SHARED, "2", SHARED_CONNECTIONS, False),
        Way("TLS HTTP/2 on 4, spread", SHARED, "2", SHARED_CONNECTIONS, True))
COLUMNS = (("ttft_ms", 2), ("ttft_true_ms", 2), ("ttft_error_ms", 2), ("itl_p99_ms", 2),
           ("itl_true_p99_ms", 2), ("itl_error_ms", 2), ("sigma_ms", 3), ("sigma_true_ms", 3),
           ("sigma_added_ms", 3), ("lag_p50_ms", 3), ("lag_p99_ms", 3), ("late_p99_ms", 2),
           ("cpu", 2), ("peak_mb", 1), ("receive_lag_p99_ms", 3))
HEAD = ("| streams | ttft | true | error | itl p99 | true | error | sigma | true | added | lag p50 "
        "| p99 | late p99 | cpu | MB | says | again |")


def measure(given, way, streams):
    """One round -> what the client said, what the kernel said of it, the gateway's own times."""
    path = (f"/v1/chat/completions?n={given.events}&ms={GAP_MS}&ttft={TTFT_MS}&stamp=1")
    requests = max(WAVES * streams, min(REQUESTS_LEAST, WAVES * TARGET_STREAMS // given.divide))
    waves, answer_ms = math.ceil(requests / streams), TTFT_MS + given.events * GAP_MS
    limit = 30 + 4 * waves * answer_ms / 1000
    ramp = ("--ramp", f"{answer_ms}ms") if way.spread and streams > 1 else ()
    with bench.fresh(given.leat, *way.options) as gateway:
        command = bench.load(given.leat, gateway, path, "--http", way.http, "--requests", requests,
                             "--concurrency", streams, "--connections", way.connections or streams,
                             "--header", "x-mock-stamp: 1", *ramp)
        ran = bench.measure(f"{given.programs}/pinned", command, limit)
        return {**ran, "timing": gateway.ask("/mock/timing"), "stats": gateway.stats()}


def figures(ran):
    point, true = ran["said"]["points"][0], ran["timing"]
    kinds, certificate = point["latencies"], point["certificate"]
    ttft, itl, lag = (kinds[name]["sent"] for name in ("ttft", "itl", "event_lag"))
    first, gap, late = (true[f"{name}_us"] for name in ("first", "gap", "lateness"))
    sigma, own = itl["sd"], gap["sigma"] / 1e3
    wall = (ran["end_ns"] - ran["exec_ns"]) / 1e9
    return {"ttft_ms": ttft["mean"], "ttft_true_ms": first["mean"] / 1e3,
            "ttft_error_ms": ttft["mean"] - first["mean"] / 1e3, "itl_mean_ms": itl["mean"],
            "itl_true_mean_ms": gap["mean"] / 1e3, "itl_p99_ms": itl["p99"],
            "itl_true_p99_ms": gap["p99"] / 1e3, "itl_error_ms": itl["p99"] - gap["p99"] / 1e3,
            "sigma_ms": sigma, "sigma_true_ms": own,
            "sigma_added_ms": math.sqrt(max(0.0, sigma * sigma - own * own)),
            "lag_p50_ms": lag["p50"], "lag_p99_ms": lag["p99"], "late_p99_ms": late["p99"] / 1e3,
            "cpu": ran["cpu"] / wall, "peak_mb": ran["peak_kb"] / 1024,
            "receive_lag_p99_ms": certificate["receive_lag"]["p99"],
            "completed": point["counts"]["completed"], "first_events": first["count"],
            "gaps": itl["count"], "gaps_true": gap["count"],
            "in_flight_peak": ran["stats"]["in_flight_peak"], "verdict": certificate["verdict"]}


def line(streams, row):
    cells = [f"{row[name]:.{places}f}" for name, places in COLUMNS[:-1]]
    says = f"{rounds.verdict_of(row)}, {row['receive_lag_p99_ms']:.3f}"
    return f"| {streams:,} | {' | '.join(cells)} | {says} | {rounds.again_of(row)} |"


def targets(way, row):
    """(what, figure, its target as text, met)"""
    where = f"{TARGET_STREAMS:,} streams, {way.name}: "
    for what, name, most in (("mean TTFT error, ms", "ttft_error_ms", 2),
                             ("error of ITL p99, ms", "itl_error_ms", 0.5),
                             ("added sigma, ms", "sigma_added_ms", 0.3)):
        yield (where + what, f"{row[name]:.3f}", f"<= {most}", abs(row[name]) <= most)
    yield (where + "certificate", rounds.verdict_of(row), "valid", row["verdict"] == "valid")
    yield (where + "gateway late p99, ms; rounds again",
           f"{row['late_p99_ms']:.2f}; {rounds.again_of(row)}", "", None)


def run(given):
    """Prints a table a way as it goes -> (rows by way and streams, lines of targets)"""
    report, judged = {}, []
    for way in WAYS:
        print(f"\n{way.name}: first token {TTFT_MS} ms, gap {GAP_MS} ms, {given.events} tokens, "
              f"{given.rounds} round{'s' if given.rounds > 1 else ''}\n\n{HEAD}")
        print("|" + "---|" * (HEAD.count("|") - 1), flush=True)
        rows = report[way.name] = {}
        for streams in given.streams:
            row = rounds.middle(given, lambda: figures(measure(given, way, streams)))
            rows[str(streams)] = row
            print(line(streams, row), flush=True)
        if str(TARGET_STREAMS) in rows:
            judged += targets(way, rows[str(TARGET_STREAMS)])
    last = report[WAYS[-1].name].get("2000")
    if last:
        judged.append(("peak memory at 2,000 HTTP/2 streams, MB", f"{last['peak_mb']:.1f}", "<= 60",
                       last["peak_mb"] <= 60))
    return report, judged
