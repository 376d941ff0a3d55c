#!/usr/bin/env python3
"""Tests of tidy.py: each rule is fed a bad snippet, which it must find, and a good one."""
import os
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import tidy  # noqa: E402

TOP = "/* What this file is for. */\n"


def findings(files):
    """What tidy says of a tree with just these files: {path: text}."""
    with tempfile.TemporaryDirectory() as root:
        for path, text in files.items():
            os.makedirs(os.path.dirname(os.path.join(root, path)) or root, exist_ok=True)
            with open(os.path.join(root, path), "w", encoding="utf-8") as file:
                file.write(text)
        return tidy.Tree(root).check()


class TidyTest(unittest.TestCase):
    def finds(self, needle, path, text, others=None):
        said = findings({path: text, **(others or {})})
        self.assertTrue(any(needle in one for one in said), f"no '{needle}' in {said}")

    def passes(self, path, text, others=None):
        self.assertEqual(findings({path: text, **(others or {})}), [])

    # ---- text
    def test_columns(self):
        self.finds(":2: 101 columns", "engine/base/x.h", TOP + "//" + "y" * 99 + "\n")
        self.passes("engine/base/x.h", TOP + "//" + "y" * 98 + "\n")

    def test_tabs_blanks_and_the_last_line_end(self):
        self.finds("a tab", "engine/base/x.h", TOP + "int\tx;\n")
        self.finds("blanks at the end", "engine/base/x.h", TOP + "int x; \n")
        self.finds("no line end", "engine/base/x.h", TOP + "int x;")

    def test_unfinished_words(self):
        for word in ("TO" "DO", "FIX" "ME", "XX" "X"):
            self.finds(word, "engine/base/x.h", TOP + f"// {word}: later\n")
        self.passes("engine/base/x.h", TOP + "// TODOS and XXXL are words\n")

    # ---- files
    def test_file_length(self):
        self.finds("1001 lines", "engine/base/x.h", TOP + "int x;\n" * 1000)
        self.passes("engine/base/x.h", TOP + "int x;\n" * 999)

    def test_file_name(self):
        self.finds("'util'", "engine/base/str_util.h", TOP)
        self.passes("engine/base/database.h", TOP)

    def test_comment_at_the_top(self):
        self.finds("no comment at the top", "engine/base/x.c", "int x;\n")

    def test_what_others_made_is_not_read(self):
        for folder in ("build", "node_modules/x"):
            self.passes(f"bindings/node/{folder}/x.h", "int\tx;\n")
        self.finds("a tab", "bindings/node/built/x.h", "int\tx;\n")

    # ---- functions
    def test_function_length_counts_from_signature_to_brace(self):
        body = "  x();\n"
        self.finds("71 lines", "engine/base/x.c",
                   TOP + "static void f(int a,\n              int b) {\n" + body * 68 + "}\n")
        self.passes("engine/base/x.c", TOP + "static void f(int a) {\n" + body * 68 + "}\n")

    def test_levels(self):
        deep = "static void f(void) {\n" + "if (x) {\n" * 5 + "}\n" * 5 + "}\n"
        flat = "static void f(void) {\n" + "if (x) {\n" * 4 + "}\n" * 4 + "}\n"
        self.finds("5 levels", "engine/base/x.c", TOP + deep)
        self.passes("engine/base/x.c", TOP + flat)

    def test_initializers_and_literals_are_no_levels(self):
        self.passes("engine/base/x.c", TOP + "static void f(void) {\n"
                    "if (a) {\nfor (;;) {\ndo {\nif (b) {\n"
                    "struct s x[] = {{{1}}, {{2}}};\ng((struct s){{3}});\nchar c = '{';\n"
                    "const char *t = \"}{{{{\"; /* {{{ */\n}\n} while (c);\n}\n}\n}\n")

    def test_parameters(self):
        self.finds("6 parameters", "engine/base/x.c",
                   TOP + "static int f(int a, int b, int c, int d, int e, int g) { return 0; }\n")
        self.passes("engine/base/x.c",
                    TOP + "static int f(int a, int (*b)(int, int), int c, int d, int e) {\n}\n")

    def test_goto_labels(self):
        self.finds("goto labels", "engine/base/x.c", TOP + "static void f(void) {\n  goto a;\n"
                   "  goto b;\na:\n  x();\nb:\n  y();\n}\n")
        self.passes("engine/base/x.c", TOP + "static void f(void) {\n  switch (x) {\n    case A:\n"
                    "      break;\n    default:\n      goto a;\n  }\na:\n  y();\n}\n")

    def test_two_branches_that_open_a_brace_are_not_passed_over(self):
        self.finds("balance", "engine/base/x.c",
                   TOP + "#if A\nstatic void f(void) {\n#else\nstatic void g(void) {\n#endif\n}\n")

    # ---- names
    def test_banned_words_in_function_names(self):
        self.finds("'info'", "engine/base/x.c", TOP + "static void get_info(void) {}\n")
        self.finds("'handle' as a verb", "engine/base/x.c", TOP + "void lti_x_handle(void) {}\n")
        self.finds("'handle' as a verb", "bench/load/x.c", TOP + "static void handle_x(void) {}\n")
        self.passes("engine/base/x.c", TOP + "static void close_handle(void) {}\n")

    def test_prefixes(self):
        self.finds("call it lti_x_", "engine/base/x.c", TOP + "void other_thing(void) {}\n")
        self.finds("call it lti_x_", "engine/base/x.c", TOP + "void lti_y_thing(void) {}\n")
        self.finds("has no prefix", "engine/base/x.c", TOP + "static void lti_x_a(void) {}\n")
        self.finds("not in leat.h", "engine/core/x.c", TOP + "void leat_x(void) {}\n")
        self.passes("engine/core/x.c", TOP + "void leat_x(void) {}\n",
                    {"engine/leat.h": TOP + "LEAT_API void leat_x(void);\n"})
        self.passes("engine/base/x.h", TOP + "static inline int lti_x_a(void) { return 1; }\n")

    def test_no_t_on_types(self):
        self.finds("x_t: no _t", "engine/base/x.h", TOP + "typedef struct x {\n} x_t;\n")
        self.finds("x_t: no _t", "engine/base/x.h", TOP + "struct x_t {\n  int a;\n};\n")

    # ---- calls
    def test_banned_calls(self):
        self.finds("strcpy()", "bench/load/x.c", TOP + "static void f(void) { strcpy(a, b); }\n")
        self.finds("atoi()", "test/x.c", TOP + "static void f(void) { atoi(a); }\n")
        self.passes("bench/load/x.c",
                    TOP + "/* strcpy(a) */ static void f(void) { g(\"atoi(\"); }\n")

    def test_allocator(self):
        self.finds("malloc()", "engine/wire/x.c", TOP + "static void f(void) { y = malloc(1); }\n")
        self.passes("engine/base/alloc.c", TOP + "static void f(void) { y = malloc(1); }\n")
        self.passes("engine/wire/x.c",
                    TOP + "static void f(void) { a->free(u, b); c.malloc(u); }\n")
        self.passes("bench/load/x.c", TOP + "static void f(void) { free(y); }\n")

    # ---- includes
    def test_upward_include(self):
        self.finds("may not include engine/wire/y.h", "engine/base/x.c",
                   TOP + '#include "wire/y.h"\n', {"engine/wire/y.h": TOP})
        self.finds("may not include engine/leat.h", "engine/wire/x.c",
                   TOP + '#include "leat.h"\n', {"engine/leat.h": TOP})
        self.passes("engine/base/error.h", TOP + '#include "leat.h"\nint lti_x;\n',
                    {"engine/leat.h": TOP})

    def test_codecs_do_not_know_each_other(self):
        self.finds("may not include engine/wire/json.h", "engine/wire/http1.c",
                   TOP + '#include "wire/json.h"\n', {"engine/wire/json.h": TOP})
        self.passes("engine/wire/sse.h", TOP + '#include "wire/lines.h"\nint x;\n',
                    {"engine/wire/lines.h": TOP})

    def test_third_party_headers(self):
        self.finds("may not include <uv.h>", "engine/core/x.c", TOP + "#include <uv.h>\n")
        self.finds("may not include <mbedtls/ssl.h>", "engine/wire/tls.h",
                   TOP + "#include <mbedtls/ssl.h>\nint x;\n")
        self.finds("neither the system's", "engine/base/x.c", TOP + "#include <curses.h>\n")
        self.passes("engine/io/sock.c", TOP + "#include <sys/socket.h>\n#include <uv.h>\n")
        self.passes("engine/wire/tls.c", TOP + "#include <mbedtls/ssl.h>\n")

    def test_include_in_a_comment_is_none(self):
        self.passes("engine/base/x.c", TOP + "/*\n#include <uv.h>\n*/\n")

    def test_missing_header_and_unknown_folder(self):
        self.finds("not in the tree", "engine/base/x.c", TOP + '#include "nowhere.h"\n')
        self.finds("no row of the include table", "engine/new/x.c", TOP)

    def test_cycle(self):
        self.finds("circle", "engine/base/a.h", TOP + '#include "b.h"\nint a;\n',
                   {"engine/base/b.h": TOP + '#include "a.h"\nint b;\n'})

    def test_header_that_only_includes(self):
        self.finds("only includes", "engine/core/all.h",
                   TOP + '#ifndef A\n#define A\n#include "../base/x.h"\n#endif\n',
                   {"engine/base/x.h": TOP})

    # ---- tests
    def test_fuzz_target_needs_a_corpus(self):
        self.finds("no corpus", "test/fuzz/fuzz_x.c", TOP)
        self.passes("test/fuzz/fuzz_x.c", TOP, {"test/fuzz/corpus/fuzz_x/seed": "a"})

    def test_test_without_assertion(self):
        self.finds("asserts nothing", "test/base/test_x.c",
                   TOP + "static void test_x(void **state) { go(); }\n")
        self.passes("test/base/test_x.c",
                    TOP + "static void test_x(void **state) { assert_true(1); }\n")


if __name__ == "__main__":
    unittest.main()
