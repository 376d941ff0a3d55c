#!/usr/bin/env python3
# ctest: e2e 300
"""Every endpoint that the program knows, called by its name against the gateway, whose routes are
written from what gateways do and not from the list that is tested here. What is sent is what
test/vectors/endpoints.jsonl says, but for ids, which are those of what was made before."""
import contextlib
import http.server
import json
import os
import pty
import subprocess
import tempfile
import threading
import time
import unittest
import urllib.request

import mock

VECTORS = os.path.join(mock.SOURCE, "test/vectors/endpoints.jsonl")

# Who asks about something that is there: the call that makes it, and where its answer has the id.
MADE_BY = {
    "video.query": ("video.generate", "id"), "video.content": ("video.generate", "id"),
    "sora.get": ("sora.create", "id"), "sora.remix": ("sora.create", "id"),
    "sora.content": ("sora.create", "id"),
    "kling.text2video_query": ("kling.text2video", "data.task_id"),
    "kling.image2video_query": ("kling.image2video", "data.task_id"),
    "jimeng.query": ("jimeng.submit", "task_id"), "vidu.query": ("vidu.text2video", "task_id"),
    "seedance.query": ("seedance.create", "id"), "suno.fetch": ("suno.music", "data"),
    "suno.fetch_batch": ("suno.music", "data"), "unified.suno_fetch": ("suno.music", "data"),
    "producer.fetch": ("producer.music", "data"),
    "producer.fetch_batch": ("producer.music", "data"),
    "unified.producer_fetch": ("unified.producer_generate", "data"),
    "midjourney.fetch": ("midjourney.imagine", "result"),
    "midjourney.list": ("midjourney.imagine", "result"),
    "midjourney.image": ("midjourney.imagine", "result"),
    "files.get": ("files.upload", "id"), "files.content": ("files.upload", "id"),
    "files.delete": ("files.upload", "id"), "batches.create": ("files.upload", "id"),
    "batches.get": ("batches.create", "id"), "batches.cancel": ("batches.create", "id"),
}
NOTHING = contextlib.nullcontext()
RESPONSES = {"responses.get", "responses.resume", "responses.cancel", "responses.delete",
             "responses.input_items"}


def read_vectors():
    with open(VECTORS, encoding="utf-8") as file:
        return {line["endpoint"]: line["send"] for line in map(json.loads, file)}


def rows(*options):
    ran = mock.leat("endpoints", "--json", *options)
    return json.loads(ran.stdout)


