#!/usr/bin/env python3
"""The loopback gateway, looked at from outside with Python's standard library alone.

Everything that other tests build on is checked here: routes and envelopes, text that follows from a
seed, the cadence, TLS with its throwaway CA and session resumption, and that each fault produces on
the wire what its name says. The peer is a raw socket wherever framing matters.

usage: test_mock.py COMMAND...      COMMAND starts the gateway: `leat mock`
"""
import gzip
import http.client
import json
import os
import selectors
import signal
import socket
import ssl
import struct
import subprocess
import sys
import time
import unittest

WAIT = 20  # seconds: the bound of every wait
MASK = (1 << 64) - 1
COMMAND = []


def mix(x):
    """splitmix64, as bench/mock/text.c has it."""
    x = (x + 0x9E3779B97F4A7C15) & MASK
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & MASK
    return x ^ (x >> 31)


def content_bytes(seed, offset, size):
    """mock_text_bytes."""
    key, out = mix(seed), bytearray()
    first = offset >> 3
    for block in range(first, (offset + size + 7) >> 3):
        out += struct.pack("<Q", mix(key ^ block))
    skip = offset - (first << 3)
    return bytes(out[skip:skip + size])


LETTERS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"


def content_letters(seed, size):
    """mock_text_letters."""
    return bytes(LETTERS[b & 63] for b in content_bytes(seed, 0, size)).decode()


