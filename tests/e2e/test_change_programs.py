"""The traps of FUSE.md and real programs: each does what its user expects, seen at the server."""
import mailbox
import os
import signal
import sys

import pytest

from .support import sample
from .support.desk import TRASH
from .support.mount import wait_for
from .test_change_rows import WHEN, three

PTY = pytest.mark.skipif(not os.path.exists("/usr/bin/nano"), reason="nano is not installed: scripts/setup test")


def halves(d, number=7):
    """A message in two files: its header with the blank line, its body."""
    head, gap, body = sample.message(number, size=2000).partition(b"\r\n\r\n")
    return d.beside("head", head + gap), d.beside("body", body)


# --- who writes, and who ends it ---

def test_a_shell_group_writes_through_children(desk, any_way):
    """The children's closes come first and with half a message: only the shell's own publishes."""
    with desk(way=any_way) as d:
        d.do('(cat "$1"; cat "$2") > Archive/a.eml; { cat "$1"; sed "" "$2"; } > Archive/b.eml', *halves(d))
        both = d.held("Archive")
        assert [m.number for m in both] == [7, 7] and both[0].data == both[1].data
        assert both[0].data.count(b"needle7") == sample.message(7, size=2000).count(b"needle7")
        assert d.numbers(TRASH) == []
        if d.outlook:
            assert len(d.sent("APPEND")) + len(d.sent("UID COPY")) == 2
        d.agree()


def test_a_script_with_its_output_in_the_mount(desk, way):
    with desk(way=way) as d:
        d.do('exec > Archive/a.eml; cat "$1"; /bin/true; cat "$2"', *halves(d))
        assert d.one("Archive", 7).data.count(b"needle7") == sample.message(7, size=2000).count(b"needle7")
        assert d.numbers(TRASH) == []


def test_a_child_that_outlives_the_opener(desk, way):
    """After the opener has closed it, the last writer's close publishes."""
    with desk(way=way) as d:
        d.do('(exec > Archive/a.eml; (sleep 0.3; cat "$1") & ); sleep 0.1', d.mail(7))
        wait_for(lambda: d.numbers("Archive") == [7], 10, "the child's message")
        assert d.numbers(TRASH) == []


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP])
def test_a_killed_writer(desk, way, number):
    """Half a message goes nowhere: it stays in the outbox as unfinished."""
    with desk(way=way) as d:
        answer = d.sh('exec /usr/bin/python3 -c "import os, sys; f = open(\'Archive/half.eml\', \'wb\', buffering=0); '
                      'f.write(open(sys.argv[1], \'rb\').read()[:300]); os.kill(os.getpid(), int(sys.argv[2]))" "$@"',
                      d.mail(7, size=2000), int(number))
        assert answer.returncode == -number
        entry, = wait_for(d.outbox, 10, "the entry in the outbox")
        assert "half.eml" in entry and "unfinished" in entry
        assert d.held("Archive") == [] and d.ls("Archive") == []
        number = entry.split()[0]
        saved = d.local / "saved"
        assert d.mount.outlookfs("outbox", str(d.mount.path), "save", number, str(saved)).returncode == 0
        assert saved.read_bytes() == sample.message(7, size=2000)[:300]
        assert d.mount.outlookfs("outbox", str(d.mount.path), "drop", number).returncode == 0 and d.outbox() == []


def test_a_killed_writer_over_a_message(desk, way):
    """The message that was being overwritten stands."""
    with desk(three(), way=way) as d:
        path, before = d.path("INBOX", 2), d.held("INBOX")
        d.sh('exec /usr/bin/python3 -c "import os, sys; f = open(sys.argv[1], \'wb\', buffering=0); '
             'f.write(open(sys.argv[2], \'rb\').read()[:300]); os.kill(os.getpid(), 9)" "$@"', path, d.mail(70))
        wait_for(d.outbox, 10, "the entry in the outbox")
        assert d.held("INBOX") == before and d.numbers(TRASH) == []
        assert d.sh('cat "$1"', path).stdout == before[1].data


def test_a_killed_pipeline(desk, way):
    """Ctrl-C of `slow | cat > f`."""
    with desk(way=way) as d:
        d.sh('tail -n +1 -f "$1" | /usr/bin/python3 -c "import os, sys\nf = os.open(\'Archive/a.eml\', 65)\n'
             'os.write(f, os.read(0, 400))\nos.killpg(0, 2)"', d.mail(7), start_new_session=True)
        wait_for(lambda: d.outbox() or d.held("Archive"), 10, "the end of the writer")
        assert d.held("Archive") == [] and "unfinished" in d.outbox()[0]


