# pyright: reportMissingImports=false
"""Actors for Ray Data that ask for every row of a dataset, many rows at once:

    answers = rows.map_batches(
        leat.ray.Chats, compute=ray.data.ActorPoolStrategy(size=4), batch_format="pyarrow",
        batch_size=256, fn_constructor_kwargs={
            "base_url": "https://gateway.example", "concurrency": 200, "chat": {"model": "m"}})

`Chats` takes columns and adds some, `BatchRequests` takes and gives rows in the shape of OpenAI's
batches. For each row that comes in one goes out, in the same order within a block: what failed has
an `error` and fails no job, unless `fail_fast` is set. Ray may run blocks in any order and, when an
actor dies, again; rows are matched by an id of their own, which a dataset should have.

An actor has at most `concurrency` requests under way. Ray hands it four batches at once, of one
block: `batch_size` should be at least a quarter of it, and blocks hold many batches. The key is
best left to LEAT_API_KEY or OPENAI_API_KEY in the actors' environment, since Ray keeps and ships
the arguments of a constructor.
"""
from __future__ import annotations

import asyncio
import json
import os
from typing import TYPE_CHECKING, Any, AsyncIterator, Mapping, Sequence

import pyarrow as pa

from . import _core
from ._client import Call, Client
from ._errors import LeatError, LeatForkError, LeatLoopError
from ._options import ChatOptions, ClientOptions, call_fields, dumps
from ._types import Completion, Result

if TYPE_CHECKING:
    from typing_extensions import Unpack

SLICE = 256  # rows that go on together
MESSAGE_MAX = 1000  # characters of an error's
DEFAULTS = ClientOptions(body_bytes_max=16 << 20)

ERROR = pa.struct([("code", pa.string()), ("message", pa.string())])
BATCH = pa.schema([
    ("id", pa.string()), ("custom_id", pa.string()),
    ("response", pa.struct([("status_code", pa.int64()), ("request_id", pa.string()),
                            ("body", pa.string())])),
    ("error", ERROR)])
CHAT = pa.schema([
    ("answer", pa.string()), ("reasoning", pa.string()), ("tool_calls", pa.string()),
    ("finish_reason", pa.string()), ("served_model", pa.string()), ("input_tokens", pa.int64()),
    ("output_tokens", pa.int64()), ("ttft_ms", pa.float64()), ("total_ms", pa.float64()),
    ("attempts", pa.int64()), ("request_id", pa.string()), ("error", ERROR)])

Row = Mapping[str, Any]
Told = dict[str, Any]


def _key() -> str | None:
    return os.environ.get("LEAT_API_KEY") or os.environ.get("OPENAI_API_KEY")


def _plain(value: Any) -> Any:
    """Without the members that are null only because another row of the column has them."""
    if isinstance(value, Mapping):
        return {name: _plain(part) for name, part in value.items() if part is not None}
    return [_plain(part) for part in value] if isinstance(value, list) else value


def _parsed(value: Any) -> Any:
    """What a column holds as JSON or as Arrow's structs."""
    return json.loads(value) if isinstance(value, (str, bytes)) else _plain(value)


def _error(error: BaseException) -> dict[str, str]:
    if isinstance(error, LeatError):
        return {"code": error.name or type(error).__name__, "message": str(error)[:MESSAGE_MAX]}
    said = f"{type(error).__name__}: {error}"
    return {"code": "invalid_row", "message": said[:MESSAGE_MAX]}


