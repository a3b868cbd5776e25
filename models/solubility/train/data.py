"""The table, its splits and the tokenizer: what every training step shares.

The table is AqSolDB (see aqsoldb.LICENSE). Its column `split` was made from a
hash of the InChIKey (80/10/10), so every user of the table has the same test
rows. `scaffold_split` makes a harder one: no ring system of a test molecule
occurs in a training molecule.
"""

import csv
import hashlib
import json

from rdkit import Chem, RDLogger
from rdkit.Chem.Scaffolds import MurckoScaffold
from tokenizers import Tokenizer

RDLogger.DisableLog("rdApp.*")

MAX_TOKENS = 256  # longer rows are not trained on
SERVED_TOKENS = 512  # longer inputs are declined; between, they are marked
SPECIALS = ("[PAD]", "[UNK]", "[CLS]")

# Pieces that stand for one thing in chemistry and are more than one letter.
# Two-letter symbols that can also be two atoms ("Sn" in CSn1cccc1, "Cn", "Co")
# are left apart on purpose: the windows of the network tell them by brackets.
MERGES = (
    ("C", "l"),
    ("B", "r"),
    ("@", "@"),
    ("[", "n"),
    ("[n", "H"),
    ("[nH", "]"),
    ("[", "O"),
    ("[O", "-"),
    ("[O-", "]"),
    ("[", "N"),
    ("[N", "+"),
    ("[N+", "]"),
)


def write_tokenizer(path):
    """Byte-level BPE: one token per printable ASCII character, few merges."""
    vocab = {token: i for i, token in enumerate(SPECIALS)}
    for code in range(0x21, 0x7F):
        vocab[chr(code)] = len(vocab)
    for left, right in MERGES:
        vocab[left + right] = len(vocab)
    added = [
        {
            "id": i,
            "content": token,
            "single_word": False,
            "lstrip": False,
            "rstrip": False,
            "normalized": False,
            "special": True,
        }
        for i, token in enumerate(SPECIALS)
    ]
    cls = {"SpecialToken": {"id": "[CLS]", "type_id": 0}}
    spec = {
        "version": "1.0",
        "truncation": {
            "direction": "Right",
            "max_length": SERVED_TOKENS,
            "strategy": "LongestFirst",
            "stride": 0,
        },
        "padding": None,
        "added_tokens": added,
        "normalizer": None,
        "pre_tokenizer": {
            "type": "ByteLevel",
            "add_prefix_space": False,
            "trim_offsets": True,
            "use_regex": False,
        },
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [cls, {"Sequence": {"id": "A", "type_id": 0}}],
            "pair": [
                cls,
                {"Sequence": {"id": "A", "type_id": 0}},
                {"Sequence": {"id": "B", "type_id": 1}},
            ],
            "special_tokens": {
                "[CLS]": {"id": "[CLS]", "ids": [2], "tokens": ["[CLS]"]}
            },
        },
        "decoder": {
            "type": "ByteLevel",
            "add_prefix_space": True,
            "trim_offsets": True,
            "use_regex": True,
        },
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": "[UNK]",
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": False,
            "vocab": vocab,
            "merges": [list(pair) for pair in MERGES],
        },
    }
    with open(path, "w", encoding="utf-8") as file:
        json.dump(spec, file, indent=1)
        file.write("\n")
    return len(vocab)


def load_tokenizer(path):
    """The tokenizer without truncation, so that long rows can be counted."""
    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.no_truncation()
    tokenizer.encode_special_tokens = True
    return tokenizer


def load_table(path, tokenizer):
    """Rows with smiles, logS, split, mol and ids; too long ones are marked."""
    rows = []
    with open(path, newline="", encoding="utf-8") as file:
        for record in csv.DictReader(file):
            smiles = record["smiles"]
            ids = tokenizer.encode(smiles).ids
            rows.append(
                {
                    "id": record["ID"],
                    "name": record["Name"],
                    "smiles": smiles,
                    "logS": float(record["logS"]),
                    "split": record["split"],
                    "mol": Chem.MolFromSmiles(smiles),
                    "ids": ids,
                    "fits": len(ids) <= MAX_TOKENS,
                }
            )
    return rows


def scaffold_split(rows):
    """Split by Bemis-Murcko scaffold, 80/10/10 by hash of the scaffold.

    Molecules without rings have no scaffold; they all go to train, because
    one group cannot be divided.
    """
    parts = {}
    for row in rows:
        scaffold = ""
        if row["mol"] is not None:
            scaffold = MurckoScaffold.MurckoScaffoldSmiles(mol=row["mol"])
        digest = hashlib.sha256(scaffold.encode()).digest()
        bucket = int.from_bytes(digest[:4], "big") % 10
        part = "test" if bucket == 0 else "valid" if bucket == 1 else "train"
        parts[row["id"]] = "train" if scaffold == "" else part
    return parts


def other_spelling(mol, rng, kekule_share=0.1):
    """The same molecule written from another atom on, or None."""
    try:
        if rng.random() < kekule_share:
            mol = Chem.Mol(mol)
            Chem.Kekulize(mol, clearAromaticFlags=True)
        # RDKit draws from a state of its own; renumbering the atoms with our
        # generator keeps a run repeatable.
        order = list(range(mol.GetNumAtoms()))
        rng.shuffle(order)
        return Chem.MolToSmiles(Chem.RenumberAtoms(mol, order), canonical=False)
    except (ValueError, RuntimeError):
        return None
