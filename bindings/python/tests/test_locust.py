"""Users of Locust: what they tell of chats and calls, as Locust's own program writes it down.

Every test runs `python -m locust` for itself, since Locust replaces parts of the interpreter.
"""
from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Callable, NamedTuple

import pytest
from conftest import Mock

if importlib.util.find_spec("locust") is None:
    pytest.skip("locust is not installed", allow_module_level=True)

HEAD = """
import json, os, traceback
import locust
import leat, leat.locust

@locust.events.init.add_listener
def on_init(environment, **_):
    @environment.events.quit.add_listener
    def write(**_):
        stats = environment.stats
        with open("out.json", "w", encoding="utf-8") as file:
            json.dump({"rows": [[e.method, e.name, e.num_requests, e.num_failures,
                                 e.min_response_time, e.avg_content_length]
                                for e in stats.entries.values()],
                       "failures": [[e.method, e.name, e.parse_error(e.error), e.occurrences]
                                    for e in stats.errors.values()]}, file)

class Reader(leat.locust.LeatUser):
    api_key, model = "sk-tests-secret", "m"
    client_options = {"ca_file": os.environ["CA_FILE"]}
    fixed_count = %d
    def ask(self, *prompt, **options):
        return self.client.chat(*(prompt or ("hi",)), **options)
"""
# One round of each user, and then the end.
ONCE = """
    @locust.task
    def once(self):
        try:
            self.round()
        except Exception:
            traceback.print_exc()
        self.environment.done = getattr(self.environment, "done", 0) + 1
        if self.environment.done == self.fixed_count:
            self.environment.runner.quit()
        raise locust.exception.StopUser()
    def round(self):
"""


class Row(NamedTuple):
    """Of Locust's table."""

    requests: int = 0
    failures: int = 0
    least_ms: float = 0
    bytes: float = 0


class Ran:
    """rows by (type, name), failures as {text: occurrences}, and what was printed."""

    def __init__(self, folder: Path, printed: str) -> None:
        self.printed = printed
        told = json.loads((folder / "out.json").read_text(encoding="utf-8"))
        self.rows = {(row[0], row[1]): Row(*row[2:]) for row in told["rows"]}
        self.failures = {" ".join(row[:3]): row[3] for row in told["failures"]}

    def count(self, kind: str, name: str) -> tuple[int, int]:
        return self.rows.get((kind, name), Row())[:2]


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., Ran]:
    def run_locust(gateway: Mock, source: str, users: int = 1, *options: str) -> Ran:
        (tmp_path / "locustfile.py").write_text(HEAD % users + source, encoding="utf-8")
        process = subprocess.run(
            [sys.executable, "-m", "locust", "-f", "locustfile.py", "--headless", "-u", str(users),
             "-r", str(users), "-t", "60s", "--host", gateway.url,
             "--exit-code-on-error", "0", *options],
            cwd=tmp_path, text=True, timeout=90, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            env={**os.environ, "CA_FILE": str(gateway.ca)})
        assert process.returncode == 0, process.stdout
        assert "sk-tests-secret" not in process.stdout
        return Ran(tmp_path, process.stdout)
    return run_locust


def printed_json(ran: Ran) -> list[Any]:
    return [json.loads(line[5:]) for line in ran.printed.splitlines() if line.startswith("JSON ")]


def test_a_chat_is_told_with_its_times_of_tokens(new_mock: Any, run: Callable[..., Ran]) -> None:
    gateway = new_mock("--ttft", "150ms", "--gap", "20ms", "--events", "20")
    ran = run(gateway, ONCE + "        [self.ask(name='talk') for _ in range(3)]\n", 4)
    for kind, least in (("chat", 150 + 19 * 20), ("ttft", 150), ("itl", 20)):
        assert ran.count(kind, "talk") == (12, 0), ran.printed
        # A loaded machine makes times longer; the gateway's wheel rounds by a millisecond.
        assert ran.rows[kind, "talk"].least_ms >= least - 3
    assert ran.rows["ttft", "talk"].least_ms < 500 and ran.rows["itl", "talk"].least_ms < 150
    assert ran.rows["chat", "talk"].bytes > 20 * 20


