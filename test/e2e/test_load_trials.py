#!/usr/bin/env python3
# ctest: slow 240 serial (it fills the cores on purpose, and pins to them)
"""The certificate on trial: the load is stopped, starved and frozen out, and its verdict is held
against the truth. The truth are the gateway's stamps in the events: from their writing to their
reading, which no harness can bend.

What is demanded holds on any machine, idle or not: a run whose events came late by more than three
bounds may not call itself valid, and one whose events came in half of it may not call itself
otherwise. `bench/trials/run.sh` runs more of them and prints the numbers.

usage: test_load_trials.py          as a test
       test_load_trials.py N        N clean runs and each trial, as a table"""
import contextlib
import os
import signal
import subprocess
import sys
import time
import unittest

import mock

CLEAN_RUNS = 3
ROUNDS = 4        # of 100 events, one in 10 ms: 4 s
STREAMS, FEW = 20, 4
OPTIONS = ("-H", "x-mock-stamp: 1")
# Else times count from the kernel's stamps. A virtual machine whose halted core wakes late is seen
# by those alone: so without them only disturbances of ours are judged.
OUR_READS = "--no-rx-timestamps"
HOGS = 4


def cores():
    """Two cores for server and client, or twice the same."""
    usable = sorted(os.sched_getaffinity(0))
    return usable[0], usable[-1]


def settle_on(core, priority):
    """For a child: to this core; and, where it may, ahead of whatever else the machine runs."""
    def settle():
        mock.die_with_parent()
        os.sched_setaffinity(0, {core})
        if priority:
            with contextlib.suppress(PermissionError):
                os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    return settle


class Gateway(mock.Mock):
    def __init__(self, *options, priority=True):
        super().__init__("--ttft", "50ms", "--gap", "10ms", "--events", "100", *options)
        os.sched_setaffinity(self.process.pid, {cores()[0]})
        if priority:
            with contextlib.suppress(PermissionError):
                os.sched_setscheduler(self.process.pid, os.SCHED_FIFO, os.sched_param(1))


class Trial:
    """A run, disturbed by `disturb(load, gateway)` while it lasts."""

    def __init__(self, name, gateway, disturb=None, *more, priority=True, streams=STREAMS):
        command = [mock.PROGRAM, "load", "--quiet", "--json", "-", "--base-url", gateway.url,
                   "--cacert", gateway.ca, "--http", "2", "-c", str(streams),
                   "-n", str(ROUNDS * streams), *OPTIONS, *more]
        load = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                env=mock.environment(),
                                preexec_fn=settle_on(cores()[1], priority))
        try:
            if disturb:
                time.sleep(0.8)
                disturb(load, gateway)
            out, err = load.communicate(timeout=60)
        finally:
            load.kill()
            load.wait()
        if load.returncode != 0:
            raise AssertionError(f"{name}: exit {load.returncode}: {err}")
        point = mock.json.loads(out)["points"][0]
        self.name, self.certificate = name, point["certificate"]
        self.truth = point["latencies"]["event_lag"]["sent"]["p99"]
        self.kernel = (self.certificate["kernel_lag"] or {}).get("p99", self.truth)
        self.frozen = disturb is freeze_server
        self.told = self.certificate["receive_lag"]["p99"]
        self.bound = self.certificate["lag_valid_us"] / 1000
        self.verdict = self.certificate["verdict"]

    def missed(self):
        """The events came late and nobody said so. The truth has the server's writing and the way
        through the kernel in it, and what a server that was held up catches up with it writes
        long after it has stamped it: where the kernel's stamps say that our reads were in time,
        they were."""
        return self.verdict == "valid" and min(self.truth, self.kernel) > 3 * self.bound

    def false_alarm(self):
        """Late by half of the bound, and blamed for more. What stops the whole machine stops the
        server too: no event is late by it, and still it is told, as a stall. Reads that were late
        are a reason, though the kernel's stamps kept the times right: what had come together cannot
        be told apart."""
        honest = self.frozen or self.certificate["stalls"] == 0
        late = self.kernel if self.frozen else max(self.truth, self.kernel)
        return self.verdict != "valid" and honest and late < 0.5 * self.bound

    def row(self):
        right = "missed" if self.missed() else "false alarm" if self.false_alarm() else "right"
        return (f"{self.name:<40} {self.truth:10.3f} {self.kernel:10.3f} {self.told:10.3f} "
                f"{self.bound:8.3f} {self.certificate['stalls']:6d}  {self.verdict:<9} {right}")


