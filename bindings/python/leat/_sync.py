"""The client for threads and greenlets: the same calls, which wait.

Every request waits on a descriptor of its own, by the `selectors` module, so that what replaces
that module (gevent) lets others run meanwhile, and threads do not wait for one another.
"""
from __future__ import annotations

import selectors
from typing import TYPE_CHECKING, Any, Iterable, Iterator, Mapping, Sequence

from . import _core
from ._base import Base
from ._client import task_result
from ._core import Event
from ._options import (WANTS_ALL, Body, ChatOptions, ClientOptions, Message, Pieces,
                       RequestOptions, SocketOptions, call_fields, chat_fields, chat_wishes, cut,
                       request_body, request_fields, socket_fields, task_fields)
from ._types import (Completion, Head, Reply, Result, TaskResult, TaskUpdate, body_of_events,
                     fold)

if TYPE_CHECKING:
    from typing_extensions import Self, Unpack

PORTS_KEPT = 64
CLOSE_MS = 2000


class _Port:
    """A mailbox and what waits for it."""

    def __init__(self, held_max: int) -> None:
        self.mailbox = _core.Mailbox(held_max)
        self.selector = selectors.DefaultSelector()
        self.selector.register(self.mailbox.fileno(), selectors.EVENT_READ)

    def wait(self) -> None:
        self.selector.select()
        self.mailbox.drain()

    def close(self) -> None:
        self.selector.close()


class SyncStream(_core.Stream):
    """An answer as it comes: `for event in stream`. See `leat.Stream`."""

    __slots__ = ("_client", "_port")
    _client: SyncClient
    _port: _Port | None

    def __iter__(self) -> Iterator[Event]:
        return self

    def __next__(self) -> Event:
        while True:
            event = self.take()
            if event is not None:
                return event
            if self.done or self._port is None:
                self._release()
                self.check()
                raise StopIteration
            self._port.wait()

    def _wait_for_room(self) -> None:
        while not self.has_room() and self._port is not None:
            self._port.wait()

    def _wait(self) -> None:
        while not self.done and self._port is not None:
            self._port.wait()
        self._release()

    def _release(self) -> None:
        port, self._port = self._port, None
        if port is not None:
            self._client._give_back(port)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends the request; its events are dropped."""
        self.cancel()
        self._release()

    def __del__(self) -> None:
        if getattr(self, "_port", None) is not None:
            self.close()

    @property
    def result(self) -> Result | None:
        """How it ended; None before."""
        ending = self.ending
        return None if ending is None else Result.of(ending)

    def complete(self) -> Completion:
        """Reads what is left of the answer, and joins it."""
        return fold(list(self), self.ending or {})


class SyncRawStream(SyncStream):
    """A response as it comes: `head()` first, then `chunks()`."""

    __slots__ = ()

    def _send_body(self, body: Pieces) -> None:
        """Sends the body as its pieces come; behind a refusal it is left."""
        try:
            if not isinstance(body, Iterable):
                raise TypeError("an asynchronous iterator is for leat.Client")
            for piece in body:
                for part in cut(piece):
                    self._wait_for_room()
                    if not self.takes_body:
                        return
                    self.put_body(part)
            if self.takes_body:
                self.put_body(b"")
        except BaseException:
            self.close()
            raise

    def head(self) -> Head:
        """Status and headers. To be called once, before anything else."""
        for event in self:
            if event.head is not None:
                return event.head
        raise RuntimeError("the response was closed")

    def chunks(self) -> Iterator[bytes]:
        """The body, in pieces as they come."""
        while True:
            piece = self.take_bytes()
            if piece:
                yield piece
            elif self.done or self._port is None:
                self._release()
                self.check()
                return
            else:
                self._port.wait()

    def reply(self) -> Reply:
        """Status, headers and body, all of it."""
        head, events = Head(0, []), []
        for event in self:
            if event.head is not None:
                head = event.head
            else:
                events.append(event)
        return Reply(head.status, head.headers, body_of_events(events),
                     Result.of(self.ending or {}))


class SyncTask(SyncStream):
    """A job: `wait()` for its result, or iterate over `updates()`."""

    __slots__ = ()

    def updates(self) -> Iterator[TaskUpdate]:
        """Every change of its state, progress or URL, until its end."""
        for event in self:
            if event.update is not None:
                yield event.update

    def wait(self) -> TaskResult:
        """The result of a job that ended well; otherwise raises."""
        data = [event.data for event in self if event.kind == "content"]
        return task_result(self.ending or {}, b"".join(piece for piece in data if piece))


class SyncWebSocket(SyncStream):
    """A socket: `send`, `recv` and `messages`, or with a protocol turns, by `chat(..., socket=ws)`.
    One thread at a time. Leaving `with` closes it as RFC 6455 wants it."""

    __slots__ = ()

    def __exit__(self, *failed: object) -> None:
        try:
            if failed[0] is None and not self.done:
                self.shut()
        finally:
            self.close()

    def send(self, message: str | bytes) -> None:
        """Sends text or bytes, as soon as what was sent before leaves room for it."""
        self._wait_for_room()
        self.send_message(message)

    def messages(self) -> Iterator[str | bytes]:
        """The peer's messages, whole, until it closes."""
        for event in self:
            if event.message is not None:
                yield event.message

    def recv(self) -> str | bytes:
        """The next message; EOFError when the socket was closed in good order."""
        for message in self.messages():
            return message
        raise EOFError("the socket is closed")

    def shut(self, code: int = 1000, reason: str = "") -> None:
        """Closes, and waits for the peer's answer, whose messages until then are dropped. A code
        that is no success raises. `close` does not wait."""
        if not self.done:
            self.send_close(code, reason)
        for _ in self:
            pass

    @property
    def close_code(self) -> int | None:
        """The peer's; None before the end."""
        return (self.ending or {}).get("close_code")


