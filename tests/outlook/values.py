"""The values that switches take: each parses its text, or the native thing, or raises SwitchError.

Faults that strike at a place and for a number of times share one ending, the trigger:

    [@VERB[#K] | @#K][*TIMES]   VERB: FETCH (also matches UID FETCH), UID FETCH, SELECT, ...; BODY is a
                                FETCH of whole messages, LISTING any other FETCH, WRITING whatever
                                changes the account. VERB#K: the K-th of that verb, over every
                                connection, since the switch was set. #K: a connection's K-th command.
                                TIMES: how often in all, over every connection.

Triggers count, so one belongs to one switch or hook; the emulation's thread alone asks them.
"""
import re

from . import texts


class SwitchError(ValueError):
    """An unknown switch, or a value that it does not take."""


class Trigger:
    """Where and how often a fault strikes; take() counts one time and says whether one was left."""

    def __init__(self, text=""):
        match = re.fullmatch(r"(?:@(?:#(\d+)|([A-Z ]+)(?:#(\d+))?))?(?:\*(\d+))?", text.strip(), re.I)
        if not match:
            raise SwitchError(f"not a trigger: {text!r}")
        self.number = int(match[1]) if match[1] else None
        self.verb = match[2].strip().upper() if match[2] else None
        self.place = int(match[3]) if match[3] else None
        self.times = int(match[4]) if match[4] else None
        self._places = {}  # a command's serial -> its place among those of the verb

    @property
    def anywhere(self):
        return self.number is None and self.verb is None

    def matches(self, words, number, serial=None):
        """words: a command's verb and what else it counts as; the same serial is counted once."""
        if self.number is not None:
            return number == self.number
        if self.verb is not None and self.verb not in words:
            return False
        if self.place is None:
            return True
        key = len(self._places) if serial is None else serial
        return self._places.setdefault(key, len(self._places) + 1) == self.place

    def take(self):
        if self.times is None:
            return True
        if self.times <= 0:
            return False
        self.times -= 1
        return True


class Counted:
    """A number (bytes, responses, milliseconds) and the trigger of the fault that uses it."""

    in_answer = False

    def __init__(self, text):
        match = re.fullmatch(r"(\d+)(.*)", str(text), re.S)
        if not match:
            raise SwitchError(f"a number must come first: {text!r}")
        self.number, self.trigger = int(match[1]), Trigger(match[2])


class Place(Counted):
    """Where an answer stops: `N` bytes from the command's first line on (a `+` counts), or `+N` bytes
    after all of the command has come; the latter never strikes in another command's answer."""

    def __init__(self, text):
        super().__init__(str(text).removeprefix("+"))
        self.in_answer = str(text).startswith("+")
        if self.in_answer and self.trigger.anywhere:
            raise SwitchError(f"+N is for a command, so it needs @VERB or @#K: {text!r}")


class Size:
    """A number of bytes, and `:late` where a refusal waits for the whole literal."""

    def __init__(self, value):
        text, _, when = str(value).partition(":")
        if not text.isdigit() or when not in ("", "late"):
            raise SwitchError(f"not BYTES or BYTES:late: {value!r}")
        self.number, self.late = int(text), when == "late"


def times(value):
    """`on[@VERB]`, always, or `N[@VERB]`, N times: a Trigger."""
    match = re.fullmatch(r"(on|true|\d+)(@.*)?", str(value), re.I)
    if not match:
        raise SwitchError(f"on or a number of times must come first: {value!r}")
    return Trigger((match[2] or "") + ("*" + match[1] if match[1].isdigit() else ""))


class Throttle:
    """`NO|BAD[+BYE]:MILLISECONDS` and a trigger: the answer instead of the command's own."""

    def __init__(self, text):
        match = re.fullmatch(r"(NO|BAD)(\+BYE)?:(\d+)(.*)", str(text), re.I | re.S)
        if not match:
            raise SwitchError(f"not NO|BAD[+BYE]:MILLISECONDS[trigger]: {text!r}")
        self.status, self.bye = match[1].upper().encode(), bool(match[2])
        self.milliseconds, self.trigger = int(match[3]), Trigger(match[4])


