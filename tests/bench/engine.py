#!/usr/bin/env python3
"""Our engine against ONNX Runtime, A B A B in one run on this machine.

    python3 -m venv build/venv-bench
    build/venv-bench/bin/pip install -r tests/bench/requirements.txt
    build/venv-bench/bin/python tests/bench/engine.py [options]

    --only ROW      a row's name, or the start of it (minilm-1x16, minilm); may
                    be given several times; --list shows all
    --threads N     1, 2 or both (default)
    --pairs N       how often each side is measured (5)
    --seconds S     how long one measurement lasts (0.7)
    --cache DIR     where models are made and kept (/tmp/bench-models)
    --models DIR    also every float model DIR/*/model.onnx, on the inputs of
                    its first test_data_set; sum: geometric mean and worst
    --bin DIR       where our program is (build/bin)
    --json FILE     the table as JSON

Each row says: milliseconds of a run for both (median of the pairs' medians),
ratio = ONNX Runtime's time / ours (median of the pairs' ratios, and their
range), the target, and the largest difference of the outputs relative to the
largest magnitude. Outputs that disagree end the row before anything is timed.
Exit code: 0 all targets met, 1 some missed, 2 outputs disagree or no run.

What makes the comparison fair:
- Every way of running ONNX Runtime that may be the fastest is tried briefly
  and the best one is measured: its default options and chosen ones (all graph
  optimisations, that many threads, spinning, threads pinned), and for
  transformers the spelling of attention that it can fuse.
- Both sides run as processes on the same cores, one after the other, never
  together; inputs and outputs are bound once, nothing is copied by Python, and
  the time of a call from Python that does nothing is taken off (0.2 us).
- minilm-int8: our engine with --precision int8 on the float model, ONNX Runtime
  on the model that its own tools quantised; minilm-qfile: both on such a model.
  *-qdq: both on a model that these tools quantised statically.
- Weights are those of whole models (MiniLM 42 MB beside its table, BERT-base
  340 MB): no chain of one matrix that stays in a cache.
"""
import argparse
import json
import math
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import models  # noqa: E402

CORES = {1: "1", 2: "0,1"}


# --- rows ---------------------------------------------------------------------

class Row:
    """ours, theirs: model names; theirs are alternatives. targets: by threads."""

    def __init__(self, name, ours, theirs, shape, targets, bound=1e-4,
                 precision="fp32"):
        self.name, self.ours, self.theirs = name, ours, theirs
        self.shape, self.targets, self.bound = shape, targets, bound
        self.precision = precision


def table():
    rows = []
    spellings = ["minilm", "minilm-11"]
    for shape, targets in (("1x16", {1: 1.3, 2: 1.4}),
                           ("1x128", {1: 1.2, 2: 1.3}),
                           ("8x128", {1: 1.2, 2: 1.3}),
                           ("32x128", {1: 1.25, 2: 1.25})):
        for name in ("minilm", "minilm-11"):
            rows.append(Row(f"{name}-{shape}", name, spellings, shape, targets))
    rows.append(Row("minilm-ln-1x16", "minilm-ln", spellings + ["minilm-ln"],
                    "1x16", {1: 1.3, 2: 1.4}))
    for shape, target in (("1x16", 1.35), ("1x128", 1.12)):
        rows.append(Row(f"bert-base-{shape}", "bert-base",
                        ["bert-base", "bert-base-11"], shape,
                        {1: target, 2: target}))
    quantized = ["minilm-int8", "minilm-int8-attention"]
    for shape, targets in (("1x16", {1: 1.6, 2: 1.9}),
                           ("1x128", {1: 1.4, 2: 1.5}),
                           ("8x128", {1: 1.35, 2: 1.35})):
        rows.append(Row(f"minilm-int8-{shape}", "minilm", quantized, shape,
                        targets, 0.1, "int8"))
        rows.append(Row(f"minilm-qfile-{shape}", "minilm-int8", quantized,
                        shape, targets, 0.1))
    rows.append(Row("minilm-int8-f32-1x128", "minilm", spellings, "1x128",
                    {1: 3, 2: 3}, 0.1, "int8"))
    for name, small, large in (("resnet50", 1.03, 1.1),
                               ("mobilenetv2", 1.15, 1.1)):
        for suffix in ("", "-bn"):
            rows += [Row(f"{name}{suffix}-b{batch}", name + suffix,
                         [name + suffix], str(batch), {1: target, 2: 1.0})
                     for batch, target in ((1, small), (8, large))]
    for name, shape in (("minilm-qdq", "1x128"), ("resnet50-qdq", "1"),
                        ("mobilenetv2-qdq", "1")):
        rows.append(Row(f"{name}-{shape}", name, [name], shape,
                        {1: None, 2: None}, 0.1))
    rows.append(Row("mlp-1", "mlp", ["mlp"], "1", {1: 1.5}))
    return rows


