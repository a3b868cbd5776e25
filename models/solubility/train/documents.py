"""Writes the ModelService document and the README from measured figures."""

import re
import textwrap

import yaml

import data

HEAD = """\
# Written by train/write_bundle.py from train/report.json: every figure is
# measured. Change the script, not this file.
"""

# name, SMILES, description, category
EXAMPLES = (
    ("Ethanol", "CCO", "mixes with water", "small_molecule"),
    ("Aspirin", "CC(=O)Oc1ccccc1C(=O)O", "aromatic acid and ester", "drug"),
    ("Caffeine", "Cn1c(=O)c2c(ncn2C)n(C)c1=O", "fused heterocycle", "drug"),
    ("Ibuprofen", "CC(C)Cc1ccc(C(C)C(=O)O)cc1", "poorly soluble acid", "drug"),
    (
        "Glucose",
        "OC[C@H]1O[C@@H](O)[C@H](O)[C@@H](O)[C@@H]1O",
        "sugar with stereo centres",
        "natural_product",
    ),
    ("Naphthalene", "c1ccc2ccccc2c1", "condensed aromatic rings", "hydrocarbon"),
    ("Decane", "CCCCCCCCCC", "long alkane, hardly soluble", "hydrocarbon"),
    ("Sodium benzoate", "O=C([O-])c1ccccc1.[Na+]", "salt, written with a dot", "salt"),
)

# name, text, description, error code
DECLINED = (
    ("Not a SMILES", "hello world", "must be declined", "INVALID_INPUT"),
    ("Open ring", "C1CCCC", "ring bond 1 is never closed", "INVALID_INPUT"),
    ("Open branch", "CC(C", "a parenthesis is never closed", "INVALID_INPUT"),
    ("Uranium", "[U]", "an element without training data", "OUT_OF_DOMAIN"),
)

UNIT = "log10(mol/L)"


class Dumper(yaml.SafeDumper):
    """Block style; texts are quoted unless they are plainly words."""

    def ignore_aliases(self, _):
        return True


class Flow(dict):
    """A map on one line."""


class FlowList(list):
    """A list on one line."""


PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_./-]*$")
AMBIGUOUS = {"y", "n", "yes", "no", "on", "off", "true", "false", "null"}


def text_node(dumper, text):
    plain = PLAIN.match(text) and text.lower() not in AMBIGUOUS and len(text) > 2
    style = None if plain else '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


def map_node(dumper, items):
    return dumper.represent_mapping("tag:yaml.org,2002:map", items.items(), flow_style=True)


def list_node(dumper, items):
    return dumper.represent_sequence("tag:yaml.org,2002:seq", items, flow_style=True)


Dumper.add_representer(str, text_node)
Dumper.add_representer(Flow, map_node)
Dumper.add_representer(FlowList, list_node)


def signature():
    inputs = [
        Flow(
            name="text",
            type="text",
            format="smiles",
            required=True,
            maxBytes=4 * data.SERVED_TOKENS,
            maxTokens=data.SERVED_TOKENS,
        )
    ]
    ends = {"LogS": 1, "LogS_low": 0, "LogS_high": 2}
    outputs = [
        {
            "name": name,
            "type": "float",
            "unit": UNIT,
            **({"property": "LogS"} if name == "LogS" else {}),
            "from": Flow(tensor="y", index=index),
        }
        for name, index in ends.items()
    ]
    outputs.append({"name": "LogS_range", "type": "string"})
    outputs.append({"name": "smiles", "type": "string", "from": Flow(input="text")})
    ids = [
        Flow(name=name, dtype="int64", shape=FlowList([-1, -1]))
        for name in ("input_ids", "attention_mask")
    ]
    return {
        "inputs": inputs,
        "parameters": [
            Flow(name="property", type="string", enum=FlowList(["LogS"]), default="LogS")
        ],
        "outputs": outputs,
        "tensors": {
            "inputs": ids,
            "outputs": [Flow(name="y", dtype="float32", shape=FlowList([-1, 3]))],
        },
    }


