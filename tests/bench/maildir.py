"""mbsync (isync), and the Maildir that it makes."""
import os
import shutil

from .commands import expect, run

RC = """FSync no

IMAPAccount a
Host localhost
Port {port}
User {user}
Pass {password}
SSLType IMAPS
CertificateFile {ca}
{compression}AuthMechs PLAIN

IMAPStore far
Account a

MaildirStore near
Path {top}/mail/
Inbox {top}/mail/INBOX
SubFolders Verbatim

Channel c
Far :far:
Near :near:
Patterns {patterns}
Create Near
Sync Pull
SyncState *
"""


class Synced:
    """A context: mail fetched by mbsync into an empty place; `.path` is the Maildir of the inbox, `.top` holds
    all of them, `.seconds` is what it took. Like the others it does without compression, but where that is what is
    measured: by itself it takes what the server offers."""

    def __init__(self, stage, user, link, wanted, patterns="*", compress=False):
        self.stage, self.wanted = stage, wanted
        self.top = stage.fresh("mbsync")
        self.path = self.top / "mail/INBOX"
        self.rc = RC.format(port=link.port, user=user, password=stage.dovecot.password, ca=stage.dovecot.ca,
                            top=self.top, patterns=patterns, compression="" if compress else "DisableExtension COMPRESS=DEFLATE\n")

    def __enter__(self):
        (self.top / "mail").mkdir()
        rc = self.top / "rc"
        rc.touch(0o600)
        rc.write_text(self.rc)
        self.seconds, _ = run(["mbsync", "-q", "-c", rc, "-a"])
        found = sum(len(os.listdir(self.path / part)) for part in ("cur", "new"))
        expect(found, self.wanted, "mbsync, messages")
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.top, ignore_errors=True)


def plain(stage):
    """A Maildir with the mail of stage.source, as mbsync would leave it, line ends included."""
    folder = stage.fresh("maildir") / "INBOX"
    for part in ("cur", "new", "tmp"):
        (folder / part).mkdir(parents=True)
    for index, file in enumerate(sorted(stage.source.iterdir())):
        (folder / "cur" / f"1600000000.{index}_1.bench,U={index + 1}:2,S").write_bytes(
            file.read_bytes().replace(b"\r\n", b"\n"))
    return folder
