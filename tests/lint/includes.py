#!/usr/bin/env python3
"""Who may include whom (docs/house-plan.md): fails on any other include.

Two tables: which of our folders may include which, and in which files a
foreign library's headers may appear (its seam).
"""
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]

# folder of the including file (or the file) -> folders whose headers it may
# include; the longest entry that fits decides
FOLDERS = {
    "engine/base": {"engine/base", "gen/c"},
    "engine": {"engine", "engine/base", "engine/ops", "engine/kernel",
               "engine/onednn", "engine/passes", "engine/text", "engine/hf",
               "gen/c"},
    "engine/kernel": {"engine/kernel"},
    "gen/c": {"gen/c", "engine/base"},
    "wire": {"wire", "engine/base", "gen/c"},
    "codegen": {"codegen", "engine/base", "gen/c"},
    "server/door": {"server/door", "wire", "engine/base", "gen/c"},
    "server/image": {"server/image", "engine/base", "gen/c"},
    "server": {"server", "server/door", "wire", "server/init", "server/diff", "server/image", "engine", "engine/base", "engine/text",
               "clients/c", "gen/c"},
    "registry": {"registry", "engine/base", "gen/c"},
    "clients/c": {"clients/c", "wire", "engine/base", "gen/c"},
}
# The registry's program, beside the library that knows no network.
for part in ("main.c", "app.h", "watchers.c", "watchers.h", "handlers"):
    FOLDERS["registry/" + part] = {"registry", "registry/handlers",
                                   "server/door", "wire", "engine/base",
                                   "gen/c"}
# Tests reach into everything; that is their job.
FREE = ("tests/",)

# prefix of the header -> files (or folders, with a trailing slash)
SEAMS = {
    "grpc/": ["server/door/grpc", "clients/c/"],
    "nghttp2/": ["server/door/h2_guard"],
    "microhttpd.h": ["server/door/rest"],
    "jansson.h": ["server/commands/", "engine/text/", "registry/stores/",
                  "server/bundle", "clients/c/", "codegen/"],
    "dnnl": ["engine/onednn/"],
    "protobuf-c/": ["gen/c/", "wire/codec_proto", "wire/msg_make", "wire/wire_scan",
                    "engine/onnx_load", "clients/c/"],
    "yaml.h": ["engine/base/doc_yaml"],
    "pcre2.h": ["engine/base/pattern", "engine/base/doc", "wire/pattern",
                "engine/text/", "codegen/jsonschema/pattern"],
    "sqlite3.h": ["registry/stores/sqlite"],
    "curl/": ["clients/c/", "codegen/model/fetch"],
    "png.h": ["server/image/png"],
    "jpeglib.h": ["server/image/jpeg"],
    "openssl/": [],
    "utf8proc.h": ["engine/text/"],
    "zlib.h": ["server/oip/encoding"],
    "nettle/": ["engine/base/sha256"],
}
# Generated wire messages are protobuf-c structs; these headers follow its rule.
WIRE = [".pb-c.h"]
WIRE_OK = ["gen/c/", "engine/onnx_load", "wire/codec_proto", "wire/wire_scan",
           "clients/c/"]

INCLUDE = re.compile(r'^\s*#\s*include\s+([<"])([^>"]+)[>"]', re.M)


def folder_of(path):
    """The entry of FOLDERS that governs this file."""
    best = ""
    for folder in FOLDERS:
        if (path + "/").startswith(folder + "/") and len(folder) > len(best):
            best = folder
    return best


def allowed(path, places):
    return any(path.startswith(place) for place in places)


def headers():
    """Name as written in an include -> folders of ours that hold it."""
    found = {}
    for path in sources("*.h") + sources("*.def") + sources("*.inc"):
        parts = path.split("/")
        for start in range(len(parts)):
            found.setdefault("/".join(parts[start:]), set()).add(
                "/".join(parts[:-1]))
    return found


def sources(pattern):
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", pattern], cwd=ROOT,
        check=True, capture_output=True, text=True).stdout
    return sorted(listed.split())


def faults_of(path, ours):
    text = (ROOT / path).read_text()
    for match in INCLUDE.finditer(text):
        quoted, name = match.group(1) == '"', match.group(2)
        line = text.count("\n", 0, match.start(2)) + 1
        if not quoted:
            for prefix, places in SEAMS.items():
                if name.startswith(prefix) and not allowed(path, places):
                    yield f"{path}:{line}: <{name}> outside its seam"
            continue
        if any(name.endswith(end) for end in WIRE) and not allowed(path, WIRE_OK):
            yield f"{path}:{line}: \"{name}\" outside the wire codec"
        homes = ours.get(name, set())
        if not homes:
            yield f"{path}:{line}: \"{name}\" is no header of this project"
            continue
        may = FOLDERS[folder_of(path)]
        if not any(home in may or folder_of(home + "/") in may
                   for home in homes):
            yield f"{path}:{line}: \"{name}\" from {sorted(homes)[0]} " \
                  f"is not for {folder_of(path)}"


def main():
    ours = headers()
    faults = [fault
              for path in sources("*.c") + sources("*.h")
              if not path.startswith(FREE) and folder_of(path)
              for fault in faults_of(path, ours)]
    print("\n".join(faults) if faults else "includes: clean")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
