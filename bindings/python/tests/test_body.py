"""Request bodies that come piece by piece: from iterators, and through the transports of httpx."""
from __future__ import annotations

import asyncio
import hashlib
import io
from typing import Any, AsyncIterator, Iterator

import pytest
from conftest import Mock, run
from sink import Sink

import leat

LIBRARIES = pytest.mark.parametrize("library", ["httpx", "httpx2"])
PIECE = bytes(range(256)) * 400  # 100 KiB: more than one piece of the engine's


@pytest.fixture
def sink() -> Iterator[Sink]:
    server = Sink()
    yield server
    server.close()


class Source:
    """Pieces, and how many of them were taken."""

    def __init__(self, count: int, fails: bool = False) -> None:
        self.count, self.fails, self.taken = count, fails, 0

    def __iter__(self) -> Iterator[bytes]:
        for _ in range(self.count):
            self.taken += 1
            yield PIECE
        if self.fails:
            raise OSError("the disk is gone")

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in iter(self):
            yield piece
            await asyncio.sleep(0)

    @property
    def whole(self) -> dict[str, object]:
        body = PIECE * self.count
        return {"size": len(body), "sha256": hashlib.sha256(body).hexdigest(), "chunked": True}


class Plain:
    """The same without the asynchronous way."""

    def __init__(self, source: Source) -> None:
        self.source = source

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.source)


def test_iterators_are_sent_whole(sink: Sink) -> None:
    async def main() -> None:
        async with leat.Client() as client:
            for make in (Source, lambda n: Plain(Source(n)), lambda n: iter([PIECE] * n)):
                reply = await client.request("POST", sink.url, make(30))
                assert reply.json() == Source(30).whole
            assert (await client.request("POST", sink.url, iter(()))).json()["size"] == 0
    run(main())
    with leat.SyncClient() as client:
        assert client.request("POST", sink.url, Source(30)).reply().json() == Source(30).whole
        with pytest.raises(TypeError, match="asynchronous"):
            client.request("POST", sink.url, empty())


async def empty() -> AsyncIterator[bytes]:
    return
    yield b""


def test_a_body_waits_for_who_reads_it(sink: Sink) -> None:
    """Of 100 MB no more is taken than what fits between here and a server that sleeps."""
    source = Source(1000)

    async def main() -> None:
        async with leat.Client() as client:
            request = client.request("POST", f"{sink.url}/?pause=1.5", source)
            await asyncio.sleep(1)
            assert 2 < source.taken < 200  # sockets hold some MB
            assert (await request).json() == source.whole
    run(main())


@LIBRARIES
def test_transports_send_iterators_as_they_come(sink: Sink, library: str) -> None:
    lib, module = pytest.importorskip(library), pytest.importorskip(f"leat.{library}")
    source = Source(300)

    async def main() -> None:
        async with lib.AsyncClient(transport=module.AsyncTransport()) as client:
            request = asyncio.ensure_future(
                client.post(f"{sink.url}/?pause=1", content=source.__aiter__(), timeout=20))
            await asyncio.sleep(0.6)
            assert 2 < source.taken < 200
            assert (await request).json() == source.whole
            sized = await client.post(sink.url, content=source.__aiter__(),
                                      headers={"content-length": str(source.whole["size"])})
            assert sized.json() == {**source.whole, "chunked": False}
    run(main())
    with lib.Client(transport=module.Transport()) as client:
        assert client.post(sink.url, content=iter(Source(30))).json() == Source(30).whole


@LIBRARIES
def test_transports_send_files_over_http2(mock: Mock, library: str) -> None:
    lib, module = pytest.importorskip(library), pytest.importorskip(f"leat.{library}")
    content = PIECE * 20
    asks: dict[str, Any] = {"data": {"purpose": "batch"}, "headers": {"authorization": "Bearer k"}}

    async def main() -> None:
        async with lib.AsyncClient(transport=module.AsyncTransport(ca_file=mock.ca)) as client:
            reply = await client.post(f"{mock.url}/v1/files", **asks,
                                      files={"file": ("a.jsonl", io.BytesIO(content))})
            assert reply.json()["bytes"] == len(content) and reply.http_version == "HTTP/2"
    run(main())
    with lib.Client(transport=module.Transport(ca_file=mock.ca)) as client:
        reply = client.post(f"{mock.url}/v1/files", **asks,
                            files={"file": ("a.jsonl", io.BytesIO(content))})
        assert reply.json()["bytes"] == len(content)


@LIBRARIES
def test_a_body_that_fails_says_why(sink: Sink, library: str) -> None:
    lib, module = pytest.importorskip(library), pytest.importorskip(f"leat.{library}")

    async def main() -> None:
        async with lib.AsyncClient(transport=module.AsyncTransport()) as client:
            with pytest.raises(OSError, match="disk"):
                await client.post(sink.url, content=Source(3, True).__aiter__())
            with pytest.raises(lib.WriteError):  # as it had said, and no more
                await client.post(sink.url, content=Source(3).__aiter__(),
                                  headers={"content-length": "10"})
    run(main())
    with lib.Client(transport=module.Transport()) as client:
        with pytest.raises(OSError, match="disk"):
            client.post(sink.url, content=iter(Source(3, True)))
    with leat.SyncClient() as client, pytest.raises(OSError, match="disk"):
        client.request("POST", sink.url, Source(3, True))


def test_a_refused_body_is_left(sink: Sink) -> None:
    """The answer stands before the body: what is left of an endless one is not taken."""
    def endless() -> Iterator[bytes]:
        while True:
            yield PIECE

    async def main() -> None:
        async with leat.Client() as client:
            reply = await client.request("POST", f"{sink.url}/?refuse=1", endless())
            assert reply.status == 413
    run(main())
    with leat.SyncClient() as client:
        assert client.request("POST", f"{sink.url}/?refuse=1", endless()).head().status == 413


def test_cancelling_ends_a_body(sink: Sink) -> None:
    async def main() -> None:
        source = Source(1 << 30)
        async with leat.Client() as client:
            request = asyncio.ensure_future(
                client.request("POST", f"{sink.url}/?pause=30", source).reply())
            await asyncio.sleep(0.3)
            request.cancel()
            with pytest.raises(asyncio.CancelledError):
                await request
            await asyncio.sleep(0.1)
            taken = source.taken
            await asyncio.sleep(0.2)
            assert source.taken == taken and client.stats()["requests_live"] == 0
    run(main())
