"""The official SDKs over our transports and over their own, call for call: what comes of a stream,
event by event, and what they raise. Every recorded stream of the shared corpora is replayed
(LEAT_CORPORA, or shared/corpora beside the tree); without them those tests are skipped."""
from __future__ import annotations

import asyncio
import gc
import json
import os
import re
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest
from conftest import ROOT, Mock, run
from replay import Replay

STREAMS = Path(os.environ.get("LEAT_CORPORA") or ROOT / "../shared/corpora") / "streams"
ASKS: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
FORMATS = ("openai-chat", "openai-completions", "openai-responses", "anthropic")
WAYS = pytest.mark.parametrize("way", ["sync", "async"])
LIBRARIES = pytest.mark.parametrize("library", ["httpx", "httpx2"])
SIZE = 7  # bytes a chunk for ours; theirs have the body in one
Outcome = tuple[list[Any], str]


@pytest.fixture(scope="module")
def expected() -> dict[str, Any]:
    if not STREAMS.is_dir():
        pytest.skip(f"the shared corpora are absent ({STREAMS}; LEAT_CORPORA names them)")
    found = {}
    for path in sorted(STREAMS.glob("*.expected.json")):
        found[path.name.removesuffix(".expected.json")] = json.loads(path.read_text("utf-8"))
    return found


@pytest.fixture(scope="module")
def replay(expected: dict[str, Any]) -> Iterator[Replay]:
    server = Replay({name: (told["content_type"], (STREAMS / f"{name}.body").read_bytes())
                     for name, told in expected.items()})
    yield server
    server.close()


# ---- clients

def make_client(way: str, library: str, kind: str, ours: bool, ca: str | None = None) -> Any:
    """The SDK of a format, over our transport or the library's own."""
    lib = pytest.importorskip(library)
    sdk = pytest.importorskip("anthropic" if kind == "anthropic" else "openai")
    prefix = "Async" if way == "async" else ""
    if ours:
        transport = getattr(pytest.importorskip(f"leat.{library}"), f"{prefix}Transport")
        http = getattr(lib, f"{prefix}Client")(transport=transport(ca_file=ca))
    else:
        http = getattr(lib, f"{prefix}Client")(verify=own_context(ca) if ca else True)
    maker = getattr(sdk, prefix + ("Anthropic" if kind == "anthropic" else "OpenAI"))
    try:
        return maker(api_key="k", base_url="http://127.0.0.1:1", http_client=http, max_retries=0)
    except TypeError:
        http.close() if way == "sync" else run(http.aclose())
        pytest.skip(f"this {sdk.__name__} does not take clients of {library}")


def own_context(ca: str) -> Any:
    import ssl
    return ssl.create_default_context(cafile=ca)


def caller(kind: str) -> Callable[..., Any]:
    """The SDK's call that streams."""
    if kind == "openai-chat":
        return lambda c, **more: c.chat.completions.create(**ASKS, stream=True, **more)
    if kind == "openai-completions":
        return lambda c, **more: c.completions.create(model="m", prompt="hi", stream=True, **more)
    if kind == "openai-responses":
        return lambda c, **more: c.responses.create(model="m", input="hi", stream=True, **more)
    return lambda c, **more: c.messages.create(**ASKS, max_tokens=9, stream=True, **more)


def told(error: Exception) -> str:
    return f"{type(error).__module__}.{type(error).__name__}: {error}"


def ask(client: Any, call: Callable[..., Any], **more: Any) -> Outcome:
    events: list[Any] = []
    try:
        for event in call(client, **more):
            events.append(event.model_dump())
    except Exception as error:
        return events, told(error)
    return events, ""


async def aask(client: Any, call: Callable[..., Any], **more: Any) -> Outcome:
    events: list[Any] = []
    try:
        async for event in await call(client, **more):
            events.append(event.model_dump())
    except Exception as error:
        return events, told(error)
    return events, ""


def outcomes(way: str, client: Any, call: Callable[..., Any],
             asks: list[dict[str, Any]]) -> list[Outcome]:
    """One after the other; the client is closed behind them."""
    async def main() -> list[Outcome]:
        async with client:
            return [await aask(client.with_options(base_url=one.pop("base_url")), call, **one)
                    for one in asks]
    asks = [dict(one) for one in asks]
    if way == "async":
        return run(main())
    with client:
        return [ask(client.with_options(base_url=one.pop("base_url")), call, **one)
                for one in asks]


# ---- streams

@WAYS
@LIBRARIES
@pytest.mark.parametrize("kind", FORMATS)
def test_every_recorded_stream_is_the_same(replay: Replay, expected: dict[str, Any], way: str,
                                           library: str, kind: str) -> None:
    names = [name for name, told in expected.items() if told["format"] == kind]
    assert names
    call, whole = caller(kind), {name: f"{replay.url}/{name}/0" for name in names}
    theirs = outcomes(way, make_client(way, library, kind, False), call,
                      [{"base_url": url} for url in whole.values()])
    ours = outcomes(way, make_client(way, library, kind, True), call,
                    [{"base_url": f"{replay.url}/{name}/{SIZE}"} for name in names])
    for name, own, other in zip(names, ours, theirs):
        assert own == other, name
    assert sum(len(events) for events, _ in theirs) > len(names) / 2