def test_outbox_retry(desk, way):
    """What was left unfinished goes out at the user's word."""
    with desk(way=way) as d:
        d.sh('exec /usr/bin/python3 -c "import os, sys; f = open(\'Archive/x.eml\', \'wb\', buffering=0); '
             'f.write(open(sys.argv[1], \'rb\').read()); os.kill(os.getpid(), 9)" "$@"', d.mail(7))
        entry, = wait_for(d.outbox, 10, "the entry in the outbox")
        answer = d.mount.outlookfs("outbox", str(d.mount.path), "retry", entry.split()[0])
        assert answer.returncode == 0, answer.stderr
        assert d.sync().returncode == 0
        assert d.numbers("Archive") == [7] and d.outbox() == []
        d.agree()


# --- memory maps, offsets, sizes ---

def test_mmap_of_a_new_file(desk, way):
    with desk(way=way) as d:
        code, _ = d.python("import mmap\ndata = open(a[0], 'rb').read()\n"
                           "f = os.open('Archive/m.eml', os.O_CREAT | os.O_RDWR)\nos.ftruncate(f, len(data))\n"
                           "m = mmap.mmap(f, len(data))\nm[:] = data\nm.close()\nos.close(f)", d.mail(7, size=9000))
        assert code == 0
        assert d.one("Archive", 7).data.count(b"needle7") == sample.message(7, size=9000).count(b"needle7")
        d.agree()


def test_mmap_that_outlives_the_descriptor(desk, way):
    """The pages come after the last FLUSH: RELEASE publishes them."""
    with desk(three(), way=way) as d:
        path, before = d.path("INBOX", 2), d.one("INBOX", 2)
        code, _ = d.python("import mmap\nf = os.open(a[0], os.O_RDWR)\nm = mmap.mmap(f, 0)\nos.close(f)\n"
                           "at = m.find(b'hay')\nm[at:at + 3] = b'HEY'\nm.close()", path)
        assert code == 0
        wait_for(lambda: b"HEY" in d.one("INBOX", 2).data, 10, "what was written through the map")
        assert d.one(TRASH, 2).data == before.data
        d.agree()


@pytest.mark.parametrize("skew", ["+100", "-100", "off", "x0"])
def test_offsets_when_sizes_are_estimates(desk, skew, outlook):
    """>>, r+ and SEEK_END work on the message, whatever RFC822.SIZE said."""
    with desk(sample.few(3, size=2000), way="outlook", switches={"size_skew": skew, "append_rewrite": "off"}) as d:
        before = {m.number: m.data for m in d.held("INBOX")}
        first, second, third = (d.path("INBOX", n) for n in (1, 2, 3))
        d.do('printf "one more\\r\\n" >> "$1"', first)
        code, _ = d.python("f = open(a[0], 'r+b')\nf.seek(0, 2)\nf.write(b'one more\\r\\n')\nf.close()\n"
                           "f = os.open(a[1], os.O_RDWR)\nend = os.lseek(f, 0, os.SEEK_END)\n"
                           "assert end == len(open(a[1], 'rb').read()), end\nos.ftruncate(f, end - 4)\nos.close(f)",
                           second, third)
        assert code == 0
        after = {m.number: m.data for m in d.held("INBOX")}
        assert after == {1: before[1] + b"one more\r\n", 2: before[2] + b"one more\r\n", 3: before[3][:-4] + b"\r\n"} or \
            after == {1: before[1] + b"one more\r\n", 2: before[2] + b"one more\r\n", 3: before[3][:-4]}


def test_append_by_several_handles(desk, way):
    """O_APPEND goes to the end whatever the offset."""
    with desk(way=way) as d:
        code, _ = d.python("data = open(a[0], 'rb').read()\nflags = os.O_CREAT | os.O_WRONLY | os.O_APPEND\n"
                           "f = os.open('Archive/x.eml', flags)\ng = os.open('Archive/x.eml', flags)\n"
                           "os.write(f, data[:100])\nos.write(g, data[100:200])\nos.write(f, data[200:])\n"
                           "os.close(g)\nos.close(f)", d.mail(7))
        assert code == 0
        last = d.one("Archive", 7)
        if way == "dovecot":
            assert last.data == sample.message(7)
        d.agree()