class SyncClient(Base):
    """As `leat.Client`, for any number of threads.

        with leat.SyncClient("https://gateway.example", key) as client:
            for event in client.chat("Why is the sky blue?", model="gpt-5"):
                print(event.text, end="")
    """

    def __init__(self, base_url: str | None = None, api_key: str | None = None,
                 **options: Unpack[ClientOptions]) -> None:
        super().__init__(base_url, api_key, dict(options))
        self._ports: list[_Port] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _bind(self) -> _core.Engine:
        self._check()
        with self._lock:
            if self._engine is None:
                self._engine = self._open(_core.Mailbox(self._held_max))
            return self._engine

    def _port(self) -> _Port:
        try:
            return self._ports.pop()
        except IndexError:
            return _Port(self._held_max)

    def _give_back(self, port: _Port) -> None:
        if len(self._ports) < PORTS_KEPT and not self._closed:
            self._ports.append(port)
        else:
            port.close()

    def _send(self, stream: SyncStream, fields: dict[str, Any], wishes: int = 0,
              socket: SyncWebSocket | None = None) -> None:
        engine = self._bind()
        stream._client = self
        stream._port = port = self._port()
        try:
            if isinstance(stream, SyncTask):
                engine.task(stream, port.mailbox, fields, wishes)
            elif isinstance(stream, SyncWebSocket):
                engine.socket(stream, port.mailbox, fields, wishes)
            elif socket is not None:
                engine.submit(stream, port.mailbox, fields, wishes, socket)
            else:
                engine.submit(stream, port.mailbox, fields, wishes)
        except BaseException:
            stream._release()
            raise

    # ---- requests
    def chat(self, prompt: str | Sequence[Message] | None = None, /, *,
             socket: SyncWebSocket | None = None, **options: Unpack[ChatOptions]) -> SyncStream:
        """Asks, and streams the answer. On a `socket` with the same protocol it is the next turn
        there."""
        stream = SyncStream()
        wishes = chat_wishes(dict(options), False)
        self._send(stream, chat_fields(prompt, dict(options), True), wishes, socket)
        return stream

    def complete(self, prompt: str | Sequence[Message] | None = None, /, *,
                 stream: bool = False, **options: Unpack[ChatOptions]) -> Completion:
        """Asks for a whole answer; see `leat.Client.complete`."""
        answer = SyncStream()
        self._send(answer, chat_fields(prompt, dict(options), stream), WANTS_ALL)
        with answer:
            answer._wait()
            answer.check()
            return fold(answer.take_all(), answer.ending or {})

    def call(self, endpoint: str, body: Body | None = None,
             params: Mapping[str, Any] | None = None, *,
             form: Mapping[str, Any] | Iterable[tuple[str, Any]] | None = None,
             **options: Unpack[RequestOptions]) -> Reply:
        """Calls an endpoint of the registry by its name, and waits for its reply."""
        call = SyncRawStream()
        self._send(call, call_fields(endpoint, body, params, form, dict(options)))
        with call:
            return call.reply()

    def request(self, method: str, url: str, body: bytes | str | Pieces | None = None,
                **options: Unpack[RequestOptions]) -> SyncRawStream:
        """Any HTTP request, whose answer is passed on as it comes; see `leat.Client.request`. A
        body from an iterator of bytes is sent when this returns, or was refused."""
        stream = SyncRawStream()
        fields = request_fields(dict(options))
        fields.update(protocol="raw", method=method, **request_body(body))
        fields["base_url" if "://" in url else "path"] = url
        self._send(stream, fields)
        if body is not None and not isinstance(body, (bytes, str)):
            stream._send_body(body)
        return stream

    def task(self, endpoint: str | None = None, body: Body | None = None,
             params: Mapping[str, Any] | None = None, **options: Any) -> SyncTask:
        """Starts a job; see `leat.Client.task`."""
        task = SyncTask()
        self._send(task, task_fields(endpoint, body, params, options))
        return task

    def ws(self, url: str | None = None, **options: Unpack[SocketOptions]) -> SyncWebSocket:
        """Opens a WebSocket; what is sent before it is open waits. Without `url` it is where the
        protocol has it."""
        socket = SyncWebSocket()
        self._send(socket, socket_fields(url, dict(options)))
        return socket

    # ---- the end
    def close(self) -> None:
        """Cancels what runs, and waits until the engine has ended."""
        if self._closed:
            return
        self._closed = True
        while self._ports:
            self._ports.pop().close()
        if self._engine is not None and not self._engine.forked:
            self._engine.close()
            self._engine.wait(CLOSE_MS)

    def __del__(self) -> None:
        if not getattr(self, "_closed", True) and self._engine is not None:
            self._closed = True
            self._engine.close()
