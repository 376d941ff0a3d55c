#!/usr/bin/env python3
"""The program from outside: bad input gets one clear line and exit 1 or 2, good input its output.

# ctest: e2e 400
"""
import base64
import fcntl
import glob
import http.server
import json
import os
import pty
import signal
import struct
import subprocess
import tempfile
import termios
import threading
import time
import unittest

import mock

CANARY = "sk-canary-7f3a9b2c-never-shown"
STREAM_FIELDS = ("format", "transport", "choices", "usage", "error", "ended", "complete",
                 "signature", "incomplete_reason")
SPLITS = ([], ["--split", "1"], ["--split", "2"], ["--split", "3"], ["--split", "7"])


def start(*arguments, env=None, **more):
    return subprocess.Popen([mock.PROGRAM, *arguments], stdin=subprocess.DEVNULL,
                            env=env or mock.environment(), preexec_fn=mock.die_with_parent, **more)


class Case(unittest.TestCase):
    def fails(self, ran, code, *words):
        """One line on standard error, with all the words, and this exit code."""
        self.assertEqual(ran.returncode, code, ran.stderr)
        self.assertEqual(ran.stderr.count("\n"), 1, ran.stderr)
        self.assertTrue(ran.stderr.startswith("leat: "), ran.stderr)
        for word in words:
            self.assertIn(word, ran.stderr)

    def folder(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        return folder.name

    def file(self, text, mode=0o600):
        path = os.path.join(self.folder(), "file")
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(path, mode)
        return path


class Usage(Case):
    def test_wrong_command_lines_exit_2_with_one_line(self):
        for line, *words in (
                ([], "no command", "--help"), (["chta"], "did you mean chat"),
                (["chat", "--htp", "1.1", "x"], "did you mean --http"),
                (["chat", "--http2", "x"], "--http 2"),
                (["chat", "--http1.1", "x"], "--http 1.1"),
                (["chat", "--http2-prior-knowledge", "x"], "--http 2"),
                (["chat", "--http", "3", "x"], "one of: auto 1.1 2"),
                (["chat", "--tls-max", "1.1", "x"], "one of: 1.2 1.3"),
                (["chat", "--streams", "0", "x"], "whole number"),
                (["chat", "--http", "spdy", "x"], "one of"),
                (["chat", "--max-time", "3", "x"], "--timeout TIME"),
                (["chat", "--retry", "3", "x"], "--retries N"),
                (["chat", "-x", "proxy", "x"], "--proxy URL"),
                (["chat", "--noproxy", "*", "x"], "--no-proxy LIST"),
                (["chat", "-E", "cert", "x"], "--cert FILE"),
                (["chat", "--unix-socket", "/s", "x"], "unix:PATH"),
                (["chat", "--socks5", "h:1", "x"], "--proxy URL"),
                (["chat", "--sse"], "another command"),
                (["chat", "--base-url"], "needs a value"),
                (["chat", "--base-url", "--json"], "--base-url=--json"),
                (["chat", "--json=1", "x"], "takes no value"),
                (["chat", "--timeout", "3x", "x"], "not a duration"),
                (["chat", "--timeout", "-1", "x"], "not a duration"),
                (["chat", "--max-tokens", "many", "x"], "whole number"),
                (["chat", "--temperature", "nan", "x"], "not a number"),
                (["chat", "one", "two"], "quotes"), (["chat", ""], "empty"),
                (["chat", "--header", "no-colon", "x"], "NAME: VALUE"),
                (["chat", "--body", "{}", "x"], "cannot join"),
                (["load", "--requests", "0"], "whole number"), (["load", "prompt"], "--prompt"),
                (["decode"], "--sse or --protocol"),
                (["decode", "--sse", "--protocol", "openai-chat"], "--sse or --protocol"),
                (["decode", "--protocol", "morse"], "openai-chat"),
                (["decode", "--sse", "--split", "0"], "not a size"),
                (["task"], "run, submit or wait"), (["task", "rum"], "did you mean run"),
                (["task", "wait"], "the id"),
                (["task", "run", "x"], "--model"), (["help", "loud"], "did you mean load")):
            with self.subTest(line=line):
                self.fails(mock.leat(*line), 2, *words)

    def test_help_and_version_exit_0(self):
        for line in (["--help"], ["-h"], ["--version"], ["help"], ["help", "chat"],
                     ["chat", "--help"], ["load", "-h"], ["mock", "--help"]):
            ran = mock.leat(*line)
            self.assertEqual((ran.returncode, ran.stderr), (0, ""), line)
            self.assertTrue(ran.stdout.startswith(("usage: leat", "leat 0.")), line)

    def test_input_that_cannot_be_used_exits_2(self):
        full = [["--body", self.file('{"model": "m", oops}')], "at byte 15"]
        for options, *words in (
                full, (["--body", "/nonexistent/body"], "No such file"),
                (["x", "--key-file", "/nonexistent/key"], "No such file"),
                (["x", "--key-file", self.file("\n")], "empty"),
                (["x", "--api-key", "a", "--key-file", "b"], "one of them"),
                (["x", "--cacert", "/nonexistent/ca"], "No such file"),
                (["x", "--header", "X-A: b\r\nEvil: 1"], "line break", "X-A"),
                (["x", "--header", "X-A: b\nEvil: 1"], "line break"),
                (["x", "--header", "X A: b"], "--header"),
                (["x", "--api-key", "sk-a\r\nEvil: 1"], "no header may carry"),
                (["x", "--base-url", "ftp://h"], "--base-url"),
                (["x", "--base-url", "https://u:p@h"], "--base-url"),
                (["x", "--base-url", "https://a b"], "--base-url"),
                (["x", "--base-url", "http://192.0.2.1", "--api-key", "sk-abcdef"], "plain"),
                (["x", "--chat-path", "/a b"], "leat: chat"),
                (["x", "--protocol", "morse"], "--protocol"),
                (["x", "--extra-body", "{"], "invalid JSON")):
            with self.subTest(options=options):
                ran = mock.leat("chat", *options)
                self.fails(ran, 2, *words)
                self.assertEqual(ran.stdout, "")

    def test_a_key_file_that_others_read_is_warned_of(self):
        ran = mock.leat("chat", "x", "--key-file", self.file("sk-abcdefgh\n", 0o644),
                        "--base-url", "ftp://h")
        self.assertIn("chmod 600", ran.stderr)
        ran = mock.leat("chat", "x", "--key-file", self.file("sk-abcdefgh\n"), "--base-url",
                        "ftp://h")
        self.assertNotIn("chmod", ran.stderr)


class Decode(Case):
    def decode(self, *arguments, body=None):
        ran = subprocess.run([mock.PROGRAM, "decode", *arguments], input=body, timeout=30,
                             env=mock.environment(), capture_output=True, check=False)
        self.assertEqual((ran.returncode, ran.stderr), (0, b""), arguments)
        return [json.loads(line) for line in ran.stdout.decode().split("\n")[:-1]]

    def corpora(self):
        folder = mock.corpora()
        if not folder:
            self.skipTest("no corpora: set LEAT_CORPORA")
        return folder

    def test_sse_vectors_at_every_split(self):
        with open(os.path.join(self.corpora(), "sse-vectors.jsonl"), encoding="utf-8") as file:
            vectors = [json.loads(line) for line in file]
        for vector in vectors:
            body = base64.b64decode(vector["input_b64"])
            expected = [{key: event[key] for key in ("event", "data", "id", "retry")
                         if key in event} for event in vector["expected"]]
            for split in SPLITS:
                with self.subTest(id=vector["id"], split=split):
                    self.assertEqual(self.decode("--sse", *split, body=body),
                                     [*expected, {"final": vector["final"]}])

    def test_recorded_streams_at_every_split(self):
        paths = sorted(glob.glob(os.path.join(self.corpora(), "streams/*.expected.json")))
        decoded = 0
        for path in paths:
            with open(path, encoding="utf-8") as file:
                expected = json.load(file)
            decoded += 1
            for split in SPLITS:
                with self.subTest(path=os.path.basename(path), split=split):
                    got, = self.decode("--protocol", expected["format"], *split,
                                       path.replace(".expected.json", ".body"))
                    if expected.get("error_message_free"):
                        expected["error"]["message"] = got["error"]["message"]
                    self.assertEqual({key: got.get(key) for key in STREAM_FIELDS},
                                     {key: expected.get(key) for key in STREAM_FIELDS})
        self.assertGreaterEqual(decoded, 61)

    def test_a_file_and_standard_input_are_the_same(self):
        body = 'data: {"choices":[{"index":0,"delta":{"content":"hi"}}]}\n\ndata: [DONE]\n\n'
        path = self.file(body)
        self.assertEqual(self.decode("--sse", path), self.decode("--sse", "-", body=body.encode()))
        got, = self.decode("--protocol", "openai-chat", path)
        self.assertEqual((got["choices"][0]["text"], got["ended"], got["complete"]),
                         ("hi", "done", False))

    def test_answers_are_read_as_what_they_are(self):
        cases = (
            ("images", '{"created":7,"data":[{"url":"https://a"},{"b64_json":"QUJD"}]}',
             {"created": 7, "images": [{"url": "https://a"}, {"base64": "QUJD"}]}),
            ("embeddings", '{"data":[{"embedding":"AAAAPwAAgL8="},{"embedding":[0.25]}]}',
             {"embeddings": [{"index": 0, "values": [0.5, -1]}, {"index": 1, "values": [0.25]}]}),
            ("transcript", "1\n00:00:01,5 --> 00:00:02,0\nHi\n",
             {"transcript": {"text": "Hi",
                             "segments": [{"start_s": 1.5, "end_s": 2, "text": "Hi"}]}}),
            ("models", '{"models":[{"name":"models/g","displayName":"G"}]}',
             {"models": [{"id": "g", "name": "G"}]}),
            ("moderation", '{"results":[{"flagged":true,"categories":{"a":true},'
             '"category_scores":{"a":0.5}}]}',
             {"moderation": [{"flagged": True, "categories": [
                 {"name": "a", "flagged": True, "score": 0.5}]}]}),
            ("rerank", '[{"index":1,"score":0.5,"text":"t"}]',
             {"rerank": [{"index": 1, "score": 0.5, "document": "t"}]}),
            ("tokens", '{"totalTokens":5}', {"tokens": 5}),
            ("files", '{"id":"f","bytes":3,"filename":"n","deleted":true}',
             {"id": "f", "files": [{"id": "f", "name": "n", "status": "deleted", "bytes": 3}]}),
            ("task", '{"code":"success","data":{"task_id":"t","status":"SUCCESS",'
             '"progress":"100%","data":[{"audio_url":"a"}]}}',
             {"task": {"state": "succeeded", "id": "t", "status": "SUCCESS", "progress": 100,
                       "urls": ["a"]}}),
            ("error", '{"error":{"message":"m (request id: X)","code":429}}',
             {"error": {"code": 429, "message": "m (request id: X)", "request_id": "X"}}),
            ("none", '{"model":"m","usage":{"prompt_tokens":3}}',
             {"model": "m", "usage": {"input": 3}}))
        for group, body, expected in cases:
            for split in SPLITS:
                with self.subTest(group=group, split=split):
                    got, = self.decode("--group", group, *split, body=body.encode())
                    self.assertEqual(got, {"group": group, **expected})

    def test_what_is_no_answer_of_a_group_exits_1(self):
        path = self.file("{")
        self.fails(mock.leat("decode", "--group", "images", path), 1, "no answer of the group")
        self.fails(mock.leat("decode", "--group", "pictures", path), 2, "one of: images")

    def test_unreadable_files_and_unwritable_output_exit_1(self):
        self.fails(mock.leat("decode", "--sse", "/nonexistent"), 1, "No such file")
        self.fails(mock.leat("decode", "--group", "task", "/nonexistent"), 1, "No such file")
        self.fails(mock.leat("decode", "--sse", "/"), 1, "directory")
        with open("/dev/full", "wb") as full:
            ran = subprocess.run([mock.PROGRAM, "decode", "--sse"], input="data: x\n\n", text=True,
                                 stdout=full, stderr=subprocess.PIPE, timeout=30, check=False,
                                 env=mock.environment())
        self.fails(ran, 1, "No space left")


class Chat(Case):
    @classmethod
    def setUpClass(cls):
        cls.gateway = mock.Mock("--events", "12", "--ttft", "5ms", "--gap", "1ms")
        cls.addClassCleanup(cls.gateway.stop)

    def chat(self, *arguments, fault=None, seed=7, **more):
        headers = ["-H", f"x-mock-seed: {seed}"]
        if fault:
            headers += ["-H", f"x-mock-fault: {fault}"]
        return mock.leat("chat", "--model", "m", "--base-url", self.gateway.url, "--cacert",
                         self.gateway.ca, *headers, *arguments, **more)

    def text(self, *arguments, **more):
        ran = self.chat(*arguments, **more)
        self.assertEqual((ran.returncode, ran.stderr), (0, ""))
        return ran.stdout

    def lines(self, *arguments, **more):
        ran = self.chat("--json", *arguments, **more)
        return ran, [json.loads(line) for line in ran.stdout.split("\n")[:-1]]

    def test_text_is_that_of_the_json_lines(self):
        ran, lines = self.lines("hi")
        self.assertEqual((ran.returncode, ran.stderr), (0, ""))
        self.assertEqual(lines[0]["kind"], "head")
        self.assertEqual(lines[0]["status"], 200)
        text = "".join(line["text"] for line in lines if line.get("kind") == "text")
        self.assertGreater(len(text), 12 * 5)
        text = text.replace("\r\n", "\n").replace("\r", "\n")  # as Python reads the other
        self.assertEqual(self.text("hi"), text + "\n" * (not text.endswith("\n")))
        self.assertTrue(all(line["received_ns"] > 0 for line in lines[:-1]))
        done = lines[-1]["done"]
        self.assertEqual((done["error"], done["status"], done["attempts"]), (None, 200, 1))
        self.assertTrue(any(line.get("kind") == "usage" for line in lines))
        self.assertTrue(any(line.get("finish_reason") == "stop" for line in lines))

    def test_the_prompt_comes_from_anywhere(self):
        whole = self.text("hi")
        self.assertEqual(self.text("-", stdin="hi"), whole)
        self.assertEqual(self.text(stdin="hi"), whole)
        self.assertEqual(self.text("--prompt", "hi"), whole)
        self.assertEqual(self.text("--system", "be brief", "hi"), whole)
        self.assertEqual(self.text("--no-stream", "hi"), whole)

    def test_a_body_of_ones_own(self):
        body = json.dumps({"model": "m", "stream": True,
                           "messages": [{"role": "user", "content": "hi"}]})
        whole = self.text("hi")
        for given, stdin in ((self.file(body), ""), ("-", body), (body, "")):
            ran = mock.leat("chat", "--body", given, "--base-url", self.gateway.url, "--cacert",
                            self.gateway.ca, "-H", "x-mock-seed: 7", stdin=stdin)
            self.assertEqual((ran.returncode, ran.stdout, ran.stderr), (0, whole, ""))

    def test_the_environment_counts(self):
        whole = self.text("hi")
        for env in ({"SSL_CERT_FILE": self.gateway.ca}, ):
            ran = mock.leat("chat", "hi", "-H", "x-mock-seed: 7", OPENAI_BASE_URL=self.gateway.url,
                            **env)
            self.assertEqual((ran.returncode, ran.stdout), (0, whole), ran.stderr)

    def test_openai_completions(self):
        ran = self.chat("--protocol", "openai-completions", "hi")
        self.assertEqual((ran.returncode, ran.stderr), (0, ""))
        self.assertGreater(len(ran.stdout), 20)

    def test_html_shows_its_first_bytes(self):
        ran = self.chat("hi", fault="html")
        self.fails(ran, 1, "<!DOCTYPE html>", "check --base-url")
        self.assertEqual(ran.stderr.count("<!DOCTYPE"), 1)

    def test_a_wish_to_wait_is_told(self):
        self.fails(self.chat("hi", fault="busy=300"), 1, "429", "wait 300 s")

    def test_a_truncated_answer_is_printed_and_fails(self):
        for http in ("1.1", "2"):
            ran = self.chat("hi", "--retries", "0", "--http", http, fault="truncate=1500")
            self.fails(ran, 1, "the whole answer: try again")
            self.assertTrue(self.text("hi").startswith(ran.stdout[:-1]))
            self.assertGreater(len(ran.stdout), 10)

    def test_an_error_in_the_stream_shows_the_providers_words(self):
        ran = self.chat("hi", fault="error=3")
        self.fails(ran, 1)
        self.assertGreater(len(ran.stdout), 10)

    def test_refused_names_the_address_and_the_attempt(self):
        url = f"https://127.0.0.1:{mock.free_port()}"
        ran = mock.leat("chat", "hi", "--base-url", url, "--retries", "1")
        self.fails(ran, 1, "refused", url.rsplit(":", maxsplit=1)[1], "attempt 2 of 2",
                   "--base-url")
        self.assertEqual(ran.stderr.count("attempt"), 1)

    def test_an_unknown_host_is_named(self):
        ran = mock.leat("chat", "hi", "--base-url", "https://nosuchhost.invalid", "--retries", "0")
        self.fails(ran, 1, "nosuchhost.invalid", "--base-url")

    def test_a_bad_certificate_says_which_check(self):
        ran = mock.leat("chat", "hi", "--base-url", self.gateway.url)
        self.fails(ran, 1, "certificate", "--cacert")
        port = self.gateway.port
        ran = mock.leat("chat", "hi", "--base-url", f"https://wrong.example:{port}", "--cacert",
                        self.gateway.ca, "--resolve", f"wrong.example:{port}=127.0.0.1")
        self.fails(ran, 1, "certificate", "wrong.example")

    def test_rs_07_a_full_disk_and_a_closed_pipe_exit_1_and_cancel(self):
        slow = ("-H", "x-mock-events: 100000", "-H", "x-mock-gap-ms: 2", "--model", "m", "hi",
                "--base-url", self.gateway.url, "--cacert", self.gateway.ca)
        with open("/dev/full", "wb") as full:
            child = start("chat", *slow, stdout=full, stderr=subprocess.PIPE, text=True)
            _, stderr = child.communicate(timeout=20)
        self.assertEqual((child.returncode, stderr.count("\n")), (1, 1), stderr)
        self.assertIn("No space left", stderr)
        child = start("chat", *slow, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.assertTrue(child.stdout.read(1))
        child.stdout.close()
        stderr = child.stderr.read().decode()
        child.stderr.close()
        self.assertEqual((child.wait(20), stderr.count("\n")), (1, 1), stderr)
        self.assertIn("Broken pipe", stderr)

    def test_an_interrupt_prints_what_there_is_and_exits_130(self):
        for json_lines in ([], ["--json"]):
            child = start("chat", "-H", "x-mock-events: 100000", "-H", "x-mock-gap-ms: 5", "hi",
                          "--base-url", self.gateway.url, "--cacert", self.gateway.ca, *json_lines,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            first = child.stdout.read(1)
            time.sleep(0.2)
            child.send_signal(signal.SIGINT)
            stdout, stderr = child.communicate(timeout=20)
            self.assertEqual((child.returncode, stderr.count(b"\n")), (130, 1), stderr)
            self.assertGreater(len(first + stdout), 50)
            self.assertTrue(stdout.endswith(b"\n"))
            if json_lines:
                last = json.loads(stdout.split(b"\n")[-2])
                self.assertEqual(last["done"]["error"], "LEAT_ECANCELLED")

    def test_a_trace_goes_to_its_file(self):
        path = os.path.join(self.folder(), "trace")
        self.text("hi", "--trace", path)
        with open(path, encoding="utf-8") as file:
            self.assertGreater(file.read().count("\n"), 3)
        self.fails(self.chat("hi", "--trace", "/nonexistent/trace"), 2, "trace")


class Keys(Case):
    @classmethod
    def setUpClass(cls):
        cls.gateway = mock.Mock("--events", "5", "--gap", "1ms", "--require-key", CANARY)
        cls.addClassCleanup(cls.gateway.stop)

    def chat(self, *arguments, **env):
        return mock.leat("chat", "hi", "--model", "m", "--base-url", self.gateway.url, "--cacert",
                         self.gateway.ca, *arguments, **env)

    def test_the_first_source_counts(self):
        for arguments, env in ((["--api-key", CANARY], {}),
                               (["--key-file", self.file(CANARY + "\r\n")], {}),
                               ([], {"LEAT_API_KEY": CANARY}), ([], {"OPENAI_API_KEY": CANARY}),
                               ([], {"LEAT_API_KEY": CANARY, "OPENAI_API_KEY": "other"}),
                               (["--api-key", CANARY], {"LEAT_API_KEY": "other"}),
                               (["-H", f"Authorization: Bearer {CANARY}"], {})):
            ran = self.chat(*arguments, **env)
            self.assertEqual((ran.returncode, ran.stderr), (0, ""), arguments)

    def test_a_wrong_key_shows_the_providers_message(self):
        for arguments in (["--api-key", "wrong-key"], []):
            self.fails(self.chat(*arguments), 1, "401", "key")

    def test_key_05_the_key_is_in_no_output(self):
        trace = os.path.join(self.folder(), "trace")
        report = os.path.join(self.folder(), "report")
        outputs = []
        for arguments in ([], ["--json"], ["--trace", "-"], ["--trace", trace],
                          ["-H", "x-mock-fault: echo-key"],
                          ["-H", "x-mock-fault: echo-key", "--json"],
                          ["-H", "x-mock-fault: echo-key", "--trace", "-"],
                          ["-H", "x-mock-fault: html"], ["-H", f"X: {CANARY}\nY: 1"],
                          ["--api-key", CANARY + "\n"], ["--body", f"{{{CANARY}"]):
            ran = self.chat(*arguments, LEAT_API_KEY=CANARY)
            outputs += [ran.stdout, ran.stderr]
        ran = mock.leat("load", "-n", "3", "--base-url", self.gateway.url, "--cacert",
                        self.gateway.ca, "--json", report, "-H", "x-mock-fault: echo-key",
                        LEAT_API_KEY=CANARY)
        outputs += [ran.stdout, ran.stderr]
        for path in (trace, report):
            with open(path, encoding="utf-8") as file:
                outputs.append(file.read())
        for text in outputs:
            self.assertNotIn(CANARY, text)

    def test_key_08_the_key_leaves_the_process_list(self):
        for arguments in (["--api-key", CANARY], [f"--api-key={CANARY}"],
                          ["-H", f"Authorization: Bearer {CANARY}"]):
            child = start("chat", "hi", "--base-url", self.gateway.url, "--cacert",
                          self.gateway.ca, "-H", "x-mock-events: 100000", *arguments,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
            self.assertTrue(child.stdout.read(1))
            with open(f"/proc/{child.pid}/cmdline", "rb") as file:
                line = file.read()
            child.send_signal(signal.SIGINT)
            child.communicate(timeout=20)
            self.assertNotIn(CANARY.encode(), line)
            self.assertIn(b"***", line)


class Terminal(Case):
    """What only a person at a terminal sees."""

    ANSWER = ("data: " + json.dumps({"choices": [
        {"index": 0, "delta": {"reasoning_content": "think\u001b[2J",
                               "content": "a\u001b[31mb\u009bc"}},
    ]}) + "\n\ndata: " + json.dumps({"choices": [
        {"index": 0, "delta": {"tool_calls": [{"index": 0, "id": "c1", "type": "function",
                                               "function": {"name": "turn",
                                                            "arguments": "{\"by\":1}"}}]}},
        {"index": 0, "delta": {}, "finish_reason": "tool_calls"}]}) + "\n\ndata: [DONE]\n\n")

    @classmethod
    def setUpClass(cls):
        class Answer(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                self.rfile.read(int(self.headers["Content-Length"]))
                body = cls.ANSWER.encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        cls.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        threading.Thread(target=cls.server.serve_forever, daemon=True).start()
        cls.addClassCleanup(cls.server.server_close)
        cls.addClassCleanup(cls.server.shutdown)
        cls.url = f"http://127.0.0.1:{cls.server.server_address[1]}"

    def on_terminal(self, *arguments, **env):
        """Standard output and error on one terminal: (exit code, what it showed)."""
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
        child = start(*arguments, stdout=theirs, stderr=theirs,
                      env={**mock.environment(TERM="xterm"), **env})
        os.close(theirs)
        shown = b""
        try:
            while piece := os.read(ours, 65536):
                shown += piece
        except OSError:  # how a terminal's end shows
            pass
        os.close(ours)
        return child.wait(20), shown.decode()

    def test_a_models_text_does_not_drive_the_terminal(self):
        code, shown = self.on_terminal("chat", "hi", "--base-url", self.url, "--show-reasoning")
        self.assertEqual(code, 0, shown)
        self.assertIn("a?[31mb?c", shown)
        self.assertIn("think?[2J", shown)
        self.assertNotIn("\x1b", shown)
        self.assertIn('[tool call turn {"by":1}]', shown)
        _, shown = self.on_terminal("chat", "hi", "--base-url", self.url, "--show-reasoning",
                                    NO_COLOR="")
        self.assertIn("\x1b[2mthink?[2J\x1b[0m", shown)

    def test_a_pipe_gets_the_bytes_as_they_are(self):
        ran = mock.leat("chat", "hi", "--base-url", self.url)
        self.assertEqual((ran.returncode, ran.stderr), (0, ""))
        self.assertEqual(ran.stdout, 'a\x1b[31mb\x9bc\n[tool call turn {"by":1}]\n')
        ran = mock.leat("chat", "hi", "--base-url", self.url, "--show-reasoning")
        self.assertEqual(ran.stderr, "think?[2J\n")

    def test_progress_is_live_and_wiped(self):
        with mock.Mock("--events", "40", "--gap", "20ms") as gateway:
            code, shown = self.on_terminal("load", "-n", "4", "-c", "2", "--base-url", gateway.url,
                                           "--cacert", gateway.ca)
            self.assertEqual(code, 0, shown)
            self.assertRegex(shown, r"TTFT")
            self.assertIn("\x1b[", shown)  # drawn in place, and taken away before the report
            self.assertRegex(shown, r"\x1b\[J(.*\n)?requests +4 completed")
            _, shown = self.on_terminal("load", "-n", "2", "--quiet", "--base-url", gateway.url,
                                        "--cacert", gateway.ca)
            self.assertEqual(shown, "")


class Load(Case):
    @classmethod
    def setUpClass(cls):
        cls.gateway = mock.Mock("--events", "20", "--ttft", "30ms", "--gap", "2ms")
        cls.addClassCleanup(cls.gateway.stop)

    def load(self, *arguments, **more):
        return mock.load("--base-url", self.gateway.url, "--cacert", self.gateway.ca, "--model",
                         "m", "--prompt", "hi", *arguments, **more)

    def test_the_report_counts_every_event(self):
        ran, report = self.load("--requests", "40", "--concurrency", "8", "--connections", "8",
                                "--http", "1.1", "--chat-path", "/v1/chat/completions?n=20&ms=2")
        self.assertEqual((ran.returncode, ran.stderr), (0, ""))
        self.assertEqual(report["requests"]["started"], 40)
        self.assertEqual(report["requests"]["completed"], 40)
        self.assertEqual(report["requests"]["live_peak"], 8)
        self.assertEqual(report["content_events"], 40 * 20)
        self.assertGreaterEqual(report["events"], 40 * 22)
        self.assertEqual(report["events"] % 40, 0)
        self.assertEqual(report["connections"]["opened"], 8)
        self.assertEqual(report["connections"]["resumed"], 7)
        for name in ("ttft", "gap", "e2e"):
            self.assertEqual(set(report[name]), {"count", "mean", "p50", "p90", "p99", "max"})
            self.assertLessEqual(report[name]["p50"], report[name]["max"])
        self.assertEqual(report["gap"]["count"], 40 * 19)
        self.assertGreater(report["content_bytes"], 40 * 20 * 10)
        self.assertGreater(report["process"]["max_rss_kb"], 0)
        self.assertLess(report["allocations_per_event"], 0.1)  # buffers that grow once

    def test_failures_are_counted_by_kind_and_exit_1(self):
        ran, report = self.load("-n", "6", "-c", "2", "-H", "x-mock-fault: status=500")
        self.assertEqual(ran.returncode, 1)
        self.assertEqual((report["requests"]["failed"], report["requests"]["retried"]), (6, 0))
        self.assertEqual([(kind["error"], kind["count"]) for kind in report["errors"]],
                         [("LEAT_ESTATUS", 6)])
        ran, report = self.load("-n", "4", "-c", "2", "-H", "x-mock-fault: truncate=900")
        self.assertEqual((ran.returncode, report["requests"]["completed"]), (1, 0))

    def test_a_table_for_people(self):
        ran = mock.leat("load", "-n", "4", "-c", "2", "--base-url", self.gateway.url, "--cacert",
                        self.gateway.ca)
        self.assertEqual((ran.returncode, ran.stderr), (0, ""))
        for word in ("requests", "ttft", "itl", "e2e", "us/event", "4 completed", "certificate"):
            self.assertIn(word, ran.stdout)

    def test_an_interrupt_reports_what_was_done(self):
        child = start("load", "-n", "100000", "-c", "4", "--base-url", self.gateway.url, "--cacert",
                      self.gateway.ca, "--quiet", "--json", "-", stdout=subprocess.PIPE,
                      stderr=subprocess.PIPE)
        time.sleep(1)
        child.send_signal(signal.SIGINT)
        stdout, _ = child.communicate(timeout=20)
        report = json.loads(stdout)["requests"]
        self.assertEqual((child.returncode, report["cancelled"]), (130, 4))
        self.assertEqual(report["completed"] + report["failed"] + report["cancelled"],
                         report["started"])

    def test_a_report_that_cannot_be_written(self):
        ran = mock.leat("load", "--quiet", "--base-url", self.gateway.url, "--cacert",
                        self.gateway.ca, "--json", "/nonexistent/report")
        self.fails(ran, 1, "/nonexistent/report")
        ran = mock.leat("load", "--base-url", "ftp://h", "--quiet")
        self.fails(ran, 2, "--base-url")


class Task(Case):
    @classmethod
    def setUpClass(cls):
        cls.gateway = mock.Mock("--task-queued", "50ms", "--task-time", "300ms", "--task-bytes",
                                "200K")
        cls.addClassCleanup(cls.gateway.stop)

    def task(self, *arguments, **more):
        return mock.leat("task", *arguments, "--base-url", self.gateway.url, "--cacert",
                         self.gateway.ca, "--poll", "50ms", **more)

    def test_run_downloads_by_way_of_a_part(self):
        path = os.path.join(self.folder(), "video.mp4")
        ran = self.task("run", "--model", "v", "a mill", "-o", path)
        self.assertEqual((ran.returncode, ran.stdout), (0, path + "\n"), ran.stderr)
        self.assertEqual(os.path.getsize(path), 200 * 1024)
        self.assertFalse(os.path.exists(path + ".part"))

    def test_submit_then_wait_then_resume(self):
        ran = self.task("submit", "--model", "v", "a mill")
        self.assertEqual((ran.returncode, ran.stderr), (0, ""))
        task_id = ran.stdout.strip()
        whole = os.path.join(self.folder(), "whole")
        again = os.path.join(self.folder(), "again")
        ran = self.task("wait", task_id, "-o", whole, "-q")
        self.assertEqual((ran.returncode, ran.stderr), (0, ""))
        with open(whole, "rb") as file:
            content = file.read()
        with open(again + ".part", "wb") as file:
            file.write(content[:70000])
        ran = self.task("wait", task_id, "-o", again, "--resume", "-q", "--json")
        self.assertEqual(ran.returncode, 0, ran.stderr)
        with open(again, "rb") as file:
            self.assertTrue(file.read() == content)
        done = json.loads(ran.stdout.split("\n")[-2])["done"]
        self.assertEqual((done["state"], done["task_id"], done["output"]),
                         ("succeeded", task_id, again))

    def test_failures_exit_1(self):
        self.fails(self.task("run", "--model", "v", "a mill", "-q", "-H", "x-mock-task-fail: 1"), 1,
                   "failed")
        self.fails(self.task("wait", "task_unknown", "-q", "--retries", "0"), 1)
        self.fails(self.task("run", "--model", "v", "x", "-o", "/nonexistent/video"), 1,
                   "/nonexistent/video")

    def test_an_interrupt_says_how_to_go_on(self):
        child = start("task", "run", "--model", "v", "x", "-H", "x-mock-task-ms: 60000",
                      "--base-url", self.gateway.url, "--cacert", self.gateway.ca,
                      stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        time.sleep(1)
        child.send_signal(signal.SIGINT)
        _, stderr = child.communicate(timeout=20)
        self.assertEqual(child.returncode, 130)
        self.assertIn("leat task wait task_", stderr)


class Demo(Case):
    def test_a_small_demo_is_verified(self):
        ran = mock.leat("demo", "--chats", "60", "--tasks", "12", "--connections", "16", "--json",
                        "-q")
        self.assertEqual(ran.returncode, 0, ran.stdout + ran.stderr)
        reports = [json.loads(line) for line in ran.stdout.splitlines()]
        self.assertEqual([report["http"] for report in reports], ["1.1", "2"])
        for report in reports:
            self.assertTrue(report["verified"])
            self.assertEqual((report["chats"]["verified"], report["tasks"]["verified"]), (60, 12))
            self.assertLessEqual(report["connections"]["opened"], 16)
            self.assertEqual(report["connections"]["full_handshakes"], 1)
        self.assertEqual(reports[1]["at_once"], 60)

    def test_the_table_says_verified(self):
        ran = mock.leat("demo", "--chats", "10", "--tasks", "2", "--connections", "4", "-q")
        self.assertEqual(ran.returncode, 0, ran.stdout + ran.stderr)
        self.assertEqual(ran.stdout.count("verified 10/10 chats and 2/2 videos"), 2)
        self.assertIn("over HTTP/2, through 4 connections", ran.stdout)


if __name__ == "__main__":
    mock.main()