def test_sparse_writes(desk, way):
    """Written backwards, whole at the end; a hole that stays is a NUL, and no message has one."""
    with desk(way=way) as d:
        code, _ = d.python("data = open(a[0], 'rb').read()\nf = os.open('Archive/x.eml', os.O_CREAT | os.O_WRONLY)\n"
                           "for at in reversed(range(0, len(data), 97)):\n    os.pwrite(f, data[at:at + 97], at)\n"
                           "os.close(f)", d.mail(7, size=3000))
        assert code == 0 and d.numbers("Archive") == [7]
        code, _ = d.python("data = open(a[0], 'rb').read()\nf = os.open('Archive/y.eml', os.O_CREAT | os.O_WRONLY)\n"
                           "os.write(f, data)\nos.pwrite(f, b'x', 9000)\nos.close(f)", d.mail(8))
        assert code == 22 and d.numbers("Archive") == [7]


# --- shells ---

def test_cat_of_two(desk, any_way):
    """Two whole-file copies to one target are no clone of the first."""
    with desk(three(), way=any_way) as d:
        first, second = d.path("INBOX", 1), d.path("INBOX", 2)
        one, two = d.one("INBOX", 1).data, d.one("INBOX", 2).data
        d.do('cat "$1" "$2" > Archive/c.eml', first, second)
        both, = d.held("Archive")
        assert both.data.count(b"needle1") == one.count(b"needle1")
        assert both.data.count(b"needle2") == two.count(b"needle2")
        if any_way.startswith("dovecot"):
            assert both.data == one + two
        assert d.numbers("INBOX") == [1, 2, 3] and d.numbers(TRASH) == []


def test_cat_of_one_is_a_copy(desk, outlook):
    with desk(three(), way="outlook") as d:
        path = d.path("INBOX", 2)
        d.forget()
        d.do('cat "$1" > Archive/c.eml', path)
        assert d.numbers("Archive") == [2] and d.numbers(TRASH) == []


def test_cp_p_and_mv_of_0644(desk, way):
    with desk(way=way) as d:
        first, second = d.mail(1, mtime=WHEN), d.mail(2, mtime=WHEN)
        os.chmod(first, 0o644)
        os.chmod(second, 0o755)
        d.do('cp -p "$1" Archive/; cp -a "$1" Archive/a.eml; mv "$2" Archive/; install -p -m 640 "$1" Archive/i.eml',
             first, second)
        assert d.numbers("Archive") == [1, 1, 1, 2] and {m.date for m in d.held("Archive")} == {WHEN}


def test_dd(desk, way):
    with desk(way=way) as d:
        source = d.mail(7, size=5000)
        d.do('dd if="$1" of=Archive/a.eml bs=512 status=none; dd if="$1" of=Archive/b.eml bs=1000 conv=fsync status=none',
             source)
        assert d.numbers("Archive") == [7, 7]
        if way == "dovecot":  # elsewhere the server's bytes are longer than ours, and their end stays
            d.do('dd if="$1" of=Archive/a.eml bs=512 status=none conv=notrunc', source)
            assert d.numbers("Archive") == [7, 7] and d.numbers(TRASH) == []


def test_tee(desk, way):
    with desk(way=way) as d:
        d.do('tee Archive/a.eml Archive/b.eml < "$1" > /dev/null', d.mail(7))
        assert d.numbers("Archive") == [7, 7]


# --- rsync and tar ---

def tree(d, count=5):
    for n in range(1, count + 1):
        d.beside(f"tree/{n}.eml", sample.message(n, size=800).replace(b"\r\n", b"\n" if n % 2 else b"\r\n"), WHEN + n)
    return str(d.local / "tree") + "/"


def test_rsync_twice(desk, any_way):
    """The second run sends nothing, though the server's bytes may be others."""
    with desk(way=any_way) as d:
        source = tree(d)
        d.do('rsync -a "$1" Archive/', source)
        held = d.held("Archive")
        assert sorted((m.number, m.date) for m in held) == [(n, WHEN + n) for n in range(1, 6)]
        assert d.ls("Archive") == [f"{n}.eml" for n in range(1, 6)] == d.do("ls -A Archive").split()
        if d.outlook:
            assert len(d.sent("APPEND")) == 5
            d.forget()
        d.do('rsync -a "$1" Archive/', source)
        assert d.held("Archive") == held and d.numbers(TRASH) == []
        if d.outlook:
            assert not d.sent("APPEND", "MOVE", "STORE", "COPY")
        d.agree()