def ranges(report):
    scope, test = report["scope"], report["measured"]["test"]
    values, tokens = scope["logS"], scope["tokens"]
    metrics = {key: test[key] for key in ("R2", "RMSE", "MAE")}
    metrics["interval_coverage"] = test["interval_coverage"]
    metrics["test_samples"] = test["rows"]
    metrics["split"] = "random (hash of the InChIKey)"
    if report["scaffold_split"]:
        hard = report["scaffold_split"]["test"]
        metrics["scaffold_split_RMSE"] = hard["RMSE"]
        metrics["scaffold_split_R2"] = hard["R2"]
    logs = {
        "name": "Aqueous solubility",
        "unit": UNIT,
        "training": Flow({k: values[k] for k in ("min", "max", "mean")}),
        "reliable": Flow(
            min=values["min"], max=values["max"], note="No extrapolation is claimed"
        ),
        "typical": Flow(p1=values["p1"], p99=values["p99"]),
        "samples": scope["samples"],
        "validation": metrics,
    }
    length = {
        "name": "Input length",
        "unit": "tokens",
        "training": Flow({k: tokens[k] for k in ("min", "max", "mean")}),
        "reliable": Flow(
            min=tokens["min"],
            max=tokens["max"],
            note=f"Longer input is marked; beyond {data.SERVED_TOKENS} it is declined",
        ),
        "typical": Flow(p99=tokens["p99"]),
        "samples": scope["samples"],
        "validation": {"note": "A length has no error of its own"},
    }
    return {
        "description": (
            f"AqSolDB, training rows of its fixed split ({scope['samples']} compounds)"
        ),
        "properties": {"LogS": logs, "input_tokens": length},
        "scope": {
            "features": [
                "neutral organic molecules",
                "salts written as dotted SMILES",
                "stereo centres and charges",
            ],
            "limitations": [
                "the SMILES is checked for syntax, not for valence or aromaticity",
                "metal complexes and rare elements are marked extrapolated",
                f"more than {tokens['max']} tokens is marked, more than "
                f"{data.SERVED_TOKENS} declined",
                "mixtures, polymers and wildcard atoms",
            ],
            "elements": FlowList(scope["elements"]),
        },
        "recommendations": [
            "Prefer canonical SMILES with aromatic atoms in lower case",
            "Read LogS_low and LogS_high, not LogS alone",
            "Measure anything that LogS_range does not call trained",
        ],
    }


def examples(answer):
    result = []
    for name, smiles, description, category in EXAMPLES:
        low, mid, high = (round(float(v), 4) for v in answer(smiles))
        expect = {
            "success": True,
            "values": Flow(LogS=mid, LogS_low=low, LogS_high=high),
            "tolerance": 0.001,
        }
        result.append((name, smiles, description, category, expect))
    for name, text, description, code in DECLINED:
        expect = Flow(success=False, error_code=code)
        result.append((name, text, description, "negative", expect))
    return [
        {
            "name": name,
            "data": Flow(text=text),
            "description": description,
            "category": category,
            "expect": expect,
        }
        for name, text, description, category, expect in result
    ]


def steps(report):
    scope = report["scope"]
    return {
        "check-smiles": {
            "input": "text",
            "rareElements": FlowList(scope["rare_elements"]),
            "characters": scope["characters"],
        },
        "tokenize": Flow(input="text", ids="input_ids", mask="attention_mask"),
        "interval": Flow(low="LogS_low", mid="LogS", high="LogS_high"),
        "bands": Flow(value="LogS", tokens="input_tokens", output="LogS_range"),
    }


