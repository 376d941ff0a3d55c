"""What goes in: options as they are written in Python, and the fields that the engine takes."""
from __future__ import annotations

import json
import math
import os
from dataclasses import dataclass
from typing import (Any, AsyncIterable, Iterable, Literal, Mapping, Sequence, TypedDict, Union,
                    cast)

Message = Mapping[str, Any]
Headers = Union[Mapping[str, str], Iterable[tuple[str, str]]]
Body = Union[bytes, str, Mapping[str, Any], Sequence[Any]]
Pieces = Union[Iterable[bytes], AsyncIterable[bytes]]

NONE = -1
PIECE_MAX = 64 << 10  # of a body that comes piece by piece, on its way to the engine
WANTS_ALL, WANTS_RAW = 1, 2  # the extension's
AUTHS = {word: i for i, word in enumerate((
    "default", "bearer", "raw", "x-api-key", "api-key", "x-goog-api-key", "query",
    "mj-api-secret", "none"))}
HTTPS = {"auto": 0, "1.1": 1, "1": 1, "2": 2}


@dataclass(frozen=True)
class Timeouts:
    """Deadlines in seconds: None is the engine's default, math.inf switches one off.

    `connect`, `head`, `first`, `gap` and `idle` are for each attempt, `queue` and `total` across
    attempts; leat.h says from when to when each one runs.
    """

    dns: float | None = None
    connect: float | None = None
    head: float | None = None
    first: float | None = None
    gap: float | None = None
    idle: float | None = None
    queue: float | None = None
    total: float | None = None


class RequestOptions(TypedDict, total=False):
    """What any request may have."""

    protocol: str
    base_url: str
    api_key: str
    auth: str
    headers: Headers
    timeout: float | Timeouts
    http: str
    retries: int
    once: bool
    lane: str
    lane_weight: int
    priority: int
    supersede: bool
    tokens: int


class ChatOptions(RequestOptions, total=False):
    """A completion, written once for every dialect. What a dialect does not have is refused."""

    messages: Sequence[Message]
    model: str
    path: str
    suffix: str
    raw: bool | Literal["beside"]
    no_usage: bool
    max_tokens: int
    max_completion_tokens: int
    temperature: float
    top_p: float
    top_k: int
    n: int
    frequency_penalty: float
    presence_penalty: float
    seed: int
    logprobs: bool
    top_logprobs: int
    parallel_tool_calls: bool
    best_of: int
    echo: bool
    store: bool
    reasoning_tokens: int
    reasoning_effort: str
    stop: str | Sequence[str]
    tools: Sequence[Mapping[str, Any]]
    tool_choice: str | Mapping[str, Any]
    user: str
    service_tier: str
    response_format: Mapping[str, Any]
    logit_bias: Mapping[str, float]
    metadata: Mapping[str, str]
    stream_options: Mapping[str, Any]
    extra: Mapping[str, Any]


class SocketOptions(TypedDict, total=False):
    """What a WebSocket may have; `protocol` makes it one of turns (chat-ws, responses-ws)."""

    protocol: str
    model: str
    base_url: str
    api_key: str
    headers: Headers
    timeout: float | Timeouts
    subprotocols: str
    key_in_subprotocol: bool
    message_bytes_max: int
    ping: float
    close: float


class Limit(TypedDict, total=False):
    """What a provider allows; without `model` for all that no other limit names, each apart."""

    model: str
    requests_per_minute: int
    tokens_per_minute: int
    concurrency: int


class ClientOptions(TypedDict, total=False):
    """What a client may have beside its base URL and key: see leat_config in leat.h."""

    protocol: str
    auth: str
    headers: Headers
    timeout: float | Timeouts
    retries: int
    retry_after_max: float
    redirects: int
    allow_plain_key: bool
    http: str
    proxy: str
    no_proxy: str
    coalesce: bool
    conns_max: int
    h2_conns_max: int
    h2_streams_max: int
    queue_max: int
    handshakes_max: int
    requests_max: int
    body_bytes_max: int
    event_bytes_max: int
    header_bytes_max: int
    ca_file: str
    ca_pem: str | bytes
    insecure: bool
    cert_file: str
    key_file: str
    resolve: Sequence[str]
    learn_limits: bool
    limits: Sequence[Limit]
    retry_budget: int
    circuit_failures: int
    polls_per_second: int
    journal: str
    metrics: bool
    rx_timestamps: bool
    endpoints: str
    queue_bytes_max: int


