"""The installed C client: its names, its headers, the README's examples, and
clients of single models that are built with nothing but it."""
import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

import bundles
import harness

BUILD = harness.BIN.resolve().parent
CLIENT = harness.ROOT / "clients" / "c"
STRICT = ("-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Wshadow",
          "-Wconversion", "-Wno-sign-conversion", "-Werror")
COMPILERS = ("gcc", "clang-14")
PREFIXES = r"specserve_|runtime__|registry__|text__|inference__|grpc__health__v1__"
SHARED = {"error_clear", "err_info", "err_code_by_name", "fail"}

# The inputs of a model as members, the outputs as a line of text.
PROGRAM = """
#include <stdio.h>

#include "{name}.h"

int main(int argc, char **argv)
{{
    const char *const urls[] = {{argc > 1 ? argv[1] : "", NULL}};
    const struct specserve_config config = {{.endpoints = urls}};
    struct specserve_error err;
    struct specserve_client *client = specserve_client_new(&config, &err);
    struct specserve_typed *model = client ? {name}_new(client, &err) : NULL;
    {prepare}
    const struct {name}_input input = {{{input}}};
    struct {name}_output found;
    struct specserve_answer *answer = NULL;

    for (int i = 0; i < {times} && model; i++) {{
        if ({name}_predict(model, &input, NULL, &found, &answer, &err))
            printf({output});
        else
            printf("%s: %s\\n", err.name, err.message);
        (void)fflush(stdout);
        specserve_answer_free(answer);
        {between}
    }}
    specserve_typed_free(model);
    specserve_client_free(client);
    return 0;
}}
"""


def run(*command, **options):
    done = subprocess.run([str(part) for part in command], text=True,
                          capture_output=True, timeout=300, check=False,
                          **options)
    if done.returncode:
        raise AssertionError(f"{command}: {done.stdout}{done.stderr}")
    return done.stdout


@unittest.skipUnless((BUILD / "lib" / "libspecserve-client.a").exists(),
                     "sanitizer builds install nothing")
