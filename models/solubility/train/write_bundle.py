"""Makes the bundle from trained networks: weights, documents, figures.

    python write_bundle.py --data aqsoldb.csv --bundle .. \
        --runs runs/fixed-1 runs/fixed-2 runs/fixed-3 --scaffold runs/scaffold-1

Calibrates the interval on the validation rows, exports the ONNX file, runs it
with ONNX Runtime over every row, and writes what it measured into
report.json, the ModelService document and the README. No figure is typed.
"""

import argparse
import collections
import inspect
import json
import math
import platform
import re
from pathlib import Path

import numpy
import onnx
import onnxruntime
import torch
from rdkit import Chem

import data
import documents
from model import Ensemble, Member

LEVEL = 0.8
RARE_BELOW = 10  # training compounds
EXPORT_LIMIT = 2_000_000  # bytes
ATOM = re.compile(r"\[\d*([A-Z][a-z]?|[a-z]{1,2})|(Cl|Br|[BCNOPSFI]|[bcnops])")


def load_members(folders):
    """Networks in evaluation mode, and the first one's run.json."""
    members, runs = [], []
    for folder in folders:
        run = json.loads((Path(folder) / "run.json").read_text())
        member = Member(run["vocab_size"])
        member.load_state_dict(torch.load(Path(folder) / "best.pt"))
        member.eval()
        members.append(member)
        runs.append(run)
    return members, runs


def tensors(lists):
    longest = max(len(ids) for ids in lists)
    ids = numpy.zeros((len(lists), longest), numpy.int64)
    mask = numpy.zeros_like(ids)
    for i, row in enumerate(lists):
        ids[i, : len(row)] = row
        mask[i, : len(row)] = 1
    return ids, mask


def predict(run, lists):
    """[rows, 3] of any callable (ids, mask) -> array, in batches by length."""
    order = sorted(range(len(lists)), key=lambda i: len(lists[i]))
    result = numpy.zeros((len(lists), 3))
    for start in range(0, len(order), 64):
        part = order[start : start + 64]
        result[part] = run(*tensors([lists[i] for i in part]))
    return result


def torch_runner(ensemble):
    def run(ids, mask):
        with torch.no_grad():
            return ensemble(torch.from_numpy(ids), torch.from_numpy(mask)).numpy()

    return run


def conformal(bounds, truth):
    """What to add to both ends so that LEVEL of new rows fall inside.

    Split-conformal: the (n + 1) * LEVEL-th smallest miss of the validation
    rows, where a miss is how far the truth lies outside (negative: inside).
    """
    miss = numpy.maximum(bounds[:, 0] - truth, truth - bounds[:, 2])
    rank = math.ceil((len(truth) + 1) * LEVEL)
    return float(numpy.sort(miss)[min(rank, len(truth)) - 1])


def figures(guess, truth):
    error = guess[:, 1] - truth
    inside = (guess[:, 0] <= truth) & (truth <= guess[:, 2])
    return {
        "rows": len(truth),
        "RMSE": round(float(numpy.sqrt(numpy.mean(error**2))), 4),
        "MAE": round(float(numpy.mean(numpy.abs(error))), 4),
        "R2": round(
            float(1 - numpy.sum(error**2) / numpy.sum((truth - truth.mean()) ** 2)), 4
        ),
        "interval_coverage": round(float(numpy.mean(inside)), 4),
        "interval_width": round(float(numpy.mean(guess[:, 2] - guess[:, 0])), 4),
    }


def truth_of(rows):
    return numpy.array([row["logS"] for row in rows])


def part_of(rows, name):
    return [row for row in rows if row["split"] == name]


def calibrated(members, run, rows):
    """The ensemble with its interval corrected on the validation rows."""
    valid = [row for row in part_of(rows, "valid") if row["fits"]]
    lists = [row["ids"] for row in valid]
    raw = Ensemble(members, run["mean"], run["scale"], 0.0).eval()
    widen = conformal(predict(torch_runner(raw), lists), truth_of(valid))
    return Ensemble(members, run["mean"], run["scale"], widen).eval(), widen


