"""The client for asyncio."""
from __future__ import annotations

import asyncio
from typing import (TYPE_CHECKING, Any, AsyncIterable, AsyncIterator, Generator, Iterable, Mapping,
                    Sequence)

from . import _core
from ._base import Base
from ._core import Event
from ._errors import LeatError, LeatLoopError
from ._options import (WANTS_ALL, Body, ChatOptions, ClientOptions, Message, Pieces,
                       RequestOptions, SocketOptions, call_fields, chat_fields, chat_wishes, cut,
                       request_body, request_fields, socket_fields, task_fields)
from ._types import (Completion, Head, Reply, Result, TaskResult, TaskUpdate, body_of_events,
                     fold)

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self, Unpack


class Stream(_core.Stream):
    """An answer as it comes: `async for event in stream`.

    Leaving the loop early does not end the request while the stream lives: close it, by `async
    with` or `aclose`, or let go of it. Whoever is cancelled while waiting for it ends it, too.
    """

    __slots__ = ("_client",)
    _client: Client

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.cancel()

    async def aclose(self) -> None:
        """Ends the request; its events are dropped."""
        self.cancel()

    @property
    def result(self) -> Result | None:
        """How it ended; None before."""
        ending = self.ending
        return None if ending is None else Result.of(ending)

    async def complete(self) -> Completion:
        """Reads what is left of the answer, and joins it."""
        events = [event async for event in self]
        return fold(events, self.ending or {})


class Call(Stream):
    """A call of an endpoint: await it for its whole reply, or take its events as they come."""

    __slots__ = ()

    def __await__(self) -> Generator[Any, None, Reply]:
        return self.reply().__await__()

    async def reply(self) -> Reply:
        head, events = Head(0, []), []
        async for event in self:
            if event.head is not None:
                head = event.head
            else:
                events.append(event)
        return Reply(head.status, head.headers, body_of_events(events),
                     Result.of(self.ending or {}))


class RawStream(Call):
    """A response as it comes: `head()` first, then `chunks()`; or awaited, all of it."""

    __slots__ = ("_pumping",)
    _pumping: asyncio.Task[None]

    def cancel(self) -> None:
        """Ends the request; nothing more comes of it."""
        super().cancel()
        if hasattr(self, "_pumping"):
            self._pumping.cancel()

    def _pump(self, body: Pieces) -> None:
        """Sends the body as its pieces come, beside whoever reads the answer."""
        self._pumping = asyncio.ensure_future(self._send_body(body))
        self._pumping.add_done_callback(lambda task: task.cancelled() or task.exception())

    async def _send_body(self, body: Pieces) -> None:
        try:
            async for piece in _async_pieces(body):
                for part in cut(piece):
                    if not self.has_room():
                        await self.room()
                    if not self.takes_body:
                        return
                    self.put_body(part)
            if self.takes_body:
                self.put_body(b"")
        except BaseException:
            if self.takes_body:
                self.put_body(b"", True)
            raise

    async def head(self) -> Head:
        """Status and headers. To be called once, before anything else. When the request's body
        has failed, its own exception is raised."""
        try:
            async for event in self:
                if event.head is not None:
                    return event.head
        except LeatError as error:
            if error.name == "LEAT_ESOURCE" and hasattr(self, "_pumping"):
                await self._pumping
            raise
        raise RuntimeError("the response was closed")

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body, in pieces as they come."""
        async for event in self:
            if event.data:
                yield event.data


async def _async_pieces(body: Pieces) -> AsyncIterator[bytes]:
    if isinstance(body, AsyncIterable):
        async for piece in body:
            yield piece
        return
    for piece in body:
        yield piece
        await asyncio.sleep(0)  # so that others run beside a body that never waits


class Task(Stream):
    """A job: await it for its result, or iterate over what is told of it."""

    __slots__ = ()

    def __await__(self) -> Generator[Any, None, TaskResult]:
        return self.wait().__await__()

    async def updates(self) -> AsyncIterator[TaskUpdate]:
        """Every change of its state, progress or URL, until its end."""
        async for event in self:
            if event.update is not None:
                yield event.update

    async def wait(self) -> TaskResult:
        """The result of a job that ended well; otherwise raises."""
        data = [event.data async for event in self if event.kind == "content"]
        return task_result(self.ending or {}, b"".join(piece for piece in data if piece))


class WebSocket(Stream):
    """A socket: `send` and `messages`, or with a protocol turns, by `chat(..., socket=ws)`.

    Leaving `async with` closes it as RFC 6455 wants it; unread messages are dropped then.
    """

    __slots__ = ()

    async def __aexit__(self, *failed: object) -> None:
        try:
            if failed[0] is None and not self.done:
                await self.close()
        finally:
            self.cancel()

    async def send(self, message: str | bytes) -> None:
        """Sends text or bytes, as soon as what was sent before leaves room for it. While the
        peer's messages lie unread, that may not be told: whoever sends much should read, too."""
        if not self.has_room():
            await self.room()
        self.send_message(message)

    async def messages(self) -> AsyncIterator[str | bytes]:
        """The peer's messages, whole, until it closes."""
        async for event in self:
            if event.message is not None:
                yield event.message

    async def recv(self) -> str | bytes:
        """The next message; EOFError when the socket was closed in good order."""
        async for event in self:
            if event.message is not None:
                return event.message
        raise EOFError("the socket is closed")

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Closes, and waits for the peer's answer. A code that is no success raises."""
        if not self.done:
            self.send_close(code, reason)
        async for _ in self:
            pass

    @property
    def close_code(self) -> int | None:
        """The peer's; None before the end."""
        return (self.ending or {}).get("close_code")


