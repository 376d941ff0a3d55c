"""Many at once, slow readers, cancelling, loops, forks, ends, and what is left behind."""
from __future__ import annotations

import asyncio
import gc
import os
import subprocess
import sys
import time
import tracemalloc

import pytest
from conftest import Mock, descriptors, run

import leat


async def count(client: leat.Client, **options: object) -> int:
    return sum([1 async for e in client.chat("hi", model="m", **options) if e.text])


@pytest.mark.parametrize("streams", [200, 1000])
def test_many_streams_at_once(mock: Mock, streams: int) -> None:
    async def main() -> None:
        async with leat.Client(**mock.options) as client:
            counts = await asyncio.gather(*(count(client) for _ in range(streams)))
            assert counts == [20] * streams
            stats = client.stats()
            assert stats["requests_completed"] == streams and stats["conns_opened"] <= 8
    run(main())


def test_a_slow_reader_is_waited_for(mock: Mock) -> None:
    """Far more than is held for one stream arrives whole, and is held back meanwhile."""
    async def main() -> None:
        async with leat.Client(**mock.options) as client:
            big = {"x-mock-events": "2000", "x-mock-bytes": "4000", "x-mock-gap-ms": "0"}
            stream = client.chat("hi", model="m", headers=big)
            await asyncio.sleep(1)
            held = stream.queued * 4000
            assert 100_000 < held < 1_000_000
            other = await client.complete("hi", model="m")
            assert other.text
            total, n = 0, 0
            async for event in stream:
                total += len(event.text)
                n += bool(event.text)
                if n % 500 == 0:
                    await asyncio.sleep(0.01)
            assert n == 2000 and total == len(stream.text)
    run(main())


def test_cancelling_a_task_cancels_the_request(mock: Mock) -> None:
    async def main() -> None:
        async with leat.Client(**mock.options) as client:
            slow = {"x-mock-gap-ms": "100"}
            task = asyncio.ensure_future(count(client, headers=slow))
            whole = asyncio.ensure_future(client.complete("hi", model="m", headers=slow))
            await asyncio.sleep(0.2)
            task.cancel()
            whole.cancel()
            for one in (task, whole):
                with pytest.raises(asyncio.CancelledError):
                    await one
            async with client.chat("hi", model="m", headers=slow) as left:
                await left.__anext__()
            dropped = client.chat("hi", model="m", headers=slow)
            await dropped.__anext__()
            del dropped
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(client.chat("hi", model="m", headers={
                    "x-mock-ttft-ms": "5000"}).complete(), 0.1)
            await asyncio.sleep(0.1)
            stats = client.stats()
            assert stats["requests_live"] == 0 and stats["requests_cancelled"] == 5
            assert await count(client) == 20
    run(main())


def test_two_readers_of_one_stream_are_refused(mock: Mock) -> None:
    async def main() -> None:
        async with leat.Client(**mock.options) as client:
            stream = client.chat("hi", model="m", headers={"x-mock-ttft-ms": "300"})
            first = asyncio.ensure_future(count_of(stream))
            await asyncio.sleep(0.05)
            with pytest.raises(RuntimeError, match="another task"):
                await asyncio.wait_for(count_of(stream), 1)
            first.cancel()

    async def count_of(stream: leat.Stream) -> int:
        return sum([1 async for _ in stream])
    run(main())


def test_several_loops_one_after_the_other(mock: Mock) -> None:
    clients = []

    async def main() -> None:
        client = leat.Client(**mock.options)
        clients.append(client)
        assert await count(client) == 20

    async def stray() -> None:
        with pytest.raises(leat.LeatLoopError):
            clients[0].chat("hi", model="m")

    for _ in range(3):
        run(main())
    run(stray())
    for client in clients:
        client.close()


def test_uvloop(mock: Mock) -> None:
    uvloop = pytest.importorskip("uvloop")

    async def main() -> None:
        async with leat.Client(**mock.options) as client:
            assert await asyncio.gather(*(count(client) for _ in range(50))) == [20] * 50
    loop = uvloop.new_event_loop()
    try:
        loop.run_until_complete(asyncio.wait_for(main(), 20))
    finally:
        loop.close()


