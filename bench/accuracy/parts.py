"""What `leat load` costs and keeps up with, each a run of its own on a gateway of its own.

flood  1,000 streams on four TLS HTTP/2 connections without gaps: the gateway writes as fast as its
       core can, each event in a TLS record of its own; the rate is of events over the client's
       wall time. Nothing is due at a time there, and where a gateway without a schedule is faster
       than the client's core the client is busy all the time, whatever an event costs. So the
       certificate is that of a second run, in which the same streams have a gap that asks for some
       more than 300,000 events a second, ticks of 0.1 ms: there the gateway has a schedule, and how
       late it was is known. CPU an event is the client's whole CPU time, its start included, over
       its events; floor-h2 is bench/compare's: recv, decryption and frames, bytes dropped.
start  from right before the exec to the gateway's read of the first request's head, over TLS with
       the system's CA file and the gateway's behind it: the median of several starts. And the size
       of the program without symbols.
open   5,000 requests a second at even distances for some seconds, warm HTTP/2 on four connections,
       five events an answer: the rate is from the first to the last arrival that the gateway logged
       behind the warm-up; schedule lag is the report's.
burst  1,000 requests at one instant, twice; the second time the connections are warm: from the
       first to the last of its arrivals, as the gateway read them."""
import os
import statistics
import subprocess
import tempfile

import gateway as bench
import rounds

STREAMS, CONNECTIONS = 1000, 4
FLOOD_EVENTS, FLOOD_RATE, FLOOD_ASKED = 1500, 300000, 310000
FLOOD_TICK = "100us"
STARTS = 15
SYSTEM_CAS = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt",
              "/etc/ssl/cert.pem")
OPEN_RATE, OPEN_EVENTS, OPEN_WARM_S = 5000, 5, 1
BURST_EVERY_S = 2
LIMIT_S = 120
H2 = ("--http", "2", "--connections", CONNECTIONS)


def path_of(events, gap_ms=0, ttft_ms=0):
    return f"/v1/chat/completions?n={events}&ms={gap_ms}&ttft={ttft_ms}"


def at_most(what, value, most, places=2):
    return what, f"{value:,.{places}f}", f"<= {most:,}", value <= most


def remark(what, text):
    return what, text, "", None


# ---- flood

def flood_client(given, command, options=()):
    with bench.fresh(given.leat, "--h2-streams", 1000, *options) as gateway:
        ran = bench.measure(f"{given.programs}/pinned", command(gateway), LIMIT_S)
        return {**ran, "timing": gateway.ask("/mock/timing"), "stats": gateway.stats()}


def flood_wanted(streams):
    return ("--requests", streams, "--concurrency", streams, *H2, "--tls-max", "1.2")


def certificate_of(ran):
    point = ran["said"]["points"][0]
    certificate = point["certificate"]
    return {"rate": ran["said"]["events"] / point["wall_s"], "verdict": certificate["verdict"],
            "busy": certificate["busy_share"],
            "receive_lag_p99_ms": certificate["receive_lag"]["p99"],
            "us_event": ran["cpu"] * 1e6 / ran["said"]["events"]}


def flat_out(given, streams, path):
    """What the gateway offers, and beside it what the bytes cost when nobody looks at them."""
    full = flood_client(given, lambda g: bench.load(given.leat, g, path, *flood_wanted(streams)))
    floor = flood_client(given, lambda g: [f"{given.programs}/floor_h2", g.port, str(streams), path,
                                           str(CONNECTIONS)])
    seen = certificate_of(full)
    least = floor["cpu"] * 1e6 / floor["said"]["events"]
    return {**seen, "events": full["said"]["events"], "events_sent": full["stats"]["events"],
            "crowded": floor["said"].get("crowded", 0), "floor_us_event": least,
            "against_floor": seen["us_event"] / least}