def service(report, answer):
    scope = report["scope"]
    fields = {"LogS": "float", "LogS_low": "float", "LogS_high": "float"}
    fields.update({"LogS_range": "string", "smiles": "string"})
    return {
        "apiVersion": "specserve/v1alpha1",
        "kind": "ModelService",
        "metadata": {
            "name": "Solubility",
            "version": "1.0.0",
            "description": "Aqueous solubility of a molecule, with an 80 % interval, "
            "from its SMILES text",
        },
        "spec": {
            "modelSpec": "solubility.modelspec.yaml",
            "api": {
                "specification": "1.2",
                "strict": False,
                "shutdown": "disabled",
                "bodyLimitBytes": 65536,
                "registration": {
                    "mode": "preferred",
                    "appName": "Solubility_API",
                    "reason": "Starting model instance",
                    "acknowledged": False,
                },
            },
            "info": {
                "license": "Apache-2.0",
                "maintainer": "The specserve project",
                "citationUrl": "https://doi.org/10.1038/s41597-019-0151-1",
            },
            "citation": {
                "paper": "Sorkun, M. C.; Khetan, A.; Er, S. AqSolDB, a curated "
                "reference set of aqueous solubility and 2D descriptors for a diverse "
                "set of compounds. Scientific Data 6, 143 (2019). "
                "DOI:10.1038/s41597-019-0151-1",
                "doi": "10.1038/s41597-019-0151-1",
                "softwareBibtex": "citation.bib",
            },
            "signature": signature(),
            "capabilities": [
                {
                    "name": "regression",
                    "inputTypes": FlowList(["text"]),
                    "outputs": Flow(fields),
                    "batch": True,
                    "description": "Predicts LogS, log10 of the solubility in mol/L, "
                    "with an 80 % interval.",
                }
            ],
            "elements": FlowList(scope["elements"]),
            "ranges": ranges(report),
            "confidence": Flow(
                method="quantile-interval",
                level=report["interval"]["level"],
                calibrated=True,
            ),
            "steps": steps(report),
            "examples": examples(answer),
            "notes": [
                "data.text may be one SMILES or an array of them",
                "Computation time grows with the length of the SMILES",
                "LogS_range says whether the input lies in what was trained: trained, "
                "extrapolated or unreliable",
            ],
            "intendedUse": {
                "primary": "screening of organic compounds for aqueous solubility",
                "outOfScope": [
                    "safety-critical or clinical decisions without a measurement",
                    "solvents other than water",
                    "solubility at a given pH or temperature",
                ],
                "users": ["chemists", "materials scientists"],
            },
            "training": {
                "data": "AqSolDB (results/data_curated.csv), rows with split = train",
                "samples": scope["samples"],
                "license": "CC0-1.0",
                "cutoff": "2019",
            },
            "disclaimers": [
                "Model estimate; validate experimentally.",
                "Measured on a random split; molecules unlike the training data are "
                "predicted worse, see the scaffold split in the README.",
            ],
        },
    }


def write_service(bundle, report, answer):
    body = yaml.dump(
        service(report, answer), Dumper=Dumper, sort_keys=False, width=4096
    )
    (bundle / "solubility.modelservice.yaml").write_text(HEAD + body)


def figure_row(label, row):
    return (
        f"| {label} | {row['rows']} | {row['RMSE']:.3f} | {row['MAE']:.3f} "
        f"| {row['R2']:.3f} | {100 * row['interval_coverage']:.1f} % "
        f"| {row['interval_width']:.2f} |"
    )


