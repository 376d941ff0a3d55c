#!/usr/bin/env python3
"""The gateway's HTTP/2, looked at from outside: with python3-h2, a session of its own making, with
h2load, nghttp and curl, and with TLS records counted one by one.

Each fault must be on the wire what its name says; what one version of HTTP answers must be what the
other does, byte for byte; and a thousand streams must go through a few connections."""
# ctest: e2e 180
import json
import re
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import unittest

import mock

sys.path.append("/usr/lib/python3/dist-packages")  # Debian's, whichever Python runs this
try:
    import h2.config
    import h2.connection
    import h2.errors
    import h2.events
    import h2.exceptions
    import h2.settings
except ImportError:
    h2 = None

WAIT = 20
QUICK = ("--ttft", "2ms", "--gap", "1ms", "--events", "8")
ASK = {"model": "gpt-5", "stream": True, "seed": 7, "messages": []}


def end(gateway):
    """It must have lived until now, and leave in order: sanitizers and leaks show here."""
    gateway.stop()
    if gateway.process.returncode:
        raise AssertionError(f"the gateway ended ({gateway.process.returncode}): {gateway.text()}")


class Stream:
    def __init__(self):
        self.headers, self.informational, self.frames = {}, [], []
        self.body, self.ended, self.reset = b"", False, None

    def over(self):
        return self.ended or self.reset is not None


