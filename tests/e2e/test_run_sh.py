"""./run.sh from start to Ctrl-C: what it prints works as printed, and it leaves
nothing behind.

Runs with the build folder of this test and a free registry port.
"""
import signal
import unittest

import harness
import shell

# run.sh builds what is not current: not from nothing, but perhaps a lot.
START_S = 300


class RunSh(harness.Case):
    def setUp(self):
        super().setUp()
        self.registry_port = harness.free_port()
        self.environment = {
            **shell.environment(self.folder.name),
            "SPECSERVE_BUILD": str(harness.BIN.parent),
            "SPECSERVE_REGISTRY_PORT": str(self.registry_port)}

    def run_script(self):
        """Starts it and waits for the examples."""
        script = harness.Program([harness.ROOT / "run.sh"], self.environment)
        self.addCleanup(self.end, script)

        def printed():
            self.assertTrue(script.running(), script.logged())
            return "Ctrl-C ends" in script.printed()

        harness.wait_until(printed, START_S, "the examples are printed")
        return script

    def end(self, script):
        if script.running():
            script.stop(signal.SIGTERM)

    def examples(self, text):
        """The indented commands, with their continued lines."""
        commands, lines = [], iter(text.splitlines())
        for line in lines:
            if line.startswith(("  curl ", "  python3 ")):
                while line.endswith("\\"):
                    line = line[:-1] + next(lines).lstrip()
                commands.append(line.strip())
        return commands

    def ends_empty(self, number):
        script = self.run_script()
        curl, grpc_client = self.examples(
            script.printed().split(" is ready.", 1)[1])
        self.assertIn('"success":true',
                      shell.run(self, curl, self.environment))
        self.assertIn("success: true",
                      shell.run(self, grpc_client, self.environment))
        _, listed = harness.rest_json(self.registry_port, "GET", "/registry")
        self.assertEqual(listed["count"], 1)
        # as a terminal does not: to the script alone, which must pass it on
        self.assertEqual(script.stop(number, 60), 0, script.logged())
        events = script.logged()
        port = listed["registrations"][0]["port"]
        order = [events.index(text) for text in (
            f" info unregistered port={port} ", " info stopping signal=")]
        self.assertEqual(order, sorted(order), events)
        for gone in (port, self.registry_port):
            with self.assertRaises(OSError):
                harness.rest(gone, "GET", "/health", timeout=5)

    def test_ctrl_c_leaves_an_empty_registry_and_exit_code_0(self):
        self.ends_empty(signal.SIGINT)

    def test_sigterm_leaves_an_empty_registry_and_exit_code_0(self):
        self.ends_empty(signal.SIGTERM)


if __name__ == "__main__":
    unittest.main(verbosity=2)
