#!/usr/bin/env python3
"""Checks what a program can check of the house rules, over the C sources, scripts and build files.

What it enforces: who may include what (LAYERS), no include cycles, lengths of files, functions and
lines, nesting, parameter counts, names, banned calls and words, a comment at the top of each file,
a corpus for each fuzz target and an assertion in each test. What it only reports: files that grow
long, the share of comment in the public header, test lines against library lines, clang-format.

It reads C with a small lexer of its own (comments, literals and preprocessor lines are blanked,
then braces are counted), so it needs nothing but Python. It does not look into macros.

usage: tidy.py [--no-format] [ROOT]        exit 0: clean, 1: findings, each as FILE:LINE: TEXT
"""
import fnmatch
import os
import re
import shutil
import subprocess
import sys
from typing import NamedTuple

COLUMNS_MAX = 100
FILE_LINES_MAX, FILE_LINES_HABIT = 1000, 700
FUNCTION_LINES_MAX, LEVELS_MAX, PARAMETERS_MAX = 70, 4, 5
HEADER_COMMENT_SHARE = 0.40

# Folders that are looked at. Everything else of the tree (build/, for one) is not ours to judge.
C_FOLDERS = ("engine", "protocols", "bindings", "bench", "test")
# Folders of what is not written by hand, wherever they are.
NOT_OURS = ("corpus", "vectors", "__pycache__", "build", "node_modules")
TEXT_FILES = (".py", ".sh", ".cmake", ".txt", ".mjs")
SCRIPTS = (".ci/run",)


class Layer(NamedTuple):
    """One row of the include table: patterns of our headers, and third-party libraries."""

    files: str
    ours: tuple
    third: tuple = ()


ANY = ("*",)
PUBLIC = ("engine/leat.h", "engine/leat/*.h")
TOOLS = (*PUBLIC, "engine/protocol.h", "engine/base/*.h", "engine/wire/sse.h",
         "engine/wire/json.h", "engine/core/answer.h", "bindings/cli/*.h", "bench/*.h")
BASE, HTTP = "engine/base/*.h", "engine/wire/http.h"

# The first row whose pattern fits a file holds. {stem} is the file's own name without its ending.
LAYERS = (
    Layer("engine/leat.h", ("engine/leat/*.h",)),
    Layer("engine/leat/*.h", ()),
    Layer("engine/protocol.h", ("engine/leat.h", "engine/base/slice.h", "engine/base/buf.h",
                                "engine/base/error.h")),
    Layer("engine/base/slice.*", (BASE, "engine/leat.h")),
    Layer("engine/base/error.*", (BASE, "engine/leat.h")),
    Layer("engine/base/alloc.*", (BASE, "engine/leat.h")),
    Layer("engine/base/*", (BASE,)),
    Layer("engine/wire/sse.*", (BASE, HTTP, "engine/wire/{stem}.h", "engine/wire/lines.h")),
    Layer("engine/wire/http1*.c", (BASE, HTTP, "engine/wire/http1.h"), ("llhttp",)),
    Layer("engine/wire/http2*.[ch]", (BASE, HTTP, "engine/wire/http2*.h"), ("nghttp2",)),
    Layer("engine/wire/ws*.c", (BASE, HTTP, "engine/wire/ws*.h", "engine/wire/digest.h"),
          ("wslay",)),
    Layer("engine/wire/proxy.c", (BASE, HTTP, "engine/wire/{stem}.h", "engine/wire/digest.h")),
    Layer("engine/wire/tls*.c", (BASE, HTTP, "engine/wire/tls*.h"), ("mbedtls",)),
    Layer("engine/wire/tls_*.h", (BASE, "engine/wire/tls*.h")),
    Layer("engine/wire/inflate.c", (BASE, HTTP, "engine/wire/{stem}.h"), ("zlib",)),
    Layer("engine/wire/json*.c", (BASE, HTTP, "engine/wire/json*.h")),
    Layer("engine/wire/*", (BASE, HTTP, "engine/wire/{stem}.h")),
    Layer("engine/plan/limiter.*", (BASE, "engine/plan/{stem}.h", "engine/plan/bucket.h")),
    Layer("engine/plan/*", (BASE, "engine/plan/{stem}.h")),
    Layer("engine/io/loop.c", (BASE, "engine/wire/*.h", "engine/io/*.h"), ("libuv",)),
    Layer("engine/io/dns.c", (BASE, "engine/wire/*.h", "engine/io/*.h"), ("libuv",)),
    Layer("engine/io/sock.c", (BASE, "engine/wire/*.h", "engine/io/*.h"), ("libuv",)),
    Layer("engine/io/journal.c", (BASE, "engine/io/{stem}.h"), ("sqlite3",)),
    Layer("engine/io/*", (BASE, "engine/wire/*.h", "engine/io/*.h")),
    Layer("engine/core/*", ("engine/*.h",)),
    Layer("protocols/*", ("engine/protocol.h", "engine/leat.h", "engine/base/slice.h",
                          "engine/base/buf.h", "engine/base/error.h", "engine/wire/json.h",
                          "protocols/*.h")),
    Layer("bindings/cli/*", TOOLS, ANY),
    Layer("bindings/examples/*/*", ("engine/leat.h", "bindings/examples/*/*.h"), ("libuv",)),
    Layer("bindings/examples/*", ("engine/leat.h",), ("libuv",)),
    Layer("bindings/python/src/*", ("engine/leat.h", "bindings/python/src/*.h"), ("cpython",)),
    Layer("bindings/node/src/*", ("engine/leat.h", "bindings/node/src/*.h"), ("napi", "libuv")),
    Layer("bench/compare/*", ("bench/compare/*.h",), ANY),
    Layer("bench/*", TOOLS, ANY),
    Layer("test/*", ANY, ANY),
)