class Client:
    """One connection of python3-h2. TLS goes through memory, so that records can be counted."""

    def __init__(self, gateway, alpn=("h2",), window=1 << 24, tls=None):
        self.socket = socket.create_connection(("127.0.0.1", gateway.port), WAIT)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.tls, self.records, self.cipher = None, [], b""
        if gateway.ca and tls is not False:
            self.shake(gateway, alpn)
        self.streams, self.goaway, self.pings, self.closed = {}, None, 0, False
        self.settings, self.plain = [], b""
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
        self.h2.max_inbound_frame_size = 16384
        self.h2.initiate_connection()
        self.h2.update_settings({h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: window})
        self.h2.increment_flow_control_window(window)
        self.flush()

    def shake(self, gateway, alpn):
        context = ssl.create_default_context(cafile=gateway.ca)
        context.set_alpn_protocols(list(alpn))
        self.inward, self.outward = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.inward, self.outward, server_hostname="localhost")
        while True:
            try:
                self.tls.do_handshake()
                self.socket.sendall(self.outward.read())
                return
            except ssl.SSLWantReadError:
                self.socket.sendall(self.outward.read())
                self.take(self.socket.recv(65536))

    def take(self, cipher):
        """Ciphertext -> memory, counting the records of application data."""
        self.inward.write(cipher)
        self.cipher += cipher
        while len(self.cipher) >= 5:
            size = int.from_bytes(self.cipher[3:5], "big")
            if len(self.cipher) < 5 + size:
                break
            if self.cipher[0] == 23:
                self.records.append(size)
            self.cipher = self.cipher[5 + size:]

    def flush(self):
        out = self.h2.data_to_send()
        if self.tls:
            self.tls.write(out) if out else None
            out = self.outward.read()
        try:
            self.socket.sendall(out)
        except OSError:
            self.closed = True

    def receive(self):
        """Plaintext, b"" at the end."""
        if not self.tls:
            return self.socket.recv(65536)
        while True:
            try:
                return self.tls.read(65536)
            except ssl.SSLWantReadError:
                cipher = self.socket.recv(65536)
                if not cipher:
                    return b""
                self.take(cipher)
            except ssl.SSLError:
                return b""

    def ask(self, path="/v1/chat/completions", body=ASK, headers=(), method="POST", end=True):
        """Starts a stream -> its id."""
        sid = self.h2.get_next_available_stream_id()
        self.streams[sid] = Stream()
        payload = b"" if body is None else body if isinstance(body, bytes) else \
            json.dumps(body).encode()
        self.h2.send_headers(sid, [(":method", method), (":path", path), (":scheme", "https"),
                                   (":authority", "localhost"), *headers],
                             end_stream=end and not payload)
        if payload:
            self.h2.send_data(sid, payload, end_stream=end)
        return sid

    def note(self, event):
        stream = self.streams.get(getattr(event, "stream_id", 0) or 0)
        if isinstance(event, h2.events.ResponseReceived):
            stream.headers = dict(event.headers)
        elif isinstance(event, h2.events.InformationalResponseReceived):
            stream.informational.append(dict(event.headers))
        elif isinstance(event, h2.events.DataReceived):
            stream.frames.append(event.data)
            stream.body += event.data
            if event.flow_controlled_length:
                self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, h2.events.StreamEnded):
            stream.ended = True
        elif isinstance(event, h2.events.StreamReset) and stream:
            stream.reset = int(event.error_code)
        elif isinstance(event, h2.events.PingReceived):
            self.pings += 1
        elif isinstance(event, h2.events.RemoteSettingsChanged):
            self.settings.append({int(k): v.new_value for k, v in event.changed_settings.items()})

    def turn(self, seconds):
        """Takes what comes within the time. False: nothing came, or it is the end."""
        self.flush()
        self.socket.settimeout(seconds)
        try:
            got = self.receive()
        except (TimeoutError, socket.timeout):
            return False
        except OSError:
            got = b""
        if not got:
            self.closed = True
            return False
        try:
            for event in self.h2.receive_data(self.without_goaway(got)):
                self.note(event)
        except h2.exceptions.ProtocolError:
            self.closed = True
        self.flush()
        return not self.closed

    def without_goaway(self, got):
        """Whole frames but GOAWAY, behind which python3-h2 would take no more."""
        self.plain += got
        out = b""
        while len(self.plain) >= 9:
            size = 9 + int.from_bytes(self.plain[:3], "big")
            if len(self.plain) < size:
                break
            frame, self.plain = self.plain[:size], self.plain[size:]
            if frame[3] == 7:
                self.goaway = (int.from_bytes(frame[9:13], "big"),
                               int.from_bytes(frame[13:17], "big"))
            else:
                out += frame
        return out

    def run(self, *ids, seconds=WAIT):
        """Until these streams are over, or the connection is, or the time."""
        until = time.monotonic() + seconds
        while not all(self.streams[i].over() for i in ids) and not self.closed:
            if time.monotonic() > until:
                break
            self.turn(max(0.01, min(1, until - time.monotonic())))
        return [self.streams[i] for i in ids]

    def one(self, *args, seconds=WAIT, **more):
        return self.run(self.ask(*args, **more), seconds=seconds)[0]

    def upload(self, sid, payload):
        """Sends a body as the peer's window allows."""
        at = 0
        while at < len(payload):
            room = min(self.h2.local_flow_control_window(sid), 16384, len(payload) - at)
            if room <= 0:
                if not self.turn(WAIT):
                    return False
                continue
            self.h2.send_data(sid, payload[at:at + room])
            at += room
            self.flush()
        self.h2.end_stream(sid)
        self.flush()
        return True

    def close(self):
        self.socket.close()


@unittest.skipUnless(h2, "python3-h2 is not installed")
class Session(unittest.TestCase):
    def gateway(self, *options):
        gateway = mock.Mock(*QUICK, *options)
        self.addCleanup(end, gateway)
        return gateway

    def client(self, gateway, **more):
        client = Client(gateway, **more)
        self.addCleanup(client.close)
        return client

    def stats(self, gateway):
        return json.loads(self.client(gateway).one("/stats", None, method="GET").body)

    def fault(self, gateway, fault, *more, **options):
        client = self.client(gateway)
        return client, client.one(headers=[("x-mock-fault", fault), *more], **options)


