"""WebSockets: messages both ways, room to send, closing, and turns of a dialect."""
from __future__ import annotations

import asyncio
import base64
import hashlib
import socket as socketlib
import threading

import pytest
from conftest import Mock, run

import leat

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455 1.3


def echo(mock: Mock) -> str:
    return mock.url.replace("https", "wss") + "/ws/echo"


def test_messages_come_back_whole(mock: Mock) -> None:
    async def main() -> None:
        async with leat.Client(**mock.options) as client:
            async with client.ws(echo(mock)) as socket:
                sent: list[str | bytes] = ["hi", b"\x00\xff", "", "wörter 😀", "x" * 3_000_000,
                                           b"y" * 100_000]
                for message in sent:
                    await socket.send(message)
                    assert await socket.recv() == message
            assert socket.done and socket.close_code == 1000
            with pytest.raises(leat.LeatError, match="closed"):
                await socket.send("late")
    run(main())


def accept_of(head: bytes) -> str:
    line = next(line for line in head.split(b"\r\n")
                if line.lower().startswith(b"sec-websocket-key:"))
    key = line.split(b":", 1)[1].strip()
    return base64.b64encode(hashlib.sha1(key + GUID).digest()).decode()


def test_a_sender_waits_for_room() -> None:
    """The server reads nothing for a while, so that nothing more can be sent."""
    async def main() -> None:
        woken = asyncio.Event()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            accept = accept_of(await reader.readuntil(b"\r\n\r\n"))
            writer.write(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                         b"Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n"
                         % accept.encode())
            await woken.wait()
            while await reader.read(1 << 20):
                pass
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0, limit=1 << 16)
        port = server.sockets[0].getsockname()[1]
        async with leat.Client() as client:
            socket = client.ws(f"ws://127.0.0.1:{port}/", close=0.2)
            piece, sent = b"z" * 100_000, 0
            with pytest.raises(asyncio.TimeoutError):
                for _ in range(1000):
                    await asyncio.wait_for(socket.send(piece), 0.5)
                    sent += 1
            assert 5 < sent < 1000
            woken.set()
            for _ in range(50):
                await asyncio.wait_for(socket.send(piece), 10)
            socket.cancel()
        server.close()
    run(main())


def test_dropping_a_socket_ends_it(mock: Mock) -> None:
    async def main() -> None:
        async with leat.Client(**mock.options) as client:
            socket = client.ws(echo(mock))
            await socket.send("x")
            assert await socket.recv() == "x"
            del socket
            await asyncio.sleep(0.1)
            assert client.stats()["conns_open"] == 0
            with pytest.raises(leat.LeatError):
                await client.ws(mock.url.replace("https", "wss") + "/nowhere").recv()
            with pytest.raises(leat.ConnectError):
                await client.ws("ws://127.0.0.1:1/").recv()
    run(main())


def test_turns_on_a_socket(mock: Mock) -> None:
    async def main() -> None:
        async with leat.Client(**mock.options, protocol="responses-ws") as client:
            socket = client.ws(protocol="responses-ws")
            for _ in range(3):
                turn = client.chat("hi", model="m", socket=socket, protocol="responses-ws")
                assert len("".join([e.text async for e in turn])) > 100
            await socket.close()
            assert client.stats()["conns_opened"] == 1
            with pytest.raises(leat.LeatError):
                await client.chat("hi", model="m", socket=socket,
                                  protocol="responses-ws").complete()
    run(main())


def test_threads_have_sockets_too(mock: Mock) -> None:
    with leat.SyncClient(**mock.options) as client:
        with client.ws(echo(mock)) as socket:
            for message in ("hi", b"\x00\xff", "x" * 1_000_000):
                socket.send(message)
                assert socket.recv() == message
            for i in range(100):
                socket.send(f"{i}")
            assert [message for message, _ in zip(socket.messages(), range(100))] == \
                [f"{i}" for i in range(100)]
        assert socket.done and socket.close_code == 1000
        with pytest.raises(leat.LeatError, match="closed"):
            socket.send("late")
        with pytest.raises(EOFError):
            socket.recv()
        with client.ws(protocol="responses-ws") as turns:
            for _ in range(2):
                turn = client.chat("hi", model="m", socket=turns, protocol="responses-ws")
                assert len("".join(e.text for e in turn)) > 100
        with pytest.raises(leat.ConnectError):
            client.ws("ws://127.0.0.1:1/").recv()
        left = client.ws(echo(mock))
        left.send("x")
        left.close()


def test_a_thread_that_sends_waits_for_room() -> None:
    """The server reads only when it is told to; a thread stands still until then."""
    listener = socketlib.create_server(("127.0.0.1", 0))
    woken = threading.Event()

    def serve() -> None:
        peer = listener.accept()[0]
        with peer, peer.makefile("rb") as stream:
            head = b"".join(iter(stream.readline, b"\r\n")) + b"\r\n"
            peer.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                         b"Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n"
                         % accept_of(head).encode())
            woken.wait(20)
            while stream.read(1 << 16):
                pass

    threading.Thread(target=serve, daemon=True).start()
    sent: list[int] = []
    with leat.SyncClient() as client:
        socket = client.ws(f"ws://127.0.0.1:{listener.getsockname()[1]}/", close=0.2)

        def send() -> None:
            for _ in range(400):
                socket.send(b"z" * 100_000)
                sent.append(1)

        sender = threading.Thread(target=send)
        sender.start()
        sender.join(1)
        assert sender.is_alive() and 2 < len(sent) < 400
        woken.set()
        sender.join(20)
        assert len(sent) == 400
        socket.close()
    listener.close()
