"""The Go client as a program's author meets it: the README's first example, in a
folder that has nothing but the module. Its own tests, against live servers too,
are in clients/go. And what `specgen model-client` writes, compiled and run."""
import json
import os
import pathlib
import re
import shutil
import subprocess
import unittest

import bundles
import harness

CLIENT = harness.ROOT / "clients/go"
SENTENCES = harness.ROOT / "tests/data/bundles/sentences"
GO = os.environ.get("GO") or shutil.which(
    "go", path="/usr/lib/go-1.19/bin:" + os.environ["PATH"] + ":/usr/local/go/bin")


def go(folder, *arguments):
    return subprocess.run([GO, *map(str, arguments)], cwd=folder, text=True,
                          capture_output=True, check=False, timeout=300)


def told(module):
    """What the README says to do: arguments of `go`, line by line."""
    lines = re.findall(r"^    go (mod .*)$", (CLIENT / "README.md").read_text(),
                       re.M)
    return [line.replace("/path/to/clients/go", str(module)).split()
            for line in lines]


@unittest.skipIf(GO is None, "go is not installed")
class Example(harness.Case):
    def setUp(self):
        super().setUp()
        self.module = f"{self.folder.name}/module"
        shutil.copytree(CLIENT, self.module,
                        ignore=shutil.ignore_patterns("*_test.go", "grpc"))
        self.program = f"{self.folder.name}/program"
        os.mkdir(self.program)

    def run_example(self, port):
        text = (CLIENT / "README.md").read_text()
        program = re.findall(r"```go\n(.*?)```", text, re.S)[0]
        self.assertIn("http://127.0.0.1:5000", program)
        with open(f"{self.program}/main.go", "w") as file:
            file.write(program.replace(":5000", f":{port}"))
        for line in told(self.module)[:2]:
            done = go(self.program, *line)
            self.assertEqual(done.returncode, 0, done.stderr)
        return go(self.program, "run", ".")

    def test_readme(self):
        registry = self.start(harness.Registry)
        self.start(harness.Server, registry=f"http://127.0.0.1:{registry.port}")
        harness.wait_until(registry.registrations, 10, "it is registered")
        done = self.run_example(registry.port)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stdout, "1.00\n")

    def test_nobody_there(self):
        done = self.run_example(harness.free_port())
        self.assertEqual(done.returncode, 1)
        self.assertIn("UNAVAILABLE", done.stderr)


