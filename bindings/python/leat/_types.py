"""What comes out: the parts of events, results, whole answers."""
from __future__ import annotations

import json
from dataclasses import dataclass, field, fields
from typing import Any, Iterable, Mapping, NamedTuple

from ._core import Event


class Head(NamedTuple):
    """Status and headers of a response, all of them, in order, and which HTTP it came by."""

    status: int
    headers: list[tuple[str, str]]
    http: str = ""

    def get(self, name: str, default: str | None = None) -> str | None:
        """The first header of this name, compared without case."""
        name = name.lower()
        return next((value for key, value in self.headers if key.lower() == name), default)


class ToolCall(NamedTuple):
    """A fragment of a tool call (id and name come with the first), or a whole one."""

    index: int  # type: ignore[assignment]  # the tuple's own method is not missed
    id: str
    name: str
    arguments: str


class Media(NamedTuple):
    """An image or sound: base64 text as it was sent, or a URL."""

    data: str
    url: str
    mime_type: str
    transcript: str
    id: str
    partial: bool


class Usage(NamedTuple):
    """Token counts, None where the provider did not say."""

    input: int | None
    output: int | None
    total: int | None
    reasoning: int | None
    cached: int | None
    cache_write: int | None
    input_text: int | None
    input_audio: int | None
    input_image: int | None
    output_text: int | None
    output_audio: int | None
    accepted_prediction: int | None
    rejected_prediction: int | None


TASK_STATES = ("", "submitting", "running", "downloading", "succeeded", "failed", "needs_input")


class TaskUpdate(NamedTuple):
    """Where a task stands. `progress` is in percent, -1: not told."""

    state: str
    progress: int
    polls: int
    downloaded: int
    task_id: str
    status: str
    url: str
    error_code: str
    error_message: str
    raw: bytes


def make_update(state: int, *rest: Any) -> TaskUpdate:
    return TaskUpdate(TASK_STATES[state], *rest)


@dataclass(frozen=True)
class Result:
    """How a request ended. Stamps are nanoseconds of CLOCK_MONOTONIC, 0: not reached."""

    name: str
    status: int
    request_id: str
    attempts: int
    redirects: int
    bytes_received: int
    events: int
    maybe_ran_twice: bool
    response_id: str
    model: str
    system_fingerprint: str
    service_tier: str
    created: int
    http: str
    tls: str
    reused_connection: bool
    resumed_tls: bool
    limited_ns: int
    queued_ns: int
    leased_ns: int
    connected_ns: int
    tls_ns: int
    sent_ns: int
    head_ns: int
    first_event_ns: int
    first_content_ns: int
    last_content_ns: int
    done_ns: int

    @staticmethod
    def of(ending: Mapping[str, Any]) -> Result:
        values = {f.name: ending[f.name] for f in fields(Result)}
        values["http"] = {1: "1.1", 2: "2"}.get(ending["http"], "")
        values["tls"] = {12: "1.2", 13: "1.3"}.get(ending["tls"], "")
        return Result(**values)


@dataclass
class Choice:
    """One choice of a whole answer."""

    text: str = ""
    reasoning: str = ""
    signature: str = ""
    refusal: str = ""
    tool_calls: list[ToolCall] = field(default_factory=list)
    media: list[Media] = field(default_factory=list)
    finish_reason: str = ""
    finish_detail: str = ""
    logprobs: list[Any] = field(default_factory=list)


@dataclass
class Completion:
    """A whole answer. `text` and its like are those of choice 0."""

    choices: list[Choice]
    usage: Usage | None
    result: Result
    head: Head | None

    @property
    def text(self) -> str:
        return self.choices[0].text

    @property
    def reasoning(self) -> str:
        return self.choices[0].reasoning

    @property
    def refusal(self) -> str:
        return self.choices[0].refusal

    @property
    def tool_calls(self) -> list[ToolCall]:
        return self.choices[0].tool_calls

    @property
    def finish_reason(self) -> str:
        return self.choices[0].finish_reason


class _Pieces:
    """A choice while it grows."""

    def __init__(self) -> None:
        self.texts: dict[str, list[str]] = {}
        self.calls: dict[int, list[ToolCall]] = {}
        self.choice = Choice()

    def add(self, event: Event) -> None:
        kind = event.kind
        if kind in ("text", "reasoning", "signature", "refusal"):
            self.texts.setdefault(kind, []).append(getattr(event, kind))
        elif event.tool_call is not None:
            self.calls.setdefault(event.tool_call.index, []).append(event.tool_call)
        elif event.media is not None:
            if not event.media.partial:
                self.choice.media.append(event.media)
        elif kind == "finish":
            self.choice.finish_reason = event.finish_reason
            self.choice.finish_detail = event.finish_detail
        if event.logprobs:
            self.choice.logprobs.append(json.loads(event.logprobs))

    def whole(self) -> Choice:
        for kind, pieces in self.texts.items():
            setattr(self.choice, kind, "".join(pieces))
        for index, parts in sorted(self.calls.items()):
            self.choice.tool_calls.append(ToolCall(
                index, next((p.id for p in parts if p.id), ""),
                next((p.name for p in parts if p.name), ""),
                "".join(p.arguments for p in parts)))
        return self.choice


def fold(events: Iterable[Event], ending: Mapping[str, Any]) -> Completion:
    """Joins the events of an answer."""
    choices: dict[int, _Pieces] = {0: _Pieces()}
    usage: Usage | None = None
    head: Head | None = None
    for event in events:
        if event.head is not None:
            head = event.head
        elif event.usage is not None:
            usage = event.usage
        else:
            choices.setdefault(event.choice, _Pieces()).add(event)
    ordered = [choices[i].whole() for i in sorted(choices)]
    return Completion(ordered, usage, Result.of(ending), head)


@dataclass(frozen=True)
class Reply:
    """The answer to a call of an endpoint, or to a raw request. `data` is its body, of a stream the
    records, one behind the other."""

    status: int
    headers: list[tuple[str, str]]
    data: bytes
    result: Result

    def json(self) -> Any:
        return json.loads(self.data)


def body_of_events(events: Iterable[Event]) -> bytes:
    """The body that the events of a call came from. What is a reply as it stands comes twice: as
    that, and as the record that it was."""
    pieces: dict[str, list[bytes]] = {"reply": [], "raw": [], "": []}
    for event in events:
        if event.data is not None:
            pieces[event.kind if event.kind in pieces else ""].append(event.data)
    return b"".join(pieces["reply"] or pieces["raw"] or pieces[""])


@dataclass(frozen=True)
class TaskResult:
    """How a task ended well. `data` is the content where it was downloaded into memory, and
    `downloaded` counts its bytes wherever it went."""

    task_id: str
    status: str
    url: str
    raw: bytes
    polls: int
    downloaded: int
    data: bytes
    earlier_run: bool
    result: Result
