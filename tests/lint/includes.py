#!/usr/bin/python3
"""Includes point down only: cli -> fs -> sync -> {imap, auth, cache, message} -> base.

An arrow may skip a room on its way down; the four never include one another. Each library belongs to
the room that hides it. Quoted includes are written from the project's root ("room/file.h"), so that the
arrow can be read off the line. Prints each line that breaks this, and exits 1.

    tests/lint/includes.py [ROOT]
    tests/lint/includes.py --self-test      shows that it finds what it is there to find
"""
import pathlib
import re
import sys
import tempfile

import lint

FOUR = {"imap", "auth", "cache", "message"}
BELOW = {"base": set(), **{room: {"base"} for room in FOUR}}
BELOW["sync"] = FOUR | {"base"}
BELOW["fs"] = BELOW["sync"] | {"sync"}
BELOW["cli"] = BELOW["fs"] | {"fs"}

# The longest that fits decides: the cache takes digests, and nothing else of OpenSSL's.
LIBRARIES = {"fuse": {"fs", "cli"}, "openssl/": {"imap", "auth"}, "openssl/evp.h": {"imap", "auth", "cache"},
             "sqlite3": {"cache"}, "gmime/": {"message"}, "libxml/": {"message"}, "glib": {"message"},
             "gio/": {"auth"}, "libsecret/": {"auth"}, "curl/": {"auth"}, "systemd/": {"cli"}}
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')


def faults(root):
    for room in BELOW:
        for path in sorted((root / room).rglob("*.[ch]")):
            for number, line in enumerate(path.read_text().splitlines(), 1):
                found = INCLUDE.match(line)
                fault = found and fault_of(room, *found.groups(), root)
                if fault:
                    yield f"{path.relative_to(root)}:{number}: {fault}"


def fault_of(room, mark, name, root):
    if mark == "<":
        library = max((known for known in LIBRARIES if name.startswith(known)), key=len, default=None)
        rooms = LIBRARIES.get(library, {room})
        return None if room in rooms else f"<{name}> belongs to {', '.join(sorted(rooms))}"
    target = name.split("/")[0]
    if "/" not in name or target not in BELOW:
        return f'"{name}" is not written as "room/file.h"'
    if target != room and target not in BELOW[room]:
        return f"{room} must not include {target}: {name}"
    return None if (root / name).is_file() else f'"{name}" does not exist'


def self_test():
    """Each of these lines, alone in a tree, must be found; the good ones must not."""
    bad = {"base": '#include "imap/imap.h"', "imap": '#include "cache/cache.h"', "auth": '# include "sync/sync.h"',
           "cache": "#include <openssl/ssl.h>", "message": '#include "message.h"', "sync": '#include "fs/fs.h"',
           "fs": '#include "../sync/sync.h"', "cli": '#include "fs/absent.h"'}
    good = {"cli": '#include "base/log.h"', "cache": "#include <openssl/evp.h>", "sync": '#include "imap/imap.h"', "imap": '#include "imap/imap.h"'}
    for cases, expected in ((bad, 1), (good, 0)):
        for room, line in cases.items():
            with tempfile.TemporaryDirectory() as name:
                root = pathlib.Path(name)
                for header in ("imap/imap.h", "cache/cache.h", "sync/sync.h", "fs/fs.h", "base/log.h", "message/message.h"):
                    (root / header).parent.mkdir(exist_ok=True)
                    (root / header).touch()
                (root / room).mkdir(exist_ok=True)
                (root / room / "x.c").write_text(f"/* model */\n{line}\n")
                if len(list(faults(root))) != expected:
                    sys.exit(f"includes.py: {room}/x.c with {line}: {expected} fault(s) expected")


if __name__ == "__main__":
    lint.main(faults, self_test)
