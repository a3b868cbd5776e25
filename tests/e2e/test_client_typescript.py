"""The packed TypeScript client, installed in an empty folder, against servers.

The scripts that call are in clients/typescript/tests/live; each runs over REST
where nothing but the package is installed, and over gRPC with @grpc/grpc-js."""
import json
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import unittest

import bundles
import harness
from python_clients import Faulty

PACKAGE = harness.ROOT / "clients" / "typescript"
LIVE = PACKAGE / "tests" / "live"
SENTENCES = harness.ROOT / "tests/data/bundles/sentences"
SCHEMES = ("http", "grpc")


folder = tempfile.TemporaryDirectory(prefix="specserve-")


def home(scheme):
    """A project with the package, and what the scheme needs."""
    return pathlib.Path(folder.name) / scheme


def npm(*arguments, at):
    subprocess.run(["npm", *map(str, arguments)], cwd=at, check=True, timeout=120,
                   stdout=subprocess.DEVNULL)


def setUpModule():
    if not shutil.which("npm"):
        raise unittest.SkipTest("npm is not installed")
    unittest.addModuleCleanup(folder.cleanup)
    npm("pack", "--pack-destination", folder.name, at=PACKAGE)
    for scheme in SCHEMES:
        home(scheme).mkdir()
        (home(scheme) / "package.json").write_text('{"type": "module"}')
        npm("install", "--offline", "--no-audit", "../specserve-0.1.0.tgz", at=home(scheme))
    (home("grpc") / "node_modules/@grpc").symlink_to(PACKAGE / "node_modules/@grpc")


