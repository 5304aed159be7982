"""Sections 3 and 5 of OUTLOOK.md: fetching, searching, throttling, and a network that misbehaves."""
import re
import socket
import threading
import time

import pytest

from tests.e2e.support.servers import connect

from .conftest import USER

pytestmark = pytest.mark.timeout(60)
SIZES = b"UID FETCH 1:* (UID RFC822.SIZE)"


def fetch_body(client, uid, item=b"BODY.PEEK[]"):
    """The literal of one message (None when none came) and the tagged line."""
    client.send(b"b UID FETCH %d (%s)\r\n" % (uid, item))
    first = client.line()
    if first.startswith(b"b "):
        return None, first[2:]
    size = int(re.search(rb"\{(\d+)\}$", first)[1])
    body = client.file.read(size)
    assert client.line().endswith(b")")
    return body, client.line()[2:]


@pytest.mark.parametrize("skew, right", [("+100", lambda n: n + 100), ("-50", lambda n: n - 50),
                                         ("x1.5", lambda n: int(n * 1.5)), ("-999999", lambda n: 0)])
def test_size_skew(service, raw, filled, skew, right):
    service.set(size_skew=skew)
    lines, tagged = raw(selected=True).command(SIZES)
    sizes = {int(uid): int(size) for size, uid in (re.search(rb"SIZE (\d+) UID (\d+)", li).groups() for li in lines)}
    assert sizes == {uid: right(len(body)) for uid, body in filled.items()} and tagged == b"OK FETCH completed."


def test_item_order(service, raw, filled):
    client = raw(selected=True)
    assert client.command(b"UID FETCH 1 (UID RFC822.SIZE)")[0][0].endswith(b" UID 1)")
    service.set(item_order="server")
    assert client.command(b"UID FETCH 1 (UID RFC822.SIZE)")[0][0].startswith(b"* 1 FETCH (UID 1")
    service.set(item_order="shuffled")
    seen = {client.command(b"UID FETCH 1 (UID RFC822.SIZE FLAGS)")[0][0][:20] for _ in range(60)}
    assert len(seen) > 1


def test_bodies_come_whole(raw, filled):
    client = raw(selected=True)
    for uid, body in filled.items():
        assert fetch_body(client, uid) == (body, b"OK FETCH completed.")


@pytest.mark.parametrize("uids", [{3}, "INBOX:3", ["Inbox:3"]])
def test_peek_empty_and_placeholder(service, raw, filled, uids):
    service.set(peek_empty=uids)
    client = raw(selected=True)
    assert fetch_body(client, 3) == (None, b"OK FETCH completed.")
    assert b"Retrieval using the IMAP4 protocol failed for the following message: 3" in fetch_body(
        client, 3, b"BODY[]")[0]
    assert fetch_body(client, 4)[0] == filled[4]
    service.set(peek_empty="off", placeholder=uids)
    assert fetch_body(client, 3)[0].startswith(b"From: Microsoft Exchange Server")
    assert fetch_body(client, 4)[0] == filled[4]
    service.set(placeholder="Sent:3")
    assert fetch_body(client, 3)[0] == filled[3]


def test_unavailable(service, raw, filled):
    client = raw(selected=True)
    service.set(unavailable_no="4*1")
    lines, tagged = client.command(SIZES)
    assert len(lines) == 4 and tagged == b"NO Server Unavailable. 15"
    service.set(unavailable_bare="4*1")
    client.send(b"c " + SIZES + b"\r\n")
    assert [client.line() for _ in range(5)][4] == b"Server Unavailable. 15"
    lines, tagged = client.command(SIZES)
    assert len(lines) == 10 and tagged == b"OK FETCH completed."


def test_whole_on_partial(service, raw, filled):
    client = raw(selected=True)
    assert fetch_body(client, 9, b"BODY.PEEK[]<10.20>")[0] == filled[9][10:30]
    service.set(whole_on_partial="on")
    assert fetch_body(client, 9, b"BODY.PEEK[]<10.20>")[0] == filled[9]


def test_bodystructure(service, raw, filled):
    client = raw(selected=True)
    assert b'"plain"' in client.command(b"UID FETCH 1 (BODYSTRUCTURE)")[0][0]
    service.set(bad_bodystructure="on")
    assert b'BODYSTRUCTURE (NIL NIL ("charset" "utf-8") NIL NIL "7bit" -1' in client.command(
        b"UID FETCH 1 (BODYSTRUCTURE)")[0][0]


def test_items_sets_and_lines(service, raw, filled):
    client = raw(selected=True)
    assert client.command(b"UID FETCH 1 (X-GM-MSGID)")[1] == b"BAD Command Argument Error. 11"
    assert client.command(b"UID FETCH 1;2 (FLAGS)")[1] == b"BAD The specified message set is invalid."
    items = b"(UID ENVELOPE INTERNALDATE BODY.PEEK[HEADER.FIELDS (FROM SUBJECT)])"
    assert client.command(b"UID FETCH 1 " + items)[1] == b"OK FETCH completed."
    long = b"UID FETCH " + b",".join(b"%d" % n for n in range(1, 1200)) + b" (FLAGS)"
    assert client.command(long)[1] == b"BAD Command Error. 12"
    service.set(line_limit="100000")
    assert client.command(long)[1] == b"OK FETCH completed."


