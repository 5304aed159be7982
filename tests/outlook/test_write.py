"""Section 4 of OUTLOOK.md: what writing commands do when nothing goes wrong, and their switches."""
import pytest

from tests.e2e.support.servers import connect_outlook

from .conftest import MESSAGE, subjects

pytestmark = pytest.mark.timeout(60)
DONE = b"OK %s completed."


# --- COPY, MOVE ---

def test_copy_and_move(writer, elsewhere):
    validity = elsewhere.uidvalidity("Archive")
    assert writer.command(b"UID COPY 2,4 Archive") == ([], b"OK [COPYUID %d 2,4 1:2] COPY completed." % validity)
    assert writer.command(b"COPY 1 archive") == ([], b"OK [COPYUID %d 1 3] COPY completed." % validity)
    assert writer.command(b"UID MOVE 2 Archive") == (
        [b"* OK [COPYUID %d 2 4]" % validity, b"* 2 EXPUNGE", b"* 0 RECENT"], DONE % b"MOVE")
    assert writer.command(b"MOVE 4 Archive")[0][:2] == [b"* OK [COPYUID %d 5 5]" % validity, b"* 4 EXPUNGE"]
    assert subjects(elsewhere, "Archive") == {1: 2, 2: 4, 3: 1, 4: 2, 5: 5}
    assert subjects(elsewhere, "INBOX") == {1: 1, 3: 3, 4: 4}
    assert writer.command(b"UID MOVE 1 Nowhere")[1] == b"NO [TRYCREATE] Folder is not found."
    assert writer.command(b"UID COPY 1 Nowhere")[1] == b"NO [TRYCREATE] Folder is not found."
    assert writer.command(b"UID MOVE 99 Nowhere")[1] == b"NO [TRYCREATE] Folder is not found."
    assert writer.command(b"UID MOVE x Archive")[1] == b"BAD The specified message set is invalid."
    assert writer.command(b"UID MOVE 1")[1] == b"BAD The specified message set is invalid."
    assert writer.command(b"MOVE 99 Archive")[1] == b"BAD The specified message set is invalid."


FORMS = {
    "usual": ([b"* OK [%s]"], b"MOVE completed.", [], b"[%s] COPY completed."),
    "untagged": ([b"* OK [%s]"], b"MOVE completed.", [b"* OK [%s]"], b"COPY completed."),
    "bare": ([b"[%s]"], b"MOVE completed.", [b"[%s]"], b"COPY completed."),
    "tagged": ([], b"[%s] MOVE completed.", [], b"[%s] COPY completed."),
    "none": ([], b"MOVE completed.", [], b"COPY completed.")}


def fill(texts, code):
    return [text.replace(b"%s", code) for text in texts]


@pytest.mark.parametrize("form", FORMS)
def test_copyuid(service, writer, elsewhere, form):
    service.set(copyuid=form)
    move_lines, move, copy_lines, copy = FORMS[form]
    validity = elsewhere.uidvalidity("Archive")
    lines, tagged = writer.command(b"UID MOVE 2 Archive")
    code = b"COPYUID %d 2 1" % validity
    assert lines == fill(move_lines, code) + [b"* 2 EXPUNGE", b"* 0 RECENT"]
    assert [tagged] == fill([b"OK " + move], code)
    lines, tagged = writer.command(b"UID COPY 3 Archive")
    code = b"COPYUID %d 3 2" % validity
    assert lines == fill(copy_lines, code) and [tagged] == fill([b"OK " + copy], code)
    assert subjects(elsewhere, "Archive") == {1: 2, 2: 3}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("verb", [b"MOVE", b"COPY"])
def test_copyuid_where_nothing_matched(service, writer, elsewhere, form, verb):
    service.set(copyuid=form)
    code = b"COPYUID %d  " % elsewhere.uidvalidity("Archive")
    lines, tagged = writer.command(b"UID %s 77 Archive" % verb)
    if form == "tagged":
        assert (lines, tagged) == ([], b"OK [%s] %s completed." % (code, verb))
    else:
        assert tagged == DONE % verb
        assert lines == {"usual": [b"* OK [%s]" % code], "untagged": [b"* OK [%s]" % code], "bare": [b"[%s]" % code],
                         "none": []}[form]
    service.set(copyuid_empty="off")
    assert writer.command(b"UID %s 77 Archive" % verb) == ([], DONE % verb)
    assert not elsewhere.messages("Archive")


