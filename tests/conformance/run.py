#!/usr/bin/env python3
"""Runs everything in this folder's archives and counts what passes.

    run.py ENGINE_CHECK

Prints passed / all per group and each case that does not pass, with the
engine's reason. Fails when a case fails that known.txt does not name, when one
that it names passes, or when a case is not run at all.
"""
import collections
import json
import pathlib
import subprocess
import sys
import tarfile
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ARCHIVES = ["onnx", "onnxruntime", "models"]


def tiers():
    """Test of onnx -> tier, from index.tsv."""
    lines = (HERE / "index.tsv").read_text().splitlines()[1:]
    return {test: tier for test, tier, *_ in (line.split("\t") for line in lines)}


def known():
    """Case -> why it may fail."""
    lines = (HERE / "known.txt").read_text().splitlines()
    pairs = (line.split(None, 1) for line in lines
             if line and not line.startswith("#"))
    return dict(pairs)


def check(engine_check, archive, folder):
    """Case -> (status, detail) of everything in the archive."""
    with tarfile.open(HERE / f"{archive}.tar.xz") as tar:
        tar.extractall(folder, filter="data") if hasattr(
            tarfile, "data_filter") else tar.extractall(folder)
    done = subprocess.run([engine_check, str(folder), "--json"],
                          capture_output=True, text=True, check=False)
    if done.returncode not in (0, 1):
        sys.exit(f"{archive}: exit code {done.returncode}\n{done.stderr[-2000:]}")
    return {str(pathlib.Path(case["path"]).parent.relative_to(folder)):
            (case["status"], case["detail"])
            for case in json.loads(done.stdout)["cases"]}


def group_of(archive, case, index):
    if archive == "onnx":
        return f"onnx tier {index.get(case, 'unlisted')}"
    return case.split("/")[0] if archive == "onnxruntime" else archive


def main(engine_check):
    index, may_fail = tiers(), known()
    passed, total = collections.Counter(), collections.Counter()
    wrong, seen = [], set()
    for archive in ARCHIVES:
        with tempfile.TemporaryDirectory() as folder:
            results = check(engine_check, archive, pathlib.Path(folder))
        for case, (status, detail) in sorted(results.items()):
            group = group_of(archive, case, index)
            seen.add(case)
            total[group] += 1
            passed[group] += status == "pass"
            if status != "pass":
                print(f"{status:12}{case}: {detail}\n"
                      f"{'':12}{may_fail.get(case, 'NOT EXPECTED')}")
            if (status != "pass") != (case in may_fail):
                wrong.append(case)
    for group in sorted(total):
        print(f"{passed[group]:6} of {total[group]:5}  {group}")
    missing = [case for case in [*index, *may_fail] if case not in seen]
    for case in wrong:
        print(f"known.txt is wrong about {case}")
    for case in missing:
        print(f"{case} was not run")
    return 1 if wrong or missing else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