# --- inputs -------------------------------------------------------------------

def write_inputs(cache, row):
    """Folder with input_N.pb of the row's shape."""
    from onnx import numpy_helper
    kind = "ids" if "x" in row.shape else row.ours.split("-")[0]
    folder = pathlib.Path(cache, "inputs", f"{kind}-{row.shape}")
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(7)
    dims = [int(n) for n in row.shape.split("x")]
    if kind == "ids":
        arrays = [random.integers(1, 30522, dims), np.ones(dims, np.int64),
                  np.zeros(dims, np.int64)]
    else:
        dims += [128] if kind == "mlp" else [3, 224, 224]
        arrays = [random.standard_normal(dims).astype(np.float32)]
    for i, array in enumerate(arrays):
        (folder / f"input_{i}.pb").write_bytes(
            numpy_helper.from_array(array).SerializeToString())
    return folder


def read_tensor(path):
    import onnx
    from onnx import numpy_helper
    message = onnx.TensorProto()
    message.ParseFromString(pathlib.Path(path).read_bytes())
    return numpy_helper.to_array(message)


def read_inputs(folder, count):
    return [read_tensor(f"{folder}/input_{i}.pb") for i in range(count)]


# --- ONNX Runtime, in a process of its own --------------------------------------

def ort_session(path, threads, tuned):
    import onnxruntime
    onnxruntime.set_default_logger_severity(4)
    options = onnxruntime.SessionOptions()
    if tuned:
        options.graph_optimization_level = \
            onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        options.intra_op_num_threads = threads
        options.add_session_config_entry("session.intra_op.allow_spinning",
                                         "1")
        if threads == 2:  # the calling thread is pinned by the caller
            options.add_session_config_entry(
                "session.intra_op_thread_affinities", "2")
    return onnxruntime.InferenceSession(path, options,
                                        providers=["CPUExecutionProvider"])


def ort_bound(session, arrays):
    """Two calls without arguments: one runs once, with nothing else in it; the
    other only goes from Python to C++ and back, which is no one's work."""
    names = [i.name for i in session.get_inputs()]
    if all(a.dtype.kind in "fiub" for a in arrays):
        binding = session.io_binding()
        for name, array in zip(names, arrays):
            binding.bind_cpu_input(name, array)
        for output in session.get_outputs():
            binding.bind_output(output.name)
        inner, run = binding._iobinding, session._sess.run_with_iobinding
        try:
            run(inner, None)
            return (lambda: run(inner, None)), inner.synchronize_inputs
        except Exception:  # an output that is no tensor
            pass
    feed = dict(zip(names, arrays))
    return (lambda: session.run(None, feed)), lambda: None


def ort_times(run, seconds):
    clock, times = time.perf_counter_ns, []
    end = clock() + int(seconds * 1e8)
    run()
    while clock() < end:
        run()
    end = clock() + int(seconds * 1e9)
    while not times or clock() < end:
        before = clock()
        run()
        times.append(clock() - before)
    return statistics.median(times) / 1e6


def ort_measure(run, nothing, seconds):
    return {"median_ms": ort_times(run, seconds) - ort_times(nothing, 0.002)}