THIRD_PARTY = (("uv.h", "libuv"), ("uv/", "libuv"), ("llhttp.h", "llhttp"), ("zlib.h", "zlib"),
               ("sqlite3.h", "sqlite3"),
               ("nghttp2/", "nghttp2"), ("wslay/", "wslay"),
               ("mbedtls/", "mbedtls"), ("psa/", "mbedtls"), ("cmocka.h", "cmocka"),
               ("Python.h", "cpython"), ("structmember.h", "cpython"), ("node_api.h", "napi"),
               ("curl/", "libcurl"), ("openssl/", "openssl"), ("jansson.h", "jansson"))
SYSTEM_HEADERS = frozenset(
    "assert ctype errno float inttypes limits locale math setjmp signal stdalign stdarg stdatomic "
    "stdbool stddef stdint stdio stdlib stdnoreturn string strings time wchar "
    "dirent dlfcn fcntl fnmatch getopt glob ifaddrs libgen malloc netdb poll pthread pwd sched "
    "semaphore spawn termios unistd emmintrin arm_neon".split())
SYSTEM_FOLDERS = ("sys/", "netinet/", "net/", "arpa/", "linux/", "sanitizer/")

BANNED_WORDS = frozenset("util utils helper helpers manager managers misc common data info".split())
# Names that a rule below would refuse, each for a reason: (file, name).
NAMES_EXEMPT = frozenset({
    ("engine/base/alloc.c", "lti_wipe"),        # said everywhere where a secret is freed
    ("engine/base/map.c", "lti_hash"),          # said everywhere where a key is made
    ("engine/wire/http1.c", "chunk_data"),      # RFC 9112's word, section 7.1
    ("engine/wire/sse.c", "hold_data"),         # the field "data" of an event
    ("engine/wire/sse.c", "add_data"),
    ("engine/io/loop.c", "lti_loop_handle_opened"),  # the noun: libuv's handle
    ("engine/io/loop.c", "lti_loop_handle_closed"),
    ("test/sim/sim_loop.c", "lti_loop_handle_opened"),  # stands in its place
    ("test/sim/sim_loop.c", "lti_loop_handle_closed"),
})
# Callbacks whose signature a library dictates: (file, function).
PARAMETERS_EXEMPT = frozenset({
    ("bench/compare/floor_h2.c", "on_chunk"),
    ("bench/compare/floor_h2.c", "read_body"),
    ("bench/mock/h2.c", "read_body"),
    ("bench/mock/h2_in.c", "on_header"),
    ("bench/mock/h2_in.c", "on_chunk"),
    ("engine/wire/http2_request.c", "body_read"),
    ("engine/wire/http2_response.c", "on_header"),
    ("engine/wire/http2_response.c", "on_chunk"),
    ("test/support/h2_server.c", "on_header"),
    ("test/support/h2_server.c", "on_chunk"),
    ("test/support/h2_server.c", "body_read"),
})

