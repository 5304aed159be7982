"""The command line of the benchmark."""
import argparse
import pathlib

from . import table
from .commands import ROOT

EPILOG = """
The mail is the real corpus where scripts/corpus has brought it, else generated. Everything is made in one
temporary folder on loopback and gone afterwards.

What it is compared with comes from Debian's packages; a program that is missing leaves its column empty:

    apt-get install --no-install-recommends isync sshfs openssh-server rclone

rows: %s
""" % ", ".join(row.name for row in table.ROWS)


def names(text):
    chosen = [name for name in text.split(",") if name]
    known = {row.name for row in table.ROWS}
    wrong = [name for name in chosen if name not in known]
    if wrong or not chosen:
        raise argparse.ArgumentTypeError(f"no such row: {', '.join(wrong) or 'none named'}")
    return chosen


def positive(text):
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return value


def parse(words=None):
    parser = argparse.ArgumentParser(prog="tests/bench/run", epilog=EPILOG,
                                     description="Measures outlookfs beside mbsync, sshfs and rclone mount.",
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=positive, default=10000, help="messages (%(default)s)")
    parser.add_argument("--many", type=positive, help="messages where the table says 100,000 (ten times --count)")
    parser.add_argument("--million", type=positive,
                        help="messages where the table says 1,000,000 (a hundred times --count)")
    parser.add_argument("--rounds", type=positive, default=5, help="figures are medians of so many (%(default)s)")
    parser.add_argument("--minutes", type=positive, help="begin nothing after so long, rounds or not")
    parser.add_argument("--rows", type=names, default=[row.name for row in table.ROWS], metavar="NAME,...",
                        help="these rows alone (all)")
    parser.add_argument("--mbit", type=float, default=100, help="the link's rate (%(default)s)")
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build/release", help="the build folder")
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE", help="write all figures there")
    parser.add_argument("--svg", type=pathlib.Path, metavar="FILE", help="write the chart there")
    options = parser.parse_args(words)
    options.build = options.build.resolve()
    options.many = options.many or 10 * options.count
    options.million = options.million or 100 * options.count
    return options
