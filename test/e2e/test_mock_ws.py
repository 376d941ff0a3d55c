#!/usr/bin/env python3
"""The gateway's WebSocket, looked at from outside: with python3-websockets, and with a socket of
raw frames where framing matters.

Each dialect must say the text that the same request gets over HTTP, turn after turn; handshakes
must be strict unless they are asked not to be; and every fault must be on the wire what its name
says."""
# ctest: e2e 120
import asyncio
import base64
import hashlib
import json
import os
import socket
import ssl
import struct
import sys
import unittest
import urllib.request

import mock

sys.path.append("/usr/lib/python3/dist-packages")  # Debian's, whichever Python runs this
try:
    import websockets
except ImportError:
    websockets = None

WAIT = 20
GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
ENDS = ("response.completed", "response.incomplete", "response.done", "error")


class Raw:
    """A socket by hand -> frames as (final, opcode, payload)."""

    def __init__(self, gateway, path, headers="", behind=b""):
        self.socket = socket.create_connection(("127.0.0.1", gateway.port), WAIT)
        if gateway.ca:
            context = ssl.create_default_context(cafile=gateway.ca)
            self.socket = context.wrap_socket(self.socket, server_hostname="localhost")
        self.key = base64.b64encode(os.urandom(16)).decode()
        self.socket.sendall((f"GET {path} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
                             f"Connection: Upgrade\r\nSec-WebSocket-Key: {self.key}\r\n"
                             f"Sec-WebSocket-Version: 13\r\n{headers}\r\n").encode() + behind)
        self.got = b""
        while b"\r\n\r\n" not in self.got:
            piece = self.socket.recv(65536)
            if not piece:
                break
            self.got += piece
        self.head, _, self.got = self.got.partition(b"\r\n\r\n")

    def need(self, size):
        while len(self.got) < size:
            piece = self.socket.recv(65536)
            if not piece:
                raise EOFError
            self.got += piece

    def frame(self):
        self.need(2)
        first, size = self.got[0], self.got[1]
        assert size < 128 and not first & 0x70, "a server does not mask or use reserved bits"
        extra = {126: 2, 127: 8}.get(size, 0)
        self.need(2 + extra)
        if extra:
            size = int.from_bytes(self.got[2:2 + extra], "big")
        self.need(2 + extra + size)
        payload = self.got[2 + extra:2 + extra + size]
        self.got = self.got[2 + extra + size:]
        return bool(first & 0x80), first & 15, payload

    def send(self, payload, opcode=TEXT, final=True, first=0, mask=True):
        if isinstance(payload, str):
            payload = payload.encode()
        self.socket.sendall(masked(payload, opcode, final, first, mask))

    def message(self):
        final, opcode, payload = self.frame()
        while not final:
            final, _, piece = self.frame()
            payload += piece
        return opcode, payload

    def close(self):
        self.socket.close()


def masked(payload, opcode=TEXT, final=True, first=0, mask=True):
    bit, size = 0x80 if mask else 0, len(payload)
    head = bytes([(0x80 if final else 0) | first | opcode])
    if size < 126:
        head += bytes([bit | size])
    elif size < 65536:
        head += bytes([bit | 126]) + struct.pack(">H", size)
    else:
        head += bytes([bit | 127]) + struct.pack(">Q", size)
    if not mask:
        return head + payload
    key = os.urandom(4)
    return head + key + bytes(b ^ key[i & 3] for i, b in enumerate(payload))


class Sockets(unittest.TestCase):
    args = ()

    @classmethod
    def setUpClass(cls):
        cls.g = mock.Mock("--ttft", "2ms", "--gap", "1ms", "--events", "8", "--plain", *cls.args)
        cls.url = f"ws://127.0.0.1:{cls.g.port}"

    @classmethod
    def tearDownClass(cls):
        cls.g.stop()
        if cls.g.process.returncode:  # sanitizers and leaks show here
            raise AssertionError(f"the gateway ended: {cls.g.text()}")

    def raw(self, path, *args, **more):
        raw = Raw(self.g, path, *args, **more)
        self.addCleanup(raw.close)
        return raw

    def http(self, **fields):
        """The text of the same question over HTTP."""
        request = urllib.request.Request(f"{self.g.url}/v1/chat/completions",
                                         json.dumps({"model": "m", **fields}).encode())
        with urllib.request.urlopen(request, timeout=WAIT) as answer:
            return json.load(answer)["choices"][0]["message"]["content"]

    def stats(self):
        with urllib.request.urlopen(f"{self.g.url}/stats", timeout=WAIT) as answer:
            return json.load(answer)


