#!/usr/bin/env python3
"""Marks the comments of a header for Doxygen, which reads only those that begin in its own way: so
that the header itself can be plain. Writes the header to standard output; all but the first lines stay where they are.

A comment at the top is the file's; one above a declaration is its own; one behind it on the same
line, too. Headings within a list, whose next line has a comment of its own, and rules that part a
file stay as they are. What Doxygen would take for a command is escaped.

usage: doxygen_filter.py FILE"""
import re
import sys

COMMENT = re.compile(r"/\*.*?\*/", re.S)
ESCAPED = re.compile(r"([\\@#<>%&])")


def is_rule(comment):
    return "-----" in comment


def is_heading(before, after):
    """Within braces, and what follows has a comment of its own."""
    line = after.lstrip("\n").split("\n", 1)[0]
    return before.endswith("  ") and "/*" in line.lstrip()[1:]


def mark(text, match):
    comment, start = match[0], match.start()
    before = text[text.rfind("\n", 0, start) + 1:start]
    after = text[match.end():]
    if is_rule(comment):
        return comment
    body = ESCAPED.sub(r"\\\1", comment[2:])
    if start == 0:
        return "/** \\file\n *" + body
    if before.strip():
        return "/**<" + body
    return comment if is_heading(before, after) else "/**" + body


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        text = file.read()
    sys.stdout.write(COMMENT.sub(lambda match: mark(text, match), text))


if __name__ == "__main__":
    main()
