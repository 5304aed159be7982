#!/usr/bin/python3
"""docs/commands.md names each of the 23 commands once, and a test for each that exists.

Prints each line that breaks this, and exits 1.

    tests/lint/commands.py [ROOT]
    tests/lint/commands.py --self-test      shows that it finds what it is there to find
"""
import pathlib
import re
import sys
import tempfile

import lint

# As the page of the service lists them; "COPY, UID COPY" there is one entry.
COMMANDS = ["APPEND", "AUTHENTICATE", "CAPABILITY", "CHECK", "CLOSE", "COPY", "CREATE", "DELETE", "EXAMINE", "EXPUNGE",
            "FETCH", "UID", "LIST", "LOGIN", "LOGOUT", "LSUB", "NOOP", "RENAME", "SEARCH", "SELECT", "STORE",
            "SUBSCRIBE", "UNSUBSCRIBE"]
ROW = re.compile(r"^\| ([A-Z]+)(?:, [A-Z ]+)? \| ([^|]+) \| ([^|]+) \|$")
TEST = re.compile(r"`(test_\w+\.py)::(test_\w+)`")


def faults(root):
    rows = {}
    for number, line in enumerate((root / "docs/commands.md").read_text().splitlines(), 1):
        found = ROW.match(line)
        if not found or found[1] not in COMMANDS:
            continue
        if found[1] in rows:
            yield f"docs/commands.md:{number}: {found[1]} is there twice"
        rows[found[1]] = number
        tests = TEST.findall(found[3])
        if not tests:
            yield f"docs/commands.md:{number}: {found[1]} has no test"
        for file, name in tests:
            path = root / "tests/e2e" / file
            if not path.is_file() or not re.search(rf"^def {name}\(", path.read_text(), re.M):
                yield f"docs/commands.md:{number}: there is no tests/e2e/{file}::{name}"
    yield from (f"docs/commands.md: {command} is missing" for command in COMMANDS if command not in rows)


def self_test():
    """A good table has no fault; each of these makes one."""
    good = {command: f"| {command} | x | `test_a.py::test_b` |" for command in COMMANDS}
    bad = [{"LIST": ""}, {"LIST": good["LIST"] + "\n" + good["LIST"]}, {"LIST": "| LIST | x | - |"},
           {"LIST": "| LIST | x | to come |"}, {"LIST": "| LIST | x | `test_a.py::test_c` |"},
           {"LIST": "| LIST | x | `test_c.py::test_b` |"}]
    for changed, expected in [({}, 0), ({"COPY": "| COPY, UID COPY | x | `test_a.py::test_b` |"}, 0), *((row, 1) for row in bad)]:
        with tempfile.TemporaryDirectory() as name:
            root = pathlib.Path(name)
            (root / "docs").mkdir()
            (root / "tests/e2e").mkdir(parents=True)
            (root / "tests/e2e/test_a.py").write_text("def test_b(x):\n    pass\n")
            (root / "docs/commands.md").write_text("\n".join({**good, **changed}.values()) + "\n")
            found = list(faults(root))
            if len(found) != expected:
                sys.exit(f"commands.py: {changed}: {expected} fault(s) expected: {found}")


if __name__ == "__main__":
    lint.main(faults, self_test)
