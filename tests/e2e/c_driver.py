"""The C client, steered from Python."""
import json
import os
import subprocess
import tempfile

import harness


class Driver:
    """tests/e2e/client_driver.c, a line at a time; one client in it."""

    def __init__(self, case, **settings):
        self.errors = tempfile.TemporaryFile()
        self.process = subprocess.Popen(
            [harness.BIN / "client_driver"], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=self.errors, text=True,
            env={**os.environ, "GRPC_VERBOSITY": "NONE"})
        self.case = case
        case.addCleanup(self.stop)
        self.opened = self.say(do="open", **settings)

    def say(self, **line):
        self.process.stdin.write(json.dumps(line) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            self.errors.seek(0)
            raise AssertionError(f"the driver died: {self.errors.read()}")
        return json.loads(answer)

    def call(self, op, request=None, **more):
        return self.say(do="call", op=op, request=request or {}, **more)

    def reply(self, op, request=None, **more):
        """Of a call that succeeds."""
        answer = self.call(op, request, **more)
        self.case.assertTrue(answer["ok"], answer)
        return answer["reply"]

    def error(self, op, request=None, **more):
        """Of a call that fails."""
        answer = self.call(op, request, **more)
        self.case.assertFalse(answer["ok"], answer)
        return answer["error"]

    def stop(self):
        """A leak, or memory that was misused, is a failure of the test."""
        self.process.stdin.close()
        code = self.process.wait(60)
        self.process.stdout.close()
        self.errors.seek(0)
        said = self.errors.read()
        self.errors.close()
        self.case.assertEqual((code, said), (0, b""))