class Case(harness.Case):
    def node(self, scheme, script, *arguments):
        """The command that runs a script of LIVE (or its text) at home."""
        file = home(scheme) / "script.js"
        if isinstance(script, pathlib.Path):
            shutil.copy(script, file)
        else:
            file.write_text(script)
        return {"args": ["node", file.name, *map(str, arguments)], "cwd": home(scheme)}

    def run_node(self, scheme, script, *arguments):
        done = subprocess.run(**self.node(scheme, script, *arguments), timeout=120,
                              check=False, capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def serve(self, replicas=1):
        """(registry, the model's name, servers)"""
        registry = self.start(harness.Registry, ttl=30)
        servers = [self.start(harness.Server, registry=f"http://127.0.0.1:{registry.port}")
                   for _ in range(replicas)]
        rows = harness.wait_until(
            lambda: len(registry.registrations()) == replicas and registry.registrations(),
            10, "all are registered")
        return registry, rows[0]["model_name"], servers


class Package(Case):
    def test_it_needs_nothing_else(self):
        installed = [path.name for path in (home("http") / "node_modules").iterdir()
                     if not path.name.startswith(".")]
        self.assertEqual(installed, ["specserve"])
        facts = json.loads((home("http") / "node_modules/specserve/package.json").read_text())
        self.assertNotIn("dependencies", facts)
        version = (PACKAGE / "src/version.ts").read_text()
        self.assertIn(f'"{facts["version"]}"', version)

    def test_grpc_says_what_is_missing(self):
        said = self.run_node("http", 'import("specserve/grpc").catch((e) => console.log(e.message));')
        self.assertIn("@grpc/grpc-js", said)

    def test_the_first_example_of_the_readme(self):
        registry, name, _ = self.serve()
        example = re.search(r"```js\n(.*?)```", (PACKAGE / "README.md").read_text(), re.S)[1]
        self.assertIn(f'"{name}"', example)
        self.assertIn("http://127.0.0.1:5000", example)
        self.assertEqual(self.run_node("http", example.replace(":5000", f":{registry.port}")), "1.00\n")


class Operations(Case):
    def test_every_operation(self):
        registry, name, _ = self.serve()
        (row,) = registry.registrations()
        texts = self.start(harness.Server, bundle=SENTENCES)
        for scheme in SCHEMES:
            with self.subTest(scheme):
                self.assertEqual(self.run_node(
                    scheme, LIVE / "operations.js", scheme, registry.port, row["port"], name,
                    texts.port), "done\n")


class Misbehaviour(Case):
    def test_a_wrong_server(self):
        faulty = Faulty()
        self.addCleanup(faulty.stop)
        self.assertEqual(self.run_node("http", LIVE / "faults.js", faulty.url), "done\n")

    def test_no_call_fails_when_an_instance_is_killed(self):
        for scheme in SCHEMES:
            with self.subTest(scheme):
                self.kill_one(scheme)

    def kill_one(self, scheme):
        registry, name, servers = self.serve(replicas=2)
        command = self.node(scheme, LIVE / "load.js", scheme,
                            f"http://127.0.0.1:{registry.port}", name)
        with subprocess.Popen(**command, text=True, stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE) as load:
            self.assertEqual(load.stdout.readline(), "started\n")
            self.assertEqual(load.stdout.readline(), "busy\n")
            servers[0].kill()
            before = servers[1].logged().count("predict")
            harness.wait_until(  # the other one has had all of it for a while
                lambda: servers[1].logged().count("predict") > before + 500, 20, "it went on")
            said, _ = load.communicate("stop\n", timeout=30)
        found = json.loads(said.splitlines()[-1])
        self.assertEqual(found["failed"], 0, said)
        self.assertEqual(found["used"], 2)
        self.assertLessEqual(found["retries"], 10 + found["calls"] / 10)  # the budget
        self.assertGreater(found["retries"], 0)

    def test_the_registry_may_be_away(self):
        for scheme in SCHEMES:
            with self.subTest(scheme):
                self.outage(scheme)

    def outage(self, scheme):
        registry, name, _ = self.serve()
        command = self.node(scheme, LIVE / "outage.js", scheme,
                            f"http://127.0.0.1:{registry.port}", name)
        with subprocess.Popen(**command, text=True, bufsize=1, stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE) as calls:
            self.assertEqual(calls.stdout.readline(), "ok soon\n")
            registry.process.send_signal(signal.SIGSTOP)  # takes connections, says nothing
            try:
                for _ in range(3):
                    calls.stdin.write("\n")
                    self.assertEqual(calls.stdout.readline(), "ok soon\n")
            finally:
                registry.process.send_signal(signal.SIGCONT)
            registry.kill()
            calls.stdin.write("\n")
            self.assertEqual(calls.stdout.readline(), "ok soon\n")
            calls.stdin.write("another\n")  # nobody knows it
            self.assertEqual(calls.stdout.readline(), "UNAVAILABLE soon\n")
            calls.stdin.close()
            self.assertEqual(calls.stdout.readline(),
                             "stream UNAVAILABLE\n" if scheme == "grpc" else "stream \n")
            calls.wait(10)


class Typed(Case):
    """`specgen model-client --lang typescript`: compiled, once, and run."""

    # (name, version) that a bundle may have and a program must survive
    STRANGE = (("Record", "a */ b"), ("3d-model", '"`${x}'), ("client", "\u2028x = "))

    @classmethod
    def setUpClass(cls):
        cls.made = pathlib.Path(folder.name) / "bundles"
        cls.made.mkdir()
        cls.steered = bundles.steered(cls.made)
        for bundle in (harness.BUNDLE, SENTENCES, cls.steered):
            cls.generate(bundle)
        for name, version in cls.STRANGE:
            cls.generate(cls.changed(name, ("name: Solubility", f"name: {name}"),
                                     ('version: "1.0.0"', f"version: {json.dumps(version)}"),
                                     ("name: LogS_low", "name: constructor")))
        shutil.copy(LIVE / "typed.ts", home("grpc"))
        cls.compile()
        for file in home("grpc").glob("*.js"):
            shutil.copy(file, home("http"))

    @classmethod
    def generate(cls, bundle, check=True):
        return subprocess.run(
            [harness.BIN / "specgen", "model-client", "--bundle", bundle, "--lang",
             "typescript", "--out", home("grpc")], check=check, text=True, capture_output=True)

    @classmethod
    def changed(cls, name, *edits):
        """The bundle with other texts in its documents."""
        bundle = cls.made / name
        shutil.copytree(harness.BUNDLE, bundle)
        for file in bundle.glob("*.yaml"):
            text = file.read_text()
            for old, new in edits:
                text = text.replace(old, new)
            file.write_text(text)
        return bundle

    @classmethod
    def compile(cls):
        """With all that tsc can be strict about."""
        (home("grpc") / "tsconfig.json").write_text(json.dumps({
            "compilerOptions": {
                "target": "ES2022", "module": "NodeNext", "strict": True, "types": ["node"],
                "typeRoots": [str(PACKAGE / "node_modules/@types")],
                "exactOptionalPropertyTypes": True, "noUncheckedIndexedAccess": True,
                "noPropertyAccessFromIndexSignature": True, "noUnusedLocals": True,
                "noUnusedParameters": True},
            "include": ["*.ts"]}))
        done = subprocess.run(["node", PACKAGE / "node_modules/typescript/bin/tsc", "-p", "."],
                              cwd=home("grpc"), check=False, text=True, capture_output=True)
        if done.returncode:
            raise AssertionError(done.stdout)

    def test_solubility_and_sentences(self):
        servers = [self.start(harness.Server, bundle=bundle)
                   for bundle in (harness.BUNDLE, SENTENCES)]
        for scheme in SCHEMES:
            done = subprocess.run(
                ["node", "typed.js", scheme, *(str(server.port) for server in servers),
                 SENTENCES.parent / "reference.json"], cwd=home(scheme), check=False,
                text=True, capture_output=True, timeout=60)
            self.assertEqual(done.stdout, "done\n", done.stderr)
        text = (home("grpc") / "solubility.ts").read_text()
        for word in ("log10(mol/L)", "-13.1719 to 2.1377", "Ethanol", "at most 2048 bytes"):
            self.assertIn(word, text)

    def call(self, module, name, inputs, port):
        """A program with that client; what its first call gave is read."""
        command = self.node("http", LIVE / "changed.js", module, name, json.dumps(inputs),
                            f"http://127.0.0.1:{port}")
        program = subprocess.Popen(**command, text=True, bufsize=1, stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE)
        self.addCleanup(program.wait)
        self.addCleanup(program.stdin.close)
        self.addCleanup(program.stdout.close)
        return program, program.stdout.readline()

    def test_a_model_that_changed_is_told_not_guessed(self):
        for old, new in (("LogS_low", "LogS_least"), ('"1.0.0"', '"1.0.1"')):
            bundle = self.changed(new.strip('"'), (old, new))
            port = self.start(harness.Server, bundle=bundle).port
            _, said = self.call("solubility", "Solubility", {"text": "CCO"}, port)
            self.assertIn("MODEL_CHANGED: the server has Solubility", said)
            served = harness.rest_json(port, "GET", "/metrics")[1]["requests_served"]
            self.assertEqual(served, 0)

    def test_other_weights_under_one_version_are_told(self):
        server = self.start(harness.Server, bundle=self.steered)
        old, said = self.call("steered", "Steered", {"x": [4.0]}, server.port)
        self.assertEqual(said, "answered\n")
        server.stop()
        weights = self.steered / "model.onnx"
        weights.write_bytes(weights.read_bytes().replace(b"steered", b"altered", 1))
        server = self.start(harness.Server, bundle=self.steered, port=server.port)
        old.stdin.write("\n")  # it has compared /info with the first server
        self.assertIn("MODEL_CHANGED: Steered: the answer is of the model", old.stdout.readline())
        _, said = self.call("steered", "Steered", {"x": [4.0]}, server.port)
        self.assertIn("MODEL_CHANGED: the server has Steered 1 with sha256", said)

    def test_no_text_of_a_bundle_becomes_code(self):
        """What a bundle may be called compiles (setUpClass); the rest is refused."""
        script = ["import * as specserve from 'specserve';"]
        for name, module, kind in (("Record", "record", "ModelRecord"), ("client", "client", "Client"),
                                   ("3d-model", "3d_model", "Model3dModel")):
            script.append(f"import * as {kind} from './{module}.js';")
            script.append(f"if (!(new {kind}.{kind}(new specserve.Client({{endpoints: 'http://a:1'}}))"
                          f" instanceof specserve.TypedModel)) throw new Error('{name}');")
        self.assertEqual(self.run_node("http", "\n".join(script)), "")
        done = self.generate(self.changed("bad", ("name: text", "name: 'x; import y'")), check=False)
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, r"yaml:\d+:\d+: bundle: '")


if __name__ == "__main__":
    unittest.main()
