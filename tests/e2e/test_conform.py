"""specserve conform: the right server passes, and for each check a server that
is wrong in that one way fails it."""
import json
import pathlib
import re
import subprocess
import unittest
import xml.etree.ElementTree

import harness
import python_clients
import wrong_server

CHECKS = harness.ROOT / "server/commands/conform/checks.def"


def conform(*arguments):
    done = subprocess.run([harness.BIN / "specserve", "conform", *arguments],
                          capture_output=True, text=True, timeout=300,
                          check=False)
    return done.returncode, done.stdout, done.stderr


def url(port):
    return f"http://127.0.0.1:{port}"


class Conform(harness.BothCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.checks = dict(re.findall(r'^CHECK\("(\w+)", (\w+)',
                                     CHECKS.read_text(), re.M))

    def test_the_right_server_passes(self):
        report = pathlib.Path(self.folder.name, "report.xml")
        code, out, err = conform(
            "--url", url(self.server.port), "--registry-url",
            url(self.registry.port), "--json", "--junit", report)
        answer = json.loads(out)
        failed = [check for check in answer["checks"]
                  if check["outcome"] != "passed"]
        self.assertEqual((code, failed, err), (0, [], ""))
        self.assertEqual([check["id"] for check in answer["checks"]],
                         list(self.checks))
        suite = xml.etree.ElementTree.parse(report).getroot()
        self.assertEqual((suite.get("tests"), suite.get("failures")),
                         (str(len(self.checks)), "0"))
        self.assertEqual(self.registry.registrations(), [])

    def test_each_check_finds_its_fault(self):
        self.assertEqual(list(wrong_server.WRONGS), list(self.checks))
        for name, suite in self.checks.items():
            with self.subTest(name):
                runtime = suite == "RUNTIME"
                right = self.server if runtime else self.registry
                wrong = wrong_server.WrongServer(right.port, name)
                self.addCleanup(wrong.stop)
                code, out, err = conform(
                    "--url" if runtime else "--registry-url", url(wrong.port),
                    "--only", name, "--json")
                check, = json.loads(out)["checks"]
                self.assertEqual((code, check["outcome"], err),
                                 (1, "failed", ""), check)
                self.assertTrue(check["detail"])

    def test_what_cannot_be_asked_is_skipped(self):
        code, out, _ = conform("--url", url(self.server.port), "--suite",
                               "registry")
        self.assertEqual(code, 0)
        self.assertIn("skip registry", out)
        self.assertNotIn("pass", out.replace("0 passed", ""))

    def test_nobody_there_fails(self):
        code, out, _ = conform("--url", url(harness.free_port()), "--only", "H1")
        self.assertEqual(code, 1)
        self.assertIn("FAIL runtime-1.2  H1", out)

    def test_a_long_text_of_the_server_is_cut_between_characters(self):
        faulty = python_clients.Faulty()
        self.addCleanup(faulty.stop)
        for name in ("\u00e9" * 300, "x" + "\u00e9" * 300):
            faulty.script(
                {"do": "answer", "body": {
                    "examples": [{"name": name, "text": "C", "data": {}}],
                    "usage_instructions": {"body_format": {"data": {}}}}},
                {"do": "answer", "status": 500})
            code, out, _ = conform("--url", faulty.url, "--only", "P2", "--json")
            check, = json.loads(out)["checks"]
            self.assertEqual((code, check["outcome"]), (1, "failed"))
            self.assertIn("\u00e9", check["detail"])

    def test_usage(self):
        for arguments in ([], ["--url"], ["--url", "ftp://x"], ["--suite", "x",
                          "--url", "http://127.0.0.1:1"], ["--url",
                          "http://127.0.0.1:1", "--only", "Z9"]):
            self.assertEqual(conform(*arguments)[0], 2, arguments)
        self.assertEqual(conform("--help")[0], 0)


if __name__ == "__main__":
    unittest.main()