class Handshakes(Sockets):
    args = ("--require-key", "sk-right")
    KEY = "Authorization: Bearer sk-right\r\n"

    def test_accept_is_the_rfcs_and_extensions_are_not_taken(self):
        raw = self.raw("/ws/echo", self.KEY + "Sec-WebSocket-Extensions: permessage-deflate\r\n")
        accept = base64.b64encode(hashlib.sha1((raw.key + GUID).encode()).digest()).decode()
        self.assertTrue(raw.head.startswith(b"HTTP/1.1 101 "))
        self.assertIn(f"Sec-WebSocket-Accept: {accept}".encode(), raw.head)
        self.assertNotIn(b"Extensions", raw.head)
        self.assertNotIn(b"Protocol:", raw.head)

    def test_the_key_comes_by_header_or_subprotocol(self):
        for header, status in (("", b"401"), ("Authorization: Bearer sk-wrong\r\n", b"401"),
                               (self.KEY, b"101"), ("x-api-key: sk-right\r\n", b"101"),
                               ("Sec-WebSocket-Protocol: realtime, "
                                "openai-insecure-api-key.sk-right, x\r\n", b"101"),
                               ("Sec-WebSocket-Protocol: realtime, "
                                "openai-insecure-api-key.sk-wrong\r\n", b"401")):
            raw = self.raw("/v1/realtime", header)
            self.assertEqual(raw.head.split()[1], status, header)
            if "realtime" in header and status == b"101":
                self.assertIn(b"Sec-WebSocket-Protocol: realtime\r\n", raw.head + b"\r\n")

    def test_a_bad_handshake_is_answered_over_http(self):
        raw = self.raw("/ws/echo", self.KEY + "Sec-WebSocket-Version: 12\r\n")
        self.assertEqual(raw.head.split()[1], b"101")  # the first of two counts
        raw = self.raw("/v1/nowhere", self.KEY)
        self.assertEqual(raw.head.split()[1], b"404")
        raw = self.raw("/ws/echo", self.KEY + "x-mock-fault: status=503\r\n")
        self.assertEqual(raw.head.split()[1], b"503")

    def test_handshakes_can_be_wrong_on_purpose(self):
        raw = self.raw("/ws/echo?accept=wrong", self.KEY)
        accept = base64.b64encode(hashlib.sha1((raw.key + GUID).encode()).digest())
        self.assertTrue(b"101" in raw.head and accept not in raw.head)
        self.assertNotIn(b"Sec-WebSocket-Accept", self.raw("/ws/echo?accept=none", self.KEY).head)
        self.assertIn(b"Protocol: alien", self.raw("/ws/echo?alien=1", self.KEY).head)

    def test_frames_behind_the_handshake_are_not_lost(self):
        raw = self.raw("/ws/echo", self.KEY, behind=masked(b"early"))
        self.assertEqual(raw.frame(), (True, TEXT, b"early"))


