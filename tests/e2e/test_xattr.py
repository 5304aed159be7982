"""Extended attributes as CONTRACT.md section 2 lists them; none of them touches the network."""
import errno
import json

import pytest

from .support import sample

MESSAGE = {"user.imap.uid", "user.imap.uidvalidity", "user.imap.mailbox", "user.imap.flags", "user.mail.subject",
           "user.mail.from", "user.mail.to", "user.mail.date", "user.mail.message-id"}
DIRECTORY = {"user.imap.mailbox", "user.imap.uidvalidity", "user.imap.messages", "user.imap.unseen",
             "user.imap.subscribed"}


def attributes(mount, path):
    script = ("import os, sys, json; p = sys.argv[1]\n"
              "print(json.dumps({n: os.getxattr(p, n).decode() for n in os.listxattr(p)}))")
    answer = mount.run("/usr/bin/python3", "-c", script, path)
    assert answer.returncode == 0, answer.stderr
    return json.loads(answer.stdout)


def error_of(mount, call):
    """The errno of an os call in a child whose directory is the mount."""
    answer = mount.run("/usr/bin/python3", "-c",
                       f"import os, sys\ntry:\n    {call}\nexcept OSError as e:\n    sys.exit(e.errno)\n", ".",
                       cwd=mount.path)
    return answer.returncode


@pytest.fixture
def one(load):
    load([("INBOX", sample.START, ("\\Seen", "\\Flagged"),
           sample.message(1, sender="=?utf-8?Q?J=C3=BCrgen?= <j@example.org>", subject="=?utf-8?Q?Gr=C3=BC=C3=9Fe?=")),
          ("INBOX", sample.START, (), sample.message(2))])


def test_message(one, mounted, options, truth):
    held = truth()["Inbox"]
    with mounted(options) as mount:
        files = mount.files()
        got = attributes(mount, files["Inbox", 1])
        assert set(got) == MESSAGE
        assert got["user.imap.uid"] == "1" and got["user.imap.mailbox"].lower() == "inbox"
        assert got["user.imap.uidvalidity"].isdigit()
        assert set(got["user.imap.flags"].split()) == held[1].flags == {"\\Seen", "\\Flagged"}
        assert got["user.mail.subject"] == "Grüße" and "Jürgen" in got["user.mail.from"]
        assert "joe@example.org" in got["user.mail.to"] and "1@example.org" in got["user.mail.message-id"]
        assert attributes(mount, files["Inbox", 2])["user.imap.flags"] == ""


def test_directory(one, mounted, options):
    with mounted(options) as mount:
        mount.run("ls", "Inbox", cwd=mount.path)
        got = attributes(mount, "Inbox")
        assert DIRECTORY <= set(got)
        assert got["user.imap.messages"] == "2" and got["user.imap.unseen"] == "1"
        assert attributes(mount, "Drafts")["user.imap.role"].lower().strip("\\") == "drafts"


def test_what_is_not_there(one, mounted, options):
    with mounted(options) as mount:
        path = mount.files()["Inbox", 1]
        for name, right in (("user.nosuch", errno.ENODATA), ("system.posix_acl_access", errno.EOPNOTSUPP),
                            ("security.selinux", errno.EOPNOTSUPP), ("trusted.x", errno.EOPNOTSUPP)):
            assert error_of(mount, f"os.getxattr({path!r}, {name!r})") == right, name


def test_no_network_for_attributes(one, mounted, outlook, outlook_options):
    with mounted(outlook_options) as mount:
        path = mount.files()["Inbox", 1]
        outlook.down()
        assert attributes(mount, path)["user.mail.subject"] == "Grüße"
