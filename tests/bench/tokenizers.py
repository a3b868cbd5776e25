#!/usr/bin/env python3
"""Speed of the tokenizers against Hugging Face's library, one thread each, in
the same run: A B A B, medians, in megabytes of text per second.

    taskset -c 1 .venv/bin/python tests/bench/tokenizers.py [--seconds S] [NAME...]

Short texts are sentences of about 120 characters, long ones of about 20,000;
English alone, and the mixed texts of tests/tokenizers. Both libraries give ids
and offsets, or ids alone (theirs: encode_batch_fast)."""
import os

os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["RAYON_NUM_THREADS"] = "1"

import argparse
import pathlib
import random
import statistics
import struct
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path = [p for p in sys.path if pathlib.Path(p or ".").resolve() != HERE]
sys.path.insert(0, str(HERE.parent / "tokenizers"))
import tokenizers

import common
import mixed

PROGRAM = common.BIN.parent / "bench_tokenizers"
ROUNDS = 5


def english(folder):
    rows = common.read_lines(folder / "bert-base-uncased" /
                             "squad-questions.jsonl")
    return [r["text"] for r in rows]


def sizes(words, size, total, rng):
    """Texts of about `size` characters, `total` in all."""
    found = []
    while sum(map(len, found)) < total:
        parts = []
        while sum(map(len, parts)) < size:
            parts.append(rng.choice(words))
        found.append(" ".join(parts).replace("\0", ""))
    return found


def theirs(oracle, texts, seconds, fast):
    encode = oracle.encode_batch_fast if fast else oracle.encode_batch
    size = sum(len(t.encode()) for t in texts)
    encode(texts)
    start, rounds = time.perf_counter(), 0
    while rounds == 0 or time.perf_counter() - start < seconds:
        encode(texts)
        rounds += 1
    return size * rounds / 1e6 / (time.perf_counter() - start)


def ours(path, file, seconds, fast):
    done = subprocess.run([PROGRAM, path, file, str(seconds)] +
                          ([] if fast else ["offsets"]),
                          capture_output=True, text=True, check=True)
    return float(done.stdout)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=0.2)
    parser.add_argument("names", nargs="*", default=common.NAMES)
    options = parser.parse_args()
    rng = random.Random(7)
    kept, root = common.reference()
    words = english(root)
    odd = [mixed.text(rng, 60) for _ in range(2000)]
    sets = {"short English": sizes(words, 120, 150000, rng),
            "long English": sizes(words, 20000, 150000, rng),
            "short mixed": sizes(odd, 120, 150000, rng),
            "long mixed": sizes(odd, 20000, 150000, rng)}
    print("| tokenizer | texts | output | theirs MB/s | ours MB/s | times |")
    print("|---|---|---|---|---|---|")
    for name in options.names or common.NAMES:
        path = root / name / "tokenizer.json"
        oracle = tokenizers.Tokenizer.from_file(str(path))
        for label, texts in sets.items():
            file = root / "texts"
            file.write_bytes(b"".join(
                struct.pack("<I", len(t.encode())) + t.encode()
                for t in texts))
            for fast in (False, True):
                a, b = [], []
                for _ in range(ROUNDS):
                    a.append(theirs(oracle, texts, options.seconds, fast))
                    b.append(ours(path, file, options.seconds, fast))
                a, b = statistics.median(a), statistics.median(b)
                print(f"| {name} | {label} | "
                      f"{'ids' if fast else 'ids, offsets'} | {a:.1f} | "
                      f"{b:.1f} | {b / a:.1f} |", flush=True)
    kept.cleanup()


if __name__ == "__main__":
    main()