class Frames(Sockets):
    def test_echo_of_every_length_and_kind(self):
        raw = self.raw("/ws/echo")
        for size in (0, 1, 125, 126, 65535, 65536, 300000):
            for opcode in (TEXT, BINARY):
                raw.send(b"x" * size, opcode)
                self.assertEqual(raw.frame(), (True, opcode, b"x" * size))

    def test_fragments_both_ways_and_controls_between_them(self):
        raw = self.raw("/ws/echo?fragment=4")
        raw.send(b"abc", TEXT, final=False)
        raw.send(b"hi", PING)
        raw.send(b"defgh", 0)
        self.assertEqual(raw.frame(), (True, PONG, b"hi"))
        self.assertEqual([raw.frame() for _ in range(2)],
                         [(False, TEXT, b"abcd"), (True, 0, b"efgh")])

    def test_a_byte_at_a_time(self):
        raw = self.raw("/ws/echo")
        for byte in masked(b"hello" * 40):
            raw.socket.sendall(bytes([byte]))
        self.assertEqual(raw.frame()[2], b"hello" * 40)

    def test_what_a_client_may_not_do_closes_with_1002(self):
        for frame in (masked(b"x", mask=False), masked(b"x", first=0x40), masked(b"x", 3),
                      masked(b"x", 0), masked(b"x", PING, final=False), masked(b"x" * 126, PING),
                      masked(b"x", 11), masked(b"a", final=False) + masked(b"b")):
            raw = self.raw("/ws/echo")
            raw.socket.sendall(frame)
            _, opcode, payload = raw.frame()
            self.assertEqual((opcode, payload[:2]), (CLOSE, b"\x03\xea"), frame[:8])
            self.assertRaises(EOFError, raw.frame)

    def test_a_message_too_big_closes_with_1009(self):
        raw = self.raw("/ws/echo")
        raw.socket.sendall(b"\x81\xff" + struct.pack(">Q", 1 << 40) + b"abcd")
        self.assertEqual(raw.frame()[2][:2], b"\x03\xf1")

    def test_closing_from_both_sides(self):
        raw = self.raw("/ws/echo")
        raw.send(struct.pack(">H", 4000) + b"bye", CLOSE)
        self.assertEqual(raw.frame()[1:], (CLOSE, struct.pack(">H", 4000)))
        self.assertRaises(EOFError, raw.frame)
        raw = self.raw("/ws/echo?close=4001&after=2")
        raw.send("a"), raw.send("b")
        self.assertEqual([raw.frame()[2] for _ in range(2)], [b"a", b"b"])
        _, opcode, payload = raw.frame()
        self.assertEqual((opcode, payload[:2]), (CLOSE, struct.pack(">H", 4001)))
        raw.send(payload[:2], CLOSE)
        self.assertRaises(EOFError, raw.frame)

    def test_a_close_that_is_not_answered_and_one_that_keeps_the_connection(self):
        for script, answered in (("noclose=1", False), ("hold=1", True)):
            raw = self.raw(f"/ws/echo?{script}")
            raw.send(struct.pack(">H", 1000), CLOSE)
            raw.socket.settimeout(0.4)
            if answered:
                self.assertEqual(raw.frame()[1], CLOSE)
            with self.assertRaises((TimeoutError, socket.timeout)):
                raw.frame()

    def test_pings_without_end(self):
        raw = self.raw("/ws/echo?pings=1000")
        self.assertEqual({raw.frame()[1] for _ in range(1000)}, {PING})
        raw.send("x")
        self.assertEqual(raw.frame()[2], b"x")


def whole(event):
    return event["type"] in ENDS