class _Asker:
    """Asks for the rows of a batch, and keeps them together whatever becomes of them."""

    def __init__(self, base_url: str, api_key: str | None, concurrency: int, fail_fast: bool,
                 options: ClientOptions) -> None:
        if concurrency < 1:
            raise ValueError("concurrency is at least 1")
        chosen: ClientOptions = {**DEFAULTS, "conns_max": max(64, concurrency), **options}
        self._client = Client(base_url, api_key or _key(), **chosen)
        self._slots = asyncio.Semaphore(concurrency)
        self._fail_fast = fail_fast

    def __repr__(self) -> str:
        return f"<leat.ray.{type(self).__name__} {self._client!r}>"

    async def __call__(self, batch: pa.Table) -> AsyncIterator[pa.Table]:
        if not isinstance(batch, pa.Table):
            raise TypeError('leat.ray takes tables: say batch_format="pyarrow" to map_batches')
        self._check(batch)
        rows = batch.select(self._wanted(batch)).to_pylist()
        tasks = [asyncio.ensure_future(self._settle(row)) for row in rows]
        try:
            for start in range(0, max(1, len(tasks)), SLICE):
                told = [await task for task in tasks[start:start + SLICE]]
                yield self._table(batch.slice(start, SLICE), told)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _settle(self, row: Row) -> Told:
        """What becomes of a row. Whatever a row's own content raises is told of this row; what
        would go wrong with each of them, such as a client of another loop, is not."""
        async with self._slots:
            try:
                return await self._ask(row)
            except (LeatLoopError, LeatForkError):
                raise
            except Exception as error:
                if self._fail_fast:
                    raise
                return self._failed(row, error)

    def _check(self, batch: pa.Table) -> None:
        raise NotImplementedError

    def _wanted(self, batch: pa.Table) -> list[str]:
        raise NotImplementedError

    async def _ask(self, row: Row) -> Told:
        raise NotImplementedError

    def _failed(self, row: Row, error: Exception) -> Told:
        raise NotImplementedError

    def _table(self, batch: pa.Table, told: list[Told]) -> pa.Table:
        raise NotImplementedError


# ---- the shape of OpenAI's batches

def _endpoints() -> dict[tuple[str, str], str]:
    """By method and path, the first of each."""
    names: dict[tuple[str, str], str] = {}
    for row in _core.endpoints():
        names.setdefault((row["method"], row["path"]), row["name"])
    return names


class BatchRequests(_Asker):
    """Rows {custom_id, method, url, body} become {id, custom_id, response: {status_code,
    request_id, body}, error: {code, message}}.

    A `body` may be JSON or Arrow's struct, that of a response is JSON. `url` is the path of an
    endpoint that leat knows, such as /v1/chat/completions, /v1/responses or /v1/embeddings. A
    refusal has a response and an error, an answer that is not whole an error alone.
    """

    def __init__(self, base_url: str, api_key: str | None = None, *, concurrency: int = 64,
                 fail_fast: bool = False, **options: Unpack[ClientOptions]) -> None:
        super().__init__(base_url, api_key, concurrency, fail_fast, options)
        self._names = _endpoints()

    def _check(self, batch: pa.Table) -> None:
        missing = [name for name in ("custom_id", "url", "body") if name not in batch.column_names]
        if missing:
            raise ValueError(f"rows of a batch have the columns custom_id, url and body, these "
                             f"have no {' and no '.join(missing)}")

    def _wanted(self, batch: pa.Table) -> list[str]:
        return [name for name in ("custom_id", "method", "url", "body")
                if name in batch.column_names]

    def _fields(self, row: Row) -> dict[str, Any]:
        method, url = row.get("method") or "POST", row["url"]
        if not row["custom_id"]:
            raise ValueError("custom_id is missing: nobody could tell whose answer this is")
        name = self._names.get((method, url))
        if name is None:
            raise ValueError(f"no endpoint that is known has {method} {url}")
        body = _parsed(row["body"])
        if not isinstance(body, dict):
            raise ValueError("body is not an object")
        if body.get("stream"):
            raise ValueError("answers of a batch come whole: leave out stream")
        return call_fields(name, body, None, None, {})

    async def _ask(self, row: Row) -> Told:
        call = Call()
        self._client._send(call, self._fields(row))
        status, body = 0, b""
        async for event in call:
            if event.head is not None:
                status = event.head.status
            elif event.kind == "raw":
                body = event.data or b""
        return _batch_row(row, status, _id_of(call), body, None)

    def _failed(self, row: Row, error: Exception) -> Told:
        refused = isinstance(error, LeatError) and error.status >= 400
        return _batch_row(row, getattr(error, "status", 0) if refused else 0,
                          getattr(error, "request_id", ""), getattr(error, "body", b""), error)

    def _table(self, batch: pa.Table, told: list[Told]) -> pa.Table:
        return pa.Table.from_pylist(told, schema=BATCH)