@unittest.skipIf(GO is None, "go is not installed")
class Typed(harness.Case):
    """One program with three typed clients; clients/go/testdata/typed is its main."""

    def setUp(self):
        super().setUp()
        self.program = f"{self.folder.name}/program"
        shutil.copytree(CLIENT / "testdata/typed", self.program)
        self.steered = bundles.numbers_as_text(
            bundles.steered(self.folder.name))
        for name, bundle in (("solubility", harness.BUNDLE),
                             ("sentences", SENTENCES),
                             ("steered", self.steered)):
            self.generate(bundle, f"{self.program}/{name}")
        init, *lines = told(CLIENT)
        self.go(*init[:-1], "typed")
        for line in lines:
            self.go(*line)

    def go(self, *arguments):
        done = go(self.program, *arguments)
        self.assertEqual((done.returncode, done.stdout), (0, ""), done.stderr)

    def generate(self, bundle, folder):
        os.mkdir(folder)
        done = subprocess.run(
            [harness.BIN / "specgen", "model-client", "--bundle", bundle,
             "--lang", "go", "--out", folder], check=False, text=True,
            capture_output=True)
        self.assertEqual(done.returncode, 0, done.stderr)

    def call(self, model, url, *inputs):
        done = subprocess.run([f"{self.program}/typed", model, url, *inputs],
                              text=True, capture_output=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        return list(map(json.loads, done.stdout.splitlines()))

    def changed(self, name, old, new):
        """The bundle of solubility with another text in its documents."""
        bundle = f"{self.folder.name}/{name}"
        shutil.copytree(harness.BUNDLE, bundle)
        for file in pathlib.Path(bundle).glob("*.yaml"):
            file.write_text(file.read_text().replace(old, new))
        return bundle

    def test_typed_clients(self):
        self.go("vet", "./...")
        unformatted = subprocess.run(
            [pathlib.Path(GO).with_name("gofmt"), "-l", self.program], text=True,
            capture_output=True, check=False)
        self.assertEqual((unformatted.returncode, unformatted.stdout), (0, ""))
        self.go("build", "-o", "typed", ".")
        port = self.start(harness.Server).port
        for scheme in ("http", "grpc"):
            with self.subTest(scheme):
                self.solubility(f"{scheme}://127.0.0.1:{port}", port)
        port = self.start(harness.Server, bundle=SENTENCES).port
        row = json.loads((SENTENCES.parent / "reference.json").read_text())[
            "sentences"][0]
        for scheme in ("http", "grpc"):
            found, = self.call("sentences", f"{scheme}://127.0.0.1:{port}",
                               row["text"])
            self.assertEqual(len(found["Embedding"]), len(row["mean"]))
            for got, wanted in zip(found["Embedding"], row["mean"]):
                self.assertAlmostEqual(got, wanted, delta=2e-6)
        numbers = self.start(harness.Server, bundle=self.steered).port
        for scheme in ("http", "grpc"):
            found, = self.call("steered", f"{scheme}://127.0.0.1:{numbers}", "4")
            self.assertEqual(found["Y"], "3.0")
        # Another model behind the address, then models that changed.
        found, = self.call("solubility", f"http://127.0.0.1:{port}", "CCO")
        self.assertEqual(found["code"], "MODEL_CHANGED")
        for name, old, new in (("output", "LogS_low", "LogS_least"),
                               ("version", '"1.0.0"', '"1.0.1"'),
                               ("words", "Aqueous solubility", "Solubility")):
            with self.subTest(name):
                port = self.start(
                    harness.Server, bundle=self.changed(name, old, new)).port
                found, = self.call("solubility", f"http://127.0.0.1:{port}",
                                   "CCO")
                self.assertEqual(found["code"], "MODEL_CHANGED")
                self.assertEqual(self.served(port), 0)

    @staticmethod
    def served(port):
        return harness.rest_json(port, "GET", "/metrics")[1]["requests_served"]

    def solubility(self, url, port):
        before = self.served(port)
        ethanol, declined, long, other = self.call(
            "solubility", url, "CCO", "no!", "C" * 2049, "other property")
        self.assertAlmostEqual(ethanol["LogS"], 1.0049, delta=1e-3)
        self.assertLess(ethanol["LogSLow"], ethanol["LogS"])
        self.assertEqual(ethanol["Smiles"], "CCO")
        self.assertTrue(ethanol["Response"]["success"])
        self.assertEqual(declined["code"], "INVALID_INPUT")
        self.assertIn("at most 2048", long["usage"])
        self.assertIn("none of [LogS]", other["usage"])
        self.assertEqual(self.served(port) - before, 2)

    def test_the_words_of_a_bundle_are_no_code(self):
        """Names and texts of any kind: refused, or a package that compiles."""
        for number, (old, new) in enumerate((
                ('version: "1.0.0"', r'version: "1\npackage \"\uFEFF\\"'),
                ("name: Solubility", "name: 3d-model"),
                ("name: Solubility", "name: type"),
                ("name: LogS_low", "name: Response"),
                ("name: LogS_low", "name: log_s"),
                ("name: property", "name: Text"))):
            with self.subTest(new):
                self.generate(self.changed(f"b{number}", old, new),
                              f"{self.program}/p{number}")
        self.go("vet", *(f"./p{n}" for n in range(6)))


if __name__ == "__main__":
    unittest.main()