class Skew:
    """RFC822.SIZE made wrong: `+n` and `-n` bytes, or `xF`, a factor."""

    def __init__(self, value):
        text = str(value).strip()
        self.factor = self.offset = None
        try:
            if text[:1] in "xX":
                self.factor = float(text[1:])
            else:
                self.offset = int(text)
        except ValueError:
            raise SwitchError(f"not +n, -n or xF: {value!r}") from None

    def apply(self, size):
        return max(0, int(size * self.factor) if self.factor is not None else size + self.offset)


class Uids:
    """UIDs, as `5` (in every mailbox) or `MAILBOX:5`, by comma or as any iterable."""

    def __init__(self, value):
        parts = value.split(",") if isinstance(value, str) else [value] if isinstance(value, int) else value
        self._known = set()
        for part in parts:
            mailbox, _, uid = str(part).strip().rpartition(":")
            if not uid.isdigit():
                raise SwitchError(f"not a UID: {part!r}")
            self._known.add((mailbox.lower() or None, int(uid)))

    def has(self, mailbox, uid):
        return (None, uid) in self._known or (mailbox.lower(), uid) in self._known

    def of(self, mailbox):
        """Those that stand for this mailbox."""
        return {uid for where, uid in self._known if where in (None, mailbox.lower())}


# What a LIST line may hold besides honest names. The server's bytes, exactly; all of them open the
# same mailbox of the backend (Archive), but for the two whose SELECT the service refuses.
ODD_NAMES = {
    "tab": [b"My\tFolder"],
    "quote": [b'"say \\"hi\\""'],
    "dotdot": [b"..", b'"../../etc"', b'"a/../b"', b"."],
    "empty": [b'"x//y"', b'"/lead"', b'"trail/"', b'""'],
    "badutf7": [b"&AAA", b'"&&&-"', b"&2AA-", b"a&-b&", b"&AGEA-"],
    "long": [b"L" * 700, b"&" + b"TuVg" * 120 + b"-"],
    "bidi": [b"&IC4-gpj.exe", b"&IGY-x&IGk-"],
    "escape": [b'"a\x1b[31mred\x1b[0m"', b"&ABs-[2J"],
    "control": [b'"c\x01\x02\x7f"', b"&AAE-&AAo-&AA0-"],
    "latin1": [b'"caf\xe9"', b'"caf\xc3\xa9"'],
    "dot": [b".hidden", b".status", b".search"],
    "collide": [b"&AAE-same", b"&AAI-same", b"&AAM-same", b"inBOX"],
}


def odd_names(value):
    kinds = value.split(",") if isinstance(value, str) else list(value)
    if kinds == ["all"]:
        kinds = list(ODD_NAMES)
    names = []
    for kind in kinds:
        if isinstance(kind, bytes):
            names.append(kind)
        elif kind.strip() in ODD_NAMES:
            names.extend(ODD_NAMES[kind.strip()])
        else:
            raise SwitchError(f"no odd name {kind!r}: {', '.join(ODD_NAMES)}")
    return names


def flag(value):
    known = {"on": True, "yes": True, "1": True, "true": True, "no": False, "0": False, "false": False}
    if str(value).lower() not in known:
        raise SwitchError(f"on or off, not {value!r}")
    return known[str(value).lower()]


def number(value):
    if isinstance(value, bool) or not str(value).isdigit():
        raise SwitchError(f"a number, not {value!r}")
    return int(value)


def seconds(value):
    try:
        return float(value)
    except (TypeError, ValueError):
        raise SwitchError(f"seconds, not {value!r}") from None


def choice(*words):
    def parse(value):
        if value not in words:
            raise SwitchError(f"one of {', '.join(words)}, not {value!r}")
        return value
    return parse


def capabilities(value):
    """Capabilities by comma, or any iterable of them: a set in upper case."""
    words = value.split(",") if isinstance(value, str) else list(value)
    found = {str(word).strip().upper() for word in words}
    if not found <= set(texts.AFTER["new"].split()) - {"IMAP4", "IMAP4REV1"}:
        raise SwitchError(f"not capabilities that can be taken away: {value!r}")
    return found