def test_rsync_sends_what_changed(desk, way):
    with desk(way=way) as d:
        source = tree(d)
        d.do('rsync -a "$1" Archive/', source)
        d.beside("tree/3.eml", sample.message(3, size=1500), WHEN + 100)
        (d.local / "tree/4.eml").unlink()
        d.do('rsync -a --delete "$1" Archive/', source)
        assert d.numbers("Archive") == [1, 2, 3, 5] and d.numbers(TRASH) == [3, 4]
        assert len(d.one("Archive", 3).data) > 1400
        d.agree()


def test_rsync_in_place(desk, way):
    with desk(way=way) as d:
        source = tree(d)
        d.do('rsync -a --inplace "$1" Archive/', source)
        assert d.numbers("Archive") == [1, 2, 3, 4, 5] and d.ls("Archive") == [f"{n}.eml" for n in range(1, 6)]
        held = d.held("Archive")
        d.do('rsync -a --inplace "$1" Archive/', source)
        assert d.held("Archive") == held and d.numbers(TRASH) == []


def test_rsync_from_one_mailbox_to_another(desk, way):
    with desk(three(), way=way) as d:
        d.do("rsync -a Inbox/ Archive/; rsync -a Inbox/ Archive/")
        assert d.numbers("Archive") == [1, 2, 3] and sorted(d.ls("Archive")) == sorted(d.ls("Inbox"))
        assert {m.date for m in d.held("Archive")} == {m.date for m in d.held("INBOX")}


def test_the_longest_names(desk, way):
    """Programs put a prefix and a suffix to them: .NAME.AbCdEf, .NAME.swp, NAME~."""
    with desk([("INBOX", sample.START, "", sample.message(2, extra="X-Long: " + "y" * 50 + "\r\n")),
               ("INBOX", sample.START, "", sample.message(3, subject="number 3 " + "long-" * 60))], way=way) as d:
        name = d.path("INBOX", 3).split("/")[1]
        assert len(name) > 170
        d.do('rsync -a Inbox/ Archive/; sed -i "s/hay/HEY/" "Inbox/$1"', name)
        assert d.numbers("Archive") == [2, 3] and d.numbers(TRASH) == [3]
        d.do('v=$(command -v vim || command -v vim.tiny); "$v" -es -u NONE -N -c "%s/HEY/HOY/" -c wq "Inbox/$1"', name)
        assert b"HOY" in d.one("INBOX", 3).data


def test_a_failed_listing_under_rsync_delete(desk, outlook):
    """From the mount and to it: what could not be listed is not deleted anywhere."""
    from .support.desk import census
    with desk(sample.few(8) + sample.few(8, "Archive"), way="outlook", timeout=3) as d:
        target = d.local / "backup"
        target.mkdir()
        for n in range(1, 9):
            (target / f"{n}.eml").write_bytes(sample.message(n))
        outlook.set(unavailable_no="3@LISTING")
        answer = d.sh('rsync -a --delete Inbox/ "$1/"', target, seconds=60)
        assert answer.returncode != 0 and len(list(target.iterdir())) >= 8
        answer = d.sh('rsync -a --delete "$1" Archive/', tree(d, 1), seconds=60)
        outlook.reset()
        found = census(d.client)
        assert set(found["Archive"]) == set(range(1, 9)) and not found[TRASH]


def test_tar(desk, way):
    with desk(way=way) as d:
        d.do('tar -C "$1" -cf "$LOCAL/t.tar" . && tar -C Archive -xf "$LOCAL/t.tar"', tree(d))
        assert sorted((m.number, m.date) for m in d.held("Archive")) == [(n, WHEN + n) for n in range(1, 6)]
        d.do('tar -C Archive -cf - . | tar -tf - | grep -c eml | grep -qx 5; mkdir Copy; '
             'tar -C Archive -cf - . | tar -C Copy -xf -')
        assert d.numbers("Copy") == [1, 2, 3, 4, 5]
        d.agree()


# --- editors ---

def edited(d, path, number=2):
    """The edited message is there under the name, once; the old one in the trash, no scratch beside it."""
    message = d.one("INBOX", number)
    assert b"HEY" in message.data and d.numbers("INBOX") == [1, 2, 3]
    assert b"HEY" not in d.one(TRASH, number).data
    assert d.path("INBOX", number) == path
    assert len(d.do("ls -A Inbox").splitlines()) == 3
    d.agree()


def test_sed_in_place(desk, any_way):
    """Its temporary file, sedXXXXXX, may look like a word; then it is a message before it is renamed."""
    with desk(three(), way=any_way) as d:
        path = d.path("INBOX", 2)
        d.do('sed -i "0,/hay/s//HEY/" "$1"', path)
        edited(d, path)


