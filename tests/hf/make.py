#!/usr/bin/env python3
"""Makes the folders of tests/data/hf: tiny models of every family and head.

Weights are random with a fixed seed. What a model must give was computed in
double precision by Hugging Face transformers, which knows nothing of ours:

    pip install torch transformers && python3 tests/hf/make.py

Versions of the run that made the committed files: torch 2.15.0, transformers
5.24.0. Tests need none of this, only the files.
"""
import json
import pathlib
import shutil
import struct

import torch
import transformers as tf
from safetensors.torch import load_file, save_file

OUT = pathlib.Path(__file__).resolve().parents[1] / "data" / "hf"
SEED_OUT = OUT.parent / "hf_seeds"
BATCH, SEQUENCE = 2, 7
WIDTH = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2,
         "intermediate_size": 24, "vocab_size": 40}
BERT = {**WIDTH, "max_position_embeddings": 12}
ROBERTA = {**WIDTH, "max_position_embeddings": 12, "type_vocab_size": 1,
           "pad_token_id": 1, "layer_norm_eps": 1e-5}
DISTIL = {"dim": 16, "n_layers": 2, "n_heads": 2, "hidden_dim": 24,
          "vocab_size": 40, "max_position_embeddings": 12}
LABELS = {"num_labels": 3}

# name -> class, settings, what is done to the files
CASES = {
    "bert_model": ("BertModel", BERT, []),
    "bert_sequence": ("BertForSequenceClassification", {**BERT, **LABELS}, []),
    "bert_token": ("BertForTokenClassification", {**BERT, **LABELS}, []),
    "bert_masked": ("BertForMaskedLM", BERT, []),
    "bert_question": ("BertForQuestionAnswering", BERT, []),
    "bert_gelu_new": ("BertModel", {**BERT, "hidden_act": "gelu_new"}, []),
    "bert_relu": ("BertModel", {**BERT, "hidden_act": "relu"}, []),
    "bert_one_type": ("BertModel", {**BERT, "type_vocab_size": 1}, []),
    "bert_old_names": ("BertForMaskedLM", BERT, ["old_names", "left_overs"]),
    "bert_f16": ("BertModel", BERT, ["float16"]),
    "bert_bf16": ("BertModel", BERT, ["bfloat16"]),
    "bert_shards": ("BertForSequenceClassification", {**BERT, **LABELS},
                    ["shards"]),
    "roberta_model": ("RobertaModel", ROBERTA, []),
    "roberta_sequence": ("RobertaForSequenceClassification",
                         {**ROBERTA, **LABELS}, []),
    "roberta_token": ("RobertaForTokenClassification", {**ROBERTA, **LABELS},
                      []),
    "roberta_masked": ("RobertaForMaskedLM", ROBERTA, []),
    "xlm_roberta_sequence": ("XLMRobertaForSequenceClassification",
                             {**ROBERTA, "num_labels": 1}, []),
    "distilbert_model": ("DistilBertModel", DISTIL, []),
    "distilbert_sequence": ("DistilBertForSequenceClassification",
                            {**DISTIL, **LABELS}, []),
    "distilbert_token": ("DistilBertForTokenClassification",
                         {**DISTIL, **LABELS}, []),
    "distilbert_masked": ("DistilBertForMaskedLM", DISTIL, []),
    "distilbert_question": ("DistilBertForQuestionAnswering", DISTIL, []),
}

# Smaller still, for the fuzzer: config.json, NUL, header, NUL, elements.
SMALL = {"hidden_size": 4, "num_hidden_layers": 1, "num_attention_heads": 2,
         "intermediate_size": 4, "vocab_size": 6, "max_position_embeddings": 6}
SEEDS = {
    "bert": ("BertForSequenceClassification", SMALL),
    "roberta": ("RobertaForTokenClassification",
                {**SMALL, "type_vocab_size": 1, "pad_token_id": 1}),
    "distilbert": ("DistilBertForMaskedLM",
                   {"dim": 4, "n_layers": 1, "n_heads": 2, "hidden_dim": 4,
                    "vocab_size": 6, "max_position_embeddings": 6}),
}


def varint(n):
    out = b""
    while n > 127:
        out += bytes([n & 127 | 128])
        n >>= 7
    return out + bytes([n])


def write_tensor(path, name, tensor):
    """An ONNX TensorProto: dims, data_type, name, raw_data."""
    types = {torch.float32: (1, "f"), torch.int64: (7, "q")}
    number, letter = types[tensor.dtype]
    values = tensor.flatten().tolist()
    raw = struct.pack(f"<{len(values)}{letter}", *values)
    message = b"".join(b"\x08" + varint(n) for n in tensor.shape)
    message += b"\x10" + varint(number)
    message += b"\x42" + varint(len(name)) + name.encode()
    message += b"\x4a" + varint(len(raw)) + raw
    path.write_bytes(message)


