"""An IMAP server with one mailbox of any size and no mail: each answer is made when it is asked for, so a million
messages cost it nothing. It knows what a client needs to list, no more, and asks for no TLS.

    python3 -m tests.bench.endless COUNT [scattered]      prints {"port": N} and serves until SIGTERM

Mail is dated as it arrives, a minute after the one before; scattered, so that names come in no order.
"""
import json
import re
import socketserver
import subprocess
import sys

from . import outlookfs
from .commands import ROOT

_SET = re.compile(rb"UID FETCH (\d+)(?::(\d+|\*))? \((.*)\)$", re.IGNORECASE)
_FIELDS = re.compile(rb"BODY\.PEEK(\[HEADER\.FIELDS \([^)]*\)\])", re.IGNORECASE)
_LITERAL = re.compile(rb"\{(\d+)\+?\}$")
CAPABILITIES = b"IMAP4rev1 AUTH=PLAIN SASL-IR UIDPLUS MOVE ID UNSELECT CHILDREN IDLE NAMESPACE LITERAL+"
BATCH = 500
MONTHS = b"Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()


def header(uid):
    return (b"Date: Wed, 1 Jan 2020 00:00:00 +0000\r\nFrom: Writer %d <w%d@example.org>\r\n"
            b"To: Robin Meyer <robin@example.org>\r\nSubject: About the matter number %d\r\n"
            b"Message-ID: <%d@endless.example.org>\r\n\r\n" % (uid % 977, uid % 977, uid, uid))


def row(uid, fields, scattered=False):
    """A FETCH answer: with `fields`, all that a listing wants; else the flags."""
    if not fields:
        return b"* %d FETCH (UID %d FLAGS (\\Seen))\r\n" % (uid, uid)
    text = header(uid)
    hours, minute = divmod(uid * 7_654_321 % 20_000_000 if scattered else uid, 60)
    days, hour = divmod(hours, 24)
    return (b'* %d FETCH (UID %d FLAGS (\\Seen) INTERNALDATE "%02d-%b-%d %02d:%02d:00 +0000" RFC822.SIZE %d '
            b"BODY%s {%d}\r\n%s)\r\n" % (uid, uid, days % 28 + 1, MONTHS[days // 28 % 12], 1995 + days // 336, hour,
                                        minute, len(text) + 2000, fields, len(text), text))


class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        self.wfile.write(b"* OK ready\r\n")
        for line in self.rfile:
            if not self._serve(line.rstrip(b"\r\n")):
                break

    def _serve(self, line):
        tag, _, command = line.partition(b" ")
        verb = command.split(b" ")[0].upper()
        if verb == b"UID":
            verb = b" ".join(command.split(b" ")[:2]).upper()
        found = _LITERAL.search(command)
        if found:
            self.rfile.read(int(found[1]))
            self.rfile.readline()
        answer = getattr(self, "_" + verb.lower().replace(b" ", b"_").decode(), None)
        if answer:
            answer(command)
        self.wfile.write(tag + b" OK done\r\n")
        return verb != b"LOGOUT"

    def _capability(self, _):
        self.wfile.write(b"* CAPABILITY " + CAPABILITIES + b"\r\n")

    def _authenticate(self, command):
        if len(command.split(b" ")) < 3:
            self.wfile.write(b"+ \r\n")
            self.rfile.readline()

    def _namespace(self, _):
        self.wfile.write(b'* NAMESPACE (("" "/")) NIL NIL\r\n')

    def _list(self, _):
        self.wfile.write(b'* LIST (\\HasNoChildren) "/" INBOX\r\n')

    def _status(self, command):
        if b"INBOX" in command.upper():
            self.wfile.write(b"* STATUS INBOX (MESSAGES %d UIDNEXT %d UIDVALIDITY 1 UNSEEN 0)\r\n"
                             % (self.server.count, self.server.count + 1))

    def _select(self, _):
        self.wfile.write(b"* %d EXISTS\r\n* 0 RECENT\r\n* FLAGS (\\Seen \\Deleted)\r\n"
                         b"* OK [UIDVALIDITY 1] it\r\n* OK [UIDNEXT %d] it\r\n"
                         % (self.server.count, self.server.count + 1))

    _examine = _select

    def _logout(self, _):
        self.wfile.write(b"* BYE\r\n")

    def _idle(self, _):
        self.wfile.write(b"+ idling\r\n")
        self.rfile.readline()

    def _uid_fetch(self, command):
        found = _SET.match(command)
        if not found:
            return
        last = self.server.count
        first, to = int(found[1]), found[2] or found[1]
        to = last if to == b"*" else min(last, int(to))
        fields = _FIELDS.search(found[3])
        fields = fields[1] if fields else b""
        for start in range(min(first, last) if found[2] == b"*" else first, to + 1, BATCH):
            self.wfile.write(b"".join(row(uid, fields, self.server.scattered) for uid in range(start, min(start + BATCH, to + 1))))


class Endless(socketserver.ThreadingTCPServer):
    allow_reuse_address = daemon_threads = True

    def __init__(self, count, scattered=False):
        super().__init__(("127.0.0.1", 0), Handler)
        self.count, self.scattered, self.port = count, scattered, self.server_address[1]

    def handle_error(self, request, client_address):
        pass  # a client that went away


class Process:
    """A context: such a server in a process of its own, so that it takes no time from whoever measures. `.port`."""

    def __init__(self, count, *how):
        self.process = subprocess.Popen([sys.executable, "-m", "tests.bench.endless", str(count), *how], cwd=ROOT,
                                        stdout=subprocess.PIPE)

    def __enter__(self):
        self.port = json.loads(self.process.stdout.readline())["port"]
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(10)
        self.process.stdout.close()


def mount(stage, server, home=None):
    return outlookfs.Mount(stage, "endless", server, home=home, tls="none", host="127.0.0.1", cafile=None)


def main():
    with Endless(int(sys.argv[1]), "scattered" in sys.argv[2:]) as server:
        print(json.dumps({"port": server.port}), flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()