def _id_of(call: Call) -> str:
    return str((call.ending or {}).get("request_id") or "")


def _batch_row(row: Row, status: int, request_id: str, body: bytes,
               error: Exception | None) -> Told:
    custom_id = row["custom_id"]
    response = {"status_code": status, "request_id": request_id,
                "body": body.decode("utf-8", "replace")} if status else None
    return {"id": request_id, "custom_id": None if custom_id is None else str(custom_id),
            "response": response, "error": None if error is None else _error(error)}


# ---- columns

class Chats(_Asker):
    """Chats from a column `messages` (as OpenAI has them, in structs or JSON) or `prompt` (text),
    whose answers are columns beside those that were there: see `CHAT`.

    `chat` is what all chats share, and `row_options` names columns that set such options for their
    row. `prefix` stands before the new columns. The answer of a row that failed is what had come.
    """

    def __init__(self, base_url: str, api_key: str | None = None, *,
                 chat: ChatOptions | None = None, row_options: Sequence[str] = (),
                 prefix: str = "", concurrency: int = 64, fail_fast: bool = False,
                 **options: Unpack[ClientOptions]) -> None:
        super().__init__(base_url, api_key, concurrency, fail_fast, options)
        self._chat: ChatOptions = chat or {}
        self._row_options, self._prefix = tuple(row_options), prefix

    def _check(self, batch: pa.Table) -> None:
        there = set(batch.column_names)
        if not there & {"messages", "prompt"}:
            raise ValueError("rows of chats have a column messages or prompt, these have neither")
        missing = [name for name in self._row_options if name not in there]
        if missing:
            raise ValueError(f"row_options names {missing[0]}, which is no column")
        taken = sorted(there & {self._prefix + name for name in CHAT.names})
        if taken:
            raise ValueError(f"the rows have a column {taken[0]} already: choose another prefix")

    def _wanted(self, batch: pa.Table) -> list[str]:
        wanted = {"messages", "prompt", *self._row_options}
        return [name for name in batch.column_names if name in wanted]

    async def _ask(self, row: Row) -> Told:
        options: Any = dict(self._chat)
        options.update((name, _plain(row[name])) for name in self._row_options
                       if row[name] is not None)
        messages, prompt = row.get("messages"), row.get("prompt")
        if messages is not None:
            asked = _parsed(messages)
        elif isinstance(prompt, str):
            asked = prompt
        else:
            raise ValueError("neither messages nor a prompt of text is in this row")
        return _chat_row(await self._client.complete(asked, stream=True, **options))

    def _failed(self, row: Row, error: Exception) -> Told:
        told: Told = {name: None for name in CHAT.names}
        told.update(answer=getattr(error, "text", ""), error=_error(error),
                    attempts=getattr(error, "attempts", 0),
                    request_id=getattr(error, "request_id", ""))
        return told

    def _table(self, batch: pa.Table, told: list[Told]) -> pa.Table:
        answers = pa.Table.from_pylist(told, schema=CHAT)
        for name in CHAT.names:
            batch = batch.append_column(self._prefix + name, answers[name])
        return batch


def _chat_row(answer: Completion) -> Told:
    result, usage = answer.result, answer.usage
    calls = [call._asdict() for call in answer.tool_calls]
    return {"answer": answer.text or answer.refusal, "reasoning": answer.reasoning,
            "tool_calls": dumps(calls) if calls else None, "finish_reason": answer.finish_reason,
            "served_model": result.model, "input_tokens": usage.input if usage else None,
            "output_tokens": usage.output if usage else None,
            "ttft_ms": _ms(result, "sent_ns", "first_content_ns"),
            "total_ms": _ms(result, "queued_ns", "done_ns"), "attempts": result.attempts,
            "request_id": result.request_id, "error": None}


def _ms(result: Result, start: str, end: str) -> float | None:
    first, last = getattr(result, start), getattr(result, end)
    return (last - first) / 1e6 if first and last >= first else None


__all__ = ["BATCH", "BatchRequests", "CHAT", "Chats"]
