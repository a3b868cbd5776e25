"""The Go client as a program's author meets it: the README's first example, in a
folder that has nothing but the module. Its own tests, against live servers too,
are in clients/go."""
import os
import re
import shutil
import subprocess
import unittest

import harness

CLIENT = harness.ROOT / "clients/go"
GO = os.environ.get("GO") or shutil.which(
    "go", path="/usr/lib/go-1.19/bin:" + os.environ["PATH"] + ":/usr/local/go/bin")


def go(folder, *arguments):
    return subprocess.run([GO, *map(str, arguments)], cwd=folder, text=True,
                          capture_output=True, check=False, timeout=300)


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
        for line in re.findall(r"^    go (mod .*)$", text, re.M)[:2]:
            done = go(self.program, *line.replace(
                "/path/to/clients/go", self.module).split())
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


if __name__ == "__main__":
    unittest.main()
