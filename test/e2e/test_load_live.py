#!/usr/bin/env python3
"""The live view on a terminal, which is played here: what stands on the screen while the run goes
on, and that nothing is left of it at the end; a log gets plain lines, and --quiet nothing."""
# ctest: e2e 120
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
import unittest

import mock

WAIT_SECONDS = 40
CODE = re.compile(r"\x1b\[([0-9;]*)([A-Za-z])")


class Screen:
    """As much of a terminal as the view needs: a grid that scrolls, and the cursor."""

    def __init__(self, columns):
        self.columns, self.lines, self.x, self.y, self.widest = columns, [""], 0, 0, 0

    def put(self, character):
        if self.x == self.columns:
            self.down()
        line = self.lines[self.y].ljust(self.x)
        self.lines[self.y] = line[:self.x] + character + line[self.x + 1:]
        self.x += 1
        self.widest = max(self.widest, self.x)

    def down(self):
        self.x, self.y = 0, self.y + 1
        if self.y == len(self.lines):
            self.lines.append("")

    def obey(self, number, letter):
        if letter == "A":
            self.y = max(0, self.y - int(number or 1))
        elif letter == "K":
            self.lines[self.y] = self.lines[self.y][:self.x]
        elif letter == "J":
            self.lines[self.y:] = [self.lines[self.y][:self.x]]
        elif letter != "m":
            raise ValueError(f"the view says CSI {number} {letter}")

    def feed(self, text):
        at = 0
        while at < len(text):
            code = CODE.match(text, at)
            if code:
                self.obey(*code.groups())
                at = code.end()
                continue
            if text[at] == "\n":
                self.down()
            elif text[at] == "\r":
                self.x = 0
            else:
                self.put(text[at])
            at += 1

    def text(self):
        return "\n".join(line.rstrip() for line in self.lines).rstrip("\n")


class Run:
    """`leat load` on a terminal of this size."""

    def __init__(self, url, *options, rows=30, columns=100, **env):
        self.main, side = pty.openpty()
        self.size(rows, columns)
        env = {"TERM": "xterm-256color", "LC_ALL": "C.UTF-8", **env}
        self.process = subprocess.Popen(
            [mock.PROGRAM, "load", "--base-url", url, "--model", "m", "--prompt", "hi", *options],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=side,
            env=mock.environment(**env), preexec_fn=mock.die_with_parent)
        os.close(side)
        self.text, self.screen, self.columns = "", Screen(columns), columns

    def size(self, rows, columns):
        fcntl.ioctl(self.main, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def read(self):
        """False: it has ended."""
        try:
            got = os.read(self.main, 65536).decode("utf-8", "replace")
        except OSError:  # EIO: the other side is closed
            got = ""
        self.text += got
        self.screen.feed(got.replace("\r\n", "\n"))
        return got != ""

    def until(self, ready):
        end = time.monotonic() + WAIT_SECONDS
        while not ready():
            if not select.select([self.main], [], [], max(0, end - time.monotonic()))[0]:
                raise RuntimeError("not shown in time: " + self.screen.text())
            if not self.read():
                raise RuntimeError("it ended: " + self.screen.text())

    def finish(self):
        end = time.monotonic() + WAIT_SECONDS
        while select.select([self.main], [], [], max(0, end - time.monotonic()))[0] and self.read():
            pass
        os.close(self.main)
        return self.process.wait(WAIT_SECONDS)


class LiveTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.gateway = mock.Mock("--plain", "--ttft", "20ms", "--gap", "5ms", "--events", "30")
        cls.addClassCleanup(cls.gateway.stop)

    def start(self, *options, **more):
        run = Run(self.gateway.url, "-c", "4", "--duration", "2s", *options, **more)
        self.addCleanup(lambda: run.process.poll() is None and run.process.kill())
        return run

    def test_it_is_redrawn_in_place_and_taken_away(self):
        run = self.start()
        run.until(lambda: re.search(r"TTFT +p50 \d", run.screen.text()))
        shown = run.screen.text()
        for words in ("concurrency 4", "of 2 s", "requests", " in flight", "0 failed", "gaps",
                      "ourselves", "receive lag p99"):
            self.assertIn(words, shown)
        self.assertEqual(len(shown.split("\n")), 6)
        self.assertEqual(run.finish(), 0)
        self.assertEqual(run.screen.text(), "")
        self.assertLess(run.screen.widest, run.columns)
        self.assertNotIn("\x1b[?25l", run.text)

    def test_without_colour_and_without_utf8(self):
        run = self.start(LC_ALL="C")
        run.until(lambda: "ourselves" in run.screen.text())
        self.assertEqual(run.finish(), 0)
        self.assertTrue(run.text.isascii())
        self.assertIsNone(re.search(r"\x1b\[[0-9;]*m", run.text))

    def test_colour_where_it_is_wanted(self):
        run = self.start(NO_COLOR="")
        run.until(lambda: "ourselves" in run.screen.text())
        self.assertEqual(run.finish(), 0)
        self.assertIn("\x1b[1m", run.text)

    def test_small_and_dumb_terminals_get_lines(self):
        for more in ({"rows": 6}, {"columns": 40}, {"TERM": "dumb"}, {"TERM": ""}):
            with self.subTest(**more):
                run = self.start(**more)
                self.assertEqual(run.finish(), 0)
                self.assertNotIn("\x1b[", run.text)

    def test_a_window_that_shrinks(self):
        run = self.start()
        run.until(lambda: "ourselves" in run.screen.text())
        run.size(30, 70)
        run.until(lambda: run.text.count("\x1b[J") > 0)
        self.assertEqual(run.finish(), 0)

    def test_quiet(self):
        run = self.start("--quiet")
        self.assertEqual(run.finish(), 0)
        self.assertEqual(run.text, "")

    def test_an_interrupt_leaves_a_clean_terminal(self):
        run = self.start("--duration", "30s")
        run.until(lambda: "ourselves" in run.screen.text())
        run.process.send_signal(signal.SIGINT)
        self.assertEqual(run.finish(), 130)
        self.assertNotIn("ourselves", run.screen.text())

    def test_a_pipe_gets_no_codes(self):
        ran = mock.leat("load", "--base-url", self.gateway.url, "--model", "m", "--prompt", "hi",
                        "-n", "8", "-c", "4", TERM="xterm")
        self.assertEqual(ran.returncode, 0, ran.stderr)
        self.assertNotIn("\x1b", ran.stderr)


if __name__ == "__main__":
    mock.main()
