#!/usr/bin/env python3
"""Every stored vector of the reference tokenizers, exactly: ids, offsets, type
ids, special masks, decoded texts, truncated and padded batches; and the same
ids from a bare vocab.txt. No library but our own program."""
import json
import sys

import common

faults = 0


def check(where, got, want):
    global faults
    if got == want:
        return
    faults += 1
    if faults <= 10:
        print(f"{where}:\n  got  {str(got)[:300]}\n  want {str(want)[:300]}")


def vectors(folder, name):
    rows = common.read_lines(folder / "vectors.jsonl")
    texts = [{k: r[k] for k in ("text", "pair") if k in r} for r in rows]
    ids = [{"ids": r["ids"]} for r in rows]
    answers = zip(rows, common.tokenize(folder, texts, "--all"),
                  common.tokenize(folder, texts, "--no-special"),
                  common.tokenize(folder, ids, "--decode"),
                  common.tokenize(folder, ids, "--decode", "--no-special"))
    for row, full, bare, whole, plain in answers:
        where = f"{name} {row['text'][:40]!r}"
        for key in ("ids", "offsets", "type_ids", "special_mask"):
            check(f"{where} {key}", full.get(key), row[key])
        check(f"{where} without specials", bare.get("ids"),
              row["ids_no_special"])
        check(f"{where} decoded", plain.get("text"), row["decoded"])
        check(f"{where} decoded with specials", whole.get("text"),
              row["decoded_with_special"])
    return len(rows)


def texts_with_ids(path, name):
    """Files of other origin: texts with their ids, with or without specials."""
    rows = common.read_lines(path)
    texts = [{"text": r["text"]} for r in rows]
    full = common.tokenize(path.parent, texts)
    bare = common.tokenize(path.parent, texts, "--no-special")
    for row, with_specials, without in zip(rows, full, bare):
        where = f"{name} {path.name} {row['text'][:40]!r}"
        if "ids" in row:
            check(where, with_specials.get("ids"), row["ids"])
        if "ids_no_special" in row:
            check(where, without.get("ids"), row["ids_no_special"])
    return len(rows)


def strip_padding(row):
    return {key: [v for v, m in zip(row[key], row["attention_mask"]) if m]
            for key in ("ids", "type_ids")}


def batches(folder, name):
    """Truncation is the file's own; padding is where the mask is 0."""
    file = json.loads((folder / "tokenizer.json").read_text("utf-8"))
    count = 0
    for batch in json.loads((folder / "batches.json").read_text("utf-8")):
        cut = batch["truncation"]
        file["truncation"] = cut and {
            "direction": "Right", "max_length": cut["max_length"],
            "strategy": "LongestFirst", "stride": 0, **cut.get("options", {})}
        path = folder / "cut.json"
        path.write_text(json.dumps(file), "utf-8")
        texts = [{"text": t} if isinstance(t, str) else
                 {"text": t[0], "pair": t[1]} for t in batch["texts"]]
        answers = common.tokenize(path, texts, "--all")
        for answer, want in zip(answers, batch["expect"]):
            got = {key: answer.get(key) for key in ("ids", "type_ids")}
            check(f"{name} batch {cut}", got, strip_padding(want))
            count += 1
        path.unlink()
    return count


def vocab(folder, name):
    """A bare vocab.txt gives what the tokenizer.json gives."""
    rows = common.read_lines(folder / "vectors.jsonl")
    texts = [{k: r[k] for k in ("text", "pair") if k in r} for r in rows]
    for row, answer in zip(
            rows, common.tokenize(folder / "vocab.txt", texts, "--all")):
        for key in ("ids", "offsets", "type_ids", "special_mask"):
            check(f"{name} vocab.txt {key}", answer.get(key), row[key])
    return len(rows)


def vocab_with_config(root):
    """The config beside a vocab.txt says whether capitals are letters of their
    own; a folder without a tokenizer.json is its vocab.txt."""
    folder = root / "configured"
    folder.mkdir()
    vocab_file = (root / "bert-base-uncased" / "vocab.txt").read_bytes()
    (folder / "vocab.txt").write_bytes(vocab_file)
    config = folder / "tokenizer_config.json"
    for text, ids in (("{}", [1037, 1037]), ('{"do_lower_case": true}',
                                            [1037, 1037]),
                      ('{"do_lower_case": false}', [1037, 100])):
        config.write_text(text)
        for path in (folder, folder / "vocab.txt"):
            answer = common.tokenize(path, [{"text": "a A"}], "--no-special")
            check(f"vocab.txt with {text}", answer[0].get("ids"), ids)


def main():
    kept, root = common.reference()
    for name in common.NAMES:
        folder = root / name
        count = vectors(folder, name)
        for path in sorted(folder.glob("*.jsonl")):
            if path.name != "vectors.jsonl":
                count += texts_with_ids(path, name)
        if (folder / "batches.json").exists():
            count += batches(folder, name)
        if (folder / "vocab.txt").exists():
            count += vocab(folder, name)
        print(f"{name}: {count} texts")
    vocab_with_config(root)
    kept.cleanup()
    print(f"{faults} faults")
    sys.exit(faults > 0)


if __name__ == "__main__":
    main()
