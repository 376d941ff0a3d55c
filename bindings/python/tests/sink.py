"""A server for bodies: HTTP/1.1 over plain TCP, which reads what it is sent as late as it is told.

It answers with the body's length and SHA-256, as JSON. Path: /?pause=S reads nothing for so long,
/?refuse=1 answers 413 behind the head and reads no body.
"""
from __future__ import annotations

import hashlib
import json
import re
import socket
import threading
import time
from typing import BinaryIO


class Sink:
    """url; `received` counts the bytes that were read of bodies, over all connections."""

    def __init__(self) -> None:
        self.received = 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        self.listener.close()

    def _serve(self) -> None:
        while True:
            try:
                peer = self.listener.accept()[0]
            except OSError:
                return
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
            threading.Thread(target=self._answer, args=(peer,), daemon=True).start()

    def _answer(self, peer: socket.socket) -> None:
        with peer, peer.makefile("rb") as stream:
            line = stream.readline().decode()
            head = b"".join(iter(stream.readline, b"\r\n")).decode().lower()
            pause = re.search(r"pause=([\d.]+)", line)
            if "refuse=" in line:
                reply(peer, "413 Content Too Large", {"error": "too large"})
                time.sleep(0.5)  # a reset would overtake the answer
                return
            if pause:
                time.sleep(float(pause[1]))
            length = re.search(r"content-length: (\d+)", head)
            try:
                told = self._read(stream, int(length[1]) if length else None)
            except ValueError:
                return
            reply(peer, "200 OK", {**told, "chunked": length is None})

    def _read(self, stream: BinaryIO, length: int | None) -> dict[str, object]:
        """To its end, which a body that is broken off does not have."""
        digest, size = hashlib.sha256(), 0
        while length is None or size < length:
            room = int(stream.readline(), 16) if length is None else min(length - size, 1 << 16)
            if room == 0:
                break
            piece = stream.read(room)
            if len(piece) < room:
                raise ValueError("broken off")
            self.received += len(piece)
            size += len(piece)
            digest.update(piece)
            if length is None:
                stream.readline()
        return {"size": size, "sha256": digest.hexdigest()}


def reply(peer: socket.socket, status: str, content: object) -> None:
    body = json.dumps(content).encode()
    peer.sendall(b"HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n"
                 b"Connection: close\r\n\r\n%s" % (status.encode(), len(body), body))