def fill(model):
    """Random weights that make every part matter."""
    generator = torch.Generator().manual_seed(7)
    for name, weight in sorted(model.named_parameters()):
        noise = torch.randn(weight.shape, generator=generator) * 0.3
        is_scale = "norm" in name.lower() and name.endswith("weight")
        weight.data.copy_(noise + 1 if is_scale else noise)


def make_inputs(config):
    generator = torch.Generator().manual_seed(11)
    pad = config.pad_token_id or 0
    ids = torch.randint(3, config.vocab_size, (BATCH, SEQUENCE),
                        generator=generator)
    mask = torch.ones(BATCH, SEQUENCE, dtype=torch.int64)
    mask[1, 4:] = 0
    ids[1, 4:] = pad
    inputs = {"input_ids": ids, "attention_mask": mask}
    if getattr(config, "type_vocab_size", 0) > 1:
        inputs["token_type_ids"] = torch.randint(
            0, config.type_vocab_size, (BATCH, SEQUENCE), generator=generator)
    return inputs


def old_names(folder):
    """What TensorFlow called scale and bias of a layer norm."""
    path = folder / "model.safetensors"
    tensors = {name.replace("LayerNorm.weight", "LayerNorm.gamma")
               .replace("LayerNorm.bias", "LayerNorm.beta"): tensor
               for name, tensor in load_file(path).items()}
    save_file(tensors, path)


def left_overs(folder):
    """What published folders hold beside a model's own weights."""
    path = folder / "model.safetensors"
    tensors = load_file(path)
    tensors["bert.embeddings.position_ids"] = torch.arange(12)[None]
    tensors["bert.pooler.dense.weight"] = torch.zeros(16, 16)
    tensors["bert.pooler.dense.bias"] = torch.zeros(16)
    tensors["cls.seq_relationship.weight"] = torch.zeros(2, 16)
    tensors["cls.seq_relationship.bias"] = torch.zeros(2)
    save_file(tensors, path)


def shards(folder):
    path = folder / "model.safetensors"
    tensors = load_file(path)
    path.unlink()
    names = sorted(tensors)
    parts = {"model-00001-of-00002.safetensors": names[::2],
             "model-00002-of-00002.safetensors": names[1::2]}
    for file, part in parts.items():
        save_file({name: tensors[name] for name in part}, folder / file)
    total = sum(t.numel() * t.element_size() for t in tensors.values())
    index = {"metadata": {"total_size": total},
             "weight_map": {name: file for file, part in parts.items()
                            for name in part}}
    (folder / "model.safetensors.index.json").write_text(
        json.dumps(index, indent=2, sort_keys=True) + "\n")


def make(name, kind, settings, changes):
    folder = OUT / name
    shutil.rmtree(folder, ignore_errors=True)
    kind = getattr(tf, kind)
    config = kind.config_class(**settings)
    config._attn_implementation = "eager"
    model = kind(config).eval()
    fill(model)
    for change in changes:
        if change in ("float16", "bfloat16"):
            model = model.to(getattr(torch, change))
    model.save_pretrained(folder)
    for extra in folder.glob("generation_config.json"):
        extra.unlink()
    inputs = make_inputs(config)
    with torch.no_grad():
        outputs = model.double()(**inputs)
    (folder / "meta.json").write_text(
        '{"source": "tests/hf/make.py", "license": "Apache-2.0"}\n')
    data = folder / "test_data_set_0"
    data.mkdir()
    for i, (key, tensor) in enumerate(inputs.items()):
        write_tensor(data / f"input_{i}.pb", key, tensor)
    wanted = ("last_hidden_state", "pooler_output", "logits", "start_logits",
              "end_logits")
    found = [(key, outputs[key]) for key in wanted
             if outputs.get(key) is not None]
    for i, (key, tensor) in enumerate(found):
        write_tensor(data / f"output_{i}.pb", key, tensor.float())
    for change in changes:
        if change in globals():
            globals()[change](folder)


def make_seed(name, kind, settings):
    folder = OUT / "seed"
    kind = getattr(tf, kind)
    model = kind(kind.config_class(**settings)).eval()
    fill(model)
    model.save_pretrained(folder)
    config = json.dumps(json.loads((folder / "config.json").read_text()))
    weights = (folder / "model.safetensors").read_bytes()
    size = struct.unpack("<Q", weights[:8])[0]
    (SEED_OUT / name).write_bytes(
        config.encode() + b"\0" + weights[8:8 + size] + b"\0" +
        weights[8 + size:])
    shutil.rmtree(folder)


def main():
    SEED_OUT.mkdir(exist_ok=True)
    for name, (kind, settings) in SEEDS.items():
        make_seed(name, kind, settings)
    for name, (kind, settings, changes) in CASES.items():
        make(name, kind, settings, changes)


if __name__ == "__main__":
    main()
