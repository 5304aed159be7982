"""The switches: every behaviour of Outlook.com that the emulation can show, by name.

A switch is set by a native value or by the same thing as text, so that tests, the command line and
the control port share one grammar. `off` (or None) turns any of them off. Faults that strike at a
place and for a number of times share one ending, the trigger:

    [@VERB | @#K][*TIMES]     VERB: FETCH (also matches UID FETCH), UID FETCH, SELECT, ...; BODY is a
                              FETCH of whole messages, LISTING any other FETCH. #K: the connection's
                              K-th command. TIMES: how often in all, over every connection.

Switches are read by the emulation's thread and set from another one: a set replaces the value whole.
"""
import re


class SwitchError(ValueError):
    """An unknown switch, or a value that it does not take."""


class Trigger:
    """Where and how often a fault strikes; take() counts one time and says whether one was left."""

    def __init__(self, text=""):
        match = re.fullmatch(r"(?:@(?:#(\d+)|([A-Z ]+)))?(?:\*(\d+))?", text.strip(), re.I)
        if not match:
            raise SwitchError(f"not a trigger: {text!r}")
        self.number = int(match[1]) if match[1] else None
        self.verb = match[2].strip().upper() if match[2] else None
        self.times = int(match[3]) if match[3] else None

    @property
    def anywhere(self):
        return self.number is None and self.verb is None

    def matches(self, words, number):
        if self.number is not None:
            return number == self.number
        return self.verb is None or self.verb in words

    def take(self):
        if self.times is None:
            return True
        if self.times <= 0:
            return False
        self.times -= 1
        return True


class Counted:
    """A number (bytes, responses, milliseconds) and the trigger of the fault that uses it."""

    def __init__(self, text):
        match = re.fullmatch(r"(\d+)(.*)", str(text), re.S)
        if not match:
            raise SwitchError(f"a number must come first: {text!r}")
        self.number, self.trigger = int(match[1]), Trigger(match[2])


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


# name: (parser, default as text, what it does). README.md shows the same table.
SWITCHES = {
    # section 1: connection and sign-in
    "greeting": (choice("classic", "2026"), "classic", "which greeting"),
    "caps": (choice("new", "old", "rollout"), "new",
             "capabilities: new; old (AUTH=PLAIN, no LOGINDISABLED, no MOVE); rollout (adds ENABLE IMAP4rev2)"),
    "saslir": (flag, "on", "SASL-IR; off: not advertised, an initial response is BAD"),
    "json_challenge": (flag, "off", "a refused token gets `+ <base64 json>` first, then the tagged NO"),
    "basic_disabled": (flag, "on", "passwords: NO Basic authentication is disabled, and BYE; off: they work"),
    "token_expiry": (Counted, "off", "N: BYE AccessTokenExpired instead of the command after N signed-in ones"),
    "auth_ok_not_connected": (flag, "off", "sign-in works, then every command is BAD; BYE at the second"),
    "connection_cap": (number, "off", "signed-in connections of a user beyond N are not connected"),
    "bye_after_10_errors": (flag, "on", "ten errors in a row close the connection"),
    "idle_timeout": (seconds, "1800", "seconds without a command, signed in, before BYE"),
    "preauth_timeout": (seconds, "60", "the same before sign-in"),
    # section 2: folders
    "odd_names": (odd_names, "off", "names added to LIST: " + ", ".join(ODD_NAMES) + " or all"),
    "uidvalidity": (number, "off", "the same UIDVALIDITY in every folder"),
    "keyword_bad11": (flag, "on", "STORE and APPEND of a keyword other than $MDNSent is BAD 11"),
    "seq_confusion": (number, "off", "sequence numbers of UID FETCH answers are wrong by N"),
    # section 3: fetching and searching
    "size_skew": (Skew, "off", "RFC822.SIZE wrong by +n, -n or xF (a factor)"),
    "item_order": (choice("uid_last", "shuffled", "server"), "uid_last", "order of FETCH items"),
    "peek_empty": (Uids, "off", "these UIDs answer BODY.PEEK[] with only the tagged OK; BODY[] with a placeholder"),
    "placeholder": (Uids, "off", "these UIDs answer even BODY.PEEK[] with the placeholder message"),
    "unavailable_bare": (Counted, "off", "after N FETCH answers a bare `Server Unavailable. 15`, nothing more"),
    "unavailable_no": (Counted, "off", "after N FETCH answers a tagged NO Server Unavailable. 15"),
    "whole_on_partial": (flag, "off", "BODY[]<a.b> returns the whole message as BODY[]"),
    "bad_bodystructure": (flag, "off", "BODYSTRUCTURE is malformed as seen in logs"),
    "badcharset": (flag, "on", "SEARCH CHARSET other than US-ASCII is NO [BADCHARSET]"),
    "search_groups": (flag, "off", "SEARCH takes parenthesised groups; off: BAD 11"),
    "line_limit": (number, "4096", "a longer command line is BAD Command Error. 12"),
    # section 5: throttling and waiting, and the network itself
    "throttle": (Throttle, "off", "NO|BAD[+BYE]:MS[trigger]: Request is throttled"),
    "exists_before_plus": (flag, "off", "IDLE sends `* n EXISTS` before its `+`"),
    "idle_silent": (flag, "off", "IDLE is accepted and never tells anything"),
    "cut_at": (Counted, "off", "N[trigger]: the connection closes after N bytes (from the verb on)"),
    "silence": (Counted, "off", "N[trigger]: after N bytes nothing more is sent, the connection stays"),
    "dribble": (Counted, "off", "MS[@VERB]: one byte at a time, every MS milliseconds"),
}


class Switches:
    """The present setting: switches.size_skew and so on; set(name=value), reset()."""

    def __init__(self, **values):
        self.reset()
        self.set(**values)

    def reset(self):
        for name, (_, default, _) in SWITCHES.items():
            self._set(name, default)

    def set(self, **values):
        for name in values:
            if name not in SWITCHES:
                raise SwitchError(f"no switch {name!r}")
        for name, value in values.items():
            self._set(name, value)

    def _set(self, name, value):
        parse = SWITCHES[name][0]
        if value is None or value is False or value == "off":
            value = False if parse is flag else None
        else:
            try:
                value = parse(value)
            except SwitchError as error:
                raise SwitchError(f"{name}: {error}") from None
        setattr(self, name, value)
