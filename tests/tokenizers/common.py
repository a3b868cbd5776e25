"""What the tokenizer tests share: the reference files and our program."""
import json
import os
import pathlib
import subprocess
import tarfile
import tempfile

HERE = pathlib.Path(__file__).parent
BIN = pathlib.Path(os.environ.get("SPECSERVE_BIN", "build/bin")) / "specserve"
NAMES = ["bert-base-uncased", "bert-base-cased", "gpt2", "roberta-base",
         "t5-small", "phi-3-mini"]


def reference():
    """The files of reference.tar.xz in a folder of their own; keep the object
    as long as the folder is needed."""
    folder = tempfile.TemporaryDirectory()
    with tarfile.open(HERE / "reference.tar.xz") as archive:
        archive.extractall(folder.name)
    return folder, pathlib.Path(folder.name)


def read_lines(path):
    return [json.loads(line) for line in open(path, encoding="utf-8")]


def tokenize(path, requests, *options):
    """What `specserve tokenize` answers to each request."""
    text = "".join(json.dumps(r) + "\n" for r in requests)
    done = subprocess.run([BIN, "tokenize", path, *options], input=text,
                          capture_output=True, text=True, encoding="utf-8")
    if done.returncode not in (0, 1):
        raise SystemExit(f"specserve tokenize {path}: {done.stderr}")
    answers = [json.loads(line) for line in done.stdout.split("\n") if line]
    if len(answers) != len(requests):
        raise SystemExit(f"{len(answers)} answers to {len(requests)} requests")
    return answers
