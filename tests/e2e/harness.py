"""Starts the programs under test on free ports and talks REST to them.

The folder with the programs comes from SPECSERVE_BIN (set by ctest). Every
process that is started here is ended here, by its id.
"""
import http.client
import json
import os
import pathlib
import signal
import socket
import subprocess
import tempfile
import time
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(os.environ.get("SPECSERVE_BIN", ROOT / "build" / "bin"))
BUNDLE = ROOT / "models" / "solubility"
# Sanitizer builds are slower; deadlines of waiting (never of results) stretch.
PATIENCE = float(os.environ.get("SPECSERVE_PATIENCE", "1"))
# ... and do less often what is done very often; what must hold stays the same.
SHARE = float(os.environ.get("SPECSERVE_SHARE", "1"))


def repeats(count):
    return max(1, round(count * SHARE))


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until(condition, seconds, what):
    """Polls; returns the condition's first true value or raises."""
    end = time.monotonic() + seconds * PATIENCE
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.01)
    raise AssertionError(f"not within {seconds} s: {what}")


def rest(port, verb, path, body=None, headers=None, timeout=30):
    """One request on a connection of its own: (status, headers, bytes)."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        if isinstance(body, (dict, list)):
            body = json.dumps(body).encode()
            headers = {"Content-Type": "application/json", **(headers or {})}
        connection.request(verb, path, body, headers or {})
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read()
    finally:
        connection.close()


def rest_json(port, verb, path, body=None, headers=None):
    """(status, decoded JSON body)."""
    status, _, text = rest(port, verb, path, body, headers)
    return status, json.loads(text)


class Program:
    """A started program; stop() ends it and keeps what it printed."""

    def __init__(self, arguments, environment=None):
        self.log = tempfile.NamedTemporaryFile(prefix="specserve-", suffix=".log")
        self.out = tempfile.NamedTemporaryFile(prefix="specserve-", suffix=".out")
        self.process = subprocess.Popen(
            [str(a) for a in arguments], stdout=self.out, stderr=self.log,
            env={**os.environ, **(environment or {})})

    def printed(self):
        return pathlib.Path(self.out.name).read_text()

    def logged(self):
        return pathlib.Path(self.log.name).read_text()

    def running(self):
        return self.process.poll() is None

    def wait_for(self, condition, seconds, what):
        """As wait_until(); who never gets there is not left behind."""
        try:
            wait_until(condition, seconds, what)
        except AssertionError as failure:
            self.kill()
            raise AssertionError(f"{failure}\n{self.logged()}") from None

    def kill(self):
        """SIGKILL: the program gets no chance to tidy up."""
        self.process.kill()
        self.process.wait()

    def stop(self, number=signal.SIGTERM, seconds=30):
        """Ends it and returns its exit code."""
        if self.running():
            self.process.send_signal(number)
        try:
            return self.process.wait(seconds * PATIENCE)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError("did not stop:\n" + self.logged()) from None


class Registry(Program):
    def __init__(self, store="memory", port=None, ports=None, ttl=None):
        self.port = port or free_port()
        arguments = [BIN / "specserve-registry", "--port", self.port,
                     "--store", store]
        if ports:
            arguments += ["--ports", ports]
        if ttl:
            arguments += ["--ttl", ttl]
        super().__init__(arguments)
        self.wait_for(self.answers, 20, "registry answers")

    def answers(self):
        if not self.running():
            raise AssertionError("registry ended:\n" + self.logged())
        try:
            return rest(self.port, "GET", "/health")[0] == 200
        except OSError:
            return False

    def registrations(self):
        return rest_json(self.port, "GET", "/registry")[1]["registrations"]


class Server(Program):
    def __init__(self, *arguments, bundle=BUNDLE, registry=None, port=None,
                 ready=True, environment=None):
        self.port = port or free_port()
        line = [BIN / "specserve", "serve", bundle, "--port", self.port]
        if registry is None:
            line += ["--registry-mode", "off"]
        else:
            line += ["--registry", registry]
        super().__init__(line + list(arguments), environment)
        if ready:
            self.wait_for(self.ready, 30, "server ready")

    def ready(self):
        if not self.running():
            raise AssertionError("server ended:\n" + self.logged())
        try:
            return rest(self.port, "GET", "/health")[0] == 200
        except OSError:
            return False


def resident_kb(process):
    """Memory of a running process."""
    for line in pathlib.Path(f"/proc/{process.pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    raise AssertionError("no VmRSS")


class Case(unittest.TestCase):
    """A test with a folder of its own, whose programs end with it.

    They end in order, not by SIGKILL: only so a sanitizer tells what it found.
    """

    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(prefix="specserve-")
        self.addCleanup(self.folder.cleanup)
        self.programs = []
        self.addCleanup(self.end_programs)

    def end_programs(self):
        for program in reversed(self.programs):
            if program.running():
                self.assertEqual(program.stop(), 0, program.logged())
            self.assertNotRegex(program.logged(), "Sanitizer|runtime error:")

    def start(self, kind, *arguments, **options):
        program = kind(*arguments, **options)
        self.programs.append(program)
        return program


class BothCase(Case):
    """A test with a registry and a server that all tests of its class share."""

    @classmethod
    def setUpClass(cls):
        cls.registry = Registry()
        cls.addClassCleanup(cls.registry.stop)
        cls.server = Server()
        cls.addClassCleanup(cls.server.stop)
