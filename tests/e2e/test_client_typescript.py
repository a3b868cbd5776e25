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
            calls.wait(10)


if __name__ == "__main__":
    unittest.main()
