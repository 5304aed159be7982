"""Section 2 of OUTLOOK.md: LIST, SELECT, STORE."""
import pytest

from tests.outlook.switches import ODD_NAMES

from .conftest import USER

pytestmark = pytest.mark.timeout(60)


def test_list_of_a_personal_account(raw):
    lines, tagged = raw().command(b'LIST "" "*"')
    assert set(lines) >= {
        b'* LIST (\\HasNoChildren) "/" Archive', b'* LIST (\\Marked \\HasNoChildren \\Trash) "/" Deleted',
        b'* LIST (\\Marked \\HasNoChildren \\Drafts) "/" Drafts', b'* LIST (\\Marked \\HasNoChildren \\Junk) "/" Junk',
        b'* LIST (\\HasNoChildren) "/" Notes', b'* LIST (\\HasNoChildren) "/" Outbox',
        b'* LIST (\\Marked \\HasNoChildren \\Sent) "/" Sent'}
    assert any(line.endswith(b'"/" Inbox') for line in lines) and tagged == b"OK LIST completed."


@pytest.mark.parametrize("kind", list(ODD_NAMES))
def test_odd_names(service, raw, filled, kind):
    service.set(odd_names=kind)
    client = raw()
    lines = client.command(b'LIST "" "*"')[0]
    for name in ODD_NAMES[kind]:
        assert b'* LIST (\\HasNoChildren) "/" ' + name in lines
    if kind == "tab":
        assert client.command(b'EXAMINE "My\tFolder"')[1] == b"BAD Command Argument Error. 11"
    elif kind == "quote":
        assert client.command(b'LIST "" "say \\"hi\\""')[1] == b"BAD Command Argument Error. 12"
    elif kind == "long":
        assert client.command(b"EXAMINE " + ODD_NAMES[kind][0])[1] == b"OK [READ-ONLY] EXAMINE completed."


def test_select_and_examine(service, raw, filled):
    client = raw()
    flags = rb"\Seen \Answered \Flagged \Deleted \Draft $MDNSent"
    lines, tagged = client.command(b"SELECT Inbox")
    assert b"* FLAGS (" + flags + b")" in lines and b"* 10 EXISTS" in lines and b"* 0 RECENT" in lines
    assert any(line.startswith(b"* OK [PERMANENTFLAGS (" + flags + b")]") for line in lines)
    assert not any(b"MODSEQ" in line for line in lines) and tagged == b"OK [READ-WRITE] SELECT completed."
    lines, tagged = client.command(b"EXAMINE Inbox")
    assert any(line.startswith(b"* OK [PERMANENTFLAGS ()]") for line in lines)
    assert tagged == b"OK [READ-ONLY] EXAMINE completed."
    assert client.command(b"EXAMINE Nowhere")[1] == b"NO Nowhere doesn't exist."
    assert client.command(b"CREATE Files")[1] == b"NO Folder name is reserved"
    assert client.command(b"CREATE archive")[1] == b"NO Mailbox already exists."


def test_one_uidvalidity_for_all(service, raw):
    service.set(uidvalidity=14)
    client = raw()
    for mailbox in (b"Inbox", b"Sent", b"Drafts"):
        assert any(b"[UIDVALIDITY 14]" in line for line in client.command(b"EXAMINE " + mailbox)[0])
        assert client.command(b"STATUS " + mailbox + b" (UIDVALIDITY)")[0] == [
            b"* STATUS " + mailbox + b" (UIDVALIDITY 14)"]
    client.send(b"a APPEND Drafts {15+}\r\nSubject: x\r\n\r\ny\r\n")
    _, tagged = client.until(b"a")
    assert tagged.startswith(b"OK [APPENDUID 14 ")


def test_keywords(service, raw, filled):
    client = raw(selected=True)
    assert client.command(b"UID STORE 1 +FLAGS ($Forwarded)")[1] == b"BAD Command Argument Error. 11"
    assert client.command(b"UID STORE 1 +FLAGS.SILENT (\\Flagged)")[1] == b"OK STORE completed."
    assert client.command(b"UID STORE 1 -FLAGS (\\Flagged)")[1] == b"OK STORE completed."
    assert client.command(b"UID STORE 999 -FLAGS (\\Flagged)") == ([], b"OK STORE completed.")


def test_sequence_numbers(service, raw, filled):
    service.set(seq_confusion=3)
    lines, _ = raw(selected=True).command(b"UID FETCH 2 (UID)")
    assert lines == [b"* 5 FETCH (UID 2)"]
    assert USER
