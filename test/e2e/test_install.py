#!/usr/bin/env python3
"""The installed tree: `cmake --install` to a fresh prefix, then a tiny consumer built against it
through pkg-config (shared and static), through CMake's find_package, and the header alone in C11
and C++. Nothing but leat_* is exported."""
# ctest: slow 300
import glob
import os
import re
import shutil
import subprocess
import tempfile
import unittest

import mock

CONSUMER = """
#include <leat.h>
#include <stdio.h>
int main(void) {
  leat_engine *engine;
  const char *message = "";
  if (leat_open(&engine, NULL, &message) != LEAT_OK) return 1;
  leat_close(engine, LEAT_CLOSE_NOW, NULL, NULL);
  if (leat_run(engine) != LEAT_OK) return 2;
  puts(leat_version());
  return 0;
}
"""
HEADER_ALONE = """
#include <leat.h>
int main() {
  leat_config config;
  leat_config_init(&config);
  return config.struct_size == sizeof config ? 0 : 1;
}
"""
PROJECT = """
cmake_minimum_required(VERSION 3.16)
project(consumer C)
find_package(leat 0.1 REQUIRED)
add_executable(shared consumer.c)
target_link_libraries(shared leat::leat)
add_executable(static consumer.c)
target_link_libraries(static leat::static)
"""


def run(*command, **more):
    ran = subprocess.run(command, text=True, capture_output=True, stdin=subprocess.DEVNULL,
                         timeout=120, check=False, **more)
    if ran.returncode != 0:
        raise AssertionError(f"{' '.join(command)}: {ran.stdout}{ran.stderr}")
    return ran.stdout


class InstallTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.prefix = os.path.join(cls.folder.name, "prefix")
        cls.work = os.path.join(cls.folder.name, "work")
        os.mkdir(cls.work)
        with open(os.path.join(mock.BUILD, "CMakeCache.txt"), encoding="utf-8") as cache:
            cls.sanitized = "LEAT_SANITIZE:BOOL=ON" in cache.read()
        run("cmake", "--install", mock.BUILD, "--prefix", cls.prefix)

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def lib(self, name=""):
        return os.path.join(self.prefix, "lib", name)

    def write(self, name, text):
        path = os.path.join(self.work, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def flags(self):
        return ["-fsanitize=address,undefined"] if self.sanitized else []

    def pkg_config(self, *arguments):
        env = mock.environment(PKG_CONFIG_PATH=self.lib("pkgconfig"))
        return run("pkg-config", *arguments, "leat", env=env).split()

    def check_consumer(self, program):
        said = run(program, env=mock.environment(LD_LIBRARY_PATH=self.lib()))
        self.assertRegex(said, r"^\d+\.\d+\.\d+\n$")

    def test_tree(self):
        for path in ("include/leat.h", "lib/libleat.a", "lib/libleat.so", "lib/pkgconfig/leat.pc",
                     "lib/cmake/leat/leat-config.cmake", "bin/leat"):
            self.assertTrue(os.path.exists(os.path.join(self.prefix, path)), path)
        self.assertEqual(sorted(os.listdir(os.path.join(self.prefix, "include"))),
                         ["leat", "leat.h"])

    def test_shared_library_has_a_version(self):
        version = self.pkg_config("--modversion")[0]
        dynamic = run("objdump", "-p", self.lib("libleat.so"))
        self.assertIn(f"libleat.so.{version.split('.')[0]}", dynamic)
        self.assertEqual(os.path.basename(os.path.realpath(self.lib("libleat.so"))),
                         f"libleat.so.{version}")

    def test_only_leat_symbols_are_exported(self):
        symbols = run("nm", "-D", "--defined-only", self.lib("libleat.so")).split("\n")
        names = {line.split()[2] for line in symbols if line}
        self.assertIn("leat_open", names)
        self.assertEqual({name for name in names if not name.startswith("leat_")}, set())

    def test_every_function_of_the_header_is_exported(self):
        declared = set()
        for path in glob.glob(os.path.join(self.prefix, "include/**/*.h"), recursive=True):
            with open(path, encoding="utf-8") as header:
                declared |= set(re.findall(r"LEAT_API[^;]*?\b(leat_\w+)\(", header.read()))
        symbols = run("nm", "-D", "--defined-only", self.lib("libleat.so"))
        self.assertEqual(declared - set(symbols.split()), set())
        self.assertGreater(len(declared), 10)

    def test_pkg_config_shared(self):
        source, program = self.write("pc.c", CONSUMER), os.path.join(self.work, "pc")
        run("cc", *self.flags(), source, "-o", program, *self.pkg_config("--cflags", "--libs"))
        self.check_consumer(program)

    def test_pkg_config_static(self):
        source, program = self.write("pcs.c", CONSUMER), os.path.join(self.work, "pcs")
        libraries = [word if word != "-lleat" else "-l:libleat.a"
                     for word in self.pkg_config("--cflags", "--libs", "--static")]
        run("cc", *self.flags(), source, "-o", program, *libraries)
        self.assertNotIn("libleat", run("objdump", "-p", program))
        self.check_consumer(program)

    def test_cmake_package(self):
        self.write("consumer.c", CONSUMER)
        self.write("CMakeLists.txt", PROJECT)
        build = os.path.join(self.work, "build")
        run("cmake", "-S", self.work, "-B", build, f"-DCMAKE_PREFIX_PATH={self.prefix}",
            f"-DCMAKE_C_FLAGS={' '.join(self.flags())}")
        run("cmake", "--build", build)
        for name in ("shared", "static"):
            self.check_consumer(os.path.join(build, name))

    def test_header_alone_compiles_as_c11_and_as_cxx(self):
        strict = ["-Wall", "-Wextra", "-pedantic", "-Werror", "-c", "-o", os.devnull,
                  "-I", os.path.join(self.prefix, "include")]
        run("cc", "-std=c11", *strict, self.write("alone.c", HEADER_ALONE))
        if not shutil.which("c++"):
            self.skipTest("no C++ compiler")
        run("c++", "-std=c++11", *strict, self.write("alone.cpp", HEADER_ALONE))


if __name__ == "__main__":
    mock.main()
