"""What the tests of the gateway share: requests with http.client, and splitmix64 as the gateway has
it (bench/mock/text.c), so that contents can be computed and compared.

    with mock_calls.Gateway("--task-time", "50ms") as g:
        status, headers, body = g.call("POST", "/suno/submit/MUSIC", {"prompt": "a mill"})
"""
import http.client
import json
import struct

import mock

WAIT = 20  # seconds: the bound of every wait
MASK = (1 << 64) - 1
BOUNDARY = "----mill7MA4YWxkTrZu0gW"


def mix(x):
    x = (x + 0x9E3779B97F4A7C15) & MASK
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & MASK
    return x ^ (x >> 31)


def lane(seed, index):
    """mock_text_lane, for seeds without the bit of words."""
    return seed if index == 0 else mix(seed ^ (0x6C616E65 * index & MASK)) >> 1


def content(seed, size, offset=0):
    """mock_text_bytes."""
    key, first = mix(seed), offset >> 3
    words = (mix(key ^ block) for block in range(first, (offset + size + 7) >> 3))
    out = b"".join(struct.pack("<Q", word) for word in words)
    skip = offset - (first << 3)
    return out[skip:skip + size]


def form(fields, files=()):
    """A multipart body -> (bytes, headers). Fields: (name, text); files: (name, file name, type,
    bytes)."""
    out = b""
    for name, text in fields:
        out += (f"--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n"
                f"{text}\r\n").encode()
    for name, filename, kind, content_bytes in files:
        out += (f"--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"; "
                f"filename=\"{filename}\"\r\nContent-Type: {kind}\r\n\r\n").encode()
        out += content_bytes + b"\r\n"
    out += f"--{BOUNDARY}--\r\n".encode()
    return out, {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}


def events(body):
    """Server-sent events -> [(event's name or None, data)]."""
    found = []
    for block in body.decode().split("\n\n"):
        lines = block.strip("\n").split("\n")
        name = next((line[7:] for line in lines if line.startswith("event: ")), None)
        said = [line[6:] for line in lines if line.startswith("data: ")]
        if said:
            found.append((name, "\n".join(said)))
    return found


class Gateway(mock.Mock):
    """`leat mock --plain`, and calls to it, each on a connection of its own."""

    def __init__(self, *options):
        super().__init__("--plain", "--ttft", "2ms", "--gap", "1ms", "--events", "8", *options)

    def kill(self):
        """Without a word, as a machine dies."""
        self.process.kill()
        self.ended()

    def stop(self):
        """As for any server; but it must end well, which is where sanitizers speak."""
        ended = self.process.poll() is not None
        super().stop()
        if not ended and (self.process.returncode or "ERROR" in self.text()):
            raise AssertionError(f"the gateway ended with {self.process.returncode}: "
                                 f"{self.text()}")

    def connect(self):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=WAIT)

    def call(self, method, path, body=None, headers=None):
        """-> (status, headers, body's bytes)."""
        c = self.connect()
        try:
            text = json.dumps(body) if isinstance(body, (dict, list)) else body
            c.request(method, path, text, headers or {})
            answer = c.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            c.close()

    def ask(self, method, path, body=None, headers=None):
        """-> (status, the body's JSON)."""
        status, _, text = self.call(method, path, body, headers)
        return status, json.loads(text)

    def good(self, method, path, body=None, headers=None):
        """The JSON of an answer that must be 200."""
        status, found = self.ask(method, path, body, headers)
        if status != 200:
            raise AssertionError(f"{method} {path}: {status} {found}")
        return found

    def stats(self):
        return self.good("GET", "/stats")

    def ledger(self, since=0):
        lines = self.call("GET", f"/mock/ledger?since={since}")[2].decode().split("\n")
        return [json.loads(line) for line in lines if line]

    def fetch(self, url, headers=None):
        """What stands at an address that the gateway gave."""
        return self.call("GET", url.split(str(self.port), 1)[1], None, headers)
