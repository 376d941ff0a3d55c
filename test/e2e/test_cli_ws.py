#!/usr/bin/env python3
"""`leat ws` and `leat chat` over a WebSocket: against the gateway, and against python3-websockets
where the server's side must do what no gateway should."""
# ctest: e2e 240
import asyncio
import base64
import json
import os
import pty
import select
import signal
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import unittest

import mock
import tunnel

sys.path.append("/usr/lib/python3/dist-packages")  # Debian's, whichever Python runs this
try:
    from websockets.legacy import server as websockets  # the interface that 10 and 15 share
except ImportError:
    websockets = None

KEY = "sk-canary-5e1f-never-shown"
LINES = [f"line {i} äöü {'x' * (i % 97)}" for i in range(3000)]


def ws(*arguments, stdin="", **more):
    return mock.leat("ws", *arguments, stdin=stdin, **more)


class Case(unittest.TestCase):
    def fails(self, ran, code, *words):
        """One line on standard error, with all the words, and this exit code."""
        self.assertEqual(ran.returncode, code, ran.stderr)
        self.assertEqual(ran.stderr.count("\n"), 1, ran.stderr)
        self.assertTrue(ran.stderr.startswith("leat: "), ran.stderr)
        for word in words:
            self.assertIn(word, ran.stderr)
        self.assertNotIn(KEY, ran.stderr + ran.stdout)

    def says(self, ran, stdout):
        self.assertEqual((ran.returncode, ran.stderr), (0, ""))
        self.assertEqual(ran.stdout, stdout)


class Gateway(Case):
    args = ("--plain",)

    @classmethod
    def setUpClass(cls):
        cls.g = mock.Mock("--ttft", "2ms", "--gap", "1ms", "--events", "8", *cls.args)
        cls.at = f"127.0.0.1:{cls.g.port}"
        cls.echo = f"ws://{cls.at}/ws/echo"

    @classmethod
    def tearDownClass(cls):
        cls.g.stop()
        if cls.g.process.returncode:  # sanitizers and leaks show here
            raise AssertionError(f"the gateway ended: {cls.g.text()}")


class Usage(Case):
    def test_wrong_command_lines_exit_2_with_one_line(self):
        for line, *words in (([], "no URL", "wss://"), (["ws://a", "ws://b"], "one URL"),
                             (["ws://a/", "--base-url", "ws://b"], "one of them"),
                             (["ftp://127.0.0.1/"], "wss://, ws://", "check the URL"),
                             (["ws://127.0.0.1:1/", "--key-in", "cookie"], "header subprotocol"),
                             (["ws://127.0.0.1:1/", "--key-in", "subprotocol", "--api-key", KEY],
                              "subprotocol"),
                             (["--protocol", "openai-chat"], "WebSocket"),
                             (["ws://127.0.0.1:1/", "--subprotocol", "a b"], "subprotocol"),
                             (["ws://example.invalid/", "--api-key", KEY], "--allow-plain-key"),
                             (["ws://127.0.0.1:1/", "--wait", "soon"], "not a duration"),
                             (["ws://127.0.0.1:1/", "--message-max", "0"], "size"),
                             (["ws://127.0.0.1:1/", "-H", "Upgrade: h2c"], "Upgrade"),
                             (["ws://127.0.0.1:1/", "--http", "2"], "another command")):
            with self.subTest(line):
                self.fails(ws(*line), 2, *words)

    def test_nobody_there(self):
        self.fails(ws("ws://127.0.0.1:1/"), 1, "refused", "127.0.0.1 port 1")


