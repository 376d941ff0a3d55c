"""What the benches share: a gateway, and for those that count cycles each side on a core of its own
and what the kernel says of the client when it has ended."""
import contextlib
import datetime
import json
import os
import platform
import re
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.request

READY = re.compile(r"listening on (https?://\S+:(\d+))")
START_SECONDS = 10
CORES = os.sched_getaffinity(0)
SERVER_CORE, CLIENT_CORE = min(CORES), max(CORES)


class Gateway:
    """`leat mock` with `options`: url, port, ca (a PEM file, None with --plain). `pinned`: on its
    core. Its log goes to a file, which no full pipe can stop."""

    def __init__(self, leat, folder, *options, pinned=True):
        self.ca = None if "--plain" in options else os.path.join(folder, "ca.pem")
        self.log = os.path.join(folder, "mock.log")
        with open(self.log, "w", encoding="utf-8") as log:
            self.process = subprocess.Popen(
                [leat, "mock", "--port", "0", *(["--ca-out", self.ca] if self.ca else []),
                 *map(str, options)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                preexec_fn=lambda: os.sched_setaffinity(0, {SERVER_CORE} if pinned else CORES))
        try:
            self.url, self.port = self.wait()
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
                return found[1], found[2]
            time.sleep(0.01)
        raise SystemExit(f"the gateway did not start: {text}")

    def ask(self, path, method="GET"):
        """What one of its own pages says."""
        trust = ssl.create_default_context(cafile=self.ca) if self.ca else None
        question = urllib.request.Request(self.url + path, method=method)
        with urllib.request.urlopen(question, context=trust, timeout=10) as answer:
            return json.load(answer)

    def stats(self):
        return self.ask("/stats")

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


@contextlib.contextmanager
def fresh(leat, *options, pinned=True):
    """A gateway for one run, and nothing of it left behind."""
    with tempfile.TemporaryDirectory() as folder:
        gateway = Gateway(leat, folder, *options, pinned=pinned)
        try:
            yield gateway
        finally:
            gateway.stop()


def load(leat, gateway, path, *options):
    """The command of `leat load` on the gateway, with its report on standard output."""
    trust = ["--cacert", gateway.ca] if gateway.ca else []
    return [leat, "load", "--base-url", gateway.url, "--chat-path", path, *trust, "--model", "m",
            "--prompt", "hi", "--quiet", "--json", "-", *map(str, options)]


def client(command, seconds=600):
    """Runs a client that prints one JSON object -> that. SystemExit when it printed none."""
    ran = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                         timeout=seconds, check=False)
    if not ran.stdout.startswith("{"):
        raise SystemExit(f"{' '.join(command)}: exit {ran.returncode}\n{ran.stderr}")
    sys.stderr.write(ran.stderr)
    return json.loads(ran.stdout)


def measure(pinned, command, seconds, env=None):
    """Runs a client to its end -> its exit status, its CPU seconds and peak memory as the kernel
    counts them, when it was started (exec_ns) and ended (end_ns, both of CLOCK_MONOTONIC), and the
    JSON object that it printed. SystemExit when it printed none."""
    with tempfile.TemporaryDirectory() as folder:
        report = os.path.join(folder, "report")
        ran = subprocess.run([pinned, str(CLIENT_CORE), report, *command],
                             stdin=subprocess.DEVNULL, capture_output=True, text=True,
                             timeout=seconds, check=False, env=env)
        end_ns = time.monotonic_ns()
        if not ran.stdout.startswith("{"):
            raise SystemExit(f"{' '.join(command)}: exit {ran.returncode}\n{ran.stderr}")
        with open(report, encoding="utf-8") as file:
            cpu, peak_kb, _, exec_ns = file.read().split()
        return {"exit": ran.returncode, "cpu": float(cpu), "peak_kb": int(peak_kb),
                "exec_ns": int(exec_ns), "end_ns": end_ns, "said": json.loads(ran.stdout),
                "stderr": ran.stderr}


def machine():
    model = "unknown processor"
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        found = re.search(r"^model name\s*: (.*)$", file.read(), re.M)
        model = found[1] if found else model
    return (f"{model}, {os.cpu_count()} cores, {platform.system()} {platform.release()}, "
            f"{datetime.date.today().isoformat()}, load average {os.getloadavg()[0]:.2f}")
