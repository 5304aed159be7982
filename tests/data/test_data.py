"""The sample mail is what it says: the same each time, well formed where it should be, hard where not."""
import email
import hashlib
import itertools
import statistics

import pytest

from tests.data import compose, generate, hard, real


def digest(mails):
    return hashlib.sha256(repr([tuple(mail) for mail in mails]).encode()).hexdigest()


def test_the_same_seed_gives_the_same_mail():
    assert digest(generate.messages(300, 7)) == digest(generate.messages(300, 7))
    assert digest(generate.messages(300, 7)) != digest(generate.messages(300, 8))


def test_generated_mail_is_well_formed():
    mails = list(generate.messages(1500))
    assert len({mail.data for mail in mails}) == 1500
    assert [mail.internaldate for mail in mails] != [mails[0].internaldate] * 1500
    for mail in mails:
        head, found, _ = mail.data.partition(b"\r\n\r\n")
        assert found and head.isascii()
        assert mail.data.count(b"\n") == mail.data.count(b"\r\n") == mail.data.count(b"\r")
        assert b"\0" not in mail.data and max(map(len, mail.data.split(b"\r\n"))) < 998
        assert mail.mailbox in generate.MAILBOXES and mail.internaldate.microsecond == 0
        for part in email.message_from_bytes(mail.data).walk():
            assert not part.defects, mail.data[:2000]
            if part.get_content_maintype() == "text":
                part.get_payload(decode=True).decode(part.get_content_charset() or "ascii")


def test_generated_mail_has_believable_sizes_and_folders():
    mails = list(generate.messages(3000))
    sizes = [len(mail.data) for mail in mails]
    assert 2500 < statistics.median(sizes) < 6000 and 100_000 < max(sizes) < 260_000
    assert {mail.mailbox for mail in mails} == set(generate.MAILBOXES)
    assert "Deleted" in {mail.mailbox for mail in generate.messages(300, rename={"Trash": "Deleted"})}


@pytest.mark.parametrize("charset", ["utf-8", "iso-2022-jp", "gb18030"])
def test_encoded_words_read_back(charset):
    text = "会議の日程について" * 5
    read = email.header.decode_header(compose.words(text, charset).replace("\r\n ", " "))
    assert "".join(part.decode(name) for part, name in read) == text


def test_hard_mail_is_named_once_each():
    assert len({case.name for case in hard.HARD}) == len({case.data for case in hard.HARD}) == len(hard.HARD) > 150
    assert {case.via for case in hard.HARD} == {"append", "server", "file"}
    assert all((b"\0" in case.data) == (case.via == "server") for case in hard.HARD)
    assert len(list(hard.messages(files=True))) == len(hard.HARD) == len(list(hard.messages())) + 1
    assert len([case for case in hard.HARD if case.date == hard.SAME_SECOND]) == 10


def test_big_attachment_is_made_to_size():
    mail = hard.big_attachment(size=100_000)
    assert len(email.message_from_bytes(mail.data).get_payload(decode=True)) == 100_000
    assert hard.big_attachment(size=1000).data == hard.big_attachment(size=1000).data


def test_real_file_becomes_what_a_server_holds():
    raw = b"From a@b Mon Jul 29 11:29:37 2002\nMessage-Id: <x@y>\nDate: Sun, 28 Jul 2002 22:06:11 -0700\n\na\xe9\rb\n"
    data = real.to_wire(raw)
    assert data == b"Message-Id: <x@y>\r\nDate: Sun, 28 Jul 2002 22:06:11 -0700\r\n\r\na\xe9\rb\r\n"
    assert real.with_other_id(data, 3).startswith(b"Message-Id: <x@y.3>\r\n")
    assert real.date_of(data, 0).isoformat() == "2002-07-28T22:06:11-07:00"


@pytest.mark.skipif(not real.available(), reason="scripts/corpus has not brought the real mail")
def test_real_mail_repeats_under_other_ids():
    mails = list(itertools.islice(real.messages(real.COUNT + 500), None))
    assert len(mails) == real.COUNT + 500
    assert not {mail.data for mail in mails[:real.COUNT]} & {mail.data for mail in mails[real.COUNT:]}
