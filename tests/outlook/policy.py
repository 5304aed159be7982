"""What the service refuses before it does anything: unknown commands, unknown items, odd arguments."""
import re

from . import texts
from .wire import arguments

AUTHENTICATED = {"APPEND", "CREATE", "DELETE", "EXAMINE", "LIST", "LSUB", "NOOP", "RENAME", "SELECT", "STATUS",
                 "SUBSCRIBE", "UNSUBSCRIBE", "IDLE", "NAMESPACE"}
SELECTED = {"CHECK", "CLOSE", "UNSELECT", "COPY", "UID COPY", "EXPUNGE", "UID EXPUNGE", "FETCH", "UID FETCH", "MOVE",
            "UID MOVE", "SEARCH", "UID SEARCH", "STORE", "UID STORE"}
_READ_WRITE = {"STORE", "EXPUNGE", "MOVE"}
# Capabilities and the commands that go with them.
_OWNED = {"MOVE": {"MOVE", "UID MOVE"}, "UIDPLUS": {"UID EXPUNGE"}, "IDLE": {"IDLE"}, "ID": {"ID"},
          "UNSELECT": {"UNSELECT"}, "NAMESPACE": {"NAMESPACE"}}
_ITEM = re.compile(
    rb"(?:ALL|FULL|FAST|BODYSTRUCTURE|ENVELOPE|FLAGS|INTERNALDATE|RFC822(?:\.HEADER|\.SIZE|\.TEXT)?|UID|"
    rb"BODY(?:\.PEEK)?\[[^\]]*\](?:<\d+\.\d+>)?|BODY)(?=[ )]|$)", re.I)
_SET = re.compile(rb"(?:\d+|\*)(?::(?:\d+|\*))?(?:,(?:\d+|\*)(?::(?:\d+|\*))?)*")
_STATUS = {b"MESSAGES", b"RECENT", b"UIDNEXT", b"UIDVALIDITY", b"UNSEEN"}
_FLAGS = {flag.lower() for flag in texts.FLAGS.split()}
# APPEND's arguments between the mailbox and the literal (RFC 3501 section 6.3.11)
_APPEND = re.compile(rb'(?: \(([^()]*)\))?(?: "[ \d]\d-(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)-\d{4} '
                     rb'\d\d:\d\d:\d\d [+-]\d{4}")? \{\d+\+?\}', re.I)


class Refusal(Exception):
    def __init__(self, text):
        super().__init__(text)
        self.text = text


def check(session, command, local):
    """Raises Refusal where the service would not take the command; local: it needs no mailbox server."""
    verb = command.verb
    without = set(session.switches.without or ()) | ({"MOVE"} if session.switches.caps == "old" else set())
    if any(verb in verbs for name, verbs in _OWNED.items() if name in without):
        raise Refusal(texts.COMMAND_12)
    if local:
        return
    if verb not in AUTHENTICATED and verb not in SELECTED:
        raise Refusal(texts.COMMAND_12)
    if verb in SELECTED and session.mailbox is None:
        raise Refusal(texts.WRONG_STATE)
    rule = _RULES.get(verb) or _RULES.get(command.name)
    if rule:
        rule(session, command)
    if command.name in _READ_WRITE and session.read_only:
        raise Refusal(b"NO %s failed." % command.name.encode())


# --- rules ---

def _first_set(command):
    text = command.pieces[0].split(b" ", 1)
    if not _SET.fullmatch(text[0]) or len(text) < 2:
        raise Refusal(texts.BAD_SET)
    return text[1]


def _fetch(session, command):
    text = _first_set(command).strip()
    if text.startswith(b"("):
        if not text.endswith(b")") or b") (" in text.replace(b"])", b""):
            raise Refusal(texts.ARGUMENT_11)
        text = text[1:-1]
    while text:
        match = _ITEM.match(text)
        if not match:
            raise Refusal(texts.ARGUMENT_11)
        text = text[match.end():].lstrip(b" ")


def _store(session, command):
    text = _first_set(command)
    match = re.fullmatch(rb"[+-]?FLAGS(?:\.SILENT)? (.*)", text, re.I)
    if not match:
        raise Refusal(texts.ARGUMENT_11)
    _flags(session, match[1])


def _flags(session, text):
    for flag in text.strip(b"()").split():
        if session.switches.keyword_bad11 and flag.lower() not in _FLAGS:
            raise Refusal(texts.ARGUMENT_11)


def _copy(session, command):
    _first_set(command)
    _names(2)(session, command)


def _uid_expunge(session, command):
    if len(command.pieces) != 1 or not _SET.fullmatch(command.pieces[0]):
        raise Refusal(texts.BAD_SET)


def _append(session, command):
    """One mailbox, flags, a date, one literal: no MULTIAPPEND, no CATENATE, no literal8."""
    pieces, switches = command.pieces, session.switches
    before = re.match(rb'(?:"(?:[^"\\]|\\.)*"|[^ ({"]+)', pieces[0])
    rest = pieces[0][before.end():] if before else pieces[2] if len(pieces) == 5 else b""
    match = _APPEND.fullmatch(rest)
    if not match or len(pieces) != (3 if before else 5) or pieces[-1] or b"\t" in pieces[0]:
        raise Refusal(texts.ARGUMENT_11)
    _flags(session, match[1] or b"")
    data = pieces[-2]
    if switches.append_limit and len(data) > switches.append_limit.number:
        raise Refusal(texts.TOO_BIG)
    if switches.append_line and max(map(len, data.splitlines()), default=0) > switches.append_line:
        raise Refusal(texts.COMMAND_10)


def _search(session, command):
    text = command.pieces[0]
    charset = re.match(rb'CHARSET "?([^ "]+)"?', text, re.I)
    if charset and charset[1].upper() != b"US-ASCII" and session.switches.badcharset:
        raise Refusal(texts.BADCHARSET)
    if re.match(rb"RETURN ", text, re.I) or (b"(" in re.sub(rb'"[^"]*"', b"", text)
                                             and not session.switches.search_groups):
        raise Refusal(texts.ARGUMENT_11)


def _names(count):
    """That many arguments and no more; a name that holds a TAB is none."""
    def rule(session, command):
        values = arguments(command.pieces)
        if len(values) != count or any(b"\t" in value or not value for value in values):
            raise Refusal(texts.ARGUMENT_11)
    return rule


def _nothing(session, command):
    if command.pieces != [b""]:
        raise Refusal(texts.ARGUMENT_11)


def _status(session, command):
    match = re.search(rb"\(([^)]*)\)$", command.pieces[-1])
    if not match or not set(match[1].upper().split()) <= _STATUS or b"\t" in command.pieces[0]:
        raise Refusal(texts.ARGUMENT_11)


def _list(session, command):
    values = arguments(command.pieces)
    if len(values) != 2 or command.pieces[0].startswith(b"("):
        raise Refusal(texts.ARGUMENT_11)
    if b'"' in values[1]:
        raise Refusal(texts.ARGUMENT_12)


_RULES = {
    "FETCH": _fetch, "SEARCH": _search, "STATUS": _status, "LIST": _list, "LSUB": _list,
    "SELECT": _names(1), "EXAMINE": _names(1), "CREATE": _names(1), "DELETE": _names(1), "RENAME": _names(2),
    "SUBSCRIBE": _names(1), "UNSUBSCRIBE": _names(1), "APPEND": _append, "STORE": _store, "COPY": _copy,
    "MOVE": _copy, "EXPUNGE": _nothing, "UID EXPUNGE": _uid_expunge, "CLOSE": _nothing, "UNSELECT": _nothing,
    "CHECK": _nothing, "NOOP": _nothing}