class Basics(Session):
    def test_alpn_and_prior_knowledge_choose_the_version(self):
        both, plain = self.gateway(), self.gateway("--plain")
        self.assertEqual(self.client(both).tls.selected_alpn_protocol(), "h2")
        models = self.client(plain).one("/v1/models", None, method="GET")
        self.assertEqual(models.headers[":status"], "200")
        for gateway, alpn, chosen in ((both, ["http/1.1"], "http/1.1"),
                                      (both, ["http/1.1", "h2"], "h2"),
                                      (self.gateway("--h2", "off"), ["h2", "http/1.1"],
                                       "http/1.1")):
            context = ssl.create_default_context(cafile=gateway.ca)
            context.set_alpn_protocols(alpn)
            with socket.create_connection(("127.0.0.1", gateway.port), WAIT) as raw:
                with context.wrap_socket(raw, server_hostname="localhost") as s:
                    self.assertEqual(s.selected_alpn_protocol(), chosen)

    def test_the_preface_may_come_byte_by_byte_and_other_text_is_http1(self):
        gateway = self.gateway("--plain")
        for text, answer in ((b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(3) + b"\4" + bytes(5),
                              b"\0\0\x0c\4"),
                             (b"PUT /x HTTP/1.1\r\nHost: x\r\n\r\n", b"HTTP/1.1 404"),
                             (b"GET /v1/models HTTP/1.1\r\nHost: x\r\n\r\n", b"HTTP/1.1 200")):
            with socket.create_connection(("127.0.0.1", gateway.port), WAIT) as s:
                s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                for at in range(len(text)):
                    s.sendall(text[at:at + 1])
                self.assertTrue(s.recv(4096).startswith(answer), text)

    def test_only_h2_refuses_http1(self):
        gateway = self.gateway("--h2", "only", "--plain")
        with socket.create_connection(("127.0.0.1", gateway.port), WAIT) as s:
            s.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            self.assertNotIn(b"HTTP/1.1", s.recv(4096))

    def test_both_versions_say_the_same(self):
        gateway = self.gateway()
        for path, body in (("/v1/chat/completions", ASK),
                           ("/v1/chat/completions", {**ASK, "stream": False}),
                           ("/v1/completions", {**ASK, "prompt": "x"}),
                           ("/v1/responses", {"input": "x", "stream": True, "seed": 7})):
            new = self.client(gateway).one(path, body).body
            old = subprocess.run(["curl", "-sS", "--http1.1", "--cacert", gateway.ca, "-d",
                                  json.dumps(body), f"https://localhost:{gateway.port}{path}"],
                                 capture_output=True, timeout=WAIT, check=True).stdout

            def plain(text):
                text = re.sub(rb'"(chatcmpl-|cmpl-|resp_|msg_)[0-9a-f]+"', b'"id"', text)
                return re.sub(rb'"(prompt|total|input)_tokens":\d+', b'"tokens"', text)
            self.assertEqual(plain(new), plain(old))

    def test_one_frame_and_one_record_an_event(self):
        client = self.client(self.gateway("--gap", "0"))
        stream = client.one(body={**ASK, "max_tokens": 100})
        self.assertEqual(len(stream.frames), 102)
        for frame in stream.frames:
            self.assertTrue(frame.startswith(b"data: ") and frame.endswith(b"\n\n"))
            self.assertEqual(client.records.count(len(frame) + 9 + 24) > 0, True)
        self.assertGreaterEqual(len(client.records), 103)

    def test_coalesced_frames_share_records(self):
        client = self.client(self.gateway("--gap", "0", "--h2-coalesce"))
        stream = client.one(body={**ASK, "max_tokens": 100})
        self.assertEqual(len(stream.frames), 102)
        self.assertLess(len(client.records), 20)

    def test_settings_and_windows_are_told(self):
        client = self.client(self.gateway("--h2-streams", "7", "--h2-window", "64K"))
        client.one("/v1/models", None, method="GET")
        said = {k: v for s in client.settings for k, v in s.items()}
        self.assertEqual((said[3], said[4]), (7, 65536))

    def test_an_upload_larger_than_the_window(self):
        gateway = self.gateway("--h2-window", "64K", "--h2-window-delay", "50ms")
        client, begin = self.client(gateway), time.monotonic()
        body = json.dumps({**ASK, "user": "x" * 300000}).encode()
        sid = client.ask(body=None, end=False)
        self.assertTrue(client.upload(sid, body))
        self.assertEqual(client.run(sid)[0].headers[":status"], "200")
        self.assertGreater(time.monotonic() - begin, 0.15)  # 300 KB in turns of 64 KB

    def test_slow_reader_holds_back_one_request_alone(self):
        gateway = self.gateway("--h2-window", "64K")
        slow = self.client(gateway)
        sid = slow.ask(body=None, headers=[("x-mock-fault", "slow-reader=400")], end=False)
        begin = time.monotonic()
        self.assertTrue(slow.upload(sid, json.dumps({**ASK, "user": "x" * 100000}).encode()))
        slow.run(sid)
        self.assertGreater(time.monotonic() - begin, 0.35)

    def test_tasks_and_their_content_with_ranges(self):
        client = self.client(self.gateway("--task-queued", "1ms", "--task-time", "1ms"))
        submitted = client.one("/v1/video/generations", {"prompt": "x", "seed": 9, "model": "m"})
        task = json.loads(submitted.body)["id"]
        time.sleep(0.05)
        self.assertIn(b"completed", client.one(f"/v1/videos/{task}", None, method="GET").body)
        path = f"/v1/videos/{task}/content"
        whole = client.one(path, None, method="GET")
        self.assertEqual((len(whole.body), whole.headers["content-length"]), (65536, "65536"))
        part = client.one(path, None, method="GET", headers=[("range", "bytes=100-199")])
        self.assertEqual((part.headers[":status"], part.body), ("206", whole.body[100:200]))
        head = client.one(path, None, method="HEAD")
        self.assertEqual((head.headers["content-length"], head.body, head.ended),
                         ("65536", b"", True))

    def test_a_stream_without_window_waits_and_its_siblings_do_not(self):
        gateway = self.gateway("--gap", "0")
        client = self.client(gateway, window=1 << 16)
        held = client.ask(body={**ASK, "max_tokens": 2000})
        client.flush()
        taken = client.note

        def keep(event):  # the first stream's window is never given back
            if isinstance(event, h2.events.DataReceived) and event.stream_id == held:
                client.streams[held].body += event.data
                client.h2.increment_flow_control_window(event.flow_controlled_length)
                return
            taken(event)
        client.note = keep
        for _ in range(5):
            self.assertTrue(client.one(body={**ASK, "max_tokens": 50}).ended)
        self.assertFalse(client.streams[held].over())
        self.assertLessEqual(len(client.streams[held].body), 1 << 17)
        client.h2.reset_stream(held)
        self.assertTrue(client.one("/v1/models", None, method="GET").ended)
        self.assertEqual(self.stats(gateway)["aborted"], 1)

    def test_pings_are_answered_and_idle_connections_told(self):
        gateway = self.gateway("--keepalive", "1s")
        client = self.client(gateway)
        client.h2.ping(b"12345678")
        client.one("/v1/models", None, method="GET")
        client.turn(3)
        while client.turn(3):
            pass
        self.assertTrue(client.closed)
        self.assertEqual(client.goaway[1], 0)
        self.assertEqual(self.stats(gateway)["h2"]["pings"], 1)

    def test_a_broken_peer_ends_its_connection_alone(self):
        gateway = self.gateway("--plain")
        for junk in (b"\xff" * 64, b"\0\0\1\0\0\0\0\0\1x", b"\0\0\4\3\0\0\0\0\5\0\0\0\0"):
            with socket.create_connection(("127.0.0.1", gateway.port), WAIT) as s:
                s.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(3) + b"\4" + bytes(5) + junk)
                s.settimeout(WAIT)
                while s.recv(65536):
                    pass
        self.assertTrue(self.client(gateway).one().ended)