class Lines(Gateway):
    def test_lines_both_ways_whatever_ends_them(self):
        for text, expected in (("a\nb\n", "a\nb\n"), ("a\r\nb", "a\nb\n"), ("\n\n", ""), ("", ""),
                               ('{"a": [1, 2]}\n\n"x"\n', '{"a": [1, 2]}\n"x"\n')):
            with self.subTest(text):
                self.says(ws(self.echo, "--wait", "100ms", stdin=text), expected)

    def test_many_lines_from_a_pipe_and_from_a_file(self):
        text = "\n".join(LINES) + "\n"
        self.says(ws(self.echo, "--wait", "300ms", stdin=text), text)
        with tempfile.TemporaryFile("w+", encoding="utf-8") as file:
            file.write(text)
            file.seek(0)
            ran = subprocess.run([mock.PROGRAM, "ws", self.echo, "--wait", "300ms"], stdin=file,
                                 capture_output=True, text=True, env=mock.environment(),
                                 timeout=60, check=False)
        self.says(ran, text)

    def test_a_line_of_megabytes(self):
        line = "x" * (5 << 20)
        self.says(ws(self.echo, "--wait", "500ms", stdin=line), line + "\n")
        self.fails(ws(self.echo, "--message-max", "4M", stdin=line), 1, "--message-max")

    def test_input_from_nowhere(self):
        ran = subprocess.run([mock.PROGRAM, "ws", self.echo, "--wait", "50ms"], text=True,
                             stdin=subprocess.DEVNULL, capture_output=True,
                             env=mock.environment(), timeout=60, check=False)
        self.says(ran, "")

    def test_binary_messages(self):
        raw = bytes(range(256)).replace(b"\n", b"").replace(b"\r", b"")
        ran = subprocess.run([mock.PROGRAM, "ws", self.echo, "--binary", "--wait", "100ms"],
                             input=raw + b"\nxyz\n", capture_output=True, env=mock.environment(),
                             timeout=60, check=False)
        self.assertEqual((ran.returncode, ran.stderr, ran.stdout), (0, b"", raw + b"xyz"))
        ran = subprocess.run([mock.PROGRAM, "ws", self.echo, "--wait", "100ms"],
                             input=b"ok\n\xff\n", capture_output=True, env=mock.environment(),
                             timeout=60, check=False)
        self.assertEqual(ran.returncode, 1)
        self.assertIn(b"line 2 of standard input is not valid UTF-8: use --binary", ran.stderr)
        self.assertEqual(ran.stdout, b"ok\n")

    def test_json_has_every_event(self):
        ran = ws(self.echo, "--json", "--wait", "100ms", "--ping", "60ms", stdin='{"a":1}\nß\n')
        self.assertEqual((ran.returncode, ran.stderr), (0, ""))
        events = [json.loads(line) for line in ran.stdout.splitlines()]
        kinds = [e.get("kind", "done") for e in events]
        self.assertEqual([k for k in kinds if k != "pong"],
                         ["open", "text", "text", "close", "done"])
        self.assertIn("pong", kinds)
        texts = [e["text"] for e in events if e.get("kind") == "text"]
        self.assertEqual(texts, ['{"a":1}', "ß"])
        self.assertEqual((events[-1]["done"]["error"], events[-1]["close_code"]), (None, 1000))
        self.assertTrue(all(e["received_ns"] > 0 for e in events if "kind" in e))
        for raw in (b"a", b"ab", b"abc", b"\xff\x00\x01\x02"):
            ran = subprocess.run([mock.PROGRAM, "ws", self.echo, "--binary", "--json", "--wait",
                                  "50ms"], input=raw, capture_output=True, timeout=60,
                                 env=mock.environment(), check=True)
            event = json.loads(ran.stdout.splitlines()[1])
            self.assertEqual((event["kind"], base64.b64decode(event["base64"])), ("binary", raw))

    def test_fragments_and_pings_do_not_show(self):
        text = "".join(f"{line}\n" for line in LINES[:50])
        self.says(ws(f"{self.echo}?fragment=7&pings=500", "--wait", "300ms", stdin=text), text)

    def test_refused_handshakes_say_why(self):
        self.fails(ws(f"ws://{self.at}/nowhere"), 1, "404", "is this a WebSocket's address?")
        self.fails(ws(self.echo, "-H", "x-mock-fault: status=503"), 1, "503", "later")
        self.fails(ws(f"{self.echo}?accept=wrong"), 1, "Sec-WebSocket-Accept")
        self.fails(ws(f"{self.echo}?alien=1"), 1, "subprotocol")
        self.fails(ws(self.echo, "-H", f"x-mock-fault: redirect=301,http://{self.at}/"), 1, "301")
        self.fails(ws(self.echo, "-H", "x-mock-fault: slow-head=5000", "--head-timeout", "100ms"),
                   1, "--head-timeout")

    def test_closes_of_the_server(self):
        ran = ws(f"{self.echo}?close=4001&after=1", "--wait", "5", stdin="a\n")
        self.fails(ran, 1, "4001")
        self.assertEqual(ran.stdout, "a\n")
        self.says(ws(f"{self.echo}?close=1000&after=1", "--wait", "off", stdin="a\n"), "a\n")
        with subprocess.Popen([mock.PROGRAM, "ws", f"{self.echo}?close=1000&after=1"],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                              stderr=subprocess.PIPE, env=mock.environment()) as client:
            client.stdin.write("a\n")
            client.stdin.flush()
            self.assertEqual(client.stdout.readline(), "a\n")
            self.assertEqual(client.wait(20), 0)  # though the input is open still
            self.assertEqual(client.stderr.read(), "")
        ran = ws(f"{self.echo}?close=1000&after=1", stdin="a\n" * 500000)
        self.fails(ran, 1, "closed with 1000 before the end of the input")

    def test_a_close_without_an_answer_is_a_failure(self):
        started = time.monotonic()
        self.fails(ws(f"{self.echo}?noclose=1", "--wait", "50ms", stdin="a\n"), 1, "Close in time")
        self.assertGreater(time.monotonic() - started, 4)

    def test_a_total_timeout(self):
        self.fails(ws(self.echo, "--wait", "off", "--timeout", "200ms", stdin="a\n"), 1,
                   "--timeout")

    def test_an_interrupt_closes_and_exits_130(self):
        with subprocess.Popen([mock.PROGRAM, "ws", self.echo], stdin=subprocess.PIPE, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              env=mock.environment()) as client:
            client.stdin.write("a\n")
            client.stdin.flush()
            self.assertEqual(client.stdout.readline(), "a\n")
            client.send_signal(signal.SIGINT)
            self.assertEqual(client.wait(20), 130)
            self.assertIn("interrupted", client.stderr.read())

    def test_an_output_that_cannot_be_written(self):
        with open("/dev/full", "w", encoding="utf-8") as full:
            ran = subprocess.run([mock.PROGRAM, "ws", self.echo], input="a\n", stdout=full,
                                 text=True, stderr=subprocess.PIPE, env=mock.environment(),
                                 timeout=60, check=False)
        self.assertEqual(ran.returncode, 1)
        self.assertIn("cannot write standard output", ran.stderr)

    def test_on_a_terminal_it_is_a_conversation(self):
        pid, fd = pty.fork()
        if pid == 0:
            mock.die_with_parent()
            os.execve(mock.PROGRAM, [mock.PROGRAM, "ws", self.echo, "--wait", "100ms"],
                      mock.environment(TERM="dumb"))
        seen = b""

        def until(what):
            nonlocal seen
            end = time.monotonic() + 20
            while what not in seen and time.monotonic() < end:
                if select.select([fd], [], [], 0.1)[0]:
                    try:
                        seen += os.read(fd, 4096)
                    except OSError:
                        break
            self.assertIn(what, seen)
        try:
            until(b"ctrl-D closes]")
            os.write(fd, b"hello\n")
            until(b"< hello\r\n")
            os.write(fd, b"\x04")
            until(b"[closed with 1000, 1 sent, 1 received")
            _, status = os.waitpid(pid, 0)
        finally:
            os.close(fd)
        self.assertEqual(os.waitstatus_to_exitcode(status), 0)

    def test_the_descriptor_is_left_as_it_was(self):
        read, write = os.pipe()
        os.write(write, b"a\n")
        os.close(write)
        os.set_blocking(read, True)
        subprocess.run([mock.PROGRAM, "ws", self.echo, "--wait", "50ms"], stdin=read, check=True,
                       stdout=subprocess.DEVNULL, env=mock.environment(), timeout=60)
        self.assertTrue(os.get_blocking(read))
        os.close(read)