def test_one_uidvalidity_in_copyuid(service, writer):
    service.set(uidvalidity=14)
    assert writer.command(b"UID MOVE 2 Archive")[0][0] == b"* OK [COPYUID 14 2 1]"
    assert writer.command(b"UID COPY 3 Archive")[1] == b"OK [COPYUID 14 3 2] COPY completed."
    assert writer.command(b"UID MOVE 99 Archive")[0] == [b"* OK [COPYUID 14  ]"]


# --- STORE, EXPUNGE, CLOSE ---

def test_store(writer, elsewhere):
    lines, tagged = writer.command(b"UID STORE 2 +FLAGS (\\Seen \\Flagged)")
    assert lines == [b"* 2 FETCH (FLAGS (\\Flagged \\Seen) UID 2)"] and tagged == DONE % b"STORE"
    assert writer.command(b"STORE 1 FLAGS.SILENT \\Answered") == ([], DONE % b"STORE")
    assert writer.command(b"UID STORE 99 +FLAGS (\\Seen)") == ([], DONE % b"STORE")
    elsewhere.expunge("Inbox", 3)
    writer.command(b"NOOP")
    assert writer.command(b"UID STORE 3 +FLAGS (\\Seen)") == ([], DONE % b"STORE")
    assert writer.command(b"UID STORE 1 +FLAGS ($MDNSent)")[1] == DONE % b"STORE"
    for text in (b"($Forwarded)", b"($mdnsent custom)", b"custom"):
        assert writer.command(b"UID STORE 1 +FLAGS " + text)[1] == b"BAD Command Argument Error. 11"
    assert writer.command(b"UID STORE 1 (UNCHANGEDSINCE 1) +FLAGS (\\Seen)")[1] == b"BAD Command Argument Error. 11"
    flags = {uid: set(held[0].split()) for uid, held in elsewhere.messages("Inbox").items()}
    assert flags == {1: {"\\Answered", "$MDNSent"}, 2: {"\\Seen", "\\Flagged"}, 4: set(), 5: set()}


def test_expunge(writer, elsewhere):
    writer.command(b"UID STORE 1,3,5 +FLAGS.SILENT (\\Deleted)")
    assert writer.command(b"UID EXPUNGE 2:3") == ([b"* 3 EXPUNGE", b"* 0 RECENT"], DONE % b"EXPUNGE")
    assert writer.command(b"UID EXPUNGE 2")[1] == DONE % b"EXPUNGE"
    assert list(elsewhere.messages("Inbox")) == [1, 2, 4, 5]
    lines, tagged = writer.command(b"EXPUNGE")
    assert sorted(lines)[1:] == [b"* 1 EXPUNGE", b"* 4 EXPUNGE"] and tagged == DONE % b"EXPUNGE"
    writer.command(b"UID STORE 2 +FLAGS.SILENT (\\Deleted)")
    assert writer.command(b"EXPUNGE 1")[1] == b"BAD Command Argument Error. 11"
    assert writer.command(b"UID EXPUNGE")[1] == b"BAD The specified message set is invalid."
    assert writer.command(b"CLOSE") == ([], DONE % b"CLOSE")
    assert writer.command(b"UID STORE 4 FLAGS ()")[1] == b"BAD Command received in Invalid state."
    assert list(elsewhere.messages("Inbox")) == [4]


def test_unselect_expunges_nothing(writer, elsewhere):
    writer.command(b"UID STORE 2 +FLAGS.SILENT (\\Deleted)")
    assert writer.command(b"UNSELECT") == ([], DONE % b"UNSELECT")
    assert len(elsewhere.messages("Inbox")) == 5


def test_examine_is_read_only(writer, elsewhere):
    writer.command(b"UID STORE 2 +FLAGS.SILENT (\\Deleted)")
    assert writer.command(b"EXAMINE Inbox")[1] == b"OK [READ-ONLY] EXAMINE completed."
    for text, verb in ((b"UID STORE 1 +FLAGS (\\Seen)", b"STORE"), (b"EXPUNGE", b"EXPUNGE"),
                       (b"UID EXPUNGE 2", b"EXPUNGE"), (b"UID MOVE 1 Archive", b"MOVE"), (b"MOVE 1 Archive", b"MOVE")):
        assert writer.command(text) == ([], b"NO %s failed." % verb)
    assert writer.command(b"UID COPY 1 Archive")[1].startswith(b"OK [COPYUID")
    writer.command(b"UID FETCH 1 (BODY[])")
    assert writer.command(b"CLOSE")[1] == DONE % b"CLOSE"
    held = elsewhere.messages("Inbox")
    assert len(held) == 5 and held[1][0] == "" and held[2][0] == "\\Deleted"
    writer.command(b"SELECT Inbox")
    assert writer.command(b"UID STORE 1 +FLAGS.SILENT (\\Seen)")[1] == DONE % b"STORE"