class Faults(Session):
    @classmethod
    def setUpClass(cls):
        if h2:
            cls.g = mock.Mock(*QUICK)

    @classmethod
    def tearDownClass(cls):
        if h2:
            end(cls.g)

    def test_resets(self):
        for fault, code in (("refused", 7), ("http11required", 13), ("rst=8", 8),
                            ("reset=100", 2), ("reset=100;rst=11", 11)):
            client, stream = self.fault(self.g, fault)
            self.assertEqual((stream.reset, len(stream.body)),
                             (code, 100 if "reset" in fault else 0), fault)
            self.assertTrue(client.one().ended, fault)  # the connection lives

    def test_a_cut_ends_the_stream_or_the_connection(self):
        _, stream = self.fault(self.g, "truncate=100")
        self.assertEqual((stream.ended, len(stream.body)), (True, 100))
        client, stream = self.fault(self.g, "close=100")
        self.assertEqual((stream.over(), client.closed, len(stream.body)), (False, True, 100))
        client, stream = self.fault(self.g, "stall=100", seconds=0.5)
        self.assertEqual((stream.over(), client.closed, len(stream.body)), (False, False, 100))
        self.assertTrue(client.one().ended)

    def test_an_end_is_followed_by_a_reset(self):
        client = self.client(self.g)
        raw = b""
        sid = client.ask(headers=[("x-mock-fault", "rst-after=8")])
        take = client.receive

        def receive():
            nonlocal raw
            got = take()
            raw += got
            return got
        client.receive = receive
        client.run(sid)
        client.turn(0.3)
        self.assertTrue(client.streams[sid].ended)
        self.assertIn(b"\0\0\4\3\0" + sid.to_bytes(4, "big") + b"\0\0\0\x08", raw)

    def test_goaway_in_mid_burst_loses_and_doubles_nothing(self):
        for _ in range(3):
            gateway = self.gateway()
            client = self.client(gateway)
            ids = [client.ask(headers=[("x-mock-request", f"r{i}")] +
                              ([("x-mock-fault", "goaway")] if i == 6 else []))
                   for i in range(10)]
            client.run(*ids[:6])
            while not client.closed and client.turn(1):
                pass
            self.assertEqual(client.goaway[0], ids[5])
            self.assertEqual([client.streams[i].ended for i in ids], [True] * 6 + [False] * 4)
            again = self.client(gateway)
            left = [again.ask(headers=[("x-mock-request", f"r{i}")]) for i in range(6, 10)]
            self.assertTrue(all(s.ended for s in again.run(*left)))
            counts = self.stats(gateway)
            self.assertEqual(counts["ids"],
                             {"distinct": 10, "repeated": 0, "done": 10, "done_again": 0})
            self.assertEqual(counts["h2"]["goaways"], 1)

    def test_requests_max_is_a_goaway(self):
        gateway = self.gateway("--requests-max", "3")
        client = self.client(gateway)
        ids = [client.ask() for _ in range(5)]
        client.run(*ids[:3])
        while not client.closed and client.turn(1):
            pass
        self.assertEqual((client.goaway[0], client.closed), (ids[2], True))
        self.assertEqual([client.streams[i].ended for i in ids], [True] * 3 + [False] * 2)

    def test_a_request_begun_twice_is_seen(self):
        gateway = self.gateway()
        client = self.client(gateway)
        for _ in range(2):
            client.one(headers=[("x-mock-request", "same")])
        client.one(headers=[("idempotency-key", "other")])
        self.assertEqual(self.stats(gateway)["ids"],
                         {"distinct": 2, "repeated": 1, "done": 2, "done_again": 1})

    def test_empty_frames_bytes_and_interim_answers(self):
        _, stream = self.fault(self.g, "empty-data=50")
        self.assertEqual(stream.frames[:50], [b""] * 50)
        self.assertTrue(stream.ended)
        _, stream = self.fault(self.g, "bytewise")
        self.assertEqual({len(f) for f in stream.frames if f}, {1})
        _, stream = self.fault(self.g, "interim=3")
        self.assertEqual([i[":status"] for i in stream.informational], ["103"] * 3)
        _, stream = self.fault(self.g, "big-head=20000")
        self.assertEqual(len(stream.headers["x-mock-big"]), 20000)

    def test_floods_and_a_new_limit(self):
        client, stream = self.fault(self.g, "ping-flood=500")
        self.assertTrue(stream.ended and client.pings == 500)
        client, stream = self.fault(self.g, "maxstreams=3")
        self.assertTrue(stream.ended)
        self.assertIn({3: 3}, client.settings)

    def test_settings_flood(self):
        client, stream = self.fault(self.g, "settings-flood=300")
        self.assertTrue(stream.ended and not client.closed)

    def test_a_silent_connection_answers_nothing_not_even_pings(self):
        client = self.client(self.g)
        before = client.ask(body={**ASK, "max_tokens": 1000})
        client.run(before, seconds=0.2)
        client.ask(headers=[("x-mock-fault", "silent")])
        client.flush()
        time.sleep(0.2)
        while client.turn(0.2):
            pass
        size = len(client.streams[before].body)
        client.h2.ping(b"12345678")
        self.assertFalse(client.turn(0.5))
        self.assertEqual((len(client.streams[before].body), client.closed), (size, False))

    def test_faults_of_the_body_are_those_of_http1(self):
        for fault, status in (("status=503", "503"), ("busy=3", "429"), ("html", "200"),
                              ("redirect=307,/x", "307"), ("echo-key", "401"), ("empty", "200"),
                              ("no-done", "200"), ("crlf", "200"), ("gzip", "200"),
                              ("error=2", "200"), ("slow-head=50", "200"), ("eof-body", "200"),
                              ("comments=2", "200"), ("json", "200"), ("big=100000", "200")):
            _, stream = self.fault(self.g, fault)
            self.assertEqual((stream.headers[":status"], stream.ended), (status, True), fault)
        client, stream = self.fault(self.g, "drop")
        self.assertEqual((client.closed, stream.headers), (True, {}))


