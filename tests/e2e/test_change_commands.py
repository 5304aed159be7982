"""Each command of the service's published list has a use: what sends it, seen on the wire (docs/commands.md)."""
import pytest

from .support import sample
from .test_change_rows import three

FSYNC = "f = os.open('Archive', os.O_RDONLY | os.O_DIRECTORY)\nos.fsync(f)\nos.close(f)"
# what is done in the mount (Python after `!`): the commands that it sends
OPERATIONS = [
    ("cat Inbox/*.eml > /dev/null", {"UID FETCH"}),
    ('cp "$1" Archive/in.eml', {"APPEND"}),
    ("cp Archive/in.eml Drafts/copy.eml", {"UID COPY"}),
    ("mv Archive/in.eml Drafts/", {"UID MOVE"}),
    ("rm Drafts/in.eml; rm Deleted/in.eml", {"UID MOVE", "UID STORE", "UID EXPUNGE"}),
    ("setfattr -n user.imap.flags -v '+\\Seen' Drafts/copy.eml", {"SELECT", "UID STORE"}),
    ("mkdir New", {"CREATE", "SUBSCRIBE"}),
    ("mv New Newer", {"RENAME"}),
    ("setfattr -n user.imap.subscribed -v 0 Newer", {"UNSUBSCRIBE"}),
    ("rmdir Newer", {"DELETE"}),
]


def test_what_is_sent(desk, outlook):
    with desk(three(), way="outlook") as d:
        assert {"AUTHENTICATE", "CAPABILITY", "NAMESPACE", "LIST"} <= verbs(d)
        d.do("ls Inbox")
        assert "EXAMINE" in verbs(d)
        for script, wanted in OPERATIONS:
            d.forget()
            d.do(script, d.mail(7))
            assert wanted <= verbs(d), (script, verbs(d))
        d.forget()
        assert d.fails(FSYNC) == "0" and d.sync().returncode == 0
        assert {"NOOP", "CHECK"} & verbs(d)
        outlook.transcript.clear()
    assert "LOGOUT" in outlook.transcript.lines()


def verbs(d):
    return {entry.verb for entry in d.outlook.transcript.entries()}


@pytest.mark.parametrize("verb", ["NOOP", "CHECK"])
def test_noop_and_check(desk, outlook, verb):
    """NOOP where no mailbox is selected or for all of them, CHECK in the one that was changed."""
    with desk(three(), way="outlook") as d:
        d.do('mv "$1" Archive/', d.path("INBOX", 2))
        d.forget()
        assert d.fails(FSYNC.replace("Archive", "Inbox")) == "0" and d.sync().returncode == 0
        assert verb in verbs(d)


def test_expunge_without_uidplus(desk, outlook):
    with desk(sample.few(2, "Deleted"), way="without UIDPLUS") as d:
        d.do('rm "$1"', d.path("Deleted", 1))
        assert "EXPUNGE" in verbs(d) and d.numbers("Deleted") == [2]


def test_close_without_unselect(desk, outlook):
    """After EXAMINE alone, where it can expunge nothing."""
    with desk(three(), way="outlook", switches={"without": "UNSELECT"}) as d:
        d.there.store("INBOX", d.one("INBOX", 1).uid, "\\Deleted", "+FLAGS")
        d.do("cat Inbox/*.eml > /dev/null; ls Archive Drafts; mkdir New; rmdir New; ls Sent Junk")
        d.do('mv "$1" Archive/; rm Archive/*.eml', d.path("INBOX", 2))
        selected, opened_by = {}, {"SELECT", "EXAMINE"}
        for entry in outlook.transcript.entries():
            if entry.verb in opened_by:
                selected[entry.connection] = entry.verb
            elif entry.verb == "CLOSE":
                assert selected[entry.connection] == "EXAMINE", "it would expunge what others have marked"
        assert d.numbers("INBOX") == [1, 3]


def test_lsub(desk, outlook):
    with desk(three() + sample.few(1, "Quiet"), way="outlook", subscribed=True) as d:
        assert "LSUB" in verbs(d) and "Archive" in d.ls(".")
        d.do("setfattr -n user.imap.subscribed -v 0 Quiet; mkdir New")
        assert "New" in d.ls(".")
        d.do("rmdir New; ls; ls -R > /dev/null")
        assert "New" not in d.ls("."), "a subscription outlived its mailbox"


def test_login(desk, outlook, dovecot_options):
    """For auth=password where SASL PLAIN is not offered."""
    password = {name: dovecot_options[name] for name in ("auth", "password_command")}
    with desk(three(), way="outlook", switches={"caps": "old", "without": "AUTH=PLAIN", "basic_disabled": "off"},
              token_command=None, **password) as d:
        assert "LOGIN" in verbs(d)
        d.do('cp Inbox/*.eml Archive/')
        assert d.numbers("Archive") == [1, 2, 3]
