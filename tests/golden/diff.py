#!/usr/bin/env python3
"""specgen diff: each rule with a change that breaks it and one that does not.

  diff.py --specgen PROGRAM rules      compatibility/rules.json over base.txt
  diff.py --specgen PROGRAM waivers    a waiver holds until its day, and only
                                       where it is needed
  diff.py --specgen PROGRAM formats    text, JSON and Markdown tell the same
"""
import argparse
import json
import pathlib
import re
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent / "compatibility"
RULES = HERE.parents[2] / "codegen/diff/rules.def"
BASE = {}


def fail(message):
    sys.exit(f"diff: {message}")


def read_base():
    parts = re.split(r"^--- api/(\S+)\n", (HERE / "base.txt").read_text(),
                     flags=re.M)
    return dict(zip(parts[1::2], parts[2::2]))


def write(folder, files):
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def specgen(program, *arguments, code=0):
    done = subprocess.run([program, *map(str, arguments)], text=True,
                          capture_output=True, check=False)
    if done.returncode != code:
        fail(f"{' '.join(map(str, arguments))} ended with {done.returncode}, "
             f"not {code}:\n{done.stdout}{done.stderr}")
    return done


def edit(text, edits):
    for old, new in edits:
        if text.count(old) != 1:
            fail(f"{old!r} occurs {text.count(old)} times")
        text = text.replace(old, new)
    return text


def make_old(program, folder, released):
    """The base with its lock file, as a last release or not."""
    write(folder, BASE)
    command = ["release", "1.0.0"] if released else ["generate"]
    specgen(program, *command, "--api", folder, "--out", folder / "gen")


def make_new(program, folder, old, case, edits):
    files = dict(BASE, **{"specgen.lock": (old / "specgen.lock").read_text()})
    name = case["in"]
    files[name] = edit(files[name], edits)
    if "also" in case and edits is case["breaks"]:
        files[case["also"]] = edit(files[case["also"]], case["also_breaks"])
    if case.get("lock") == "drop" and edits is case["breaks"]:
        del files["specgen.lock"]
    write(folder, files)


def changes(program, case, edits):
    """What specgen diff says of base and edited base: [(level, rule)]."""
    with tempfile.TemporaryDirectory() as scratch:
        old = pathlib.Path(scratch, "old")
        new = pathlib.Path(scratch, "new")
        make_old(program, old, case.get("released", False))
        make_new(program, new, old, case, edits)
        done = subprocess.run([program, "diff", old, new], text=True,
                              capture_output=True, check=False)
        if done.stderr:
            fail(f"{case['rule']}: {done.stderr}")
        found = [tuple(line.split()[:2]) for line in done.stdout.splitlines()]
        broken = any(level == "error" for level, _ in found)
        if done.returncode != (1 if broken else 0):
            fail(f"{case['rule']}: exit code {done.returncode}")
        return found


def known_rules():
    return {rule for rule, level in re.findall(r"^RULE\((\w+), (\w+),",
                                               RULES.read_text(), re.M)
            if level != "INFO"}


def rules(program):
    cases = json.loads((HERE / "rules.json").read_text())
    missing = known_rules() - {case["rule"] for case in cases}
    if missing:
        fail(f"no case for {sorted(missing)}")
    for case in cases:
        rule, level = case["rule"], case.get("level", "error")
        breaks = changes(program, case, case["breaks"])
        passes = changes(program, case, case["passes"])
        if (level, rule) not in breaks:
            fail(f"{rule} was not found among {breaks}")
        if any(found == rule for _, found in passes):
            fail(f"{rule} was found where nothing broke: {passes}")
        if any(level == "error" for level, _ in passes):
            fail(f"{rule}: the passing change breaks {passes}")
    print(f"{len(cases)} pairs")


REMOVED = {"in": "schema/shop.json"}
REMOVED_EDITS = [[', "weight": {"type": "number"}', ""]]


def removed(program, scratch):
    old, new = pathlib.Path(scratch, "old"), pathlib.Path(scratch, "new")
    make_old(program, old, False)
    make_new(program, new, old, REMOVED, REMOVED_EDITS)
    return old, new


def waivers(program):
    row = ("waivers:\n  - rule: J1\n    path: {path}\n    reason: nobody reads it\n"
           "    expires: \"2027-01-31\"\n")
    path = "example.shop.v1.Part.weight"
    with tempfile.TemporaryDirectory() as scratch:
        old, new = removed(program, scratch)
        file = pathlib.Path(scratch, "waivers.yaml")

        def diff(day, text, code):
            file.write_text(text)
            return specgen(program, "diff", old, new, "--waivers", file,
                           "--today", day, code=code)

        specgen(program, "diff", old, new, code=1)
        held = diff("2027-01-31", row.format(path=path), 0)
        if f"waived J1 {path}" not in held.stdout:
            fail(f"not shown as waived: {held.stdout}")
        for day, text, wanted in [
                ("2027-02-01", row.format(path=path), "expired on 2027-01-31"),
                ("2027-01-01", row.format(path=path + "s"), "is not needed"),
                ("2027-01-01", row.format(path=path).replace("J1", "J99"),
                 "'J99' is not a rule"),
                ("2027-01-01", row.format(path=path).replace("2027-01-31", "soon"),
                 "'soon' is not a day"),
                ("2027-01-01", "waivers:\n  - rule: J1\n", "needs 'path'"),
                ("2027-01-01", "waivers:\n  later\n", "'waivers' is not a list"),
                ("2027-01-01", "waivers:\n  rule: J1\n", "'waivers' is not a list")]:
            said = diff(day, text, 1).stderr
            if wanted not in said or "waivers.yaml:2:" not in said:
                fail(f"{wanted!r} is not in {said!r}")
        specgen(program, "diff", old, new, "--waivers", "/nowhere", code=2)
        said = diff("0", row.format(path=path), 2).stderr
        if "'0' is not a day" not in said:
            fail(f"a day that is none is told as {said!r}")


def formats(program):
    with tempfile.TemporaryDirectory() as scratch:
        old, new = removed(program, scratch)
        lines = specgen(program, "diff", old, new, code=1).stdout.splitlines()
        report = json.loads(specgen(program, "diff", old, new, "--format", "json",
                                    code=1).stdout)
        markdown = specgen(program, "diff", old, new, "--format", "markdown",
                           code=1).stdout
        same = [f"{row['level']} {row['rule']} {row['path']}: {row['message']}"
                for row in report["changes"]]
        if lines != same or report["broken"] != 1:
            fail(f"text {lines}\njson {report}")
        if "## Breaking" not in markdown or "(J1)" not in markdown:
            fail(markdown)
        specgen(program, "diff", old, new, "--format", "xml", code=2)
        specgen(program, "diff", old, old)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--specgen", required=True)
    parser.add_argument("what", choices=["rules", "waivers", "formats"])
    options = parser.parse_args()
    BASE.update(read_base())
    globals()[options.what](pathlib.Path(options.specgen).resolve())


if __name__ == "__main__":
    main()
