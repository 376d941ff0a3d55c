#!/usr/bin/env python3
"""The gateway's stored responses from outside: told again, resumed behind any event, made in the
background, cancelled, deleted, and built upon."""
import json
import time
import unittest

import mock
import mock_calls

PATH = "/v1/responses"


class Case(unittest.TestCase):
    def setUp(self):
        self.g = mock_calls.Gateway()

    def tearDown(self):
        self.g.stop()

    def ask(self, headers=None, **body):
        return self.g.good("POST", PATH, {"model": "gpt-5", "input": "hi", **body}, headers)

    def stream(self, path, body=None, headers=None):
        """-> [(type, sequence number, event)]"""
        method = "POST" if body is not None else "GET"
        status, got, text = self.g.call(method, path, body, headers)
        self.assertEqual((status, got["Content-Type"]), (200, "text/event-stream"), text)
        said = [json.loads(t) for _, t in mock_calls.events(text)]
        return [(s["type"], s["sequence_number"], s) for s in said]

    def wait(self, name, word):
        until = time.monotonic() + mock_calls.WAIT
        while time.monotonic() < until:
            found = self.g.good("GET", f"{PATH}/{name}")
            if found["status"] == word:
                return found
            time.sleep(0.005)
        self.fail(f"never {word}: {found}")


