"""Streams and whole answers, in every dialect, and what is told when they fail."""
from __future__ import annotations

import asyncio
import json
import math

import pytest
from conftest import Mock, run

import leat

DIALECTS = ("openai-chat", "openai-completions", "openai-responses", "anthropic", "gemini")
FAULT = "x-mock-fault"


@pytest.mark.parametrize("protocol", DIALECTS)
def test_streams_and_completes_in_every_dialect(mock: Mock, protocol: str) -> None:
    async def main() -> None:
        async with leat.Client(**mock.options, protocol=protocol) as client:
            headers = {"x-mock-seed": "7"}
            events = [e async for e in client.chat("hi", model="m", headers=headers)]
            text = "".join(e.text for e in events)
            assert events[0].kind == "head" and events[0].head.status == 200
            assert events[0].head.get("Content-Type").startswith("text/event-stream")
            assert len(text) > 100
            assert [e.finish_reason for e in events if e.finish_reason]
            assert any(e.usage and e.usage.output for e in events)
            assert all(e.received_ns for e in events)
            whole = await client.complete("hi", model="m", headers=headers)
            streamed = await client.complete("hi", model="m", headers=headers, stream=True)
            assert whole.text == streamed.text == text
            assert whole.usage.output == streamed.usage.output and whole.finish_reason
            assert whole.result.http == "2" and whole.head.status == 200
    run(main())


def test_what_a_stream_knows_behind_its_end(mock: Mock) -> None:
    async def main() -> None:
        async with leat.Client(**mock.options) as client:
            stream = client.chat([{"role": "user", "content": "hi"}], model="m")
            assert stream.result is None and not stream.done
            text = "".join([e.text async for e in stream])
            assert stream.done and stream.text == text
            assert stream.result.name == "LEAT_OK" and stream.result.response_id
            assert [e async for e in stream] == []
            assert client.stats()["requests_completed"] == 1
            assert "leat_" in client.metrics()
    run(main())


def test_options_reach_the_body(mock: Mock) -> None:
    async def main() -> None:
        async with leat.Client(**mock.options) as client:
            answer = await client.complete(
                [{"role": "system", "content": "be short"},
                 {"role": "user", "content": [
                     {"type": "text", "text": "what is it?"},
                     {"type": "image_url", "image_url": {"url": "https://a.example/x.png"}}]},
                 {"role": "assistant", "content": None, "tool_calls": [
                     {"id": "c1", "type": "function",
                      "function": {"name": "f", "arguments": "{}"}}]},
                 {"role": "tool", "tool_call_id": "c1", "content": "42"}],
                model="m", max_tokens=5, temperature=0.5, n=2, stop="END", seed=3,
                tools=[{"type": "function", "function": {"name": "f", "parameters": {}}}],
                tool_choice="none", extra={"chat_template_kwargs": {"a": 1}},
                response_format={"type": "text"}, metadata={"a": "b"},
                timeout=leat.Timeouts(connect=5, total=20, idle=math.inf))
            assert len(answer.choices) == 2
            with pytest.raises(TypeError, match="no field"):
                client.chat("hi", model="m", banana=1)
            with pytest.raises(TypeError, match="no member"):
                client.chat([{"role": "user", "contents": "x"}], model="m")
            with pytest.raises(ValueError, match="deadline"):
                client.chat("hi", model="m", timeout=-1)
            with pytest.raises(leat.UsageError):
                await client.complete("hi", model="m", extra={"model": "twice"})
    run(main())


def test_tool_calls_are_joined(mock: Mock) -> None:
    async def main() -> None:
        tools = [{"type": "function", "function": {"name": "weather", "parameters": {}}}]
        async with leat.Client(**mock.options) as client:
            answer = await client.complete("hi", model="m", stream=True, tools=tools,
                                           tool_choice="required",
                                           headers={"x-mock-finish": "tool_calls"})
            whole = [call for choice in answer.choices for call in choice.tool_calls]
            for call in whole:
                assert call.id and call.name
    run(main())


def test_raw_records_come_when_asked_for(mock: Mock) -> None:
    async def main() -> None:
        async with leat.Client(**mock.options) as client:
            events = [e async for e in client.chat("hi", model="m", raw=True)]
            raw = [e.data for e in events if e.kind == "raw"]
            assert raw and all(data.startswith((b"{", b"[DONE]")) for data in raw)
    run(main())