def export(ensemble, path):
    """Writes the graph: opset 17, dynamic batch and sequence."""
    sample = torch.ones(2, 9, dtype=torch.int64)
    # The exporter that keeps dynamic axes; the only one before torch 2.1.
    known = inspect.signature(torch.onnx.export).parameters
    exporter = {"dynamo": False} if "dynamo" in known else {}
    torch.onnx.export(
        ensemble,
        (sample, sample),
        str(path),
        opset_version=17,
        input_names=["input_ids", "attention_mask"],
        output_names=["y"],
        dynamic_axes={
            "input_ids": {0: "batch", 1: "sequence"},
            "attention_mask": {0: "batch", 1: "sequence"},
            "y": {0: "batch"},
        },
        **exporter,
    )
    model = onnx.load(str(path))
    model.doc_string = ""
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, str(path))
    size = path.stat().st_size
    if size >= EXPORT_LIMIT:
        raise SystemExit(f"{path} has {size} bytes, the limit is {EXPORT_LIMIT}")
    return model, size


def check_export(session, ensemble, rows):
    """ONNX Runtime = torch, and a row's answer does not see its neighbours."""
    lists = [row["ids"] for row in part_of(rows, "test")[:200]]
    want = predict(torch_runner(ensemble), lists)
    together = predict(session, lists)
    alone = numpy.concatenate([session(*tensors([ids])) for ids in lists])
    worst = float(numpy.abs(together - want).max())
    apart = float(numpy.abs(together - alone).max())
    if worst > 1e-4 or apart > 1e-4:
        raise SystemExit(f"export differs: torch {worst}, batching {apart}")
    return {"against_torch": worst, "batch_against_single": apart}


def elements_of(smiles):
    """Symbols written in a SMILES text, aromatic ones in capitals."""
    return {(a or b).capitalize() for a, b in ATOM.findall(smiles)}


def scope_of(train):
    """What the training rows contain: lengths, characters, elements."""
    tokens = [len(row["ids"]) for row in train]
    elements = collections.Counter()
    for row in train:
        elements.update(elements_of(row["smiles"]))
    elements["H"] = max(elements["H"], RARE_BELOW)  # implied by every SMILES
    values = truth_of(train)
    return {
        "samples": len(train),
        "logS": {
            "min": round(float(values.min()), 4),
            "max": round(float(values.max()), 4),
            "mean": round(float(values.mean()), 4),
            "p1": round(float(numpy.percentile(values, 1)), 2),
            "p99": round(float(numpy.percentile(values, 99)), 2),
        },
        "tokens": {
            "min": min(tokens),
            "max": max(tokens),
            "mean": round(float(numpy.mean(tokens)), 1),
            "p99": int(numpy.percentile(tokens, 99)),
        },
        "characters": "".join(sorted(set("".join(r["smiles"] for r in train)))),
        "elements": dict(sorted(elements.items())),
        "rare_elements": sorted(e for e, n in elements.items() if n < RARE_BELOW),
    }


def kekule_rows(rows, tokenizer):
    """The same molecules written with alternating bonds."""
    result = []
    for row in rows:
        if row["mol"] is None:
            continue
        mol = Chem.Mol(row["mol"])
        try:
            Chem.Kekulize(mol, clearAromaticFlags=True)
            text = Chem.MolToSmiles(mol, kekuleSmiles=True)
        except (ValueError, RuntimeError):
            continue
        ids = tokenizer.encode(text).ids
        if len(ids) <= data.SERVED_TOKENS:
            result.append({**row, "ids": ids})
    return result


def band_of(row, value, scope):
    """What the server says of a row; None if it declines it."""
    elements = elements_of(row["smiles"])
    tokens, logs = scope["tokens"], scope["logS"]
    if not elements <= set(scope["elements"]):
        return None
    if (
        set(row["smiles"]) - set(scope["characters"])
        or not tokens["min"] <= len(row["ids"]) <= tokens["max"]
        or not logs["min"] <= value <= logs["max"]
    ):
        return "unreliable"
    return "extrapolated" if elements & set(scope["rare_elements"]) else "trained"


def by_band(rows, guess, scope):
    """Figures of the rows that the server marks alike, and how many it
    declines for their elements."""
    bands = [band_of(row, mid, scope) for row, mid in zip(rows, guess[:, 1])]
    result = {}
    for name in ("trained", "extrapolated", "unreliable"):
        chosen = numpy.array([band == name for band in bands])
        if chosen.sum() > 1:
            result[name] = figures(guess[chosen], truth_of(rows)[chosen])
    return result, bands.count(None)


