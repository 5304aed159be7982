"""What others do to the account while a client is at it: UIDs that change, hooks, mailboxes that go."""
import imaplib
import json
import pathlib
import socket
import subprocess
import sys
import threading

import pytest

from tests.outlook import ElsewhereError

from .conftest import MESSAGE, subjects

pytestmark = pytest.mark.timeout(60)


# --- UIDs that change ---

def test_uid_reassigned_at_once(service, writer, elsewhere):
    service.set(uid_reassigned="0@APPEND*1")
    assert b" 6] APPEND" in writer.append(b"Inbox", MESSAGE % (6, 6))[1]
    assert subjects(elsewhere, "Inbox")[7] == 6 and 6 not in subjects(elsewhere, "Inbox")
    assert writer.command(b"UID FETCH 6 (UID)")[1] == b"OK FETCH completed."
    lines = writer.command(b"NOOP")[0]
    assert b"* 6 EXISTS" in lines or writer.command(b"UID SEARCH ALL")[0] == [b"* SEARCH 1 2 3 4 5 7"]
    assert b" 8] APPEND" in writer.append(b"Inbox", MESSAGE % (8, 8))[1] and 8 in subjects(elsewhere, "Inbox")


@pytest.mark.parametrize("text, mailbox, before, after", [
    (b"UID MOVE 2,4 Archive", "Archive", {1: 2, 2: 4}, {3: 2, 4: 4}),
    (b"UID COPY 3 Archive", "Archive", {1: 3}, {2: 3}),
    (b"UID STORE 5 +FLAGS (\\Flagged)", "Inbox", {1: 1, 2: 2, 3: 3, 4: 4, 5: 5}, {1: 1, 2: 2, 3: 3, 4: 4, 6: 5})])
def test_uid_reassigned_later(service, writer, elsewhere, text, mailbox, before, after):
    service.set(uid_reassigned="2*1")
    assert writer.command(text)[1].startswith(b"OK")
    writer.command(b"NOOP")
    assert subjects(elsewhere, mailbox) == before
    flags = [held[0] for held in elsewhere.messages(mailbox).values()]
    writer.command(b"NOOP")
    assert subjects(elsewhere, mailbox) == after
    assert [held[0] for held in elsewhere.messages(mailbox).values()] == flags


def test_a_reassigned_message_is_told_of(service, writer):
    service.elsewhere(writer.user).reassign("Inbox", 2)
    lines, _ = writer.command(b"NOOP")
    assert b"* 2 EXPUNGE" in lines and b"* 5 EXISTS" in lines or b"* 6 EXISTS" in lines


# --- others, in between ---

def test_hooks(service, writer, user):
    seen = []
    hook = service.before("MOVE#2", lambda moment: seen.append((moment.user, moment.mailbox, moment.verb,
                                                                moment.arguments, threading.current_thread())))
    writer.command(b"UID MOVE 1 Archive")
    assert not seen
    writer.command(b"UID MOVE 2 Archive")
    writer.command(b"UID MOVE 3 Archive")
    hook.wait()
    assert [entry[:4] for entry in seen] == [(user, "Inbox", "UID MOVE", "2 Archive")]
    twice = service.after("STORE*2", lambda moment: seen.append(moment.verb))
    for _ in range(3):
        writer.command(b"UID STORE 4 +FLAGS (\\Seen)")
    twice.wait()
    assert seen[1:] == ["UID STORE", "UID STORE"]
    wrong = service.before("NOOP", "expunge", "Nowhere", 1)
    assert writer.command(b"NOOP")[1] == b"OK NOOP completed."
    with pytest.raises(ElsewhereError):
        wrong.wait()
    service.before("NOOP", lambda _: seen.clear())
    service.reset()
    writer.command(b"NOOP")
    assert seen


def test_a_hook_may_turn_switches_and_holds_nobody_else(service, raw, writer, user):
    there, go = threading.Event(), threading.Event()

    def act(moment):
        there.set()
        assert go.wait(10)
        moment.service.set(overquota="on")
    service.before("COPY", act)
    writer.send(b"a UID COPY 1 Archive\r\n")
    assert there.wait(10)
    other = raw(user=user)
    assert other.command(b"NOOP")[1] == b"OK NOOP completed."
    go.set()
    assert writer.until(b"a")[1].startswith(b"NO [OVERQUOTA]")


def test_the_message_is_gone(service, writer, elsewhere):
    service.before("MOVE", "expunge", "Inbox", 2)
    lines, tagged = writer.command(b"UID MOVE 2 Archive")
    assert tagged == b"OK MOVE completed." and b"* OK [COPYUID %d  ]" % elsewhere.uidvalidity("Archive") in lines
    assert not elsewhere.messages("Archive") and subjects(elsewhere, "Inbox") == {1: 1, 3: 3, 4: 4, 5: 5}
    service.before("STORE", "expunge", "Inbox", 3)
    assert writer.command(b"UID STORE 3 +FLAGS (\\Seen)")[1] == b"OK STORE completed."
    service.after("APPEND", "expunge", "Inbox", 6)
    assert b" 6] APPEND completed." in writer.append(b"Inbox", MESSAGE % (6, 6))[1]
    assert list(elsewhere.messages("Inbox")) == [1, 4, 5]


def bye(writer, text):
    """The connection ended instead of an answer."""
    return writer.command(text) == ([b"* BYE Connection closed. 14"], b"") and writer.line() == b""