class Calls(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.gateway = mock.Mock("--plain", "--task-queued", "0", "--task-time", "0.05",
                                "--gap", "0", "--ttft", "0")
        cls.folder = tempfile.TemporaryDirectory()
        cls.vectors = read_vectors()
        cls.rows = {row["name"]: row for row in rows()}

    @classmethod
    def tearDownClass(cls):
        cls.gateway.stop()
        cls.folder.cleanup()

    def path(self, name, text=None):
        path = os.path.join(self.folder.name, name)
        if text is not None:
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
        return path

    def leat(self, *words):
        return subprocess.run([mock.PROGRAM, *words, "--base-url", self.gateway.url,
                               "--api-key", "sk-endpoints"], env=mock.environment(),
                              stdin=subprocess.DEVNULL, capture_output=True, timeout=60,
                              check=False)

    def call(self, *words):
        ran = self.leat("call", *words)
        self.assertEqual((ran.returncode, ran.stderr), (0, b""), words)
        return ran.stdout

    def words(self, send):
        yield from [send["body"]] if "body" in send else []
        for name, value in send.get("params", {}).items():
            yield f"{name}=={value}"
        yield from ["--model", send["model"]] if "model" in send else []
        for name, value, *file in send.get("form", []):
            if file:
                value = "@" + self.path(file[0], value)
            yield from ["--form", f"{name}={value}"]

    def make(self, name):
        """Calls it, and waits until what it makes is done. -> the id"""
        maker, place = MADE_BY[name]
        found = json.loads(self.call(maker, *self.words(self.send(maker))))
        for step in place.split("."):
            found = found[step]
        time.sleep(0.1)
        return found

    def make_response(self, background):
        body = {"model": "m", "input": "hi", "store": True, "background": background}
        ask = urllib.request.Request(self.gateway.url + "/v1/responses",
                                     json.dumps(body).encode(),
                                     {"Content-Type": "application/json"})
        with urllib.request.urlopen(ask, timeout=20) as answer:
            return json.load(answer)["id"]

    def send(self, name):
        """What its line sends, with ids of what is there."""
        send = json.loads(json.dumps(self.vectors[name]))
        if name == "models.get":
            send["params"]["model"] = "org/mill"
        if name == "files.upload":
            line = {"custom_id": "a", "method": "POST", "url": "/v1/chat/completions",
                    "body": {"model": "m", "messages": [{"role": "user", "content": "x"}]}}
            send["form"][1][1] = json.dumps(line) + "\n"
        made = self.make(name) if name in MADE_BY else None
        if name in RESPONSES:
            made = self.make_response(name in ("responses.resume", "responses.cancel"))
        if name == "responses.resume":
            send["params"]["starting_after"] = "1"
        if made and "id" in send.get("params", {}):
            send["params"]["id"] = made
        elif made:
            body = json.loads(send["body"])
            known = {"task_id": made, "input_file_id": made, "ids": [made]}
            send["body"] = json.dumps({k: known.get(k, v) for k, v in body.items()})
        return send

    def check(self, row, said):
        name = row["name"]
        if row["reply"] == "bytes":
            self.assertGreater(len(said), 0, name)
            return
        if row["protocol"] and row["group"] == "none" or row["protocol"] == "openai-speech":
            self.assertGreater(len(said), 0, name)  # text of a dialect's, or its sound
            return
        if row["group"] == "none" or name == "audio.translate":
            return
        document = json.loads(said)
        self.assertFalse(document.get("error") if isinstance(document, dict) else None, name)
        read = mock.leat("decode", "--group", row["group"], stdin=said.decode())
        self.assertEqual((read.returncode, read.stderr), (0, ""), name)
        if row["group"] == "task":
            self.assertTrue(json.loads(read.stdout)["task"]["id"] or row["reply"] != "task", name)

    @contextlib.contextmanager
    def slow(self):
        usual = self.gateway
        with mock.Mock("--plain", "--task-time", "60") as self.gateway:
            yield
        self.gateway = usual

    def test_every_row(self):
        for name, row in self.rows.items():
            if row["reply"] == "ws":
                continue
            # A batch that is done cannot be cancelled.
            with self.subTest(name), self.slow() if name == "batches.cancel" else NOTHING:
                self.check(row, self.call(name, *self.words(self.send(name))))

    def test_every_row_of_a_socket(self):
        names = [row["name"] for row in self.rows.values() if row["reply"] == "ws"]
        self.assertEqual(len(names), 4)
        for name in names:
            with self.subTest(name):
                ran = self.leat("call", name)
                self.assertEqual(ran.returncode, 2)
                protocol = self.rows[name]["protocol"]
                self.assertIn(f"leat ws --protocol {protocol}", ran.stderr.decode())
                ran = self.leat("ws", "--protocol", protocol, "--model", "m", "--wait", "0.2")
                self.assertEqual((ran.returncode, ran.stderr), (0, b""), name)

    def test_output_is_whole_or_not_there(self):
        path = self.path("mill.mp3")
        self.call("audio.speech", "model=m", "input=hi", "voice=alloy", "-o", path)
        self.assertGreater(os.path.getsize(path), 0)
        self.assertFalse(os.path.exists(path + ".part"))
        gone = self.path("gone.mp4")
        ran = self.leat("call", "video.content", "id=none", "-o", gone)
        self.assertEqual(ran.returncode, 1)
        self.assertFalse(os.path.exists(gone) or os.path.exists(gone + ".part"))

    def test_a_stream_of_sound_is_the_same_sound(self):
        words = ("model=m", "input=hi", "voice=alloy")
        whole = self.call("audio.speech", *words)
        self.assertEqual(self.call("audio.speech_stream", *words, "stream_format=sse"), whole)


class Echo:
    """A server that answers with the body that it was sent."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    def __enter__(self):
        self.server = http.server.HTTPServer(("127.0.0.1", 0), self.Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


class Words(unittest.TestCase):
    """What the arguments become, and what is said of those that become nothing."""

    def refuse(self, *words, **more):
        ran = mock.leat("call", *words, "--base-url", "http://127.0.0.1:1", "--retries", "0",
                        **more)
        self.assertEqual(ran.stderr.count("\n"), 1, ran.stderr)
        return ran.returncode, ran.stderr

    def test_what_is_wrong_is_one_line(self):
        for words, part in (((), "which endpoint"),
                            (("suno.musik", "a=b"), "did you mean suno.music"),
                            (("suno.music", "a:=b"), "a:=b: invalid JSON at byte 0"),
                            (("suno.music", "a[=b"), "a[: the path has a [ without"),
                            (("suno.music", "a..b=c"), "a..b: the path has a name that is empty"),
                            (("suno.music", "a=1", "a.b=c"), "leads into what is neither"),
                            (("suno.music", "a[0]=1", "a.b=c"), "takes an array for an object"),
                            (("suno.music", "{}", "{}"), "one body only"),
                            (("suno.music", "{}", "-d", "{}"), "give one of them"),
                            (("suno.music", "{"), "invalid JSON"),
                            (("suno.music", "--set", "a"), "write it as NAME=VALUE"),
                            (("files.get",), 'needs the parameter "id"'),
                            (("files.get", "--form", "a=b"), "takes no body"),
                            (("suno.music", "--form", "a=b"), "takes JSON, not a form"),
                            (("files.upload",), "needs a form's fields"),
                            (("files.upload", "file=@/no/such"), "/no/such"),
                            (("models.list", "--auth", "beaver"), "--auth")):
            code, said = self.refuse(*words)
            self.assertEqual(code, 2, said)
            self.assertIn(part, said)

    def test_words_become_a_body(self):
        rows_of = {"endpoints": [{"name": "my.echo", "path": "/v1/batches", "body": "json"}]}
        for words, body in ((("a=b", "c.d[1]:=7", "c.d[]=x", "e\\.f=g"),
                             '{"a":"b","c":{"d":[null,7,"x"]},"e.f":"g"}'),
                            (('{"a":{"b":1,"c":[true]}}', "a.c[0]:=false", "a.d=2"),
                             '{"a":{"b":1,"c":[false],"d":"2"}}'),
                            (("[1,2]", "[1]=b"), '[1,"b"]'), ((), "{}"),
                            (("--set", "a=b=c", "--set-json", 'd={"e":[]}'),
                             '{"a":"b=c","d":{"e":[]}}')):
            with self.subTest(words), Echo() as echo, tempfile.TemporaryDirectory() as folder:
                path = os.path.join(folder, "mine.json")
                with open(path, "w", encoding="utf-8") as file:
                    json.dump(rows_of, file)
                ran = mock.leat("call", "my.echo", *words, "--endpoints", path, "--base-url",
                                echo.url, "--json")
                self.assertEqual((ran.returncode, ran.stdout), (0, body + "\n"), ran.stderr)

    def on_a_terminal(self, *words):
        """-> (exit code, what the terminal shows)"""
        ours, theirs = pty.openpty()
        child = subprocess.Popen([mock.PROGRAM, "call", *words], env=mock.environment(),
                                 stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs)
        os.close(theirs)
        shown = b""
        with contextlib.suppress(OSError):  # the other end is closed
            while part := os.read(ours, 65536):
                shown += part
        os.close(ours)
        return child.wait(60), shown.decode().replace("\r\n", "\n")

    def test_a_terminal_has_json_laid_out_and_no_bytes(self):
        with mock.Mock("--plain") as gateway:
            url = ("--base-url", gateway.url)
            code, shown = self.on_a_terminal("models.get", "model=org/mill", *url)
            found = json.loads(mock.leat("call", "models.get", "model=org/mill", *url).stdout)
            self.assertEqual((code, shown), (0, json.dumps(found, indent=2) + "\n"))
            code, shown = self.on_a_terminal("audio.speech", "model=m", "input=x", *url)
            self.assertEqual(code, 2)
            self.assertIn("--output FILE", shown)

    def test_endpoints_of_ones_own(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "mine.json")
            with open(path, "w", encoding="utf-8") as file:
                json.dump({"endpoints": [{"name": "my.models", "path": "/v1/models"},
                                         {"name": "suno.music", "path": "/v9/music"}]}, file)
            found = {row["name"]: row for row in rows("--endpoints", path)}
            self.assertEqual(found["my.models"]["method"], "GET")
            self.assertEqual(found["suno.music"]["path"], "/v9/music")
            self.assertEqual(found["suno.music"]["task"], "suno")
            with mock.Mock("--plain") as gateway:
                ran = mock.leat("call", "my.models", "--endpoints", path, "--base-url",
                                gateway.url)
                self.assertEqual(json.loads(ran.stdout)["object"], "list")
            with open(path, "w", encoding="utf-8") as file:
                file.write(json.dumps(rows("suno")))
            self.assertEqual(rows("--endpoints", path), rows())
            with open(path, "w", encoding="utf-8") as file:
                file.write('{"endpoints":[{"name":"a.b","pth":1}]}')
            code, said = self.refuse("a.b", "--endpoints", path)
            self.assertEqual(code, 2)
            self.assertIn('endpoints[0] "a.b": has a member that is not known', said)

    def test_the_list(self):
        listed = rows()
        self.assertGreaterEqual(len(listed), 85)
        self.assertEqual(len({row["name"] for row in listed}), len(listed))
        table = mock.leat("endpoints").stdout.splitlines()
        self.assertEqual(len(table), len(listed) + 1)
        self.assertTrue(table[0].startswith("NAME "))
        self.assertEqual({row["name"].split(".")[0] for row in rows("kling")}, {"kling"})
        ran = mock.leat("endpoints", "nothing")
        self.assertEqual((ran.returncode, ran.stderr.count("\n")), (2, 1))

    def test_each_way_of_a_key(self):
        with mock.Mock("--plain", "--require-key", "sk-way") as gateway:
            for way in ("bearer", "raw", "x-api-key", "api-key", "x-goog-api-key", "query",
                        "mj-api-secret"):
                ran = mock.leat("call", "models.list", "--auth", way, "--api-key", "sk-way",
                                "--base-url", gateway.url)
                self.assertEqual((ran.returncode, ran.stderr), (0, ""), way)
            ran = mock.leat("call", "models.list", "--auth", "none", "--api-key", "sk-way",
                            "--base-url", gateway.url)
            self.assertEqual(ran.returncode, 1)
            self.assertNotIn("sk-way", ran.stderr)


if __name__ == "__main__":
    mock.main()
