"""How long a person looks at an empty screen: `ls -U` of a mailbox of many, from an empty cache. The mount, and
for mbsync the whole sync, come before the first name; the others' mounts are not counted, nor is ours."""
import os

from .. import maildir, outlookfs, sftp
from ..commands import Broken, first_line
from ..stage import MANY

ROW = "first-name"


def measure(stage, turn):
    stage.many()
    link = stage.link("imap", 50)
    with outlookfs.Mount(stage, MANY, link) as mount:
        turn.note(ROW, "outlookfs", _first(mount.inbox()))
    if not stage.lacks("mbsync", "mbsync") and turn.due(ROW, "mbsync"):
        with maildir.Synced(stage, MANY, link, stage.options.many + stage.more[MANY], "INBOX") as synced:
            turn.note(ROW, "mbsync", synced.seconds + _first(synced.path / "new", synced.path / "cur"))
    for name in (name for name in sftp.available(stage) if turn.due(ROW, name)):
        folder = stage.once("many files", lambda: _files(stage))
        with sftp.Mount(stage, name, stage.link("sftp", 50), folder) as mount:
            turn.note(ROW, name, _first(mount.path))


def _first(*folders):
    seconds, name = first_line(["ls", "-1U", *folders])
    if not name or "cannot" in name:
        raise Broken(f"ls -U {folders[0]}: {name!r}")
    return seconds


def _files(stage):
    folder = stage.fresh("many")
    for n in range(stage.options.many):
        os.close(os.open(folder / f"2020-01-01_000000_About-the-matter-number-{n}.eml", os.O_CREAT | os.O_WRONLY, 0o600))
    return folder
