"""Executes a Containerfile where no engine runs: each stage in a fresh Debian 13 of its own.

What is understood is what ours uses: FROM debian:trixie-slim [AS name], ENV, WORKDIR, COPY (from
the tree or from a stage, with patterns), RUN and USER, ENTRYPOINT and CMD as JSON. Anything else is
an error, so that no instruction is passed over in silence. The tree is copied without what
.dockerignore names.

    image = containerfile.build("Containerfile", "/path/of/the/tree")
    print(image.start("--version"))"""
import fnmatch
import glob
import json
import os
import re
import shlex
import shutil

import clean_root

IMAGE = "debian:trixie-slim"
RUN_SECONDS = 900


def instructions(path):
    """The lines of a Containerfile -> [(instruction, rest)], continued lines as one."""
    with open(path, encoding="utf-8") as file:
        lines = [line for line in file.read().split("\n") if not line.lstrip().startswith("#")]
    text = re.sub(r"\\\n\s*", "", "\n".join(lines))
    return [tuple(line.split(None, 1)) for line in text.split("\n") if line.strip()]


def ignored(tree):
    """A function for shutil.copytree that leaves out what .dockerignore names."""
    with open(os.path.join(tree, ".dockerignore"), encoding="utf-8") as file:
        patterns = [line.strip() for line in file if line.strip() and line[0] != "#"]
    if any(pattern.startswith("!") for pattern in patterns):
        raise AssertionError(".dockerignore: no exceptions are understood here")

    def choose(folder, names):
        where = os.path.relpath(folder, tree)
        return [name for name in names for pattern in patterns
                if fnmatch.fnmatch(os.path.normpath(os.path.join(where, name)), pattern)
                or (pattern.startswith("**/") and fnmatch.fnmatch(name, pattern[3:]))]
    return choose


class Stage:
    """One stage: a system, and the state that instructions change."""

    def __init__(self, name):
        self.root = clean_root.Root(name)
        self.env, self.folder, self.user = {}, "/", None
        self.entrypoint, self.command = [], []

    def place(self, path):
        """A path of an instruction -> an absolute one in the system, its last slash kept."""
        return path if path.startswith("/") else os.path.join(self.folder, path)

    def run(self, *command, seconds=RUN_SECONDS):
        """Runs a command in the stage's folder, as its user and with its environment."""
        user = []
        if self.user:
            user = ["setpriv", f"--reuid={self.user}", f"--regid={self.user}", "--init-groups",
                    "--no-new-privs"]
        settings = [f"{name}={value}" for name, value in self.env.items()]
        return self.root.run(*user, "env", f"--chdir={self.folder}", *settings, *command,
                             seconds=seconds)

    def start(self, *arguments, seconds=60):
        """What an engine would run: the entrypoint, with arguments or else with CMD."""
        return self.run(*self.entrypoint, *(arguments or self.command), seconds=seconds)

    def copy(self, source, target, ignore):
        if os.path.isdir(source):
            shutil.copytree(source, self.root.inside(target), symlinks=True, dirs_exist_ok=True,
                            ignore=ignore)
        elif target.endswith("/"):
            self.root.put(source, os.path.join(target, os.path.basename(source)))
        else:
            self.root.put(source, target)


class Build:
    """Goes through the instructions of one file."""

    def __init__(self, tree):
        self.tree, self.stages, self.stage = tree, {}, None
        self.steps = {"FROM": self.do_from, "ENV": self.do_env, "WORKDIR": self.do_workdir,
                      "COPY": self.do_copy, "RUN": self.do_run, "USER": self.do_user,
                      "ENTRYPOINT": self.do_entrypoint, "CMD": self.do_cmd}

    def do_from(self, rest):
        found = re.fullmatch(r"(\S+)(?: AS (\w+))?", rest)
        if not found or found[1] != IMAGE:
            raise AssertionError(f"FROM {rest}: only {IMAGE} is known here")
        name = found[2] or "last"
        self.stage = self.stages[name] = Stage(f"container-{name}")

    def do_env(self, rest):
        name, value = rest.split("=", 1)
        self.stage.env[name] = shlex.split(value)[0]

    def do_workdir(self, rest):
        self.stage.folder = self.stage.place(rest)
        os.makedirs(self.stage.root.inside(self.stage.folder), exist_ok=True)

    def do_copy(self, rest):
        *sources, target = rest.split()
        base, ignore = self.tree, ignored(self.tree)
        if sources[0].startswith("--from="):
            base, ignore = self.stages[sources.pop(0)[len("--from="):]].root.path, None
        for source in sources:
            found = glob.glob(os.path.join(base, source.lstrip("/")))
            if not found:
                raise AssertionError(f"COPY {rest}: there is no {source}")
            for path in found:
                self.stage.copy(path, self.stage.place(target), ignore)

    def do_run(self, rest):
        self.stage.run("/bin/sh", "-c", rest)

    def do_user(self, rest):
        self.stage.user = rest

    def do_entrypoint(self, rest):
        self.stage.entrypoint = json.loads(rest)

    def do_cmd(self, rest):
        self.stage.command = json.loads(rest)


def build(path, tree):
    """Executes all of it -> the stages by name, the last one as "last"."""
    work = Build(os.path.abspath(tree))
    for instruction, rest in instructions(path):
        if instruction not in work.steps:
            raise AssertionError(f"{path}: {instruction} is not understood here")
        work.steps[instruction](rest)
    return work.stages
