"""Every row of commands.def: the program lists it, and it explains itself."""
import subprocess
import unittest

import harness


def run(*arguments):
    return subprocess.run([harness.BIN / "specserve", *arguments], text=True,
                          stdin=subprocess.DEVNULL, capture_output=True,
                          timeout=60)


def listed():
    """The commands that --help names, one per indented line."""
    return [line.split()[0] for line in run("--help").stdout.splitlines()
            if line.startswith("  ")]


class Commands(unittest.TestCase):
    def test_every_row_is_listed(self):
        rows = (harness.ROOT / "server" / "commands.def").read_text()
        names = [line.split('"')[1] for line in rows.splitlines()
                 if line.startswith("COMMAND(")]
        self.assertEqual(listed(), names)

    def test_every_command_has_help(self):
        for name in listed():
            with self.subTest(name):
                done = run(name, "--help")
                self.assertEqual((done.returncode, done.stderr), (0, ""))
                self.assertIn(f"usage: specserve {name}", done.stdout)

    def test_every_command_refuses_options_it_does_not_know(self):
        for name in listed():
            with self.subTest(name):
                done = run(name, "--no-such-option")
                self.assertEqual((done.returncode, done.stdout), (2, ""))
                self.assertNotEqual(done.stderr, "")

    def test_no_command_is_a_usage_error(self):
        for arguments in ((), ("no-such-command",), ("--version", "x")):
            done = run(*arguments)
            self.assertEqual((done.returncode, done.stdout), (2, ""))
            self.assertIn("usage: specserve COMMAND", done.stderr)


if __name__ == "__main__":
    unittest.main()