@pytest.mark.parametrize("value, verb", [("2", None), ("1@UID EXPUNGE", b"UID EXPUNGE 2"), ("on", None)])
def test_expunge_failed(service, writer, elsewhere, value, verb):
    service.set(expunge_failed=value)
    writer.command(b"UID STORE 2 +FLAGS.SILENT (\\Deleted)")
    for text in (b"UID EXPUNGE 2", b"EXPUNGE"):
        right = DONE % b"EXPUNGE" if verb and text != verb else b"NO EXPUNGE failed"
        assert writer.command(text)[1] == right
    if verb is None:
        assert 2 in elsewhere.messages("Inbox")
    assert writer.command(b"UID EXPUNGE 2")[1] == (b"NO EXPUNGE failed" if value == "on" else DONE % b"EXPUNGE")


# --- mailboxes ---

def test_mailboxes(service, writer, elsewhere):
    service.set(bye_after_10_errors="off")
    assert writer.command(b"CREATE Work/2024")[1] == DONE % b"CREATE"
    for name in (b"work/2024", b"WORK", b"inbox", b"sent", b"Work"):
        assert writer.command(b"CREATE " + name)[1] == b"NO Mailbox already exists.", name
    assert writer.command(b"CREATE wORK/more")[1] == DONE % b"CREATE"
    assert writer.command(b"CREATE &AMk-")[1] == DONE % b"CREATE"
    assert writer.command(b"CREATE &AOk-")[1] == b"NO Mailbox already exists."  # the same letter, small
    for name in (b"Files", b"files", b'"FILES"'):
        assert writer.command(b"CREATE " + name)[1] == b"NO Folder name is reserved"
    assert writer.command(b"RENAME Work Files")[1] == b"NO Folder name is reserved"
    assert {b"Work", b"Work/2024", b"Work/more", b"&AMk-"} <= set(elsewhere.mailboxes())
    assert writer.command(b"RENAME Work SENT")[1] == b"NO Mailbox already exists."
    assert writer.command(b"RENAME Nowhere There")[1] == b"NO Nowhere doesn't exist."
    assert writer.command(b"RENAME work WorK")[1] == DONE % b"RENAME"
    assert writer.command(b"RENAME work/2024 WORK/2025")[1] == DONE % b"RENAME"
    assert b"WorK/2025" in elsewhere.mailboxes()
    assert writer.command(b"DELETE Nowhere")[1] == b"NO Nowhere doesn't exist."
    elsewhere.append("work", MESSAGE % (1, 1))
    assert writer.command(b"DELETE work")[1] == DONE % b"DELETE" and b"WorK/2025" in elsewhere.mailboxes()
    assert writer.command(b"DELETE work/2025")[1] == DONE % b"DELETE"
    for name in (b"Inbox", b"sent", b"Deleted", b"Junk", b"Drafts"):
        assert writer.command(b"DELETE " + name)[1] == b"NO DELETE failed."
        assert writer.command(b"RENAME " + name + b" Other")[1] == b"NO RENAME failed."
    assert writer.command(b'CREATE "a\tb"')[1] == b"BAD Command Argument Error. 11"
    assert writer.command(b"CREATE")[1] == b"BAD Command Argument Error. 11"
    assert writer.command(b"SELECT archive")[1] == b"OK [READ-WRITE] SELECT completed."


def test_subscriptions(writer):
    def subscribed():
        return {line.rsplit(b" ", 1)[1] for line in writer.command(b'LSUB "" "*"')[0]}
    assert writer.command(b"CREATE Work")[1] == DONE % b"CREATE" and b"Work" not in subscribed()
    assert writer.command(b"SUBSCRIBE work")[1] == DONE % b"SUBSCRIBE" and b"Work" in subscribed()
    assert writer.command(b"UNSUBSCRIBE Work")[1] == DONE % b"UNSUBSCRIBE" and b"Work" not in subscribed()
    assert writer.command(b"SUBSCRIBE Nowhere")[1] == b"NO Nowhere doesn't exist."


