"""The hidden rooms .text and .parts: what Python's email package reads in a message, by name and byte; read-only,
never listed, from the cache without a network, and for as long as somebody has them open."""
import contextlib
import datetime
import email
import email.policy
import errno
import html.parser
import pathlib
import random
import re

import pytest

from tests.data import generate, hard, torture

from . import test_faults
from .support import sample
from .support.mount import wait_for

# Made by hand to be broken: Python and outlookfs repair them differently, and both show what can be read.
#   cr-in-header, starts-folded, space-before-colon: where the header ends; empty-boundary, no-boundary: what a multipart is
#   nul-*: NUL is U+FFFD in a text
BROKEN = {"cr-in-header", "starts-folded", "space-before-colon", "empty-boundary", "no-boundary", "nul-in-body", "nul-only", "nul-in-subject"}


@pytest.fixture
def opened(desk):
    """As desk, until the test ends."""
    with contextlib.ExitStack() as stack:
        yield lambda *mails, **options: stack.enter_context(desk(*mails, **options))


def mails_of(messages, mailbox):
    return [(mailbox, hard.START + datetime.timedelta(seconds=61 * n), (), data) for n, data in enumerate(messages)]


def parsed(data):
    return email.message_from_bytes(data, policy=email.policy.default)


def leaves(message):
    """What is no multipart; a message in the message is one leaf."""
    if message.get_content_maintype() == "multipart" and message.is_multipart():
        for part in message.iter_parts():
            yield from leaves(part)
    else:
        yield message


def check_parts(folder, message):
    """The files of one directory of .parts against Python's leaves, in their order."""
    free = {path.name: path for path in folder.iterdir()}
    for number, part in enumerate(leaves(message), 1):
        name = part.get_filename()
        if name:
            stem, dot, end = name.rpartition(".") if "." in name else (name, "", "")
            name = next(n for n in [name, *(f"{stem}~{k}{dot}{end}" for k in range(2, 9))] if n in free)
        elif part.get_content_type() == "text/plain" and "body.txt" in free:
            name = "body.txt"
        elif part.get_content_type() == "text/html" and "body.html" in free:
            name = "body.html"
        else:
            (name,) = [n for n in free if re.fullmatch(rf"part-{number}\.(bin|txt|html|eml)", n)]
        got = free.pop(name)
        if part.get_content_type() == "message/rfc822":
            inner = part.get_payload(0)
            stem = name.removesuffix(".eml")
            assert parsed(got.read_bytes()).as_bytes() == inner.as_bytes()
            check_parts(free.pop(stem), inner)
        elif not part.is_multipart():  # Python takes message/delivery-status apart
            assert got.read_bytes() == part.get_payload(decode=True), name
    assert not free


class Words(html.parser.HTMLParser):
    """The text of HTML, as far as a search for a word goes."""

    def __init__(self):
        super().__init__()
        self.text, self.hidden = [], 0

    def handle_starttag(self, tag, attrs):
        self.hidden += tag in ("script", "style", "title")

    def handle_endtag(self, tag):
        self.hidden -= tag in ("script", "style", "title")

    def handle_data(self, data):
        if not self.hidden:
            self.text.append(data)


def shown(message):
    """The text that a person reads: plain where there is one, else of the HTML."""
    body = message.get_body(("plain", "html"))
    if body is None:
        return ""
    text = body.get_content()
    if body.get_content_subtype() == "plain":
        return text.replace("\r\n", "\n").replace("\r", "\n")
    words = Words()
    words.feed(text)
    return "".join(words.text)


def copied(mount, room, mailbox, out):
    out.mkdir()
    answer = mount.run("cp", "-r", f"{room}/{mailbox}", str(out), cwd=mount.path)
    assert answer.returncode == 0, answer.stderr[-2000:]
    return pathlib.Path(out) / mailbox


def by_name(mount, held, mailbox):
    """{file name: bytes} of a mailbox."""
    return {pathlib.PurePath(path).name: held[box][uid].data for (box, uid), path in mount.files().items() if box == mailbox}


@pytest.fixture
def held(truth, server):
    """truth() with each message's bytes."""

    def look(mailbox):
        server.select(mailbox, readonly=True)
        found = {}
        for part in server.uid("FETCH", "1:*", "(UID BODY.PEEK[])")[1]:
            if isinstance(part, tuple):
                found[int(re.search(rb"UID (\d+)", part[0])[1])] = part[1]
        return found

    return look


def named(mount, held, mailbox):
    bodies = held(mailbox)
    return {pathlib.PurePath(path).name: bodies[uid] for (box, uid), path in mount.files().items() if box == mailbox}


