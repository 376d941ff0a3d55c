"""Packages of others, installed by name for tests and benches: into a folder below build/installed,
once, whoever asks first. Those who ask at the same time wait for each other; what was half made is
made anew; another list of packages under the same name replaces what was there.

    venv = installed.python("locust", "locust>=2.40")        # a virtual environment
    venv = installed.python("sdks", "openai>=3", tree=True)  # with this tree's own package, leat
    subprocess.run([venv.python, ...]); subprocess.run([venv.program("locust"), ...])
    folder = installed.node("sdks", "openai@6")              # folder/node_modules

What cannot be had, because no registry answers or a program is missing, is `CannotInstall`, which a
test passes on: it is skipped with the reason. This tree's own package failing to build is no such
case: it fails the test."""
import contextlib
import ctypes
import fcntl
import glob
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import tomllib
import unittest

SOURCE = os.environ.get("LEAT_SOURCE_DIR") or os.path.abspath(
    os.path.join(os.path.dirname(__file__), "../.."))
FOLDER = os.path.join(SOURCE, "build/installed")
OWN_PACKAGE = os.path.join(SOURCE, "bindings/python")
OWN_SOURCES = ("CMakeLists.txt", "cmake/**", "engine/**", "protocols/**", "bindings/python/*.*",
               "bindings/python/leat/**", "bindings/python/src/**")
SECONDS = 420
BUILD_SECONDS = 300
PR_SET_PDEATHSIG = 1
# Opened before any fork: between fork and exec another thread's lock of the loader would stay held.
LIBC = ctypes.CDLL(None)


class CannotInstall(unittest.SkipTest):
    """Why something is not there."""


class Venv:
    """A virtual environment: `python`, and the programs that its packages brought."""

    def __init__(self, folder):
        self.folder, self.programs = folder, os.path.join(folder, "bin")
        self.python = self.program("python")

    def program(self, name):
        return os.path.join(self.programs, name)


def die_with_parent():
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def run(command, seconds, **env):
    """-> why it failed, None if it did not. Past its time all that it started ends."""
    try:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                   stderr=subprocess.STDOUT, text=True, errors="replace",
                                   start_new_session=True, preexec_fn=die_with_parent,
                                   env={**os.environ, **env})
    except OSError as error:
        return str(error)
    try:
        said, _ = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        said = f"{' '.join(command[:4])} took more than {seconds} s"
        return said
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
    return None if process.returncode == 0 else said.strip() or f"exit {process.returncode}"


@contextlib.contextmanager
def locked(path, seconds):
    """The only one, on this machine, that works on what belongs to the lock."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    until = time.monotonic() + seconds
    with open(path, "w", encoding="utf-8") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > until:
                    raise CannotInstall(f"{path} is held by another for {seconds} s") from None
                time.sleep(0.1)
        yield


def stamp(folder):
    try:
        with open(os.path.join(folder, "installed"), encoding="utf-8") as file:
            return file.read()
    except OSError:
        return None


def once(folder, wanted, steps, seconds):
    """Runs `steps`, each a command, unless `folder` has what is `wanted` (a text) already."""
    with locked(folder + ".lock", seconds):
        if stamp(folder) == wanted:
            return
        shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(folder)
        until = time.monotonic() + seconds
        for command in steps:
            why = run(command, max(1, until - time.monotonic()))
            if why:
                shutil.rmtree(folder, ignore_errors=True)
                raise CannotInstall(f"{wanted.strip()} cannot be installed: {last_line(why)}")
        with open(os.path.join(folder, "installed"), "w", encoding="utf-8") as file:
            file.write(wanted)


def last_line(text):
    return text.strip().split("\n")[-1][:200]


def base_python():
    """The system's, which its packages (venv, headers) belong to, if there is one."""
    return "/usr/bin/python3" if os.path.exists("/usr/bin/python3") else sys.executable


def python(name, *packages, tree=False, within=FOLDER, options=(), seconds=SECONDS):
    """-> a Venv with these packages; `tree`: and with this tree's own. `options` are pip's."""
    venv = Venv(os.path.join(within, name))
    pip = [venv.python, "-m", "pip", "install", "--quiet", *options, *packages]
    once(venv.folder, "\n".join(packages) + "\n",
         [[base_python(), "-m", "venv", venv.folder], *([pip] if packages else [])], seconds)
    if tree:
        add_own(venv, seconds)
    return venv


def node(name, *packages, within=FOLDER, options=(), seconds=SECONDS):
    """-> a folder whose node_modules has these packages. `options` are npm's."""
    folder = os.path.join(within, name)
    for program in ("node", "npm"):
        if not shutil.which(program):
            raise CannotInstall(f"{program} is not installed")
    once(folder, "\n".join(packages) + "\n",
         [["npm", "install", "--prefix", folder, "--no-audit", "--no-fund", *options, *packages]],
         seconds)
    return folder


# ---- the package of this tree

def digest_of_own():
    """Of all that its wheel is made from: names and contents."""
    found = {path for pattern in OWN_SOURCES
             for path in glob.glob(os.path.join(SOURCE, pattern), recursive=True)
             if os.path.isfile(path) and "__pycache__" not in path}
    total = hashlib.sha256()
    for path in sorted(found):
        with open(path, "rb") as file:
            content = hashlib.sha256(file.read()).hexdigest()
        total.update(f"{os.path.relpath(path, SOURCE)} {content}\n".encode())
    return total.hexdigest()[:16]


def own_wheel(digest):
    """-> the wheel of this tree, built once. What it is built with comes from a registry and may
    be absent; that the build itself fails is an error."""
    with open(os.path.join(OWN_PACKAGE, "pyproject.toml"), "rb") as file:
        builder = python("builder", *tomllib.load(file)["build-system"]["requires"])
    check = "import os, sysconfig; print(os.path.join(sysconfig.get_path('include'), 'Python.h'))"
    header = subprocess.run([builder.python, "-c", check], text=True, stdout=subprocess.PIPE,
                            check=True, timeout=60).stdout.strip()
    if not os.path.exists(header):
        raise CannotInstall(f"{header} is missing (python3-dev)")
    wheels = os.path.join(FOLDER, "wheels")
    place = os.path.join(wheels, digest)
    with locked(wheels + ".lock", BUILD_SECONDS):
        if not os.path.isdir(place):
            shutil.rmtree(wheels, ignore_errors=True)
            fresh = place + ".new"
            why = run([builder.python, "-m", "pip", "wheel", "--quiet", "--no-deps",
                       "--no-build-isolation", "--wheel-dir", fresh, OWN_PACKAGE], BUILD_SECONDS,
                      CMAKE_BUILD_PARALLEL_LEVEL="2")
            if why:
                raise AssertionError(f"pip wheel {OWN_PACKAGE}: {why[-4000:]}")
            os.rename(fresh, place)
    return glob.glob(os.path.join(place, "*.whl"))[0]


def add_own(venv, seconds):
    """Installs this tree's package, unless just this state of it is there."""
    digest = digest_of_own()
    noted = os.path.join(venv.folder, "own.json")
    with locked(venv.folder + ".lock", seconds):
        with contextlib.suppress(OSError, ValueError), open(noted, encoding="utf-8") as file:
            if json.load(file) == digest:
                return
        why = run([venv.python, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index",
                   "--force-reinstall", own_wheel(digest)], seconds)
        if why:
            raise AssertionError(f"pip install of the wheel: {why[-4000:]}")
        with open(noted, "w", encoding="utf-8") as file:
            json.dump(digest, file)
