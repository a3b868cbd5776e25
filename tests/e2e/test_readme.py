"""Every command of the documents works as it stands there.

A shell block (```sh) of README.md and docs/ with `<!-- run: -->` before it is
executed, against a registry and a server started as run.sh does; the ports and
the build folder that it names are replaced by those of this test. A shell block
without the mark must be in UNTESTED, which says who tests it instead.
"""
import re
import unittest

import harness
import shell

# first word of the block -> the test of it
UNTESTED = {"./run.sh": "test_run_sh.py; and ./test.sh is what runs this"}
MARK = "<!-- run: -->\n"
BLOCK = re.compile(r"(?P<before>^[^\n]*\n)?^```(?P<kind>\w*)\n(?P<text>.*?)^```$",
                   re.M | re.S)
COMMAND = re.compile(r"^(curl|python3?|build/bin/\w|\./|pip|docker|apt)")


def documents():
    return [harness.ROOT / "README.md",
            *sorted((harness.ROOT / "docs").glob("*.md"))]


def blocks():
    """(file, marked, kind, text) of each fenced block."""
    for file in documents():
        for match in BLOCK.finditer(file.read_text()):
            yield (file.name, match["before"] == MARK, match["kind"],
                   match["text"])


class Documents(harness.Case):
    def test_marked_commands_run(self):
        variables = shell.environment(self.folder.name)
        registry = self.start(harness.Registry)
        server = self.start(harness.Server,
                            registry=f"http://127.0.0.1:{registry.port}")
        sentences = self.start(
            harness.Server, bundle=harness.ROOT / "tests/data/bundles/sentences")
        ran = 0
        for name, marked, _, text in blocks():
            if not marked:
                continue
            with self.subTest(f"{name}: {text.splitlines()[0]}"):
                commands = text.replace(":5000", f":{registry.port}")
                commands = commands.replace(":5100", f":{server.port}")
                commands = commands.replace(":5110", f":{sentences.port}")
                commands = commands.replace("build/bin", str(harness.BIN))
                shell.run(self, commands, variables)
                ran += 1
        self.assertGreater(ran, 3)
        self.assertTrue(server.ready())

    def test_shell_blocks_are_marked_or_tested_elsewhere(self):
        for name, marked, kind, text in blocks():
            with self.subTest(f"{name}: {text.splitlines()[0]}"):
                if kind == "sh":
                    self.assertTrue(marked or text.split()[0] in UNTESTED)
                else:
                    self.assertFalse(marked)
                    self.assertIsNone(COMMAND.match(text), "mark it as sh")


if __name__ == "__main__":
    unittest.main(verbosity=2)