class Gateway:
    """One running gateway and the ways to talk to it."""

    def __init__(self, *args):
        self.process = subprocess.Popen(
            [*COMMAND, "--json", "--ttft", "2ms", "--gap", "1ms", "--events", "8", *args],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError("no ready line: " + self.process.communicate(timeout=WAIT)[1])
        ready = json.loads(line)
        self.port, self.ca, self.url, self.conns_max = (
            ready["port"], ready["ca"], ready["url"], ready["conns_max"])
        self.tls = self.url.startswith("https")
        self.context = ssl.create_default_context(cafile=self.ca) if self.tls else None
        if self.tls:  # else a missing close_notify looks like one, with some builds of OpenSSL
            self.context.options &= ~getattr(ssl, "OP_IGNORE_UNEXPECTED_EOF", 0)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        errors = self.process.communicate(timeout=WAIT)[1]
        return self.process.returncode, errors

    def connect(self, session=None, host="localhost"):
        s = socket.create_connection(("127.0.0.1", self.port), WAIT)
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if not self.tls:
            return s
        # without suppress_ragged_eofs a missing close_notify is an error that tests can see
        return self.context.wrap_socket(s, server_hostname=host, session=session,
                                        suppress_ragged_eofs=False)

    def session(self):
        """-> what a later connection resumes from. With TLS 1.3 it comes behind the handshake."""
        s = self.connect()
        s.sendall(b"GET /v1/models HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        drain(s)
        session = s.session
        s.close()
        return session

    def request(self, method, path, body=None, headers=None):
        """-> (status, headers, body) through http.client."""
        if self.tls:
            c = http.client.HTTPSConnection("localhost", self.port, timeout=WAIT,
                                            context=self.context)
        else:
            c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=WAIT)
        try:
            c.request(method, path, json.dumps(body) if isinstance(body, dict) else body,
                      headers or {})
            r = c.getresponse()
            return r.status, r.headers, r.read()
        finally:
            c.close()

    def chat(self, headers=None, path="/v1/chat/completions", **fields):
        body = {"model": "gpt-5", "messages": [{"role": "user", "content": "hi"}], **fields}
        return self.request("POST", path, body, headers)

    def stats(self):
        return json.loads(self.request("GET", "/stats")[2])

    def raw(self, headers="", body='{"stream":true,"seed":7}', close=True):
        """Sends one chat request by hand -> the socket."""
        s = self.connect()
        end = "Connection: close\r\n" if close else ""
        s.sendall((f"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n{end}{headers}"
                   f"Content-Length: {len(body)}\r\n\r\n{body}").encode())
        return s


def drain(s, seconds=WAIT):
    """-> (bytes, how it ended: clean, ragged, reset, silent, endless)."""
    got, limit = b"", time.monotonic() + seconds
    while time.monotonic() < limit:
        try:
            piece = s.recv(65536)
        except ssl.SSLError as error:  # older versions have no class of its own for this
            if "UNEXPECTED_EOF" not in str(error) and not isinstance(error, ssl.SSLEOFError):
                raise
            return got, "ragged"
        except ConnectionResetError:
            return got, "reset"
        except (socket.timeout, TimeoutError):
            return got, "silent"
        if not piece:
            return got, "clean"
        got += piece
    return got, "endless"


def unchunk(body):
    """Takes the chunks apart -> (content, the last chunk was there)."""
    out, at = [], 0
    while at < len(body):
        end = body.index(b"\r\n", at)
        size = int(body[at:end], 16)
        if size == 0:
            return b"".join(out), True
        out.append(body[end + 2:end + 2 + size])
        at = end + 4 + size
    return b"".join(out), False


def events_of(body):
    """The data of each event."""
    if isinstance(body, bytes):
        body = body.decode()
    return [e[len("data: "):] for e in body.split("\n\n") if e.startswith("data: ")]


def text_of(body, choice=0, field="content"):
    out = ""
    for e in events_of(body):
        if e != "[DONE]":
            for c in json.loads(e)["choices"]:
                if c["index"] == choice:
                    out += c["delta"].get(field) or ""
    return out


class GatewayCase(unittest.TestCase):
    args = ("--plain",)

    @classmethod
    def setUpClass(cls):
        cls.g = Gateway(*cls.args)

    @classmethod
    def tearDownClass(cls):
        status, errors = cls.g.stop()
        if status != 0 or "ERROR" in errors:
            raise AssertionError(f"the gateway ended with {status}: {errors}")


class Routes(GatewayCase):
    def test_stream_has_events_finish_usage_and_done(self):
        status, headers, body = self.g.chat(stream=True, seed=7, max_tokens=5,
                                            stream_options={"include_usage": True})
        events = events_of(body)
        self.assertEqual((status, headers["Content-Type"]), (200, "text/event-stream"))
        self.assertEqual(headers["Transfer-Encoding"], "chunked")
        self.assertEqual(len(events), 5 + 3)
        self.assertEqual(events[-1], "[DONE]")
        usage = json.loads(events[-2])
        self.assertEqual((usage["choices"], usage["usage"]["completion_tokens"]), ([], 5))
        self.assertEqual(json.loads(events[-3])["choices"][0]["finish_reason"], "stop")
        self.assertEqual(json.loads(events[0])["choices"][0]["delta"]["role"], "assistant")

    def test_same_seed_same_text_streamed_or_not(self):
        one = text_of(self.g.chat(stream=True, seed=7, max_tokens=200)[2])
        two = text_of(self.g.chat(stream=True, seed=7, max_tokens=200)[2])
        other = text_of(self.g.chat(stream=True, seed=8, max_tokens=200)[2])
        whole = json.loads(self.g.chat(seed=7, max_tokens=200)[2])
        self.assertEqual(one, two)
        self.assertNotEqual(one, other)
        self.assertEqual(whole["choices"][0]["message"]["content"], one)
        self.assertEqual(whole["object"], "chat.completion")
        for wanted in ('"', "\\", "\n", "\u00e9", "\u6c34", "\U0001f600", "data:", "[DONE]"):
            self.assertIn(wanted, one)

    def test_wire_uses_escapes_and_surrogate_pairs_too(self):
        body = self.g.chat(stream=True, seed=7, max_tokens=200)[2].decode()
        self.assertIn("\\ud83d\\ude00", body)
        self.assertIn("\U0001f600", body)

    def test_text_is_what_it_was_when_this_was_written(self):
        # The text is a contract with every client that verifies: it must not change unnoticed.
        text = text_of(self.g.chat(stream=True, seed=7, max_tokens=6)[2])
        self.assertTrue(text.startswith(" a\u00df runs 100% turns the \u0432\u043e\u0434\u0430"))

    def test_choices_are_separate_texts(self):
        body = self.g.chat(stream=True, seed=7, max_tokens=6, n=2)[2]
        alone = self.g.chat(stream=True, seed=7, max_tokens=6)[2]
        self.assertEqual(text_of(body, 0), text_of(alone))
        self.assertNotEqual(text_of(body, 0), text_of(body, 1))
        self.assertEqual(len(events_of(body)), 12 + 2 + 1)

    def test_reasoning_precedes_content(self):
        body = self.g.chat({"x-mock-reasoning": "3"}, stream=True, seed=7, max_tokens=6)[2]
        full = text_of(self.g.chat(stream=True, seed=7, max_tokens=6)[2])
        thought = text_of(body, 0, "reasoning_content")
        self.assertTrue(thought and full == thought + text_of(body))
        whole = json.loads(self.g.chat({"x-mock-reasoning": "3"}, seed=7, max_tokens=6)[2])
        self.assertEqual(whole["choices"][0]["message"]["reasoning_content"], thought)

    def test_tool_calls_interleave_and_are_valid_json(self):
        tools = [{"type": "function", "function": {"name": n}} for n in ("look", "find")]
        body = self.g.chat(stream=True, seed=7, max_tokens=40, tools=tools)[2]
        calls = {}
        for e in events_of(body)[:-2]:
            for c in json.loads(e)["choices"][0]["delta"].get("tool_calls", []):
                call = calls.setdefault(c["index"], {"name": "", "arguments": ""})
                call["name"] += c["function"].get("name", "")
                call["arguments"] += c["function"]["arguments"]
        self.assertEqual([calls[0]["name"], calls[1]["name"]], ["look", "find"])
        last = json.loads(events_of(body)[-2])["choices"][0]
        self.assertEqual(last["finish_reason"], "tool_calls")
        full = text_of(self.g.chat(stream=True, seed=7, max_tokens=40)[2])
        self.assertEqual(json.loads(calls[0]["arguments"])["text"], full)
        whole = json.loads(self.g.chat(seed=7, max_tokens=40, tools=tools)[2])["choices"][0]
        self.assertEqual(whole["message"]["tool_calls"][1]["function"]["arguments"],
                         calls[1]["arguments"])

    def test_legacy_completions(self):
        body = {"model": "m", "prompt": "x", "seed": 7, "max_tokens": 6}
        whole = json.loads(self.g.request("POST", "/v1/completions", body)[2])
        stream = self.g.request("POST", "/v1/completions", {**body, "stream": True})[2]
        text = "".join(json.loads(e)["choices"][0]["text"] for e in events_of(stream)[:-1])
        self.assertEqual(whole["object"], "text_completion")
        self.assertEqual(whole["choices"][0]["text"], text)
        self.assertEqual(text, text_of(self.g.chat(stream=True, seed=7, max_tokens=6)[2]))

    def test_query_speaks_like_the_yardstick(self):
        status, _, body = self.g.request("POST", "/v1/chat/completions?n=4&ms=1&ttft=3", "{}")
        self.assertEqual((status, len(events_of(body))), (200, 4 + 2))

    def test_sized_events_have_exactly_that_much_content(self):
        body = self.g.chat({"x-mock-bytes": "9", "x-mock-events": "20"}, stream=True, seed=7)[2]
        for e in events_of(body)[:-2]:
            content = json.loads(e)["choices"][0]["delta"]["content"]
            self.assertEqual(len(content.encode()), 9)

    def test_stamp_is_the_monotonic_clock(self):
        before = time.monotonic_ns()
        body = self.g.chat({"x-mock-stamp": "1"}, stream=True)[2]
        stamps = [json.loads(e)["mock_ns"] for e in events_of(body)[:-2]]
        self.assertTrue(before < stamps[0] and stamps == sorted(stamps))
        self.assertLess(stamps[-1], time.monotonic_ns())

    def test_models_known_and_unknown(self):
        models = json.loads(self.g.request("GET", "/v1/models")[2])
        self.assertEqual(models["object"], "list")
        one = json.loads(self.g.request("GET", "/v1/models/gpt-5")[2])
        self.assertEqual(one["id"], "gpt-5")
        status, _, body = self.g.request("GET", "/v1/models/none")
        self.assertEqual((status, json.loads(body)["error"]["code"]), (200, "model_not_found"))

    def test_unknown_route_and_double_slash(self):
        status, _, body = self.g.request("GET", "/nowhere?x=1")
        self.assertEqual(status, 404)
        self.assertEqual(json.loads(body)["error"]["message"], "Invalid URL (GET /nowhere)")
        self.assertEqual(self.g.request("GET", "//v1/models")[0], 200)

    def test_bad_json_and_bad_wishes_are_400(self):
        self.assertEqual(self.g.request("POST", "/v1/chat/completions", "{]")[0], 400)
        self.assertEqual(self.g.request("POST", "/v1/video/generations", "{]")[0], 400)
        self.assertEqual(self.g.chat({"x-mock-events": "many"})[0], 400)
        self.assertEqual(self.g.chat({"x-mock-fault": "no-such"})[0], 400)

    def test_chunked_request_and_pipelining(self):
        s = self.g.connect()
        one = ("POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
               "b\r\n{\"seed\": 7,\r\n12\r\n\"max_tokens\": 2   \r\n1\r\n}\r\n0\r\n\r\n")
        last = "GET /v1/models HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        s.sendall((one + one + last).encode())
        got, end = drain(s)
        s.close()
        self.assertEqual((got.count(b"HTTP/1.1 200"), end), (3, "clean"))
        self.assertEqual(got.count(b'"chat.completion"'), 2)
        self.assertTrue(got.rstrip().endswith(b"]}"))

    def test_broken_request_is_400_and_closes(self):
        s = self.g.connect()
        s.sendall(b"NONSENSE\r\n\r\n")
        got, end = drain(s)
        s.close()
        self.assertTrue(got.startswith(b"HTTP/1.1 400") and end == "clean")

    def test_gzip_when_accepted(self):
        _, headers, body = self.g.chat({"x-mock-gzip": "1", "Accept-Encoding": "gzip"}, seed=7)
        self.assertEqual(headers["Content-Encoding"], "gzip")
        self.assertEqual(json.loads(gzip.decompress(body))["object"], "chat.completion")
        _, headers, _ = self.g.chat({"x-mock-gzip": "1"}, seed=7)
        self.assertIsNone(headers["Content-Encoding"])

    def test_chunked_answer_on_request(self):
        _, headers, body = self.g.chat({"x-mock-chunked": "1"})
        self.assertEqual(headers["Transfer-Encoding"], "chunked")
        json.loads(body)

    def test_cadence_is_kept(self):
        begin = time.monotonic()
        self.g.chat({"x-mock-ttft-ms": "50", "x-mock-gap-ms": "10", "x-mock-events": "11"},
                    stream=True)
        took = time.monotonic() - begin
        self.assertTrue(0.149 < took < 1.5, took)

    def test_keep_alive_serves_many(self):
        before = self.g.stats()["conns"]
        c = http.client.HTTPConnection("127.0.0.1", self.g.port, timeout=WAIT)
        for _ in range(20):
            c.request("GET", "/v1/models")
            self.assertEqual(c.getresponse().read()[:1], b"{")
        c.close()
        self.assertEqual(self.g.stats()["conns"], before + 2)


AT_ONCE = {"x-mock-task-ms": "0", "x-mock-task-queued-ms": "0"}


class Tasks(GatewayCase):
    args = ("--plain", "--task-queued", "60ms", "--task-time", "120ms", "--poll-after", "20ms")

    def submit(self, headers=None, **fields):
        wish = {"model": "mock-video", "prompt": "a mill", **fields}
        status, _, body = self.g.request("POST", "/v1/video/generations", wish, headers)
        self.assertEqual(status, 200)
        return json.loads(body)

    def poll(self, task, headers=None):
        status, got, body = self.g.request("GET", f"/v1/video/generations/{task}", None, headers)
        return status, got, json.loads(body)

    def wait(self, task):
        seen = []
        limit = time.monotonic() + WAIT
        while time.monotonic() < limit:
            _, headers, body = self.poll(task)
            self.assertEqual(headers["openai-poll-after-ms"], "20")
            if not seen or seen[-1] != body["status"]:
                seen.append(body["status"])
            if body["status"] in ("completed", "failed"):
                return seen, body
            time.sleep(0.01)
        self.fail("the task never ended")

    def test_statuses_in_order_then_content(self):
        first = self.submit(seed=99, metadata={"mock_bytes": 100000})
        self.assertEqual((first["status"], first["id"]), ("queued", first["task_id"]))
        status, _, body = self.g.request("GET", f"/v1/videos/{first['id']}/content")
        self.assertEqual(status, 400)
        self.assertIn("not completed", json.loads(body)["error"]["message"])
        seen, last = self.wait(first["id"])
        self.assertEqual(seen, ["queued", "in_progress", "completed"])
        path = last["metadata"]["url"].split(str(self.g.port))[1]
        status, headers, body = self.g.request("GET", path)
        self.assertEqual((status, headers["Content-Type"]), (200, "video/mp4"))
        self.assertEqual(body, content_bytes(99, 0, 100000))

    def test_ranges(self):
        task = self.submit({"x-mock-task-bytes": "1000", **AT_ONCE}, seed=5)
        path = f"/v1/videos/{task['id']}/content"
        whole = content_bytes(5, 0, 1000)
        for wish, start, stop in (("10-19", 10, 20), ("990-", 990, 1000), ("-7", 993, 1000),
                                  ("999-5000", 999, 1000), ("3-3", 3, 4)):
            status, headers, body = self.g.request("GET", path, None, {"Range": f"bytes={wish}"})
            self.assertEqual((status, body), (206, whole[start:stop]), wish)
            self.assertEqual(headers["Content-Range"], f"bytes {start}-{stop - 1}/1000")
        status, headers, _ = self.g.request("GET", path, None, {"Range": "bytes=1000-"})
        self.assertEqual((status, headers["Content-Range"]), (416, "bytes */1000"))
        changed = {"Range": "bytes=5-", "If-Range": '"x"'}
        status, _, body = self.g.request("GET", path, None, changed)
        self.assertEqual((status, body), (200, whole))

    def test_content_can_be_cut(self):
        task = self.submit(AT_ONCE, seed=5, metadata={"mock_bytes": 50000})
        s = self.g.connect()
        s.sendall((f"GET /v1/videos/{task['id']}/content HTTP/1.1\r\nHost: x\r\n"
                   "x-mock-fault: close=20000\r\n\r\n").encode())
        got, _ = drain(s)
        s.close()
        head, body = got.split(b"\r\n\r\n", 1)
        self.assertIn(b"Content-Length: 50000", head)
        self.assertEqual(body, content_bytes(5, 0, 20000))

    def test_failure_from_the_prompt(self):
        task = self.submit(prompt="a mill mock_fail=1 mock_ms=10 mock_queued_ms=0")
        seen, last = self.wait(task["id"])
        self.assertEqual(seen[-1], "failed")
        self.assertEqual(last["error"]["code"], "mock_failed")
        _, _, dto = self.poll(task["id"], {"x-mock-envelope": "E1"})
        self.assertEqual((dto["code"], dto["data"]["status"]), ("success", "FAILURE"))
        self.assertTrue(dto["data"]["fail_reason"])

    def test_headers_and_the_other_envelope(self):
        task = self.submit(AT_ONCE)
        _, _, dto = self.poll(task["id"], {"x-mock-envelope": "E1"})
        self.assertEqual((dto["data"]["status"], dto["data"]["progress"]), ("SUCCESS", "100%"))
        self.assertTrue(dto["data"]["result_url"].endswith("/content"))
        self.assertEqual(dto["data"]["task_id"], task["id"])

    def test_unknown_task(self):
        status, _, body = self.g.request("GET", "/v1/video/generations/task_" + "0" * 32)
        self.assertEqual((status, json.loads(body)["code"]), (400, "task_not_exist"))
        self.assertEqual(self.g.request("GET", "/v1/videos/none/content")[0], 404)


class Faults(GatewayCase):
    def fault(self, fault, extra="", **kw):
        s = self.g.raw(f"x-mock-fault: {fault}\r\n{extra}", **kw)
        s.settimeout(0.7)
        got, end = drain(s, 2)
        s.close()
        head, _, body = got.partition(b"\r\n\r\n")
        return head.decode(), body, end

    def test_status_busy_redirect(self):
        date = "Fri, 31 Dec 1999 23:59:59 GMT"
        head, body, _ = self.fault("status=503", f"x-mock-retry-after: {date}\r\n")
        self.assertTrue(head.startswith("HTTP/1.1 503"))
        self.assertIn(f"Retry-After: {date}\r\n", head)
        self.assertIn("error", json.loads(body))
        head, _, _ = self.fault("busy=7")
        self.assertTrue(head.startswith("HTTP/1.1 429") and "Retry-After: 7\r\n" in head)
        head, _, _ = self.fault("redirect=308,https://localhost:1/x?a=b;c")
        self.assertTrue(head.startswith("HTTP/1.1 400"))
        head, _, _ = self.fault("redirect=308,https://localhost:1/x")
        self.assertIn("Location: https://localhost:1/x\r\n", head)

    def test_reset_close_truncate_stall(self):
        for fault, end in (("reset=300", "reset"), ("close=300", "clean"),
                           ("truncate=300", "clean"), ("stall=300", "silent")):
            head, body, ended = self.fault(fault)
            self.assertIn("200 OK", head)
            self.assertEqual(ended, end, fault)
            content, last = unchunk(body)
            self.assertEqual((len(content), last), (300, False), fault)

    def test_drop_and_slow_head(self):
        self.assertEqual(self.fault("drop"), ("", b"", "clean"))
        begin = time.monotonic()
        head, _, _ = self.fault("slow-head=200")
        self.assertIn("200 OK", head)
        self.assertGreaterEqual(time.monotonic() - begin, 0.2)

    def test_html_empty_json_blank(self):
        head, body, _ = self.fault("html")
        self.assertTrue("text/html" in head and body.startswith(b"<!DOCTYPE"))
        head, body, _ = self.fault("empty")
        self.assertEqual((unchunk(body), "text/event-stream" in head), ((b"", True), True))
        head, body, _ = self.fault("json;blank=4")
        self.assertTrue("application/json" in head and body.startswith(b"\n\n\n\n{"))

    def test_stream_endings(self):
        content, last = unchunk(self.fault("no-done")[1])
        self.assertTrue(last and b"data: [DONE]\n" not in content and b'"stop"' in content)
        content, last = unchunk(self.fault("no-finish")[1])
        self.assertTrue(last and b"[DONE]" in content and b'"stop"' not in content)
        _, body, end = self.fault("after-done")
        content, last = unchunk(body)
        self.assertTrue(not last and end == "silent" and content.endswith(b"data: [DONE]\n\n"))

    def test_errors_in_the_stream(self):
        content, last = unchunk(self.fault("error=3")[1])
        events = events_of(content)
        self.assertTrue(last and len(events) == 4 and "error" in json.loads(events[3]))
        content, last = unchunk(self.fault("bare-error=2")[1])
        self.assertEqual(len(events_of(content)), 2)
        self.assertIn("error", json.loads(content.split(b"\n\n")[-1]))

    def test_comments(self):
        _, body, end = self.fault("comments", "x-mock-gap-ms: 20\r\n")
        content, _ = unchunk(body)
        self.assertEqual((content.replace(b": keep-alive\n\n", b""), end), (b"", "endless"))
        self.assertGreater(content.count(b": keep-alive"), 5)
        content, last = unchunk(self.fault("comments=2")[1])
        self.assertTrue(last and content.count(b": keep-alive\n\n") == 16)

    def test_line_ends(self):
        plain = text_of(unchunk(self.fault("blank=0")[1])[0])
        for name, eol in (("crlf", b"\r\n"), ("cr", b"\r")):
            content, last = unchunk(self.fault(name)[1])
            self.assertTrue(last and content.endswith(b"[DONE]" + eol + eol))
            self.assertEqual(text_of(content.replace(eol, b"\n")), plain)

    def test_chunk_truncated(self):
        _, body, end = self.fault("chunk-truncated=3")
        self.assertEqual(end, "clean")
        content, last = unchunk(body)
        self.assertTrue(not last and len(events_of(content)) == 4)
        self.assertEqual(len(content.split(b"\n\n")[3]), 20)

    def test_big_event_of_letters(self):
        size = 3 << 20
        s = self.g.raw(f"x-mock-fault: big={size}\r\n")
        got, _ = drain(s)
        s.close()
        content, last = unchunk(got.partition(b"\r\n\r\n")[2])
        first = json.loads(events_of(content)[0])["choices"][0]["delta"]["content"]
        self.assertTrue(last)
        self.assertEqual(first, content_letters(7, size))
        self.assertEqual(len(events_of(content)), 1 + 8 + 2)

    def test_gzip_unasked_whole_and_streamed(self):
        head, body, _ = self.fault("gzip")
        self.assertIn("Content-Encoding: gzip", head)
        plain = gzip.decompress(unchunk(body)[0])
        self.assertEqual(len(events_of(plain)), 10)
        head, body, _ = self.fault("gzip", body='{"seed":7}')
        self.assertIn("Content-Encoding: gzip", head)
        json.loads(gzip.decompress(body))

    def test_eof_body_interim_big_head_surplus(self):
        head, body, end = self.fault("eof-body")
        self.assertTrue("Transfer-Encoding" not in head and "Content-Length" not in head)
        self.assertTrue(body.endswith(b"data: [DONE]\n\n") and end == "clean")
        head, _, _ = self.fault("interim=3")
        self.assertTrue(head.startswith("HTTP/1.1 103"))
        head, _, _ = self.fault("big-head=70000")
        self.assertGreater(len(head), 70000)
        _, body, _ = self.fault("surplus", close=False)
        self.assertTrue(body.endswith(b"surplus"))

    def test_close_after_is_not_announced(self):
        head, body, end = self.fault("close-after=100", close=False)
        self.assertTrue("Connection: close" not in head and unchunk(body)[1] and end == "clean")

    def test_echo_key(self):
        head, body, _ = self.fault("echo-key", "Authorization: Bearer canary-1\r\n")
        self.assertTrue(head.startswith("HTTP/1.1 401"))
        self.assertIn("canary-1", json.loads(body)["error"]["message"])

    def test_fault_times_by_key(self):
        wish = {"x-mock-fault": "status=500", "x-mock-fault-times": "2", "x-mock-fault-key": "k1"}
        self.assertEqual([self.g.chat(wish)[0] for _ in range(4)], [500, 500, 200, 200])

    def test_slow_reader_is_waited_for(self):
        s = self.g.raw("x-mock-events: 20000\r\nx-mock-bytes: 1000\r\nx-mock-gap-ms: 0\r\n")
        s.settimeout(WAIT)
        time.sleep(0.3)
        self.assertGreater(self.g.stats()["live"], 0)
        got, end = drain(s)
        s.close()
        content, last = unchunk(got.partition(b"\r\n\r\n")[2])
        self.assertTrue(last and end == "clean")
        self.assertEqual(content.count(b"\n\n"), 20002)
        self.assertGreater(self.g.stats()["blocked"], 0)

    def test_a_slow_reader_does_not_make_the_gateway_late(self):
        g = Gateway("--plain")
        self.addCleanup(g.stop)
        s = socket.socket()
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        s.connect(("127.0.0.1", g.port))
        s.sendall(b"POST /v1/chat/completions?n=300&ms=1&ttft=0&bytes=20000 HTTP/1.1\r\nHost: x\r\n"
                  b"Connection: close\r\nContent-Length: 2\r\n\r\n{}")
        time.sleep(3)
        s.settimeout(WAIT)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)  # from here it is a fast one
        content, last = unchunk(drain(s, 60)[0].partition(b"\r\n\r\n")[2])
        s.close()
        self.assertTrue(last and content.count(b"\n\n") >= 302)
        stats = g.stats()
        self.assertGreater(stats["blocked"], 0)
        self.assertLess(stats["lateness_us"]["max"], 2500000)