@pytest.mark.parametrize("box", ["Torture", "Hard"])
def test_as_python_reads_it(load, held, mounted, options, tmp_path, box):
    cases = torture.TORTURE if box == "Torture" else {
        h.name: h.data for h in hard.HARD if h.via == "append" and h.name not in BROKEN and not h.name.startswith("attachment")}
    load(mails_of(cases.values(), box))
    with mounted(options) as mount:
        files = named(mount, held, box)
        assert len(files) == len(cases)
        texts, parts = copied(mount, ".text", box, tmp_path / "t"), copied(mount, ".parts", box, tmp_path / "p")
        assert {p.name for p in texts.iterdir()} == {name + ".txt" for name in files}
        assert {p.name for p in parts.iterdir()} == set(files)
    for name, data in files.items():
        message = parsed(data)
        text = (texts / (name + ".txt")).read_bytes().decode()
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f]", text), name
        if message.get_content_charset("us-ascii") not in ("x-klingon",) and message.get_body(("plain",)) is not None:
            assert re.sub("[\x00-\x08\x0b\x0e-\x1f\x7f-\x9f]", "\ufffd", shown(message)).strip("\n").replace("\f", "\n") in text, name
        check_parts(parts / name, message)


def test_what_is_broken_can_be_read(load, held, mounted, dovecot_options, tmp_path):
    cases = [h.data for h in hard.HARD if h.via == "append"]
    load(mails_of(cases, "Hard"))
    with mounted(dovecot_options) as mount:
        files = named(mount, held, "Hard")
        texts, parts = copied(mount, ".text", "Hard", tmp_path / "t"), copied(mount, ".parts", "Hard", tmp_path / "p")
    assert {p.name.removesuffix(".txt") for p in texts.iterdir()} == {p.name for p in parts.iterdir()} == set(files)
    for path in texts.iterdir():
        assert path.read_bytes().decode().endswith("\n")
    for path in parts.rglob("*"):
        assert path.resolve().is_relative_to(parts.resolve()) and not path.name.startswith((".", "-r")) or path.is_dir()


def test_grep_finds_what_python_finds(load, held, mounted, dovecot_options):
    load([*mails_of(torture.TORTURE.values(), "Torture"),
          *(m._replace(mailbox="Torture") for m in generate.messages(150))])
    with mounted(dovecot_options) as mount:
        files = named(mount, held, "Torture")
        texts = {name: shown(parsed(data)) for name, data in files.items()}
        words = sorted({w for text in texts.values() for w in re.findall(r"[^\W\d_]{7,15}", text)})
        for word in [torture.ASCII_WORD, torture.WORD, *random.Random(7).sample(words, 25)]:
            answer = mount.run("grep", "-rlF", word, ".text/Torture", cwd=mount.path)
            found = {pathlib.PurePath(line).name.removesuffix(".txt") for line in answer.stdout.decode().splitlines()}
            wanted = {name for name, text in texts.items() if word in text}
            assert wanted <= found, (word, wanted - found)
            # More: in a subject, an address, a message within the message, a part that is not the first.
            for name in found - wanted:
                assert word in files[name].decode("utf-8", "replace") or any(
                    word in str(p.get_content()) for p in parsed(files[name]).walk() if p.get_content_maintype() == "text") \
                    or word in str(parsed(files[name])["subject"]), (word, name)
        assert len(torture.WORDS) <= len(mount.run("grep", "-rl", torture.ASCII_WORD, ".text/Torture", cwd=mount.path).stdout.splitlines())


def test_never_listed(load, mounted, options):
    load(sample.folders())
    with mounted(options) as mount:
        for command in ("ls -A", "find . -maxdepth 1", "du -a . -d 1"):
            before = mount.run("sh", "-c", command, cwd=mount.path).stdout.decode()
            mount.run("ls", ".text", ".parts", cwd=mount.path)
            assert ".text" not in before and ".parts" not in before
            assert mount.run("sh", "-c", command, cwd=mount.path).stdout.decode() == before
        files = mount.files().values()
        once = mount.run("grep", "-rc", "^Subject:", ".", cwd=mount.path).stdout.decode().splitlines()
        assert len(once) == len(files)
        boxes = mount.run("sh", "-c", "find . -type d | sort", cwd=mount.path).stdout
        assert mount.run("sh", "-c", "cd .text && find . -type d | sort", cwd=mount.path).stdout == boxes


WRITES = ["open(p, 'w')", "open(p, 'a')", "os.truncate(p, 0)", "os.unlink(p)", "os.rename(p, p + 'x')", "os.rename(p, 'Inbox/x.eml')",
          "os.rename('Inbox', os.path.dirname(p) + '/x')", "os.link(p, 'Inbox/x.eml')", "os.mkdir(os.path.dirname(p) + '/x')",
          "os.rmdir(os.path.dirname(p))", "os.symlink('x', os.path.dirname(p) + '/x')", "os.chmod(p, 0o600)", "os.utime(p)",
          "os.setxattr(p, 'user.x', b'')", "os.mkdir('.text')", "os.rmdir('.parts')", "os.rename('.text', 'x')", "open('.text/x', 'w')",
          "os.mknod(os.path.dirname(p) + '/x')"]


