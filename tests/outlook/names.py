"""Mailbox names as the service takes them: without regard to case.

The backend minds case, so a name is looked up among its own (`known`: names as LIST gives them, bytes
in modified UTF-7, with `/` between components). Pure functions.
"""
import re

# Where in a command's arguments the mailbox is that must exist.
PLACES = {"SELECT": 0, "EXAMINE": 0, "STATUS": 0, "APPEND": 0, "COPY": 1, "MOVE": 1, "DELETE": 0, "RENAME": 0,
          "SUBSCRIBE": 0, "UNSUBSCRIBE": 0}


def fold(name):
    """What two names have in common that are the same mailbox to the service."""
    def shifted(match):  # RFC 3501 section 5.1.3
        if not match[1]:
            return "&"
        return (b"+" + match[1].replace(b",", b"/") + b"-").decode("utf-7")
    try:
        pieces = re.split(rb"(&[^-]*-)", name)
        return "".join(shifted(re.fullmatch(rb"&([^-]*)-", piece)) if index % 2 else piece.decode("ascii")
                       for index, piece in enumerate(pieces)).casefold()
    except UnicodeDecodeError:
        return name.decode("latin-1").lower()


def resolve(known, name):
    """The name as the backend has it, as far as it has it: `archive/New` is `Archive/New`."""
    parts = name.split(b"/")
    for count in range(len(parts), 0, -1):
        head = b"/".join(parts[:count])
        if head in known:
            return name
        for candidate in known:
            if fold(candidate) == fold(head):
                return b"/".join([candidate, *parts[count:]])
    return name
