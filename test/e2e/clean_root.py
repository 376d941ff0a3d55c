"""Fresh Debian 13 systems, in which packages are installed and used: what test/clean_root.sh makes,
with files put into them and commands run in them.

    root = clean_root.Root("deb")           # SkipTest, with the reason, where none can be made
    root.put("leat.deb", "/tmp.deb")
    print(root.run("apt-get", "install", "-y", "/tmp.deb", seconds=300))

The network is this machine's, so that a gateway that listens here is reached from there. A command
that lasts longer than it may is killed, and with it all that it has started."""
import os
import shutil
import subprocess
import unittest

import mock

SCRIPT = os.path.join(mock.SOURCE, "test", "clean_root.sh")
NOT_HERE = 77
MAKE_SECONDS = 600


def require():
    """Skips where it is known beforehand that none can be made; installs nothing."""
    if os.path.exists("/etc/leat-root"):
        raise unittest.SkipTest("this is such a system itself")
    if os.geteuid() != 0:
        raise unittest.SkipTest("a fresh Debian 13 needs root")
    if not shutil.which("debootstrap"):
        raise unittest.SkipTest("debootstrap is not installed (test/run.sh --peers installs it)")
    with open(os.path.join(mock.BUILD, "CMakeCache.txt"), encoding="utf-8") as cache:
        if "LEAT_SANITIZE:BOOL=ON" in cache.read():
            raise unittest.SkipTest("packages are made without sanitizers")


def call(*arguments, seconds):
    """Runs test/clean_root.sh -> its standard output, behind it what it said otherwise."""
    ran = subprocess.run([SCRIPT, *arguments], env=mock.environment(), text=True, check=False,
                         stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                         stderr=subprocess.PIPE, errors="replace", timeout=seconds)
    if ran.returncode == NOT_HERE:
        raise unittest.SkipTest(ran.stderr.strip().split("\n")[-1])
    if ran.returncode != 0:
        raise AssertionError(f"{' '.join(arguments)[:200]}: exit {ran.returncode}: "
                             f"{ran.stdout[-3000:]}{ran.stderr[-3000:]}")
    return ran.stdout


class Root:
    """One system, made anew."""

    def __init__(self, name):
        require()
        self.name = name
        self.path = call("make", name, seconds=MAKE_SECONDS).strip().split("\n")[-1]

    def inside(self, path):
        """Where a path of the system lies for us."""
        return os.path.join(self.path, path.lstrip("/"))

    def put(self, source, path):
        """Copies a file of ours to a path there."""
        os.makedirs(os.path.dirname(self.inside(path)), exist_ok=True)
        shutil.copy2(source, self.inside(path))
        return path

    def run(self, *command, seconds=120):
        return call("run", self.name, *command, seconds=seconds)

    def shell(self, script, seconds=120, **env):
        """Runs a script; the first command of it that fails ends it."""
        settings = [f"{name}={value}" for name, value in env.items()]
        return self.run("env", *settings, "bash", "-euc", script, seconds=seconds)

    def install(self, *packages, seconds=400):
        """Installs Debian packages, by name or, as paths there, from files."""
        return self.shell("apt-get update -q && apt-get install -q -y --no-install-recommends "
                          + " ".join(packages), seconds=seconds)

    def drop(self):
        call("drop", self.name, seconds=MAKE_SECONDS)
