"""What all contenders stand on: servers on loopback with the mail in them, the links before them, one
temporary folder, and mounts that are kept for all rounds. Made once a run, gone at its end."""
import collections
import contextlib
import pathlib
import shutil
import sys
import tempfile

from tests.e2e.support.dovecot import COMPRESS
from tests.e2e.support.servers import make_token, outlook_dovecot, outlook_in_front

from . import bare, link, mail, sshd
from .commands import ROOT

USER, MANY, FEW, SMALL = (f"{name}@example.org" for name in ("bench", "many", "few", "small"))
FEW_COUNT, SMALL_COUNT, ASIDE_COUNT = 1000, 20, 60
ASIDE = "Archive"  # where MANY has a few messages that are not small


def say(text):
    print(f"bench: {text}", file=sys.stderr, flush=True)


class Stage:
    def __init__(self, options):
        self.options, self.count = options, options.count
        self.marked = mail.marked(options.count)
        self.missing = {}  # contender: why it has no column
        self.delivers = None  # the part of its rate that the link delivers, once one is used
        self.more = collections.Counter()  # by user: messages that came to the inbox since it was filled
        self.remarks = []  # for the table's header
        self.trails = {}   # what was seen on the wire, for --json
        self._stack = contextlib.ExitStack()
        self._once = {}

    def __enter__(self):
        with contextlib.ExitStack() as stack:
            self.work = pathlib.Path(tempfile.mkdtemp(prefix="ofs-bench-", dir="/tmp"))
            stack.callback(shutil.rmtree, self.work, ignore_errors=True)
            self.dovecot = stack.enter_context(outlook_dovecot(extra=COMPRESS))
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_):
        self._stack.close()

    # --- made when first asked for, kept until the end ---

    def once(self, name, make):
        """make()'s value; where that is a context, it is entered, and left at the end of the run."""
        if name not in self._once:
            value = make()
            if hasattr(value, "__exit__"):
                value = self._stack.enter_context(value)
            self._once[name] = value
        return self._once[name]

    def link(self, target, rtt, mbit=None):
        """The way to "imap", "outlook" or "sftp", at the rate of the options unless another is named; 0 ms is also
        without a limit of the rate."""
        mbit = mbit or self.options.mbit
        if rtt and self.delivers is None:
            self.delivers = link.delivered(self.program("bench_link"), 50, self.options.mbit)
        ports = {"imap": lambda: self.dovecot.tls_port, "outlook": lambda: self.outlook().port,
                 "sftp": lambda: self.sshd().port}
        return self.once(f"link {target} {rtt} {mbit}", lambda: link.Link(
            self.program("bench_link"), f"127.0.0.1:{ports[target]()}", rtt, mbit if rtt else 0))

    def outlook(self):
        def make():
            service = outlook_in_front(self.dovecot)
            for user in (MANY, FEW, SMALL):
                service.tokens.add(make_token(user), user)
            return service
        return self.once("outlook", make)

    def sshd(self):
        return self.once("sshd", lambda: sshd.Sshd(self.work / "sshd"))

    def mail(self):
        """USER's mail is on the server, and as files in `.source`; gives the bytes that the server holds. They
        need not be those of the files, `.source_bytes`: a server may put odd line ends right."""
        return self.once("mail", self._mail)

    def many(self):
        return self.once("many", lambda: self._fill(MANY, mail.short(self.options.many))
                         and self._fill(MANY, mail.messages(ASIDE_COUNT, ASIDE)))

    def few(self):
        return self.once("few", lambda: self._fill(FEW, mail.short(FEW_COUNT)))

    def small(self):
        return self.once("small", lambda: self._fill(SMALL, mail.short(SMALL_COUNT)))

    # --- the rest ---

    def program(self, name):
        return self.options.build / "tests/bench" / name

    def fresh(self, name):
        return pathlib.Path(tempfile.mkdtemp(prefix=name + "-", dir=self.work))

    def lacks(self, contender, *programs):
        """Whether a program is not installed; the contender then has no column."""
        path = "/usr/local/sbin:/usr/sbin:/sbin"
        gone = [p for p in programs if not shutil.which(p) and not shutil.which(p, path=path)]
        if gone:
            self.missing[contender] = f"{', '.join(gone)} not installed"
        return bool(gone)

    def _mail(self):
        self.source = self.work / "source"
        self.source.mkdir()
        self._fill(USER, self._as_files(mail.messages(self.count)))
        self.source_bytes = sum(file.stat().st_size for file in self.source.iterdir())
        return mail.bytes_held(self.dovecot, USER)

    def _as_files(self, mails):
        for index, one in enumerate(mails):
            (self.source / f"{one.internaldate:%Y-%m-%d_%H%M%S}_{index:07}.eml").write_bytes(one.data)
            yield one

    def _fill(self, user, mails):
        """The mail on the server, and the server's index warm."""
        say(f"filling the mailbox of {user}")
        count, _ = mail.fill(self.dovecot, user, mails)
        port = self.dovecot.tls_port
        for _ in range(2):  # the first decides what the index keeps, the second finds it there
            bare.fetch(self, port, user, bodies=user == USER)
        return count
