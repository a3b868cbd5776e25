#!/usr/bin/env python3
"""What the specification's owner asks implementations to show is shown.

docs/registration.md: the attribution, the duty and to whom, each prohibited
use, the MIT notice in full. README.md: the registration notice and the way
there. And no program contacts anybody for it: their sources hold no address of
the owner.
"""
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
NOTICE = "Registration is required to use this service"
SHOWN = {
    "docs/registration.md": [
        "Lightweight AI Model API Runtime Specification 1.2",
        "© 2025 Paramus Transform LLC", "2020 N ACADEMY BLVD, STE 261 #3770",
        "COLORADO SPRINGS, CO 80909, U.S.", NOTICE,
        # to whom, and what is to be stated
        "To whom: Paramus Transform LLC", "name of the model",
        "environment it is deployed in", "intended use", "acknowledged: true",
        # prohibited uses
        "violate applicable laws", "harmful, unethical or malicious",
        "deployments that have not been registered",
        # MIT: title, both conditions, warranty
        "MIT License - Copyright (c) 2025 Paramus Transform LLC",
        "Permission is hereby granted, free of charge, to any person obtaining "
        "a copy of this software and associated documentation files",
        "The above copyright notice and this permission notice shall be "
        "included in all copies or substantial portions of the Software.",
        'THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND'],
    "README.md": ["Lightweight AI Model API Runtime Specification 1.2", NOTICE,
                  "docs/registration.md"],
}
PROGRAMS = ["server", "registry", "engine", "clients", "codegen"]
ADDRESS = re.compile(r"paramus[\w.-]*\.(ai|com|org)\b|@paramus", re.I)


def flat(text):
    """Without quote marks, emphasis and line ends."""
    return re.sub(r"\s+", " ", re.sub(r"^> ?|\*\*", "", text, flags=re.M)).lower()


def faults():
    for file, sentences in SHOWN.items():
        text = flat((ROOT / file).read_text())
        for sentence in sentences:
            if sentence.lower() not in text:
                yield f"{file}: '{sentence}' is missing"
    listed = subprocess.run(["git", "ls-files", *PROGRAMS], cwd=ROOT, check=True,
                            capture_output=True, text=True).stdout.split()
    for file in listed:
        if ADDRESS.search((ROOT / file).read_text(errors="replace")):
            yield f"{file}: an address of the specification's owner"


def main():
    found = list(faults())
    print("\n".join(found) if found else "registration: everything is shown")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
