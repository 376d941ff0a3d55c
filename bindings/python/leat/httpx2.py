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
from ._transport import VERSIONS, fields_of, name_of
from ._types import Head

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ._options import ClientOptions


def _fail(error: LeatError, request: httpx2.Request) -> NoReturn:
    kind = getattr(httpx2, name_of(error))
    raise kind(str(error), request=request) from error


def _url(request: httpx2.Request) -> str:
    return str(request.url.copy_with(fragment=None))


def _whole(request: httpx2.Request) -> bool:
    """Is its body there, or does it come piece by piece?"""
    return hasattr(request, "_content") or isinstance(request.stream, httpx2.ByteStream)


def _response(request: httpx2.Request, head: Head, stream: _AsyncBody | _Body) -> httpx2.Response:
    return httpx2.Response(head.status, headers=head.headers, stream=stream, request=request,
                          extensions={"http_version": VERSIONS.get(head.http, b"HTTP/1.1")})


class _Failure:
    """Tells errors as the library does."""

    def __init__(self, request: httpx2.Request) -> None:
        self.request = request

    def __call__(self, error: Exception) -> None:
        if isinstance(error, LeatError):
            _fail(error, self.request)


class _AsyncBody(httpx2.AsyncByteStream):
    def __init__(self, stream: RawStream, request: httpx2.Request) -> None:
        self.stream, self.request = stream, request

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self.stream.pieces(_Failure(self.request))

    async def aclose(self) -> None:
        self.stream.cancel()


class AsyncTransport(httpx2.AsyncBaseTransport):
    """Carries the requests of one event loop."""

    def __init__(self, **options: Unpack[ClientOptions]) -> None:
        self.client = Client(**options)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Sends it, a body that comes piece by piece as it comes, and waits for the head."""
        whole = await request.aread() if _whole(request) else None
        fields = fields_of(request.method, _url(request), request.headers.raw, whole,
                           request.extensions.get("timeout") or {})
        stream = RawStream()
        try:
            self.client._send(stream, fields)
            if whole is None:
                assert isinstance(request.stream, httpx2.AsyncByteStream)
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
        """Sends it, a body that comes piece by piece as it comes, and waits for the head."""
        whole = request.read() if _whole(request) else None
        fields = fields_of(request.method, _url(request), request.headers.raw, whole,
                           request.extensions.get("timeout") or {})
        stream = SyncRawStream()
        try:
            self.client._send(stream, fields)
            if whole is None:
                assert isinstance(request.stream, httpx2.SyncByteStream)
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
