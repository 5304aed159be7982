"""What the service refuses before it does anything: unknown commands, unknown items, odd arguments."""
import re

from . import texts
from .wire import arguments

AUTHENTICATED = {"APPEND", "CREATE", "DELETE", "EXAMINE", "LIST", "LSUB", "NOOP", "RENAME", "SELECT", "STATUS",
                 "SUBSCRIBE", "UNSUBSCRIBE", "IDLE", "NAMESPACE"}
SELECTED = {"CHECK", "CLOSE", "UNSELECT", "COPY", "UID COPY", "EXPUNGE", "UID EXPUNGE", "FETCH", "UID FETCH", "MOVE",
            "UID MOVE", "SEARCH", "UID SEARCH", "STORE", "UID STORE"}
_ITEM = re.compile(
    rb"(?:ALL|FULL|FAST|BODYSTRUCTURE|ENVELOPE|FLAGS|INTERNALDATE|RFC822(?:\.HEADER|\.SIZE|\.TEXT)?|UID|"
    rb"BODY(?:\.PEEK)?\[[^\]]*\](?:<\d+\.\d+>)?|BODY)(?=[ )]|$)", re.I)
_SET = re.compile(rb"(?:\d+|\*)(?::(?:\d+|\*))?(?:,(?:\d+|\*)(?::(?:\d+|\*))?)*")
_STATUS = {b"MESSAGES", b"RECENT", b"UIDNEXT", b"UIDVALIDITY", b"UNSEEN"}
_FLAGS = {flag.lower() for flag in texts.FLAGS.split()}


class Refusal(Exception):
    def __init__(self, text):
        super().__init__(text)
        self.text = text


def check(session, command):
    """Raises Refusal where the service would not take the command."""
    verb = command.verb
    if verb == "UID MOVE" or verb == "MOVE":
        if session.switches.caps == "old":
            raise Refusal(texts.COMMAND_12)
    if verb not in AUTHENTICATED and verb not in SELECTED:
        raise Refusal(texts.COMMAND_12)
    if verb in SELECTED and session.mailbox is None:
        raise Refusal(texts.WRONG_STATE)
    rule = _RULES.get(verb.removeprefix("UID "))
    if rule:
        rule(session, command)


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


def _append(session, command):
    match = re.search(rb"\(([^)]*)\)", command.pieces[-3] if len(command.pieces) >= 3 else b"")
    if match:
        _flags(session, match[1])


def _search(session, command):
    text = command.pieces[0]
    charset = re.match(rb'CHARSET "?([^ "]+)"?', text, re.I)
    if charset and charset[1].upper() != b"US-ASCII" and session.switches.badcharset:
        raise Refusal(texts.BADCHARSET)
    if re.match(rb"RETURN ", text, re.I) or (b"(" in re.sub(rb'"[^"]*"', b"", text)
                                             and not session.switches.search_groups):
        raise Refusal(texts.ARGUMENT_11)


def _select(session, command):
    values = arguments(command.pieces)
    if len(values) != 1 or b"\t" in values[0]:
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


def _create(session, command):
    values = arguments(command.pieces)
    if values and values[0].lower() == b"files":
        raise Refusal(b"NO Folder name is reserved")


_RULES = {"FETCH": _fetch, "STORE": _store, "APPEND": _append, "SEARCH": _search, "SELECT": _select,
          "EXAMINE": _select, "STATUS": _status, "LIST": _list, "LSUB": _list, "CREATE": _create}
