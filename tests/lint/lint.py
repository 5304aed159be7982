"""What the checks of this directory share: their command line."""
import pathlib
import sys


def main(faults, self_test):
    """Prints what faults(root) finds, and exits 1 where it finds something; with --self-test runs that instead."""
    if sys.argv[1:] == ["--self-test"]:
        self_test()
        return
    root = pathlib.Path(sys.argv[1]) if sys.argv[1:] else pathlib.Path(__file__).resolve().parents[2]
    found = list(faults(root))
    if found:
        sys.exit("\n".join(found))