def test_perl_in_place(desk, way):
    with desk(three(), way=way) as d:
        path = d.path("INBOX", 2)
        d.do('perl -pi -e "s/hay/HEY/" "$1"', path)
        edited(d, path)


@pytest.mark.parametrize("settings", ["", "set backupcopy=yes", "set backupcopy=no", "set nobackup nowritebackup",
                                      "set noswapfile"])
def test_vim(desk, way, settings):
    with desk(three(), way=way) as d:
        path = d.path("INBOX", 2)
        d.do('v=$(command -v vim || command -v vim.tiny); "$v" -es -u NONE -N -c "$2" -c "%s/hay/HEY/" -c wq "$1"', path,
             settings or "set nocp")
        edited(d, path)


@PTY
def test_nano(desk, way):
    """At a terminal: to the end, a line more, save, leave."""
    with desk(three(), way=way) as d:
        path = d.path("INBOX", 2)
        script = ("import os, pty, select, sys, time\npid, fd = pty.fork()\n"
                  "if pid == 0:\n    os.environ['TERM'] = 'xterm'\n    os.execvp('nano', ['nano', '-I', sys.argv[1]])\n"
                  "def until(word):\n    seen, end = b'', time.time() + 10\n"
                  "    while word not in seen and time.time() < end:\n"
                  "        if select.select([fd], [], [], 0.2)[0]:\n            seen += os.read(fd, 65536)\n"
                  "until(b'needle')\nos.write(fd, b'\\x1b/')\nos.write(fd, b'HEY there\\r')\nuntil(b'HEY')\n"
                  "os.write(fd, b'\\x0f')\nuntil(b'Write')\nos.write(fd, b'\\r')\nuntil(b'Wrote')\nos.write(fd, b'\\x18')\n"
                  "try:\n    while os.read(fd, 65536): pass\nexcept OSError: pass\nos.waitpid(pid, 0)\n")
        answer = d.mount.run(sys.executable, "-c", script, path, cwd=d.mount.path, seconds=60)
        assert answer.returncode == 0, answer.stderr
        edited(d, path)


def test_gio_save(desk, way):
    """As gedit and other programs of GLib save: a scratch file of theirs, renamed over the old one."""
    with desk(three(), way=way) as d:
        path = d.path("INBOX", 2)
        d.do('sed "s/hay/HEY/" "$1" > "$LOCAL/new"; gio save "$1" < "$LOCAL/new"', path)
        edited(d, path)


def test_touch(desk, way):
    with desk(three(), way=way) as d:
        before = d.held("INBOX")
        d.do('touch "$1"; touch -c Inbox/none.eml; touch -a -m "$1"', d.path("INBOX", 2))
        assert d.held("INBOX") == before


# --- Python's library ---

def test_shutil(desk, any_way):
    with desk(three(), way=any_way) as d:
        code, _ = d.python("import shutil\nshutil.copy2(a[0], 'Archive/')\nshutil.copytree('Inbox', 'New')\n"
                           "shutil.move(a[0], 'Drafts/')\nshutil.move(a[1], 'Drafts/in.eml')\nshutil.rmtree('New')",
                           d.path("INBOX", 2), d.mail(7))
        assert code == 0
        found = d.census()
        assert found["Inbox"] == [1, 3] and found["Archive"] == [2] and found["Drafts"] == [2, 7]
        assert "New" not in found and found[TRASH] == [1, 2, 3]
        d.agree()


def test_maildir(desk, way):
    """mailbox.Maildir on a folder of the mount: add, read, flag, move, discard."""
    with desk(way=way) as d:
        code, out = d.python(
            "import mailbox\nbox = mailbox.Maildir('Mail', create=True)\n"
            "keys = [box.add(open(p, 'rb').read()) for p in a]\nassert len(box) == 3, len(box)\n"
            "subjects = sorted(m['Subject'] for m in box)\nprint(subjects)\n"
            "box.discard(keys[1])\nassert len(box) == 2\n"
            "m = box[keys[0]]\nm.add_flag('S')\nm.set_subdir('cur')\nbox[keys[0]] = m\nbox.flush()\n"
            "print(len(box), sorted(os.listdir('Mail')))", *(d.mail(n) for n in (1, 2, 3)))
        assert code == 0, out
        assert "['number 1', 'number 2', 'number 3']" in out and "2 ['cur', 'new', 'tmp']" in out
        assert d.numbers("Mail/new") == [3] and d.numbers("Mail/cur") == [1] and d.numbers("Mail/tmp") == []
        assert isinstance(mailbox.Maildir, type)
        d.agree()
