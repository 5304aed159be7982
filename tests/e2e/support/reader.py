"""Run as a child: reads a tree in one way and prints what it found as JSON.

    python3 -m tests.e2e.support.reader read|mmap|pread|stat|stat-what-opens TREE [PATH...]

read, mmap, pread: {path: {"sha256", "size" (fstat while open), "error"}}; stat: {path: {"kind", "ino",
"size", "mode", "mtime", "uid", "uidvalidity", "flags", "error"}}. Paths are relative, bytes kept by
surrogateescape. A directory that cannot be listed ends it, but for stat-what-opens, which leaves it out.
"""
import hashlib
import json
import mmap
import os
import stat
import sys

ATTRIBUTES = ("uid", "uidvalidity", "flags", "mailbox")


def walk(tree, lenient=False):
    """Every path below; the error of a directory that cannot be listed goes up."""
    def fail(error):
        if not lenient:
            raise error
    for folder, directories, files in os.walk(tree, onerror=fail):
        for name in directories + files:
            yield os.path.relpath(os.path.join(folder, name), tree)


def by_read(handle):
    digest = hashlib.sha256()
    while data := os.read(handle, 100_000):
        digest.update(data)
    return digest


def by_pread(handle):
    """Backwards, in odd pieces: no reader-ahead can hide a wrong offset."""
    size, step, parts = os.fstat(handle).st_size, 7001, []
    for offset in reversed(range(0, size, step)):
        parts.append(os.pread(handle, step, offset))
    if os.pread(handle, 100, size):
        raise OSError(0, "bytes after the end")
    return hashlib.sha256(b"".join(reversed(parts)))


def by_mmap(handle):
    if os.fstat(handle).st_size == 0:
        return hashlib.sha256(b"")
    with mmap.mmap(handle, 0, access=mmap.ACCESS_READ) as view:
        return hashlib.sha256(view)


def read(way, path):
    try:
        handle = os.open(path, os.O_RDONLY)
        try:
            return {"sha256": way(handle).hexdigest(), "size": os.fstat(handle).st_size}
        finally:
            os.close(handle)
    except OSError as error:
        return {"error": error.errno}


def describe(path):
    try:
        status = os.lstat(path)
        entry = {"kind": "dir" if stat.S_ISDIR(status.st_mode) else "file", "ino": status.st_ino,
                 "size": status.st_size, "mode": stat.S_IMODE(status.st_mode), "mtime": status.st_mtime,
                 "owner": status.st_uid}
    except OSError as error:
        return {"kind": "none", "error": error.errno}
    for name in ATTRIBUTES:
        try:
            entry[name] = os.getxattr(path, "user.imap." + name).decode(errors="surrogateescape")
        except OSError as error:
            entry[name] = None if entry["kind"] == "dir" else f"errno {error.errno}"
    return entry


def main():
    how, tree, *paths = sys.argv[1:]
    result = {}
    if how.startswith("stat"):
        for path in paths or walk(tree, lenient=how != "stat"):
            result[path] = describe(os.path.join(tree, path))
    else:
        way = {"read": by_read, "mmap": by_mmap, "pread": by_pread}[how]
        for path in paths or walk(tree):
            full = os.path.join(tree, path)
            if not os.path.isdir(full):
                result[path] = read(way, full)
    json.dump(result, sys.stdout)


if __name__ == "__main__":
    main()