def test_search(service, raw, filled):
    client = raw(selected=True)
    assert client.command(b"UID SEARCH CHARSET UTF-8 TEXT {1+}\r\nx")[1].startswith(b"NO [BADCHARSET (US-ASCII)]")
    assert client.command(b"UID SEARCH (FROM a OR SEEN UNSEEN)")[1] == b"BAD Command Argument Error. 11"
    service.set(badcharset="off", search_groups="on")
    assert client.command(b"UID SEARCH CHARSET UTF-8 SUBJECT number")[1] == b"OK SEARCH completed."
    assert client.command(b"UID SEARCH (FROM a UNSEEN)")[1] == b"OK SEARCH completed."


def test_search_for_text_is_wrong(service, raw, filled):
    client = raw(selected=True)
    right = client.command(b'UID SEARCH TEXT "number"')[0][0]
    service.set(search_extra="4711", search_missing="1")
    wrong = client.command(b'UID SEARCH UNSEEN TEXT "number"')[0][0].split()
    assert b" 1" in right and b"4711" in wrong and b"1" not in wrong
    assert client.command(b"UID SEARCH ALL")[0][0] == right
    assert b"4711" not in client.command(b'UID SEARCH LARGER 1')[0][0]


@pytest.mark.parametrize("value, tagged, bye", [
    ("BAD:92415@NOOP*2", b"BAD", False), ("NO:92415@NOOP*2", b"NO", False), ("BAD+BYE:92415@NOOP*1", b"BAD", True)])
def test_throttle(service, raw, value, tagged, bye):
    service.set(throttle=value)
    client = raw()
    right = tagged + b" Request is throttled. Suggested Backoff Time: 92415 milliseconds"
    assert client.command(b"NOOP")[1] == right
    if bye:
        assert client.line() == b"* BYE Connection closed. 14" and client.line() == b""
        client = raw()
    else:
        assert client.command(b"NAMESPACE")[1] == b"OK NAMESPACE completed."
        assert client.command(b"NOOP")[1] == right
    assert client.command(b"NOOP")[1] == b"OK NOOP completed."


def test_throttle_of_the_kth_command(service, raw):
    service.set(throttle="NO:1@#3")
    client = raw()
    assert client.command(b"NOOP")[1] == b"OK NOOP completed."
    assert client.command(b"NOOP")[1].startswith(b"NO Request is throttled")


def test_cut(service, raw, filled):
    service.set(cut_at="70*1")
    client = raw(False)
    assert len(client.greeting) == 70 and client.line() == b""
    service.set(cut_at="300@BODY*1")
    client = raw(selected=True)
    client.send(b"a UID FETCH 10 (BODY.PEEK[])\r\n")
    assert len(read_all(client)) == 300
    assert fetch_body(raw(selected=True), 10)[0] == filled[10]


def read_all(client):
    data = b""
    try:
        while more := client.file.read1(65536):
            data += more
    except OSError:
        pass
    return data


def test_silence(service, raw, filled):
    service.set(silence="300@BODY*1")
    client = raw(selected=True)
    client.send(b"a UID FETCH 10 (BODY.PEEK[])\r\n")
    assert len(client.file.read(300)) == 300
    client.socket.settimeout(0.3)
    client.send(b"b NOOP\r\n")
    with pytest.raises(socket.timeout):
        client.file.read(1)
    assert fetch_body(raw(selected=True), 10)[0] == filled[10]


def test_dribble(service, raw):
    service.set(dribble="1@NOOP")
    client = raw()
    begin = time.monotonic()
    client.command(b"NOOP")
    assert time.monotonic() - begin > 0.02
    assert client.socket.gettimeout()


def test_idle(service, raw, dovecot, filled):
    service.set(exists_before_plus="on")
    client = raw()
    client.command(b"EXAMINE Sent")
    client.send(b"i IDLE\r\n")
    assert client.line() == b"* 0 EXISTS"
    assert client.line() == b"+ IDLE accepted, awaiting DONE command."
    other = connect(dovecot, USER)
    other.append("Sent", None, None, b"Subject: new\r\n\r\nx\r\n")
    assert client.line() == b"* 1 EXISTS"
    client.send(b"DONE\r\n")
    assert client.until(b"i")[1] == b"OK IDLE completed."
    service.set(idle_silent="on", exists_before_plus="off")
    client.send(b"i IDLE\r\n")
    assert client.line() == b"+ IDLE accepted, awaiting DONE command."
    done = threading.Timer(0.2, lambda: client.send(b"DONE\r\n"))
    other.append("Sent", None, None, b"Subject: new\r\n\r\nx\r\n")
    done.start()
    assert client.until(b"i") == ([], b"OK IDLE completed.")
    other.select("Sent")
    other.store("1:*", "+FLAGS", "\\Deleted")
    other.expunge()
    other.logout()


def test_pipelining(raw, filled):
    client = raw(selected=True)
    client.send(b"p1 NOOP\r\np2 UID FETCH 1 (UID)\r\np3 NOOP\r\n")
    assert client.until(b"p3")[0] == [b"p1 OK NOOP completed.", b"* 1 FETCH (UID 1)", b"p2 OK FETCH completed."]


def test_append_with_a_waiting_literal(raw):
    client = raw()
    client.send(b"a APPEND Drafts (\\Seen) {15}\r\n")
    assert client.line() == b"+ Ready for additional command text."
    client.send(b"Subject: x\r\n\r\ny\r\n")
    assert client.until(b"a")[1].startswith(b"OK [APPENDUID ")
