#!/usr/bin/env python3
"""The packages, made, installed and used where nothing else of leat is.

The steps of the Containerfile are executed in fresh Debian 13 systems: the first stage makes the
Debian packages and the archive, the second one is an image with the program, in which a user
without rights streams. libleat-dev goes into a third system, with no more than a compiler, where an
example is built against it through pkg-config and through CMake, and streams from a gateway of
ours; then the packages go and leave nothing. lintian has nothing to say that is not expected."""
# ctest: peers 900 once
import glob
import os
import re
import shutil
import subprocess
import tempfile
import unittest

import clean_root
import containerfile
import mock

SESSION = r"""
: >/tmp/session.log
leat mock --port 0 --ca-out /tmp/session.pem >/tmp/session.log 2>&1 &
for turn in $(seq 100); do
  url=$(sed -n 's/^listening on \(\S*\).*/\1/p' /tmp/session.log)
  [ -z "$url" ] || break
  sleep 0.1
done
leat chat hi --base-url "$url" --cacert /tmp/session.pem
"""
PROJECT = """
cmake_minimum_required(VERSION 3.25)
project(consumer C)
find_package(leat 0.1 REQUIRED)
add_executable(shared stream.c)
target_link_libraries(shared leat::leat)
add_executable(static stream.c)
target_link_libraries(static leat::static)
"""
# The address of whoever makes the packages is theirs to give (LEAT_PACKAGE_CONTACT), no bug of a
# distribution is closed, and cpack adds a call of ldconfig to the trigger.
EXPECTED_TAGS = {"bogus-mail-host", "bogus-mail-host-in-debian-changelog",
                 "initial-upload-closes-no-bugs", "maintscript-calls-ldconfig"}


def write(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


class ContainerfileTest(unittest.TestCase):
    def instructions(self, text):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "Containerfile")
            write(path, text)
            return containerfile.instructions(path)

    def test_continued_lines_are_one_and_comments_none(self):
        self.assertEqual(self.instructions("# a\nFROM x AS y\nRUN a && \\\n  b\n\nUSER c\n"),
                         [("FROM", "x AS y"), ("RUN", "a && b"), ("USER", "c")])

    def test_what_is_not_known_is_an_error(self):
        with tempfile.TemporaryDirectory() as folder:
            for text in ("HEALTHCHECK NONE\n", "FROM alpine\n"):
                path = os.path.join(folder, "Containerfile")
                write(path, text)
                with self.assertRaises(AssertionError):
                    containerfile.build(path, folder)

    def test_what_was_made_here_goes_into_no_image(self):
        choose = containerfile.ignored(mock.SOURCE)
        self.assertEqual(choose(mock.SOURCE, ["build", ".git", "engine", "x.o"]),
                         ["build", ".git", "x.o"])
        deep = os.path.join(mock.SOURCE, "test", "e2e")
        self.assertEqual(choose(deep, ["build", "__pycache__", "mock.py"]), ["__pycache__"])


class PackagesTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        stages = containerfile.build(os.path.join(mock.SOURCE, "Containerfile"), mock.SOURCE)
        cls.build, cls.image = stages["build"], stages["last"]
        for stage in stages.values():
            cls.addClassCleanup(stage.root.drop)
        made = cls.build.root.inside("/src/build/package")
        cls.files = {os.path.basename(path).split("_")[0]: path
                     for path in glob.glob(f"{made}/*.deb")}
        cls.archive = glob.glob(f"{made}/leat-*.tar.gz")[0]
        cls.clean = clean_root.Root("packages")
        cls.addClassCleanup(cls.clean.drop)
        cls.gateway = mock.Mock()
        cls.addClassCleanup(cls.gateway.stop)
        cls.clean.put(cls.gateway.ca, "/tmp/ca.pem")
        cls.install()

    @classmethod
    def install(cls):
        """The library's packages, which bring what they need, and a compiler."""
        for name in ("libleat0", "libleat-dev"):
            cls.clean.put(cls.files[name], f"/tmp/{name}.deb")
        example = os.path.join(mock.SOURCE, "bindings", "examples", "stream.c")
        cls.clean.put(example, "/tmp/app/stream.c")
        write(cls.clean.inside("/tmp/app/CMakeLists.txt"), PROJECT)
        cls.clean.install("/tmp/libleat0.deb", "/tmp/libleat-dev.deb", "gcc", "libc6-dev",
                          "pkgconf", "cmake", "make")

    def stream(self, root, program):
        """Runs the built example `stream` against our gateway."""
        said = root.shell(f"{program} {self.gateway.url} m hi", SSL_CERT_FILE="/tmp/ca.pem")
        self.assertGreater(len(said), 200)

    def test_1_image_streams_for_a_user_without_rights(self):
        self.assertRegex(self.image.start("--version"), r"^leat \d+\.\d+\.\d+\n$")
        self.assertIn("usage: leat COMMAND", self.image.start())
        self.assertEqual(self.image.run("id", "-u"), "10001\n")
        self.assertGreater(len(self.image.run("bash", "-euc", SESSION)), 200)

    def test_2_image_has_the_program_and_nothing_to_build_with(self):
        packages = self.image.root.shell("dpkg-query -W -f '${Package}\n' '*leat*'")
        self.assertEqual(packages, "leat\n")
        self.assertEqual(self.image.root.shell("command -v cc cmake ld python3 || true"), "")
        self.assertEqual(self.image.root.shell("ls -d /src /tmp/*.deb 2>/dev/null || true"), "")

    def test_3_program_has_its_manual_completions_and_terms(self):
        said = self.image.root.shell("zcat /usr/share/man/man1/leat.1.gz; "
                                     "bash -n /usr/share/bash-completion/completions/leat; "
                                     "cat /usr/share/zsh/site-functions/_leat "
                                     "/usr/share/doc/leat/copyright; "
                                     "zcat /usr/share/doc/leat/changelog.gz")
        for text in (".TH LEAT 1", "#compdef leat", "License: Expat", "WITHOUT WARRANTY"):
            self.assertIn(text, said)

    def test_4_there_are_three_packages_and_an_archive(self):
        self.assertEqual(sorted(self.files), ["leat", "libleat-dev", "libleat0"])
        self.assertTrue(os.path.exists(self.archive))

    def test_5_program_is_built_through_pkg_config(self):
        self.clean.shell("cd /tmp/app && cc stream.c -o pc $(pkg-config --cflags --libs leat) && "
                         "cc stream.c -o pcs $(pkg-config --static --cflags --libs leat | "
                         "sed 's/-lleat/-l:libleat.a/')")
        self.assertIn("libleat.so.0 ", self.clean.shell("ldd /tmp/app/pc"))
        self.assertNotIn("libleat", self.clean.shell("ldd /tmp/app/pcs"))
        self.stream(self.clean, "/tmp/app/pc")
        self.stream(self.clean, "/tmp/app/pcs")

    def test_6_program_is_built_through_cmake(self):
        self.clean.shell("cmake -S /tmp/app -B /tmp/built && cmake --build /tmp/built")
        self.stream(self.clean, "/tmp/built/shared")
        self.stream(self.clean, "/tmp/built/static")

    def test_7_archive_works_from_any_folder(self):
        self.clean.put(self.archive, "/tmp/leat.tar.gz")
        self.clean.shell("dpkg -r libleat-dev && mkdir /opt/leat && cd /opt/leat && "
                         "tar -x --strip-components=1 -f /tmp/leat.tar.gz")
        self.assertRegex(self.clean.shell("/opt/leat/bin/leat --version"), r"^leat \d")
        self.clean.shell("export PKG_CONFIG_PATH=$(dirname $(find /opt -name leat.pc)); "
                         "cd /tmp/app && cc stream.c -o archived -Wl,-rpath,$(pkg-config "
                         "--variable=libdir leat) $(pkg-config --cflags --libs leat)")
        self.assertIn("/opt/leat", self.clean.shell("ldd /tmp/app/archived | grep libleat"))
        self.stream(self.clean, "/tmp/app/archived")

    def test_8_removal_leaves_nothing(self):
        self.clean.shell("dpkg -P libleat-dev libleat0 2>&1")
        self.assertEqual(self.clean.shell("find /usr /etc /var/lib/dpkg/info -name '*leat*' "
                                          "! -path '/etc/leat-root' ! -path '/etc/apt/*' "
                                          "! -path '/etc/dpkg/*'"), "")

    @unittest.skipUnless(shutil.which("lintian"), "lintian is not installed")
    def test_9_lintian_finds_nothing_but_what_is_expected(self):
        ran = subprocess.run(["lintian", "--allow-root", "--no-cfg", "--tag-display-limit", "0",
                              *self.files.values()], text=True, capture_output=True, timeout=120,
                             check=False)
        tags = set(re.findall(r"^[EW]: \S+: (\S+)", ran.stdout, re.MULTILINE))
        self.assertEqual(tags - EXPECTED_TAGS, set(), ran.stdout)
        self.assertIn("bogus-mail-host", tags, ran.stdout + ran.stderr)


if __name__ == "__main__":
    mock.main()
