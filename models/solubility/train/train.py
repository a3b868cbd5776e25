"""Trains one network and stores it with its answers on every row.

    python train.py --data aqsoldb.csv --seed 1 --epochs 60 --out runs/fixed-1
    python train.py --data aqsoldb.csv --seed 1 --split scaffold --out runs/s-1

Trained on `train`, the epoch chosen by `valid`; `test` is never looked at
here. The seed fixes weights, order, dropout and spellings; one thread, so that
the sums are taken in one order.
"""

import argparse
import json
import math
import random
import time
from pathlib import Path

import numpy
import torch
from torch.nn import functional

import data
from model import Member

BATCH = 64
RATE = 1.5e-3
DECAY = 0.01
WARM_UP = 0.05
OTHER_SPELLING = 0.7
LOW, HIGH = 0.1, 0.9


def batches(lengths, rng):
    """Indices in random batches of similar length, so padding stays small."""
    order = list(range(len(lengths)))
    rng.shuffle(order)
    chunks = []
    for start in range(0, len(order), BATCH * 16):
        pool = sorted(order[start : start + BATCH * 16], key=lambda i: lengths[i])
        chunks += [pool[i : i + BATCH] for i in range(0, len(pool), BATCH)]
    rng.shuffle(chunks)
    return chunks


def padded(lists):
    """ids and mask, [rows, longest]."""
    longest = max(len(ids) for ids in lists)
    ids = torch.zeros(len(lists), longest, dtype=torch.int64)
    mask = torch.zeros(len(lists), 1, longest)
    for i, row in enumerate(lists):
        ids[i, : len(row)] = torch.tensor(row)
        mask[i, 0, : len(row)] = 1.0
    return ids, mask


def pinball(error, level):
    """Loss whose minimum is the quantile `level` of the target."""
    return torch.maximum(level * error, (level - 1.0) * error).mean()


def loss_of(model, lists, target):
    """Huber for the value; quantile loss for the ends around the value.

    The ends see the value as a constant: a good interval must not be bought
    with a worse value.
    """
    mid, gaps = model(*padded(lists))
    value = functional.smooth_l1_loss(mid, target, beta=0.5)
    centre = mid.detach()
    low = pinball(target - (centre - gaps[:, 0:1]), LOW)
    high = pinball(target - (centre + gaps[:, 1:2]), HIGH)
    return value + low + high


def answers_of(model, rows):
    """[rows, 3] (value, distance down, distance up), standardised."""
    model.eval()
    order = sorted(range(len(rows)), key=lambda i: len(rows[i]["ids"]))
    result = numpy.zeros((len(rows), 3), numpy.float32)
    with torch.no_grad():
        for start in range(0, len(order), 128):
            part = order[start : start + 128]
            mid, gaps = model(*padded([rows[i]["ids"] for i in part]))
            result[part] = torch.cat([mid, gaps], 1).numpy()
    model.train()
    return result


def epoch(model, rows, tools, rng, mean, scale):
    """One pass over the training rows."""
    tokenizer, optimiser, schedule = tools
    lists = []
    for row in rows:
        text = None
        if row["mol"] is not None and rng.random() < OTHER_SPELLING:
            text = data.other_spelling(row["mol"], rng)
        ids = tokenizer.encode(text).ids if text else row["ids"]
        lists.append(ids if len(ids) <= data.MAX_TOKENS else row["ids"])
    total = 0.0
    for part in batches([len(ids) for ids in lists], rng):
        target = torch.tensor([[(rows[i]["logS"] - mean) / scale] for i in part])
        loss = loss_of(model, [lists[i] for i in part], target)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        total += loss.item() * len(part)
    return total / len(rows)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default="aqsoldb.csv")
    parser.add_argument("--out", required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--split", choices=["fixed", "scaffold"], default="fixed")
    args = parser.parse_args()

    started = time.time()
    torch.set_num_threads(1)
    torch.manual_seed(args.seed)
    rng = random.Random(args.seed)
    out = Path(args.out)
    out.mkdir(parents=True, exist_ok=True)
    vocab_size = data.write_tokenizer(out / "tokenizer.json")
    tokenizer = data.load_tokenizer(out / "tokenizer.json")
    rows = [row for row in data.load_table(args.data, tokenizer) if row["fits"]]
    if args.split == "scaffold":
        parts = data.scaffold_split(rows)
        for row in rows:
            row["split"] = parts[row["id"]]
    train = [row for row in rows if row["split"] == "train"]
    valid = [row for row in rows if row["split"] == "valid"]
    truth = numpy.array([row["logS"] for row in valid])
    mean = float(numpy.mean([row["logS"] for row in train]))
    scale = float(numpy.std([row["logS"] for row in train]))

    model = Member(vocab_size)
    optimiser = torch.optim.AdamW(model.parameters(), RATE, weight_decay=DECAY)
    steps = args.epochs * math.ceil(len(train) / BATCH)

    def rate(step):
        warm = WARM_UP * steps
        if step < warm:
            return (step + 1) / warm
        return 0.5 * (1 + math.cos(math.pi * (step - warm) / (steps - warm)))

    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, rate)
    best, history = math.inf, []
    for number in range(1, args.epochs + 1):
        loss = epoch(
            model, train, (tokenizer, optimiser, schedule), rng, mean, scale
        )
        guess = answers_of(model, valid)[:, 0] * scale + mean
        rmse = float(numpy.sqrt(numpy.mean((guess - truth) ** 2)))
        history.append({"epoch": number, "loss": loss, "valid_rmse": rmse})
        if rmse < best:
            best = rmse
            torch.save(model.state_dict(), out / "best.pt")
        print(
            f"{number:3d} loss {loss:.4f} valid RMSE {rmse:.4f} best {best:.4f}"
            f" {time.time() - started:.0f} s",
            flush=True,
        )
    about = {
        "seed": args.seed,
        "split": args.split,
        "epochs": args.epochs,
        "vocab_size": vocab_size,
        "mean": mean,
        "scale": scale,
        "best_valid_rmse": best,
        "seconds": round(time.time() - started),
        "history": history,
    }
    (out / "run.json").write_text(json.dumps(about, indent=1) + "\n")


if __name__ == "__main__":
    main()