@pytest.mark.parametrize("room", [".text", ".parts"])
def test_read_only(opened, room):
    d = opened(sample.few(2))
    name = d.ls("Inbox")[0]
    path = f".text/Inbox/{name}.txt" if room == ".text" else f".parts/Inbox/{name}/body.txt"
    before = d.do('cat -- "$1"', path)
    for write in WRITES:
        code = f"p = a[0]\n{write}"
        want = "EEXIST" if write == "os.mkdir('.text')" else "EROFS"
        assert d.fails(code, path) == want, write
    assert d.fails("os.getxattr(a[0], 'user.x')", path) == "ENODATA"
    assert d.python("print(os.listxattr(a[0]))", path) == (0, "[]\n")
    assert d.do('cat -- "$1"', path) == before
    d.do('cp -- "$1" "$LOCAL/copy" && cp -a -- "$1" "$LOCAL/copy2" && cmp "$LOCAL/copy" "$LOCAL/copy2"', path)


def test_names(opened):
    d = opened([*sample.few(1), *mails_of([torture.TORTURE["nested-twice"]], "INBOX")])
    for name in d.ls("Inbox"):
        stem = name.removesuffix(".eml")
        assert d.do('cat -- "$1"', f".text/Inbox/{stem}.txt") == d.do('cat -- "$1"', f".text/Inbox/{name}.txt")
        assert d.do('ls -- "$1"', f".parts/Inbox/{stem}") == d.do('ls -- "$1"', f".parts/Inbox/{name}")
        for wrong in (name, stem, f"{name}.txt.txt", "x.txt", ".txt", "x" * 255):
            assert d.fails("open(a[0])", f".text/Inbox/{wrong}") == "ENOENT"
        assert d.fails("open(a[0])", f".parts/Inbox/{name}/none") == "ENOENT"
        assert d.fails("open(a[0])", f".parts/Inbox/{name}") == "EISDIR"
    assert d.fails("open(a[0])", ".text/None/x.txt") == "ENOENT"
    assert d.fails("open(a[0])", ".text/" + "x" * 256) == "ENAMETOOLONG"
    (nested,) = [n for n in d.ls("Inbox") if "torture" in n]
    tree = d.do('cd "$1" && find . | sort', f".parts/Inbox/{nested}").split()
    assert tree == [".", "./part-1", "./part-1.eml", "./part-1/body.txt", "./part-1/part-2", "./part-1/part-2.eml",
                    "./part-1/part-2/body.txt", "./part-2", "./part-2.eml", "./part-2/body.txt"]


def test_numbers_and_times(opened):
    """Inode numbers are unique and stay; mtime is the message's; size is exact once opened."""
    d = opened([*sample.few(3), *mails_of([torture.TORTURE["nested-twice"]], "INBOX")])
    look = "find . .text .parts ! -path './.text*' ! -path './.parts*' -printf '%i %T@ %p\\n' | sort -k3"
    first = d.do(look)
    numbers = [line.split()[0] for line in first.splitlines()]
    assert len(set(numbers)) == len(numbers)
    assert d.do(look) == first
    for name in d.ls("Inbox"):
        for path in (f".text/Inbox/{name}.txt", f".parts/Inbox/{name}", f".parts/Inbox/{name}/"):
            assert d.do('stat -c %Y -- "$1"', path) == d.do('stat -c %Y -- "$1"', f"Inbox/{name}")
        code, out = d.python("f = open(a[0], 'rb')\nprint(os.fstat(f.fileno()).st_size, len(f.read()), os.stat(a[0]).st_size)",
                             f".text/Inbox/{name}.txt")
        sizes = out.split()
        assert code == 0 and len(set(sizes)) == 1
        assert d.do('ls -l .text/Inbox >/dev/null; stat -c %s -- "$1"', f".text/Inbox/{name}.txt").strip() == sizes[0]


