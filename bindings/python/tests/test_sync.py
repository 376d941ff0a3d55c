"""The client for threads and greenlets, and the transports of httpx."""
from __future__ import annotations

import asyncio
import subprocess
import sys
import threading

import pytest
from conftest import Mock, descriptors, run

import leat


def test_streams_completes_calls_and_runs_tasks(mock: Mock) -> None:
    with leat.SyncClient(**mock.options) as client:
        events = list(client.chat("hi", model="m"))
        assert sum(bool(e.text) for e in events) == 20
        assert client.complete("hi", model="m").finish_reason
        assert client.call("models.list").json()["data"]
        asked = {"model": "m", "messages": [{"role": "user", "content": "x"}]}
        assert client.call("chat.completions", asked).json()["choices"]
        response = client.request("GET", "/stats")
        assert response.head().status == 200 and b"".join(response.chunks())
        done = client.task(family="video", model="veo", prompt="mock_ms=10 mock_queued_ms=10",
                           poll=0.05).wait()
        assert done.status == "completed"
        with pytest.raises(leat.StatusError):
            list(client.chat("hi", model="m", headers={"x-mock-fault": "status=400"}))
        with client.chat("hi", model="m", headers={"x-mock-gap-ms": "100"}) as left:
            next(left)
        assert client.stats()["requests_started"] >= 6
    with pytest.raises(leat.UsageError):
        client.chat("hi", model="m")


def test_threads_share_a_client(mock: Mock) -> None:
    counts = []
    open_before = descriptors()
    with leat.SyncClient(**mock.options) as client:
        def work() -> None:
            for _ in range(5):
                counts.append(sum(bool(e.text) for e in client.chat("hi", model="m")))
        threads = [threading.Thread(target=work) for _ in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        assert counts == [20] * 100
    assert descriptors() <= open_before + 1


def test_greenlets_run_side_by_side(mock: Mock) -> None:
    pytest.importorskip("gevent")
    script = """
from gevent import monkey; monkey.patch_all()
import gevent, leat, sys, time
client = leat.SyncClient(sys.argv[1], "k", ca_file=sys.argv[2])
client.complete("hi", model="m")
ticks = []
def tick():
    while True:
        ticks.append(1); gevent.sleep(0.01)
def ask():
    return sum(bool(e.text) for e in client.chat("hi", model="m", headers={"x-mock-gap-ms": "20"}))
gevent.spawn(tick)
started = time.time()
jobs = [gevent.spawn(ask) for _ in range(20)]
gevent.joinall(jobs, timeout=15)
assert [j.value for j in jobs] == [20] * 20, [j.value for j in jobs]
assert time.time() - started < 3 and len(ticks) > 10, (time.time() - started, len(ticks))
client.close()
"""
    ran = subprocess.run([sys.executable, "-c", script, mock.url, mock.ca], capture_output=True,
                         timeout=30, text=True)
    assert ran.returncode == 0, ran.stderr


@pytest.mark.parametrize("library", ["httpx", "httpx2"])
def test_transports(mock: Mock, library: str) -> None:
    lib = pytest.importorskip(library)
    module = pytest.importorskip(f"leat.{library}")
    key = {"authorization": "Bearer k"}
    chat = {"model": "m", "messages": [{"role": "user", "content": "hi"}], "stream": True}
    url = f"{mock.url}/v1/chat/completions"

    async def main() -> None:
        transport = module.AsyncTransport(ca_file=mock.ca)
        async with lib.AsyncClient(transport=transport, headers=key) as client:
            lines = []
            async with client.stream("POST", url, json=chat) as response:
                assert response.status_code == 200
                async for line in response.aiter_lines():
                    lines.append(line)
            assert lines.count("data: [DONE]") == 1
            assert (await client.get(f"{mock.url}/nowhere")).status_code == 404
            zipped = await client.get(f"{mock.url}/v1/models", headers={"x-mock-gzip": "1"})
            assert zipped.json()["data"]
            async with client.stream("POST", url, json=chat) as response:
                async for line in response.aiter_lines():
                    break
            await asyncio.sleep(0.1)
            assert transport.client.stats()["requests_cancelled"] == 1
            slow = {"x-mock-fault": "slow-head=3000"}
            with pytest.raises(lib.ReadTimeout):
                await client.post(url, json=chat, headers=slow, timeout=0.2)
            with pytest.raises(lib.ConnectError):
                await client.get("http://127.0.0.1:1/")
            with pytest.raises(lib.RemoteProtocolError):
                await client.post(url, json=chat, headers={"x-mock-fault": "close=500"})
            with pytest.raises(lib.TransportError):
                await client.post(url, json=chat, headers={"x-mock-fault": "drop"})
    run(main())
    with lib.Client(transport=module.Transport(ca_file=mock.ca), headers=key) as client:
        assert client.get(f"{mock.url}/v1/models").json()["data"]
        with client.stream("POST", url, json=chat) as response:
            assert sum(line == "data: [DONE]" for line in response.iter_lines()) == 1


def test_free_threaded_builds_are_told(mock: Mock) -> None:
    script = ("import sysconfig\nsysconfig.get_config_var = lambda name: 1\n"
              "try:\n    import leat\nexcept ImportError as error:\n    print(error)")
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True,
                         timeout=20)
    assert "free-threaded" in ran.stdout and ran.returncode == 0
