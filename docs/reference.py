#!/usr/bin/env python3
"""Makes the reference below build/reference, with an index.html: leat.h by Doxygen (which must be
installed), the Python package by pdoc, the Node package by typedoc. The last two come from their
registries; where none answers, their part is left out, and the index says so.

usage: docs/reference.py [FOLDER]      exit 0: all that could be made has no warning, 1: not so"""
import html
import os
import shutil
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, "test", "e2e"))
import installed  # noqa: E402

# As e2e/test_guides.py has them, so that one folder serves all.
PYTHON_NEEDS = ("fastapi", "uvicorn", "openai", "anthropic", "httpx", "httpx2", "pdoc")
NODE_NEEDS = ("typedoc", "typescript", "@types/node@24")
SECONDS = 200
PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>leat: reference</title>
<style>body {{ font: 16px/1.5 sans-serif; max-width: 40em; margin: 3em auto; padding: 0 1em }}
td {{ padding: .3em 1.5em .3em 0 }}</style>
<h1>leat</h1>
<p>An event-loop engine for streaming from language models.</p>
<table>
{rows}
</table>
</html>
"""


def run(*command, **how):
    """What is said on either stream is a warning, and a failure."""
    ran = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, cwd=ROOT,
                         stderr=subprocess.STDOUT, text=True, timeout=SECONDS, check=False, **how)
    if ran.returncode != 0:
        raise SystemExit(f"{command[0]}: {ran.stdout}")


def make_c(folder):
    if not shutil.which("doxygen"):
        raise SystemExit("doxygen is not installed")
    with open(os.path.join(ROOT, "docs", "Doxyfile"), encoding="utf-8") as file:
        settings = file.read()
    settings += (f"INPUT = engine/leat.h engine/leat\nSTRIP_FROM_PATH = engine\n"
                 f"OUTPUT_DIRECTORY = {folder}\n")
    written = os.path.join(folder, "Doxyfile")
    os.makedirs(folder)
    with open(written, "w", encoding="utf-8") as file:
        file.write(settings)
    run("doxygen", written)


def make_python(folder):
    venv = installed.python("documents", *PYTHON_NEEDS, tree=True)
    run(venv.program("pdoc"), "-o", folder, "leat", "leat.httpx", "leat.httpx2",
        env={**os.environ, "PYTHONWARNINGS": "ignore"})


def make_node(folder):
    tools = installed.node("typedoc", *NODE_NEEDS)
    types = os.path.join(ROOT, "bindings", "node", "lib", "index.d.ts")
    config = os.path.join(tools, "tsconfig.json")
    with open(config, "w", encoding="utf-8") as file:
        file.write('{"compilerOptions": {"module": "nodenext", "target": "es2022", "lib": '
                   '["esnext"], "strict": true, "types": ["node"], "typeRoots": '
                   f'["{tools}/node_modules/@types"]}}, "files": ["{types}"]}}\n')
    run(os.path.join(tools, "node_modules", ".bin", "typedoc"), "--out", folder, "--name", "leat",
        "--readme", "none", "--disableSources", "--treatWarningsAsErrors", "--tsconfig", config,
        types)


PARTS = (("c", "leat.h", "leat_8h.html", make_c), ("python", "Python", "leat.html", make_python),
         ("node", "Node", "index.html", make_node))


def main():
    folder = os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else
                             os.path.join(ROOT, "build", "reference"))
    shutil.rmtree(folder, ignore_errors=True)
    rows = []
    for name, title, page, make in PARTS:
        try:
            make(os.path.join(folder, name))
        except installed.CannotInstall as error:
            print(f"{title}: {error}", file=sys.stderr)
            rows.append(f"<tr><td>{title}<td>{html.escape(str(error))}")
        else:
            rows.append(f'<tr><td><a href="{name}/{page}">{title}</a><td>{name}')
    with open(os.path.join(folder, "index.html"), "w", encoding="utf-8") as file:
        file.write(PAGE.format(rows="\n".join(rows)))
    print(os.path.join(folder, "index.html"))


if __name__ == "__main__":
    main()