def ort_main(path, folder, threads, tuned, outputs):
    """Reads seconds from stdin, one measurement a line."""
    if threads == 2 and tuned:
        os.sched_setaffinity(0, {0})
    before = time.perf_counter()
    session = ort_session(path, threads, tuned)
    load_ms = (time.perf_counter() - before) * 1e3
    arrays = read_inputs(folder, len(session.get_inputs()))
    feed = {i.name: a for i, a in zip(session.get_inputs(), arrays)}
    for i, array in enumerate(session.run(None, feed)):
        if isinstance(array, np.ndarray) and array.dtype.kind in "fiub":
            np.save(f"{outputs}/theirs_{i}.npy", array)
    run, nothing = ort_bound(session, arrays)
    print(json.dumps({"load_ms": load_ms}), flush=True)
    for line in sys.stdin:
        print(json.dumps(ort_measure(run, nothing, float(line))), flush=True)


class Theirs:
    """A waiting ONNX Runtime process."""

    def __init__(self, path, folder, threads, tuned, outputs):
        self.label = f"{pathlib.Path(path).parent.name}" \
                     f"{' tuned' if tuned else ' default'}"
        self.process = subprocess.Popen(
            ["taskset", "-c", CORES[threads], sys.executable, __file__,
             "--ort", json.dumps([str(path), str(folder), threads, tuned,
                                  str(outputs)])],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True)
        self.load_ms = self.answer()["load_ms"]

    def answer(self):
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError("ONNX Runtime: " + self.process.stderr.read()
                               .strip().splitlines()[-1])
        return json.loads(line)

    def measure(self, seconds):
        self.process.stdin.write(f"{seconds}\n")
        self.process.stdin.flush()
        return self.answer()["median_ms"]

    def close(self):
        self.process.stdin.close()
        self.process.wait()


# --- our side -------------------------------------------------------------------

def ours(options, row, inputs, threads, seconds, outputs=None):
    path, folder = inputs
    command = ["taskset", "-c", CORES[threads],
               str(pathlib.Path(options.bin, "specserve")), "bench", str(path),
               "--data", str(folder), "--seconds", str(seconds), "--threads",
               str(threads), "--precision", row.precision, "--json",
               "--no-work"]
    if outputs:
        command += ["--outputs", str(outputs)]
    result = subprocess.run(command, capture_output=True, text=True)
    if result.returncode:
        raise RuntimeError(result.stderr.strip())
    return json.loads(result.stdout)


def difference(outputs):
    """Largest difference of all outputs, relative to the largest magnitude."""
    worst = 0.0
    for file in pathlib.Path(outputs).glob("theirs_*.npy"):
        want = np.load(file)
        got = read_tensor(file.with_name(
            file.name.replace("theirs", "output")).with_suffix(".pb"))
        if got.size != want.size:
            raise RuntimeError(f"{file.stem}: {got.size} elements, "
                               f"not {want.size}")
        if want.size == 0:
            continue
        got, want = got.astype(float).ravel(), want.astype(float).ravel()
        top = np.nanmax(np.abs(want), initial=0) or 1.0
        worst = max(worst, float(np.nanmax(np.abs(got - want), initial=0)
                                 / top))
    return worst


# --- one row --------------------------------------------------------------------

def fastest(candidates, seconds):
    """The quickest of the waiting processes; the others are ended."""
    times = [c.measure(seconds) for c in candidates]
    best = candidates[times.index(min(times))]
    for candidate in candidates:
        if candidate is not best:
            candidate.close()
    return best


def measure(options, row, our_path, their_paths, folder, threads):
    with tempfile.TemporaryDirectory() as outputs:
        candidates = []
        try:
            for path in their_paths:
                for tuned in (True, False):
                    candidates.append(Theirs(path, folder, threads, tuned,
                                             outputs))
            inputs = our_path, folder
            first = ours(options, row, inputs, threads, 0.05, outputs)
            error = difference(outputs)
            if not error <= row.bound:
                raise RuntimeError(f"outputs differ by {error:.2g}")
            best = fastest(candidates, min(options.seconds, 0.3))
            pairs = []
            for _ in range(options.pairs):
                mine = ours(options, row, inputs, threads,
                            options.seconds)["median_ms"]
                pairs.append((mine, best.measure(options.seconds)))
        finally:
            for candidate in candidates:
                if candidate.process.poll() is None:
                    candidate.process.stdin.close()
    ratios = [theirs / mine for mine, theirs in pairs]
    return {"row": row.name, "threads": threads,
            "ours_ms": statistics.median(p[0] for p in pairs),
            "theirs_ms": statistics.median(p[1] for p in pairs),
            "ratio": statistics.median(ratios), "low": min(ratios),
            "high": max(ratios), "target": row.targets.get(threads),
            "error": error, "theirs": best.label,
            "our_load_ms": first["load_ms"], "their_load_ms": best.load_ms,
            "our_peak_rss_mb": first["peak_rss_mb"]}