class Many(unittest.TestCase):
    def test_a_thousand_streams_over_four_connections(self):
        if not shutil.which("h2load"):
            self.skipTest("h2load is not installed")
        with mock.Mock("--ttft", "300ms", "--gap", "20ms", "--events", "20") as gateway, \
                tempfile.NamedTemporaryFile("w") as body:
            body.write("{}")
            body.flush()
            ran = subprocess.run(
                ["h2load", "-n", "1000", "-c", "4", "-m", "250", "-w", "24", "-W", "24",
                 f"https://localhost:{gateway.port}/v1/chat/completions?n=20&seed=3", "-d",
                 body.name], capture_output=True, text=True, timeout=60, check=True)
            self.assertIn("1000 succeeded, 0 failed, 0 errored", ran.stdout)
        self.assertRegex(gateway.text(), r'"h2":\{"connections":4,"live":0,"requests":1000,'
                                         r'"open":0,"peak":1000')

    def test_ten_thousand_short_requests(self):
        if not shutil.which("h2load"):
            self.skipTest("h2load is not installed")
        with mock.Mock() as gateway:
            ran = subprocess.run(["h2load", "-n", "10000", "-c", "8", "-m", "100",
                                  f"https://localhost:{gateway.port}/v1/models"],
                                 capture_output=True, text=True, timeout=60, check=True)
            self.assertIn("10000 succeeded, 0 failed, 0 errored", ran.stdout)

    def test_curl_and_nghttp_are_served(self):
        with mock.Mock(*QUICK) as gateway:
            url = f"https://localhost:{gateway.port}/v1/models"
            for command in (["curl", "-sS", "--http2", "--cacert", gateway.ca, "-w",
                             "%{http_version}", url], ["nghttp", "-v", url]):
                if not shutil.which(command[0]):
                    continue
                ran = subprocess.run(command, capture_output=True, text=True, timeout=WAIT,
                                     check=True)
                self.assertIn('"gpt-5"', ran.stdout)
                if command[0] == "curl":
                    self.assertTrue(ran.stdout.endswith("2"))


if __name__ == "__main__":
    mock.main()
