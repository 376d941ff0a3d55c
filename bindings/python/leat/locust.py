# pyright: reportMissingImports=false
# Where Locust is not installed, pyright takes this file for it: hence the lines it is to ignore.
"""Users of Locust whose requests go through the engine, so that Locust's own master and workers
carry the load, and its tables show times of tokens.

    class Reader(leat.locust.LeatUser):
        model = "gpt-5"

        @locust.task
        def ask(self):
            self.client.chat("Why is the sky blue?", max_tokens=100)

All users of a class in one worker share an engine. A chat is a row "chat"; one that ended well is
also told once under "ttft" and, with two events of content or more, under "itl", with the mean of
its gaps. Times are the engine's, whose thread stamps what comes as it comes: a worker that is late
with its greenlets does not make them longer. Nothing is repeated unless `client_options` says so,
and what is not whole is a failure. Tokens are counted as the server counts them, or not at all.
"""
from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Callable, ClassVar, Iterable, Mapping, Sequence
from weakref import WeakKeyDictionary

from locust import User, events  # pyright: ignore[reportAttributeAccessIssue]
from locust.env import Environment
from locust.exception import LocustError, StopUser
from locust.runners import MasterRunner, WorkerRunner

from ._core import Event
from ._errors import LeatError, UsageError
from ._options import Body, ChatOptions, ClientOptions, Message, RequestOptions
from ._sync import SyncClient
from ._types import Reply, Result, Usage

if TYPE_CHECKING:
    from typing_extensions import Unpack

logger = logging.getLogger("leat.locust")

TEXT_MAX = 1 << 20  # characters of an answer that are kept
DEFAULTS = ClientOptions(retries=0, conns_max=10_000)


class Failure(Exception):
    """What a row of failures shows: the class of the error, its name in C, and a status of
    failure. What a server said would make a row of each; it is in `error`."""

    def __init__(self, error: LeatError) -> None:
        super().__init__(str(error))
        self.error = error

    def __repr__(self) -> str:
        status = f" {self.error.status}" if self.error.status >= 400 else ""
        return f"{type(self.error).__name__}: {self.error.name}{status}"


@dataclass(frozen=True)
class Answer:
    """How a chat went. Times are in milliseconds, None where there was nothing to time: `total_ms`
    from the call to the end, `ttft_ms` from the first byte of the request sent to the first
    content, `itl_ms` the mean between two events of content."""

    text: str
    """What choice 0 said, the first TEXT_MAX characters of it."""
    error: LeatError | None
    usage: Usage | None
    finish_reason: str
    events: int
    """Those with content, of all choices."""
    total_ms: float
    ttft_ms: float | None
    itl_ms: float | None
    result: Result | None

    @property
    def ok(self) -> bool:
        return self.error is None


@dataclass
class Tokens:
    """What servers counted, over the chats that ended well."""

    chats: int = 0
    untold: int = 0
    input: int = 0
    output: int = 0

    def add(self, usage: Usage | None) -> None:
        self.chats += 1
        if usage is None or usage.output is None:
            self.untold += 1
        if usage is not None:
            self.input += usage.input or 0
            self.output += usage.output or 0

    def join(self, rows: Mapping[str, Any]) -> None:
        for name in vars(self):
            setattr(self, name, getattr(self, name) + int(rows[name]))

    def take(self) -> dict[str, int]:
        """What is there, after which it counts from zero."""
        taken = dict(vars(self))
        vars(self).update(dict.fromkeys(taken, 0))
        return taken

    def __str__(self) -> str:
        said = f"{self.input} tokens in, {self.output} out, over {self.chats} chats"
        return f"{said}, {self.untold} of them without usage" if self.untold else said


_tokens: WeakKeyDictionary[Environment, Tokens] = WeakKeyDictionary()
_clients: WeakKeyDictionary[Environment, dict[Any, SyncClient]] = WeakKeyDictionary()


def tokens(environment: Environment) -> Tokens:
    """The sums of this process, in a master those that its workers have told, in a worker those
    that it has not told yet."""
    return _tokens.setdefault(environment, Tokens())


# ---- what Locust tells

def _listen(hook: Any, listener: Callable[..., None]) -> None:
    hook.add_listener(listener)


def _on_init(environment: Environment, **_: Any) -> None:
    sums, hooks = tokens(environment), environment.events

    def report(data: dict[str, Any], **_: Any) -> None:
        data["leat"] = sums.take()

    def take_report(data: Mapping[str, Any], **_: Any) -> None:
        if "leat" in data:
            sums.join(data["leat"])

    def start(**_: Any) -> None:
        sums.take()

    def quit(**_: Any) -> None:
        for client in _clients.pop(environment, {}).values():
            client.close()
        if sums.chats and not isinstance(environment.runner, WorkerRunner):
            logger.info("%s", sums)

    if isinstance(environment.runner, WorkerRunner):
        _listen(hooks.report_to_master, report)
    else:
        _listen(hooks.test_start, start)
    if isinstance(environment.runner, MasterRunner):
        _listen(hooks.worker_report, take_report)
    _listen(hooks.quit, quit)


_listen(events.init, _on_init)  # pyright: ignore[reportAttributeAccessIssue]


# ---- requests that are told