class Tls(GatewayCase):
    args = ()

    def test_certificate_holds_for_all_its_names(self):
        for host in ("localhost", "127.0.0.1", "::1"):
            s = self.g.connect(host=host)
            names = s.getpeercert()["subjectAltName"]
            s.close()
        # OpenSSL takes no wildcard this short, others do
        self.assertIn(("DNS", "*.localhost"), names)
        with self.assertRaises(ssl.SSLCertVerificationError):
            self.g.connect(host="example.com")
        with self.assertRaises(ssl.SSLCertVerificationError):
            self.g.connect(host="127.0.0.2")

    def test_resumption_is_counted(self):
        before = self.g.stats()["handshakes"]
        s = self.g.connect(self.g.session())
        self.assertTrue(s.session_reused)
        s.close()
        after = self.g.stats()["handshakes"]
        self.assertEqual(after["resumed"], before["resumed"] + 1)

    def test_endings_clean_ragged_reset(self):
        # Python's ssl calls a reset a ragged end too; without TLS the two are told apart
        for fault, ends in (("truncate=300", ("clean",)), ("close=300", ("ragged",)),
                            ("reset=300", ("ragged", "reset"))):
            s = self.g.raw(f"x-mock-fault: {fault}\r\n")
            _, ended = drain(s)
            s.close()
            self.assertIn(ended, ends, fault)
        s = self.g.raw()
        self.assertEqual(drain(s)[1], "clean")
        s.close()

    def test_one_record_an_event_and_bytewise(self):
        """Counts the records below TLS, whose version 1.3 would hide which ones are ours."""
        for fault, least in (("", 11), ("x-mock-fault: bytewise\r\n", 1500)):
            records, text = self.count_records(fault)
            self.assertEqual(len(events_of(text)), 10)
            if fault:
                self.assertGreater(records, least)
            else:
                self.assertEqual(records, least)  # head, eight events, finish, [DONE]

    def count_records(self, headers):
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        context = ssl.create_default_context(cafile=self.g.ca)
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        tls = context.wrap_bio(incoming, outgoing, server_hostname="localhost")
        s = socket.create_connection(("127.0.0.1", self.g.port), WAIT)
        pending, records, text, asked = b"", 0, b"", False
        while not text.endswith(b"0\r\n\r\n"):
            try:
                if not asked:
                    tls.do_handshake()
                    tls.write(("POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\n" + headers +
                               'Content-Length: 15\r\n\r\n{"stream":true}').encode())
                    asked = True
                text += tls.read(65536)
            except ssl.SSLWantReadError:
                s.sendall(outgoing.read())
                pending += s.recv(65536)
                while len(pending) >= 5:
                    size = 5 + struct.unpack(">H", pending[3:5])[0]
                    if len(pending) < size:
                        break
                    records += pending[0] == 23
                    incoming.write(pending[:size])
                    pending = pending[size:]
        s.close()
        return records, unchunk(text.partition(b"\r\n\r\n")[2])[0]