BANNED_CALLS = {
    "strcpy": "no bound: use memcpy with a checked length",
    "strcat": "no bound: use lti_buf", "sprintf": "no bound: use snprintf",
    "vsprintf": "no bound: use vsnprintf", "gets": "no bound",
    "strtok": "hidden state, writes into its input", "atoi": "no errors: parse with a check",
    "atol": "no errors: parse with a check", "atoll": "no errors: parse with a check",
    "atof": "no errors: parse with a check", "alloca": "no bound on the stack",
    "system": "runs a shell", "popen": "runs a shell", "setjmp": "hides control flow",
    "longjmp": "hides control flow",
}
ALLOCATOR_CALLS = ("malloc", "calloc", "realloc", "reallocarray", "free", "strdup", "strndup",
                   "asprintf", "vasprintf", "aligned_alloc", "posix_memalign")
# The one way to memory is base/alloc.c; post.c and journal.c serve threads that the allocator need
# not know.
ALLOCATOR_FILES = frozenset({"engine/base/alloc.c", "engine/core/post.c", "engine/io/journal.c"})

UNFINISHED = re.compile(r"\b(?:TO" r"DO|FIX" r"ME|XX" r"X)\b")
TOKEN = re.compile(r"/\*.*?\*/|//[^\n]*|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'", re.S)
DIRECTIVE = re.compile(r"^[ \t]*#(?:\\\n|[^\n])*", re.M)
INCLUDE = re.compile(r"^[ \t]*#[ \t]*include[ \t]*([<\"])([^>\"\n]+)[>\"]", re.M)
ATTRIBUTE = re.compile(r"__attribute__\s*\(\((?:[^()]|\([^()]*\))*\)\)|_Alignas\s*\([^)]*\)")
WORD_BEFORE = re.compile(r"(\w*)\s*$")
LABEL = re.compile(r"^[ \t]*(?!default\b)([a-z_]\w*)[ \t]*:(?!:)", re.M)
ASSERTS = re.compile(r"assert|check|expect|verify|fail\(", re.I)
STRUCT_T = re.compile(r"\b(?:struct|union|enum)\s+(\w+_t)\s*\{|\}\s*(\w+_t)\s*;")


class Function(NamedTuple):
    name: str
    line: int
    lines: int
    static: bool
    parameters: int
    levels: int
    body: str


def blank(text):
    """The same text with every character but the line ends turned into a space."""
    return re.sub(r"[^\n]", " ", text)


def is_public(path):
    return any(fnmatch.fnmatchcase(path, pattern) for pattern in PUBLIC)


def blank_comments(text):
    return TOKEN.sub(lambda m: blank(m[0]) if m[0][0] == "/" else m[0], text)


def blank_for_braces(text):
    """Code alone: comments, directives and the insides of literals blanked, lines kept."""
    def literal(match):
        token = match[0]
        return blank(token) if token[0] == "/" else token[0] + " " * (len(token) - 2) + token[0]
    return DIRECTIVE.sub(lambda m: blank(m[0]), TOKEN.sub(literal, text))


def line_of(text, at):
    return text.count("\n", 0, at) + 1


def opening_of(code, close):
    """The index of the parenthesis that the one at `close` closes, or -1."""
    depth = 0
    for at in range(close, -1, -1):
        depth += {")": 1, "(": -1}.get(code[at], 0)
        if depth == 0:
            return at
    return -1