def test_check_noop_search(writer, elsewhere):
    elsewhere.append("Inbox", MESSAGE % (6, 6))
    assert writer.command(b"CHECK")[1] == DONE % b"CHECK"
    elsewhere.expunge("Inbox", 1)
    lines, tagged = writer.command(b"NOOP")
    assert b"* 1 EXPUNGE" in lines and tagged == DONE % b"NOOP"
    assert writer.command(b"NOOP 1")[1] == b"BAD Command Argument Error. 11"
    assert writer.command(b"UID SEARCH HEADER Message-ID <6@x>")[0] == [b"* SEARCH 6"]
    assert writer.command(b"UID SEARCH UID 2:3 NOT DELETED")[0] == [b"* SEARCH 2 3"]


# --- what can be taken away ---

def test_without(service, writer, elsewhere):
    service.set(without="MOVE,UIDPLUS,LITERAL+")
    words = writer.command(b"CAPABILITY")[0][0].split()
    assert not {b"MOVE", b"UIDPLUS", b"LITERAL+"} & set(words) and b"UNSELECT" in words
    for text in (b"UID MOVE 1 Archive", b"MOVE 1 Archive", b"UID EXPUNGE 1"):
        assert writer.command(text)[1] == b"BAD Command Error. 12"
    assert writer.command(b"UID COPY 1 Archive") == ([], DONE % b"COPY")
    assert writer.append(b"Sent", MESSAGE % (9, 9), plus=b"") == ([], DONE % b"APPEND")
    # not a literal here, so its bytes are a command, and no good one
    lines, tagged = writer.append(b"Sent", b"Subject: x\r\n\r\n")
    assert tagged == b"BAD Command Argument Error. 11"
    assert [writer.line() for _ in range(3)] == [tag + b" BAD Command Error. 12" for tag in (b"Subject:", b"*", b"*")]
    assert len(elsewhere.messages("Sent")) == len(elsewhere.messages("Archive")) == 1


@pytest.mark.parametrize("name, text", [("UNSELECT", b"UNSELECT"), ("IDLE", b"IDLE"), ("NAMESPACE", b"NAMESPACE")])
def test_without_others(service, writer, name, text):
    service.set(without=name)
    assert name.encode() not in writer.command(b"CAPABILITY")[0][0].split()
    assert writer.command(text)[1] == b"BAD Command Error. 12"


def test_overquota_and_throttle(service, writer, elsewhere):
    service.set(overquota="2")
    assert writer.append(b"Sent", MESSAGE % (9, 9))[1].startswith(b"NO [OVERQUOTA] ")
    assert writer.command(b"UID COPY 1 Archive")[1].startswith(b"NO [OVERQUOTA] ")
    assert writer.command(b"UID COPY 1 Archive")[1].startswith(b"OK ")
    service.set(throttle="NO:2500@WRITING*2")
    busy = b"NO Request is throttled. Suggested Backoff Time: 2500 milliseconds"
    assert writer.command(b"NOOP")[1] == DONE % b"NOOP"
    assert writer.append(b"Sent", MESSAGE % (9, 9))[1] == busy
    assert writer.command(b"UID MOVE 1 Archive")[1] == busy
    assert writer.command(b"UID MOVE 1 Archive")[1] == DONE % b"MOVE"
    service.set(throttle="BAD+BYE:9@UID STORE#2")
    assert writer.command(b"UID STORE 2 FLAGS (\\Seen)")[1] == DONE % b"STORE"
    assert writer.command(b"UID STORE 2 FLAGS ()")[1].startswith(b"BAD Request is throttled")
    assert writer.line() == b"* BYE Connection closed. 14" and writer.line() == b""
    assert len(elsewhere.messages("Archive")) == 2 and not elsewhere.messages("Sent")


def test_imaplib_writes(service, dovecot, user, elsewhere, loaded):
    writer = connect_outlook(service, dovecot.ca, user, service.tokens.add("t", user))
    assert writer.append("Drafts", "\\Draft", None, MESSAGE % (7, 7))[0] == "OK"
    assert writer.select("Inbox")[0] == "OK"
    assert writer.uid("COPY", "1", "Archive")[0] == "OK" and writer.uid("MOVE", "2", "Archive")[0] == "OK"
    assert writer.uid("STORE", "3", "+FLAGS", "(\\Deleted)")[0] == "OK" and writer.uid("EXPUNGE", "3")[0] == "OK"
    assert writer.create("New")[0] == "OK" and writer.rename("New", "Newer")[0] == "OK"
    assert writer.delete("newer")[0] == "OK"
    writer.logout()
    assert subjects(elsewhere, "Inbox") == {1: 1, 4: 4, 5: 5} and subjects(elsewhere, "Archive") == {1: 1, 2: 2}