@pytest.mark.parametrize("protocol", DIALECTS)
def test_records_stand_beside_their_events_when_asked_for(mock: Mock, protocol: str) -> None:
    async def main() -> None:
        async with leat.Client(**mock.options, protocol=protocol) as client:
            events = [e async for e in client.chat("hi", model="m", raw="beside")]
            texts = [e for e in events if e.text]
            assert len(texts) == 20 and not [e for e in events if e.kind == "raw"]
            for event in texts:
                assert json.dumps(event.text) in json.dumps(json.loads(event.raw))
            assert events[0].raw is None  # a head
            plain = [e async for e in client.chat("hi", model="m")]
            assert all(e.raw is None for e in plain)
    run(main())


@pytest.mark.parametrize("fault, kind, name", [
    ("status=400", leat.StatusError, "LEAT_ESTATUS"),
    ("html", leat.StreamError, "LEAT_ENOTSTREAM"),
    ("close=2000", leat.StreamError, "LEAT_ETRUNCATED"),
    ("no-finish", leat.StreamError, "LEAT_EINCOMPLETE"),
    ("error=3", leat.StatusError, "LEAT_EAPI"),
])
def test_failures_have_their_class(mock: Mock, fault: str, kind: type, name: str) -> None:
    async def main() -> None:
        async with leat.Client(**mock.options, retries=0) as client:
            stream = client.chat("hi", model="m", headers={FAULT: fault})
            with pytest.raises(leat.LeatError) as caught:
                async for _ in stream:
                    pass
            error = caught.value
            assert error.name == name and isinstance(error, kind)
            assert "sk-tests-secret" not in f"{error!r} {error} {error.ending} {client!r}"
            assert error.text == stream.text
            assert (len(error.text) > 0) == (fault in ("close=2000", "no-finish", "error=3"))
    run(main())


def test_deadlines_and_connections_fail_as_such(mock: Mock) -> None:
    async def main() -> None:
        async with leat.Client(**mock.options, retries=0) as client:
            with pytest.raises(leat.DeadlineError) as late:
                await client.complete("hi", model="m", headers={FAULT: "slow-head=5000"},
                                      timeout=0.2)
            assert late.value.name == "LEAT_ETOTALTIMEOUT" and isinstance(late.value, TimeoutError)
            with pytest.raises(leat.ConnectError):
                await client.complete("hi", model="m", base_url="http://127.0.0.1:1")
        async with leat.Client(mock.url, retries=0) as stranger:
            with pytest.raises(leat.TLSError):
                await stranger.complete("hi", model="m")
        with pytest.raises(leat.UsageError):
            stranger.chat("hi", model="m")
        with pytest.raises(leat.LeatError):
            leat.Client("https://a.example", proxy="nonsense://").chat("hi", model="m")
    run(main())


def test_endpoints_tasks_and_raw_requests(mock: Mock) -> None:
    async def main() -> None:
        async with leat.Client(**mock.options) as client:
            assert (await client.call("models.list")).json()["data"]
            asked = {"model": "m", "messages": [{"role": "user", "content": "x"}]}
            chat = await client.call("chat.completions", asked)
            assert chat.json()["choices"][0]["message"]["content"]
            told = [event async for event in client.call("chat.completions", asked)]
            assert "".join(event.text or "" for event in told)
            reply = await client.call("embeddings.create", {"model": "e", "input": "mill"})
            assert reply.status == 200 and reply.result.attempts == 1
            response = client.request("GET", "/nowhere")
            assert (await response.head()).status == 404
            assert b"".join([piece async for piece in response.chunks()])
            done = await client.task(family="video", model="veo", prompt="x mock_ms=10 "
                                     "mock_queued_ms=10 mock_bytes=1000", poll=0.05,
                                     download=True)
            assert done.status == "completed" and len(done.data) == 1000
            states = [u.state async for u in client.task(
                family="video", model="veo", prompt="mock_ms=10", poll=0.05).updates()]
            assert states[-1] == "succeeded"
            with pytest.raises(leat.TaskError):
                await client.task(family="video", model="veo", prompt="mock_ms=10 mock_fail=1",
                                  poll=0.05)
        assert any(row["name"] == "images.generate" for row in leat.endpoints())
    run(main())


def test_lanes_supersede(mock: Mock) -> None:
    async def main() -> None:
        async with leat.Client(**mock.options) as client:
            slow = {"x-mock-gap-ms": "50"}
            first = asyncio.ensure_future(client.complete("a", model="m", lane="1", headers=slow))
            await asyncio.sleep(0.05)
            second = await client.complete("b", model="m", lane="1", supersede=True)
            assert second.text
            with pytest.raises(leat.SupersededError):
                await first
    run(main())