@pytest.mark.parametrize("how", ["cat", "mmap", "tar"])
@pytest.mark.parametrize("skew", ["+7777", "x0.1"])
def test_sizes_that_are_estimates(load, mounted, outlook, outlook_options, tmp_path, skew, how):
    """Whoever reads a text first, whatever size was told before, reads all of it."""
    outlook.set(size_skew=skew)
    load(sample.few(5, size=9_000))
    with mounted(outlook_options) as mount:
        command = {"cat": "for f in *; do cat \"$f\" | md5sum; done", "tar": "for f in *; do tar cf - \"$f\" | tar xOf - | md5sum; done",
                   "mmap": "for f in *; do python3 -c 'import mmap,sys,hashlib; f = open(sys.argv[1], \"rb\"); "
                           "print(hashlib.md5(mmap.mmap(f.fileno(), 0, prot=mmap.PROT_READ)).hexdigest(), \" -\")' \"$f\"; done"}[how]
        first = mount.run("sh", "-c", "ls -l >/dev/null;" + command, cwd=mount.path / ".text/Inbox")
        assert first.returncode == 0, first.stderr
        again = mount.run("sh", "-c", "for f in *; do cat \"$f\" | md5sum; done", cwd=mount.path / ".text/Inbox")
        assert first.stdout.replace(b"   -", b"  -") == again.stdout.replace(b"   -", b"  -") and len(first.stdout.splitlines()) == 5


def test_without_a_network(load, mounted, outlook, outlook_options):
    load(sample.few(4) + sample.few(1, "Archive"))  # whoever reads two of Inbox gets the others ahead
    with mounted(outlook_options, timeout=3) as mount:
        files = mount.files().items()
        read = sorted(pathlib.PurePath(path).name for (box, _), path in files if box == "Inbox")[:2]
        (unread,) = [pathlib.PurePath(path).name for (box, _), path in files if box == "Archive"]
        text = mount.run("cat", *(f".text/Inbox/{n}.txt" for n in read), cwd=mount.path).stdout
        assert text.count(b"\nSubject: ") == 2
    outlook.down()
    with mounted(outlook_options, timeout=3) as mount:
        assert mount.run("cat", *(f".text/Inbox/{n}.txt" for n in read), cwd=mount.path).stdout == text
        assert mount.run("cat", *(f".parts/Inbox/{n}/body.txt" for n in read), cwd=mount.path).returncode == 0
        assert mount.run("ls", ".text/Inbox", ".parts/Inbox", cwd=mount.path).returncode == 0
        for path in (f".text/Archive/{unread}.txt", f".parts/Archive/{unread}/body.txt"):
            test_faults.in_time(mount.error_of(path), errno.ENETUNREACH)


def test_kept_with_the_body(load, mounted, dovecot_options):
    """A text that was read once is not made again: it stands in bodies.db."""
    import sqlite3
    load(sample.few(3))
    with mounted(dovecot_options) as mount:
        mount.run("sh", "-c", "cat .text/Inbox/*", cwd=mount.path)
    (path,) = pathlib.Path(mount.home.cache).rglob("bodies.db")
    with sqlite3.connect(path) as db:
        assert [n for n, in db.execute("SELECT text_version > 0 AND text > 0 FROM body")] == [1, 1, 1]


@pytest.mark.parametrize("room", [".text", ".parts"])
def test_taken_away_while_open(opened, room):
    """A view stays readable while it is open; its name goes with the message, and comes where it went."""
    d = opened(sample.few(3, size=300_000), way="dovecot")
    first, second, third = d.ls("Inbox")
    path = (lambda box, name: f".text/{box}/{name}.txt") if room == ".text" else (lambda box, name: f".parts/{box}/{name}/body.txt")
    code, out = d.python("""
f, g = open(a[0], 'rb'), open(a[1], 'rb')
head = f.read(10), g.read(10)
os.unlink('Inbox/' + a[2])
os.rename('Inbox/' + a[3], 'Archive/' + a[3])
rest = f.read(), g.read()
print([len(h + r) == os.fstat(x.fileno()).st_size > 100000 for h, r, x in zip(head, rest, (f, g))])
""", path("Inbox", first), path("Inbox", second), first, second)
    assert (code, out) == (0, "[True, True]\n")
    wait_for(lambda: d.fails("open(a[0])", path("Inbox", first)) == "ENOENT", 5, "the name to go")
    wait_for(lambda: d.fails("open(a[0])", path("Inbox", second)) == "ENOENT", 5, "the name to go")
    assert d.fails("open(a[0])", path("Archive", second)) == "0"
    assert d.fails("open(a[0])", path("Inbox", third)) == "0"


def test_new_mail_shows(opened):
    d = opened(sample.few(1), way="dovecot")
    d.do("ls .text/Inbox .parts/Inbox")
    d.do('cp "$1" Inbox/new.eml', d.mail(77))
    assert "new.eml.txt" in d.do("ls .text/Inbox") and "new.eml" in d.do("ls .parts/Inbox")
    assert "Subject:" in d.do("cat .text/Inbox/new.txt")
    d.do("mv Inbox/new.eml Inbox/renamed.eml")
    assert "Subject:" in d.do("cat .text/Inbox/renamed.eml.txt")
    wait_for(lambda: d.fails("open('.text/Inbox/new.eml.txt')") == "ENOENT", 5, "the old name to go")
