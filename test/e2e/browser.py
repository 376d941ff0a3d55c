"""Chromium without a window, driven over a pair of pipes: what a page looks like, what it asks for
and what it complains of. Nothing listens on a port, and the profile is a new folder that goes with
the browser.

    with browser.Browser() as chromium:
        chromium.open("/path/page.html", width=1400, height=900, dark=True)
        chromium.run("document.title")
"""
import base64
import json
import os
import select
import shutil
import struct
import subprocess
import tempfile
import time
import unittest
import zlib

import mock

NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync",
         "--disable-dev-shm-usage", "--no-default-browser-check", "--remote-debugging-pipe")
WAIT_SECONDS = 60


class Browser:
    def __init__(self):
        program = next(filter(None, map(shutil.which, NAMES)), None)
        if program is None:
            raise unittest.SkipTest("Chromium is not installed (test/run.sh --peers does)")
        self.folder = tempfile.TemporaryDirectory(prefix="leat-browser-")
        self.number, self.events, self.rest = 0, [], b""
        # It reads commands from descriptor 3 and writes to 4; the shell moves ours there.
        command_out, self.commands = os.pipe()
        self.answers, answer_in = os.pipe()
        line = f'exec "$@" 3<&{command_out} 4>&{answer_in}'
        self.process = subprocess.Popen(
            ["/bin/bash", "-c", line, "browser", program, *FLAGS,
             f"--user-data-dir={self.folder.name}"], stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            pass_fds=(command_out, answer_in), preexec_fn=mock.die_with_parent)
        os.close(command_out)
        os.close(answer_in)
        self.session = None
        try:
            target = self.ask("Target.createTarget", url="about:blank")["targetId"]
            self.session = self.ask("Target.attachToTarget", targetId=target,
                                    flatten=True)["sessionId"]
            for domain in ("Page", "Runtime", "Log", "Network"):
                self.ask(f"{domain}.enable")
        except BaseException:
            self.stop()
            raise

    def receive(self, until):
        """The next message, which ends with a zero byte."""
        while b"\0" not in self.rest:
            ready, _, _ = select.select([self.answers], [], [], max(0, until - time.monotonic()))
            more = os.read(self.answers, 1 << 20) if ready else b""
            if not more:
                raise RuntimeError("Chromium says nothing" if not ready else "Chromium ended")
            self.rest += more
        message, self.rest = self.rest.split(b"\0", 1)
        return json.loads(message)

    def ask(self, method, **params):
        self.number += 1
        message = {"id": self.number, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.commands, json.dumps(message).encode() + b"\0")
        until = time.monotonic() + WAIT_SECONDS
        while True:
            got = self.receive(until)
            if got.get("id") == self.number:
                if "error" in got:
                    raise RuntimeError(f"{method}: {got['error']}")
                return got["result"]
            if "method" in got:
                self.events.append(got)

    def open(self, path, width=1400, height=900, dark=False):
        self.events = []
        self.ask("Emulation.setDeviceMetricsOverride", width=width, height=height,
                 deviceScaleFactor=1, mobile=False)
        self.ask("Emulation.setEmulatedMedia", media="screen", features=[
            {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])
        self.ask("Page.navigate", url="file://" + path)
        self.wait_for("Page.loadEventFired")

    def wait_for(self, method):
        """What the first event of this kind since the page was opened says."""
        until = time.monotonic() + WAIT_SECONDS
        while True:
            for event in self.events:
                if event["method"] == method:
                    return event["params"]
            self.events.append(self.receive(until))

    def run(self, expression):
        """The value of an expression in the page."""
        got = self.ask("Runtime.evaluate", expression=expression, returnByValue=True)
        if "exceptionDetails" in got:
            raise RuntimeError(got["exceptionDetails"])
        return got["result"].get("value")

    def screenshot(self):
        """PNG."""
        return base64.b64decode(self.ask("Page.captureScreenshot", format="png")["data"])

    def requested(self):
        return [event["params"]["request"]["url"] for event in self.events
                if event["method"] == "Network.requestWillBeSent"]

    def complaints(self):
        said = [event["params"]["entry"]["text"] for event in self.events
                if event["method"] == "Log.entryAdded"]
        return said + [event["params"] for event in self.events
                       if event["method"] in ("Runtime.exceptionThrown",
                                              "Runtime.consoleAPICalled")]

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        os.close(self.commands)
        os.close(self.answers)
        shutil.rmtree(self.folder.name, ignore_errors=True)  # its children may still write there
        self.folder.cleanup()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


def unfiltered(line, before, kind, step):
    """A row of a PNG (RFC 2083 6): each byte is told by its neighbours."""
    for i, byte in enumerate(line):
        left = line[i - step] if i >= step else 0
        above = before[i]
        if kind == 3:
            guess = (left + above) // 2
        elif kind == 4:
            corner = before[i - step] if i >= step else 0
            estimate = left + above - corner
            away = [abs(estimate - left), abs(estimate - above), abs(estimate - corner)]
            guess = (left, above, corner)[away.index(min(away))]
        else:
            guess = (0, left, above)[kind]
        line[i] = (byte + guess) & 255
    return line


def pixels(png):
    """-> (width, height, set of colours, mean brightness from 0 to 255)."""
    if png[:8] != b"\x89PNG\r\n\x1a\n":
        raise ValueError("no PNG")
    at, packed, width, height, step = 8, b"", 0, 0, 0
    while at < len(png):
        size, kind = struct.unpack(">I4s", png[at:at + 8])
        body = png[at + 8:at + 8 + size]
        if kind == b"IHDR":
            width, height, depth, colour = struct.unpack(">IIBB", body[:10])
            step = {(8, 2): 3, (8, 6): 4}[depth, colour]
        elif kind == b"IDAT":
            packed += body
        at += size + 12
    raw, row = zlib.decompress(packed), width * step + 1
    before, colours, sums = bytearray(row - 1), set(), 0
    for y in range(height):
        line = bytearray(raw[y * row + 1:(y + 1) * row])
        kind = raw[y * row]
        before = line if kind == 0 else unfiltered(line, before, kind, step)
        channels = [before[c::step] for c in range(3)]
        colours.update(zip(*channels))
        sums += sum(map(sum, channels))
    return width, height, colours, sums / (3 * width * height)
