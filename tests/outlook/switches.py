"""The switches: every behaviour of Outlook.com that the emulation can show, by name.

A switch is set by a native value or by the same thing as text, so that tests, the command line and
the control port share one grammar (values.py). `off` (or None) turns any of them off. Switches are
read by the emulation's thread and set from another one: a set replaces the value whole.
"""
from .values import (ODD_NAMES, Counted, Place, Size, Skew, SwitchError, Throttle, Uids, capabilities, choice, flag,
                     number, odd_names, seconds, times)

__all__ = ["ODD_NAMES", "SWITCHES", "SwitchError", "Switches"]

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
    "search_extra": (Uids, "off", "UID SEARCH for text names these UIDs too, there or not"),
    "search_missing": (Uids, "off", "UID SEARCH for text never names these UIDs"),
    "line_limit": (number, "4096", "a longer command line is BAD Command Error. 12"),
    # section 4: writing
    "without": (capabilities, "off", "capabilities, by comma, that are neither advertised nor understood"),
    "mdnsent": (flag, "on", "$MDNSent appears on what was appended"),
    "append_rewrite": (choice("on", "new_id"), "on",
                       "MIME is rewritten on APPEND: on keeps the Message-ID, new_id replaces it; off keeps the bytes"),
    "append_limit": (Size, "36700160", "BYTES or BYTES:late: a larger APPEND is NO Maximum size ...; at the literal's "
                                       "announcement where it waits for its `+`, after it otherwise or with :late"),
    "append_line": (number, "10239", "an APPEND with a line of more characters is BAD Command Error. 10"),
    "no_appenduid": (flag, "off", "the tagged OK of APPEND has no APPENDUID"),
    "copyuid": (choice("usual", "untagged", "bare", "tagged", "none"), "usual",
                "how COPY and MOVE tell of UIDs; usual: MOVE `* OK [COPYUID ...]`, COPY in the tagged OK; "
                "bare: the line `[COPYUID ...]`"),
    "copyuid_empty": (flag, "on", "where no message matched, COPYUID comes with empty sets; off: not at all"),
    "spurious_plus": (flag, "off", "a non-synchronising literal is answered by `+` all the same"),
    "expunge_failed": (times, "off", "N[@VERB] or on: EXPUNGE and UID EXPUNGE are NO EXPUNGE failed, N times"),
    "overquota": (times, "off", "N[@VERB] or on: APPEND and COPY are NO [OVERQUOTA], N times"),
    "mass_break": (Counted, "off", "MOVE or EXPUNGE of more than N messages: N are done, the connection breaks"),
    "uid_reassigned": (Counted, "off", "the messages that APPEND, COPY, MOVE or STORE touched get new UIDs N commands "
                                       "later; 0: before the answer comes"),
    # section 5: throttling and waiting, and the network itself
    "throttle": (Throttle, "off", "NO|BAD[+BYE]:MS[trigger]: Request is throttled"),
    "exists_before_plus": (flag, "off", "IDLE sends `* n EXISTS` before its `+`"),
    "idle_silent": (flag, "off", "IDLE is accepted and never tells anything"),
    "cut_at": (Place, "off", "the connection closes after N bytes (from the command's first line on), or +N bytes "
                             "of its answer (once it was carried out)"),
    "silence": (Place, "off", "the same, but the connection stays and nothing more is sent"),
    "cut_in": (Counted, "off", "the connection closes after N bytes of the command have come, or all of it; it is "
                               "not carried out"),
    "silence_in": (Counted, "off", "the same, but the connection stays and nothing more is sent"),
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