class Stored(Case):
    def test_told_again_and_deleted(self):
        made = self.ask(seed=7)
        path = f"{PATH}/{made['id']}"
        self.assertEqual(self.g.good("GET", path), made)
        self.assertEqual((made["store"], made["background"], made["previous_response_id"]),
                         (True, False, None))
        self.assertEqual(self.g.good("DELETE", path)["deleted"], True)
        for method in ("GET", "DELETE"):
            status, answer = self.g.ask(method, path)
            self.assertEqual((status, answer["error"]["type"]), (404, "invalid_request_error"))
        for tail in ("/cancel", "/input_items"):
            method = "POST" if tail == "/cancel" else "GET"
            self.assertEqual(self.g.call(method, path + tail)[0], 404)

    def test_not_stored_on_request(self):
        made = self.ask(store=False)
        self.assertEqual((made["store"], self.g.call("GET", f"{PATH}/{made['id']}")[0]),
                         (False, 404))

    def test_built_upon_what_is_there(self):
        first = self.ask()["id"]
        self.assertEqual(self.ask(previous_response_id=first)["previous_response_id"], first)
        status, answer = self.g.ask("POST", PATH, {"model": "m", "input": "x",
                                                   "previous_response_id": "resp_none"})
        self.assertEqual((status, answer["error"]["code"]),
                         (400, "previous_response_not_found"))

    def test_input_items(self):
        made = self.ask(input="a \"mill\"")["id"]
        item, = self.g.good("GET", f"{PATH}/{made}/input_items")["data"]
        self.assertEqual(item["content"], [{"type": "input_text", "text": 'a "mill"'}])
        items = [{"role": "user", "content": "a"}, {"type": "reasoning", "summary": []}]
        made = self.ask(input=items)["id"]
        found = self.g.good("GET", f"{PATH}/{made}/input_items")["data"]
        self.assertEqual([{k: v for k, v in f.items() if k != "id"} for f in found], items)
        self.assertEqual(len({f["id"] for f in found}), 2)

    def test_compact_and_count(self):
        found = self.g.good("POST", PATH + "/compact", {"model": "gpt-5", "input": "x"})
        self.assertEqual((found["object"], found["output"][0]["type"]),
                         ("response.compaction", "compaction"))
        self.assertEqual(self.g.call("POST", PATH + "/compact", {})[0], 400)
        body = {"model": "gpt-5", "input": "x"}
        found = self.g.good("POST", PATH + "/input_tokens", body)
        self.assertEqual(found["input_tokens"], (len(json.dumps(body)) + 3) // 4)

    def test_the_oldest_give_way(self):
        first = self.ask(max_output_tokens=1)["id"]
        c = self.g.connect()
        for _ in range(4096):
            c.request("POST", PATH, '{"max_output_tokens":1,"model":"m"}', {"x-mock-ttft-ms": "0"})
            c.getresponse().read()
        c.close()
        self.assertEqual(self.g.call("GET", f"{PATH}/{first}")[0], 404)


class Resumed(Case):
    def test_behind_every_event(self):
        body = {"model": "gpt-5", "input": "hi", "seed": 7, "stream": True, "background": True}
        whole = self.stream(PATH, body)
        self.assertEqual([n for _, n, _ in whole], list(range(len(whole))))
        self.assertEqual(whole[-1][0], "response.completed")
        path = f"{PATH}/{whole[0][2]['response']['id']}?stream=true"
        self.assertEqual(self.stream(path), whole)
        for after in range(len(whole) + 2):
            self.assertEqual(self.stream(f"{path}&starting_after={after}"), whole[after + 1:])
        self.assertEqual(self.g.call("GET", path + "&starting_after=x")[0], 400)

    def test_a_stream_that_broke_goes_on_where_the_clock_is(self):
        s = self.g.connect()
        s.request("POST", PATH, json.dumps({"model": "m", "input": "x", "stream": True,
                                            "background": True, "seed": 7}),
                  {"x-mock-fault": "close=1500", "x-mock-gap-ms": "20", "x-mock-events": "30"})
        got = b""
        try:
            got = s.getresponse().read()
        except mock_calls.http.client.IncompleteRead as error:
            got = error.partial
        s.close()
        before = [json.loads(t) for _, t in mock_calls.events(got.rpartition(b"\n\n")[0])]
        name, last = before[0]["response"]["id"], before[-1]["sequence_number"]
        after = self.stream(f"{PATH}/{name}?stream=true&starting_after={last}")
        numbers = [e["sequence_number"] for e in before] + [n for _, n, _ in after]
        self.assertEqual(numbers, list(range(len(numbers))))
        text = "".join(e.get("delta", "") for e in before + [e for _, _, e in after])
        self.assertEqual(after[-1][2]["response"]["output"][0]["content"][0]["text"], text)


class Background(Case):
    def test_queued_then_in_progress_then_completed(self):
        made = self.ask({"x-mock-ttft-ms": "200", "x-mock-gap-ms": "40"}, background=True, seed=7,
                        max_output_tokens=8)
        self.assertEqual((made["status"], made["output"], made["usage"]), ("queued", [], None))
        words, until = ["queued"], time.monotonic() + mock_calls.WAIT
        while words[-1] != "completed" and time.monotonic() < until:
            found = self.g.good("GET", f"{PATH}/{made['id']}")
            if found["status"] != words[-1]:
                words.append(found["status"])
            time.sleep(0.005)
        order = ["queued", "in_progress", "completed"]
        self.assertEqual(words, [w for w in order if w in words])
        same = self.ask(seed=7, max_output_tokens=8)
        self.assertEqual(found["output"][0]["content"], same["output"][0]["content"])

    def test_cancelled(self):
        made = self.ask({"x-mock-gap-ms": "1000"}, background=True, max_output_tokens=1000)
        path = f"{PATH}/{made['id']}"
        self.wait(made["id"], "in_progress")
        self.assertEqual(self.g.good("POST", path + "/cancel")["status"], "cancelled")
        self.assertEqual(self.g.good("GET", path)["status"], "cancelled")
        self.assertEqual(self.g.good("POST", path + "/cancel")["status"], "cancelled")
        said = self.stream(path + "?stream=true")
        self.assertEqual(said[-1][2]["response"]["status"], "cancelled")
        other = self.ask()["id"]
        self.assertEqual(self.g.call("POST", f"{PATH}/{other}/cancel")[0], 400)

    def test_who_listens_hears_of_the_end(self):
        s = self.g.connect()
        s.request("POST", PATH, json.dumps({"model": "m", "input": "x", "stream": True,
                                            "background": True, "max_output_tokens": 100}),
                  {"x-mock-gap-ms": "100"})
        answer = s.getresponse()
        head = b""
        while b"output_text.delta" not in head:
            head += answer.readline()
        name = json.loads(mock_calls.events(head)[0][1])["response"]["id"]
        self.g.good("POST", f"{PATH}/{name}/cancel")
        said = [json.loads(t) for _, t in mock_calls.events(head + answer.read())]
        s.close()
        self.assertEqual(said[-1]["response"]["status"], "cancelled")
        self.assertLess(len(said), 60)


if __name__ == "__main__":
    mock.main()
