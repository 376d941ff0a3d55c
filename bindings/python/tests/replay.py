"""A server of recorded answers: POST /NAME/SIZE/anything gets the body of that name, so many
bytes a chunk (0: all in one), as HTTP/1.1 over plain TCP."""
from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PIECES_MAX = 2000  # a body of more is sent in larger ones


class Replay:
    """url; stopped by close."""

    def __init__(self, bodies: dict[str, tuple[str, bytes]]) -> None:
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers.get("content-length") or 0))
                _, name, size, *_ = self.path.split("/")
                kind, body = bodies[name]
                self.send_response(200)
                self.send_header("Content-Type", kind)
                self.send_header("Transfer-Encoding", "chunked")
                self.end_headers()
                step = max(int(size) or len(body), len(body) // PIECES_MAX, 1)
                for at in range(0, len(body), step):
                    piece = body[at:at + step]
                    self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
                self.wfile.write(b"0\r\n\r\n")

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
