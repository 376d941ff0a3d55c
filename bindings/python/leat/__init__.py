"""An engine for streaming from language models: thousands of answers over few connections.

`Client` is for asyncio (and uvloop), `SyncClient` for threads and greenlets. Both carry any number
of requests at once over a small pool of HTTP/2 and HTTP/1.1 connections, keep limits and lanes,
and never call an answer whole that is not.
"""
from __future__ import annotations

import sysconfig as _sysconfig

if _sysconfig.get_config_var("Py_GIL_DISABLED"):
    raise ImportError("leat does not support free-threaded builds of CPython yet: "
                      "use one with the global interpreter lock")

import atexit as _atexit

from . import _core
from ._client import Call, Client, RawStream, Stream, Task, WebSocket
from ._core import Event, endpoints
from ._errors import (CancelledError, ConnectError, DeadlineError, HTTPError, LeatError,
                      LeatForkError, LeatLoopError, LimitError, ResolveError, StatusError,
                      StreamError, SupersededError, TaskError, TLSError, UsageError, make_error)
from ._options import ChatOptions, ClientOptions, Limit, RequestOptions, SocketOptions, Timeouts
from ._sync import SyncClient, SyncRawStream, SyncStream, SyncTask, SyncWebSocket
from ._types import (Choice, Completion, Head, Media, Reply, Result, TaskResult, TaskUpdate,
                     ToolCall, Usage, make_update)

_core.configure(make_error, LeatForkError, Head, ToolCall, Media, Usage, make_update)
_atexit.register(_core.close_all)

__version__ = _core.version()

__all__ = [
    "Call", "CancelledError", "ChatOptions", "Choice", "Client", "ClientOptions",
    "Completion", "ConnectError", "DeadlineError", "Event", "HTTPError", "Head", "LeatError",
    "LeatForkError", "LeatLoopError", "Limit", "LimitError", "Media", "RawStream", "Reply",
    "RequestOptions", "ResolveError", "Result", "SocketOptions", "StatusError", "Stream",
    "StreamError", "SupersededError", "SyncClient", "SyncRawStream", "SyncStream", "SyncTask",
    "SyncWebSocket", "TLSError", "Task", "TaskError", "TaskResult", "TaskUpdate", "Timeouts",
    "ToolCall", "Usage", "UsageError", "WebSocket", "endpoints",
]
