"""Transports for httpx 0.28: `httpx.AsyncClient(transport=leat.httpx.AsyncTransport())`.

Options are those of `leat.Client`. `extensions["timeout"]` of a request sets the engine's
deadlines; what fails is told by httpx's own exceptions.
"""
from __future__ import annotations

from typing import TYPE_CHECKING, AsyncIterator, Iterator, NoReturn

import httpx

from ._client import Client, RawStream
from ._errors import LeatError
from ._sync import SyncClient, SyncRawStream
from ._transport import VERSIONS, fields_of, name_of
from ._types import Head

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ._options import ClientOptions


def _fail(error: LeatError, request: httpx.Request) -> NoReturn:
    kind = getattr(httpx, name_of(error))
    raise kind(str(error), request=request) from error


def _url(request: httpx.Request) -> str:
    return str(request.url.copy_with(fragment=None))


def _whole(request: httpx.Request) -> bool:
    """Is its body there, or does it come piece by piece?"""
    return hasattr(request, "_content") or isinstance(request.stream, httpx.ByteStream)


def _response(request: httpx.Request, head: Head, stream: _AsyncBody | _Body) -> httpx.Response:
    return httpx.Response(head.status, headers=head.headers, stream=stream, request=request,
                          extensions={"http_version": VERSIONS.get(head.http, b"HTTP/1.1")})


class _Failure:
    """Tells errors as the library does."""

    def __init__(self, request: httpx.Request) -> None:
        self.request = request

    def __call__(self, error: Exception) -> None:
        if isinstance(error, LeatError):
            _fail(error, self.request)


class _AsyncBody(httpx.AsyncByteStream):
    def __init__(self, stream: RawStream, request: httpx.Request) -> None:
        self.stream, self.request = stream, request

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self.stream.pieces(_Failure(self.request))

    async def aclose(self) -> None:
        self.stream.cancel()


class AsyncTransport(httpx.AsyncBaseTransport):
    """Carries the requests of one event loop."""

    def __init__(self, **options: Unpack[ClientOptions]) -> None:
        self.client = Client(**options)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Sends it, a body that comes piece by piece as it comes, and waits for the head."""
        whole = await request.aread() if _whole(request) else None
        fields = fields_of(request.method, _url(request), request.headers.raw, whole,
                           request.extensions.get("timeout") or {})
        stream = RawStream()
        try:
            self.client._send(stream, fields)
            if whole is None:
                assert isinstance(request.stream, httpx.AsyncByteStream)
                stream._pump(request.stream)
            head = await stream.head()
        except LeatError as error:
            stream.cancel()
            _fail(error, request)
        except BaseException:
            stream.cancel()
            raise
        return _response(request, head, _AsyncBody(stream, request))

    async def aclose(self) -> None:
        """Ends what runs, and the engine."""
        await self.client.aclose()


class _Body(httpx.SyncByteStream):
    def __init__(self, stream: SyncRawStream, request: httpx.Request) -> None:
        self.stream, self.request = stream, request

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from self.stream.chunks()
        except LeatError as error:
            _fail(error, self.request)

    def close(self) -> None:
        self.stream.close()


class Transport(httpx.BaseTransport):
    """Carries the requests of any number of threads."""

    def __init__(self, **options: Unpack[ClientOptions]) -> None:
        self.client = SyncClient(**options)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Sends it, a body that comes piece by piece as it comes, and waits for the head."""
        whole = request.read() if _whole(request) else None
        fields = fields_of(request.method, _url(request), request.headers.raw, whole,
                           request.extensions.get("timeout") or {})
        stream = SyncRawStream()
        try:
            self.client._send(stream, fields)
            if whole is None:
                assert isinstance(request.stream, httpx.SyncByteStream)
                stream._send_body(request.stream)
            head = stream.head()
        except LeatError as error:
            stream.close()
            _fail(error, request)
        except BaseException:
            stream.close()
            raise
        return _response(request, head, _Body(stream, request))

    def close(self) -> None:
        """Ends what runs, and the engine."""
        self.client.close()
