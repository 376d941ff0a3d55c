"""A feed of chats such as Telegram's, for bots: long polling, messages, edits. It keeps what it was
told, and when.

    with feed.Feed() as chats:
        chats.say(chat, "text")          # an update for the bot
        chats.wait(lambda: ...)          # until something is so
        chats.messages[chat]             # what the bot said there, in the order of its sends
"""
import asyncio
import contextlib
import json
import threading
import time
import urllib.parse
from typing import NamedTuple

TOKEN = "123456:the-bots-own"
WAIT_SECONDS = 100


class Message:
    """What the bot said: the question that it answers, and each text it had, with its time."""

    def __init__(self, number, question, text, at):
        self.number, self.question, self.texts, self.times = number, question, [text], [at]


class Update(NamedTuple):
    number: int
    chat: int
    text: str


class Feed:
    def __init__(self, busy_every=0):
        """`busy_every`: each so many-th call to a chat is refused with status 429, none twice."""
        self.refused = set()
        self.updates, self.messages, self.calls, self.wrong = [], {}, [], []
        self.answered_at = {}  # how many messages had been sent before this question's
        self.fetched_at = {}   # and before this update was fetched
        self.busy_every, self.busy, self.sent, self.said = busy_every, 0, 0, 0
        self.loop = asyncio.new_event_loop()
        self.news = asyncio.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.ready = threading.Event()
        self.thread.start()
        self.ready.wait(20)

    # ---- the test's side
    def say(self, *said):
        """(chat, text) pairs, all at once -> their updates."""
        new = [Update(self.said + i + 1, chat, text) for i, (chat, text) in enumerate(said)]
        self.said += len(new)
        added = tuple(new)  # the caller may add to his list before the loop gets to it

        def add():
            self.updates += added
            self.news.set()
        self.loop.call_soon_threadsafe(add)
        return new

    def wait(self, what, seconds=WAIT_SECONDS):
        until = time.monotonic() + seconds
        while not what():
            if time.monotonic() > until:
                raise AssertionError(f"never so: {self.sent} messages, {self.wrong[:3]}")
            time.sleep(0.02)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(20)

    # ---- the bot's side, on a thread of its own
    def run(self):
        asyncio.set_event_loop(self.loop)
        server = self.loop.run_until_complete(
            asyncio.start_server(self.serve, "127.0.0.1", 0, backlog=1024))
        self.url = "http://127.0.0.1:%d" % server.sockets[0].getsockname()[1]
        self.ready.set()
        self.loop.run_forever()
        server.close()
        left = asyncio.all_tasks(self.loop)
        for task in left:
            task.cancel()
        self.loop.run_until_complete(asyncio.gather(*left, asyncio.sleep(0.01),
                                                     return_exceptions=True))
        self.loop.close()

    async def serve(self, reader, writer):
        with contextlib.closing(writer), contextlib.suppress(
                asyncio.IncompleteReadError, asyncio.CancelledError, ConnectionError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
                fields = dict(line.lower().split(": ", 1) for line in head[1:] if line)
                body = await reader.readexactly(int(fields.get("content-length", 0)))
                status, reply = await self.answer(head[0].split(" "), fields, body)
                text = json.dumps(reply).encode()
                more = "" if status != 429 else "Retry-After: 0\r\n"
                writer.write(f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\n{more}"
                             f"Content-Length: {len(text)}\r\n\r\n".encode() + text)
                await writer.drain()

    async def answer(self, line, fields, body):
        self.calls.append(time.monotonic())
        target = urllib.parse.urlsplit(line[1])
        prefix, _, call = target.path.rpartition("/")
        if urllib.parse.unquote(prefix) != f"/bot{TOKEN}" or "authorization" in fields:
            self.wrong.append((line, fields))
            return 404, {"ok": False, "description": "Not Found"}
        query = dict(urllib.parse.parse_qsl(target.query))
        try:
            if call == "getUpdates":
                return 200, {"ok": True, "result": await self.get_updates(query)}
            return self.keep(call, json.loads(body))
        except (KeyError, ValueError, IndexError) as error:
            self.wrong.append((line, body, repr(error)))
            return 400, {"ok": False, "description": repr(error)}

    async def get_updates(self, query):
        """Those from `offset` on: the ones before it are confirmed."""
        offset, limit = max(int(query["offset"]), 1), min(int(query["limit"]), 100)
        if len(self.updates) < offset:
            self.news.clear()
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self.news.wait(), int(query["timeout"]))
        found = self.updates[offset - 1:offset - 1 + limit]
        for update in found:
            self.fetched_at.setdefault(update.number, self.sent)
        return [{"update_id": update.number, "message": {
            "message_id": update.number, "date": 1, "chat": {"id": update.chat, "type": "private"},
            "text": update.text}} for update in found]

    def keep(self, call, body):
        self.busy += 1
        again = str(body) in self.refused
        if self.busy_every and self.busy % self.busy_every == 0 and not again:
            self.refused.add(str(body))
            return 429, {"ok": False, "error_code": 429, "parameters": {"retry_after": 0}}
        chat, text = body["chat_id"], body["text"]
        if not text or len(text) > 4096:
            raise ValueError(f"a text of {len(text)}")
        said = self.messages.setdefault(chat, [])
        if call == "sendMessage":
            question = body["reply_parameters"]["message_id"]
            said.append(Message(self.sent + 1, question, text, time.monotonic()))
            self.answered_at[question] = self.sent
            self.sent += 1
            return 200, {"ok": True, "result": {"message_id": self.sent}}
        if call != "editMessageText":
            raise ValueError(call)
        message = next(m for m in reversed(said) if m.number == body["message_id"])
        message.texts.append(text)
        message.times.append(time.monotonic())
        return 200, {"ok": True, "result": {"message_id": message.number}}