class Options(unittest.TestCase):
    def with_gateway(self, *args):
        g = Gateway("--plain", *args)
        self.addCleanup(g.stop)
        return g

    def test_ipv6_host(self):
        try:
            with socket.socket(socket.AF_INET6) as probe:
                probe.bind(("::1", 0))
        except OSError:
            self.skipTest("no IPv6 loopback")
        g = self.with_gateway("--host", "::1")
        self.assertEqual(g.url, f"http://[::1]:{g.port}")
        s = socket.create_connection(("::1", g.port), WAIT)
        s.sendall(b"GET /v1/models HTTP/1.1\r\nHost: x\r\n\r\n")
        self.assertIn(b"200 OK", s.recv(65536))
        s.close()

    def test_jitter_keeps_the_order(self):
        g = self.with_gateway("--jitter", "400ms", "--gap", "2ms")
        body = g.chat({"x-mock-stamp": "1", "x-mock-events": "50"}, stream=True, seed=7)[2]
        stamps = [json.loads(e)["mock_ns"] for e in events_of(body)[:-2]]
        self.assertEqual(stamps, sorted(stamps))
        self.assertEqual(text_of(body), text_of(g.chat(stream=True, seed=7, max_tokens=50)[2]))
        self.assertLess(g.stats()["lateness_us"]["p50"], 150000)  # jitter is not lateness

    def test_required_key(self):
        g = self.with_gateway("--require-key", "sk-right")
        for headers, status in (({}, 401), ({"Authorization": "Bearer sk-wrong"}, 401),
                                ({"Authorization": "Bearer sk-right"}, 200),
                                ({"Authorization": "sk-right"}, 200),
                                ({"x-api-key": "sk-right"}, 200)):
            got, _, body = g.chat(headers)
            self.assertEqual(got, status)
            if status == 401:
                self.assertEqual(json.loads(body)["error"]["code"], "invalid_api_key")
                self.assertNotIn(b"sk-wrong", body)

    def test_fault_rules_are_seeded(self):
        runs = []
        for _ in range(2):
            g = Gateway("--plain", "--seed", "5", "--fault", "status=500:0.3", "--ttft", "0")
            runs.append([g.chat()[0] for _ in range(40)])
            g.stop()
        self.assertEqual(runs[0], runs[1])
        self.assertTrue(3 < runs[0].count(500) < 25)

    def test_idle_connections_are_closed_and_told_so(self):
        g = self.with_gateway("--keepalive", "1s")
        s = g.connect()
        s.sendall(b"GET /v1/models HTTP/1.1\r\nHost: x\r\n\r\n")
        begin = time.monotonic()
        got, end = drain(s)
        s.close()
        self.assertIn(b"Keep-Alive: timeout=1\r\n", got)
        self.assertTrue(end == "clean" and 0.5 < time.monotonic() - begin < 5)

    def test_requests_max_closes(self):
        g = self.with_gateway("--requests-max", "2")
        s = g.connect()
        s.sendall(b"GET /v1/models HTTP/1.1\r\nHost: x\r\n\r\n" * 2)
        got, end = drain(s)
        s.close()
        self.assertEqual((got.count(b"200 OK"), got.count(b"Connection: close")), (2, 1))
        self.assertEqual(end, "clean")

    def test_connections_above_the_limit_wait(self):
        g = self.with_gateway("--conns-max", "3")
        held = [g.connect() for _ in range(3)]
        for s in held:
            s.sendall(b"GET /v1/models HTTP/1.1\r\nHost: x\r\n\r\n")
            self.assertTrue(s.recv(65536))
        late = g.connect()
        late.sendall(b"GET /stats HTTP/1.1\r\nHost: x\r\n\r\n")
        late.settimeout(0.3)
        with self.assertRaises((socket.timeout, TimeoutError)):
            late.recv(10)
        held.pop().close()
        late.settimeout(WAIT)
        self.assertIn(b"200 OK", late.recv(65536))
        for s in [late, *held]:
            s.close()

    def test_bad_options_are_usage_errors(self):
        for args in (["--nope"], ["--port"], ["--port", "x"], ["--fault", "nope"], ["--cert", "a"],
                     ["--plain=1"], ["--host", "example.com"]):
            r = subprocess.run([*COMMAND, *args], capture_output=True, text=True, timeout=WAIT)
            self.assertEqual((r.returncode, r.stdout), (2, ""), args)
            self.assertEqual(len(r.stderr.strip().split("\n")), 1, r.stderr)

    def test_help_names_every_fault(self):
        r = subprocess.run([*COMMAND, "--help"], capture_output=True, text=True, timeout=WAIT)
        self.assertEqual(r.returncode, 0)
        for word in ("--ca-out", "chunk-truncated", "x-mock-fault", "after-done"):
            self.assertIn(word, r.stdout)

    def test_ready_line_and_last_words(self):
        p = subprocess.Popen([*COMMAND], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                             text=True)
        line = p.stdout.readline()
        words = line.split()
        self.assertEqual((words[:2], words[3]), (["listening", "on"], "ca"))
        self.assertTrue(os.path.exists(words[4]))
        p.send_signal(signal.SIGINT)
        errors = p.communicate(timeout=WAIT)[1]
        self.assertEqual(p.returncode, 0)
        self.assertIn('"lateness_us"', errors)
        self.assertIn("connections at once", errors)
        self.assertFalse(os.path.exists(words[4]))


