#!/usr/bin/env python3
"""A bot with many chats, after the manner of Telegram's, with two clients: one for the model, which
learns its limits, and one for the feed, where a question for updates may lie for long and must not
count among the requests that a limit lets out.

Updates come by long polling. Each message is asked at once and in order, in a lane of its chat: so
a chat's messages are answered one at a time, and chats take turns, however much one of them says.
An answer that takes longer is shown while it grows, by edits, at most one each EDIT_SECONDS and
CALLS_PER_SECOND over all chats; when those are used up, ends go before edits. What goes to a chat
has a lane, too, so that it comes in order even when the first of two calls had to be repeated.

usage: bot.py FEED BASE_URL MODEL [EDIT_SECONDS [CALLS_PER_SECOND]]
FEED is https://api.telegram.org. BOT_TOKEN is the bot's, LEAT_API_KEY the model's; SSL_CERT_FILE
names the CA certificates to trust instead of the system's. SIGTERM or SIGINT: it hears no more, and
leaves when all is answered.
"""
from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from typing import Any

import leat

PENDING_MAX = 20000  # messages that are not answered; above it no more are fetched
TEXT_MAX = 4096      # of one message
POLL_SECONDS = 25


def calls_of(token: str) -> str:
    """The bot's calls as rows of the registry: so they have retries, and statuses are errors. What
    may have been sent is not sent again."""
    def row(name: str, method: str, **more: Any) -> dict[str, Any]:
        return {"name": f"telegram.{name.lower()}", "method": method, "auth": "none",
                "path": f"/bot{token}/{name}", **more}
    return json.dumps({"endpoints": [
        row("getUpdates", "GET"), row("sendMessage", "POST", body="json", once=True),
        row("editMessageText", "POST", body="json")]})


class Pace:
    """So many a second, evenly; who asks first goes first, which the lock sees to."""

    def __init__(self, per_second: float) -> None:
        self.gap, self.next, self.waiting = 1 / per_second, 0.0, 0
        self.lock = asyncio.Lock()

    def behind(self) -> float:
        """How long a turn would be waited for."""
        return self.waiting * self.gap

    async def turn(self) -> None:
        clock = asyncio.get_running_loop().time
        self.waiting += 1
        try:
            async with self.lock:
                self.next = max(self.next, clock()) + self.gap
                if self.next - clock() > 0.002:  # what a loop's timers can tell apart
                    await asyncio.sleep(self.next - clock())
        finally:
            self.waiting -= 1


class Bot:
    def __init__(self, client: leat.Client, feed: leat.Client, model: str, edit: float,
                 rate: float) -> None:
        self.client, self.feed, self.model, self.edit = client, feed, model, edit
        self.pace = Pace(rate)
        self.pending: set[asyncio.Task[None]] = set()
        self.answered = self.failed = 0

    async def run(self) -> None:
        offset = 0
        while True:
            while len(self.pending) >= PENDING_MAX:
                await asyncio.wait(self.pending, return_when=asyncio.FIRST_COMPLETED)
            try:
                reply = await self.feed.call(
                    "telegram.getupdates", timeout=POLL_SECONDS * 2,
                    params={"offset": offset, "timeout": POLL_SECONDS, "limit": 100})
            except leat.LeatError as error:
                print(f"bot: no updates: {error}", file=sys.stderr)
                await asyncio.sleep(1)
                continue
            for update in reply.json()["result"]:
                offset = update["update_id"] + 1
                self.hear(update)

    def hear(self, update: dict[str, Any]) -> None:
        """Asks at once, so that the lane has the order in which it was said. The seed makes the
        answer to an update that comes again the same."""
        message = update.get("message", {})
        if not message.get("text"):
            return
        chat = message["chat"]["id"]
        try:
            stream = self.client.chat(message["text"], model=self.model, lane=f"chat {chat}",
                                      seed=update["update_id"])
        except leat.LeatError as error:
            print(f"bot: {error}", file=sys.stderr)
            self.failed += 1
            return
        task = asyncio.create_task(self.answer(stream, chat, message["message_id"]))
        self.pending.add(task)
        task.add_done_callback(self.pending.discard)

    async def answer(self, stream: leat.Stream, chat: int, question: int) -> None:
        clock = asyncio.get_running_loop().time
        text, told, shown, due = "", "", 0, 0.0
        try:
            try:
                async with stream:
                    async for event in stream:
                        text += event.text
                        due = due or clock() + self.edit
                        if text and clock() >= due and self.pace.behind() < self.edit:
                            told = text
                            shown = await self.show(chat, question, shown, told)
                            due = clock() + self.edit
            except leat.LeatError as error:
                self.failed += 1
                text += f" [{error.name}]"
            else:
                self.answered += 1
            if text != told or not shown:
                await self.show(chat, question, shown, text or "(nothing)")
        except leat.LeatError as error:
            print(f"bot: chat {chat}: {error}", file=sys.stderr)

    async def show(self, chat: int, question: int, shown: int, text: str) -> int:
        """Sends a message, or changes the one that was sent -> its id."""
        await self.pace.turn()
        body: dict[str, Any] = {"chat_id": chat, "text": text[:TEXT_MAX]}
        if shown:
            body["message_id"] = shown
        else:
            body["reply_parameters"] = {"message_id": question}
        reply = await self.feed.call(
            "telegram.editmessagetext" if shown else "telegram.sendmessage", body,
            lane=f"to {chat}")
        return shown or int(reply.json()["result"]["message_id"])


async def main(feed_url: str, base_url: str, model: str, edit: float = 1.0,
               rate: float = 30.0) -> None:
    authorities = os.environ.get("SSL_CERT_FILE")
    async with leat.Client(base_url, os.environ.get("LEAT_API_KEY"), learn_limits=True,
                           ca_file=authorities) as client, \
            leat.Client(feed_url, ca_file=authorities,
                        endpoints=calls_of(os.environ["BOT_TOKEN"])) as feed:
        bot = Bot(client, feed, model, edit, rate)
        hearing = asyncio.create_task(bot.run())
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, hearing.cancel)
        try:
            await hearing
        except asyncio.CancelledError:
            pass
        while bot.pending:
            await asyncio.wait(bot.pending)
        print(f"{bot.answered} answered, {bot.failed} failed")


if __name__ == "__main__":
    if not 4 <= len(sys.argv) <= 6 or "BOT_TOKEN" not in os.environ:
        sys.exit("usage: BOT_TOKEN=... bot.py FEED BASE_URL MODEL [EDIT_SECONDS "
                 "[CALLS_PER_SECOND]]")
    asyncio.run(main(*sys.argv[1:4], *map(float, sys.argv[4:])))
