#!/usr/bin/env python3
"""What an event costs a program in Python and in Node, beside what it would use without leat: the
benches of the two packages, with the packages as they are installed from this tree and their peers
from pip and npm (build/installed). bench/compare/run.sh --bindings builds the gateway first.

usage: bindings.py [--only python|node] [--rounds N] [--streams N] [--events N] --leat FILE"""
import argparse
import os
import subprocess
import sys

SOURCE = os.path.abspath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../.."))
sys.path[:0] = [os.path.join(SOURCE, "test/e2e"), os.path.join(SOURCE, "bench")]
import gateway  # noqa: E402
import installed  # noqa: E402
import node_project  # noqa: E402

PYTHON_PEERS = ("aiohttp", "openai", "httpx2[http2]")
PYTHON_CLIENTS = "leat-2,leat-1.1,aiohttp,openai-leat,openai-h2,openai"
SECONDS = 1800


def arguments():
    parser = argparse.ArgumentParser(prog="bench/compare/run.sh --bindings",
                                     description="CPU an event in Python and in Node")
    parser.add_argument("--only", choices=("python", "node"))
    for name, value in (("rounds", 3), ("streams", 500), ("events", 200)):
        parser.add_argument(f"--{name}", type=int, default=value, help=f"[{value}]")
    parser.add_argument("--leat", required=True, help=argparse.SUPPRESS)
    return parser.parse_args()


def run(*command, env=None):
    subprocess.run(command, stdin=subprocess.DEVNULL, check=True, timeout=SECONDS,
                   env={**os.environ, **(env or {})})


def sizes(given):
    return [text for name in ("streams", "events", "rounds")
            for text in (f"--{name}", str(getattr(given, name)))] + ["--program", given.leat]


def python(given):
    venv = installed.python("python-bench", *PYTHON_PEERS, tree=True)
    run(venv.python, os.path.join(SOURCE, "bindings/python/bench/measure.py"),
        "--clients", PYTHON_CLIENTS, *sizes(given))


def node(given):
    project = node_project.make()
    run(project.node, os.path.join(node_project.PACKAGE, "bench/measure.mjs"), *sizes(given),
        env=project.env)


def main():
    given = arguments()
    print(gateway.machine(), flush=True)
    for name, measure in (("python", python), ("node", node)):
        if given.only in (None, name):
            print(f"\n{name}: {given.streams} streams of {given.events} events, one every 20 ms",
                  flush=True)
            measure(given)


if __name__ == "__main__":
    main()