def on_schedule(given, streams, path):
    ran = flood_client(given, lambda g: bench.load(given.leat, g, path, *flood_wanted(streams)),
                       ("--tick", FLOOD_TICK))
    return {**certificate_of(ran), "late_p99_ms": ran["timing"]["lateness_us"]["p99"] / 1e3}


def flood(given):
    streams = max(CONNECTIONS, STREAMS // given.divide)
    events = max(10, FLOOD_EVENTS // given.divide)
    flat, even = path_of(events), path_of(events, streams * 1000 / FLOOD_ASKED)
    return {**rounds.middle(given, lambda: flat_out(given, streams, flat)),
            "held": rounds.middle(given, lambda: on_schedule(given, streams, even))}


def flood_lines(seen):
    yield ("flood: events a second", f"{seen['rate']:,.0f}", f">= {FLOOD_RATE:,}",
           seen["rate"] >= FLOOD_RATE)
    yield ("events counted, of those sent", f"{seen['events']:,}", f"{seen['events_sent']:,}",
           seen["events"] == seen["events_sent"])
    yield ("TLS records with more than one event", f"{seen['crowded']:,}", "0",
           seen["crowded"] == 0)
    yield remark("certificate, busy share, receive lag p99",
                 f"{seen['verdict']}, {seen['busy']:.3f}, {seen['receive_lag_p99_ms']:.3f} ms")
    yield remark("CPU an event, us; floor-h2's",
                 f"{seen['us_event']:.2f}; {seen['floor_us_event']:.2f}")
    yield at_most("CPU an event over floor-h2's", seen["against_floor"], 1.3)
    held, asked = seen["held"], f"on a schedule of {FLOOD_ASKED:,}: "
    yield (asked + "events a second", f"{held['rate']:,.0f}", f">= {FLOOD_RATE:,}",
           held["rate"] >= FLOOD_RATE)
    yield asked + "certificate", rounds.verdict_of(held), "valid", held["verdict"] == "valid"
    yield at_most(asked + "receive lag p99, ms", held["receive_lag_p99_ms"], 0.5, 3)
    yield at_most(asked + "busy share", held["busy"], 0.85, 3)
    yield remark(asked + "CPU an event, us", f"{held['us_event']:.2f}")
    yield remark(asked + "gateway late p99, ms; rounds again",
                 f"{held['late_p99_ms']:.2f}; {rounds.again_of(held)}")


# ---- start

def stripped_bytes(program):
    with tempfile.TemporaryDirectory() as folder:
        small = os.path.join(folder, "leat")
        subprocess.run(["strip", "-o", small, program], check=True, timeout=60)
        return os.path.getsize(small)


def start_once(given, gateway, env):
    gateway.ask("/mock/arrivals?max=1", "POST")
    command = [given.leat, "load", "--base-url", gateway.url, "--chat-path", path_of(1), "--model",
               "m", "--prompt", "hi", "--quiet", "--json", "-", "--requests", "1"]
    ran = bench.measure(f"{given.programs}/pinned", command, LIMIT_S, env)
    if ran["exit"] != 0:
        raise SystemExit(f"start: exit {ran['exit']}\n{ran['stderr']}")
    return (gateway.ask("/mock/arrivals")["arrivals_ns"][0] - ran["exec_ns"]) / 1e6


def start(given):
    system = next((p for p in SYSTEM_CAS if os.path.exists(p)), None)
    with bench.fresh(given.leat) as gateway, tempfile.TemporaryDirectory() as folder:
        trusted = os.path.join(folder, "cas.pem")
        with open(trusted, "wb") as out:
            for name in filter(None, (system, gateway.ca)):
                with open(name, "rb") as file:
                    out.write(file.read())
        env = {**os.environ, "SSL_CERT_FILE": trusted}
        times = [start_once(given, gateway, env) for _ in range(max(3, STARTS // given.divide))]
        certificates = open(trusted, "rb").read().count(b"BEGIN CERTIFICATE")
    return {"ms": statistics.median(times), "min_ms": min(times), "max_ms": max(times),
            "certificates": certificates, "bytes": stripped_bytes(given.leat)}


def start_lines(seen):
    what = f"exec to first request byte, {seen['certificates']} CAs, TLS, ms"
    yield what, f"{seen['ms']:.2f}", "<= 15", seen["ms"] <= 15
    yield remark("the least and the most", f"{seen['min_ms']:.2f} to {seen['max_ms']:.2f}")
    yield ("program without symbols, bytes", f"{seen['bytes']:,}", "<= 2,000,000",
           seen["bytes"] <= 2000000)


# ---- open loop

def open_loop(given):
    seconds = max(2, 8 // given.divide)
    rate = max(50, OPEN_RATE // given.divide)
    with bench.fresh(given.leat, "--h2-streams", 1000) as gateway:
        gateway.ask(f"/mock/arrivals?max={(seconds + 2) * rate}", "POST")
        command = bench.load(given.leat, gateway, path_of(OPEN_EVENTS, 1, 2), "--rate", rate,
                             "--arrivals", "constant", "--duration", seconds, "--warmup",
                             f"{OPEN_WARM_S}s", *H2)
        ran = bench.measure(f"{given.programs}/pinned", command, LIMIT_S)
        came = sorted(gateway.ask("/mock/arrivals")["arrivals_ns"])
        timing = gateway.ask("/mock/timing")
    warm = came[0] + OPEN_WARM_S * 1000000000
    kept = [at for at in came if at >= warm]
    point = ran["said"]["points"][0]
    certificate = point["certificate"]
    return {"wanted": rate, "rate": (len(kept) - 1) * 1e9 / (kept[-1] - kept[0]),
            "rate_said": point["rates"]["requests_per_s"], "failed": point["counts"]["failed"],
            "schedule_lag_p99_ms": certificate["schedule_lag"]["p99"],
            "verdict": certificate["verdict"], "busy": certificate["busy_share"],
            "late_p99_ms": timing["lateness_us"]["p99"] / 1e3}


def open_lines(seen):
    off = abs(seen["rate"] / seen["wanted"] - 1)
    yield (f"open loop of {seen['wanted']:,} requests/s: as they came", f"{seen['rate']:,.1f}",
           "within 1 %", off <= 0.01)
    yield remark("as the report has it; failed",
                 f"{seen['rate_said']:,.1f}; {seen['failed']}")
    yield at_most("schedule lag p99, ms", seen["schedule_lag_p99_ms"], 0.5, 3)
    yield remark("certificate, busy share, gateway late p99",
                 f"{seen['verdict']}, {seen['busy']:.3f}, {seen['late_p99_ms']:.2f} ms")


# ---- burst

def burst(given):
    size = max(10, STREAMS // given.divide)
    with bench.fresh(given.leat, "--h2-streams", 1000) as gateway:
        gateway.ask(f"/mock/arrivals?max={3 * size}", "POST")
        command = bench.load(given.leat, gateway, path_of(5, 10, 200), "--burst", size,
                             "--burst-every", BURST_EVERY_S, "--requests", 2 * size, *H2)
        ran = bench.measure(f"{given.programs}/pinned", command, LIMIT_S)
        came = sorted(gateway.ask("/mock/arrivals")["arrivals_ns"])
    return {"size": size, "came": len(came), "ms": (came[-1] - came[-size]) / 1e6,
            "cold_ms": (came[size - 1] - came[0]) / 1e6,
            "failed": ran["said"]["points"][0]["counts"]["failed"]}


def burst_lines(seen):
    yield (f"burst of {seen['size']:,} over warm HTTP/2, first to last arrival, ms",
           f"{seen['ms']:.2f}", "<= 10", seen["ms"] <= 10)
    yield remark("the same cold; failed", f"{seen['cold_ms']:.2f}; {seen['failed']}")


PARTS = {"flood": (flood, flood_lines), "start": (start, start_lines),
         "open": (open_loop, open_lines), "burst": (burst, burst_lines)}
