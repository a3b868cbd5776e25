"""The peer of compare.py: ONNX Runtime behind FastAPI, as one would write it well.

Started by uvicorn. Texts are tokenized by Hugging Face's library; whatever waits
becomes one batch (BATCH texts at most, of similar length: sorted and cut where
padding would exceed a third), which one thread runs while the loop goes on.
Settings: PEER_MODEL, PEER_TOKENIZER, PEER_THREADS, PEER_BATCH, PEER_LENGTH.
"""
import asyncio
import concurrent.futures
import os

import fastapi
import fastapi.responses
import numpy
import onnxruntime
import orjson
import tokenizers

THREADS = int(os.environ["PEER_THREADS"])
BATCH = int(os.environ["PEER_BATCH"])

options = onnxruntime.SessionOptions()
options.intra_op_num_threads = THREADS
session = onnxruntime.InferenceSession(
    os.environ["PEER_MODEL"], options, providers=["CPUExecutionProvider"])
names = [one.name for one in session.get_inputs()]
tokenizer = tokenizers.Tokenizer.from_file(os.environ["PEER_TOKENIZER"])
tokenizer.no_padding()
tokenizer.enable_truncation(int(os.environ["PEER_LENGTH"]))
pool = concurrent.futures.ThreadPoolExecutor(1)
app = fastapi.FastAPI()
waiting = []
wake = asyncio.Event()


def run(rows):
    """The vectors of token lists, padded to the longest."""
    longest = max(map(len, rows))
    ids = numpy.zeros((len(rows), longest), numpy.int64)
    mask = numpy.zeros_like(ids)
    for i, row in enumerate(rows):
        ids[i, :len(row)] = row
        mask[i, :len(row)] = 1
    feeds = {"input_ids": ids, "attention_mask": mask,
             "token_type_ids": numpy.zeros_like(ids)}
    hidden = session.run(None, {name: feeds[name] for name in names})[0]
    wide = mask[..., None].astype(numpy.float32)
    mean = (hidden * wide).sum(1) / wide.sum(1)
    return mean / numpy.linalg.norm(mean, axis=1, keepdims=True)


def take():
    """The next batch: neighbours by length with little padding."""
    waiting.sort(key=lambda item: len(item[0]))
    count, total = 0, 0
    for row, _ in waiting[:BATCH]:
        if count and (count + 1) * len(row) > 1.5 * (total + len(row)):
            break
        count, total = count + 1, total + len(row)
    batch = waiting[:count]
    del waiting[:count]
    return batch


async def work():
    loop = asyncio.get_running_loop()
    while True:
        await wake.wait()
        while waiting:
            batch = take()
            vectors = await loop.run_in_executor(
                pool, run, [row for row, _ in batch])
            for (_, done), vector in zip(batch, vectors):
                if not done.cancelled():
                    done.set_result(vector)
        wake.clear()


@app.on_event("startup")
async def start():
    app.state.worker = asyncio.create_task(work())


@app.get("/health")
async def health():
    return {"status": "ok"}


@app.post("/embed")
async def embed(request: fastapi.Request):
    text = orjson.loads(await request.body())["text"]
    done = asyncio.get_running_loop().create_future()
    waiting.append((tokenizer.encode(text).ids, done))
    wake.set()
    vector = await done
    return fastapi.responses.Response(
        orjson.dumps({"embedding": vector}, option=orjson.OPT_SERIALIZE_NUMPY),
        media_type="application/json")
