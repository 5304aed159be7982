"""Section 1 of OUTLOOK.md: greeting, capabilities, sign-in, sessions."""
import base64
import time

import pytest

from .conftest import TOKEN, USER

pytestmark = pytest.mark.timeout(60)


def test_greetings(service, raw):
    assert raw(False).greeting.startswith(b"* OK The Microsoft Exchange IMAP4 service is ready. [")
    service.set(greeting="2026")
    assert b"Microsoft Exchange IMAP4 service ready." in raw(False).greeting


@pytest.mark.parametrize("caps, before, not_before", [
    ("new", {"LOGINDISABLED", "MOVE", "SASL-IR"}, {"AUTH=PLAIN", "ENABLE"}),
    ("old", {"AUTH=PLAIN"}, {"LOGINDISABLED", "MOVE"}),
    ("rollout", {"ENABLE", "IMAP4rev2"}, {"CONDSTORE"})])
def test_capabilities(service, raw, caps, before, not_before):
    service.set(caps=caps)
    lines, tagged = raw(False).command(b"CAPABILITY")
    words = set(lines[0].decode().split())
    assert before <= words and not (not_before & words) and tagged == b"OK CAPABILITY completed."
    words = set(raw().command(b"CAPABILITY")[0][0].decode().split())
    assert "AUTH=PLAIN" in words and not ({"CONDSTORE", "QRESYNC", "ESEARCH", "SPECIAL-USE", "BINARY"} & words)


def test_what_is_never_advertised_is_refused(raw):
    client = raw(selected=True)
    for text in (b"ENABLE CONDSTORE", b"COMPRESS DEFLATE", b"GETQUOTAROOT INBOX", b"SORT (DATE) UTF-8 ALL", b"XYZZY"):
        assert client.command(text)[1] == b"BAD Command Error. 12", text
    for text in (b"EXAMINE Inbox (CONDSTORE)", b"FETCH 1 (MODSEQ)", b"UID FETCH 1:* (FLAGS) (CHANGEDSINCE 1)",
                 b'LIST "" "*" RETURN (STATUS (MESSAGES))', b"STATUS Inbox (HIGHESTMODSEQ)"):
        assert client.command(text)[1] == b"BAD Command Argument Error. 11", text


def test_sasl_ir(service, raw):
    service.set(saslir="off")
    client = raw(False)
    assert b"SASL-IR" not in client.command(b"CAPABILITY")[0][0]
    assert client.sign_in()[1] == b"BAD Command Argument Error. 11"
    client.send(b"a AUTHENTICATE XOAUTH2\r\n")
    assert client.line() == b"+ "[:1] + b" "
    client.send(base64.b64encode(f"user={USER}\1auth=Bearer {TOKEN}\1\1".encode()) + b"\r\n")
    assert client.line() == b"a OK AUTHENTICATE completed."


def test_refused_tokens(service, raw):
    client = raw(False)
    assert client.sign_in(token="wrong")[1] == b"NO AUTHENTICATE failed."
    service.set(json_challenge="on")
    client.send(b"a AUTHENTICATE XOAUTH2 " + base64.b64encode(b"user=x\1auth=Bearer y\1\1") + b"\r\n")
    assert b'"status"' in base64.b64decode(client.line()[2:])
    client.send(b"\r\n")
    assert client.line() == b"a NO AUTHENTICATE failed."


def test_basic_disabled(service, raw):
    lines, tagged = raw(False).command(b"LOGIN %s correct-horse" % USER.encode())
    assert tagged == b"NO Basic authentication is disabled."
    client = raw(False)
    client.send(b"a LOGIN x y\r\n")
    assert client.line() == b"a NO Basic authentication is disabled."
    assert client.line().startswith(b"* BYE Microsoft Exchange Server IMAP4 server signing off.")
    assert client.line() == b""
    service.set(basic_disabled="off")
    client = raw(False)
    assert client.command(b"LOGIN %s wrong" % USER.encode())[1] == b"NO LOGIN failed."
    assert client.command(b"LOGIN %s correct-horse" % USER.encode())[1] == b"OK LOGIN completed."


@pytest.mark.parametrize("how", ["switch", "other user", "cap"])
def test_authenticated_but_not_connected(service, raw, how):
    client = raw(False)
    if how == "switch":
        service.set(auth_ok_not_connected="on")
    elif how == "other user":
        service.tokens.add("other", "jane@example.org")
    else:
        service.set(connection_cap=1)
        raw()
    token = "other" if how == "other user" else TOKEN
    assert client.sign_in(token=token)[1] == b"OK AUTHENTICATE completed."
    assert client.command(b"NAMESPACE") == ([], b"BAD User is authenticated but not connected.")
    assert client.command(b"NOOP")[1] == b"BAD User is authenticated but not connected."
    assert client.line() == b"* BYE Connection closed. 14" and client.line() == b""


def test_token_expiry(service, raw):
    client = raw()
    assert client.command(b"NOOP")[1].startswith(b"OK")
    service.tokens.expire(TOKEN)
    assert client.command(b"NOOP") == ([b"* BYE Session invalidated - AccessTokenExpired"], b"")
    assert raw(False).sign_in()[1] == b"NO AUTHENTICATE failed."
    service.tokens.add(TOKEN, USER)
    service.set(token_expiry="2*1")
    client = raw()
    assert client.command(b"NOOP")[1] and client.command(b"NOOP")[1]
    assert client.command(b"NOOP") == ([b"* BYE Session invalidated - AccessTokenExpired"], b"")
    client = raw()
    assert all(client.command(b"NOOP")[1] for _ in range(5))


def test_ten_errors(service, raw):
    client = raw()
    for _ in range(9):
        assert client.command(b"XYZZY")[1] == b"BAD Command Error. 12"
    assert client.command(b"NOOP")[1].startswith(b"OK")
    for _ in range(10):
        assert client.command(b"XYZZY")[1] == b"BAD Command Error. 12"
    assert client.line() == b"* BYE Connection closed. 14" and client.line() == b""


def test_timeouts(service, raw):
    service.set(preauth_timeout="0.1")
    client = raw(False)
    assert client.line() == b"* BYE Connection closed. 14"
    service.set(preauth_timeout="60", idle_timeout="0.1")
    assert raw().line() == b"* BYE Connection closed. 14"


def test_states_logout_and_transcript(service, raw):
    client = raw(False)
    assert client.command(b"SELECT Inbox")[1] == b"BAD Command received in Invalid state."
    client.sign_in()
    assert client.command(b"UID FETCH 1 FLAGS")[1] == b"BAD Command received in Invalid state."
    assert client.command(b"NAMESPACE")[0] == [b'* NAMESPACE (("" "/")) NIL NIL']
    assert client.command(b"LOGOUT") == (
        [b"* BYE Microsoft Exchange Server IMAP4 server signing off."], b"OK LOGOUT completed.")
    assert service.transcript.lines() == ["SELECT Inbox", "AUTHENTICATE XOAUTH2 ***", "UID FETCH 1 FLAGS",
                                          "NAMESPACE", "LOGOUT"]
    assert TOKEN not in repr(service.transcript.entries())


def test_down_and_up(service, raw):
    client = raw()
    service.down()
    assert client.line() == b"" or True
    with pytest.raises(OSError):
        raw(False)
    service.up()
    assert raw().command(b"NOOP")[1] == b"OK NOOP completed."
    deadline = time.monotonic() + 5
    while service.connections() != 1 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert service.connections() == 1