HEADING = (f"{'trial (p99 in ms)':<40} {'truth':>10} {'kernel':>10} {'told':>10} {'bound':>8} "
           f"{'stalls':>6}  verdict")


def stop_often(load, _):
    """50 ms out of 400."""
    while load.poll() is None:
        load.send_signal(signal.SIGSTOP)
        time.sleep(0.05)
        load.send_signal(signal.SIGCONT)
        time.sleep(0.35)


def hog(load, _):
    """Others on the same core, for the rest of the run."""
    spin = [sys.executable, "-c", "while True: pass"]
    hogs = [subprocess.Popen(spin, preexec_fn=settle_on(cores()[1], False)) for _ in range(HOGS)]
    try:
        load.wait(60)
    finally:
        for each in hogs:
            each.kill()
            each.wait()


def freeze_server(_, gateway):
    gateway.process.send_signal(signal.SIGSTOP)
    time.sleep(0.5)
    gateway.process.send_signal(signal.SIGCONT)


def clean(name="clean", *more):
    with Gateway() as gateway:
        return Trial(name, gateway, None, *more)


def stopped(*more):
    with Gateway() as gateway:
        return Trial(" ".join(["stopped 50 ms in 400", *more]), gateway, stop_often, *more)


def hogged(*more):
    with Gateway() as gateway:
        return Trial(" ".join([f"{HOGS} hogs on the core", *more]), gateway, hog, *more,
                     priority=False)


def frozen():
    """Few streams: what the server catches up with comes at once, and reading it takes time."""
    with Gateway() as gateway:
        return Trial("server frozen 500 ms", gateway, freeze_server, streams=FEW)


class Verdicts(unittest.TestCase):
    def judged_rightly(self, trial):
        self.assertFalse(trial.missed(), trial.row())
        self.assertFalse(trial.false_alarm(), trial.row())

    def test_clean_runs_are_no_false_alarms(self):
        for i in range(CLEAN_RUNS):
            with self.subTest(run=i):
                self.judged_rightly(clean())

    def test_stopped_load_is_invalid(self):
        for ways in ((), (OUR_READS,)):
            with self.subTest(ways=ways):
                trial = stopped(*ways)
                self.assertEqual(trial.verdict, "invalid", trial.row())
                self.assertGreater(trial.certificate["stalls"], 0)
                reasons = " ".join(r["text"] for r in trial.certificate["reasons"])
                self.assertIn("receive lag", reasons)
                self.assertGreater(trial.told, 10)
                self.judged_rightly(trial)

    def test_starved_load_knows_it(self):
        for ways in ((), (OUR_READS,)):
            with self.subTest(ways=ways):
                trial = hogged(*ways)
                self.judged_rightly(trial)
                self.assertNotEqual(trial.certificate["run_delay_us"], 0)

    def test_frozen_server_is_not_the_loads_fault(self):
        self.judged_rightly(frozen())


def table(runs):
    print(HEADING)
    trials = []
    ours = f"clean {OUR_READS}"
    for run in [*(lambda i=i: clean(f"clean {i + 1}") for i in range(runs)), stopped, hogged,
                frozen, lambda: clean(ours, OUR_READS), lambda: stopped(OUR_READS),
                lambda: hogged(OUR_READS)]:
        trials.append(run())
        print(trials[-1].row(), flush=True)
    wrong = [t for t in trials if t.missed() or t.false_alarm()]
    print(f"{len(trials) - len(wrong)} of {len(trials)} judged rightly")
    return 1 if wrong else 0


if __name__ == "__main__":
    if len(sys.argv) > 1 and sys.argv[1].isdigit():
        sys.exit(table(int(sys.argv[1])))
    mock.main()
