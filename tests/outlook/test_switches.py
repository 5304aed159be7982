"""The switches' grammar, the framing and the README's table: no server needed."""
import pathlib

import pytest

from tests.outlook import SWITCHES, Switches, SwitchError, TokenBook
from tests.outlook.tokens import parse_xoauth2
from tests.outlook.wire import Splitter, arguments, parse_fetch, render, render_fetch


def test_every_switch_is_documented_and_has_a_valid_default():
    readme = (pathlib.Path(__file__).parent / "README.md").read_text()
    for name, (_, default, _) in SWITCHES.items():
        assert f"| `{name}` |" in readme, name
        Switches(**{name: default})


@pytest.mark.parametrize("name, value", [
    ("nosuch", "1"), ("greeting", "new"), ("throttle", "MAYBE:5"), ("cut_at", "soon"), ("cut_at", "5@"),
    ("peek_empty", "Inbox:x"), ("odd_names", "even"), ("size_skew", "big"), ("saslir", "perhaps"),
    ("connection_cap", "-1"), ("idle_timeout", "long"), ("without", "MOVE,LIFT"), ("without", "IMAP4rev1"),
    ("append_limit", "1:soon"), ("copyuid", "twice"), ("expunge_failed", "often"), ("cut_at", "+5"),
    ("cut_in", "+5@MOVE"), ("cut_at", "5@MOVE#"), ("uid_reassigned", "@MOVE")])
def test_bad_values_are_errors_and_change_nothing(name, value):
    switches = Switches()
    with pytest.raises(SwitchError):
        switches.set(**{name: value})
    assert switches.greeting == "classic" and switches.throttle is None


def test_triggers():
    switches = Switches(throttle="BAD+BYE:5000@UID FETCH*2", cut_at="100@#3")
    trigger = switches.throttle.trigger
    assert trigger.matches({"UID FETCH", "FETCH"}, 1) and not trigger.matches({"SELECT"}, 1)
    assert [trigger.take() for _ in range(3)] == [True, True, False]
    assert switches.cut_at.trigger.matches(set(), 3) and not switches.cut_at.trigger.matches(set(), 2)


def test_the_kth_command_of_a_verb():
    trigger = Switches(cut_in="9@UID MOVE#2*1").cut_in.trigger
    moves = {"UID MOVE", "MOVE", "WRITING"}
    asked = [trigger.matches(moves, 1, serial) for serial in (1, 1, 2, 2, 3)]
    assert asked == [False, False, True, True, False] and not trigger.matches({"MOVE"}, 1, 4)
    switches = Switches(expunge_failed="2@UID EXPUNGE", overquota=True, cut_at="+7@#3", append_limit="10:late")
    assert switches.expunge_failed.times == 2 and not switches.expunge_failed.matches({"EXPUNGE"}, 1)
    assert switches.overquota.times is None and switches.overquota.anywhere
    assert (switches.cut_at.in_answer, switches.cut_at.number) == (True, 7)
    assert (switches.append_limit.late, switches.append_limit.number) == (True, 10)


def test_splitter_takes_any_cut():
    stream = b'* 1 FETCH (BODY[] {7}\r\na\r\n{3}\r UID 5)\r\n* OK x {3}\r\n\r\n\r y\r\na1 OK done\r\n'
    whole = Splitter().feed(stream)
    assert len(whole) == 3 and whole[0][1] == b"a\r\n{3}\r"
    splitter, units = Splitter(), []
    for index in range(len(stream)):
        units += splitter.feed(stream[index:index + 1])
    assert units == whole
    assert b"".join(render(unit) for unit in whole) == stream


def test_fetch_round_trip():
    pieces = [b'* 12 FETCH (UID 5 ENVELOPE ("d" {3}', b'a"(', b' (("x" NIL "a\\"b" "c"))) FLAGS (\\Seen) BODY[] {0}',
              b"", b")"]
    sequence, items = parse_fetch(pieces)
    assert sequence == 12 and [name for name, _ in items] == [b"UID", b"ENVELOPE", b"FLAGS", b"BODY[]"]
    assert render_fetch(sequence, items) == pieces
    assert parse_fetch([b"* 12 EXISTS"]) is None


def test_arguments():
    assert arguments([b'"a \\"b" {2}', b"x y"[:2], b" c"]) == [b'a "b', b"x ", b"c"]


def test_tokens():
    book = TokenBook()
    book.add("t", "joe")
    book.add("old", "joe", seconds=0)
    assert book.user_of("t") == "joe" and book.user_of("old") is None and book.user_of("no") is None
    book.expire("t")
    assert book.user_of("t") is None


@pytest.mark.parametrize("text, result", [
    (b"dXNlcj1qb2UBYXV0aD1CZWFyZXIgdAEB", ("joe", "t")),
    (b"dXNlcj1qb2UBYXV0aD1CZWFyZXIgdAE=", None),   # one ^A short
    (b"dXNlcj1qb2UBYXV0aD1iZWFyZXIgdAEB", None),   # "bearer"
    (b"dXNlcj1qb2UBYXV0aD1CZWFyZXIgdAEB\n", None),
    (b"!!", None), (b"", None)])
def test_xoauth2_is_exact(text, result):
    assert parse_xoauth2(text) == result