def task_result(ending: Mapping[str, Any], data: bytes) -> TaskResult:
    return TaskResult(task_id=ending["task_id"], status=ending["task_status"], url=ending["url"],
                      raw=ending["raw"], polls=ending["polls"], downloaded=ending["bytes"],
                      data=data, earlier_run=ending["earlier_run"], result=Result.of(ending))


class Client(Base):
    """Carries requests of one event loop over a small pool of connections.

    The engine runs on a thread of its own, which is started by the first request and never takes
    the interpreter's lock. A client belongs to the loop that it was first used on.

        async with leat.Client("https://gateway.example", key) as client:
            async for event in client.chat("Why is the sky blue?", model="gpt-5"):
                print(event.text, end="")
    """

    def __init__(self, base_url: str | None = None, api_key: str | None = None,
                 **options: Unpack[ClientOptions]) -> None:
        super().__init__(base_url, api_key, dict(options))
        self._loop: asyncio.AbstractEventLoop | None = None
        self._mailbox: _core.Mailbox | None = None

    async def __aenter__(self) -> Self:
        self._bind()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None,
                        traceback: TracebackType | None) -> None:
        await self.aclose()

    def _bind(self) -> tuple[_core.Engine, _core.Mailbox]:
        self._check()
        loop = asyncio.get_running_loop()
        if self._engine is None or self._mailbox is None:
            self._mailbox = _core.Mailbox(self._held_max)
            self._engine = self._open(self._mailbox)
            self._loop = loop
            loop.add_reader(self._mailbox.fileno(), self._mailbox.drain)
        elif loop is not self._loop:
            raise LeatLoopError("this client belongs to the event loop that it was first used on: "
                                "make one for each loop")
        return self._engine, self._mailbox

    def _send(self, stream: Stream, fields: dict[str, Any], wishes: int = 0,
              socket: WebSocket | None = None) -> None:
        engine, mailbox = self._bind()
        stream._client = self
        stream._loop = self._loop
        if socket is None:
            engine.submit(stream, mailbox, fields, wishes)
        else:
            engine.submit(stream, mailbox, fields, wishes, socket)

    # ---- requests
    def chat(self, prompt: str | Sequence[Message] | None = None, /, *,
             socket: WebSocket | None = None, **options: Unpack[ChatOptions]) -> Stream:
        """Asks, and streams the answer. `prompt` is a text, or messages as OpenAI has them.
        On a `socket` with the same protocol it is the next turn there."""
        stream = Stream()
        wishes = chat_wishes(dict(options), False)
        self._send(stream, chat_fields(prompt, dict(options), True), wishes, socket)
        return stream

    async def complete(self, prompt: str | Sequence[Message] | None = None, /, *,
                       stream: bool = False, **options: Unpack[ChatOptions]) -> Completion:
        """Asks for a whole answer. With `stream` it is streamed on its way to here, which keeps
        gateways from giving up on long ones, and leaves what had come of it in an error's text."""
        answer = Stream()
        self._send(answer, chat_fields(prompt, dict(options), stream), WANTS_ALL)
        await answer.finished()
        answer.check()
        return fold(answer.take_all(), answer.ending or {})

    def call(self, endpoint: str, body: Body | None = None,
             params: Mapping[str, Any] | None = None, *,
             form: Mapping[str, Any] | Iterable[tuple[str, Any]] | None = None,
             **options: Unpack[RequestOptions]) -> Call:
        """Calls an endpoint of the registry by its name: `await client.call("models.list")`. Of
        an answer that is decoded the events come, and before them what they were decoded from."""
        call = Call()
        self._send(call, call_fields(endpoint, body, params, form, dict(options)))
        return call

    def request(self, method: str, url: str, body: bytes | str | Pieces | None = None,
                **options: Unpack[RequestOptions]) -> RawStream:
        """Any HTTP request, whose answer is passed on as it comes: no status is an error, no
        redirect is followed, no content-coding undone. `url` is a path or a whole address. A body
        from an iterator of bytes, asynchronous or not, is sent as its pieces come, and once."""
        stream = RawStream()
        fields = request_fields(dict(options))
        fields.update(protocol="raw", method=method, **request_body(body))
        fields["base_url" if "://" in url else "path"] = url
        self._send(stream, fields)
        if body is not None and not isinstance(body, (bytes, str)):
            stream._pump(body)
        return stream

    def task(self, endpoint: str | None = None, body: Body | None = None,
             params: Mapping[str, Any] | None = None, **options: Any) -> Task:
        """Starts a job: `await client.task("suno.music", {...})`, or `task(family="video",
        model=..., prompt=...)`. Other options: task_id, custom_id, resubmit, poll, first_poll and
        deadline (seconds), download, file, and what requests have."""
        engine, mailbox = self._bind()
        task = Task()
        task._client = self
        task._loop = self._loop
        engine.task(task, mailbox, task_fields(endpoint, body, params, options), 0)
        return task

    def ws(self, url: str | None = None, **options: Unpack[SocketOptions]) -> WebSocket:
        """Opens a WebSocket; what is sent before it is open waits. Without `url` it is where the
        protocol has it."""
        engine, mailbox = self._bind()
        socket = WebSocket()
        socket._client = self
        socket._loop = self._loop
        engine.socket(socket, mailbox, socket_fields(url, dict(options)), 0)
        return socket

    # ---- the end
    def _unwatch(self) -> None:
        if self._mailbox is not None and self._loop is not None and not self._loop.is_closed():
            self._loop.remove_reader(self._mailbox.fileno())

    def close(self) -> None:
        """Closes without waiting: what runs is cancelled."""
        if self._closed:
            return
        self._closed = True
        if self._engine is None or self._engine.forked:
            return
        self._engine.close()
        self._unwatch()

    async def aclose(self) -> None:
        """Cancels what runs, and waits until the engine has ended."""
        engine, mailbox, loop = self._engine, self._mailbox, self._loop
        if self._closed or engine is None or mailbox is None or loop is None or engine.forked:
            self._closed = True
            return
        if asyncio.get_running_loop() is not loop:
            raise LeatLoopError("a client is closed on the event loop that it belongs to")
        self._closed = True
        gone: asyncio.Future[None] = loop.create_future()

        def drain() -> None:
            mailbox.drain()
            if engine.wait(0) and not gone.done():
                gone.set_result(None)

        loop.add_reader(mailbox.fileno(), drain)
        engine.close()
        try:
            await gone
            mailbox.drain()
        finally:
            self._unwatch()

    def __del__(self) -> None:
        if not getattr(self, "_closed", True):
            self.close()


__all__ = ["Call", "Client", "Event", "RawStream", "Stream", "Task", "WebSocket"]
