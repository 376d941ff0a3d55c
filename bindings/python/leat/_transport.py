"""What the transports of httpx and httpx2 share, whatever the library is called.

A transport passes one request on and its answer back: it repeats nothing, follows no redirect and
undoes no content-coding, since the library and the SDKs above it do.
"""
from __future__ import annotations

from typing import Any, Mapping, Sequence

from ._errors import LeatError
from ._options import NONE, request_fields

# What belongs to a connection or its framing is the engine's.
HOP_BY_HOP = frozenset({b"connection", b"content-length", b"host", b"http2-settings",
                        b"keep-alive", b"proxy-connection", b"te", b"transfer-encoding",
                        b"upgrade"})

_BY_NAME = {
    "LEAT_ECONNTIMEOUT": "ConnectTimeout", "LEAT_EDNSTIMEOUT": "ConnectTimeout",
    "LEAT_EQUEUETIMEOUT": "PoolTimeout", "LEAT_EQUEUEFULL": "PoolTimeout",
    "LEAT_EHEADTIMEOUT": "ReadTimeout", "LEAT_EIDLETIMEOUT": "ReadTimeout",
    "LEAT_EFIRSTTIMEOUT": "ReadTimeout", "LEAT_EGAPTIMEOUT": "ReadTimeout",
    "LEAT_ETOTALTIMEOUT": "ReadTimeout", "LEAT_EPROXY": "ProxyError",
    "LEAT_EURL": "UnsupportedProtocol", "LEAT_EHEADER": "LocalProtocolError",
    "LEAT_EPLAINKEY": "LocalProtocolError", "LEAT_ESOURCE": "WriteError",
    "LEAT_ETRUNCATED": "RemoteProtocolError", "LEAT_EUNCERTAIN": "ReadError",
    "LEAT_ERESET": "ReadError",
}
_BY_CLASS = {5: "ConnectError", 6: "ConnectError", 7: "ConnectError", 8: "RemoteProtocolError",
             9: "ReadTimeout", 11: "RemoteProtocolError"}


def name_of(error: LeatError) -> str:
    """What httpx calls such a failure."""
    ending: Mapping[str, Any] = error.ending or {}
    if error.name == "LEAT_ERESET" and not ending.get("native"):
        return "RemoteProtocolError"  # closed without an answer
    if error.name == "LEAT_ETLS" and ending.get("head_ns"):
        return "ReadError"  # in the middle of an answer
    return _BY_NAME.get(error.name) or _BY_CLASS.get(ending.get("class", 0)) or "ReadError"


VERSIONS = {"1.1": b"HTTP/1.1", "2": b"HTTP/2"}


def fields_of(method: str, url: str, headers: Sequence[tuple[bytes, bytes]], body: bytes | None,
              timeout: Mapping[str, float | None]) -> dict[str, Any]:
    """The engine's fields of a request; without a body, one that comes piece by piece. The
    library's "read" is a limit between two bytes: before the head its body has to leave first, for
    which "write" is added."""
    fields = request_fields({})
    read, write = timeout.get("read"), timeout.get("write")
    if body is None:
        length = next((v for k, v in headers if k.lower() == b"content-length"), b"0")
        fields["source"] = {"size": int(length)}
    fields.update(
        protocol="raw", method=method, base_url=url, retries=NONE, body=body or None,
        headers=[pair for pair in headers if pair[0].lower() not in HOP_BY_HOP],
        deadlines={"connect_ms": _ms(timeout.get("connect")),
                   "queue_ms": _ms(timeout.get("pool")),
                   "head_ms": NONE if read is None or write is None else _ms(read + write),
                   "idle_ms": _ms(read), "total_ms": NONE})
    return fields


def _ms(seconds: float | None) -> int:
    return NONE if seconds is None else max(1, round(seconds * 1000))
