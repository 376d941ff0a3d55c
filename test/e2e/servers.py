"""Servers that nobody here wrote, for the tests labelled peers: nginx, haproxy and Node.

Each is configured at test time in a folder of its own, runs in the foreground on a free loopback
port with a certificate made for it, and is stopped by its process id (mock.Server). test/run.sh
--peers installs them; require() skips a test class where one is missing.
"""
import os
import shutil
import subprocess
import tempfile
import unittest

import mock

PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin", "/usr/local/sbin"])

NGINX = """
daemon off;
{user}
worker_processes 1;
pid {folder}/nginx.pid;
error_log stderr warn;
events {{ worker_connections 1024; }}
http {{
  log_format parts '$connection $status $gzip_ratio $ssl_session_reused';
  access_log {folder}/access.log parts;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  server {{
    listen 127.0.0.1:{port} ssl;
    ssl_certificate {folder}/cert.pem;
    ssl_certificate_key {folder}/key.pem;
    {server}
    location / {{
      proxy_pass http://127.0.0.1:{upstream};
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_buffering off;
      {location}
    }}
  }}
}}
"""
HAPROXY = """
global
  maxconn 2000
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  {defaults}
frontend tls
  bind 127.0.0.1:{port} ssl crt {folder}/pair.pem alpn http/1.1
  {frontend}
  default_backend gateway
backend gateway
  {backend}
  server gateway 127.0.0.1:{upstream}
"""


def find(program):
    return shutil.which(program, path=PATH)


def require(*programs):
    """Skips the calling test, or in setUpClass its class, when one is not installed."""
    missing = [name for name in programs if not find(name)]
    if missing:
        raise unittest.SkipTest(f"not installed: {', '.join(missing)} (test/run.sh --peers)")


def openssl(folder, *arguments):
    subprocess.run([find("openssl"), *arguments], cwd=folder, check=True, timeout=30,
                   stdin=subprocess.DEVNULL, capture_output=True)


def make_certificate(folder, names="DNS:localhost,IP:127.0.0.1"):
    """Leaves ca.pem, cert.pem, key.pem and, for haproxy, both of the latter in pair.pem."""
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2")
    openssl(folder, "req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem",
            "-subj", "/CN=leat test CA", "-addext", "keyUsage=critical,keyCertSign")
    openssl(folder, "req", "-x509", "-CA", "ca.pem", "-CAkey", "ca.key", *key,
            "-keyout", "key.pem", "-out", "cert.pem", "-subj", "/CN=leat test",
            "-addext", f"subjectAltName={names}", "-addext", "basicConstraints=critical,CA:FALSE",
            "-addext", "extendedKeyUsage=serverAuth")
    with open(os.path.join(folder, "pair.pem"), "wb") as pair:
        for name in ("cert.pem", "key.pem"):
            with open(os.path.join(folder, name), "rb") as part:
                pair.write(part.read())


class Front(mock.Server):
    """A server with a certificate in front of something: url, port, ca, folder."""

    def __init__(self, make_command, ready=None):
        self.scratch = tempfile.TemporaryDirectory()
        self.folder = self.scratch.name
        try:
            make_certificate(self.folder)
            self.ca = os.path.join(self.folder, "ca.pem")
            self.port = mock.free_port()
            self.url = f"https://127.0.0.1:{self.port}"
            super().__init__(make_command(self), ready or mock.answers(self.port))
        except BaseException:
            self.scratch.cleanup()
            raise

    def write(self, name, text):
        path = os.path.join(self.folder, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def read(self, name):
        with open(os.path.join(self.folder, name), encoding="utf-8") as file:
            return file.read()

    def target(self):
        """The options that lead the program here."""
        return ["--base-url", self.url, "--cacert", self.ca, "--model", "m"]

    def stop(self):
        super().stop()
        self.scratch.cleanup()


class Nginx(Front):
    """TLS in front of a plain gateway. `server` and `location` join the configuration there."""

    def __init__(self, upstream, server="", location=""):
        def command(front):
            user = "user root root;" if os.geteuid() == 0 else ""
            path = front.write("nginx.conf", NGINX.format(
                folder=front.folder, port=front.port, user=user, upstream=upstream, server=server,
                location=location))
            return [find("nginx"), "-p", front.folder, "-e", "stderr", "-c", path]
        super().__init__(command)

    def requests(self):
        """What it logged: (connection, status, gzip ratio or -, session reused) a request."""
        return [line.split(" ") for line in self.read("access.log").splitlines()]


class Haproxy(Front):
    """TLS in front of a plain gateway; each text joins its section."""

    def __init__(self, upstream, defaults="", frontend="", backend=""):
        def command(front):
            path = front.write("haproxy.cfg", HAPROXY.format(
                folder=front.folder, port=front.port, upstream=upstream, defaults=defaults,
                frontend=frontend, backend=backend))
            return [find("haproxy"), "-db", "-f", path]
        super().__init__(command)


class NodeReplay(Front):
    """Node's https server, which replays recorded bodies: see replay.mjs for the paths."""

    def __init__(self, bodies):
        script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "replay.mjs")
        super().__init__(lambda front: [find("node"), script, str(front.port), front.folder,
                                        bodies])
