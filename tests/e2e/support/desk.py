"""A mount that is written to, and the account behind it as another client sees it.

    with desk(sample.few(3)) as d:
        d.do('mv "$1" Archive/', d.path("INBOX", 1))
        assert d.numbers("Archive") == [1]

What the server holds is asked of the server (Elsewhere, straight at Dovecot), never of the mount. Messages are
known by the number in their subject (sample.message), which the emulation's rewriting keeps. With
commit=journal a look at the server waits for `outlookfs sync` first, and that has to succeed.
"""
import contextlib
import datetime
import errno
import json
import os
import re
import typing

from tests.outlook import Elsewhere

from . import mailboxes, sample
from .mount import wait_for

PYTHON = "/usr/bin/python3"
# name: (which server, switches of the emulation, mount options)
WAYS = {
    "dovecot": ("dovecot", {}, {}),
    "outlook": ("outlook", {}, {}),
    "without MOVE": ("outlook", {"without": "MOVE"}, {}),
    "without UIDPLUS": ("outlook", {"without": "UIDPLUS"}, {}),
    "without LITERAL+": ("outlook", {"without": "LITERAL+"}, {}),
    "without all three": ("outlook", {"without": "MOVE,UIDPLUS,LITERAL+"}, {}),
    "dovecot, journal": ("dovecot", {}, {"commit": "journal"}),
    "outlook, journal": ("outlook", {}, {"commit": "journal"}),
    "without all three, journal": ("outlook", {"without": "MOVE,UIDPLUS,LITERAL+"}, {"commit": "journal"}),
}
QUICK_WAYS = ("dovecot", "outlook", "without all three", "outlook, journal")  # the others are marked slow
LATE = {"\\Recent", "$MDNSent"}  # the service gives the latter to what was appended: the next refresh tells
TRASH = "Deleted"  # what servers.outlook_dovecot calls the mailbox with that role
NUMBER = re.compile(rb"^Subject: number (\d+)", re.M | re.I)


class Message(typing.NamedTuple):
    """One message as the server has it."""
    uid: int
    flags: frozenset
    date: float  # INTERNALDATE, seconds since 1970
    data: bytes
    number: typing.Optional[int]


def number_of(data):
    found = NUMBER.search(data)
    return int(found[1]) if found else None


def seconds_of(date):
    return datetime.datetime.strptime(date.strip(), "%d-%b-%Y %H:%M:%S %z").timestamp()


def census(client):
    """{shown mailbox: sorted numbers} of the whole account, by one FETCH a mailbox."""
    found = {}
    for shown, name in mailboxes.names(client).items():
        status, answer = client.select('"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"', readonly=True)
        if status != "OK":
            raise RuntimeError(f"EXAMINE {name!r}: {answer}")
        parts = client.uid("FETCH", "1:*", "(BODY.PEEK[HEADER.FIELDS (SUBJECT)])")[1]
        found[shown] = sorted(number_of(part[1]) or 0 for part in parts if isinstance(part, tuple))
    return found


def errno_name(code):
    name = errno.errorcode.get(code, str(code)) if code else "0"
    return "EOPNOTSUPP" if name == "ENOTSUP" else name  # one number, two names


