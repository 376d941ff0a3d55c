"""What both clients share: the engine that is made when it is first needed."""
from __future__ import annotations

import threading
from typing import Any

from . import _core
from ._errors import LeatForkError, UsageError
from ._options import config_fields

HELD_MAX = 64 << 20


class Base:
    """Holds the settings, and the engine once there is one."""

    def __init__(self, base_url: str | None, api_key: str | None,
                 options: dict[str, Any]) -> None:
        options = {name: value for name, value in options.items() if value is not None}
        self._endpoints: str | None = options.pop("endpoints", None)
        self._held_max: int = options.pop("queue_bytes_max", HELD_MAX)
        self._base_url = base_url
        self._config = config_fields({**options, "base_url": base_url, "api_key": api_key})
        self._engine: _core.Engine | None = None
        self._lock = threading.Lock()
        self._closed = False

    def __repr__(self) -> str:
        state = "closed" if self._closed else "open"
        return f"<leat.{type(self).__name__} {self._base_url or 'without base_url'} {state}>"

    def _open(self, mailbox: _core.Mailbox) -> _core.Engine:
        """The engine's config is not needed behind this, nor is the key in it."""
        engine = _core.Engine(self._config, mailbox, self._endpoints)
        self._config = {}
        return engine

    def _check(self) -> None:
        if self._engine is not None and self._engine.forked:
            raise LeatForkError("this client was made before a fork, in the parent: "
                                "make a new one here")
        if self._closed:
            raise UsageError("the client is closed")

    def stats(self) -> dict[str, int]:
        """The engine's counters, by the names of leat_stats."""
        self._check()
        if self._engine is None:
            raise UsageError("the client has made no request yet")
        return self._engine.stats()

    def metrics(self) -> str:
        """What the engine has counted, in Prometheus' text format."""
        self._check()
        if self._engine is None:
            raise UsageError("the client has made no request yet")
        return self._engine.metrics()
