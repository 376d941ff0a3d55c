"""WebSockets: messages both ways, room to send, closing, and turns of a dialect."""
from __future__ import annotations

import asyncio

import pytest
from conftest import Mock, run

import leat


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


def test_a_sender_waits_for_room(mock: Mock) -> None:
    """Nobody reads the echoes, so that after a while nothing more can be sent."""
    async def main() -> None:
        async with leat.Client(**mock.options) as client:
            socket = client.ws(echo(mock))
            piece, sent, got = b"z" * 100_000, 0, 0
            try:
                for _ in range(400):
                    await asyncio.wait_for(socket.send(piece), 0.5)
                    sent += 1
            except asyncio.TimeoutError:
                pass
            assert 5 < sent < 400
            while got < sent:
                assert await socket.recv() == piece
                got += 1
            await socket.send("after all")
            assert await socket.recv() == "after all"
            await socket.close(1000, "enough")
            assert socket.close_code == 1000
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