def write_readme(bundle, report):
    measured, scope, model = report["measured"], report["scope"], report["model"]
    rows = [figure_row("**test rows**", measured["test"])]
    for band, row in measured["test_by_band"].items():
        rows.append(figure_row(f"test rows marked {band}", row))
    rows.append(figure_row("test rows as Kekule SMILES", measured["test_as_kekule"]))
    for run, row in zip(report["training"], measured["members_alone"]):
        rows.append(figure_row(f"test rows, member {run['seed']} alone", row))
    rows.append(figure_row("validation rows", measured["valid"]))
    rows.append(figure_row("training rows", measured["train"]))
    baseline = measured["mean_of_training"]
    rows.append(
        f"| test rows, always the training mean | {baseline['rows']} "
        f"| {baseline['RMSE']:.3f} | {baseline['MAE']:.3f} | {baseline['R2']:.3f} | - | - |"
    )
    hard = report["scaffold_split"]
    scaffold = ""
    if hard:
        rows.append(figure_row("scaffold split, test rows", hard["test"]))
        scaffold = (
            f"The scaffold split (no Bemis-Murcko ring system of a test molecule occurs "
            f"in training; molecules without rings are all in training) has a network of "
            f"its own: one member, {hard['epochs']} epochs instead of "
            f"{report['training'][0]['epochs']}, so it is somewhat less trained than "
            f"what is served."
        )
    seconds = ", ".join(str(run["seconds"]) for run in report["training"])
    text = f"""\
<!-- Written by train/write_bundle.py; change the script, not this file. -->
# Solubility

SMILES in, LogS (log10 of the aqueous solubility in mol/L) out, with an
{round(100 * report['interval']['level'])} % interval and a mark that says whether the input lies in what was trained.

| file | what |
|---|---|
| `solubility.modelspec.yaml` | what the model is (ModelSpec) |
| `solubility.modelservice.yaml` | what it offers: endpoints, ranges, examples; written by `train/write_bundle.py` |
| `model.onnx`, `tokenizer.json` | {model['bytes']} bytes, {model['parameters']} parameters, opset {model['opset']}; byte-level BPE, one token per character but for a few pieces |
| `citation.bib`, `LICENSE` | how to cite; Apache-2.0 |
| `train/` | how the weights were made; not needed to serve |

## Figures

| rows | count | RMSE | MAE | R2 | interval coverage | mean width |
|---|---|---|---|---|---|---|
{chr(10).join(rows)}

The server declines {measured['test_declined_elements']} of the test rows for an element without training data and {measured['test_declined_length']} for more than
{data.SERVED_TOKENS} tokens; the former are in the figures all the same, so that they are of the whole split.
{scaffold}

## Data

AqSolDB, {scope['samples']} training rows of at most {data.MAX_TOKENS} tokens (CC0-1.0, see `train/aqsoldb.md`). LogS of the training
rows is {scope['logS']['min']} to {scope['logS']['max']} (1st and 99th percentile {scope['logS']['p1']} and {scope['logS']['p99']}). Rows are split by a hash
of the InChIKey, 80/10/10: trained on `train`, the epoch and the interval chosen by `valid`, `test` only measured.

## Model

{model['members']} character CNNs of the same shape and different seeds; the answer is the mean. Each embeds the tokens, reads
them with windows of 1, 3, 5 and 7, reads that with a second layer, pools (log of the sum, maximum) and ends in
the value and two positive distances, so low <= LogS <= high. Value: Huber loss; ends: quantile (pinball) loss at 0.1
and 0.9, then split-conformal: both ends are moved by {report['interval']['widen']} so that 80 % of the validation rows lie inside. The
correction is part of the graph. In training a molecule is written from another atom on in 70 % of the cases (in a tenth
of those with alternating bonds), so that spelling matters little. Padding is masked: a row's answer does not depend
on the rows beside it (largest difference seen {report['export']['batch_against_single']:.1e}).

## Make it again

```
pip install torch rdkit onnx onnxruntime tokenizers numpy pyyaml
cd train
python train.py --seed 1 --epochs {report['training'][0]['epochs']} --out runs/fixed-1      # also seeds {', '.join(str(r['seed']) for r in report['training'][1:]) or '-'}
python train.py --seed 1 --epochs 30 --split scaffold --out runs/scaffold-1
python write_bundle.py --runs runs/fixed-* --scaffold runs/scaffold-1
```
One thread, fixed seeds; {seconds} seconds on one core. Versions used: python {report['versions']['python']}, torch {report['versions']['torch']}, onnxruntime {report['versions']['onnxruntime']}.
Another version of torch adds in another order: expect figures that agree to about 0.01, not the same bytes.
"""
    (bundle / "README.md").write_text(textwrap.dedent(text))
