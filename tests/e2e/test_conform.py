"""specserve conform: the right server passes, and for each check a server that
is wrong in that one way fails it."""
import json
import pathlib
import re
import subprocess
import unittest
import xml.etree.ElementTree

import bundles
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
        others = [(check["id"], check["outcome"], check["detail"])
                  for check in answer["checks"]
                  if check["outcome"] != "passed"]
        # the shipped model takes token ids, and has no properties
        self.assertEqual((code, others, err), (0, [
            ("V21", "skipped", "no input of the model is of floats"),
            ("W5", "skipped", "the model has no properties")], ""))
        self.assertEqual([check["id"] for check in answer["checks"]],
                         list(self.checks))
        suite = xml.etree.ElementTree.parse(report).getroot()
        self.assertEqual((suite.get("tests"), suite.get("failures")),
                         (str(len(self.checks)), "0"))
        self.assertEqual(self.registry.registrations(), [])

    def test_each_check_finds_its_fault(self):
        self.assertEqual([*wrong_server.WRONGS, *wrong_server.RPC_WRONGS],
                         list(self.checks))
        for name, suite in self.checks.items():
            if suite == "OIP":
                continue
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

    def test_each_fault_of_the_protocol_is_one_row(self):
        right = self.start(harness.Server, bundle=bundles.identity(
            self.folder.name, "FP32"))
        for name in [None, *(name for name, suite in self.checks.items()
                             if suite == "OIP")]:
            with self.subTest(name):
                wrong, rest, rpc = None, right.port, right.port
                if name in wrong_server.WRONGS:
                    wrong = wrong_server.WrongServer(right.port, name)
                    rest = wrong.port
                elif name:
                    wrong = wrong_server.WrongRpc(right.port, name)
                    rpc = wrong.port
                code, out, err = conform(
                    "--url", url(rest), "--grpc-url", url(rpc),
                    "--suite", "oip-v2", "--json")
                if wrong:
                    wrong.stop()
                failed = [check["id"] for check in json.loads(out)["checks"]
                          if check["outcome"] == "failed"]
                self.assertEqual((code, failed, err),
                                 (1, [name], "") if name else (0, [], ""), out)

    def test_every_datatype_of_the_protocol(self):
        for datatype in bundles.DATATYPES:
            with self.subTest(datatype):
                server = self.start(harness.Server, bundle=bundles.identity(
                    self.folder.name, datatype))
                code, out, _ = conform("--url", url(server.port), "--suite",
                                       "oip-v2", "--json")
                answer = json.loads(out)
                self.assertEqual((code, answer["failed"]), (0, 0), out)
                half = datatype in ("FP16", "BF16")
                self.assertGreaterEqual(answer["passed"], 20 if half else 37)
                server.stop()

    def test_a_request_of_the_caller(self):
        """The model is named, and what it takes is in a file."""
        server = self.start(harness.Server, bundle=bundles.identity(
            self.folder.name, "FP32"))
        path = pathlib.Path(self.folder.name, "request.json")
        for name, content, code, words in (
                ("Identity_FP32", {"inputs": [{
                    "name": "x", "datatype": "FP32", "shape": [2, 2],
                    "data": [[1, 2], [3, 4]]}]}, 0, "38 passed"),
                ("Identity_FP32", {"inputs": [{
                    "name": "z", "datatype": "FP32", "shape": [1, 2],
                    "data": [1, 2]}]}, 1, "is answered with 400"),
                ("another", {}, 1, "answers 404"),
                ("Identity_FP32", [], 2, "is no JSON object")):
            path.write_text(json.dumps(content))
            got, out, err = conform(
                "--url", url(server.port), "--suite", "oip-v2", "--model", name,
                "--infer", path)
            self.assertEqual(got, code, out + err)
            self.assertIn(words, out + err)

    def test_who_does_not_speak_a_protocol_is_not_asked(self):
        """... unless its suite was named."""
        code, out, _ = conform("--url", url(self.registry.port))
        self.assertIn("skip oip-v2       V1 ", out)
        self.assertNotIn("FAIL oip-v2", out)
        code, out, _ = conform("--url", url(self.registry.port), "--suite",
                               "oip-v2")
        self.assertEqual(code, 1)
        self.assertIn("FAIL oip-v2       V1 ", out)

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