class Tls(Gateway):
    args = ("--require-key", KEY)

    def test_wss_needs_the_right_ca(self):
        echo = self.echo.replace("ws:", "wss:")
        self.says(ws(echo, "--cacert", self.g.ca, "--api-key", KEY, "--wait", "100ms",
                     stdin="a\n"), "a\n")
        self.fails(ws(echo, stdin="a\n"), 1, "certificate", "--cacert")
        self.says(ws(echo, "-k", "--api-key", KEY, "--wait", "100ms", stdin="a\n"), "a\n")

    def test_through_a_proxy(self):
        through = tunnel.Tunnel()
        echo = self.echo.replace("ws:", "wss:")
        self.says(ws(echo, "--cacert", self.g.ca, "--wait", "100ms", stdin="a\n",
                     LEAT_API_KEY=KEY, HTTPS_PROXY=through.url), "a\n")
        self.assertEqual(len(through.heads), 1)
        self.assertNotIn(KEY.encode(), through.relayed)

    def test_keys_go_where_they_are_meant_to(self):
        echo, shared = self.echo.replace("ws:", "wss:"), ("--cacert", self.g.ca, "--wait", "100ms")
        self.says(ws(echo, *shared, stdin="a\n", LEAT_API_KEY=KEY), "a\n")
        # a provider's key is nothing that any server gets
        self.fails(ws(echo, *shared, stdin="a\n", OPENAI_API_KEY=KEY), 1, "401")
        base = ("--base-url", self.g.url, "--protocol", "realtime", "--model", "m", "--json")
        for place in ("header", "subprotocol"):
            ran = ws(*base, *shared, "--key-in", place, OPENAI_API_KEY=KEY)
            self.assertEqual((ran.returncode, ran.stderr), (0, ""))
            events = [json.loads(line) for line in ran.stdout.splitlines()]
            self.assertEqual(events[0]["subprotocol"], "realtime" if place == "subprotocol" else "")
            self.assertEqual(json.loads(events[1]["text"])["type"], "session.created")
            self.assertNotIn(KEY, ran.stdout)
        self.fails(ws(*base[:-1], *shared, OPENAI_API_KEY="sk-wrong"), 1, "401", "LEAT_API_KEY")


