"""What every bot of the examples must do, whatever it is written in: the tests of each binding's
bot are these, with a command of its own."""
import collections
import os
import signal

import feed
import mock
import mock_text

EVENTS = 6
CHATS, TALKER, TALKER_SAYS, PAIRS = 10_000, 7, 150, 300


class Bot(mock.Server):
    def __init__(self, command, gateway, chats, *more, **env):
        env = mock.environment(LEAT_API_KEY="sk-of-the-model", BOT_TOKEN=feed.TOKEN,
                               SSL_CERT_FILE=gateway.ca, **env)
        super().__init__([*command, chats.url, gateway.url, "m", *more], env=env)

    def leave(self):
        """It is asked to go -> its last line."""
        self.process.send_signal(signal.SIGTERM)
        code = self.ended(60)
        assert code == 0, self.text()
        return self.log[-1]


class BotTests:
    """Mixed into a TestCase that has `command`."""

    chats = CHATS
    env = {}

    def check_texts(self, chats, updates, events):
        """Each question has one answer, which is whole, and those of a chat are in order."""
        questions = collections.defaultdict(list)
        for update in updates:
            questions[update.chat].append(update.number)
        self.assertEqual(set(chats.messages), set(questions))
        for chat, numbers in questions.items():
            said = chats.messages[chat]
            self.assertEqual([message.question for message in said], numbers, chat)
            for message in said:
                self.assertEqual(message.texts[-1], mock_text.answer(message.question, events))
                for shorter, longer in zip(message.texts, message.texts[1:]):
                    self.assertTrue(longer.startswith(shorter))
                    self.assertGreater(len(longer), len(shorter))

    def test_ten_thousand_chats_are_answered_in_order_and_in_turns(self):
        """In bursts: one chat has much to say first, all others one thing, some two. While one of
        them waits the talkative chat gets a few answers at most, however much it has said."""
        with mock.Mock("--ttft", "20ms", "--gap", "2ms", "--events", str(EVENTS)) as gateway, \
                feed.Feed() as chats:
            with Bot(self.command, gateway, chats, "30", "100000", **self.env) as bot:
                updates = chats.say(*((TALKER, f"thing {i}") for i in range(TALKER_SAYS)))
                singles = chats.say(*((1000 + i, "hello") for i in range(self.chats - 1)))
                updates += singles
                chats.wait(lambda: chats.sent >= TALKER_SAYS + len(singles) // 2)
                updates += chats.say(*((1000 + i, "and then?") for i in range(PAIRS)))
                chats.wait(lambda: chats.sent == len(updates))
                last = bot.leave()
        self.assertEqual(chats.wrong, [])
        self.assertEqual(last, f"{len(updates)} answered, 0 failed\n")
        self.check_texts(chats, updates, EVENTS)
        told = sorted(chats.answered_at[m.question] for m in chats.messages[TALKER])
        waits = [sum(chats.fetched_at[u.number] < at < chats.answered_at[u.number] for at in told)
                 for u in singles[::97]]
        self.assertLess(max(waits), TALKER_SAYS // 3, waits)

    def test_long_answers_are_edited_at_a_bounded_rate(self):
        """30 chats, answers of 1.5 s, an edit each 0.3 s: each is shown while it grows."""
        events = 30
        with mock.Mock("--ttft", "20ms", "--gap", "50ms", "--events", str(events)) as gateway, \
                feed.Feed(busy_every=7) as chats:
            with Bot(self.command, gateway, chats, "0.3", "200", **self.env) as bot:
                updates = chats.say(*((i, "at length") for i in range(30)), (3, "and again"))
                whole = {u.number: mock_text.answer(u.number, events) for u in updates}
                chats.wait(lambda: sum(whole[m.question] == m.texts[-1]
                                       for said in list(chats.messages.values())
                                       for m in said) == len(updates))
                last = bot.leave()
        self.assertEqual((chats.wrong, last), ([], f"{len(updates)} answered, 0 failed\n"))
        self.check_texts(chats, updates, events)
        edits = [len(m.texts) for said in chats.messages.values() for m in said]
        self.assertGreater(max(edits), 1)
        for said in chats.messages.values():
            for message in said:
                took = message.times[-1] - message.times[0]
                self.assertLessEqual(len(message.texts), took / 0.3 + 3)
        self.assertGreater(len(chats.refused), 0)

    def test_what_breaks_off_is_told_and_nothing_else_stops(self):
        with mock.Mock("--ttft", "5ms", "--gap", "2ms", "--events", str(EVENTS), "--fault",
                       "truncate=400:0.3") as gateway, feed.Feed() as chats:
            with Bot(self.command, gateway, chats, "30", "1000", **self.env) as bot:
                updates = chats.say(*((i, "hello") for i in range(100)))
                chats.wait(lambda: chats.sent == len(updates))
                last = bot.leave()
        texts = {u.number: chats.messages[u.chat][0].texts[-1] for u in updates}
        broken = [number for number, text in texts.items() if "[LEAT_E" in text]
        for number, text in texts.items():
            if number not in broken:
                self.assertEqual(text, mock_text.answer(number, EVENTS))
        self.assertTrue(0 < len(broken) < 100, len(broken))
        self.assertEqual(last, f"{100 - len(broken)} answered, {len(broken)} failed\n")


def folder(name):
    return os.path.join(mock.SOURCE, "bindings", "examples", name)
