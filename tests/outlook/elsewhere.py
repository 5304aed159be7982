"""Another client of the same account, straight at the IMAP server behind: what happens meanwhile.

Tests use it for what somebody else does to the account (also by hooks.py, between two commands of a
client under test), the emulation for what the service does by itself. It blocks, so it never runs on the
emulation's event loop. Mailboxes are named as the service names them, case aside; UIDs are `"5,7:9"`,
a number or an iterable of numbers. Each call leaves no mailbox selected.

delete(), rename() and recreate() end the service's connections that have the mailbox selected, at their
next command, as the service would.
"""
import imaplib
import re

from . import names


class ElsewhereError(Exception):
    """The server behind refused what was asked of it: the test's own mistake."""


class Elsewhere:
    def __init__(self, address, user, password, displace=lambda mailbox: None):
        self._displace = displace
        self._client = imaplib.IMAP4(*address, timeout=60)
        self._client.login(_quoted(user), password)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self._client.shutdown()

    # --- looking ---

    def mailboxes(self):
        """{name as on the wire: its attributes in lower case}."""
        found = {}
        for line in self._ask(self._client.list):
            if line:
                text = line if isinstance(line, bytes) else line[0][:line[0].rindex(b"{")] + b'"' + line[1] + b'"'
                match = re.fullmatch(rb'\(([^)]*)\) (?:"[^"]*"|NIL) (?:"(.*)"|(.*))', text, re.S)
                name = re.sub(rb"\\(.)", rb"\1", match[2]) if match[2] is not None else match[3]
                found[name] = match[1].lower().split()
        return found

    def uidvalidity(self, mailbox):
        """The number, or None for a mailbox that is not there."""
        try:
            line = self._ask(self._client.status, self._real(mailbox), "(UIDVALIDITY)")[-1]
        except ElsewhereError:
            return None
        return int(re.search(rb"UIDVALIDITY (\d+)", line)[1])

    def uids(self, mailbox, which="1:*", by_uid=True, deleted=False):
        """UIDs of those that are there; which may be a set of sequence numbers."""
        with self._selected(mailbox):
            words = ["UID", which] if by_uid else [which]
            return self._search(*words, *(["DELETED"] if deleted else []))

    def messages(self, mailbox):
        """{uid: (flags, date, bytes)} with flags as one string and the date quoted, as APPEND takes them."""
        found = {}
        with self._selected(mailbox):
            for uid in self._search("ALL"):
                line = self._uid("FETCH", uid, "(FLAGS INTERNALDATE BODY.PEEK[])")
                if line[0] is None:
                    continue  # somebody else took it away meanwhile
                text = line[0][0] + (line[1] if len(line) > 1 and isinstance(line[1], bytes) else b"")
                flags = re.search(rb"FLAGS \(([^)]*)\)", text)[1].decode().split()
                found[uid] = (" ".join(flag for flag in flags if flag != "\\Recent"),
                              re.search(rb'INTERNALDATE ("[^"]*")', text)[1].decode(), line[0][1])
        return found

    # --- changing ---

    def append(self, mailbox, data, flags="", date=None):
        """The new message's UID."""
        data = data.encode() if isinstance(data, str) else data
        answer = self._ask(self._client.append, self._real(mailbox), f"({flags})", date, data)
        return int(re.search(rb"APPENDUID \d+ (\d+)", answer[-1])[1])

    def store(self, mailbox, uids, flags, how="FLAGS"):
        with self._selected(mailbox):
            self._uid("STORE", _set(uids), how, f"({flags})")

    def expunge(self, mailbox, uids):
        """The messages are gone for good."""
        with self._selected(mailbox):
            self._expunge(uids)

    def move(self, mailbox, uids, target):
        with self._selected(mailbox):
            self._uid("MOVE", _set(uids), self._real(target))

    def copy(self, mailbox, uids, target):
        with self._selected(mailbox):
            self._uid("COPY", _set(uids), self._real(target))

    def reassign(self, mailbox, uids):
        """The same messages under new UIDs, as after an edit through another protocol."""
        with self._selected(mailbox):
            there = self._search("UID", _set(uids))
            if there:
                self._uid("COPY", _set(there), self._real(mailbox))
                self._expunge(there)

    def create(self, mailbox):
        self._ask(self._client.create, _quoted(mailbox))

    def delete(self, mailbox):
        self._ask(self._client.delete, self._real(mailbox))
        self._displace(mailbox)

    def rename(self, mailbox, new):
        self._ask(self._client.rename, self._real(mailbox), _quoted(new))
        self._displace(mailbox)

    def recreate(self, mailbox):
        """Another UIDVALIDITY with the same messages, last one first, so an old UID names another message."""
        real, before = self._real(mailbox), self.messages(mailbox)
        if names.fold(mailbox.encode()) == "inbox":
            # The server makes a new one; the old one's children went with it.
            self._ask(self._client.rename, real, "Old-Inbox")
            for name in self.mailboxes():
                if re.fullmatch(rb"Old-Inbox/[^/]+", name):
                    child = name.decode().removeprefix("Old-Inbox/")
                    self._ask(self._client.rename, _quoted("Old-Inbox/" + child), _quoted("INBOX/" + child))
            self._ask(self._client.delete, "Old-Inbox")
        else:
            self._ask(self._client.delete, real)
            self._ask(self._client.create, real)
        for flags, date, data in reversed(list(before.values())):
            self.append(mailbox, data, flags, date)
        self._displace(mailbox)

    # --- inside ---

    def _real(self, mailbox):
        name = mailbox if isinstance(mailbox, bytes) else mailbox.encode()
        text = names.resolve(self.mailboxes(), name).decode()
        return _quoted(text)

    def _selected(self, mailbox):
        self._ask(self._client.select, self._real(mailbox))
        return _Selected(self._client)

    def _search(self, *words):
        return [int(uid) for uid in self._uid("SEARCH", *words)[0].split()]

    def _expunge(self, uids):
        self._uid("STORE", _set(uids), "+FLAGS.SILENT", "(\\Deleted)")
        self._uid("EXPUNGE", _set(uids))

    def _uid(self, *words):
        return self._ask(self._client.uid, *(str(word) for word in words))

    @staticmethod
    def _ask(call, *values):
        status, data = call(*values)
        if status != "OK":
            raise ElsewhereError(f"{call.__name__} {values[:2]}: {data[-1]!r}")
        return data


class _Selected:
    def __init__(self, client):
        self._client = client

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._client.unselect()


def _quoted(text):
    return '"' + re.sub(r'(["\\])', r"\\\1", text) + '"'


def _set(uids):
    return str(uids) if isinstance(uids, (str, int)) else ",".join(str(uid) for uid in uids)
