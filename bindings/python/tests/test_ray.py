"""The actors for Ray Data, called as Ray calls them: table in, tables out. No cluster is needed."""
from __future__ import annotations

import json
from typing import Any, Callable

import pytest
from conftest import Mock, run

import leat

pa = pytest.importorskip("pyarrow")
from leat.ray import BATCH, CHAT, BatchRequests, Chats  # noqa: E402

CHAT_BODY = {"model": "m", "max_tokens": 5, "messages": [{"role": "user", "content": "hi"}]}


def told(actor: Any, table: Any) -> Any:
    """All that an actor makes of a table."""
    async def main() -> Any:
        try:
            return pa.concat_tables([part async for part in actor(table)])
        finally:
            await actor._client.aclose()
    return run(main())


def stats(gateway: Mock) -> dict[str, Any]:
    with leat.SyncClient(**gateway.options) as client:
        return dict(json.loads(client.request("GET", "/stats").reply().data))


def batch(**columns: Any) -> Any:
    size = max(len(column) for column in columns.values())
    rows = {"custom_id": [f"row-{i}" for i in range(size)], "method": ["POST"] * size,
            "url": ["/v1/chat/completions"] * size, **columns}
    return pa.table(rows)


def test_rows_of_a_batch_get_their_responses(mock: Mock) -> None:
    bodies = [CHAT_BODY, {"model": "m", "input": "hi", "max_output_tokens": 5},
              {"model": "e", "input": ["one", "two"]}]
    table = batch(body=[json.dumps(body) for body in bodies],
                  url=["/v1/chat/completions", "/v1/responses", "/v1/embeddings"])
    answers = told(BatchRequests(**mock.options), table)
    assert answers.schema == BATCH
    rows = answers.to_pylist()
    assert [row["custom_id"] for row in rows] == ["row-0", "row-1", "row-2"]
    assert all(row["error"] is None and row["response"]["status_code"] == 200 for row in rows)
    assert all(row["id"] and row["id"] == row["response"]["request_id"] for row in rows)
    chat, response, vectors = (json.loads(row["response"]["body"]) for row in rows)
    assert chat["usage"]["completion_tokens"] == 5 and chat["choices"][0]["message"]["content"]
    assert response["object"] == "response" and len(vectors["data"]) == 2


def test_bodies_may_be_structs_whose_members_differ(mock: Mock) -> None:
    bodies = [{**CHAT_BODY, "stop": ["x"]}, {**CHAT_BODY, "temperature": 0.5}]
    table = pa.Table.from_pylist([{"custom_id": str(i), "url": "/v1/chat/completions",
                                   "body": body} for i, body in enumerate(bodies)])
    rows = told(BatchRequests(**mock.options), table).to_pylist()
    assert [row["error"] for row in rows] == [None, None]


def test_no_row_is_lost_to_a_gateway_that_fails(new_mock: Callable[..., Mock]) -> None:
    gateway = new_mock("--ttft", "1ms", "--gap", "1ms", "--events", "5", "--fault",
                       "status=503:0.1", "--fault", "truncate=60:0.1", "--fault", "html:0.1")
    table = batch(body=[json.dumps(CHAT_BODY)] * 600)
    actor = BatchRequests(**gateway.options, retries=0)

    async def main() -> list[Any]:
        parts = [part async for part in actor(table)]
        await actor._client.aclose()
        return parts
    parts = run(main())
    assert [part.num_rows for part in parts] == [256, 256, 88]
    rows = pa.concat_tables(parts).to_pylist()
    assert [row["custom_id"] for row in rows] == [f"row-{i}" for i in range(600)]
    failed = [row for row in rows if row["error"]]
    assert len(failed) == stats(gateway)["faults"] > 60
    for row in rows:
        refused = row["error"] and row["error"]["code"] == "LEAT_ESTATUS"
        assert bool(row["response"]) == (refused or not row["error"]), row
        if row["response"]:
            assert row["response"]["status_code"] == (503 if refused else 200)
        if not row["error"]:
            assert json.loads(row["response"]["body"])["usage"]
    codes = {row["error"]["code"] for row in failed}
    assert {"LEAT_ESTATUS", "LEAT_ENOTSTREAM"} < codes and len(codes) == 3, codes


def test_rows_that_make_no_sense_are_told_and_not_sent(new_mock: Callable[..., Mock]) -> None:
    gateway = new_mock()
    good = json.dumps(CHAT_BODY)
    table = batch(custom_id=["a", "b", "c", "d", "e", None, "g"],
                  body=["{", "[1]", None, good, json.dumps({**CHAT_BODY, "stream": True}), good,
                        good],
                  url=["/v1/chat/completions"] * 3 + ["/v1/nowhere"] +
                      ["/v1/chat/completions"] * 2 + [None])
    rows = told(BatchRequests(**gateway.options), table).to_pylist()
    assert [row["custom_id"] for row in rows] == ["a", "b", "c", "d", "e", None, "g"]
    assert all(row["error"]["code"] == "invalid_row" and row["response"] is None for row in rows)
    chats = pa.table({"prompt": [None], "id": [1]})
    assert told(Chats(**gateway.options), chats)["error"][0].as_py()["code"] == "invalid_row"
    wrong = pa.table({"messages": ['[{"role": "user", "nonsense": 1}]', "[7]", "8"]})
    codes = [row["code"] for row in told(Chats(**gateway.options), wrong)["error"].to_pylist()]
    assert codes == ["invalid_row"] * 3
    assert stats(gateway)["requests"] == 1  # for the stats themselves