class Chats(Gateway):
    def chat(self, *arguments, **more):
        return mock.leat("chat", "--base-url", self.g.url, "--model", "m", "--max-tokens", "20",
                         *arguments, "hi", **more)

    def test_every_protocol_says_the_same(self):
        for seed in ("1", "2"):
            expected = self.chat("--seed", seed).stdout
            self.assertGreater(len(expected), 100)
            for protocol in ("chat-ws", "responses-ws"):
                more = ("--seed", seed) if protocol == "chat-ws" else \
                    ("--extra-body", f'{{"seed":{seed}}}')
                self.says(self.chat("--protocol", protocol, *more), expected)
        self.assertGreater(len(self.chat("--protocol", "realtime").stdout), 100)

    def test_message_form_and_paths(self):
        expected = self.chat("--seed", "5").stdout
        self.says(self.chat("--protocol", "chat-ws", "--seed", "5", "--chat-path",
                            "/v1/chat/ws?form=message"), expected)
        self.fails(self.chat("--protocol", "chat-ws", "--chat-path", "/v1/elsewhere"), 1, "404")

    def test_json_lines_and_bodies(self):
        ran = self.chat("--protocol", "chat-ws", "--json")
        done = json.loads(ran.stdout.splitlines()[-1])["done"]
        self.assertEqual((done["error"], done["status"], done["http"]), (None, 101, "1.1"))
        body = '{"type":"response.create","model":"m","input":"hi","max_output_tokens":20,"seed":1}'
        self.says(mock.leat("chat", "--base-url", self.g.url, "--protocol", "responses-ws",
                            "--body", body), self.chat("--seed", "1").stdout)
        self.fails(mock.leat("chat", "--base-url", self.g.url, "--protocol", "responses-ws",
                             "--body", "{}"), 2, "response.create")

    def test_failures(self):
        for fault, *words in (("ws-close", "gateway_error"), ("status=401", "401"),
                              ("truncate=300;ws-close=1011", "1011"), ("close=300", "try again"),
                              ("error=2", "had an error")):
            with self.subTest(fault):
                ran = self.chat("--protocol", "chat-ws", "-H", f"x-mock-fault: {fault}",
                                "--retries", "0")
                self.fails(ran, 1, *words)

    def test_many_sockets_at_once(self):
        ran, report = mock.load("--base-url", self.g.url, "--model", "m", "--prompt", "hi",
                                "--protocol", "chat-ws", "-n", "600", "-c", "200",
                                "-H", "x-mock-ttft-ms: 2500")
        self.assertEqual(ran.returncode, 0, ran.stderr)
        self.assertEqual(report["requests"]["completed"], 600)
        self.assertEqual(report["content_events"], 600 * 8)
        # Answers last some ms and need not meet; what they came on was open for seconds.
        self.assertGreater(report["connections"]["peak"], 100)


