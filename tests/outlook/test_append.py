"""APPEND, as section 4 of OUTLOOK.md has it, and its switches; what becomes of the bytes is in test_mime.py."""
import imaplib
import time

import pytest

from .conftest import MESSAGE

pytestmark = pytest.mark.timeout(60)


@pytest.mark.parametrize("plus", [b"", b"+"])
def test_append(writer, elsewhere, plus):
    date = b' "05-Mar-2024 10:11:12 +0100"'
    lines, tagged = writer.append(b"Sent", MESSAGE % (9, 9), b" (\\Seen \\Draft)" + date, plus)
    validity = elsewhere.uidvalidity("Sent")
    assert (lines, tagged) == ([], b"OK [APPENDUID %d 1] APPEND completed." % validity)
    flags, when, data = elsewhere.messages("Sent")[1]
    assert set(flags.split()) == {"\\Seen", "\\Draft", "$MDNSent"}
    assert imaplib.Internaldate2tuple(b"INTERNALDATE " + when.encode()) == time.localtime(1709629872)
    assert b"Subject: number 9\r\n" in data


def test_append_to_the_selected_mailbox_tells_of_it(writer):
    lines, tagged = writer.append(b"inbox", MESSAGE % (6, 6))
    assert b"* 6 EXISTS" in lines and tagged.startswith(b"OK [APPENDUID ")
    lines, _ = writer.command(b"UID FETCH 6 (FLAGS)")
    assert lines == [b"* 6 FETCH (FLAGS ($MDNSent) UID 6)"]


@pytest.mark.parametrize("name", [b"Sent", b'"Sent"', b"sent", b"{4+}\r\nSent", b"{4}\r\nSENT"])
@pytest.mark.parametrize("flags", [b"", b" ()", b" (\\Flagged)", b' "01-Jan-2024 00:00:00 +0000"',
                                   b' (\\Flagged) "01-Jan-2024 00:00:00 +0000"'])
def test_append_in_all_its_forms(raw, user, elsewhere, name, flags):
    writer = raw(user=user)
    lines, tagged = writer.append(name, MESSAGE % (1, 1), flags)
    assert tagged.startswith(b"OK [APPENDUID ") and tagged.endswith(b" 1] APPEND completed.")
    assert lines == ([b"+ Ready for additional command text."] if b"{4}" in name else [])
    (held, _, _), = elsewhere.messages("Sent").values()
    assert set(held.split()) == {"$MDNSent"} | ({"\\Flagged"} if b"Flagged" in flags else set())


@pytest.mark.parametrize("text", [
    b"APPEND Sent ($Forwarded) {1+}\r\nx", b"APPEND Sent (\\Seen) (\\Seen) {1+}\r\nx",
    b"APPEND Sent yesterday {1+}\r\nx", b'APPEND Sent "2024-01-01" {1+}\r\nx',
    b"APPEND Sent {1+}\r\nx {1+}\r\ny", b"APPEND Sent ~{1+}\r\nx", b"APPEND Sent CATENATE (URL x)",
    b"APPEND {1+}\r\nx", b"APPEND Sent", b'APPEND "Se\tnt" {1+}\r\nx'])
def test_append_refused(writer, elsewhere, text):
    assert writer.command(text)[1] == b"BAD Command Argument Error. 11"
    assert writer.command(b"NOOP")[1] == b"OK NOOP completed." and not elsewhere.messages("Sent")


def test_append_of_nothing_and_to_nowhere(writer):
    assert writer.append(b"Nowhere", b"Subject: x\r\n\r\n")[1] == b"NO [TRYCREATE] Folder is not found."
    assert writer.append(b"Sent", b"")[1] == b"NO APPEND failed."


def test_no_appenduid(service, writer):
    service.set(no_appenduid="on")
    assert writer.append(b"Sent", MESSAGE % (9, 9))[1] == b"OK APPEND completed."


def test_mdnsent_off(service, writer, elsewhere):
    service.set(mdnsent="off")
    writer.append(b"Sent", MESSAGE % (9, 9), b" (\\Seen)")
    assert elsewhere.messages("Sent")[1][0] == "\\Seen"


def test_spurious_plus(service, writer):
    service.set(spurious_plus="on")
    lines, tagged = writer.append(b"Sent", MESSAGE % (9, 9))
    assert lines == [b"+ Ready for additional command text."] and tagged.startswith(b"OK [APPENDUID")


@pytest.mark.parametrize("limit, plus, continued", [("100", b"", False), ("100", b"+", False), ("100:late", b"", True)])
def test_size_limit(service, writer, elsewhere, limit, plus, continued):
    service.set(append_limit=limit)
    big = b"Subject: x\r\n\r\n" + b"y" * 87
    with service.measured() as dialogue:
        assert writer.append(b"Sent", big, plus=plus)[1] == \
            b"NO Maximum size of appendable message has been exceeded"
    assert bool(dialogue.entries("APPEND")[0].continuations) == continued
    assert writer.append(b"Sent", big[:-1], plus=plus)[1].startswith(b"OK")
    assert len(elsewhere.messages("Sent")) == 1


def test_long_lines(service, writer, elsewhere):
    data = b"Subject: x\r\n\r\n" + b"y" * 10239 + b"\r\n"
    assert writer.append(b"Sent", data)[1].startswith(b"OK")
    assert writer.append(b"Sent", data[:-2] + b"y\r\n")[1] == b"BAD Command Error. 10"
    service.set(append_line="off")
    assert writer.append(b"Sent", data[:-2] + b"y\r\n")[1].startswith(b"OK")
    assert len(elsewhere.messages("Sent")) == 2