class Many(unittest.TestCase):
    def run_streams(self, g, count, events, gap_ms):
        """`count` streams at once, by hand -> the number of complete ones."""
        ask = (f"POST /v1/chat/completions?n={events}&ms={gap_ms}&ttft=500&seed=3 HTTP/1.1\r\n"
               "Host: x\r\nContent-Length: 2\r\n\r\n{}").encode()
        session, selector, left, done = None, selectors.DefaultSelector(), 0, 0
        if g.tls:
            session = g.session()
        for _ in range(count):
            s = g.connect(session)
            s.sendall(ask)
            s.setblocking(False)
            selector.register(s, selectors.EVENT_READ, bytearray())
            left += 1
        limit = time.monotonic() + WAIT
        while left and time.monotonic() < limit:
            for key, _ in selector.select(1):
                try:
                    piece = key.fileobj.recv(65536)
                except (BlockingIOError, ssl.SSLWantReadError):
                    continue
                key.data.extend(piece)
                if not piece or key.data.endswith(b"0\r\n\r\n"):
                    done += key.data.count(b"data: {") == events + 1 and b"data: [DONE]" in key.data
                    selector.unregister(key.fileobj)
                    key.fileobj.close()
                    left -= 1
        return done

    def test_a_thousand_streams_and_they_are_not_late(self):
        g = Gateway("--plain")
        self.assertEqual(self.run_streams(g, 1000, 20, 25), 1000)
        s = g.stats()
        print(f"  1000 plain: lateness {s['lateness_us']}, cpu {s['cpu']} s", file=sys.stderr)
        self.assertEqual((s["streams"], s["peak"], s["live"]), (1000, 1000, 0))
        self.assertEqual(s["events"], 1000 * 22)
        self.assertLess(s["lateness_us"]["p50"], 250000)
        self.assertEqual(g.stop()[0], 0)

    def test_tls_streams_resume(self):
        g = Gateway()
        self.assertEqual(self.run_streams(g, 200, 20, 25), 200)
        s = g.stats()
        print(f"  200 TLS: lateness {s['lateness_us']}, cpu {s['cpu']} s", file=sys.stderr)
        self.assertEqual(s["handshakes"]["resumed"], 200)
        self.assertEqual(g.stop()[0], 0)


if __name__ == "__main__":
    COMMAND = sys.argv[1:] or sys.exit(__doc__)
    unittest.main(argv=[sys.argv[0]], verbosity=1)