def word_before(code, at):
    return WORD_BEFORE.search(code[max(0, at - 80):at])[1]


def opens_block(code, at, parent_is_block):
    """Is the brace at `at` one of a statement, not of an initializer or compound literal?"""
    before = code[:at].rstrip()
    if not before or before[-1] in ";}:":
        return True
    if before[-1] == "{":
        return parent_is_block
    if before[-1] == ")":
        return word_before(before, opening_of(before, len(before) - 1)) not in ("", "return")
    return word_before(before, len(before)) in ("else", "do")


def levels_of(body):
    """How many blocks stand in each other at the deepest place of a function's body."""
    stack, depth, deepest = [], 0, 0
    for match in re.finditer(r"[{}]", body):
        if match[0] == "}":
            depth -= stack.pop() if stack else 0
            continue
        block = opens_block(body, match.start(), not stack or stack[-1])
        stack.append(block)
        depth += block
        deepest = max(deepest, depth)
    return deepest


def count_parameters(text):
    if text.strip() in ("", "void"):
        return 0
    flat = text
    while re.search(r"\([^()]*\)", flat):
        flat = re.sub(r"\([^()]*\)", " ", flat)
    return flat.count(",") + 1


def describe(head, head_at, body, code):
    """Makes a Function of what stands before a brace at file scope, or None of other things."""
    plain = ATTRIBUTE.sub(lambda m: blank(m[0]), head)
    match = re.search(r"(\w+)\s*\(", plain)
    if not match or not plain.rstrip().endswith(")") or "=" in plain[:match.start()]:
        return None
    start = head_at + len(head) - len(head.lstrip())
    opening = match.end() - 1
    parameters = plain[opening + 1:plain.rstrip().rfind(")")]
    end = head_at + len(head) + len(body)
    return Function(match[1], line_of(code, start), line_of(code, end) - line_of(code, start) + 1,
                    bool(re.search(r"\bstatic\b", plain[:opening])), count_parameters(parameters),
                    levels_of(body[1:]), body)


def functions_of(code):
    """-> (functions of a file, do its braces balance?). `code` comes from blank_for_braces."""
    found, depth, head_at, open_at = [], 0, 0, 0
    transparent = 0
    for match in re.finditer(r"[{};]", code):
        at, char = match.start(), match[0]
        if char == "{":
            if depth == 0 and re.search(r'extern\s*"\s*"\s*$', code[head_at:at]):
                transparent, head_at = transparent + 1, at + 1
                continue
            if depth == 0:
                open_at = at
            depth += 1
        elif char == "}" and depth == 0 and transparent:
            transparent, head_at = transparent - 1, at + 1
        elif char == "}":
            depth -= 1
            if depth == 0:
                function = describe(code[head_at:open_at], head_at, code[open_at:at + 1], code)
                if function:
                    found.append(function)
                head_at = at + 1
        elif depth == 0:
            head_at = at + 1
    return found, depth == 0 and transparent == 0


