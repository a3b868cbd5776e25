"""specserve predict: every kind of target, input and ending."""
import contextlib
import http.server
import json
import os
import pty
import subprocess
import threading
import unittest

import harness

TIMES = {"computation_time_ms"}


def predict(*arguments, **options):
    """(exit code, decoded output or None, what stderr says)"""
    run = subprocess.run([harness.BIN / "specserve", "predict",
                          *[str(a) for a in arguments]],
                         capture_output=True, text=True,
                         timeout=60 * harness.PATIENCE, check=False, **options)
    return (run.returncode, json.loads(run.stdout) if run.stdout else None,
            run.stderr)


def on_terminal(*arguments):
    """What the command prints when its output is a terminal."""
    ours, its = pty.openpty()
    with subprocess.Popen([harness.BIN / "specserve", "predict",
                           *[str(a) for a in arguments]], stdout=its) as program:
        os.close(its)
        printed = b""
        with contextlib.suppress(OSError):  # a terminal ends in EIO
            while part := os.read(ours, 65536):
                printed += part
    os.close(ours)
    return printed.decode().replace("\r\n", "\n")


@contextlib.contextmanager
def http_server(answers):
    """Answers GET and POST of each path with (status, bytes); gives its port."""
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            status, body = answers[self.path]
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


class PredictCommand(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.registry = harness.Registry()
        cls.registry_url = f"http://127.0.0.1:{cls.registry.port}"
        cls.server = harness.Server(registry=cls.registry_url)
        cls.address = f"127.0.0.1:{cls.server.port}"

    @classmethod
    def tearDownClass(cls):
        codes = cls.server.stop(), cls.registry.stop()
        assert codes == (0, 0), (codes, cls.server.logged(), cls.registry.logged())

    def both_doors(self, *arguments):
        """The answer, which is the same over REST and gRPC."""
        rest = predict(self.address, *arguments)
        grpc = predict(self.address, "--grpc", *arguments)
        for code, answer, _ in (rest, grpc):
            for key in TIMES & set(answer or ()):
                self.assertGreaterEqual(answer.pop(key), 0)
        self.assertEqual(rest, grpc)
        return rest

    def test_text(self):
        code, answer, said = self.both_doors("--text", "CCO")
        self.assertEqual((code, said), (0, ""))
        self.assertTrue(answer["success"])
        self.assertEqual(answer["results"]["smiles"], "CCO")
        self.assertAlmostEqual(answer["results"]["LogS"], 1.0049, delta=0.001)

    def test_data_is_the_data_or_the_whole_request(self):
        data = {"text": ["CCO", "CC"], "property": "LogS"}
        code, answer, _ = self.both_doors("--data", json.dumps(data))
        self.assertEqual(code, 0)
        self.assertEqual(answer["results"]["smiles"], ["CCO", "CC"])
        whole = {"input_type": "text", "data": data}
        self.assertEqual(self.both_doors("--data", json.dumps(whole)),
                         (code, answer, ""))

    def test_example_by_name_and_the_first_one(self):
        code, answer, _ = self.both_doors("--example", "Aspirin")
        self.assertEqual((code, answer["results"]["smiles"]),
                         (0, "CC(=O)Oc1ccccc1C(=O)O"))
        _, examples = harness.rest_json(self.server.port, "GET", "/test_examples")
        _, answer, _ = self.both_doors()
        self.assertEqual(answer["results"]["smiles"],
                         examples["examples"][0]["text"])
        code, answer, said = self.both_doors("--example", "Nobody")
        self.assertEqual((code, answer), (2, None))
        self.assertIn("no example called Nobody", said)

    def test_target_may_be_a_url_or_a_model(self):
        for target in (f"http://{self.address}", f"http://{self.address}/"):
            self.assertEqual(predict(target, "--text", "CCO")[0], 0, target)
        for scheme in ("http", "grpc"):
            code, answer, said = predict(
                "Solubility", "--text", "CCO",
                "--registry", f"{scheme}://127.0.0.1:{self.registry.port}")
            self.assertEqual(code, 0, said)
            self.assertEqual(answer["model_name"], "Solubility")

    def test_instances_that_are_gone_are_passed_over(self):
        instances = [{"host": "127.0.0.1", "port": harness.free_port()},
                     {"host": "127.0.0.1", "port": self.server.port}]
        answer = json.dumps({"instances": instances}).encode()
        with http_server({"/resolve/Solubility": (200, answer)}) as port:
            for door in ((), ("--grpc",)):
                code, answer, said = predict(
                    "Solubility", "--text", "CCO", *door,
                    "--registry", f"http://127.0.0.1:{port}")
                self.assertEqual((code, answer["success"]), (0, True), said)

    def test_unknown_model_and_absent_registry(self):
        code, answer, said = predict("Nobody", "--registry", self.registry_url)
        self.assertEqual((code, answer), (2, None))
        self.assertIn("'Nobody'", said)
        nowhere = f"http://127.0.0.1:{harness.free_port()}"
        code, answer, said = predict("Nobody", "--registry", nowhere)
        self.assertEqual((code, answer), (2, None))
        self.assertIn("the registry does not answer", said)

    def test_nobody_there(self):
        address = f"127.0.0.1:{harness.free_port()}"
        for door in ((), ("--grpc",)):
            code, answer, said = predict(address, "--text", "CCO", *door)
            self.assertEqual((code, answer), (2, None))
            self.assertIn(address, said)

    def test_declined_by_the_model(self):
        code, answer, said = self.both_doors("--text", "hello world")
        self.assertEqual((code, answer["success"]), (1, False))
        self.assertEqual(answer["error_code"], "INVALID_INPUT")
        self.assertEqual(said, f"specserve predict: INVALID_INPUT: {answer['error']}\n")

    def test_refused_by_the_server(self):
        request = json.dumps({"input_type": "image", "data": {}})
        for door in ((), ("--grpc",)):
            code, answer, said = predict(self.address, "--data", request, *door)
            self.assertEqual((code, answer["success"], answer["error_code"]),
                             (1, False, "UNSUPPORTED_INPUT_TYPE"))
            self.assertIn(answer["error"], said)

    def test_answers_of_other_servers(self):
        cases = ((502, b"<html>Bad gateway</html>", "HTTP status 502, and no JSON"),
                 (200, b"", "HTTP status 200, and no JSON"),
                 (500, b'{"detail": "broken"}', "no prediction"),
                 (200, b'{"success": false, "error_message": "no"}', ": no\n"))
        for status, body, words in cases:
            with http_server({"/predict": (status, body)}) as port:
                code, _, said = predict(f"127.0.0.1:{port}", "--text", "CCO")
            self.assertEqual(code, 1, said)
            self.assertIn(words, said)

    def test_gives_up_in_time(self):
        with harness.socket.create_server(("127.0.0.1", 0)) as silent:
            address = f"127.0.0.1:{silent.getsockname()[1]}"
            for door in ((), ("--grpc",)):
                code, answer, said = predict(address, "--text", "CCO",
                                             "--timeout-s", 1, *door)
                self.assertEqual((code, answer), (2, None), said)

    def test_usage(self):
        for arguments in ((), ("a:1", "b:2"), ("a:1", "--nothing"),
                          ("a:1", "--text"), ("a:1", "--timeout-s", "0"),
                          ("a:1", "--timeout-s", "5s"),
                          ("a:1", "--text", "x", "--data", "{}")):
            code, answer, said = predict(*arguments)
            self.assertEqual((code, answer), (2, None), arguments)
            self.assertIn("usage: specserve predict", said)
        for arguments, words in (
                (("a:b",), "has no port"), (("http://a",), "has no port"),
                (("a:70000",), "has no port"), (("a:1/x",), "is not host:port"),
                (("a b:1",), "has a bad host"),
                (("a:1", "--data", "[1]"), "--data is not a JSON object"),
                (("a:1", "--data", '{"a": 1'), "at byte"),
                (("a:1", "--data", '{"a": 1, "a": 2}'), "duplicate key"),
                (("a:1", "--data", '{"input_type": "text", "x": 1}'), "/x: unknown field"),
                (("m", "--registry", "ftp://a:1"), "http://")):
            code, answer, said = predict(*arguments)
            self.assertEqual((code, answer), (2, None), arguments)
            self.assertIn(words, said, arguments)
        help_text = subprocess.run(
            [harness.BIN / "specserve", "predict", "--help"],
            capture_output=True, text=True, check=True).stdout
        self.assertIn("--example NAME", help_text)

    def test_people_see_it_laid_out_and_pipes_do_not(self):
        shown = on_terminal(self.address, "--data", '{"text": ["CCO", "CC"]}')
        self.assertIn('\n  "results": {\n', shown)
        self.assertIn('    "smiles": ["CCO", "CC"]\n', shown)
        self.assertTrue(json.loads(shown)["success"])
        line = on_terminal(self.address, "--text", "CCO", "--json")
        self.assertEqual(line.count("\n"), 1)
        self.assertTrue(json.loads(line)["success"])


if __name__ == "__main__":
    unittest.main(verbosity=2)