def measured(rows, ensemble, members, run, session, tokenizer, scope):
    """Figures of every part, of each member alone, and of other spellings."""
    result = {}
    for name in ("train", "valid", "test"):
        part = [r for r in part_of(rows, name) if len(r["ids"]) <= data.SERVED_TOKENS]
        guess = predict(session, [row["ids"] for row in part])
        result[name] = figures(guess, truth_of(part))
    test = [r for r in part_of(rows, "test") if len(r["ids"]) <= data.SERVED_TOKENS]
    lists = [row["ids"] for row in test]
    result["test_by_band"], result["test_declined_elements"] = by_band(
        test, predict(session, lists), scope
    )
    result["members_alone"] = [
        figures(
            predict(
                torch_runner(
                    Ensemble([m], run["mean"], run["scale"], ensemble.widen).eval()
                ),
                lists,
            ),
            truth_of(test),
        )
        for m in members
    ]
    mean = numpy.full((len(test), 3), run["mean"])
    result["mean_of_training"] = figures(mean, truth_of(test))
    kekule = kekule_rows(test, tokenizer)
    result["test_as_kekule"] = figures(
        predict(session, [row["ids"] for row in kekule]), truth_of(kekule)
    )
    result["test_declined_length"] = len(part_of(rows, "test")) - len(test)
    return result


def scaffold_figures(folder, rows):
    """The harder split, with a network of its own; None without a run."""
    if not folder:
        return None
    members, runs = load_members([folder])
    parts = data.scaffold_split(rows)
    split = [{**row, "split": parts[row["id"]]} for row in rows]
    ensemble, widen = calibrated(members, runs[0], split)
    test = [r for r in part_of(split, "test") if len(r["ids"]) <= data.SERVED_TOKENS]
    guess = predict(torch_runner(ensemble), [row["ids"] for row in test])
    return {
        "members": 1,
        "epochs": runs[0]["epochs"],
        "seconds": runs[0]["seconds"],
        "train_rows": len(part_of(split, "train")),
        "widen": round(widen, 4),
        "test": figures(guess, truth_of(test)),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default="aqsoldb.csv")
    parser.add_argument("--bundle", default="..")
    parser.add_argument("--runs", nargs="+", required=True)
    parser.add_argument("--scaffold")
    args = parser.parse_args()

    torch.set_num_threads(1)
    bundle = Path(args.bundle)
    data.write_tokenizer(bundle / "tokenizer.json")
    tokenizer = data.load_tokenizer(bundle / "tokenizer.json")
    rows = data.load_table(args.data, tokenizer)
    members, runs = load_members(args.runs)
    ensemble, widen = calibrated(members, runs[0], rows)
    model, size = export(ensemble, bundle / "model.onnx")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    ort = onnxruntime.InferenceSession(str(bundle / "model.onnx"), options)

    def session(ids, mask):
        return ort.run(["y"], {"input_ids": ids, "attention_mask": mask})[0]

    scope = scope_of([row for row in part_of(rows, "train") if row["fits"]])
    report = {
        "model": {
            "bytes": size,
            "parameters": sum(p.numel() for p in ensemble.parameters()),
            "members": len(members),
            "opset": model.opset_import[0].version,
            "operators": dict(
                sorted(collections.Counter(n.op_type for n in model.graph.node).items())
            ),
        },
        "training": [
            {k: run[k] for k in ("seed", "epochs", "seconds", "best_valid_rmse")}
            for run in runs
        ],
        "versions": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "onnxruntime": onnxruntime.__version__,
        },
        "interval": {"level": LEVEL, "widen": round(widen, 4)},
        "export": check_export(session, ensemble, rows),
        "scope": scope,
        "measured": measured(
            rows, ensemble, members, runs[0], session, tokenizer, scope
        ),
        "scaffold_split": scaffold_figures(args.scaffold, rows),
    }

    def answer(smiles):
        return session(*tensors([tokenizer.encode(smiles).ids]))[0]

    (bundle / "train" / "report.json").write_text(json.dumps(report, indent=1) + "\n")
    documents.write_service(bundle, report, answer)
    documents.write_readme(bundle, report)
    print(json.dumps(report["measured"]["test"]), json.dumps(report["scaffold_split"]))


if __name__ == "__main__":
    main()
