"""Servers that nobody here wrote, for the tests labelled peers: nginx, haproxy, h2o, nghttpx,
nghttpd, Node and Go.

Each is configured at test time in a folder of its own, runs in the foreground on a free loopback
port with a certificate made for it, and is stopped by its process id (mock.Server). test/run.sh
--peers installs them; require() skips a test class where one is missing.
"""
import getpass
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
worker_rlimit_nofile 8192;
events {{ worker_connections 4096; }}
http {{
  log_format parts '$connection $status $gzip_ratio $ssl_session_reused';
  access_log {folder}/access.log parts;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  server {{
    listen 127.0.0.1:{port} {listen};
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
  maxconn 4000
  {settings}
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  {defaults}
frontend tls
  bind 127.0.0.1:{port} ssl crt {folder}/pair.pem alpn {alpn}
  {frontend}
  default_backend gateway
backend gateway
  {backend}
  server gateway 127.0.0.1:{upstream}
"""
H2O = """
listen:
  host: 127.0.0.1
  port: {port}
  ssl:
    certificate-file: {folder}/cert.pem
    key-file: {folder}/key.pem
    ocsp-update-interval: 0
user: {user}
num-threads: 1
max-connections: 4096
http2-max-concurrent-requests-per-connection: {streams}
hosts:
  default:
    paths:
      /:
        proxy.reverse.url: http://127.0.0.1:{upstream}/
        proxy.timeout.io: 60000
        proxy.timeout.keepalive: 0
"""


def find(program):
    return shutil.which(program, path=PATH)


def here(name):
    return os.path.join(os.path.dirname(os.path.abspath(__file__)), name)


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


def make_client_certificate(folder):
    """One of the CA in `folder`: -> the paths of certificate and key."""
    openssl(folder, "req", "-x509", "-CA", "ca.pem", "-CAkey", "ca.key", "-newkey", "ec",
            "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-keyout",
            "client.key", "-out", "client.pem", "-subj", "/CN=leat client", "-addext",
            "basicConstraints=critical,CA:FALSE", "-addext", "extendedKeyUsage=clientAuth")
    os.chmod(os.path.join(folder, "client.key"), 0o600)
    return os.path.join(folder, "client.pem"), os.path.join(folder, "client.key")


class Front(mock.Server):
    """A server with a certificate in front of something: url, port, ca, folder."""

    def __init__(self, make_command, ready=None, **how):
        self.scratch = tempfile.TemporaryDirectory()
        self.folder = self.scratch.name
        try:
            make_certificate(self.folder)
            self.ca = os.path.join(self.folder, "ca.pem")
            self.port = mock.free_port()
            self.url = f"https://127.0.0.1:{self.port}"
            super().__init__(make_command(self), ready or mock.answers(self.port), **how)
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
    """TLS in front of a plain gateway. `server` and `location` join the configuration there, the
    former with {folder} for the folder of certificates."""

    def __init__(self, upstream, server="", location="", listen="ssl"):
        def command(front):
            user = "user root root;" if os.geteuid() == 0 else ""
            path = front.write("nginx.conf", NGINX.format(
                folder=front.folder, port=front.port, user=user, upstream=upstream,
                server=server.replace("{folder}", front.folder), location=location,
                listen=listen))
            return [find("nginx"), "-p", front.folder, "-e", "stderr", "-c", path]
        super().__init__(command)

    def requests(self, least=0):
        """What it logged: (connection, status, gzip ratio or -, session reused) a request. It does
        so behind its answer, so a test says how many it waits for."""
        def lines():
            return self.read("access.log").splitlines()
        self.wait_until(lambda: len(lines()) >= least)
        return [line.split(" ") for line in lines()]


class Haproxy(Front):
    """TLS in front of a plain gateway; each text joins its section."""

    def __init__(self, upstream, alpn="http/1.1", **texts):
        texts = {"settings": "", "defaults": "", "frontend": "", "backend": "", **texts}

        def command(front):
            path = front.write("haproxy.cfg", HAPROXY.format(
                folder=front.folder, port=front.port, upstream=upstream, alpn=alpn, **texts))
            return [find("haproxy"), "-db", "-f", path]
        super().__init__(command)


class NodeReplay(Front):
    """Node's https server, which replays recorded bodies: see replay.mjs for the paths."""

    def __init__(self, bodies):
        super().__init__(lambda front: [find("node"), here("replay.mjs"), str(front.port),
                                        front.folder, bodies])


class H2o(Front):
    """HTTP/2 in front of a plain gateway, `streams` at once on a connection."""

    def __init__(self, upstream, streams=100):
        def command(front):
            user = "root" if os.geteuid() == 0 else getpass.getuser()
            path = front.write("h2o.conf", H2O.format(
                folder=front.folder, port=front.port, upstream=upstream, user=user,
                streams=streams))
            return [find("h2o"), "-c", path]
        super().__init__(command)


class Nghttpx(Front):
    """HTTP/2 in front of a plain gateway."""

    def __init__(self, upstream, *options):
        said = subprocess.run([find("nghttpx"), "--help"], capture_output=True, timeout=30,
                              check=True).stdout
        if b"--no-ocsp" in said:  # later versions know no OCSP, nor the option
            options = ("--no-ocsp", *options)
        super().__init__(lambda front: [
            find("nghttpx"), "--conf=/dev/null", "--workers=1", *options,
            f"--frontend=127.0.0.1,{front.port}", f"--backend=127.0.0.1,{upstream}",
            os.path.join(front.folder, "key.pem"), os.path.join(front.folder, "cert.pem")])


class Nghttpd(Front):
    """nghttp2's own server of files: `files` are name -> text."""

    def __init__(self, files, *options):
        def command(front):
            for name, text in files.items():
                front.write(name, text)
            return [find("nghttpd"), "--address=127.0.0.1", f"--htdocs={front.folder}", *options,
                    str(front.port), os.path.join(front.folder, "key.pem"),
                    os.path.join(front.folder, "cert.pem")]
        super().__init__(command)


class NodeChats(Front):
    """Node's http2 module, which says chats itself: see h2chats.mjs."""

    def __init__(self, *options):
        super().__init__(lambda front: [find("node"), here("h2chats.mjs"), str(front.port),
                                        front.folder, *options])


class GoChats(Front):
    """Go's net/http, which says chats itself: see h2chats.go. Built from Go's own library alone."""

    def __init__(self, *options):
        def command(front):
            program = os.path.join(front.folder, "h2chats")
            subprocess.run([find("go"), "build", "-o", program, here("h2chats.go")], check=True,
                           cwd=front.folder, timeout=240, stdin=subprocess.DEVNULL,
                           env=mock.environment(GO111MODULE="off", GOFLAGS="", GOTOOLCHAIN="local",
                                                CGO_ENABLED="0"))
            return [program, str(front.port), front.folder, *options]
        super().__init__(command)
