"""A forward proxy for tests: CONNECT with or without Basic authentication, or a bare relay from a
Unix socket. It keeps the head of every CONNECT, and all bytes that clients sent through.

    proxy = tunnel.Tunnel(login="user:password")   # proxy.url, proxy.heads, proxy.relayed
"""
import base64
import socket
import threading

HEAD_MAX = 65536


class Tunnel:
    """`login`: what must be shown. `path` and `to`: relays that socket to that port."""

    def __init__(self, login=None, path=None, to=None):
        self.wanted = login and "Basic " + base64.b64encode(login.encode()).decode()
        self.to = to
        self.heads, self.relayed = [], b""
        self.sockets = []
        if path:
            self.listener = socket.socket(socket.AF_UNIX)
            self.listener.bind(path)
            self.listener.listen(64)
        else:
            self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
            self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            self.sockets.append(client)
            threading.Thread(target=self.meet, args=(client,), daemon=True).start()

    def read_head(self, client):
        head = b""
        while b"\r\n\r\n" not in head and len(head) < HEAD_MAX:
            piece = client.recv(4096)
            if not piece:
                break
            head += piece
        text, _, rest = head.partition(b"\r\n\r\n")
        return text.decode(errors="replace") + "\r\n", rest

    def meet(self, client):
        try:
            rest, port = b"", self.to
            if port is None:
                head, rest = self.read_head(client)
                self.heads.append(head)
                if self.wanted and f"Proxy-Authorization: {self.wanted}\r\n" not in head:
                    client.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\n"
                                   b"Proxy-Authenticate: Basic realm=\"mill\"\r\n"
                                   b"Content-Length: 0\r\n\r\n")
                    client.close()
                    return
                port = int(head.split(" ")[1].rpartition(":")[2])
            server = socket.create_connection(("127.0.0.1", port), 10)
            server.settimeout(None)
            self.sockets.append(server)
            if self.to is None:
                client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            threading.Thread(target=self.relay, args=(server, client, False), daemon=True).start()
            server.sendall(rest)
            self.relay(client, server, True)
        except (OSError, ValueError, IndexError):
            client.close()

    def relay(self, source, sink, from_client):
        try:
            while piece := source.recv(65536):
                if from_client:
                    self.relayed += piece
                sink.sendall(piece)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def close(self):
        self.listener.close()
        for each in self.sockets:
            each.close()