class Turns(Sockets):
    def turn(self, raw, ask):
        """-> events up to the end of the turn."""
        raw.send(json.dumps(ask))
        events = []
        while not events or not whole(events[-1]):
            opcode, payload = raw.message()
            if opcode == TEXT:
                events.append(json.loads(payload))
        return events

    def chat(self, raw, **fields):
        raw.send(json.dumps({"model": "m", "messages": [], **fields}))
        chunks = []
        while not chunks or "error" not in chunks[-1] and \
                not chunks[-1]["choices"][0]["finish_reason"]:
            chunks.append(json.loads(raw.message()[1]))
        return chunks

    def test_chat_speaks_in_deltas_or_messages_turn_after_turn(self):
        for form, field, kind in (("", "delta", "chat.completion.chunk"),
                                  ("?form=message", "message", "chat.completion")):
            raw = self.raw(f"/v1/chat/ws{form}")
            for seed in range(3):
                chunks = self.chat(raw, seed=seed, max_tokens=20)
                text = "".join(c["choices"][0][field].get("content", "") for c in chunks)
                self.assertEqual(text, self.http(seed=seed, max_tokens=20))
                self.assertEqual({c["object"] for c in chunks}, {kind})
                self.assertEqual(chunks[-1]["choices"][0]["finish_reason"], "stop")

    def test_chat_in_one_object_with_usage_done_and_errors(self):
        raw = self.raw("/v1/chat/ws?done=1")
        one = self.chat(raw, seed=3, max_tokens=9, stream=False)
        self.assertEqual(one[0]["choices"][0]["message"]["content"],
                         self.http(seed=3, max_tokens=9))
        self.chat(raw, seed=3, stream_options={"include_usage": True})
        self.assertEqual(json.loads(raw.message()[1])["usage"]["completion_tokens"], 8)
        self.assertEqual(raw.message()[1], b"[DONE]")
        raw.send("{")
        self.assertIn("error", json.loads(raw.message()[1]))
        self.assertEqual(len(self.chat(raw, seed=3)), 9)

    def test_turns_that_were_asked_for_together_come_one_behind_the_other(self):
        raw = self.raw("/v1/chat/ws")
        for seed in range(3):
            raw.send(json.dumps({"seed": seed, "max_tokens": 4}))
        ids = [json.loads(raw.message()[1])["id"] for _ in range(15)]
        self.assertEqual(ids, sorted(ids))
        self.assertEqual(len(set(ids)), 3)

    def test_responses(self):
        raw = self.raw("/v1/responses")
        for seed in range(2):
            events = self.turn(raw, {"type": "response.create", "seed": seed, "input": "x",
                                     "model": "m", "max_output_tokens": 12})
            self.assertEqual([e["sequence_number"] for e in events], list(range(len(events))))
            self.assertEqual([e["type"] for e in events[:4]],
                             ["response.created", "response.in_progress",
                              "response.output_item.added", "response.content_part.added"])
            deltas = "".join(e["delta"] for e in events if e["type"].endswith("text.delta"))
            self.assertEqual(deltas, self.http(seed=seed, max_tokens=12))
            last = events[-1]["response"]
            self.assertEqual((last["status"], last["output"][0]["content"][0]["text"]),
                             ("completed", deltas))
            self.assertEqual(last["usage"]["output_tokens"], 12)

    def test_realtime_today_and_in_its_beta(self):
        for header, name, item in (
                ("", "response.output_text.delta", "conversation.item.added"),
                ("OpenAI-Beta: realtime=v1\r\n", "response.text.delta",
                 "conversation.item.created")):
            raw = self.raw("/v1/realtime?model=m", header)
            session = json.loads(raw.message()[1])
            self.assertEqual((session["type"], session["session"]["model"]),
                             ("session.created", "m"))
            raw.send(json.dumps({"type": "conversation.item.create",
                                 "item": {"type": "message", "role": "user", "content": []}}))
            for seed in range(2):
                events = self.turn(raw, {"type": "response.create", "response": {
                    "max_output_tokens": 12, "metadata": {"seed": str(seed)}}})
                deltas = "".join(e["delta"] for e in events if e["type"] == name)
                self.assertEqual(deltas, self.http(seed=seed, max_tokens=12))
                self.assertEqual(events[-1]["response"]["status"], "completed")
                if seed == 0:
                    self.assertIn(item, [e["type"] for e in events])
                self.assertEqual(json.loads(raw.message()[1])["type"], "rate_limits.updated")

    def test_a_realtime_turn_can_be_cancelled(self):
        raw = self.raw("/v1/realtime", "x-mock-gap-ms: 20\r\nx-mock-events: 1000\r\n")
        raw.send('{"type":"response.create"}')
        while b"delta" not in raw.message()[1]:
            pass
        raw.send('{"type":"response.cancel"}')
        events = [json.loads(raw.message()[1])]
        while not whole(events[-1]):
            events.append(json.loads(raw.message()[1]))
        self.assertEqual(events[-1]["response"]["status"], "cancelled")
        self.assertLess(len(events), 20)

    def test_faults_of_a_turn(self):
        ask = {"type": "response.create", "input": "x"}
        raw = self.raw("/v1/responses", "x-mock-fault: error=2\r\n")
        self.assertEqual(self.turn(raw, ask)[-1]["type"], "error")
        raw = self.raw("/v1/responses", "x-mock-finish: length\r\n")
        self.assertEqual(self.turn(raw, ask)[-1]["type"], "response.incomplete")
        raw = self.raw("/v1/chat/ws", "x-mock-fault: ws-close\r\n")
        raw.send("{}")
        self.assertEqual(raw.frame()[1:], (CLOSE, struct.pack(">H", 4001) + b"gateway_error"))
        raw = self.raw("/v1/chat/ws", "x-mock-fault: truncate=300;ws-close=4001\r\n")
        raw.send("{}")
        frames = [raw.frame()]
        while frames[-1][1] == TEXT:
            frames.append(raw.frame())
        self.assertEqual((len(frames), frames[-1][2][:2]), (2, struct.pack(">H", 4001)))
        raw = self.raw("/v1/chat/ws", "x-mock-fault: comments=2\r\n")
        raw.send("{}")
        self.assertEqual([raw.frame()[1] for _ in range(3)], [PING, PING, TEXT])
        raw = self.raw("/v1/chat/ws", "x-mock-fault: big=100000\r\n")
        self.assertGreater(len(self.chat(raw)[0]["choices"][0]["delta"]["content"]), 99999)

    def test_a_cut_connection_ends_inside_a_frame(self):
        for fault in ("close=300", "reset=300"):
            raw = self.raw("/v1/chat/ws", f"x-mock-fault: {fault}\r\n")
            raw.send("{}")
            with self.assertRaises((EOFError, ConnectionResetError)):
                while True:
                    raw.frame()

    def test_counters(self):
        before = self.stats()["ws"]
        raw = self.raw("/v1/chat/ws", "x-mock-request: a\r\n")
        self.chat(raw, metadata={"request": "b"})
        after = self.stats()
        self.assertEqual(after["ws"]["requests"] - before["requests"], 1)
        self.assertEqual(after["ws"]["connections"] - before["connections"], 1)
        self.assertEqual(after["ws"]["received"] - before["received"], 1)
        self.assertEqual(after["ws"]["sent"] - before["sent"], 9)
        self.assertEqual((after["ids"]["distinct"], after["ids"]["repeated"]), (2, 0))


