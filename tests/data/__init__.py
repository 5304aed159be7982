"""Sample mail: generated (generate.py), made by hand to be hard (hard.py), real (real.py).

All three give the same value, `Mail`, which the loaders of tests/e2e and tests/bench put on a server.
Nothing in this package is a copy of anybody's mail: the real corpus is fetched by scripts/corpus.
"""
import datetime
import typing


class Mail(typing.NamedTuple):
    mailbox: str                     # Unicode, levels parted by "/"; "INBOX" is the inbox
    internaldate: datetime.datetime  # aware, whole seconds
    flags: tuple[str, ...]           # as IMAP writes them: r"\Seen"
    data: bytes                      # the message, CRLF line ends unless it is meant to be broken