@WAYS
@LIBRARIES
def test_every_recorded_body_is_the_same_in_bytes(replay: Replay, expected: dict[str, Any],
                                                  way: str, library: str) -> None:
    lib, module = pytest.importorskip(library), pytest.importorskip(f"leat.{library}")

    async def main() -> None:
        async with lib.AsyncClient(transport=module.AsyncTransport()) as client:
            for name in expected:
                got = await client.post(f"{replay.url}/{name}/7/x")
                assert got.content == (STREAMS / f"{name}.body").read_bytes(), name
    if way == "async":
        run(main())
        return
    with lib.Client(transport=module.Transport()) as client:
        for name in expected:
            got = client.post(f"{replay.url}/{name}/7/x")
            assert got.content == (STREAMS / f"{name}.body").read_bytes(), name


@WAYS
@LIBRARIES
@pytest.mark.parametrize("kind", FORMATS)
def test_the_gateways_streams_are_the_same(mock: Mock, way: str, library: str, kind: str) -> None:
    """Over HTTP/2 with ours. Ids are counted by the gateway, and stamps are its clock's."""
    base = mock.url if kind == "anthropic" else f"{mock.url}/v1"
    asks = [{"base_url": base, "extra_headers": {"x-mock-seed": str(seed), **more}}
            for seed, more in ((5, {}), (6, {"x-mock-fault": "error=3"}),
                               (7, {"x-mock-fault": "no-done"}), (8, {"x-mock-gzip": "1"}))]
    ours, theirs = (
        outcomes(way, make_client(way, library, kind, which, mock.ca), caller(kind), asks)
        for which in (True, False))
    assert timeless(ours) == timeless(theirs)
    assert len(ours[0][0]) > 9 and not ours[0][1] and not ours[3][1]
    assert ours[1][1] or kind == "openai-responses"  # there an error is an event


def timeless(found: list[Outcome]) -> str:
    counted = r"'(\w*id|created\w*|completed_at)': ('[^']*'|[\d.]+)"
    return re.sub(counted, "COUNTED", repr(found))


# ---- what they raise

@WAYS
@LIBRARIES
@pytest.mark.parametrize("kind", ["openai-chat", "anthropic"])
def test_failures_are_the_sdks_own(mock: Mock, way: str, library: str, kind: str) -> None:
    base = mock.url if kind == "anthropic" else f"{mock.url}/v1"
    faults = [f"status={status}" for status in (400, 401, 403, 404, 409, 422, 429, 500, 503, 529)]
    faults += ["drop", "slow-head=30000", "stall=300", "close=700"]
    late = ("slow-head", "stall")
    asks = [{"base_url": base, "timeout": 1 if fault.startswith(late) else 60,
             "extra_headers": {"x-mock-fault": fault}} for fault in faults]
    asks.append({"base_url": "http://127.0.0.1:1"})
    ours, theirs = (
        outcomes(way, make_client(way, library, kind, which, mock.ca), caller(kind), asks)
        for which in (True, False))
    kinds = [error.partition(":")[0].rpartition(".")[2] for _, error in ours]
    assert kinds == [error.partition(":")[0].rpartition(".")[2] for _, error in theirs]
    assert kinds[:3] == ["BadRequestError", "AuthenticationError", "PermissionDeniedError"]
    assert kinds[10:12] == ["APIConnectionError", "APITimeoutError"]
    assert "Timeout" in kinds[12] and kinds[14] == "APIConnectionError"


# ---- leaving

@LIBRARIES
@pytest.mark.parametrize("kind", ["openai-chat", "anthropic"])
def test_leaving_a_stream_ends_the_request(mock: Mock, library: str, kind: str) -> None:
    base = mock.url if kind == "anthropic" else f"{mock.url}/v1"
    slow = {"extra_headers": {"x-mock-gap-ms": "100"}}
    call = caller(kind)

    async def read(client: Any) -> None:
        async for _ in await call(client, **slow):
            pass

    async def main(client: Any) -> None:
        ours = client._client._transport.client
        client = client.with_options(base_url=base)
        async with client:
            half_read = await call(client, **slow)
            async for _ in half_read:
                break
            await half_read.close()
            task = asyncio.ensure_future(read(client))
            await asyncio.sleep(0.3)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await asyncio.sleep(0.2)
            stats = ours.stats()
            assert stats["requests_cancelled"] == 2 and stats["requests_live"] == 0
    run(main(make_client("async", library, kind, True, mock.ca)))

    client = make_client("sync", library, kind, True, mock.ca)
    ours = client._client._transport.client
    with client:
        stream = call(client.with_options(base_url=base), **slow)
        next(iter(stream))
        stream.close()
        gc.collect()
        assert ours.stats()["requests_cancelled"] == 1