@unittest.skipUnless(websockets, "python3-websockets is not installed")
class Library(Sockets):
    def test_a_hundred_sockets_of_python_at_once(self):
        async def one(seed):
            async with websockets.connect(f"{self.url}/v1/chat/ws") as socket_:
                text = ""
                await socket_.send(json.dumps({"seed": seed, "max_tokens": 10}))
                while True:
                    choice = json.loads(await socket_.recv())["choices"][0]
                    text += choice["delta"].get("content", "")
                    if choice["finish_reason"]:
                        return text

        async def every():
            return await asyncio.wait_for(asyncio.gather(*map(one, range(100))), WAIT)
        texts = asyncio.run(every())
        self.assertEqual(len(set(texts)), 100)
        self.assertEqual(texts[7], self.http(seed=7, max_tokens=10))

    def test_echo_ping_and_close(self):
        async def talk():
            async with websockets.connect(f"{self.url}/ws/echo", subprotocols=["a"]) as s:
                await s.send("x" * 100000)
                await (await s.ping())
                return s.subprotocol, len(await s.recv())
        self.assertEqual(asyncio.run(talk()), ("a", 100000))


class Secure(unittest.TestCase):
    def test_sockets_over_tls_have_one_record_a_message(self):
        with mock.Mock("--ttft", "2ms", "--gap", "1ms", "--events", "8") as gateway:
            raw = Raw(gateway, "/v1/chat/ws")
            raw.send("{}")
            for _ in range(8):
                self.assertEqual(json.loads(raw.message()[1])["object"], "chat.completion.chunk")
            raw.close()


if __name__ == "__main__":
    mock.main()
