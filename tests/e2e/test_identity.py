"""Who a bundle is: its digests, from the server, from specgen and by hashlib."""
import hashlib
import http.server
import json
import pathlib
import re
import shutil
import subprocess
import threading
import unittest

import bundles
import harness
import rpc

DATA = harness.ROOT / "tests/data"
OIP = {"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 1],
                   "data": [4]}]}


def digest(folder, names):
    """As `sha256sum NAMES | sha256sum` in the folder."""
    lines = "".join(
        f"{hashlib.sha256((folder / name).read_bytes()).hexdigest()}  {name}\n"
        for name in sorted(names, key=str.encode))
    return "sha256:" + hashlib.sha256(lines.encode()).hexdigest()


def documents(folder):
    return [file.name for file in folder.glob("*.yaml")]


def external(folder):
    """y = x + w, where w lies in data/w.bin beside the model."""
    bundle = bundles.identity(folder, "FP32")
    part = bundles.part
    weight = (part(1, 1) + part(2, 1) + part(8, "w")
              + part(13, part(1, "location") + part(2, "data/w.bin"))
              + part(14, 1))
    graph = (bundles.node("Add", ["x", "w"], "y") + part(2, "external")
             + part(5, weight) + bundles.port(11, "x", "n", "m")
             + bundles.port(12, "y", "n", "m"))
    (bundle / "model.onnx").write_bytes(
        part(1, 8) + part(7, graph) + part(8, part(1, "") + part(2, 13)))
    (bundle / "data").mkdir()
    (bundle / "data" / "w.bin").write_bytes(bytes(4))
    return bundle


class Digests(harness.Case):
    def info(self, bundle):
        server = self.start(harness.Server, bundle=bundle)
        return harness.rest_json(server.port, "GET", "/info")[1]

    def generated(self, bundle):
        """The two digests that a client of the bundle holds."""
        out = pathlib.Path(self.folder.name) / "out"
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir()
        subprocess.run([harness.BIN / "specgen", "model-client", "--bundle",
                        bundle, "--lang", "python", "--out", out], check=True)
        text, = (file.read_text() for file in out.iterdir())
        return set(re.findall(r'(\w+)_DIGEST = "(.*)"', text))

    def check(self, bundle, files, generated=True):
        info = self.info(bundle)
        kept = documents(bundle)
        self.assertEqual(info["documents_digest"], digest(bundle, kept))
        self.assertEqual(info["model_digest"], digest(bundle, files))
        self.assertEqual(info["bundle_digest"], digest(bundle, kept + files))
        if generated:
            self.assertEqual(self.generated(bundle),
                             {("BUNDLE", info["bundle_digest"]),
                              ("MODEL", info["model_digest"])})

    def test_weights_and_tokenizer(self):
        self.check(harness.BUNDLE, ["model.onnx", "tokenizer.json"])

    def test_labels(self):
        """The documents of a classifier, whose weights are another's."""
        bundle = pathlib.Path(self.folder.name) / "labels"
        shutil.copytree(DATA / "bundles/labels", bundle)
        shutil.copy(DATA / "bundles/sentences/model.onnx", bundle)
        names = ["labels.txt", "model.onnx", "tokenizer.json"]
        self.assertIn(("MODEL", digest(bundle, names)), self.generated(bundle))

    def test_a_folder_of_transformers(self):
        for name, files in (
                ("bert_model", ["config.json", "model.safetensors"]),
                ("bert_shards", ["config.json", "model.safetensors.index.json",
                                 *(f.name for f in (DATA / "hf/bert_shards").glob(
                                     "model-*.safetensors"))])):
            bundle = bundles.edited(self.folder.name, modelspec=[
                ("framework: onnx", "framework: transformers"),
                ("model.onnx", f"{name}/")])
            shutil.copytree(DATA / "hf" / name, bundle / name)
            model = [f"{name}/{file}" for file in files] + ["tokenizer.json"]
            self.assertIn(("MODEL", digest(bundle, model)),
                          self.generated(bundle))
            shutil.rmtree(bundle)

    def test_external_data(self):
        self.check(external(self.folder.name), ["model.onnx", "data/w.bin"],
                   generated=False)

    def test_other_files_do_not_count(self):
        bundle = bundles.edited(self.folder.name)
        before = self.generated(bundle)
        (bundle / "notes.txt").write_text("none")
        (bundle / "citation.bib").write_text("@misc{a, title = {B}}\n")
        self.assertEqual(self.generated(bundle), before)

    def test_each_file_counts(self):
        bundle = bundles.edited(self.folder.name)
        seen = {digests for digests in self.generated(bundle)}
        for name, model_too in (("model.onnx", True), ("tokenizer.json", True),
                                ("solubility.modelspec.yaml", False)):
            file = bundle / name
            file.write_bytes(file.read_bytes() + b"\n")
            now = self.generated(bundle)
            self.assertEqual(len(now & seen), 0 if model_too else 1, name)
            seen |= now

    def test_what_cannot_be_hashed_is_a_fault(self):
        for spoil, why in ((lambda b: (b / "model.onnx").unlink(),
                            "'model.onnx' is not in the bundle"),
                           (lambda b: shutil.copy(b / "solubility.modelspec.yaml",
                                                  b / "x.modelspec.yml"),
                            "two documents")):
            bundle = bundles.edited(self.folder.name)
            spoil(bundle)
            done = subprocess.run(
                [harness.BIN / "specgen", "model-client", "--bundle", bundle,
                 "--lang", "python", "--out", self.folder.name], check=False,
                capture_output=True, text=True)
            self.assertEqual(done.returncode, 1)
            self.assertIn(why, done.stderr)
            shutil.rmtree(bundle)


