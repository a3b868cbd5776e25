"""The installed engine: only the names of its headers, usable from outside."""
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

import harness

BUILD = harness.BIN.resolve().parent
ENGINE = harness.ROOT / "engine"
MODEL = harness.ROOT / "tests" / "data" / "models" / "torch_mlp" / "model.onnx"


def run(*command, **options):
    done = subprocess.run([str(part) for part in command], text=True,
                          capture_output=True, timeout=300, **options)
    if done.returncode:
        raise AssertionError(f"{command}: {done.stdout}{done.stderr}")
    return done.stdout


def declared(header):
    """The functions that a header declares."""
    text = re.sub(r"/\*.*?\*/|^#.*?$", "", header.read_text(),
                  flags=re.S | re.M)
    text = re.sub(r"\{[^{}]*\}", "", text)
    statements = [s for s in text.split(";") if "typedef" not in s]
    found = (re.search(r"\b(\w+)\s*\([^()]", s) for s in statements)
    return {m.group(1) for m in found if m} - {"__attribute__"}


@unittest.skipUnless((BUILD / "lib" / "libspecserve-engine.a").exists(),
                     "sanitizer builds install nothing")
class Library(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.prefix = pathlib.Path(cls.folder.name, "prefix")
        run("cmake", "--install", BUILD, "--component", "engine", "--prefix",
            cls.prefix)
        [cls.archive] = cls.prefix.rglob("libspecserve-engine.a")
        cls.headers = sorted(cls.prefix.rglob("specserve/*.h"))

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def check(self, program):
        said = run(program, MODEL)
        self.assertRegex(said, r"^input x float32 1x8\noutput \w+ float32 "
                               r"1x3\n( +[0-9.]+\n){3}$")
        odds = [float(line) for line in said.splitlines()[2:]]
        self.assertAlmostEqual(sum(odds), 1, places=5)

    def test_global_names_are_those_of_the_headers(self):
        lines = run("nm", "-g", "--defined-only", self.archive).splitlines()
        names = {line.split()[2] for line in lines if len(line.split()) == 3}
        self.assertEqual(
            names, set().union(*(declared(h) for h in self.headers)))
        self.assertIn("eng_run_execute", names)

    def test_headers_compile_alone(self):
        for header in self.headers:
            with self.subTest(header.name):
                run("cc", "-std=c11", "-Wall", "-Werror", "-fsyntax-only",
                    "-x", "c", "-", f"-I{header.parents[1]}",
                    input=f"#include <specserve/{header.name}>\n")

    def test_pkg_config(self):
        [file] = self.prefix.rglob("specserve-engine.pc")
        flags = run("pkg-config", "--cflags", "--libs", "specserve-engine",
                    env={**os.environ, "PKG_CONFIG_PATH": str(file.parent)})
        program = pathlib.Path(self.folder.name, "by_pkg_config")
        run("cc", "-std=c11", ENGINE / "example" / "run_model.c",
            *flags.split(), "-o", program)
        self.check(program)

    def test_cmake_package_wherever_it_was_moved(self):
        moved = pathlib.Path(self.folder.name, "moved")
        build = pathlib.Path(self.folder.name, "by_cmake")
        shutil.copytree(self.prefix, moved)
        run("cmake", "-S", ENGINE / "example", "-B", build,
            f"-DCMAKE_PREFIX_PATH={moved}")
        run("cmake", "--build", build)
        cache = (build / "CMakeCache.txt").read_text()
        self.assertIn(f"specserve-engine_DIR:PATH={moved}", cache)
        self.check(build / "run_model")


if __name__ == "__main__":
    unittest.main()
