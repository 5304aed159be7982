"""From nothing: no connection, no cache. Each figure counts from the start of the first program, so ours includes
`outlookfs mount`, mbsync's its whole sync, and the bare client's its sign-in.

sshfs and rclone would take minutes for what takes the others seconds, since each file costs them round trips of
its own. They are given SAMPLE of the files, and their time is scaled; the mount and most of the listing are left out for them.
"""
import os

from .. import bare, maildir, mail, outlookfs, sftp
from ..commands import expect, grep, ls_long
from ..stage import USER

SAMPLE = 20
NARROW = 10  # Mbit/s


def grep_50(stage, turn):
    _grep(stage, turn, "cold-grep", 50)


def grep_150(stage, turn):
    _grep(stage, turn, "cold-grep-150", 150)


def _grep(stage, turn, row, rtt):
    stage.mail()
    link = stage.link("imap", rtt)
    turn.note(row, "bare", bare.fetch(stage, link.port, USER, bodies=True, wanted=stage.count))
    if turn.due(row, "outlookfs"):
        with outlookfs.Mount(stage, USER, link) as mount:
            turn.note(row, "outlookfs", mount.seconds + grep(mail.WORD, stage.marked, mount.path))
    if not stage.lacks("mbsync", "mbsync") and turn.due(row, "mbsync"):
        with maildir.Synced(stage, USER, link, stage.count) as synced:
            turn.note(row, "mbsync", synced.seconds + grep(mail.WORD, stage.marked, synced.top / "mail"))
    for name in (name for name in sftp.available(stage) if turn.due(row, name)):
        folder, marked = stage.once("sample", lambda: _sample(stage))
        with sftp.Mount(stage, name, stage.link("sftp", rtt), folder) as mount:
            turn.note(row, name, grep(mail.WORD, marked, mount.path) * stage.count / len(os.listdir(folder)))


def grep_compressed(stage, turn):
    """Over a link that is narrow beside a processor, which is what compression is for; mbsync has it, too, the bare
    client has not."""
    stage.mail()
    link = stage.link("imap", 50, NARROW)
    if turn.due("cold-grep-deflate", "bare"):
        turn.note("cold-grep-deflate", "bare", bare.fetch(stage, link.port, USER, bodies=True, wanted=stage.count))
    with outlookfs.Mount(stage, USER, link, compress="yes") as mount:
        turn.note("cold-grep-deflate", "outlookfs", mount.seconds + grep(mail.WORD, stage.marked, mount.path))
    if not stage.lacks("mbsync", "mbsync") and turn.due("cold-grep-deflate", "mbsync"):
        with maildir.Synced(stage, USER, link, stage.count, compress=True) as synced:
            turn.note("cold-grep-deflate", "mbsync",
                      synced.seconds + grep(mail.WORD, stage.marked, synced.top / "mail"))


def _sample(stage):
    """(a folder of files from all over, how many hold the word); links, so they cost nothing."""
    folder, files = stage.fresh("sample"), sorted(stage.source.iterdir())
    chosen = files[::max(1, len(files) // SAMPLE)][:SAMPLE]
    for file in chosen:
        os.link(file, folder / file.name)
    return folder, sum(mail.WORD.encode() in file.read_bytes() for file in chosen)


def ls_50(stage, turn):
    stage.mail()
    link = stage.link("imap", 50)
    turn.note("cold-ls", "bare", bare.fetch(stage, link.port, USER, wanted=stage.count))
    with outlookfs.Mount(stage, USER, link) as mount:
        turn.note("cold-ls", "outlookfs", mount.seconds + ls_long(stage.count, mount.inbox()))
        expect(len(mount.names()), stage.count, "readdir, names")
    if not stage.lacks("mbsync", "mbsync") and turn.due("cold-ls", "mbsync"):
        with maildir.Synced(stage, USER, link, stage.count) as synced:
            turn.note("cold-ls", "mbsync",
                 synced.seconds + ls_long(stage.count, synced.path / "cur", synced.path / "new"))
    for name in (name for name in sftp.available(stage) if turn.due("cold-ls", name)):
        with sftp.Mount(stage, name, stage.link("sftp", 50), stage.source) as mount:
            turn.note("cold-ls", name, mount.seconds + ls_long(stage.count, mount.path))
