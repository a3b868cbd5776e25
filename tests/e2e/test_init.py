"""specserve init: the bundle it writes is served at once and says what is missing."""
import json
import pathlib
import shutil
import subprocess
import tempfile
import unittest

import harness

DATA = harness.ROOT / "tests/data"
DOCUMENTS = (".modelspec.yaml", ".modelservice.yaml", ".behavior.yaml")


def run(*arguments):
    return subprocess.run([harness.BIN / "specserve", *map(str, arguments)],
                          text=True, capture_output=True,
                          timeout=60 * harness.PATIENCE)


def tokenizer(tokens):
    """One token a byte, for the tiny models, which have 40 of them."""
    shipped = json.loads((harness.BUNDLE / "tokenizer.json").read_text())
    letters = "Ġabcdefghijklmnopqrstuvwxyzr.T'!?"
    vocab = {"[PAD]": 0, "[UNK]": 1, "[CLS]": 2}
    for letter in letters:
        vocab.setdefault(letter, len(vocab))
    shipped["model"].update(vocab=vocab, merges=[])
    shipped["truncation"]["max_length"] = tokens
    return json.dumps(shipped)


class Init(unittest.TestCase):
    def setUp(self):
        made = tempfile.TemporaryDirectory()
        self.addCleanup(made.cleanup)
        self.folder = pathlib.Path(made.name) / "My_Model"

    def take(self, name, text=False):
        """A copy of a folder of tests/data, with a tokenizer or without."""
        shutil.copytree(DATA / name, self.folder)
        shutil.rmtree(self.folder / "test_data_set_0", ignore_errors=True)
        if text:
            (self.folder / "tokenizer.json").write_text(tokenizer(10))
        return self.folder

    def init(self, *arguments, code=0):
        done = run("init", *arguments)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done

    def serve(self):
        port = harness.free_port()
        server = harness.Program([harness.BIN / "specserve", "serve",
                                  self.folder, "--registry-mode", "off",
                                  "--port", port])
        self.addCleanup(server.stop)
        server.wait_for(lambda: self.is_ready(port), 20, "ready")
        return port

    @staticmethod
    def is_ready(port):
        try:
            return harness.rest(port, "GET", "/health")[0] == 200
        except OSError:
            return False

    def predict(self, port, data):
        kind = "text" if "text" in data else "tabular"
        status, answer = harness.rest_json(port, "POST", "/predict",
                                           {"input_type": kind, "data": data})
        self.assertEqual((status, answer["success"]), (200, True), answer)
        return answer["results"]

    def document(self, ending):
        return (self.folder / f"my-model{ending}").read_text()

    def test_base_model_gives_vectors_pooled_by_a_guess_that_is_told(self):
        self.init(self.take("hf/bert_model", text=True))
        self.assertIn("the mean is a guess", self.document(DOCUMENTS[1]))
        port = self.serve()
        one = self.predict(port, {"text": "a cat"})["embedding"]
        many = self.predict(port, {"text": ["a cat", "the dog."]})["embedding"]
        self.assertEqual(len(one), 16)
        for x, y in zip(one, many[0]):
            self.assertAlmostEqual(x, y, 5)

    def test_sentence_transformers_files_are_read(self):
        folder = self.take("hf/bert_model", text=True)
        (folder / "modules.json").write_text(json.dumps([
            {"idx": 0, "path": "", "type": "sentence_transformers.models.Transformer"},
            {"idx": 1, "path": "1_P", "type": "sentence_transformers.models.Pooling"},
            {"idx": 2, "path": "2_N", "type": "sentence_transformers.models.Normalize"}]))
        (folder / "1_P").mkdir()
        (folder / "1_P/config.json").write_text(
            '{"pooling_mode_cls_token": true, "pooling_mode_mean_tokens": false}')
        (folder / "sentence_bert_config.json").write_text('{"max_seq_length": 11}')
        (folder / "README.md").write_text("---\nlicense: apache-2.0\n---\n")
        self.init(folder)
        service = self.document(DOCUMENTS[1])
        for part in ("method: cls", "value: embedding", "maxTokens: 11",
                     'license: "Apache-2.0"'):
            self.assertIn(part, service)
        vector = self.predict(self.serve(), {"text": "a cat"})["embedding"]
        self.assertAlmostEqual(sum(x * x for x in vector), 1, 5)

    def test_classifier_gives_labels(self):
        folder = self.take("hf/distilbert_sequence", text=True)
        config = json.loads((folder / "config.json").read_text())
        config["id2label"] = {"0": "no: \"x\"", "1": "maybe", "2": "yes"}
        (folder / "config.json").write_text(json.dumps(config))
        self.init(folder)
        results = self.predict(self.serve(), {"text": "a cat"})
        self.assertIn(results["label"], config["id2label"].values())
        self.assertAlmostEqual(sum(results["probabilities"]), 1, 5)
        self.assertAlmostEqual(max(results["probabilities"]), results["score"], 6)

    def test_score_of_one_number(self):
        self.init(self.take("hf/xlm_roberta_sequence", text=True))
        self.assertIsInstance(
            self.predict(self.serve(), {"text": "a cat"})["score"], float)

    def test_tensors_of_a_model_without_tokenizer(self):
        self.init(self.take("hf/roberta_sequence"))
        results = self.predict(self.serve(), {"input_ids": [5, 6, 7],
                                              "attention_mask": [1, 1, 1]})
        self.assertEqual(len(results["logits"]), 3)

    def test_numbers_that_a_tensor_cannot_hold_are_refused(self):
        self.init(self.take("hf/roberta_sequence"))
        port = self.serve()
        for ids in ([5, 6.5], [5, 1e30], [5, 400]):
            status, answer = harness.rest_json(
                port, "POST", "/predict",
                {"input_type": "tabular",
                 "data": {"input_ids": ids, "attention_mask": [1, 1]}})
            self.assertFalse(answer["success"], answer)
        self.assertEqual(harness.rest(port, "GET", "/health")[0], 200)

    def test_onnx_files_of_other_kinds(self):
        for name in ("models/sklearn_logreg_iris", "models/torch_gru_uni2",
                     "models/mnist_8"):
            with self.subTest(name):
                folder = self.take(name)
                self.init(folder / "model.onnx")
                self.serve()
                shutil.rmtree(folder)

    def test_gaps_are_told_and_nothing_else(self):
        self.init(self.take("models/torch_mlp"))
        done = run("validate", "--format", "json", self.folder)
        report = json.loads(done.stdout)
        self.assertEqual((done.returncode, report["errors"]), (0, 0))
        self.assertTrue(report["issues"])
        self.assertEqual({issue["rule"] for issue in report["issues"]}, {"GAP"})

    def test_written_over_only_when_forced_and_always_the_same(self):
        folder = self.take("hf/bert_sequence", text=True)
        self.init(folder)
        first = [self.document(ending) for ending in DOCUMENTS]
        (folder / "my-model.behavior.yaml").write_text("mine")
        done = self.init(folder, code=2)
        self.assertIn("--force", done.stderr)
        self.assertEqual(self.document(".behavior.yaml"), "mine")
        (folder / "citation.bib").write_text("@misc{mine, title = {x}}")
        self.init(folder, "--force")
        self.assertEqual([self.document(ending) for ending in DOCUMENTS], first)
        self.assertIn("mine", (folder / "citation.bib").read_text())

    def test_names_and_links(self):
        folder = self.take("models/torch_mlp")
        self.init(folder, "--name", "Other Name!")
        self.assertTrue((folder / "other-name.modelspec.yaml").exists())
        (folder / "my-model.modelspec.yaml").symlink_to("/dev/null")
        self.assertEqual(run("init", folder, "--force").returncode, 2)

    def test_what_is_no_model(self):
        self.folder.mkdir()
        self.init(self.folder, code=2)
        self.init(self.folder / "none.onnx", code=2)
        (self.folder / "model.onnx").write_text("text")
        self.init(self.folder, code=1)
        self.assertEqual(run("init").returncode, 2)
        self.assertEqual(len(list(self.folder.iterdir())), 1)

    def test_unsupported_family_is_named(self):
        folder = self.take("hf/bert_model")
        text = (folder / "config.json").read_text()
        (folder / "config.json").write_text(
            text.replace('"model_type": "bert"', '"model_type": "gpt2"'))
        self.assertIn("gpt2", self.init(folder, code=1).stderr)


if __name__ == "__main__":
    unittest.main()