class Told(http.server.BaseHTTPRequestHandler):
    """A server that says of its model what a test wants it to."""

    info, service = {}, None

    def do_GET(self):
        body = json.dumps(self.info) if self.path == "/info" else self.service
        self.send_response(404 if body is None else 200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write((body or "").encode())

    def log_message(self, *_):
        pass


class FromServer(harness.Case):
    """specgen model-client --url: what a server tells is what its bundle says."""

    def generate(self, out, *arguments):
        out = pathlib.Path(self.folder.name) / out
        out.mkdir(exist_ok=True)
        done = subprocess.run([harness.BIN / "specgen", "model-client",
                               *arguments, "--out", out], check=False,
                              capture_output=True, text=True)
        return done, {file.name: file.read_bytes() for file in out.iterdir()}

    def test_it_is_the_client_of_the_bundle_in_every_language(self):
        languages = re.findall(r"^LANGUAGE\((\w+),", (
            harness.ROOT / "codegen/model/languages.def").read_text(), re.M)
        self.assertIn("python", languages)
        for bundle in (harness.BUNDLE, DATA / "bundles/sentences"):
            port = self.start(harness.Server, bundle=bundle).port
            for language in languages:
                name = f"{language}-{bundle.name}"
                _, wanted = self.generate(f"{name}-bundle", "--bundle", bundle,
                                          "--lang", language)
                done, got = self.generate(
                    f"{name}-url", "--url", f"http://127.0.0.1:{port}/",
                    "--lang", language)
                self.assertEqual((done.returncode, done.stderr), (0, ""))
                self.assertEqual(got, wanted)
                self.assertEqual(len(got), 1)

    def refused(self, url, why):
        done, made = self.generate("none", "--url", url, "--lang", "python")
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn(why, done.stderr)
        self.assertEqual(made, {})

    def test_servers_that_cannot_say(self):
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Told)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        url = f"http://127.0.0.1:{server.server_port}"
        self.refused(url, "/model/service' is answered with status 404")
        Told.service = "{}"
        digest = "sha256:" + "0" * 64
        for value in (None, "sha256:12", digest.upper(), "x" * 71, digest + "0",
                      'sha256:"\nimport os\n' + "0" * 50):
            Told.info = {f"{k}_digest": digest for k in ("model", "documents")}
            Told.info["bundle_digest"] = value
            self.refused(url, "tells no digests")
        Told.info["bundle_digest"] = digest
        self.refused(url, "needs the text 'metadata.name'")
        Told.service = "no: [JSON"
        self.refused(url, "/model/service:1:")
        self.refused(f"http://127.0.0.1:{harness.free_port()}", "gives no answer")
        self.refused("file:///etc/hostname", "gives no answer")

    def test_either_a_bundle_or_a_server(self):
        for arguments in ((), ("--bundle", harness.BUNDLE, "--url", "http://x")):
            done, _ = self.generate("none", *arguments, "--lang", "python")
            self.assertEqual(done.returncode, 2)
            self.assertIn("either --bundle or --url", done.stderr)


class Answers(harness.Case):
    """Whatever the model answers says which model it was."""

    def test_headers_and_trailers(self):
        bundle = bundles.steered(self.folder.name)
        server = self.start(harness.Server, bundle=bundle)
        info = harness.rest_json(server.port, "GET", "/info")[1]
        client = rpc.Client(server.port)
        self.addCleanup(client.close)
        good = {"input_type": "tabular", "data": {"x": [4]}}
        bad = {"input_type": "tabular", "data": {"x": [-1]}}
        for path, body, status in (("/predict", good, 200), ("/predict", bad, 500),
                                   ("/v2/models/Steered/infer", OIP, 200)):
            got, headers, _ = harness.rest(server.port, "POST", path, body)
            self.assertEqual(got, status)
            self.assert_told(headers, info)
        for request in (good, bad):
            _, _, trailers, _ = client.call("specserve.runtime.v1.ModelRuntime",
                                            "Predict", request)
            self.assert_told(trailers, info)
        _, headers, _ = harness.rest(server.port, "GET", "/health")
        self.assertNotIn("x-model-digest", headers)

    def test_embeddings(self):
        server = self.start(harness.Server, bundle=DATA / "bundles/sentences")
        info = harness.rest_json(server.port, "GET", "/info")[1]
        _, headers, _ = harness.rest(server.port, "POST", "/v1/embeddings",
                                     {"input": "the"})
        self.assert_told(headers, info)

    def assert_told(self, headers, info):
        for name in ("model", "documents"):
            self.assertEqual(headers[f"x-{name}-digest"], info[f"{name}_digest"])


if __name__ == "__main__":
    unittest.main(verbosity=2)
