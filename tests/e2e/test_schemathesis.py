"""Schemathesis makes requests of /openapi.json, right and wrong ones, and finds
no server error, no status and no answer that the document does not have.

SPECSERVE_FUZZ_S: seconds per program.
"""
import os
import pathlib
import subprocess
import sys
import unittest

import harness

SECONDS = os.environ.get("SPECSERVE_FUZZ_S", "15")
TOOL = pathlib.Path(sys.executable).parent / "schemathesis"
DATA = harness.ROOT / "tests/data/bundles"
CONFIG = harness.ROOT / "tests/e2e/schemathesis.toml"


class Schemathesis(harness.Case):
    def examine(self, program, *options):
        done = subprocess.run(
            [TOOL, "--config-file", CONFIG, "run", "--no-color",
             f"http://127.0.0.1:{program.port}/openapi.json",
             "--max-time", SECONDS, "--continue-on-failure", *options],
            cwd=self.folder.name, capture_output=True, text=True, check=False,
            timeout=float(SECONDS) * 4 + 120)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertRegex(done.stdout, r"\d{2,} generated, \d{2,} passed")
        self.assertEqual(program.stop(), 0)

    def test_server(self):
        self.examine(self.start(harness.Server))

    def test_text_models(self):
        """The shipped model offers neither of these."""
        for bundle, path in (("sentences", "/v1/embeddings"),
                             ("relevance", "/v1/rerank")):
            with self.subTest(path):
                self.examine(self.start(harness.Server, bundle=DATA / bundle),
                             "--include-path", path)

    def test_registry(self):
        self.examine(self.start(harness.Registry))


if __name__ == "__main__":
    unittest.main()