class _Reader:
    """An answer while it comes: what is kept of it is bounded."""

    def __init__(self) -> None:
        self.pieces: list[str] = []
        self.room = TEXT_MAX
        self.contents = 0
        self.usage: Usage | None = None
        self.finish_reason = ""

    def read(self, events: Iterable[Event]) -> None:
        for event in events:
            kind = event.kind
            if kind == "text":
                self.contents += bool(event.text)
                if event.choice == 0 and self.room > 0:
                    self.pieces.append(event.text[:self.room])
                    self.room -= len(event.text)
            elif kind in ("reasoning", "refusal", "tool_call"):
                self.contents += 1
            elif event.usage is not None:
                self.usage = event.usage
            elif kind == "finish" and event.choice == 0:
                self.finish_reason = event.finish_reason

    def answer(self, ending: Mapping[str, Any] | None, error: LeatError | None) -> Answer:
        ending = ending or {}
        sent, first, last = (ending.get(f"{name}_ns", 0)
                             for name in ("sent", "first_content", "last_content"))
        return Answer(
            "".join(self.pieces), error, self.usage, self.finish_reason, self.contents,
            _between(ending.get("queued_ns", 0), ending.get("done_ns", 0)) or 0.0,
            _between(sent, first),
            (last - first) / 1e6 / (self.contents - 1) if first and self.contents > 1 else None,
            Result.of(ending) if ending else None)


def _between(start_ns: int, end_ns: int) -> float | None:
    return (end_ns - start_ns) / 1e6 if start_ns and end_ns >= start_ns else None


class Session:
    """Requests of one user, each of which is told to Locust when it has ended."""

    def __init__(self, user: LeatUser, client: SyncClient) -> None:
        self.leat = client
        """The client below, for what is not to be told."""
        self._user = user

    def chat(self, prompt: str | Sequence[Message] | None = None, /, *, name: str = "",
             context: Mapping[str, Any] | None = None,
             **options: Unpack[ChatOptions]) -> Answer:
        """Asks, reads the whole stream and tells of it under `name`, or the model's. A failure is
        told, and raises nothing; a request that could not be sent as it is written raises."""
        if self._user.model is not None:
            options.setdefault("model", self._user.model)
        reader, started = _Reader(), time.time()
        error: LeatError | None = None
        ending: Mapping[str, Any] | None = None
        try:
            with self.leat.chat(prompt, **options) as stream:
                reader.read(stream)
            ending = stream.ending
        except LeatError as failed:
            error = self._judged(failed)
            ending = failed.ending
        answer = reader.answer(ending, error)
        self._tell_chat(name or options.get("model") or "chat", answer, started, context)
        return answer

    def call(self, endpoint: str, body: Body | None = None,
             params: Mapping[str, Any] | None = None, *, name: str = "",
             context: Mapping[str, Any] | None = None,
             **options: Unpack[RequestOptions]) -> Reply | None:
        """Calls an endpoint of the registry, as `leat.SyncClient.call`, and tells of it as "call".
        None: it failed."""
        started = time.time()
        reply, error = None, None
        try:
            reply = self.leat.call(endpoint, body, params, **options)
        except LeatError as failed:
            error = self._judged(failed)
        stamps = vars(reply.result) if reply else (error.ending if error else None) or {}
        elapsed = _between(stamps.get("queued_ns", 0), stamps.get("done_ns", 0)) or 0.0
        told = self._context(context)
        told["request_id"] = stamps.get("request_id") or ""
        self._fire("call", name or endpoint, elapsed, len(reply.data) if reply else 0, error,
                   told, started)
        return reply

    def _judged(self, error: LeatError) -> LeatError:
        """What is no failure of a server is not told as one."""
        if self.leat._closed:
            raise StopUser()
        if isinstance(error, UsageError):
            raise error
        return error

    def _context(self, context: Mapping[str, Any] | None) -> dict[str, Any]:
        return {**self._user.context(), **(context or {})}

    def _tell_chat(self, name: str, answer: Answer, started: float,
                   context: Mapping[str, Any] | None) -> None:
        usage, result = answer.usage, answer.result
        told = self._context(context)
        told.update(
            input_tokens=usage.input if usage else None,
            output_tokens=usage.output if usage else None, finish_reason=answer.finish_reason,
            events=answer.events, ttft_ms=answer.ttft_ms, itl_ms=answer.itl_ms,
            request_id=result.request_id if result else "")
        received = result.bytes_received if result else 0
        if answer.ok:
            tokens(self._user.environment).add(usage)
            for kind, value in (("ttft", answer.ttft_ms), ("itl", answer.itl_ms)):
                if value is not None:
                    self._fire(kind, name, value, 0, None, told, started)
        self._fire("chat", name, answer.total_ms, received, answer.error, told, started)

    def _fire(self, kind: str, name: str, elapsed_ms: float, length: int,
              error: LeatError | None, context: dict[str, Any], started: float) -> None:
        self._user.environment.events.request.fire(
            request_type=kind, name=name, response_time=elapsed_ms, response_length=length,
            exception=Failure(error) if error else None, context=context, start_time=started)


class LeatUser(User):  # pyright: ignore[reportGeneralTypeIssues]
    """A user whose `client` tells Locust of its chats and calls."""

    abstract = True

    api_key: ClassVar[str | None] = None
    model: ClassVar[str | None] = None
    """Of chats that name none."""
    client_options: ClassVar[ClientOptions] = {}
    """What `leat.SyncClient` takes, such as `protocol`, `http`, `timeout` or `ca_file`."""

    client: Session

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        self.client = Session(self, self._shared_client())

    def _shared_client(self) -> SyncClient:
        """One for each class, host and environment. A worker that was forked off makes its own,
        since none is made before the first user."""
        host = self.host
        if not host:
            raise LocustError("the users have no host: give --host, or set host in their class")
        clients = _clients.setdefault(self.environment, {})
        key = (type(self), host)
        if key not in clients:
            options: ClientOptions = {**DEFAULTS, **self.client_options}
            clients[key] = SyncClient(host, self.api_key, **options)
        return clients[key]


__all__ = ["Answer", "Failure", "LeatUser", "Session", "Tokens", "tokens"]