class Server:
    """python3-websockets in a thread: `serve(socket, path)`. `url` is where."""

    def __init__(self, serve, path=None, certificate=None, **options):
        self.loop = asyncio.new_event_loop()
        self.ready = threading.Event()
        self.heads = []
        self.path = path

        async def handler(socket):
            self.heads.append(socket.request_headers)
            await serve(socket, socket.path)

        async def run():
            context = None
            if certificate:
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                context.load_cert_chain(*certificate)
            options.setdefault("compression", "deflate")
            if path:
                server = await websockets.unix_serve(handler, path, **options)
            else:
                server = await websockets.serve(handler, "127.0.0.1", 0, ssl=context, **options)
                self.url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            self.ready.set()
            await self.over
            server.close()
            await server.wait_closed()

        def main():
            asyncio.set_event_loop(self.loop)
            self.over = self.loop.create_future()
            self.loop.run_until_complete(run())
            self.loop.close()
        self.thread = threading.Thread(target=main, daemon=True)
        self.thread.start()
        if not self.ready.wait(20):
            raise RuntimeError("the server did not start")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.loop.call_soon_threadsafe(self.over.set_result, None)
        self.thread.join(20)


@unittest.skipUnless(websockets, "python3-websockets is not installed")
class Library(Case):
    def test_what_the_handshake_says(self):
        async def serve(socket, path):
            await socket.send(f"{path} {socket.subprotocol}")
        with Server(serve, subprotocols=["b", "c"]) as server:
            ran = ws(f"{server.url}/a%20b?c=d", "--subprotocol", "a, b", "--api-key", KEY,
                     "-H", "X-Mine: 1", "--wait", "off")
            self.says(ran, "/a%20b?c=d b\n")
            head = server.heads[0]
            self.assertEqual(head["Authorization"], f"Bearer {KEY}")
            self.assertEqual((head["X-Mine"], head["Sec-WebSocket-Protocol"]), ("1", "a, b"))
            self.assertNotIn("Sec-WebSocket-Extensions", head)

    def test_json_stays_on_one_line(self):
        async def serve(socket, _):
            await socket.send(json.dumps({"a": [1, "x\ny"]}, indent=2))
            await socket.send("no JSON\nat all")
        with Server(serve) as server:
            ran = ws(server.url, "--wait", "off")
            first, rest = ran.stdout.split("\n", 1)
            self.assertEqual(json.loads(first), {"a": [1, "x\ny"]})
            self.assertEqual(rest, "no JSON\nat all\n")

    def test_binary_that_was_not_asked_for_is_stated(self):
        async def serve(socket, _):
            await socket.send(b"\x00\x01")
            await socket.send(b"\x02")
            await socket.send("text")
        with Server(serve) as server:
            ran = ws(server.url, "--wait", "off")
            self.assertEqual((ran.returncode, ran.stdout), (0, "text\n"))
            self.assertEqual(ran.stderr.count("--binary"), 1)

    def test_late_answers_are_waited_for(self):
        async def serve(socket, _):
            async for message in socket:
                await asyncio.sleep(0.7)
                if socket.open:
                    await socket.send(message)
        with Server(serve) as server:
            self.says(ws(server.url, "--wait", "4", stdin="a\nb\nc\n"), "a\nb\nc\n")
            self.says(ws(server.url, "--wait", "50ms", stdin="a\n"), "")

    def test_a_slow_reader_holds_the_input_back(self):
        seen = []

        async def serve(socket, _):
            await asyncio.sleep(0.5)
            async for message in socket:
                seen.append(len(message))
                if len(seen) == 60:
                    await socket.send("enough")
        with Server(serve, max_queue=1, read_limit=4096) as server:
            text = "".join("x" * 500000 + "\n" for _ in range(60))
            self.says(ws(server.url, "--wait", "3", stdin=text), "enough\n")
        self.assertEqual(seen, [500000] * 60)

    def test_closes_with_words(self):
        async def serve(socket, path):
            await socket.close(int(path[1:]), "told you")
        with Server(serve) as server:
            for code, exit_code in ((1000, 0), (1001, 0), (1008, 1), (1011, 1), (4999, 1)):
                ran = ws(f"{server.url}/{code}", "--wait", "off")
                self.assertEqual(ran.returncode, exit_code, ran.stderr)
                if exit_code:
                    self.fails(ran, 1, str(code), "told you")

    def test_over_a_unix_socket(self):
        async def serve(socket, path):
            await socket.send(path + " " + await socket.recv())
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "s")
            with Server(serve, path=path):
                self.says(ws("--base-url", f"unix:{path}", "--protocol", "chat-ws", "--wait", "off",
                             stdin="hi\n"), "/v1/chat/ws hi\n")


if __name__ == "__main__":
    mock.main()
