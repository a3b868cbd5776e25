#!/usr/bin/env python3
"""Runs specgen on small contracts and compares with what is kept here.

  golden.py --specgen PROGRAM case NAME      NAME/api against NAME/expected
  golden.py --specgen PROGRAM bad NAME       bad/NAME.txt: exact faults
  golden.py --specgen PROGRAM determinism    order of folders, locale, time zone
  golden.py --specgen PROGRAM rewrite        only what changed; orphans go
  golden.py --specgen PROGRAM wire           public proto and C profile agree
  golden.py --specgen PROGRAM toy CC         a new endpoint: stanza and handler
  golden.py --specgen PROGRAM update         rewrites every expected folder

`expected` holds what the case is about: files that protoc-c made are left out.
"""
import argparse
import difflib
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
CASES = sorted(path.parent.name for path in HERE.glob("*/api"))


def fail(message):
    sys.exit(f"golden: {message}")


def run(program, command, cwd, env=None):
    """specgen with ./api and ./gen of `cwd`."""
    return subprocess.run([program, command], cwd=cwd, text=True,
                          capture_output=True, check=False, env=env)


def generate(program, cwd, env=None):
    done = run(program, "generate", cwd, env)
    if done.returncode:
        fail(f"generate failed:\n{done.stderr}")


def is_kept(path):
    return ".pb-c." not in path.name


def files_of(folder):
    return {path.relative_to(folder).as_posix(): path.read_text()
            for path in sorted(folder.rglob("*"))
            if path.is_file() and is_kept(path)}


def compare(wanted, got):
    """Prints the differences between two {path: text}; true if none."""
    same = True
    for path in sorted(wanted.keys() | got.keys()):
        if wanted.get(path) == got.get(path):
            continue
        same = False
        sys.stdout.writelines(difflib.unified_diff(
            wanted.get(path, "").splitlines(True),
            got.get(path, "").splitlines(True),
            f"expected/{path}", f"made/{path}"))
    return same


def made_by(program, name, folder):
    """Generates the case in `folder`; the lock file counts as made."""
    shutil.copytree(HERE / name / "api", folder / "api")
    generate(program, folder)
    made = files_of(folder / "gen")
    made.update({f"clients/{path}": text for path, text in
                 files_of(folder / "clients").items()})
    made["specgen.lock"] = (folder / "api/specgen.lock").read_text()
    return made


def case(program, name):
    with tempfile.TemporaryDirectory() as scratch:
        made = made_by(program, name, pathlib.Path(scratch))
        if not compare(files_of(HERE / name / "expected"), made):
            fail(f"case {name} differs; if that is meant: golden.py update")
        again = run(program, "check", scratch)
        if again.returncode:
            fail(f"check disagrees with generate:\n{again.stderr}")


def update(program):
    for name in CASES:
        with tempfile.TemporaryDirectory() as scratch:
            made = made_by(program, name, pathlib.Path(scratch))
        shutil.rmtree(HERE / name / "expected", ignore_errors=True)
        for path, text in made.items():
            target = HERE / name / "expected" / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text)


def sections(text):
    """{"api/errors.yaml": text, ..., "expect": text} of a bad case."""
    found, name = {}, None
    for line in text.splitlines(True):
        if line.startswith("--- "):
            name = line[4:].strip()
            found[name] = ""
        elif name:
            found[name] += line
    return found


def bad(program, name):
    """The case's files over those of base.txt; stderr must be `expect`."""
    parts = sections((HERE / "bad/base.txt").read_text())
    parts.update(sections((HERE / "bad" / f"{name}.txt").read_text()))
    expect = parts.pop("expect")
    with tempfile.TemporaryDirectory() as scratch:
        for path, text in parts.items():
            target = pathlib.Path(scratch) / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text)
        done = run(program, "generate", scratch)
        if (pathlib.Path(scratch) / "gen").exists():
            fail("something was written in spite of the faults")
    if done.returncode != 1:
        fail(f"exit code {done.returncode}, expected 1\n{done.stderr}")
    got = "".join(done.stderr.splitlines(True)[:-1])  # without the count
    if not compare({name: expect}, {name: got}):
        fail(f"bad case {name} reports something else")


def copy_reversed(source, target):
    """Copies a tree, last name first, so folders list in another order."""
    target.mkdir(parents=True)
    for path in sorted(source.iterdir(), reverse=True):
        if path.is_dir():
            copy_reversed(path, target / path.name)
        else:
            shutil.copy(path, target / path.name)


def determinism(program):
    strange = dict(os.environ, LC_ALL="de_DE.UTF-8", LANG="tr_TR.UTF-8",
                   TZ="Asia/Kathmandu", SOURCE_DATE_EPOCH="1")
    with tempfile.TemporaryDirectory() as first, \
            tempfile.TemporaryDirectory(prefix="other name ") as second:
        shutil.copytree(ROOT / "api", pathlib.Path(first) / "api")
        copy_reversed(ROOT / "api", pathlib.Path(second) / "api")
        generate(program, first)
        generate(program, second, strange)
        one = {path.relative_to(first): path.read_bytes()
               for path in pathlib.Path(first).rglob("*") if path.is_file()}
        two = {path.relative_to(second): path.read_bytes()
               for path in pathlib.Path(second).rglob("*") if path.is_file()}
    if one != two:
        fail("differs: " + ", ".join(
            str(path) for path in sorted(one.keys() | two.keys())
            if one.get(path) != two.get(path)))
    if not any(path.name == "MANIFEST" for path in one):
        fail("nothing was generated")


