"""Transports for httpx2: `httpx2.AsyncClient(transport=leat.httpx2.AsyncTransport())`.

Options are those of `leat.Client`. `extensions["timeout"]` of a request sets the engine's
deadlines; what fails is told by httpx2's own exceptions.
"""
from __future__ import annotations

from typing import TYPE_CHECKING, AsyncIterator, Iterator, NoReturn

import httpx2

from ._client import Client, RawStream
from ._errors import LeatError
from ._sync import SyncClient, SyncRawStream
from ._transport import fields_of, name_of

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ._options import ClientOptions


def _fail(error: LeatError, request: httpx2.Request) -> NoReturn:
    kind = getattr(httpx2, name_of(error))
    raise kind(str(error), request=request) from error


def _url(request: httpx2.Request) -> str:
    return str(request.url.copy_with(fragment=None))


class _AsyncBody(httpx2.AsyncByteStream):
    def __init__(self, stream: RawStream, request: httpx2.Request) -> None:
        self.stream, self.request = stream, request

    async def __aiter__(self) -> AsyncIterator[bytes]:
        stream = self.stream
        try:
            async for event in stream:
                data = event.data or b""
                if stream.queued:
                    data += b"".join(more.data or b"" for more in stream.take_all())
                if data:
                    yield data
        except LeatError as error:
            _fail(error, self.request)

    async def aclose(self) -> None:
        self.stream.cancel()


class AsyncTransport(httpx2.AsyncBaseTransport):
    """Carries the requests of one event loop."""

    def __init__(self, **options: Unpack[ClientOptions]) -> None:
        self.client = Client(**options)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        fields = fields_of(request.method, _url(request), request.headers.raw,
                           await request.aread(), request.extensions.get("timeout") or {})
        stream = RawStream()
        try:
            self.client._send(stream, fields)
            head = await stream.head()
        except LeatError as error:
            _fail(error, request)
        except BaseException:
            stream.cancel()
            raise
        return httpx2.Response(head.status, headers=head.headers,
                              stream=_AsyncBody(stream, request))

    async def aclose(self) -> None:
        await self.client.aclose()


class _Body(httpx2.SyncByteStream):
    def __init__(self, stream: SyncRawStream, request: httpx2.Request) -> None:
        self.stream, self.request = stream, request

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from self.stream.chunks()
        except LeatError as error:
            _fail(error, self.request)

    def close(self) -> None:
        self.stream.close()


class Transport(httpx2.BaseTransport):
    """Carries the requests of any number of threads."""

    def __init__(self, **options: Unpack[ClientOptions]) -> None:
        self.client = SyncClient(**options)

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        fields = fields_of(request.method, _url(request), request.headers.raw, request.read(),
                           request.extensions.get("timeout") or {})
        stream = SyncRawStream()
        try:
            self.client._send(stream, fields)
            head = stream.head()
        except LeatError as error:
            _fail(error, request)
        except BaseException:
            stream.close()
            raise
        return httpx2.Response(head.status, headers=head.headers, stream=_Body(stream, request))

    def close(self) -> None:
        self.client.close()
