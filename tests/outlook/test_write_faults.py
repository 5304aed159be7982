"""Writing that is cut at every byte, that falls silent, that breaks half-way."""
import socket
import time

import pytest

from .conftest import MESSAGE, subjects

pytestmark = pytest.mark.timeout(60)


def closed(writer, call):
    """What came before the connection closed: (untagged lines, tagged line or b'')."""
    try:
        return call(writer)
    except OSError:
        return [], b""


# --- cut at every byte ---

WAYS = {
    "append": (lambda c: c.append(b"Sent", MESSAGE % (9, 9), b" (\\Seen)"), "APPEND"),
    "append that waits": (lambda c: c.append(b"Sent", MESSAGE % (9, 9), plus=b""), "APPEND"),
    "move": (lambda c: c.command(b"UID MOVE 2 Archive"), "MOVE"),
    "copy": (lambda c: c.command(b"UID COPY 2 Archive"), "COPY"),
    "store": (lambda c: c.command(b"UID STORE 2 +FLAGS (\\Deleted)"), "STORE"),
    "create": (lambda c: c.command(b"CREATE New"), "CREATE"),
}
CHANGED = {
    "append": lambda e: len(e.messages("Sent")) == 1,
    "append that waits": lambda e: len(e.messages("Sent")) == 1,
    "move": lambda e: list(e.messages("Inbox")) == [1, 3, 4, 5] and len(e.messages("Archive")) == 1,
    "copy": lambda e: len(e.messages("Inbox")) == 5 and len(e.messages("Archive")) == 1,
    "store": lambda e: e.messages("Inbox")[2][0] == "\\Deleted",
    "create": lambda e: b"New" in e.mailboxes(),
}
UNCHANGED = {
    "append": lambda e: not e.messages("Sent"),
    "append that waits": lambda e: not e.messages("Sent"),
    "move": lambda e: len(e.messages("Inbox")) == 5 and not e.messages("Archive"),
    "copy": lambda e: len(e.messages("Inbox")) == 5 and not e.messages("Archive"),
    "store": lambda e: e.messages("Inbox")[2][0] == "",
    "create": lambda e: b"New" not in e.mailboxes(),
}


@pytest.fixture
def rounds(service, raw, user):
    """rounds(verb): (elsewhere, client) again and again, each time of a fresh account with five messages."""
    opened = []

    def make():
        account = f"{len(opened)}-{user}"
        elsewhere = service.elsewhere(account)
        opened.append(elsewhere)
        for number in range(1, 6):
            elsewhere.append("INBOX", MESSAGE % (number, number))
        return elsewhere, raw(selected=True, user=account)
    yield make
    for elsewhere in opened:
        elsewhere.close()


@pytest.mark.parametrize("way", WAYS)
def test_cut_at_every_byte(service, rounds, way):
    call, verb = WAYS[way]
    elsewhere, writer = rounds()
    with service.measured() as dialogue:
        lines, tagged = call(writer)
    assert tagged.startswith(b"OK") and CHANGED[way](elsewhere)
    entry, = dialogue.entries(verb)
    answer = sum(len(line) + 2 for line in [*lines, b"t3 " + tagged])
    plus = len(b"+ Ready for additional command text.\r\n") if "waits" in way else 0
    assert (entry.sent, entry.continuations) == (answer + plus, plus) and entry.status == "OK"
    cuts = dialogue.cuts(verb)
    assert len(cuts) == entry.received + 1 + answer + 1 + (plus + 1 if plus else 0)
    if "waits" not in way:
        cuts = cuts[::3] + [cut for cut in cuts if cut.at in ("0", "+0", str(entry.received), f"+{answer}")]
    else:
        cuts = [cut for cut in cuts if cut.at in ("0", "17", "37", "38", "+0", "+1", str(entry.received))]
    for cut in cuts:
        elsewhere, writer = rounds()
        service.set(**cut.switches)
        _, tagged = closed(writer, call)
        assert not tagged or cut.at == f"+{answer}", cut
        assert (CHANGED if cut.applied else UNCHANGED)[way](elsewhere), cut
        assert service.transcript.entries(verb)[-1].cut == cut.switch, cut
        assert closed(writer, lambda c: ([], c.line())) == ([], b""), cut
        writer.close()
    service.set(cut_in="off", cut_at="off")


def test_what_comes_before_the_cut(service, writer):
    """Exactly N bytes, counted from the first line on, or of the answer."""
    service.set(cut_at="5@APPEND*1")
    writer.send(b"a APPEND Sent {500}\r\n")
    assert writer.file.read() == b"+ Rea"


def test_what_comes_before_the_cut_of_an_answer(service, writer, elsewhere):
    service.set(cut_at="+5@APPEND*1")
    writer.send(b"a APPEND Sent {15}\r\n")
    assert writer.line() == b"+ Ready for additional command text."
    writer.send(b"Subject: x\r\n\r\ny\r\n")
    assert writer.file.read() == b"a OK " and len(elsewhere.messages("Sent")) == 1


