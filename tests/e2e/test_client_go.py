"""The Go client: its README's first example, from an empty folder, against a
live server; and what it says of a server that is not there."""
import os
import re
import shutil
import subprocess
import unittest

import harness

CLIENT = harness.ROOT / "clients/go"
GO = shutil.which("go", path=os.environ["PATH"] + ":/usr/local/go/bin")


@unittest.skipIf(GO is None, "go is not installed")
class Example(harness.Case):
    def run_example(self, port):
        program, = re.findall(r"```go\n(.*?)```",
                              (CLIENT / "README.md").read_text(), re.S)
        with open(f"{self.folder.name}/main.go", "w") as file:
            file.write(program.replace(":5100", f":{port}"))
        with open(f"{self.folder.name}/go.mod", "w") as file:
            file.write("module example\n\ngo 1.19\n\nrequire specserve v0.0.0\n\n"
                       f"replace specserve => {CLIENT}\n")
        return subprocess.run([GO, "run", "."], cwd=self.folder.name, text=True,
                              capture_output=True, check=False, timeout=300)

    def test_readme(self):
        server = self.start(harness.Server)
        done = self.run_example(server.port)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stdout, r"^true -?\d+\.\d+\n$")

    def test_nobody_there(self):
        done = self.run_example(harness.free_port())
        self.assertEqual(done.returncode, 1)
        self.assertIn("UNAVAILABLE", done.stderr)


if __name__ == "__main__":
    unittest.main()
