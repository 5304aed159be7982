"""What APPEND does to a message: other bytes, the same mail. mime.py by itself, then through APPEND."""
import base64
import email
import email.policy
import random

import pytest

from tests.data import hard

from . import mime
from .names import fold, resolve
from .policy import _APPEND
from .wire import arguments, replace_argument, uid_set
from .write import _with_mdnsent

HEAD = b"From: a@example.org\r\nMessage-ID: <1@x>\r\nSubject: =?utf-8?q?gr=C3=BCn?=\r\nMIME-Version: 1.0\r\n"
TEXT = b"plain = text,\r\ntrailing \r\n.\r\nFrom here\r\n" + b"long " * 60 + b"\r\n\xe4\xf6\r\nbare\nand\rend"
ENCODED = base64.encodebytes(bytes(range(256)) * 3).replace(b"\n", b"\r\n")
NESTED = (HEAD + b'Content-Type: multipart/mixed;\r\n boundary="a b"\r\n\r\npreamble\r\n--a b\r\n\r\nbare\r\n--a b\r\n'
          b"Content-Type: multipart/alternative; boundary=in\r\n\r\n--in\r\nContent-Type: text/html\r\n"
          b"Content-Transfer-Encoding: 8bit\r\n\r\n<p>\xc3\xa4 =\r\n--in--\r\n--a b\r\n"
          b"Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: BASE64\r\n\r\n" + ENCODED
          + b"--a b--\r\nepilogue\r\n")


def decoded(data):
    """Every part's type and decoded content, in order."""
    parts = email.message_from_bytes(data, policy=email.policy.compat32).walk()
    return [(p.get_content_type(), p.get_payload(decode=True)) for p in parts if not p.is_multipart()]


def crlf(data):
    return data.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


@pytest.mark.parametrize("data", [HEAD + b"\r\n" + TEXT, NESTED, HEAD + b"\r\n", HEAD[:-2], b"\r\nno header\r\n"],
                         ids=["text", "nested", "empty", "no body", "no header"])
def test_other_bytes_same_mail(data):
    stored = mime.rewrite(data)
    assert stored != data and b"X-MS-Has-Attach:" in stored
    assert decoded(stored) == decoded(crlf(data))
    old, new = email.message_from_bytes(data), email.message_from_bytes(stored)
    for name in ("From", "Message-ID", "Subject", "Content-Type"):
        assert new.get_all(name) == old.get_all(name)


def test_what_changes():
    stored = mime.rewrite(HEAD + b"\r\n" + TEXT)
    assert b"quoted-printable" in stored and max(map(len, stored.split(b"\r\n"))) <= 76
    stored = mime.rewrite(NESTED)
    assert ENCODED not in stored and stored.count(b"quoted-printable") == 2 and b"preamble\r\n--a b\r\n" in stored
    assert stored.endswith(b"--a b--\r\nepilogue\r\n")


def test_message_id():
    first, second = mime.rewrite(NESTED, True), mime.rewrite(NESTED, True)
    ids = {email.message_from_bytes(data)["Message-ID"] for data in (first, second)}
    assert len(ids) == 2 and b"<1@x>" not in first + second and decoded(first) == decoded(NESTED)


def test_text_survives_whatever_it_is():
    chance = random.Random(1)
    for _ in range(300):
        text = bytes(chance.choice(b"\r\n\r\n =.\tab\xff\0-") for _ in range(chance.randrange(120)))
        assert decoded(mime.rewrite(HEAD + b"\r\n" + text)) == [("text/plain", crlf(text))]


def test_broken_mime_is_no_error():
    for data in (b"", b"x", b": y\r\n\r\n", NESTED[:-60], NESTED.replace(b"--in", b"--out"), HEAD + b"\r\n" + NESTED,
                 b"Content-Type: multipart/mixed; boundary=\r\n\r\n--\r\n",
                 b"Content-Transfer-Encoding: base64\r\n\r\n!!!\r\n"):
        stored = mime.rewrite(data)
        assert len(stored) > len(data) and len(mime.rewrite(data, True)) > len(data)


@pytest.mark.parametrize("item", hard.HARD, ids=lambda item: item.name)
def test_hard_mail_stays_the_same_mail(item):
    stored = mime.rewrite(item.data)
    assert stored != item.data
    # what has no header that can be read is kept as it is, whatever another parser makes of it
    assert decoded(stored) == decoded(crlf(item.data)) or stored.endswith(crlf(item.data))


@pytest.mark.parametrize("how, same_id", [("on", True), ("new_id", False), ("off", True)])
def test_append(service, raw, user, elsewhere, how, same_id):
    service.set(append_rewrite=how, mdnsent="off")
    client = raw(user=user)
    assert client.append(b"Sent", NESTED)[1].startswith(b"OK [APPENDUID")
    assert client.append(b"Sent", HEAD + b"\r\nhello\r\n")[1].startswith(b"OK [APPENDUID")
    stored = [data for _, _, data in elsewhere.messages("Sent").values()]
    for sent, held in zip((NESTED, HEAD + b"\r\nhello\r\n"), stored):
        assert (held == sent) == (how == "off") and (b"<1@x>" in held) == same_id
        assert decoded(held) == decoded(sent)


# --- the small tools of writing ---

def test_names():
    known = [b"INBOX", b"Work/A", b"Work", b"&AMk-", b"a&-b", b"x,y"]
    assert fold(b"&AMk-") == fold(b"&AOk-") == "\xe9" and fold(b"A&-B") == "a&b" and fold(b"&AA") == "&aa"
    for name, real in ((b"inbox", b"INBOX"), (b"work/a", b"Work/A"), (b"WORK/new/b", b"Work/new/b"), (b"new", b"new"),
                       (b"&AOk-/B", b"&AMk-/B"), (b"A&-b", b"a&-b"), (b"x/y", b"x/y"), (b"X,Y", b"x,y")):
        assert resolve(known, name) == real


def test_arguments_replaced():
    assert replace_argument([b"1:2 Sent"], 1, b'a "b\\') == [b'1:2 "a \\"b\\\\"']
    assert replace_argument([b"{4}", b"Sent", b" (\\Seen) {2+}", b"xy", b""], 0, b"A") == [
        b'"A" (\\Seen) {2+}', b"xy", b""]
    pieces = [b'"a b" {2}', b"cd", b" e"]
    assert arguments(replace_argument(pieces, 1, b"new")) == [b"a b", b"new", b"e"]
    assert uid_set(b"3,7:9,5:4") == [3, 7, 8, 9, 5, 4]


@pytest.mark.parametrize("text, right", [
    (b"Sent {5}", b"Sent ($MDNSent) {5}"), (b"Sent () {5+}", b"Sent ($MDNSent) {5+}"),
    (b'"(x)" (\\Seen) "01-Jan-2024 00:00:00 +0000" {5}', b'"(x)" (\\Seen $MDNSent) "01-Jan-2024 00:00:00 +0000" {5}'),
    (b'Sent "01-Jan-2024 00:00:00 +0000" {5}', b'Sent ($MDNSent) "01-Jan-2024 00:00:00 +0000" {5}')])
def test_one_flag_more(text, right):
    assert _with_mdnsent(text) == right
    assert _APPEND.search(right)