def test_a_cut_within_a_literal(service, writer, elsewhere):
    service.set(cut_in="40@APPEND*1")
    writer.send(b"a APPEND Sent {500}\r\n")
    assert writer.line() == b"+ Ready for additional command text."
    writer.send(b"x" * 18)
    writer.socket.settimeout(0.1)
    with pytest.raises(socket.timeout):
        writer.socket.recv(1)  # 39 bytes: it waits for more
    writer.socket.settimeout(10)
    writer.send(b"x")
    with pytest.raises(OSError):
        if writer.socket.recv(1) == b"":
            raise OSError
    assert not elsewhere.messages("Sent")


def test_the_kth_command_of_a_verb(service, raw, writer, user, elsewhere):
    service.set(cut_in="999@UID MOVE#2")
    assert writer.command(b"UID MOVE 1 Archive")[1] == b"OK MOVE completed."
    second = raw(selected=True, user=user)
    assert second.command(b"UID COPY 2 Archive")[1].startswith(b"OK")
    assert closed(second, lambda c: c.command(b"UID MOVE 2 Archive")) == ([], b"")
    assert writer.command(b"UID MOVE 3 Archive")[1] == b"OK MOVE completed."
    assert subjects(elsewhere, "Inbox") == {2: 2, 4: 4, 5: 5}


def test_a_longer_dialogue_than_the_answer_is_not_cut(service, writer):
    service.set(cut_at="+9999@UID STORE")
    for _ in range(3):
        assert writer.command(b"UID STORE 1 +FLAGS (\\Seen)")[1] == b"OK STORE completed."
    assert [entry.cut for entry in service.transcript.entries("STORE")] == ["", "", ""]


@pytest.mark.parametrize("cut, stands", [("silence_in", False), ("silence", True)])
def test_silence(service, raw, writer, user, elsewhere, cut, stands):
    service.set(**{cut: "999@MOVE" if cut == "silence_in" else "+7@MOVE"})
    writer.send(b"a UID MOVE 2 Archive\r\n")
    writer.socket.settimeout(0.2)
    if stands:
        assert writer.file.read(7) == b"* OK [C"
    with pytest.raises(socket.timeout):
        writer.file.read(1)
    assert raw(selected=True, user=user).command(b"NOOP")[1] == b"OK NOOP completed."
    assert bool(elsewhere.messages("Archive")) == stands
    assert service.transcript.entries("MOVE")[0].cut == cut


def test_silent_cuts(service, writer):
    with service.measured() as dialogue:
        writer.command(b"UID MOVE 2 Archive")
        writer.command(b"UID MOVE 3 Archive")
        writer.command(b"NOOP")
    cuts = dialogue.cuts("MOVE", step=1000, silent=True)
    received, sent = dialogue.entries("MOVE")[1].received, dialogue.entries("MOVE")[1].sent
    assert [cut.switches for cut in cuts[4:]] == [
        {"silence_in": "0@UID MOVE#2*1"}, {"silence_in": f"{received}@UID MOVE#2*1"},
        {"silence": "+0@UID MOVE#2*1"}, {"silence": f"+{sent}@UID MOVE#2*1"}]
    assert {cut.verb for cut in dialogue.cuts()} == {"UID MOVE", "NOOP"}


def test_dribble(service, writer):
    service.set(dribble="1@UID MOVE")
    begin = time.monotonic()
    assert writer.command(b"UID MOVE 2 Archive")[1] == b"OK MOVE completed."
    assert time.monotonic() - begin > 0.04


# --- half-way ---

@pytest.mark.parametrize("text, inbox, archive", [
    (b"UID MOVE 1:4 Archive", [3, 4, 5], 2), (b"UID EXPUNGE 1:4", [3, 4, 5], 0), (b"EXPUNGE", [3, 4, 5], 0),
    (b"MOVE 2:4 Archive", [1, 4, 5], 2)])
def test_mass_break(service, raw, writer, user, elsewhere, text, inbox, archive):
    service.set(mass_break="2*1")
    writer.command(b"UID STORE 1:4 +FLAGS.SILENT (\\Deleted)")
    assert closed(writer, lambda c: c.command(text)) == ([], b"")
    assert list(elsewhere.messages("Inbox")) == inbox and len(elsewhere.messages("Archive")) == archive
    again = raw(selected=True, user=user)
    assert again.command(text)[1].startswith((b"OK", b"BAD The specified"))


def test_no_mass_no_break(service, writer, elsewhere):
    service.set(mass_break="2")
    assert writer.command(b"UID MOVE 1:2,70:90 Archive")[1] == b"OK MOVE completed."
    writer.command(b"UID STORE 3:4 +FLAGS.SILENT (\\Deleted)")
    assert writer.command(b"UID EXPUNGE 3:5")[1] == b"OK EXPUNGE completed."
    assert list(elsewhere.messages("Inbox")) == [5]
