"""Exceptions: one class for each of the engine's classes of errors.

Whoever catches `LeatError` has all of them. What an exception says never holds a key.
"""
from __future__ import annotations

from typing import Any, Mapping


class LeatError(Exception):
    """A request, a task or a call failed.

    `name` is the C library's name of the error, such as "LEAT_ETRUNCATED"; `text` is what choice 0
    had said by then, which is never taken back.
    """

    code: int = 0
    name: str = ""
    layer: str = ""
    status: int = 0
    native: int = 0
    provider_type: str = ""
    provider_code: str = ""
    provider_message: str = ""
    request_id: str = ""
    body: bytes = b""
    retryable: bool = False
    maybe_ran_twice: bool = False
    retry_after: float | None = None
    attempts: int = 0
    text: str = ""
    ending: Mapping[str, Any] | None = None
    """All that is known of how it ended; `leat.Result.of(ending)` makes a Result of it."""


class UsageError(LeatError, ValueError):
    """The call itself is wrong: nothing was sent."""


class CancelledError(LeatError):
    """Someone asked for the end of it, such as whoever closed the client."""


class SupersededError(LeatError):
    """A newer request of its lane took its place."""


class LimitError(LeatError):
    """A limit of this engine or this process."""


class ResolveError(LeatError):
    """The host's name cannot be resolved."""


class ConnectError(LeatError):
    """No connection, or it was lost before an answer."""


class TLSError(LeatError):
    """A certificate, a handshake or a record."""


class HTTPError(LeatError):
    """The peer does not speak HTTP properly."""


class DeadlineError(LeatError, TimeoutError):
    """A deadline passed; `name` says which."""


class StatusError(LeatError):
    """The provider refused: see `status`, `provider_message` and `retryable`."""


class StreamError(LeatError):
    """The answer is not whole; `text` is what had come of it."""


class TaskError(LeatError):
    """A task ended otherwise than well."""


class LeatForkError(LeatError, RuntimeError):
    """The client was made in a parent process. A new one works."""


class LeatLoopError(LeatError, RuntimeError):
    """The client belongs to the event loop that it was first used on."""


_CLASSES: tuple[type[LeatError], ...] = (
    LeatError, UsageError, CancelledError, SupersededError, LimitError, ResolveError, ConnectError,
    TLSError, HTTPError, DeadlineError, StatusError, StreamError, TaskError)


def make_error(ending: dict[str, Any]) -> LeatError:
    """The exception for an ending, as the extension tells it."""
    kind = ending["class"]
    error = (_CLASSES[kind] if 0 <= kind < len(_CLASSES) else LeatError)(
        f"{ending['name']}: {ending['message']}")
    error.code = ending["error"]
    for name in ("name", "layer", "status", "native", "provider_type", "provider_code",
                 "provider_message", "request_id", "body", "retryable", "maybe_ran_twice",
                 "attempts"):
        setattr(error, name, ending[name])
    wish = ending["retry_after_ms"]
    error.retry_after = None if wish < 0 else wish / 1000
    error.text = ending.get("text", "")
    error.ending = ending
    return error