class Tree:
    """The files under one root, what was found in them, and what is only worth a remark."""

    def __init__(self, root):
        self.root = root
        self.findings, self.remarks, self.lengths = [], [], []
        self.lines = {"library": 0, "test": 0}
        self.edges = {}
        self.texts = {path: self.read(path) for path in self.list()}

    def list(self):
        found = [path for path in SCRIPTS if os.path.isfile(os.path.join(self.root, path))]
        found += [n for n in os.listdir(self.root) if n.endswith(TEXT_FILES + (".md",))]
        for folder in C_FOLDERS + ("cmake",):
            for where, folders, names in os.walk(os.path.join(self.root, folder)):
                folders[:] = [f for f in folders if f not in NOT_OURS]
                for name in names:
                    if name.endswith((".c", ".h") + TEXT_FILES):
                        found.append(os.path.relpath(os.path.join(where, name), self.root))
        return sorted(found)

    def read(self, path):
        with open(os.path.join(self.root, path), encoding="utf-8", errors="replace") as file:
            return file.read()

    def say(self, path, line, text):
        self.findings.append(f"{path}:{line}: {text}")

    # ---- any text file
    def check_text(self, path, text):
        wide = not path.endswith(".md")
        for number, line in enumerate(text.split("\n"), 1):
            if wide and len(line) > COLUMNS_MAX:
                self.say(path, number, f"{len(line)} columns, more than {COLUMNS_MAX}")
            if "\t" in line:
                self.say(path, number, "a tab")
            if line != line.rstrip():
                self.say(path, number, "blanks at the end of the line")
            unfinished = UNFINISHED.search(line)
            if unfinished:
                self.say(path, number, f"{unfinished[0]}: finish it")
        if text and not text.endswith("\n"):
            self.say(path, text.count("\n") + 1, "no line end at the end of the file")

    def check_file_name(self, path):
        stem = os.path.splitext(os.path.basename(path))[0]
        for word in re.split(r"[_.\-]", stem):
            if word in BANNED_WORDS and (path, stem) not in NAMES_EXEMPT:
                self.say(path, 1, f"'{word}' in a file's name says nothing")

    # ---- C
    def check_c(self, path, text):
        lines = text.count("\n")
        if lines > FILE_LINES_MAX:
            self.say(path, lines, f"{lines} lines, more than {FILE_LINES_MAX}")
        elif lines > FILE_LINES_HABIT:
            self.remarks.append(f"{path}: {lines} lines, more than {FILE_LINES_HABIT} by habit")
        if not text.lstrip().startswith("/*"):
            self.say(path, 1, "no comment at the top that says what the file is for")
        code = blank_for_braces(text)
        functions, balanced = functions_of(code)
        if not balanced:
            self.say(path, lines, "braces do not balance (do two branches of an #if open one?)")
        for function in functions:
            self.check_function(path, function)
        self.check_calls(path, code)
        for match in STRUCT_T.finditer(code):
            name = match[1] or match[2]
            self.say(path, line_of(code, match.start()), f"{name}: no _t on our types")
        for match in re.finditer(r"^[ \t]*#[ \t]*if[ \t]+0\b", text, re.M):
            self.say(path, line_of(text, match.start()), "#if 0: dead code")
        kind = "test" if path.startswith("test/") else "library"
        if kind == "test" or path.startswith(("engine/", "protocols/")):
            self.lines[kind] += lines

    def check_function(self, path, function):
        where = (path, function.line)
        if function.lines > FUNCTION_LINES_MAX:
            self.say(*where, f"{function.name}: {function.lines} lines, "
                             f"more than {FUNCTION_LINES_MAX}")
        if function.levels > LEVELS_MAX:
            self.say(*where, f"{function.name}: {function.levels} levels, more than {LEVELS_MAX}")
        if function.parameters > PARAMETERS_MAX and (path, function.name) not in PARAMETERS_EXEMPT:
            self.say(*where, f"{function.name}: {function.parameters} parameters, "
                             f"more than {PARAMETERS_MAX}")
        labels = set(LABEL.findall(re.sub(r"\bcase\b[^:]*:", " ", function.body)))
        labels = {label for label in labels if re.search(rf"\bgoto\s+{label}\b", function.body)}
        if len(labels) > 1:
            self.say(*where, f"{function.name}: goto labels {', '.join(sorted(labels))}: "
                             "one is enough")
        self.check_function_name(path, function)
        if path.startswith("test/"):
            if function.static and function.name.startswith("test_") and \
                    not ASSERTS.search(function.body):
                self.say(*where, f"{function.name}: asserts nothing")
        else:
            self.lengths.append(function.lines)

    def check_function_name(self, path, function):
        name, where = function.name, (path, function.line)
        words = name.lower().split("_")
        prefixed = words[0] in ("leat", "lti")
        if not words[0] == "test" and (path, name) not in NAMES_EXEMPT:
            for word in words:
                if word in BANNED_WORDS:
                    self.say(*where, f"{name}: '{word}' in a name says nothing")
            verb = words[2:3] if words[0] == "lti" else words[1:2] if prefixed else words[:1]
            if verb == ["handle"]:
                self.say(*where, f"{name}: 'handle' as a verb says nothing")
        if not path.startswith(("engine/", "protocols/")):
            return
        if path.endswith(".c") and function.static and prefixed:
            self.say(*where, f"{name}: a static function has no prefix")
        elif not function.static or path.endswith(".h"):
            self.check_prefix(path, function)

    def check_prefix(self, path, function):
        stem = os.path.splitext(os.path.basename(path))[0]
        words = function.name.split("_")
        if words[0] == "leat":
            public = "\n".join(text for name, text in self.texts.items() if is_public(name))
            if not re.search(rf"LEAT_API[^;]*\b{function.name}\s*\(", public):
                self.say(path, function.line, f"{function.name}: leat_ but not in leat.h")
        elif (path, function.name) not in NAMES_EXEMPT and not self.follows(function.name, stem):
            self.say(path, function.line, f"{function.name}: call it lti_{stem}_... (or static)")

    def follows(self, name, stem):
        """Is the second word that of the file, or of the header that declares the function?"""
        words = name.split("_")
        if words[0] != "lti" or len(words) < 2:
            return False
        if words[1].rstrip("s") == stem.split("_")[0].rstrip("s"):
            return True
        headers = [path for path in self.texts if path.startswith("engine/") and
                   re.fullmatch(rf"{words[1].rstrip('s')}s?\.h", os.path.basename(path))]
        return any(re.search(rf"\b{name}\s*\(", self.texts[path]) for path in headers)

    def check_calls(self, path, code):
        library = path.startswith(("engine/", "protocols/"))
        for match in re.finditer(r"(?<![\w.>])(\w+)\s*\(", code):
            name = match[1]
            if name in BANNED_CALLS:
                self.say(path, line_of(code, match.start()), f"{name}(): {BANNED_CALLS[name]}")
            elif library and name in ALLOCATOR_CALLS and path not in ALLOCATOR_FILES and \
                    code[:match.start()].rstrip()[-1:] != "*":
                self.say(path, line_of(code, match.start()),
                         f"{name}(): memory comes from the engine's allocator (base/alloc.h)")

    # ---- includes
    def resolve(self, path, name):
        for folder in (os.path.dirname(path), "engine", "", "test"):
            candidate = os.path.normpath(os.path.join(folder, name))
            if candidate in self.texts:
                return candidate
        return None

    def check_includes(self, path, text):
        layer = next((x for x in LAYERS if fnmatch.fnmatchcase(path, x.files)), None)
        if layer is None:
            self.say(path, 1, "no row of the include table fits this file (LAYERS in tidy.py)")
            return
        stem = os.path.splitext(os.path.basename(path))[0]
        libraries = set()
        self.edges[path] = []
        for match in INCLUDE.finditer(blank_comments(text)):
            line, name = line_of(text, match.start(2)), match[2]
            if match[1] == "<":
                libraries.add(self.check_system_include(path, line, name, layer))
                continue
            target = self.resolve(path, name)
            if target is None:
                self.say(path, line, f'"{name}" is not in the tree')
                continue
            self.edges[path].append(target)
            own = os.path.splitext(target)[0] == os.path.splitext(path)[0]
            if not target.endswith(".h"):
                self.say(path, line, f'"{name}" is not a header')
            elif not own and not any(fnmatch.fnmatchcase(target, p.format(stem=stem))
                                     for p in layer.ours):
                self.say(path, line, f"{os.path.dirname(path)} may not include {target}")
        if path.startswith("engine/") and len(libraries - {None}) > 1:
            self.say(path, 1, f"more than one third-party library: {', '.join(libraries - {None})}")
        code = DIRECTIVE.sub("", blank_comments(text)).replace("}", "").replace('extern "C" {', "")
        if path.endswith(".h") and self.edges[path] and not code.strip():
            self.say(path, 1, "a header that only includes others")

    def check_system_include(self, path, line, name, layer):
        """-> the third-party library that the header belongs to, or None."""
        library = next((lib for start, lib in THIRD_PARTY if name.startswith(start)), None)
        if library is None:
            known = name.startswith(SYSTEM_FOLDERS) or name.removesuffix(".h") in SYSTEM_HEADERS
            if not known:
                self.say(path, line, f"<{name}> is neither the system's nor a library we know")
        elif library not in layer.third and layer.third != ANY:
            self.say(path, line, f"{path} may not include <{name}>")
        elif path.startswith("engine/") and path.endswith(".h"):
            self.say(path, line, f"<{name}> in a header: third-party headers stay in .c files")
        return library

    def check_cycles(self):
        state = {}

        def visit(path, trail):
            state[path] = "open"
            for target in self.edges.get(path, ()):
                if state.get(target) == "open":
                    cycle = trail[trail.index(target):] + [target]
                    self.say(path, 1, "includes go round in a circle: " + " -> ".join(cycle))
                elif target not in state:
                    visit(target, trail + [target])
            state[path] = "done"
        for path in self.edges:
            if path not in state:
                visit(path, [path])

    # ---- the tree as a whole
    def check_fuzz(self):
        for path in self.texts:
            if not fnmatch.fnmatchcase(path, "test/fuzz/fuzz_*.c"):
                continue
            name = os.path.splitext(os.path.basename(path))[0]
            corpus = os.path.join(self.root, "test/fuzz/corpus", name)
            if not os.path.isdir(corpus) or not os.listdir(corpus):
                self.say(path, 1, f"no corpus in test/fuzz/corpus/{name}")

    def check_public_header(self):
        for path, text in self.texts.items():
            if not is_public(path):
                continue
            lines = text.split("\n")
            bare = blank_comments(text).split("\n")
            full = sum(1 for line in lines if line.strip())
            comment = sum(1 for line, code in zip(lines, bare) if line.rstrip() != code.rstrip())
            if full and comment / full < HEADER_COMMENT_SHARE:
                self.remarks.append(f"{path}: comment on {comment} of {full} lines, less than "
                                    f"{HEADER_COMMENT_SHARE:.0%}")

    def check(self):
        for path, text in self.texts.items():
            self.check_text(path, text)
            self.check_file_name(path)
            if path.endswith((".c", ".h")):
                self.check_c(path, text)
                self.check_includes(path, text)
        self.check_cycles()
        self.check_fuzz()
        self.check_public_header()
        if self.lines["test"] < self.lines["library"]:
            self.remarks.append(f"{self.lines['test']} lines of test for {self.lines['library']} "
                                "of library: there should be as many")
        return self.findings

    def check_format(self):
        """Remarks only: versions of clang-format differ in details."""
        files = [path for path in self.texts if path.endswith((".c", ".h"))]
        if not shutil.which("clang-format") or not files:
            return
        run = subprocess.run(["clang-format", "--dry-run", *files], cwd=self.root, text=True,
                             stdin=subprocess.DEVNULL, capture_output=True, check=False)
        wrong = sorted(set(re.findall(r"^(\S+?):\d+:\d+: warning", run.stderr, re.M)))
        if wrong:
            self.remarks.append(f"clang-format would change {len(wrong)} files: {' '.join(wrong)}")


def main(arguments):
    names = [a for a in arguments if not a.startswith("-")]
    if len(names) > 1 or any(a != "--no-format" for a in arguments if a.startswith("-")):
        print(__doc__.strip().split("\n\n")[-1], file=sys.stderr)
        return 2
    root = names[0] if names else os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    tree = Tree(root)
    findings = tree.check()
    if "--no-format" not in arguments:
        tree.check_format()
    for remark in tree.remarks:
        print(f"remark: {remark}")
    for finding in findings:
        print(finding)
    lengths = sorted(tree.lengths) or [0]
    library, test = tree.lines["library"], tree.lines["test"]
    print(f"tidy: {len(findings)} findings in {len(tree.texts)} files; {len(tree.lengths)} "
          f"functions, median {lengths[len(lengths) // 2]} lines; {library} lines of library, "
          f"{test} of test")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
