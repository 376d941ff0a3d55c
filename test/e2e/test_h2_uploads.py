#!/usr/bin/env python3
"""Bodies of a megabyte over HTTP/2, many times what the windows of these servers hold at first: all
of them arrive, once, through nginx, nghttpx, Node and Go."""
# ctest: peers 180
import mock
import servers
from h2crowd import FAST, FAST_PATH, Crowd, counters

BODY = 1 << 20


class Uploads(Crowd):
    def upload(self, front, *more, **how):
        return self.load(front, *more, body=self.body_file(BODY), requests=40, concurrency=20,
                         **how)

    def behind(self, make_front):
        """Through a front, as often as were asked for and no oftener."""
        with mock.Mock(*FAST) as gateway, make_front(gateway.port) as front:
            self.upload(front)
            seen = counters(gateway)
            self.assertEqual((seen["streams"], seen["aborted"]), (40, 0))

    def test_nginx(self):
        servers.require("nginx", "openssl")
        self.behind(lambda port: servers.Nginx(
            port, listen="ssl http2", server="client_max_body_size 8m;",
            location="proxy_request_buffering off;"))

    def test_nghttpx_with_the_smallest_windows(self):
        servers.require("nghttpx", "openssl")
        self.behind(lambda port: servers.Nghttpx(
            port, "--frontend-http2-window-size=65535",
            "--frontend-http2-connection-window-size=65535"))

    def test_node(self):
        servers.require("node", "openssl")
        with servers.NodeChats() as front:
            self.upload(front, "--chat-path", FAST_PATH)
            self.upload(front, "--chat-path", FAST_PATH, connections=1)

    def test_go(self):
        servers.require("go", "openssl")
        with servers.GoChats() as front:
            self.upload(front, "--chat-path", FAST_PATH)
            self.upload(front, "--chat-path", FAST_PATH, connections=2)


if __name__ == "__main__":
    mock.main()
