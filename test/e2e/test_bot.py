#!/usr/bin/env python3
"""The example of a bot in C: 10,000 chats in lanes, edits at a bounded rate, errors that are
told."""
# ctest: e2e 300 once
import os
import subprocess
import unittest

import bots
import mock

PROGRAM = os.path.join(mock.BUILD, "examples", "bot")


class Bot(bots.BotTests, unittest.TestCase):
    command = [PROGRAM]

    def test_wrong_use(self):
        for words in ((), ("f", "b", "m", "never"), ("f", "b", "m", "1", "0")):
            ran = subprocess.run([PROGRAM, *words], capture_output=True, text=True, timeout=20,
                                 env=mock.environment(BOT_TOKEN="1:a"), check=False)
            self.assertEqual(ran.returncode, 2)
            self.assertTrue(ran.stderr.startswith("usage: BOT_TOKEN=... bot "), ran.stderr)

    def test_a_token_that_is_none_is_refused(self):
        ran = subprocess.run([PROGRAM, "http://127.0.0.1:1", "http://127.0.0.1:1", "m"], text=True,
                             env=mock.environment(BOT_TOKEN="a b\r\n"), capture_output=True,
                             timeout=20, check=False)
        self.assertEqual((ran.returncode, "BOT_TOKEN" in ran.stderr), (1, True), ran.stderr)


if __name__ == "__main__":
    mock.main()