def test_chats_are_columns_beside_those_that_were_there(mock: Mock) -> None:
    turns = [{"role": "user", "content": "hi"},
             {"role": "assistant", "content": None, "tool_calls": [
                 {"id": "c1", "type": "function",
                  "function": {"name": "look", "arguments": "{}"}}]},
             {"role": "tool", "content": "3", "tool_call_id": "c1"}]
    structs = pa.table({"key": [5, 3], "messages": [turns, turns[:1]], "max_tokens": [2, None]})
    answers = told(Chats(**mock.options, chat={"model": "m"}, row_options=("max_tokens",)),
                   structs)
    assert answers.column_names == ["key", "messages", "max_tokens", *CHAT.names]
    assert answers.select(CHAT.names).schema == CHAT
    rows = answers.to_pylist()
    assert [row["key"] for row in rows] == [5, 3] and not any(row["error"] for row in rows)
    assert [row["output_tokens"] for row in rows] == [2, 20]
    assert all(row["answer"] and row["total_ms"] >= row["ttft_ms"] >= 4 for row in rows)
    as_json = pa.table({"messages": [json.dumps(turns)]})
    assert told(Chats(**mock.options, chat={"model": "m"}, prefix="leat_"),
                as_json)["leat_error"].to_pylist() == [None]


def test_a_truncated_chat_is_an_error_with_what_had_come(mock: Mock) -> None:
    actor = Chats(**mock.options, headers={"x-mock-fault": "truncate=1500"}, retries=0,
                  chat={"model": "m"})
    row = told(actor, pa.table({"prompt": ["hi"]})).to_pylist()[0]
    assert row["error"]["code"] == "LEAT_EINCOMPLETE" and row["answer"]
    assert row["output_tokens"] is None and row["finish_reason"] is None


def test_an_actor_has_no_more_under_way_than_it_may(new_mock: Callable[..., Mock]) -> None:
    gateway = new_mock("--ttft", "100ms", "--gap", "1ms", "--events", "3")
    actor = Chats(**gateway.options, concurrency=8, chat={"model": "m"})
    halves = [pa.table({"prompt": ["hi"] * 20})] * 2

    async def main() -> None:
        import asyncio

        async def ask(table: Any) -> int:
            return sum([part.num_rows async for part in actor(table)])
        assert await asyncio.gather(*(ask(half) for half in halves)) == [20, 20]
        await actor._client.aclose()
    run(main())
    seen = stats(gateway)
    assert seen["peak"] == 8 and seen["streams_done"] == 40


def test_a_job_fails_when_it_was_asked_to(mock: Mock) -> None:
    faults = {"x-mock-fault": "status=400"}
    with pytest.raises(leat.StatusError):
        told(BatchRequests(**mock.options, headers=faults, fail_fast=True),
             batch(body=[json.dumps(CHAT_BODY)] * 3))
    with pytest.raises(ValueError, match="custom_id"):
        told(BatchRequests(**mock.options), pa.table({"body": ["{}"], "url": ["/"]}))
    with pytest.raises(ValueError, match="prefix"):
        told(Chats(**mock.options), pa.table({"prompt": ["hi"], "answer": ["mine"]}))
    with pytest.raises(TypeError, match="pyarrow"):
        told(Chats(**mock.options), {"prompt": ["hi"]})


def test_who_stops_listening_ends_the_requests(new_mock: Callable[..., Mock]) -> None:
    gateway = new_mock("--ttft", "5ms", "--gap", "500ms", "--events", "100")
    actor = Chats(**gateway.options, chat={"model": "m"})

    async def main() -> None:
        import asyncio
        parts = actor(pa.table({"prompt": ["hi"] * 5}))
        reading = asyncio.ensure_future(parts.__anext__())
        while not actor._client._engine or actor._client.stats()["requests_started"] < 5:
            await asyncio.sleep(0.01)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        while actor._client.stats()["requests_cancelled"] < 5:
            await asyncio.sleep(0.01)
        await actor._client.aclose()
    run(main())


def test_empty_tables_have_the_columns(mock: Mock) -> None:
    empty = pa.table({"prompt": pa.array([], pa.string())})
    assert told(Chats(**mock.options), empty).column_names == ["prompt", *CHAT.names]


def test_the_key_is_the_environments_and_is_not_shown(mock: Mock,
                                                      monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEAT_API_KEY", "sk-environment-secret")
    actor = Chats(mock.url, ca_file=str(mock.ca), chat={"model": "m"},
                  headers={"x-mock-fault": "echo-key"})
    assert "secret" not in repr(actor)
    row = told(actor, pa.table({"prompt": ["hi"]})).to_pylist()[0]
    assert row["error"]["code"] == "LEAT_ESTATUS" and "secret" not in str(row)
