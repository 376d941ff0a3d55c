#!/usr/bin/env python3
"""The reference is made by its one command, has every public name of leat.h with what the header
says of it, and no link in it leads nowhere."""
# ctest: peers 600 once
import html.parser
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
import urllib.parse

import mock

HEADERS = [os.path.join(mock.SOURCE, "engine", name) for name in (
    "leat.h", "leat/source.h", "leat/task.h", "leat/watch.h", "leat/ws.h", "leat/reply.h",
    "leat/endpoint.h")]
# What is no file of the reference.
ELSEWHERE = re.compile(r"^(javascript:|data:|mailto:|https?:)")


def read(path):
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read()


def public_names():
    text = re.sub(r"/\*.*?\*/", " ", "".join(map(read, HEADERS)), flags=re.S)
    functions = set(re.findall(r"LEAT_API[^;(]*?\b(leat_\w+)\s*\(", text))
    types = set(re.findall(r"\}\s*(leat_\w+);", text))
    values = set(re.findall(r"^\s+(LEAT_[A-Z0-9_]+)(?: = [^,\n]*)?(?:,|$|\s*\})", text, re.M))
    return functions, types, values


class Links(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.links, self.names = set(), set()

    def handle_starttag(self, tag, attributes):
        for name, value in attributes:
            if name in ("href", "src") and value and not ELSEWHERE.match(value):
                self.links.add(value)
            elif name in ("id", "name") and value:
                self.names.add(value)


class Reference(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if not shutil.which("doxygen"):
            raise unittest.SkipTest("doxygen is not installed (test/run.sh --peers does)")
        cls.folder = tempfile.TemporaryDirectory()
        program = os.path.join(mock.SOURCE, "docs", "reference.py")
        made = subprocess.run([sys.executable, program, cls.folder.name], text=True, timeout=550,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        if made.returncode != 0:
            raise AssertionError(made.stdout[-4000:])
        cls.pages = {}
        for where, _, names in os.walk(cls.folder.name):
            for name in names:
                if name.endswith(".html"):
                    path = os.path.join(where, name)
                    cls.pages[path] = Links()
                    cls.pages[path].feed(read(path))

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def part(self, name):
        return "".join(read(path) for path in self.pages
                       if path.startswith(os.path.join(self.folder.name, name) + os.sep)
                       and "_source.html" not in path)

    def test_every_public_name_is_there(self):
        functions, types, values = public_names()
        self.assertGreater(len(functions), 40)
        self.assertGreater(len(types), 30)
        self.assertGreater(len(values), 100)
        text = self.part("c")
        missing = [name for name in functions | types | values
                   if not re.search(rf"\b{name}\b", text)]
        self.assertEqual(missing, [])

    def test_what_the_header_says_is_beside_the_name(self):
        text = re.sub(r"<[^>]+>", "", self.part("c"))
        for words in ("no event of", "Accepts a request", "an argument is missing, out of range",
                      "A view of bytes that someone else owns", "between two pieces of content"):
            self.assertIn(words.lower(), text.lower())

    def test_no_link_leads_nowhere(self):
        wrong = []
        for page, found in self.pages.items():
            for link in found.links:
                path, _, name = urllib.parse.unquote(link).partition("#")
                path = path.partition("?")[0]
                target = os.path.normpath(os.path.join(os.path.dirname(page), path)) \
                    if path else page
                if os.path.isdir(target):
                    target = os.path.join(target, "index.html")
                # pdoc and typedoc mark places by scripts of their own, too.
                named = not name or target not in self.pages or "/c/" not in target or \
                    name in self.pages[target].names
                if not os.path.exists(target) or not named:
                    wrong.append(f"{page}: {link}")
        self.assertEqual(wrong[:10], [])

    def test_other_languages_are_there_or_the_index_says_why(self):
        index = os.path.join(self.folder.name, "index.html")
        self.assertIn("c/leat_8h.html", self.pages[index].links)
        for name, page, words in (("python", "leat.html", ("SyncClient", "LeatForkError")),
                                  ("node", "index.html", ("Client", "createFetch"))):
            if f"{name}/{page}" in self.pages[index].links:
                for word in words:
                    self.assertIn(word, self.part(name))
            else:
                self.assertIn("cannot be installed", read(index))


if __name__ == "__main__":
    mock.main()