@pytest.mark.parametrize("what", [("delete", "Work"), ("rename", "Work", "Other"), ("recreate", "Work")])
def test_the_selected_mailbox_goes(service, raw, user, elsewhere, what):
    elsewhere.create("Work")
    for number in (1, 2, 3):
        elsewhere.append("Work", MESSAGE % (number, number))
    before = elsewhere.uidvalidity("Work")
    writer = raw(user=user)
    writer.command(b"SELECT work")
    hook = service.before("MOVE", *what)
    assert bye(writer, b"UID MOVE 1 Archive")
    hook.wait()
    assert not elsewhere.messages("Archive")
    if what[0] == "recreate":
        assert elsewhere.uidvalidity("Work") > before and subjects(elsewhere, "Work") == {1: 3, 2: 2, 3: 1}
    elif what[0] == "rename":
        assert len(elsewhere.messages("Other")) == 3
    else:
        assert b"Work" not in elsewhere.mailboxes()


def test_the_inbox_gets_another_uidvalidity(service, raw, writer, user, elsewhere):
    before = elsewhere.uidvalidity("Inbox")
    elsewhere.create("INBOX/Below")
    elsewhere.append("Inbox/below", MESSAGE % (9, 9))
    elsewhere.store("Inbox", 2, "\\Flagged", "+FLAGS")
    service.before("SELECT", "recreate", "Inbox")
    second = raw(user=user)
    lines, tagged = second.command(b"SELECT Inbox")
    assert tagged == b"OK [READ-WRITE] SELECT completed."
    assert any(b"[UIDVALIDITY %d]" % elsewhere.uidvalidity("Inbox") in line for line in lines)
    assert elsewhere.uidvalidity("Inbox") > before
    assert subjects(elsewhere, "Inbox") == {1: 5, 2: 4, 3: 3, 4: 2, 5: 1}
    assert elsewhere.messages("Inbox")[4][0] == "\\Flagged" and b"Old-Inbox" not in elsewhere.mailboxes()
    assert subjects(elsewhere, "Inbox/Below") == {1: 9}
    assert bye(writer, b"UID MOVE 2 Archive") and second.command(b"NOOP")[1] == b"OK NOOP completed."
    service.after("MOVE", "recreate", "Inbox")
    assert second.command(b"UID MOVE 2 Archive")[1] == b"OK MOVE completed."
    assert bye(second, b"NOOP") and subjects(elsewhere, "Archive") == {1: 4}


def test_a_mailbox_that_was_replaced_can_be_selected_again(service, writer, elsewhere):
    """A client that pipelines SELECT and MOVE without looking hits another message."""
    service.before("SELECT", "recreate", "Inbox")
    writer.send(b"a SELECT Inbox\r\nb UID MOVE 1 Archive\r\n")
    assert writer.until(b"a")[1] == b"OK [READ-WRITE] SELECT completed."
    assert writer.until(b"b")[1] == b"OK MOVE completed." and subjects(elsewhere, "Archive") == {1: 5}


@pytest.mark.parametrize("text", [b"UID MOVE 2 Work", b"UID COPY 2 Work"])
def test_the_target_goes(service, writer, elsewhere, text):
    elsewhere.create("Work")
    service.before("WRITING", "delete", "Work")
    assert writer.command(text) == ([], b"NO [TRYCREATE] Folder is not found.")
    assert len(elsewhere.messages("Inbox")) == 5
    elsewhere.create("Work")
    service.before("APPEND", "delete", "Work")
    assert writer.append(b"Work", MESSAGE % (1, 1))[1] == b"NO [TRYCREATE] Folder is not found."


def test_deleted_behind_its_back(writer, raw, user, elsewhere, dovecot):
    """By a client that the emulation does not know of: Dovecot's own BYE is put into the service's words."""
    elsewhere.create("Work")
    other = raw(user=user)
    other.command(b"SELECT Work")
    elsewhere._client.delete("Work")
    assert bye(other, b"NOOP") and writer.command(b"NOOP")[1] == b"OK NOOP completed."


def test_over_the_control_port(dovecot, user):
    """The emulation as a command of its own."""
    command = [sys.executable, "-m", "tests.outlook", "--backend", f"{dovecot.host}:{dovecot.port}",
               "--backend-password", dovecot.password, "--token", f"{user}=t", "--switch", "append_rewrite=off"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=pathlib.Path(__file__).parents[2]) as process:
        try:
            said = json.loads(process.stdout.readline())
            with socket.create_connection(("127.0.0.1", said["control"]), 10) as control, \
                    control.makefile("rw") as lines:
                def ask(**request):
                    lines.write(json.dumps(request) + "\n")
                    lines.flush()
                    return json.loads(lines.readline())
                assert ask(op="before", place="NOOP", do="append", **{"with": ["Sent", "Subject: x\r\n\r\n"]})["ok"]
                assert not ask(op="before", place="NOOP", do="_ask", **{"with": []})["ok"]
                assert not ask(op="after", place="NOOP 1", do="delete", **{"with": []})["ok"]
                assert ask(op="after", place="NOOP", do="create", **{"with": ["New"]})["ok"]
                writer = imaplib.IMAP4("127.0.0.1", said["port"], timeout=30)
                writer.authenticate("XOAUTH2", lambda _: f"user={user}\1auth=Bearer t\1\1".encode())
                assert writer.noop()[0] == "OK" and writer.select("New")[0] == "OK"
                assert writer.select("Sent") == ("OK", [b"1"])
                assert [(hook["left"], hook["error"]) for hook in ask(op="hooks")["hooks"]] == [(0, None), (0, None)]
                assert ask(op="transcript")["lines"][-3:] == ["NOOP", "SELECT New", "SELECT Sent"]
                writer.logout()
        finally:
            process.terminate()
    assert process.returncode == 0
