#!/usr/bin/env python3
"""The manual page and the completions mention every option of every command, and no others.

The program's own --help, which comes from the table that it parses with, is the measure."""
import os
import re
import shutil
import subprocess
import unittest

import mock

CLI = os.path.join(mock.SOURCE, "bindings/cli")
MANUAL = os.path.join(CLI, "leat.1")
BASH = os.path.join(CLI, "completion/leat.bash")
ZSH = os.path.join(CLI, "completion/_leat")
# Words of other harnesses that load takes, which --help does not list.
ELSEWHERE = {"--num-prompts", "--request-count", "--max-concurrency", "--request-rate",
             "--random-input-len", "--random-output-len", "--random-prefix-len",
             "--benchmark-duration"}
OPTION = re.compile(r"^  (?:-(\w), |    )?--([a-z][a-z0-9-]*)", re.M)


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def manual_words():
    return re.sub(r"\\f[BIPR]", "", read(MANUAL)).replace("\\-", "-")


def commands():
    return re.findall(r"^  (\w+) ", mock.leat("--help").stdout, re.M)


def options(command):
    """{name: letter or ""} as --help lists them."""
    text = mock.leat(command, "--help").stdout
    return {name: letter for letter, name in OPTION.findall(text)}


class Documents(unittest.TestCase):
    def test_every_command_has_options_and_a_section(self):
        manual = read(MANUAL)
        self.assertEqual(set(commands()),
                         {"chat", "ws", "decode", "load", "compare", "report", "merge", "task",
                          "call", "endpoints", "mock", "demo", "help"})
        for command in commands():
            self.assertIn("help", options(command), command)
            if command != "help":
                self.assertIn(f".SS leat {command}\n", manual)

    def test_the_manual_names_every_option(self):
        manual = manual_words()
        words = set(re.findall(r"(?<![\w-])--?[a-z][a-z0-9-]*", manual))
        for command in commands():
            for name, letter in options(command).items():
                self.assertIn(f"--{name}", words, f"{command} --{name}")
                if letter:
                    self.assertIn(f"-{letter}", words | set(re.findall(r"-\w\b", manual)))

    def test_the_manual_names_no_other_option(self):
        manual = manual_words()
        known = {f"--{name}" for command in commands() for name in options(command)}
        named = set(re.findall(r"(?<![\w-])--[a-z][a-z0-9-]*", manual))
        self.assertEqual(named - known - ELSEWHERE - {"--version"}, set())

    def test_the_manual_is_clean_groff(self):
        if not shutil.which("groff"):
            self.skipTest("groff is not installed")
        ran = subprocess.run(["groff", "-man", "-ww", "-Tascii", MANUAL], capture_output=True,
                             text=True, timeout=30, check=False)
        self.assertEqual((ran.returncode, ran.stderr), (0, ""))
        self.assertTrue("EXIT STATUS" in re.sub(".\x08", "", ran.stdout))

    def test_bash_completes_exactly_the_options(self):
        for command in commands():
            script = (f"source {BASH}; COMP_WORDS=(leat {command} --); COMP_CWORD=2; _leat; "
                      "printf '%s\\n' \"${COMPREPLY[@]}\"")
            ran = subprocess.run(["bash", "--norc", "-c", script], capture_output=True, text=True,
                                 timeout=30, check=True)
            self.assertEqual(ran.stderr, "")
            self.assertEqual(set(ran.stdout.split()),
                             {f"--{name}" for name in options(command)}, command)

    def test_bash_completes_commands_and_values(self):
        for words, expected in ((["l"], {"load"}), (["task", "s"], {"submit"}),
                                (["chat", "--http", "1"], {"1.1"}),
                                (["load", "--http", ""], {"auto", "1.1", "2"}),
                                (["load", "--arrivals", "p"], {"poisson"}),
                                (["report", "--format", ""], {"leat", "vllm", "aiperf"}),
                                (["chat", "--tls-max", "1"], {"1.2", "1.3"}),
                                (["ws", "--key-in", "s"], {"subprotocol"}),
                                (["decode", "--protocol", "openai-ch"], {"openai-chat"})):
            script = (f"source {BASH}; COMP_WORDS=(leat {' '.join(words)}); "
                      f"COMP_CWORD={len(words)}; _leat; printf '%s\\n' \"${{COMPREPLY[@]}}\"")
            ran = subprocess.run(["bash", "--norc", "-c", script], capture_output=True, text=True,
                                 timeout=30, check=True)
            self.assertEqual(set(ran.stdout.split()), expected)

    def test_zsh_completes_exactly_the_options(self):
        text = read(ZSH)
        lists = {}
        for name, body in re.findall(r"^  (\w+)=\(\n(.*?)^  \)", text, re.M | re.S):
            lists[name] = set(re.findall(r"--([a-z][a-z0-9-]*)", body))
            for other in re.findall(r"^    \$(\w+)$", body, re.M):
                lists[name] |= lists[other]
        for command in commands():
            arm = re.search(rf"^    {command}\)\n(.*?)^      ;;", text, re.M | re.S)
            self.assertIsNotNone(arm, command)
            found = set(re.findall(r"--([a-z][a-z0-9-]*)", arm[1]))
            for name in re.findall(r"\$(\w+)", arm[1]):
                found |= lists[name]
            self.assertEqual(found, set(options(command)), command)

    def test_zsh_reads_its_file(self):
        if not shutil.which("zsh"):
            self.skipTest("zsh is not installed")
        ran = subprocess.run(["zsh", "-n", ZSH], capture_output=True, text=True, timeout=30,
                             check=False)
        self.assertEqual((ran.returncode, ran.stderr), (0, ""))


if __name__ == "__main__":
    mock.main()