HEADER = (f"{'row':24} {'T':1} {'ours ms':>10} {'ORT ms':>10} {'ratio':>6} "
          f"{'range':>11} {'target':>6} {'':4} {'error':>7}  ONNX Runtime as")


def show(result):
    target = result["target"]
    verdict = "" if target is None else \
        "ok" if result["ratio"] >= target else "miss"
    spread = f"{result['low']:.2f}-{result['high']:.2f}"
    print(f"{result['row']:24} {result['threads']} {result['ours_ms']:10.4f} "
          f"{result['theirs_ms']:10.4f} {result['ratio']:6.2f} {spread:>11} "
          f"{target or '':>6} {verdict:4} {result['error']:7.1e}  "
          f"{result['theirs']}", flush=True)


def generated(options, threads):
    for row in table():
        if threads not in row.targets or options.only and not any(
                row.name.startswith(o) for o in options.only):
            continue
        yield (row, models.make(options.cache, row.ours),
               [models.make(options.cache, n) for n in row.theirs],
               write_inputs(options.cache, row))


def foreign(options):
    """The models of a folder that compute in floats."""
    for folder in sorted(pathlib.Path(options.models).iterdir()):
        data = sorted(folder.glob("test_data_set_*"))
        if not data or folder.name.startswith("quant_") or options.only and \
                not any(folder.name.startswith(o) for o in options.only):
            continue
        path = folder / "model.onnx"
        yield (Row(folder.name, None, None, None, {}, 1e-3), path, [path],
               data[0])


def run_rows(options, rows, threads):
    results, broken = [], 0
    for row, our_path, their_paths, folder in rows:
        try:
            results.append(measure(options, row, our_path, their_paths,
                                   folder, threads))
            show(results[-1])
        except RuntimeError as reason:
            broken += 1
            print(f"{row.name:24} {threads} {reason}", flush=True)
    return results, broken


def summarize(results):
    ratios = [r["ratio"] for r in results]
    mean = math.exp(statistics.fmean(math.log(r) for r in ratios))
    worst = min(results, key=lambda r: r["ratio"])
    print(f"models: geometric mean {mean:.3f} (target 1.2), worst "
          f"{worst['ratio']:.2f} {worst['row']} (target 0.95)")
    return mean >= 1.2 and worst["ratio"] >= 0.95


def parse():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--only", action="append")
    parser.add_argument("--threads", choices=("1", "2", "both"),
                        default="both")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.7)
    parser.add_argument("--cache", default="/tmp/bench-models")
    parser.add_argument("--models")
    parser.add_argument("--bin", default="build/bin")
    parser.add_argument("--json")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--ort", help=argparse.SUPPRESS)
    return parser.parse_args()


def main():
    options = parse()
    if options.ort:
        return ort_main(*json.loads(options.ort))
    if options.list:
        for row in table():
            print(row.name, row.targets)
        return 0
    results, broken, good = [], 0, True
    print(HEADER)
    for threads in (1, 2) if options.threads == "both" else (
            int(options.threads),):
        rows, bad = run_rows(options, generated(options, threads), threads)
        results, broken = results + rows, broken + bad
        if options.models and threads == 1:
            rows, bad = run_rows(options, foreign(options), threads)
            good = bool(rows) and summarize(rows)
            results, broken = results + rows, broken + bad
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps(results, indent=1))
    if broken or not results:
        return 2
    return 0 if good and all(r["ratio"] >= (r["target"] or 0)
                             for r in results) else 1


if __name__ == "__main__":
    sys.exit(main())