class Desk:
    def __init__(self, mount, there, client, local, outlook=None):
        """there: an Elsewhere; client: imaplib's, both at Dovecot; outlook: the emulation, where it is in use."""
        self.mount, self.there, self.client, self.local, self.outlook = mount, there, client, local, outlook
        self.journal = mount.options.get("commit") == "journal"

    # --- doing ---

    def sh(self, script, *arguments, seconds=60, **options):
        """A shell script in the mount's root; $LOCAL is a folder beside it."""
        options.setdefault("env", {}).update(LOCAL=str(self.local))
        return self.mount.run("bash", "-c", script, "bash", *arguments, seconds=seconds, cwd=self.mount.path, **options)

    def do(self, script, *arguments, **options):
        """The same, which must succeed without a word on stderr; its output."""
        answer = self.sh(script, *arguments, **options)
        assert answer.returncode == 0 and not answer.stderr, (script, answer.returncode, answer.stderr.decode())
        return answer.stdout.decode()

    def python(self, code, *arguments, seconds=60):
        """A Python program there: (errno or 0, output). `a` is its arguments."""
        text = ("import os, sys\na = sys.argv[1:]\ntry:\n" +
                "".join(f"    {line}\n" for line in code.strip("\n").split("\n")) +
                "except OSError as e:\n    print(repr(e), e.errno or 0, file=sys.stderr); sys.exit(99)\n")
        answer = self.mount.run(PYTHON, "-c", text, *arguments, seconds=seconds, cwd=self.mount.path,
                                env={"LOCAL": str(self.local)})
        if answer.returncode == 99:
            code = int(answer.stderr.split()[-1])
            assert code, answer.stderr.decode()  # shutil's own, which has none
            return code, answer.stdout.decode()
        assert answer.returncode == 0, answer.stderr.decode()
        return 0, answer.stdout.decode()

    def fails(self, code, *arguments):
        """The name of the errno that a Python statement meets; "0" for none."""
        return errno_name(self.python(code, *arguments)[0])

    def beside(self, name, data, mtime=None):
        """A file outside of the mount; its path."""
        path = self.local / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        if mtime is not None:
            os.utime(path, (mtime, mtime))
        return str(path)

    def mail(self, number, mtime=None, **options):
        """A message outside of the mount; its path."""
        return self.beside(f"{number}.eml", sample.message(number, **options), mtime)

    def sync(self, seconds=60):
        return self.mount.outlookfs("sync", str(self.mount.path), seconds=seconds)

    def settle(self):
        """With commit=journal: what is pending is on the server afterwards."""
        if self.journal:
            answer = self.sync()
            assert answer.returncode == 0, answer.stderr

    # --- looking at the server ---

    def held(self, mailbox):
        """Its messages by UID, ascending."""
        self.settle()
        return self.held_now(mailbox)

    def held_now(self, mailbox):
        found = []
        for head, data in self._fetch(mailbox, "(UID FLAGS INTERNALDATE BODY.PEEK[])"):
            uid = int(re.search(rb"UID (\d+)", head)[1])
            flags = re.search(rb"FLAGS \(([^)]*)\)", head)[1].decode().split()
            date = re.search(rb'INTERNALDATE "([^"]*)"', head)[1].decode()
            found.append(Message(uid, frozenset(flags) - {"\\Recent"}, seconds_of(date), data, number_of(data)))
        return sorted(found)

    def _fetch(self, mailbox, items):
        """(text before, literal) of each message, by one command: nobody can come in between."""
        status, answer = self.client.select(mailboxes.quoted(mailbox), readonly=True)
        assert status == "OK", (mailbox, answer)
        return [part for part in self.client.uid("FETCH", "1:*", items)[1] if isinstance(part, tuple)]

    def numbers(self, mailbox):
        self.settle()
        return sorted(number_of(data) or 0 for _, data in self._fetch(mailbox, "(BODY.PEEK[HEADER.FIELDS (SUBJECT)])"))

    def census(self):
        self.settle()
        return census(self.client)

    def one(self, mailbox, number):
        """The message of that number, which is there once."""
        message, = [m for m in self.held(mailbox) if m.number == number]
        return message

    def count(self, number):
        """How often the account holds it."""
        return sum(numbers.count(number) for numbers in self.census().values())

    def boxes(self):
        """Mailboxes as the mount should show them."""
        self.settle()
        return set(mailboxes.names(self.client))

    def sent(self, *verbs):
        """Lines of those commands that the emulation was sent, all without verbs; UID commands by their verb too."""
        return [e.line for e in self.outlook.transcript.entries()
                if not verbs or e.verb in verbs or e.verb.removeprefix("UID ") in verbs]

    def forget(self):
        """What was sent so far."""
        self.outlook.transcript.clear()

    # --- looking at the mount ---

    def path(self, mailbox, number):
        """Where the mount shows it."""
        uid = self.one(mailbox, number).uid
        shown = "Inbox" + mailbox[5:] if mailbox.upper().startswith("INBOX") else mailbox
        return self.mount.path_of(shown, uid)

    def ls(self, mailbox):
        """Names in a directory, sorted."""
        return sorted(self.do('ls -1 -- "$1"', mailbox).splitlines())

    def outbox(self):
        """What `outlookfs outbox` lists, a line each: ID STATE KIND MAILBOX/NAME SIZE REASON."""
        answer = self.mount.outlookfs("outbox", str(self.mount.path), "list", "--json")
        assert answer.returncode == 0, answer.stderr
        rows = [json.loads(line) for line in answer.stdout.splitlines()]
        return [f"{row['id']} {row['state']} {row['kind']} {row.get('mailbox')}/{row.get('name')} {row.get('size')} "
                f"{row.get('reason')}" for row in rows]

    def agree(self, seconds=15, settled=True, flags=True):
        """The tree equals the account: the same messages, flags and bytes in each mailbox, no file besides."""
        if settled:
            self.settle()
        self.difference = None
        try:
            wait_for(lambda: self._agrees(flags), seconds, "the mount agreeing with the server")
        except TimeoutError as error:
            error.add_note(f"the difference: {self.difference}")
            raise

    def _agrees(self, flags):
        held = mailboxes.truth(self.client)
        entries = self.mount.reader("stat-what-opens")
        files = {(path.rpartition("/")[0], int(entry["uid"])): path for path, entry in entries.items()
                 if entry["kind"] == "file" and str(entry["uid"]).isdigit()}
        others = [path for path, entry in entries.items()
                  if entry["kind"] == "file" and not str(entry["uid"]).isdigit()]
        wanted = {(mailbox, uid) for mailbox, messages in held.items() for uid in messages}
        unlisted = {path for path in held if path not in entries}
        if set(files) != wanted or others or unlisted:
            self.difference = (set(files) ^ wanted, others, unlisted)
            return False
        got = self.mount.reader("read", *files.values()) if files else {}
        for (mailbox, uid), path in files.items():
            if got[path].get("sha256") != held[mailbox][uid].sha256:
                self.difference = (path, got[path], held[mailbox][uid])
                return False
            if flags and frozenset((entries[path]["flags"] or "").split()) - LATE != held[mailbox][uid].flags - LATE:
                self.difference = (path, entries[path]["flags"], held[mailbox][uid].flags)
                return False
        return True


def make_opener(request, mounted, dovecot, server, user, home, load):
    """desk(mails, way="dovecot", switches={}, check=True, **mount options): a context with a Desk."""

    @contextlib.contextmanager
    def desk(mails=(), way="dovecot", switches=None, check=True, **more):
        kind, normal, options = WAYS[way]
        load(mails)
        if kind == "outlook":
            outlook = request.getfixturevalue("outlook")
            outlook.set(**{**normal, **(switches or {})})
            there = outlook.elsewhere(user)
        else:
            outlook, there = None, Elsewhere((dovecot.host, dovecot.port), user, dovecot.password)
        local = home.top / "local"
        local.mkdir(exist_ok=True)
        settings = {**request.getfixturevalue(kind + "_options"), **options, **more}
        with contextlib.closing(there), mounted(settings, check=check) as mount:
            yield Desk(mount, there, server, local, outlook)

    return desk