@pytest.mark.parametrize("fault, told", [
    ("truncate=800", "StreamError: LEAT_EINCOMPLETE"),
    ("close=800", "StreamError: LEAT_ETRUNCATED"),
    ("no-done;no-finish", "StreamError: LEAT_EINCOMPLETE"),
    ("error=3", "StatusError: LEAT_EAPI"),
    ("status=429", "StatusError: LEAT_ESTATUS 429"),
    ("status=500", "StatusError: LEAT_ESTATUS 500"),
    ("html", "StreamError: LEAT_ENOTSTREAM"),
    ("stall=800", "DeadlineError: LEAT_EGAPTIMEOUT"),
])
def test_what_is_not_whole_is_a_failure(mock: Mock, run: Callable[..., Ran], fault: str,
                                        told: str) -> None:
    ran = run(mock, ONCE + f"""
        answers = [self.ask(headers={{"x-mock-fault": {fault!r}}}, timeout=leat.Timeouts(gap=0.5))
                   for _ in range(3)]
        assert not any(answer.ok for answer in answers)
        print("JSON", json.dumps([answer.text for answer in answers]))
""")
    assert ran.count("chat", "m") == (3, 3), ran.printed
    assert ("ttft", "m") not in ran.rows and ("itl", "m") not in ran.rows
    assert ran.failures == {"chat m " + told: 3}
    texts = printed_json(ran)[0]
    assert all(texts) == fault.startswith(("truncate", "close", "no-", "error", "stall"))


def test_tokens_are_those_that_the_server_counted(mock: Mock, run: Callable[..., Ran]) -> None:
    ran = run(mock, """
    def context(self):
        return {"tier": "gold"}
""" + ONCE + """
        hook, told = self.environment.events.request, []
        hook.add_listener(lambda request_type, context, **_: told.append([request_type, context]))
        counted = self.client.leat.chat("hi", model="m", headers={"x-mock-seed": "5"})
        counted = counted.complete().usage
        self.ask(headers={"x-mock-seed": "5"}, context={"turn": 1})
        sums = leat.locust.tokens(self.environment)
        assert (sums.chats, sums.untold) == (1, 0), sums
        assert (sums.input, sums.output) == (counted.input, counted.output), (sums, counted)
        self.ask(no_usage=True)
        assert (sums.chats, sums.untold, sums.output) == (2, 1, counted.output), sums
        print("JSON", json.dumps([counted.input, counted.output, told]))
""")
    assert printed_json(ran), ran.printed
    given, taken, told = printed_json(ran)[0]
    assert [kind for kind, _ in told] == ["ttft", "itl", "chat"] * 2
    first, second = told[2][1], told[5][1]
    assert (first["input_tokens"], first["output_tokens"]) == (given, taken)
    assert (first["tier"], first["turn"], first["events"]) == ("gold", 1, 20)
    assert first["finish_reason"] and first["ttft_ms"] > 0 and first["itl_ms"] > 0
    assert second["input_tokens"] is None and second["output_tokens"] is None
    assert f"{given} tokens in, {taken} out, over 2 chats, 1 of them without" in ran.printed


def test_whoever_is_stopped_midway_has_not_failed(new_mock: Any, run: Callable[..., Ran]) -> None:
    gateway = new_mock("--ttft", "5ms", "--gap", "300ms", "--events", "200")
    ran = run(gateway, """
    @locust.task
    def talk(self):
        self.ask()
""", 5, "-t", "2s")
    assert not ran.rows and not ran.failures, ran.printed


def test_calls_are_told_by_their_endpoint(mock: Mock, run: Callable[..., Ran]) -> None:
    ran = run(mock, ONCE + """
        assert self.client.call("models.list").json()["data"]
        assert self.client.call("models.list", headers={"x-mock-fault": "status=404"}) is None
        body = {"model": "e", "input": "hi"}
        assert self.client.call("embeddings.create", body, name="vectors").json()["data"]
""")
    assert ran.count("call", "models.list") == (2, 1), ran.printed
    assert ran.count("call", "vectors") == (1, 0)
    assert ran.failures == {"call models.list StatusError: LEAT_ESTATUS 404": 1}


def test_a_mistake_in_the_file_is_raised_and_not_told(mock: Mock, run: Callable[..., Ran]) -> None:
    ran = run(mock, ONCE + """
        for mistake in (dict(base_url="nowhere"), dict(endpoint="no.such")):
            try:
                if "endpoint" in mistake:
                    self.client.call("no.such")
                else:
                    self.ask(**mistake)
            except leat.UsageError as error:
                print("JSON", json.dumps(error.name))
""")
    assert len(printed_json(ran)) == 2, ran.printed
    assert not ran.rows