def test_a_forked_child_makes_its_own_client(mock: Mock) -> None:
    async def main() -> leat.Client:
        client = leat.Client(**mock.options)
        assert await count(client) == 20
        return client

    client = run(main())
    with leat.SyncClient(**mock.options) as sync:
        assert sync.complete("hi", model="m").text
        child = os.fork()
        if child == 0:
            code = 1
            try:
                for old in (client, sync):
                    try:
                        asyncio.run(asyncio.wait_for(ask(old), 5))
                    except leat.LeatForkError:
                        code += 1
                sync.close()
                with leat.SyncClient(**mock.options) as fresh:
                    code += len(fresh.complete("hi", model="m").text) > 0
            finally:
                os._exit(code)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 4
        assert sync.complete("hi", model="m").text
    client.close()


async def ask(client: leat.Client | leat.SyncClient) -> None:
    client.chat("hi", model="m")


SCRIPT = """
import asyncio, leat, sys
async def main():
    client = leat.Client(sys.argv[1], "k", ca_file=sys.argv[2])
    streams = [client.chat("hi", model="m", headers={"x-mock-gap-ms": "1000"}) for _ in range(50)]
    for stream in streams:
        await stream.__anext__()
    MODE
asyncio.run(main())
MORE
"""


@pytest.mark.parametrize("mode, more", [
    ("sys.exit(0)", ""), ("pass", ""), ("globals().update(kept=(client, streams))", ""),
    ("await client.aclose()", ""),
    ("pass", "c = leat.SyncClient(sys.argv[1], 'k', ca_file=sys.argv[2])\n"
             "s = c.chat('hi', model='m', headers={'x-mock-gap-ms': '1000'}); next(s)")])
def test_the_interpreter_ends_quietly(mock: Mock, mode: str, more: str) -> None:
    script = SCRIPT.replace("MODE", mode).replace("MORE", more) + \
        "\nimport time, atexit\natexit.register(lambda t=time.time(): None)\n"
    started = time.monotonic()
    ran = subprocess.run([sys.executable, "-c", script, mock.url, mock.ca], capture_output=True,
                         timeout=20, text=True)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
    assert time.monotonic() - started < 5


def test_the_end_is_fast(mock: Mock) -> None:
    script = SCRIPT.replace("MODE", "print(__import__('time').monotonic(), flush=True)")
    script = script.replace("MORE", "")
    ran = subprocess.run([sys.executable, "-c", script, mock.url, mock.ca], capture_output=True,
                         timeout=20, text=True)
    assert time.monotonic() - float(ran.stdout) < 1 and ran.stderr == ""


def test_nothing_is_left_behind(mock: Mock) -> None:
    async def rounds(client: leat.Client, n: int) -> None:
        for _ in range(n):
            await asyncio.gather(*(count(client) for _ in range(50)))
            stream = client.chat("hi", model="m")
            await stream.__anext__()
            with pytest.raises(leat.StatusError):
                await client.complete("hi", model="m", headers={"x-mock-fault": "status=400"})

    async def grown(client: leat.Client) -> int:
        gc.collect()
        tracemalloc.start()
        await rounds(client, 10)
        gc.collect()
        after = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        return after

    async def main() -> None:
        async with leat.Client(**mock.options) as client:
            await rounds(client, 2)
            # What leaks does so each time; threads of the tests before this one may still end.
            assert min([await grown(client) for _ in range(3)]) < 60_000
            assert not [o for o in gc.get_objects() if isinstance(o, leat.Stream)]

    run(main())
    open_before = descriptors()  # libuv keeps a pipe from the process's first loop on
    for _ in range(2):
        run(main())
    gc.collect()
    until = time.monotonic() + 10
    while descriptors() > open_before and time.monotonic() < until:
        time.sleep(0.05)
    assert descriptors() <= open_before


def test_the_gateway_comes_back(new_mock: object) -> None:
    async def main(gateway: Mock) -> None:
        async with leat.Client(**gateway.options, retries=0) as client:
            slow = {"x-mock-gap-ms": "100"}
            streams = [asyncio.ensure_future(count(client, headers=slow)) for _ in range(50)]
            await asyncio.sleep(0.5)
            gateway.process.kill()
            ended = await asyncio.gather(*streams, return_exceptions=True)
            assert all(isinstance(e, leat.LeatError) for e in ended)
            fresh = new_mock()
            stream = client.chat("hi", model="m", base_url=fresh.url + "/v1", retries=1)
            with pytest.raises(leat.TLSError):  # another CA of its own
                await stream.complete()
    run(main(new_mock("--ttft", "5ms")))
