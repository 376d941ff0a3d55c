#!/usr/bin/env python3
"""The example in Node: the bot does what the one in C does, beside the package of this tree."""
# ctest: peers 900 once
import os
import shutil
import unittest

import bots
import mock
import node_project

TOKEN = "123456:nobody-may-read-this"


class NodeBot(bots.BotTests, unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        project = node_project.make()
        folder = project.scratch()
        cls.addClassCleanup(folder.cleanup)
        cls.command = [project.node, shutil.copy(
            os.path.join(bots.folder("bot-node"), "bot.mjs"), folder.name)]

    def test_wrong_use(self):
        for words in ((), ("f", "b", "m", "never"), ("f", "b", "m", "1", "0"),
                      ("f", "b", "m", "1", "1", "1")):
            ran = node_project.run(*self.command, *words, seconds=60, BOT_TOKEN=TOKEN)
            self.assertEqual(ran.returncode, 2)
            self.assertTrue(ran.stdout.startswith("usage: BOT_TOKEN=... bot.mjs "), ran.stdout)

    def test_a_feed_that_is_away_is_asked_again_and_the_token_is_not_told(self):
        nobody = f"http://127.0.0.1:{mock.free_port()}"
        env = mock.environment(BOT_TOKEN=TOKEN)
        with mock.Server([*self.command, nobody, nobody, "m"], env=env) as bot:
            bot.wait_until(lambda: bot.text().count("bot: no updates: ") > 1)
            bot.process.terminate()
            self.assertEqual(bot.ended(60), 0)
            said = bot.text()
        self.assertTrue(said.endswith("0 answered, 0 failed\n"), said)
        self.assertNotIn(TOKEN.partition(":")[2], said)


if __name__ == "__main__":
    mock.main()
