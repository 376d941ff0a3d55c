#!/usr/bin/env python3
"""The gateway's audio and uploads from outside: transcripts in every form that prove what was
uploaded, forms cut at every place, uploads larger than any memory, and speech."""
import base64
import hashlib
import http.client
import json
import os
import socket
import unittest
import zlib

import mock
import mock_calls
from mock_calls import content, mix

SOUND = bytes(range(256)) * 200 + b"\r\n--" + mock_calls.BOUNDARY.encode()[:-1] + b"\r\n\r"


def facts(name, sound):
    return (f"{name}: {len(sound)} bytes, crc32 {zlib.crc32(sound):08x}, "
            f"sha256 {hashlib.sha256(sound).hexdigest()}.")


def resident_kb(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS"))


class Case(unittest.TestCase):
    options = ()

    @classmethod
    def setUpClass(cls):
        cls.g = mock_calls.Gateway(*cls.options)

    @classmethod
    def tearDownClass(cls):
        cls.g.stop()

    def send(self, *fields, path="/v1/audio/transcriptions", sound=SOUND, headers=None):
        body, kind = mock_calls.form([("model", "whisper-1"), *fields],
                                     [("file", "mill.mp3", "audio/mpeg", sound)])
        status, got, text = self.g.call("POST", path, body, {**kind, **(headers or {})})
        self.assertEqual(status, 200, text)
        return got["Content-Type"], text

    def words(self, *fields):
        """The whole transcript for a seed."""
        return json.loads(self.send(*fields, headers={"x-mock-seed": "7"})[1])["text"]


class Transcripts(Case):
    def test_every_form_says_the_same_and_proves_the_upload(self):
        seed = {"x-mock-seed": "7"}
        whole = self.words()
        self.assertTrue(whole.startswith(facts("mill.mp3", SOUND)))
        kind, text = self.send(("response_format", "text"), headers=seed)
        self.assertEqual((kind, text.decode()), ("text/plain; charset=utf-8", whole + "\n"))
        kind, text = self.send(("response_format", "srt"), headers=seed)
        blocks = [b.split("\n") for b in text.decode().strip("\n").split("\n\n")]
        self.assertEqual("".join(b[2] for b in blocks), whole)
        self.assertEqual(blocks[1][:2], ["2", "00:00:02,500 --> 00:00:05,000"])
        kind, text = self.send(("response_format", "vtt"), headers=seed)
        blocks = [b.split("\n") for b in text.decode().strip("\n").split("\n\n")]
        self.assertEqual((kind, blocks[0]), ("text/plain; charset=utf-8", ["WEBVTT"]))
        self.assertEqual("".join(b[1] for b in blocks[1:]), whole)
        for form in ("verbose_json", "diarized_json"):
            kind, text = self.send(("response_format", form), headers=seed)
            found = json.loads(text)
            self.assertEqual((kind, found["text"]), ("application/json", whole))
            self.assertEqual("".join(s["text"] for s in found["segments"]), whole)
            self.assertEqual(found["duration"], len(found["segments"]) * 2.5)

    def test_members_on_request(self):
        found = json.loads(self.send(("response_format", "verbose_json"), ("language", "fr"),
                                     ("timestamp_granularities[]", "segment"),
                                     ("timestamp_granularities[]", "word"))[1])
        self.assertEqual((found["task"], found["language"]), ("transcribe", "fr"))
        self.assertEqual(len(found["words"]), len(found["segments"]))
        self.assertNotIn("words", json.loads(self.send(("response_format", "verbose_json"))[1]))
        found = json.loads(self.send(("include[]", "logprobs"))[1])
        self.assertEqual("".join(t["token"] for t in found["logprobs"]), found["text"])
        self.assertEqual(found["usage"]["type"], "duration")
        self.assertEqual(found["mock"]["fields"], [["model", "whisper-1"],
                                                   ["include[]", "logprobs"]])

    def test_streamed(self):
        kind, body = self.send(("stream", "true"), headers={"x-mock-seed": "7"})
        said = [json.loads(text) for _, text in mock_calls.events(body)]
        self.assertEqual(kind, "text/event-stream")
        self.assertEqual([s["type"] for s in said], ["transcript.text.delta"] * 9
                         + ["transcript.text.done"])
        self.assertEqual("".join(s["delta"] for s in said[:-1]), said[-1]["text"])
        self.assertEqual(said[-1]["text"], self.words())
        said = [json.loads(text) for _, text in mock_calls.events(
            self.send(("stream", "true"), ("response_format", "diarized_json"))[1])]
        self.assertEqual([s["speaker"] for s in said
                          if s["type"] == "transcript.text.segment"], list("ABABABABA"))

    def test_translations(self):
        path = "/v1/audio/translations"
        found = json.loads(self.send(("response_format", "verbose_json"), path=path)[1])
        self.assertEqual((found["task"], found["language"]), ("translate", "english"))
        self.assertIn("text", json.loads(self.send(("stream", "true"), path=path)[1]))

    def test_refusals(self):
        path = "/v1/audio/transcriptions"
        sound = ("file", "a.mp3", "audio/mpeg", b"x")
        cases = [mock_calls.form([("model", "m")]), mock_calls.form([], [sound]),
                 mock_calls.form([("model", "m"), ("response_format", "odt")], [sound]),
                 (b"{}", {"Content-Type": "application/json"}),
                 (b"x", {"Content-Type": "multipart/form-data"}),
                 (b"x", {"Content-Type": "multipart/form-data; boundary=" + "b" * 71})]
        for body, headers in cases:
            status, answer = self.g.ask("POST", path, body, headers)
            self.assertEqual((status, answer["error"]["type"]), (400, "invalid_request_error"))


class Forms(Case):
    def post(self, body, headers):
        return self.g.ask("POST", "/v1/images/edits", body, headers)

    def test_a_form_that_is_cut_anywhere_is_refused_and_whole_it_is_not(self):
        body, headers = mock_calls.form([("prompt", "a\r\nb")],
                                        [("image", "a.png", "image/png", b"\r\n-\r\n--x")])
        self.assertEqual(self.post(body, headers)[0], 200)
        self.assertEqual(self.post(body + b"epilogue", headers)[0], 200)
        self.assertEqual(self.post(b"preamble\r\n" + body, headers)[0], 200)
        end = len(body) - 2
        c = self.g.connect()
        for cut in range(end):
            c.request("POST", "/v1/images/edits", body[:cut], headers)
            answer = c.getresponse()
            text = answer.read()
            self.assertEqual((answer.status, b"invalid_multipart" in text), (400, True), cut)
        c.close()

    def test_it_is_read_the_same_in_pieces_of_any_size(self):
        picture = b"\r\n--" + mock_calls.BOUNDARY.encode()[:-2] + b"\r\r\n\r\n" + os.urandom(50)
        body, headers = mock_calls.form([("prompt", "p")], [("image", "a", "image/png", picture)])
        for size in (1, 2, 3, 5, 7, 11, 40):
            pieces = (body[i:i + size] for i in range(0, len(body), size))
            c = self.g.connect()
            c.request("POST", "/v1/images/edits", pieces, headers, encode_chunked=True)
            found = json.loads(c.getresponse().read())["mock"]["files"][0]
            c.close()
            self.assertEqual((found["bytes"], found["sha256"]),
                             (len(picture), hashlib.sha256(picture).hexdigest()))

    def test_quoted_and_unquoted_and_odd_heads(self):
        b = "x'()+_,-./:=?"
        headers = {"Content-Type": f'Multipart/Form-Data; charset=utf-8; boundary="{b}"'}
        body = (f"--{b}  \t\r\ncontent-disposition:form-data;name=prompt\r\n\r\nhi\r\n"
                f"--{b}\r\nX: y\r\nContent-Disposition: form-data; filename=\"c:\\dir;\\\"q\\\".png"
                f"\"; name=\"image\"\r\n\r\n\r\n--{b}--").encode()
        status, found = self.post(body, headers)
        self.assertEqual(status, 200)
        self.assertEqual(found["mock"]["fields"], [["prompt", "hi"]])
        self.assertEqual(found["mock"]["files"][0]["filename"], 'c:\\dir;"q".png')

    def test_hostile_forms_are_refused(self):
        part = "--b\r\nContent-Disposition: form-data; name=\"{}\"\r\n\r\nx\r\n"
        headers = {"Content-Type": "multipart/form-data; boundary=b"}
        for body in (part.format("a") * 300 + "--b--", "--b\r\n" + "x" * 9000 + "\r\n\r\n--b--",
                     "--b\r\nX: y\r\n\r\nz\r\n--b--", "--b\r\n\r\nz\r\n--b--", "--bX\r\n--b--",
                     part.format("a").replace("x\r\n", "y" * 5000000 + "\r\n") + "--b--"):
            status, answer = self.post(body, headers)
            self.assertEqual((status, answer["error"]["code"]), (400, "invalid_multipart"))


class Large(Case):
    SIZE = 150 << 20
    PIECE = os.urandom(1 << 20)

    def pieces(self, head, tail):
        yield head
        for _ in range(self.SIZE >> 20):
            yield self.PIECE
        yield tail

    def crc(self):
        crc = 0
        for _ in range(self.SIZE >> 20):
            crc = zlib.crc32(self.PIECE, crc)
        return f"{crc:08x}"

    def test_an_upload_passes_through_in_bounded_memory(self):
        body, headers = mock_calls.form([("model", "m")],
                                        [("file", "a.wav", "audio/wav", b"HERE")])
        head, tail = body.split(b"HERE")
        before = resident_kb(self.g.process.pid)
        c = self.g.connect()
        c.request("POST", "/v1/audio/transcriptions", self.pieces(head, tail), headers,
                  encode_chunked=True)
        found = json.loads(c.getresponse().read())["mock"]["files"][0]
        c.close()
        self.assertEqual((found["bytes"], found["crc32"]), (self.SIZE, self.crc()))
        self.assertLess(resident_kb(self.g.process.pid) - before, 32 << 10)

    def test_the_sink_takes_anything(self):
        before = resident_kb(self.g.process.pid)
        c = self.g.connect()
        c.request("PUT", "/mock/sink?x=1", self.pieces(b"", b""), {"X-Twice": "a b"},
                  encode_chunked=True)
        found = json.loads(c.getresponse().read())
        c.close()
        self.assertEqual((found["method"], found["target"]), ("PUT", "/mock/sink?x=1"))
        self.assertEqual((found["bytes"], found["crc32"]), (self.SIZE, self.crc()))
        self.assertIn(["X-Twice", "a b"], found["headers"])
        self.assertLess(resident_kb(self.g.process.pid) - before, 32 << 10)

    def test_the_sink_without_a_body_and_many_at_once(self):
        self.assertEqual(self.g.good("POST", "/mock/sink")["bytes"], 0)
        found = self.g.good("POST", "/mock/sink", b"abc")
        self.assertEqual(found["sha256"], hashlib.sha256(b"abc").hexdigest())
        sockets = []
        for i in range(20):
            s = socket.create_connection(("127.0.0.1", self.g.port), mock_calls.WAIT)
            s.sendall(b"POST /mock/sink HTTP/1.1\r\nHost: x\r\nContent-Length: 8\r\n\r\n" + b"%04d"
                      % i)
            sockets.append(s)
        for i, s in enumerate(sockets):
            s.sendall(b"tail")
            answer = http.client.HTTPResponse(s)
            answer.begin()
            self.assertEqual(json.loads(answer.read())["crc32"],
                             f"{zlib.crc32(b'%04dtail' % i):08x}")
            s.close()


class Speech(Case):
    def test_bytes_that_follow_from_the_input(self):
        text = "a m\u00efll"
        seed = 0x73706368
        for byte in text.encode():
            seed = mix(seed ^ byte)
        ask = {"model": "tts-1", "voice": "alloy", "input": text}
        status, headers, body = self.g.call("POST", "/v1/audio/speech", ask)
        self.assertEqual((status, headers["Content-Type"]), (200, "audio/mpeg"))
        self.assertEqual(headers["Transfer-Encoding"], "chunked")
        self.assertEqual(body, content(seed, 100 * len(text.encode())))
        status, headers, _ = self.g.call("POST", "/v1/audio/speech",
                                         {**ask, "response_format": "wav"})
        self.assertEqual(headers["Content-Type"], "audio/wav")
        events = mock_calls.events(self.g.call("POST", "/v1/audio/speech",
                                               {**ask, "stream_format": "sse"})[2])
        said = [json.loads(t) for _, t in events]
        self.assertEqual(said[-1]["type"], "speech.audio.done")
        self.assertEqual(b"".join(base64.b64decode(s["audio"]) for s in said[:-1]), body)

    def test_a_length_that_the_input_names(self):
        ask = {"model": "tts-1", "voice": "alloy", "input": "mock_bytes=300000"}
        _, headers, body = self.g.call("POST", "/v1/audio/speech", ask, {"x-mock-seed": "5"})
        self.assertEqual(body, content(5, 300000))
        events = mock_calls.events(self.g.call("POST", "/v1/audio/speech",
                                               {**ask, "stream_format": "sse"},
                                               {"x-mock-seed": "5"})[2])
        found = b"".join(base64.b64decode(json.loads(t).get("audio", "")) for _, t in events)
        self.assertEqual((found, len(events)), (body, 26))
        for ask in ({}, {"input": "x"}, {"input": "", "voice": "v"},
                    {"input": "x", "voice": "v", "response_format": "mod"},
                    {"input": "mock_bytes=99999999999999", "voice": "v"}):
            self.assertEqual(self.g.call("POST", "/v1/audio/speech", ask)[0], 400)


if __name__ == "__main__":
    mock.main()
