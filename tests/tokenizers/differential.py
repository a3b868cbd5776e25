#!/usr/bin/env python3
"""Our tokenizers against Hugging Face's, id for id, on texts made to find
faults (mixed.py): the reference files, and files put together from all
components. Offsets, type ids and decoded texts must be equal, too.

    differential.py [--bytes N] [--seed N] [NAME...]
"""
import argparse
import json
import random
import sys

import tokenizers

import common
import mixed
import variants

faults = 0


def check(where, got, want, text):
    global faults
    if got == want:
        return
    faults += 1
    if faults > 12:
        return
    at = next((i for i, (a, b) in enumerate(zip(got or [], want)) if a != b),
              min(len(got or []), len(want)))
    low = max(0, at - 3)
    print(f"{where} at {at}: got {got and got[low:at + 6]!r}, "
          f"want {want[low:at + 6]!r}, text {text[:80]!r}", flush=True)


def compare(name, path, texts, plain=False):
    oracle = tokenizers.Tokenizer.from_file(str(path))
    oracle.encode_special_tokens = plain
    rng = random.Random(1)
    pairs = [rng.randrange(8) == 0 for _ in texts]
    requests = [{"text": t, "pair": texts[i - 1]} if pairs[i] else {"text": t}
                for i, t in enumerate(texts)]
    wants = [oracle.encode(*r.values()) for r in requests]
    answers = common.tokenize(path, requests, "--all",
                              *(["--plain"] if plain else []))
    for request, want, got in zip(requests, wants, answers):
        text = "|".join(request.values())
        if "error" in got:
            check(f"{name} error {got['error']}", None, want.ids, text)
            continue
        check(f"{name} ids", got["ids"], want.ids, text)
        check(f"{name} offsets", got["offsets"],
              [list(o) for o in want.offsets], text)
        check(f"{name} types", got["type_ids"], want.type_ids, text)
    ids = [{"ids": w.ids} for w in wants]
    for skip in (False, True):
        options = ["--no-special"] if skip else []
        answers = common.tokenize(path, ids, "--decode", *options)
        for want, got in zip(wants, answers):
            check(f"{name} decoded", got.get("text"),
                  oracle.decode(want.ids, skip_special_tokens=skip),
                  str(want.ids[:20]))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bytes", type=int, default=60000)
    parser.add_argument("--seed", type=int, default=20261128)
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    kept, root = common.reference()
    texts = mixed.texts(options.seed, options.bytes)
    for name in common.NAMES:
        if not options.names or name in options.names:
            before = faults
            compare(name, root / name / "tokenizer.json", texts)
            compare(name + " plain", root / name / "tokenizer.json",
                    texts[:50], plain=True)
            print(f"{name}: {len(texts)} texts, {faults - before} faults",
                  flush=True)
    texts = mixed.texts(options.seed + 1, options.bytes // 4, 300)
    for name, file in variants.all_variants(root):
        if options.names and name not in options.names:
            continue
        path = root / "variant.json"
        path.write_text(json.dumps(file), "utf-8")
        before = faults
        compare(name, path, texts)
        print(f"{name}: {len(texts)} texts, {faults - before} faults",
              flush=True)
    kept.cleanup()
    print(f"{faults} faults")
    sys.exit(faults > 0)


if __name__ == "__main__":
    main()