class Package(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = pathlib.Path(folder.name)
        cls.prefix = cls.folder / "prefix"
        run("cmake", "--install", BUILD, "--component", "client", "--prefix",
            cls.prefix)
        [cls.archive] = cls.prefix.rglob("libspecserve-client.a")
        [file] = cls.prefix.rglob("specserve-client.pc")
        cls.flags = run("pkg-config", "--cflags", "--libs", "specserve-client",
                        env={**os.environ,
                             "PKG_CONFIG_PATH": str(file.parent)}).split()

    def setUp(self):
        self.place = pathlib.Path(tempfile.mkdtemp(dir=self.folder))

    def build(self, text, *more, compiler="gcc", libraries=None):
        program = self.place / "program"
        source = self.place / "main.c"
        source.write_text(text)
        run(compiler, *STRICT, *more, source, *(libraries or self.flags), "-o",
            program)
        return program

    def serve(self, bundle=harness.BUNDLE, **more):
        server = harness.Server(bundle=bundle, **more)
        self.addCleanup(server.stop)
        return server


class Library(Package):
    def test_global_names_are_those_of_the_headers(self):
        lines = run("nm", "-g", "--defined-only", self.archive).splitlines()
        names = {line.split()[2]: line.split()[1] for line in lines
                 if len(line.split()) == 3}
        strong = {name for name, kind in names.items() if kind not in "WV"}
        self.assertEqual({n for n in strong if not re.match(PREFIXES, n)},
                         set())
        weak = set(names) - strong
        self.assertEqual({n for n in weak if not n.startswith("arena_")},
                         SHARED)
        self.assertIn("specserve_runtime_predict", strong)

    def test_every_function_of_the_headers_is_there(self):
        names = run("nm", "-g", "--defined-only", self.archive)
        for header in self.prefix.rglob("specserve/*.h"):
            text = re.sub(r"/\*.*?\*/", "", header.read_text(), flags=re.S)
            for name in re.findall(r"\b(specserve_\w+)\([^()]*\)\s*;", text):
                self.assertIn(f" {name}\n", names)

    def test_headers_compile_alone(self):
        for header in sorted(self.prefix.rglob("specserve/*.h")):
            for compiler in COMPILERS:
                with self.subTest(header.name, compiler=compiler):
                    run(compiler, *STRICT, "-fsyntax-only", "-x", "c", "-",
                        f"-I{header.parents[1]}",
                        input=f"#include <specserve/{header.name}>\n")

    def example(self, port):
        text = (CLIENT / "README.md").read_text()
        program = re.findall(r"```c\n(.*?)```", text, re.S)[0]
        self.assertIn("http://127.0.0.1:5000", program)
        return program.replace(":5000", f":{port}")

    def test_readme(self):
        registry = harness.Registry()
        self.addCleanup(registry.stop)
        self.serve(registry=f"http://127.0.0.1:{registry.port}")
        harness.wait_until(registry.registrations, 10, "it is registered")
        for compiler in COMPILERS:
            program = self.build(self.example(registry.port),
                                 "-fsanitize=address,undefined",
                                 compiler=compiler)
            self.assertEqual(run(program), "1.00\n")

    def test_nobody_there(self):
        program = self.build(self.example(harness.free_port()))
        done = subprocess.run([program], text=True, capture_output=True,
                              timeout=60, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("UNAVAILABLE", done.stderr)

    def test_cmake_package_wherever_it_was_moved(self):
        moved = self.place / "moved"
        shutil.copytree(self.prefix, moved)
        (self.place / "main.c").write_text(self.example(1))
        (self.place / "CMakeLists.txt").write_text(
            "cmake_minimum_required(VERSION 3.25)\nproject(x LANGUAGES C)\n"
            "find_package(specserve-client 0.1 REQUIRED)\n"
            "add_executable(x main.c)\n"
            "target_link_libraries(x PRIVATE specserve::client)\n")
        run("cmake", "-S", self.place, "-B", self.place / "build",
            f"-DCMAKE_PREFIX_PATH={moved}")
        run("cmake", "--build", self.place / "build")
        cache = (self.place / "build" / "CMakeCache.txt").read_text()
        self.assertIn(f"specserve-client_DIR:PATH={moved}", cache)

    def test_a_program_may_link_the_engine_too(self):
        run("cmake", "--install", BUILD, "--component", "engine", "--prefix",
            self.place)
        [file] = self.place.rglob("specserve-engine.pc")
        flags = run("pkg-config", "--cflags", "--libs", "specserve-engine",
                    env={**os.environ, "PKG_CONFIG_PATH": str(file.parent)})
        text = (
            "#include <specserve/engine.h>\n#include <specserve/specserve.h>\n"
            "#include <specserve/arena.h>\n#include <stddef.h>\n"
            "int main(void)\n{\n    struct specserve_config config = {0};\n"
            "    struct specserve_error err;\n    struct error why;\n"
            "    struct arena arena;\n\n    arena_init(&arena, 0);\n"
            "    arena_release(&arena);\n"
            "    return specserve_client_new(&config, &err) ||\n"
            '           eng_model_open("/nosuch", NULL, &why);\n}\n')
        for libraries in (self.flags + flags.split(),
                          flags.split() + self.flags):
            run(self.build(text, libraries=libraries))


class Typed(Package):
    """`specgen model-client --lang c`: a header per model."""

    def generate(self, bundle):
        run(harness.BIN / "specgen", "model-client", "--bundle", bundle,
            "--lang", "c", "--out", self.place)

    def program(self, name, given, output, prepare="", compiler="gcc",
                times=1, between=""):
        return self.build(PROGRAM.format(
            name=name, input=given, output=output, prepare=prepare,
            times=times, between=between), "-fsanitize=address,undefined",
            compiler=compiler)

    def test_names_types_and_checks(self):
        self.generate(harness.BUNDLE)
        port = self.serve().port
        output = ('"%.4f %.4f %.4f %s %s\\n", found.LogS, found.LogS_low, '
                  'found.LogS_high, found.LogS_range, found.smiles')
        for compiler, scheme in zip(COMPILERS, ("http", "grpc")):
            url = f"{scheme}://127.0.0.1:{port}"
            program = self.program("solubility", '.text = "CCO"', output,
                                   compiler=compiler)
            low, middle, high, *words = run(program, url).split()
            self.assertAlmostEqual(float(low), 1.0049, delta=1e-3)
            self.assertLess(float(middle), float(low))
            self.assertLess(float(low), float(high))
            self.assertEqual(words, ["trained", "CCO"])
        _, before = harness.rest_json(port, "GET", "/metrics")
        for given, why in (('.property = "LogS"', "text: is required"),
                           ('.text = "C", .property = "x"', "is none of"),
                           (f'.text = "{"C" * 2049}"', "at most 2048")):
            said = run(self.program("solubility", given, output), url)
            self.assertRegex(said, f"^ARGUMENT: .*{why}")
        _, after = harness.rest_json(port, "GET", "/metrics")
        self.assertEqual(before["requests_served"], after["requests_served"])
        said = run(self.program("solubility", '.text = "no!"', output), url)
        self.assertRegex(said, "^INVALID_INPUT: ")
        text = " ".join((self.place / "solubility.h").read_text().split())
        for word in ("log10(mol/L)", "trained on -13.1719 to * 2.1377",
                     "Ethanol"):
            self.assertIn(word, text)

    def test_an_embedding_bundle(self):
        bundle = harness.ROOT / "tests/data/bundles/sentences"
        rows = json.loads((bundle.parent / "reference.json").read_text())
        row = rows["sentences"][0]
        self.generate(bundle)
        port = self.serve(bundle).port
        program = self.program(
            "sentences", f".text = {json.dumps(row['text'])}", '"\\n"',
            between="for (size_t k = 0; err.code == SPECSERVE_OK && k < "
                    f"{len(row['mean'])}; k++)\n"
                    '            printf("%.9g ", (double)found.embedding.'
                    "values[k]);").parent / "main.c"
        text = program.read_text().replace(
            "        specserve_answer_free(answer);\n", "", 1).replace(
            "    specserve_typed_free(model);",
            "    specserve_answer_free(answer);\n"
            "    specserve_typed_free(model);")
        program = self.build(text, "-fsanitize=address,undefined")
        for scheme in ("http", "grpc"):
            found = run(program, f"{scheme}://127.0.0.1:{port}").split()
            self.assertEqual(len(found), len(row["mean"]))
            for got, wanted in zip(found, row["mean"]):
                self.assertAlmostEqual(float(got), wanted, delta=2e-6)

    def test_a_number_that_is_written_as_text(self):
        bundle = bundles.numbers_as_text(bundles.steered(self.place))
        self.generate(bundle)
        port = self.serve(bundle).port
        program = self.program("steered", ".x = {(const float[]){4}, 1}",
                               '"%s\\n", found.y')
        for scheme in ("http", "grpc"):
            said = run(program, f"{scheme}://127.0.0.1:{port}")
            self.assertEqual(said, "3.0\n")

    def test_a_model_that_changed_is_told_not_guessed(self):
        self.generate(harness.BUNDLE)
        program = self.program("solubility", '.text = "CCO"',
                               '"%f\\n", found.LogS')
        for old, new in (("LogS_low", "LogS_least"), ('"1.0.0"', '"1.0.1"')):
            bundle = self.place / new.strip('"')
            shutil.copytree(harness.BUNDLE, bundle)
            for file in bundle.glob("*.yaml"):
                file.write_text(file.read_text().replace(old, new))
            port = self.serve(bundle).port
            self.assertRegex(run(program, f"http://127.0.0.1:{port}"),
                             "^MODEL_CHANGED: the server has ")
            _, served = harness.rest_json(port, "GET", "/metrics")
            self.assertEqual(served["requests_served"], 0)

    def test_other_weights_under_one_version_are_told(self):
        bundle = bundles.steered(self.place)
        self.generate(bundle)
        weights = bundle / "model.onnx"
        data = weights.read_bytes()
        server = self.serve(bundle)
        program = self.program(
            "steered", ".x = {values, 1}", '"%f\\n", found.y', times=2,
            prepare="const float values[] = {4};", between="(void)getchar();")
        with subprocess.Popen([program, f"http://127.0.0.1:{server.port}"],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              text=True) as old:
            self.assertGreaterEqual(float(old.stdout.readline()), 2)
            server.stop()
            weights.write_bytes(data.replace(b"steered", b"altered", 1))
            self.serve(bundle, port=server.port)
            old.stdin.write("\n\n")
            old.stdin.flush()
            self.assertRegex(old.stdout.readline(), "^MODEL_CHANGED: .*answer "
                                                    "is of the model")

    def test_no_text_of_a_bundle_becomes_code(self):
        bundle = self.place / "bundle"
        shutil.copytree(harness.BUNDLE, bundle)
        file, = bundle.glob("*.modelservice.yaml")
        text = file.read_text()
        file.write_text(text.replace(
            'version: "1.0.0"', r'version: "1 */ \"\nint x;"', 1).replace(
            'unit: "log10(mol/L)"', r'unit: "a */ int y; /* \\\n b"', 1))
        self.generate(bundle)
        self.program("solubility", '.text = "CCO"', '"%f\\n", found.LogS')
        file.write_text(text.replace("type: text", "type: array<audio>", 1))
        done = subprocess.run([harness.BIN / "specgen", "model-client",
                               "--bundle", bundle, "--lang", "c", "--out",
                               self.place / "none"], text=True,
                              capture_output=True, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("has no form in C", done.stderr)
        self.assertFalse((self.place / "none").exists())


del Package  # only what it is the base of has tests


if __name__ == "__main__":
    unittest.main()