def _ms(seconds: float) -> int:
    if seconds == math.inf:
        return NONE
    if not 0 < seconds < 1e12:
        raise ValueError("a deadline must be above 0; math.inf switches it off")
    return max(1, math.ceil(seconds * 1000))


def deadlines(timeout: float | Timeouts) -> dict[str, int]:
    """A number is for everything together; Timeouts are for each step."""
    if not isinstance(timeout, Timeouts):
        return {"total_ms": _ms(timeout)}
    return {f"{name}_ms": _ms(value) for name, value in vars(timeout).items() if value is not None}


def headers(given: Headers) -> list[tuple[str, str]]:
    pairs: Iterable[tuple[str, str]] = (
        cast("Mapping[str, str]", given).items() if isinstance(given, Mapping) else given)
    return list(pairs)


def _word(words: Mapping[str, int], given: str, what: str) -> int:
    try:
        return words[given]
    except KeyError:
        raise ValueError(f"{what}: {given!r} is none of {', '.join(words)}") from None


def dumps(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def request_fields(options: dict[str, Any]) -> dict[str, Any]:
    """Rewrites what all requests share, in place: words as numbers, seconds as milliseconds."""
    if options.get("timeout") is not None:
        options["deadlines"] = deadlines(options["timeout"])
    options.pop("timeout", None)
    if "headers" in options:
        options["headers"] = headers(options["headers"])
    if "auth" in options:
        options["auth"] = _word(AUTHS, options["auth"], "auth")
    if "http" in options:
        options["http"] = _word(HTTPS, options["http"], "http")
    if options.get("retries") == 0:
        options["retries"] = NONE
    return options


def config_fields(options: dict[str, Any]) -> dict[str, Any]:
    fields = request_fields(dict(options))
    if "retry_after_max" in fields:
        fields["retry_after_max_ms"] = _ms(fields.pop("retry_after_max"))
    if fields.get("redirects") == 0:
        fields["redirects"] = NONE
    if "limits" in fields:
        fields["limits"] = [dict(limit) for limit in fields["limits"]]
    for name in ("ca_file", "cert_file", "key_file", "journal"):
        if fields.get(name) is not None:
            fields[name] = os.fspath(fields[name])
    return fields


# ---- chats

_REQUEST = frozenset({"protocol", "base_url", "api_key", "deadlines", "headers", "auth", "http",
                      "retries", "once", "lane", "lane_weight", "priority", "supersede", "tokens",
                      "path"})
_JSON = ("response_format", "logit_bias", "metadata", "stream_options", "extra")
_MESSAGE = {"role": "role", "name": "name", "tool_call_id": "tool_call_id", "refusal": "refusal",
            "reasoning": "reasoning", "reasoning_content": "reasoning", "signature": "signature"}


def _part(part: Mapping[str, Any]) -> dict[str, Any]:
    kind = part.get("type")
    if kind == "text":
        return {"kind": 0, "text": part["text"]}
    if kind == "image_url":
        image = part["image_url"]
        image = {"url": image} if isinstance(image, str) else image
        return {"kind": 1, "url": image["url"], "detail": image.get("detail")}
    if kind == "input_audio":
        sound = part["input_audio"]
        return {"kind": 2, "data": sound["data"], "format": sound["format"]}
    if kind == "file":
        file = part["file"]
        return {"kind": 3, "file_id": file.get("file_id"), "data": file.get("file_data"),
                "filename": file.get("filename")}
    if kind == "video_url":
        video = part["video_url"]
        return {"kind": 4, "url": video if isinstance(video, str) else video["url"]}
    return {"kind": 5, "data": dumps(part)}


def _message(message: Message) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for key, value in message.items():
        if key == "content":
            if isinstance(value, str):
                fields["text"] = value
            elif value is not None:
                fields["parts"] = [_part(part) for part in value]
        elif key == "tool_calls":
            fields["tool_uses"] = [
                {"id": call.get("id"), "name": call["function"]["name"],
                 "arguments": call["function"]["arguments"]} for call in value or ()]
        elif key in _MESSAGE:
            fields[_MESSAGE[key]] = value
        else:
            raise TypeError(f"a message has no member {key!r}")
    return fields


def _tools(tools: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Functions go through every dialect; other tools only as this one writes them."""
    if not all(tool.get("type", "function") == "function" and "function" in tool
               for tool in tools):
        return {"tools_json": dumps(list(tools))}
    listed = []
    for tool in tools:
        function = tool["function"]
        row: dict[str, Any] = {"name": function["name"],
                               "description": function.get("description"),
                               "strict": bool(function.get("strict"))}
        if function.get("parameters") is not None:
            row["parameters"] = dumps(function["parameters"])
        listed.append(row)
    return {"tools": listed}


def _chat_field(name: str, value: Any) -> dict[str, Any]:
    if name == "messages":
        return {"messages": [_message(message) for message in value]}
    if name == "tools":
        return _tools(value)
    if name == "tool_choice" and not isinstance(value, str):
        return {"tool_choice_json": dumps(value)}
    if name == "stop" and isinstance(value, str):
        return {"stop": [value]}
    if name in _JSON:
        return {name: dumps(value)}
    return {name: value}


def chat_wishes(options: dict[str, Any], gathers: bool) -> int:
    """How the answer is to come. `raw=True` is the engine's own: see chat_fields."""
    return gathers * WANTS_ALL | (options.get("raw") == "beside") * WANTS_RAW


def chat_fields(prompt: str | Sequence[Message] | None, options: dict[str, Any],
                stream: bool) -> dict[str, Any]:
    """A request with a chat in it."""
    if isinstance(prompt, str):
        options["prompt"] = prompt
    elif prompt is not None:
        options["messages"] = prompt
    request: dict[str, Any] = {}
    chat: dict[str, Any] = {"stream": stream}
    if options.pop("raw", False) is True:
        request["want_raw"] = True
    for name, value in request_fields(options).items():
        if value is None:
            continue
        if name in _REQUEST:
            request[name] = value
        else:
            chat.update(_chat_field(name, value))
    request["chat"] = chat
    return request


# ---- other requests

def body_of(body: Body | None) -> str | bytes | None:
    """Bytes and text as they are, anything else as JSON."""
    return body if body is None or isinstance(body, (bytes, str)) else dumps(body)


def request_body(body: bytes | str | Pieces | None) -> dict[str, Any]:
    """The field of a body that is there, or that its source will give."""
    whole = body is None or isinstance(body, (bytes, str))
    return {"body": body} if whole else {"source": {"size": 0}}


def cut(piece: bytes) -> Iterable[bytes]:
    """In pieces that the engine may be handed."""
    return (piece[at:at + PIECE_MAX] for at in range(0, len(piece), PIECE_MAX))


def form_fields(form: Mapping[str, Any] | Iterable[tuple[str, Any]]) -> list[dict[str, Any]]:
    """Fields of a form: text and bytes as values, paths as files that are read while they go."""
    rows = []
    for name, value in form.items() if isinstance(form, Mapping) else form:
        row: dict[str, Any] = {"name": name}
        if isinstance(value, tuple):  # (file name, content) or with a content type behind it
            row["filename"], value, *rest = list(value)
            row["content_type"] = rest[0] if rest else None
        if isinstance(value, os.PathLike):
            row["source"] = {"path": os.fspath(value)}
        else:
            row["value"] = value if isinstance(value, (str, bytes)) else dumps(value)
        rows.append(row)
    return rows


def call_fields(endpoint: str, body: Body | None, params: Mapping[str, Any] | None,
                form: Mapping[str, Any] | Iterable[tuple[str, Any]] | None,
                options: dict[str, Any]) -> dict[str, Any]:
    """What is decoded into events comes as it was as well, so that a reply is whole."""
    fields = request_fields(options)
    fields.update(endpoint=endpoint, body=body_of(body), want_raw=True)
    if params is not None:
        fields["params"] = [(name, str(value)) for name, value in params.items()]
    if form is not None:
        fields["form"] = form_fields(form)
    return fields


def task_fields(endpoint: str | None, body: Body | None, params: Mapping[str, Any] | None,
                options: dict[str, Any]) -> dict[str, Any]:
    fields = request_fields(options)
    fields["endpoint"] = endpoint
    fields["body"] = body_of(body)
    if params is not None:
        fields["params"] = [(name, str(value)) for name, value in params.items()]
    for name in ("poll", "first_poll", "deadline"):
        if fields.get(name) is not None:
            fields[f"{name}_ms"] = _ms(fields[name])
        fields.pop(name, None)
    if fields.get("file") is not None:
        fields["file"] = os.fspath(fields["file"])
        fields.setdefault("download", True)
    return fields


def socket_fields(url: str | None, options: dict[str, Any]) -> dict[str, Any]:
    fields = request_fields(options)
    fields["url"] = url
    for name in ("ping", "close"):
        if name in fields:
            fields[f"{name}_ms"] = _ms(fields.pop(name))
    return fields