def rewrite(program):
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(scratch)
        shutil.copytree(HERE / "endpoints/api", folder / "api")
        shutil.rmtree(folder / "api/examples")  # they know the prefix
        generate(program, folder)
        errors = folder / "gen/c/errors.def"
        routes = folder / "gen/c/toys_routes.c"
        old = {path: path.stat().st_mtime_ns for path in (errors, routes)}
        orphan = folder / "gen/docs/toys.md"
        (folder / "gen/mine.txt").write_text("not in the manifest")

        catalogue = folder / "api/errors.yaml"
        catalogue.write_text(catalogue.read_text().replace("503", "429"))
        ops = folder / "api/ops/toys.yaml"
        ops.write_text(ops.read_text().replace("prefix: toys", "prefix: dolls"))
        stale = run(program, "check", scratch)
        wanted = [
            "gen/docs/toys.md:0:0: fresh: nothing in api/ makes this file any "
            "more",
            "gen/c/errors.def:4:0: fresh: is not what api/ makes; run specgen "
            "generate",
            "gen/docs/dolls.md:0:0: fresh: is missing; run specgen generate",
        ]
        for line in wanted:
            if line not in stale.stderr.splitlines():
                fail(f"check does not say '{line}':\n{stale.stderr}")

        ops.write_text(ops.read_text().replace("prefix: dolls", "prefix: toys"))
        generate(program, folder)
        if routes.stat().st_mtime_ns != old[routes]:
            fail("a file was written that did not change")
        if errors.stat().st_mtime_ns == old[errors]:
            fail("a file that changed was not written")

        ops.write_text(ops.read_text().replace("prefix: toys", "prefix: dolls"))
        generate(program, folder)
        if orphan.exists() or routes.exists():
            fail("a file that nothing makes any more is still there")
        if not (folder / "gen/mine.txt").exists():
            fail("a file that specgen never made was removed")


MESSAGES = [
    ("Everything", 'flag: false count: 9007199254740991 small: -7 ratio: 0.5 '
     'name: "a" note: "" photo: "\\000\\377" size: SIZE_X_LARGE '
     'price { cents: 0 } tags: "t" tags: "" sizes: SIZE_S sizes: SIZE_M '
     'weights: 1.5 weights: -2 labels { key: "k" value: "v" } '
     'x2_y { key: "" value: SIZE_M } default: true more_json: "{}" '
     'any { floats { values: 1 values: 2 } }'),
    ("Any", 'blob: "x"'),
    ("Any", 'number: 0'),
    ("Everything", ''),
]


def encode(folder, proto, message, text):
    return subprocess.run(
        ["protoc", f"-I{folder}", f"--encode={message}", proto],
        input=text.encode(), capture_output=True, check=True).stdout


def wire(program):
    """The same values give the same bytes in both renderings."""
    del program  # the expected files are what is compared
    made = HERE / "messages/expected"
    for message, text in MESSAGES:
        public = encode(made / "proto", "example/shop/v1/shop.proto",
                        f"example.shop.v1.{message}", text)
        profile = encode(made / "proto-c", "shop.proto", f"shop.{message}",
                         text)
        if public != profile:
            fail(f"{message} {{{text}}}: {public.hex()} != {profile.hex()}")


STANZA = """
  toy:
    doc: A toy endpoint.
    rest: GET /toy
    grpc: Toy
    request: InfoRequest
    response: InfoResponse
"""

HANDLER = """
#include "runtime_server.h"

bool handle_toy(struct srv_call *call,
                const struct runtime_info_request *request,
                struct runtime_info_response *reply, struct error *err)
{
    static char name[] = "toy";

    (void)call;
    (void)request;
    (void)err;
    reply->name = name;
    return true;
}
"""


def toy(program, compiler):
    """An endpoint is one stanza of YAML and one handler file."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(scratch)
        shutil.copytree(ROOT / "api", folder / "api")
        ops = folder / "api/ops/runtime.yaml"
        ops.write_text(ops.read_text().rstrip() + "\n" + STANZA.lstrip("\n"))
        generate(program, folder)
        (folder / "toy.c").write_text(HANDLER)
        for source in ("toy.c", "gen/c/runtime_routes.c"):
            subprocess.run(
                [compiler, "-std=c11", "-Wall", "-Wextra", "-Werror", "-c",
                 f"-I{folder}/gen/c", f"-I{ROOT}/engine/base",
                 str(folder / source), "-o", "/dev/null"], check=True)
        for path, text in [("gen/c/runtime_routes.c", '"/toy"'),
                           ("gen/openapi/runtime.json", '"/toy"'),
                           ("gen/docs/runtime.md", "### toy"),
                           ("gen/proto/specserve/runtime/v1/runtime.proto",
                            "rpc Toy(InfoRequest)")]:
            if text not in (folder / path).read_text():
                fail(f"{path} does not know the new endpoint")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--specgen", required=True)
    parser.add_argument("command")
    parser.add_argument("rest", nargs="*")
    args = parser.parse_args()
    commands = {"case": case, "bad": bad, "determinism": determinism,
                "rewrite": rewrite, "wire": wire, "toy": toy,
                "update": update}
    commands[args.command](os.path.abspath(args.specgen), *args.rest)


if __name__ == "__main__":
    main()
