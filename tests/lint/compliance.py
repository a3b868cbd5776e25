#!/usr/bin/env python3
"""docs/compliance.md and docs/limits.md are complete and name real tests.

Every row of the checklist, every decision and every bad input must have a line
in its table; each test that a line names must exist, by CTest name and by the
name of the function, and be run by ctest.
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]


def rows(letter, *numbers):
    """rows("H", 1, (13, 15)) -> H1 H13 H14 H15"""
    found = []
    for number in numbers:
        first, last = number if isinstance(number, tuple) else (number, number)
        found += [f"{letter}{n}" for n in range(first, last + 1)]
    return found


WANTED = {
    "docs/compliance.md": (
        rows("G", (1, 7)) + rows("H", (1, 3)) + rows("K", (1, 4))
        + rows("A", (1, 4)) + rows("P", (1, 5)) + rows("I", 1) + rows("M", 1)
        + rows("C", (1, 2)) + rows("T", (1, 3)) + rows("X", 1)
        + rows("R", (1, 10)) + rows("U", (1, 13)) + rows("", (1, 35))),
    "docs/limits.md": (
        rows("H", (1, 3), 6, 10, (13, 15), 17, (19, 40),
             (44, 50))
        + rows("G", (1, 5), (7, 12), 14, (16, 18), 21, 22)
        + rows("S", 1, 2, (4, 9), 14, (18, 20), 22) + rows("Y", (1, 6), (10, 16))),
}
ROW = re.compile(r"^\| ([A-Z]?\d+) \|(.*)\|$", re.M)
NAMED = re.compile(r"`((?:e2e|unit|lint|golden|gen)\.[\w.]+)(?:/(test_\w+))?`")
RAW = re.compile(r"`bad_(http|grpc)\.py ([HG]\d+)`")
UNIT = re.compile(r"unit_test\((\w+)\s+SOURCES\s+(\S+)")
SCRIPT = re.compile(r"(?:script_test\(|add_test\(NAME\s+)([\w.]+)")


def cmake():
    """All lists of tests, as one text."""
    return "\n".join(file.read_text() for pattern in ("CMakeLists.txt", "*.cmake")
                     for file in sorted((ROOT / "tests").rglob(pattern)))


class Tests:
    """What ctest knows: name -> the file with its functions."""

    def __init__(self):
        lists = cmake()
        self.files = {name: None for name in SCRIPT.findall(lists)}
        for name, source in UNIT.findall(lists):
            self.files[f"unit.{name}"] = ROOT / "tests" / source
        for file in (ROOT / "tests/e2e").glob("test_*.py"):
            self.files["e2e." + file.stem.removeprefix("test_")] = file

    def fault(self, name, function):
        """What is wrong with this reference, or None."""
        if name not in self.files:
            return f"no test {name}"
        file = self.files[name]
        if not function:
            return None if file is None else f"{name} has functions: name one"
        if file is None:
            return f"{name} has no functions"
        form = (rf"^    def {function}\(" if file.suffix == ".py"
                else rf"\w+\({function}\)")
        if not re.search(form, file.read_text(), re.M):
            return f"no {function} in {file.relative_to(ROOT)}"
        return None


def row_faults(row, text, tests):
    references = NAMED.findall(text)
    raw = RAW.findall(text)
    if not references and not raw:
        yield f"{row}: names no test"
    for name, function in references:
        fault = tests.fault(name, function)
        if fault:
            yield f"{row}: {fault}"
    for door, case in raw:
        if f'"{case} ' not in (ROOT / f"tests/e2e/bad_{door}.py").read_text():
            yield f"{row}: no case {case} in bad_{door}.py"


def document_faults(document, wanted, tests):
    # the last table of limits.md is about rules, not tests
    text = (ROOT / document).read_text().split("\n## Where two rules")[0]
    found = ROW.findall(text)
    names = {row for row, _ in found}
    for row in wanted:
        if row not in names:
            yield f"{document}: {row}: missing"
    for row, rest in found:
        if row not in wanted:
            yield f"{document}: {row}: unknown row"
        yield from (f"{document}: {fault}" for fault in
                    row_faults(row, rest, tests))


def path_faults():
    """Files that the decisions name as their place exist."""
    text = (ROOT / "docs/compliance.md").read_text().split("## Decisions")[1]
    for row, rest in ROW.findall(text):
        for path in re.findall(r"`((?:api|docs|engine|models|registry|server)/"
                               r"[\w./]+)`", rest.split(" | ")[1]):
            if not (ROOT / path).exists():
                yield f"docs/compliance.md: {row}: no {path}"


def main():
    tests = Tests()
    faults = [fault for document, wanted in WANTED.items()
              for fault in document_faults(document, wanted, tests)]
    faults += path_faults()
    print("\n".join(faults) if faults else "compliance: every row has its test")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
