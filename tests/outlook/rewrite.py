"""Dovecot's answers turned into Outlook.com's.

Each function takes the pieces of one response (wire.py) and returns pieces, or None to leave the
response out. They are pure: the session decides which of them sees what.
"""
import random
import re

from . import texts
from .wire import literal, parse_fetch, render_fetch

_LIST = re.compile(rb'\* (LIST|LSUB) \(([^)]*)\) ("/"|NIL) (.*)', re.S)
_UIDVALIDITY = re.compile(rb"(\[?(?:UIDVALIDITY|APPENDUID|COPYUID) )\d+")
_KEEP = {flag.lower() for flag in texts.FLAGS.split()}
_ROLES = {b"\\trash", b"\\sent", b"\\drafts", b"\\junk"}


def listing(pieces):
    """LIST and LSUB: INBOX is called Inbox, Archive has no role, the Inbox is marked."""
    match = _LIST.match(pieces[0])
    if not match:
        return pieces
    kind, attributes, delimiter, name = match.groups()
    words = [a for a in attributes.split() if a.lower() in _ROLES
             or a.lower() in (b"\\haschildren", b"\\hasnochildren", b"\\noselect", b"\\noinferiors")]
    bare = name.strip(b'"')
    if bare == b"INBOX" or bare.startswith(b"INBOX/"):
        name = name.replace(b"INBOX", b"Inbox", 1)
    if bare == b"INBOX" or any(a.lower() in _ROLES for a in words):
        words.insert(0, b"\\Marked")
    first = b"* %s (%s) %s %s" % (kind, b" ".join(words), delimiter, name)
    return [first, *pieces[1:]]


def selected(pieces, examine):
    """What SELECT and EXAMINE tell before their tagged line."""
    text = pieces[0]
    if text.startswith(b"* FLAGS"):
        return [b"* FLAGS (" + texts.FLAGS + b")"]
    if text.startswith(b"* OK [PERMANENTFLAGS"):
        return [b"* OK [PERMANENTFLAGS (%s)] Permanent flags" % (b"" if examine else texts.FLAGS)]
    if text.startswith((b"* OK [HIGHESTMODSEQ", b"* OK [NOMODSEQ", b"* OK [CLOSED")):
        return None
    match = re.match(rb"(\* OK \[(UNSEEN|UIDVALIDITY|UIDNEXT) \d+\])", text)
    if match:
        words = {b"UNSEEN": b"Is the first unseen message", b"UIDVALIDITY": b"UIDVALIDITY value",
                 b"UIDNEXT": b"The next unique identifier value"}
        return [match[1] + b" " + words[match[2]]]
    return common(pieces)


def common(pieces):
    """What may come with any command."""
    text = pieces[0]
    if text.endswith(b" RECENT"):
        return [b"* 0 RECENT"]
    if text.startswith(b"* STATUS INBOX"):
        return [text.replace(b"INBOX", b"Inbox", 1), *pieces[1:]]
    return pieces


def uidvalidity(pieces, number):
    return [_UIDVALIDITY.sub(rb"\g<1>%d" % number, pieces[0]), *pieces[1:]]


class CopyRewriter:
    """COPY and MOVE: keeps back the backend's own COPYUID, as `code`."""

    def __init__(self):
        self.code = None

    def __call__(self, pieces):
        match = re.match(rb"\* OK \[(COPYUID [^\]]*)\]", pieces[0])
        if match:
            self.code = match[1]
            return None
        return common(pieces)


_TEXT_KEY = re.compile(rb"\b(FROM|TO|CC|BCC|SUBJECT|BODY|TEXT|HEADER)\b", re.I)


def about_text(pieces):
    """Whether a SEARCH looks for text."""
    return bool(_TEXT_KEY.search(re.sub(rb'"[^"]*"', b"", b" ".join(pieces))))


class SearchRewriter:
    """UID SEARCH for text: finds messages that do not have it, or are nowhere, and misses some that do."""

    def __init__(self, switches, mailbox):
        self._extra, self._missing, self._mailbox = switches.search_extra, switches.search_missing, mailbox

    def __call__(self, pieces):
        if not pieces[0].startswith(b"* SEARCH"):
            return common(pieces)
        uids = {int(uid) for uid in pieces[0].split()[2:]}
        if self._extra:
            uids |= self._extra.of(self._mailbox)
        if self._missing:
            uids -= self._missing.of(self._mailbox)
        return [b" ".join([b"* SEARCH", *(b"%d" % uid for uid in sorted(uids))])]


class Broken:
    """A FETCH that breaks off: after N responses one bare line (bare), or the tagged NO, and nothing more."""

    def __init__(self, rewriter, fault, bare):
        self._rewriter, self._fault, self._bare = rewriter, fault, bare
        self._struck = False

    def __call__(self, pieces):
        if self._struck:
            return None
        if self._strikes():
            return [texts.UNAVAILABLE] if self._bare else None
        return self._rewriter(pieces)

    def ends(self):
        """Asked once the backend has answered: whether finish() is to end the command."""
        self._late = not self._struck and self._strikes()
        return self._struck

    async def finish(self, session, command):
        if self._bare and self._late:
            await session.line(texts.UNAVAILABLE)
        elif not self._bare:
            await session.answer(command.tag, b"NO " + texts.UNAVAILABLE)

    def _strikes(self):
        self._struck = self._rewriter.seen >= self._fault.number and self._fault.trigger.take()
        return self._struck


class FetchRewriter:
    """FETCH responses of one command, under the switches as they are now."""

    def __init__(self, switches, mailbox, by_uid, peek, whole):
        self._switches, self._mailbox = switches, mailbox
        self._by_uid, self._peek, self._whole = by_uid, peek, whole
        self.seen = 0

    def __call__(self, pieces):
        parsed = parse_fetch(pieces)
        if not parsed:
            return common(pieces)
        sequence, items = parsed
        switches = self._switches
        uid = next((int(value[0]) for name, value in items if name == b"UID"), None)
        items = [(name, self._value(name, value)) for name, value in items]
        body = next((i for i, (name, _) in enumerate(items) if name.startswith(b"BODY[]")), None)
        if body is not None and uid is not None:
            if switches.peek_empty and switches.peek_empty.has(self._mailbox, uid):
                if self._peek:
                    return None
                items[body] = (b"BODY[]", literal(texts.placeholder(uid)))
            elif switches.placeholder and switches.placeholder.has(self._mailbox, uid):
                items[body] = (b"BODY[]", literal(texts.placeholder(uid)))
            elif self._whole:
                items[body] = (b"BODY[]", items[body][1])
        if switches.item_order == "uid_last":
            items.sort(key=lambda item: item[0] == b"UID")
        elif switches.item_order == "shuffled":
            random.shuffle(items)
        if switches.seq_confusion and self._by_uid:
            sequence += switches.seq_confusion
        self.seen += 1
        return render_fetch(sequence, items)

    def _value(self, name, value):
        switches = self._switches
        if name == b"RFC822.SIZE" and switches.size_skew:
            return [b"%d" % switches.size_skew.apply(int(value[0]))]
        if name == b"FLAGS":
            return [b"(" + b" ".join(f for f in value[0].strip(b"()").split() if f.lower() in _KEEP) + b")"]
        if name == b"BODYSTRUCTURE" and switches.bad_bodystructure:
            return [b'(NIL NIL ("charset" "utf-8") NIL NIL "7bit" -1 -1 NIL "inline" NIL NIL)']
        return value
