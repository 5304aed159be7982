"""Names that never reach the server, and what file managers and editors do with them (CONTRACT.md section 2)."""
import os

import pytest

from .support import sample
from .support.desk import LATE, TRASH
from .test_change_rows import WHEN, three

SCRATCH = [".hidden", ".goutputstream-ABC123", "#draft#", "note.eml~", "x.part", "x.crdownload", "x.tmp", ".x.eml.swp",
           "x.swp", ".~lock.x.eml#"]
CHANGING = ("APPEND", "COPY", "MOVE", "STORE", "EXPUNGE", "CREATE", "DELETE", "RENAME")
UID = os.getuid()


@pytest.mark.parametrize("name", SCRATCH)
def test_scratch_is_never_uploaded(desk, way, name):
    with desk(three(), way=way) as d:
        if d.outlook:
            d.forget()
        d.do('cp "$1" "Archive/$2"; cmp "Archive/$2" "$1"; echo more >> "Archive/$2"',
             d.beside("any", b"Not a message at all\n\0\1"), name)
        assert d.ls("Archive") == [] or d.ls("Archive") == [name]
        assert d.do('ls -A Archive').strip() == name
        assert d.held("Archive") == []
        if d.outlook:
            assert not d.sent(*CHANGING)
        d.do('rm "Archive/$1"', name)
        assert d.do("ls -A Archive") == ""


def test_scratch_is_gone_at_unmount(desk, mounted):
    with desk() as d:
        d.do('cp "$1" Archive/.x; cp "$1" Archive/y.part', d.mail(7))
        options = {k: v for k, v in d.mount.options.items() if k != "cache_dir"}
    with mounted(options) as mount:
        assert mount.run("ls", "-A", "Archive", cwd=mount.path).stdout == b""
        answer = mount.outlookfs("outbox", str(mount.path), "list")
        assert answer.returncode == 0 and "y.part" not in answer.stdout


@pytest.mark.parametrize("name", [".x.eml.AbCdEf", "x.part", "x.eml~"])
def test_a_rename_publishes(desk, any_way, name):
    with desk(way=any_way) as d:
        d.do('cp -p "$1" "Archive/$2"; mv "Archive/$2" Archive/x.eml', d.mail(7, mtime=WHEN), name)
        assert d.ls("Archive") == ["x.eml"] and d.do("ls -A Archive").split() == ["x.eml"]
        assert d.one("Archive", 7).date == WHEN
        d.agree()


def test_a_rename_publishes_over_a_message(desk, any_way):
    """How rsync, gedit and sed -i save: the new one is there under the name, the old one in the trash."""
    with desk(three("\\Seen"), way=any_way) as d:
        path, before = d.path("INBOX", 2), d.one("INBOX", 2)
        d.do('cp "$1" Inbox/.scratch; mv -f Inbox/.scratch "$2"', d.mail(70), path)
        assert d.numbers("INBOX") == [1, 3, 70] and d.one(TRASH, 2).data == before.data
        assert d.path("INBOX", 70) == path
        d.agree()


RENAMES = {"mv": 'cp "$1" Inbox/.new; mv -f Inbox/.new "$2"', "dated": 'cp -p "$1" Inbox/x.part; mv -f Inbox/x.part "$2"',
           "sed": 'cp "$1" Inbox/sedQ7Rk2z; mv -f Inbox/sedQ7Rk2z "$2"', "rsync": 'rsync -a "$1" "$2"', "gio": 'gio save "$2" < "$1"'}


@pytest.mark.parametrize("way_of", ["dovecot", "outlook", "outlook, journal"])
@pytest.mark.parametrize("how", RENAMES)
def test_what_is_renamed_over_a_message_takes_its_flags(desk, way_of, how):
    """And its date, where it was given none; \\Deleted was said of the one that goes."""
    with desk(three("\\Seen \\Flagged \\Answered"), way=way_of) as d:
        path, before = d.path("INBOX", 2), d.one("INBOX", 2)
        assert d.python("os.setxattr(a[0], 'user.imap.flags', b'+\\\\Deleted')", path)[0] == 0
        assert "\\Deleted" in d.one("INBOX", 2).flags
        d.do(RENAMES[how], d.mail(70, mtime=1_500_000_000), path)
        after = d.one("INBOX", 70)
        assert after.flags - LATE == {"\\Seen", "\\Flagged", "\\Answered"}
        assert after.date == (1_500_000_000 if how in ("dated", "rsync") else before.date)
        assert d.numbers("INBOX") == [1, 3, 70] and d.numbers(TRASH) == [2]
        d.agree()


def test_to_another_directory(desk, way):
    """A browser's download: the part file in one place, the whole in another."""
    with desk(way=way) as d:
        d.do('cp "$1" Drafts/x.crdownload; mv Drafts/x.crdownload Archive/x.eml', d.mail(7))
        assert d.numbers("Archive") == [7] and d.numbers("Drafts") == []


def test_scratch_that_is_no_message_cannot_be_published(desk, way):
    with desk(way=way) as d:
        d.do('cp "$1" Archive/.x', d.beside("text", b"Hello\n"))
        assert d.fails("os.rename('Archive/.x', 'Archive/x.eml')") == "EINVAL"
        assert d.held("Archive") == [] and "x.eml" not in d.ls("Archive")
        assert [line for line in d.outbox() if "x" in line] or d.do("ls -A Archive").split() == [".x"]


def test_a_message_to_a_scratch_name(desk, way):
    """EXDEV: mv copies, and the original goes to the trash."""
    with desk(three(), way=way) as d:
        path, data = d.path("INBOX", 2), d.one("INBOX", 2).data
        assert d.fails("os.rename(a[0], 'Inbox/.aside')", path) == "EXDEV"
        d.do('mv "$1" Inbox/aside.tmp', path)
        assert d.sh("cat Inbox/aside.tmp").stdout == data
        assert d.numbers("INBOX") == [1, 3] and d.numbers(TRASH) == [2]


def test_scratch_among_scratch(desk, way):
    with desk(way=way) as d:
        if d.outlook:
            d.forget()
        d.do('echo a > Archive/.a; mv Archive/.a Archive/.b; echo b > Archive/b.tmp; mv -f Archive/b.tmp Archive/.b; '
             'test "$(cat Archive/.b)" = b')
        assert d.do("ls -A Archive").split() == [".b"]
        if d.outlook:
            assert not d.sent(*CHANGING)


def test_empty_files(desk, way):
    """Not uploaded until there is content; shown meanwhile; gone by rm."""
    with desk(way=way) as d:
        if d.outlook:
            d.forget()
        d.do("touch Archive/a.eml Archive/b.eml; : > Archive/c.eml")
        assert d.ls("Archive") == ["a.eml", "b.eml", "c.eml"] and d.held("Archive") == []
        if d.outlook:
            assert not d.sent(*CHANGING)
        d.do('cat "$1" > Archive/a.eml; rm Archive/b.eml; mv Archive/c.eml Archive/d.eml; rm Archive/d.eml', d.mail(7))
        assert d.numbers("Archive") == [7] and d.numbers(TRASH) == [] and d.ls("Archive") == ["a.eml"]


def test_an_empty_file_with_a_date_keeps_it(desk, way):
    """`touch -d` makes it, the content comes later: times are INTERNALDATE for what is not yet uploaded."""
    with desk(way=way) as d:
        d.do('touch -d "@$2" Archive/a.eml', d.mail(7), WHEN)
        assert d.do("stat -c %Y Archive/a.eml").strip() == str(WHEN)
        code, _ = d.python("f = os.open('Archive/a.eml', os.O_WRONLY)\nos.write(f, open(a[0], 'rb').read())\n"
                           "os.utime(f, (int(a[1]),) * 2)\nos.close(f)", d.mail(7), WHEN)
        assert code == 0 and d.one("Archive", 7).date == WHEN


def test_dot_directories(desk, way):
    with desk(way=way) as d:
        for name in (".git", "Archive/.cache", ".Trash", f".Trash-{UID + 1}"):
            assert d.fails("os.mkdir(a[0])", name) == "EPERM", name
        assert d.boxes() & {".git", "Archive/.cache"} == set()


def test_what_is_no_file(desk, way):
    with desk(three(), way=way) as d:
        assert d.fails("os.symlink('x', 'Archive/l')") == "EPERM"
        assert d.fails("os.mkfifo('Archive/f')") == "EPERM"
        assert d.fails("import stat\nos.mknod('Archive/n', 0o600 | stat.S_IFCHR, 1 << 8 | 3)") == "EPERM"
        assert d.fails("import socket\nsocket.socket(socket.AF_UNIX).bind('Archive/s')") == "EPERM"
        assert d.do("ls -A Archive") == ""


def test_modes_owners_and_times(desk, way):
    """They always succeed; mode and owner never change; a message's time is its INTERNALDATE."""
    with desk(three(), way=way) as d:
        path, before = d.path("INBOX", 2), d.held("INBOX")
        stat = d.do('stat -c "%a %u %g %Y" "$1"', path)
        d.do('chmod 0644 "$1"; chmod 0400 "$1"; chown 1234:1234 "$1"; touch "$1"; touch -d @5 "$1"; chmod 755 Archive; '
             "touch -d @5 Archive; chown 1 Archive", path)
        assert d.do('stat -c "%a %u %g %Y" "$1"', path) == stat
        assert d.do("stat -c '%a %u' Archive").split() == ["700", str(UID)]
        assert d.held("INBOX") == before


# --- .Trash-UID ---

def test_the_virtual_trash(desk, way):
    """As file managers make it: files/ is the trash, info/ scratch."""
    with desk(three(), way=way) as d:
        path, held = d.path("INBOX", 2), d.one("INBOX", 2)
        name = path.split("/")[1]
        base = f".Trash-{UID}"
        d.do(f'mkdir -p -m 700 {base} {base}/info {base}/files; printf "[Trash Info]\\nPath=%s\\n'
             f'DeletionDate=2024-01-01T00:00:00\\n" "$1" > {base}/info/"$2".trashinfo; mv "$1" {base}/files/', path, name)
        assert d.numbers("INBOX") == [1, 3] and d.one(TRASH, 2).data == held.data
        assert name in d.do(f"ls {base}/files") and f"{name}.trashinfo" in d.do(f"ls {base}/info")
        assert name in d.ls(TRASH)
        d.do(f'mv {base}/files/"$2" "$1"; rm {base}/info/"$2".trashinfo', path, name)
        assert d.numbers("INBOX") == [1, 2, 3] and d.numbers(TRASH) == []
        assert d.path("INBOX", 2) == path
        assert base not in d.ls(".") and not [box for box in d.boxes() if box.startswith(".")]
        d.agree()


def test_gio_trash_and_back(desk, way):
    """GLib's own library, which Nautilus, PCManFM and Thunar use."""
    with desk(three(), way=way) as d:
        path = d.path("INBOX", 2)
        d.do('gio trash "$1"', path)
        assert d.numbers("INBOX") == [1, 3] and d.numbers(TRASH) == [2]
        info = d.do(f"cat .Trash-{UID}/info/*.trashinfo")
        assert "Path=" in info and os.path.basename(path) in info
        d.do(f'gio move ".Trash-{UID}/files/$2" "$1"', path, os.path.basename(path))
        assert d.numbers("INBOX") == [1, 2, 3] and d.numbers(TRASH) == []


def test_gone_for_good_from_the_virtual_trash(desk, way):
    with desk(three(), way=way) as d:
        path = d.path("INBOX", 2)
        d.do(f'gio trash "$1"; rm .Trash-{UID}/files/*.eml .Trash-{UID}/info/*', path)
        assert d.numbers("INBOX") == [1, 3] and d.numbers(TRASH) == []


def test_gio(desk, way):
    """gio copy writes, gio move renames, gio mkdir and remove do what they say."""
    with desk(three(), way=way) as d:
        first, second, third = (d.path("INBOX", n) for n in (1, 2, 3))
        d.do('gio copy "$1" Archive/; gio move "$2" Archive/; gio mkdir New; gio move "$3" New/moved.eml; '
             'gio rename New/moved.eml again.eml; gio cat New/again.eml > /dev/null', first, second, third)
        assert d.numbers("Archive") == [1, 2] and d.numbers("New") == [3] and d.numbers("INBOX") == [1]
        assert d.ls("New") == ["again.eml"]
        d.do('gio remove New/again.eml; gio remove New; gio copy "$1" Archive/in.eml', d.mail(7))
        assert d.numbers("Archive") == [1, 2, 7] and d.numbers(TRASH) == [3] and "New" not in d.boxes()
        d.agree()


# --- names on the way in ---

def test_names_as_given(desk, way, mounted):
    """Kept as local aliases, in another cache the message has the name that all machines show."""
    names = ["with space.eml", "-dash.eml", "Grüße.eml", "no-suffix", "a;b|c.eml", "émigré.eml"]
    with desk(way=way) as d:
        for number, name in enumerate(names, 1):
            d.do('cp -- "$1" "Archive/$2"', d.mail(number), name)
        assert d.ls("Archive") == sorted(names) and d.numbers("Archive") == list(range(1, 7))
        options = {k: v for k, v in d.mount.options.items() if k != "cache_dir"}
    with mounted(options) as mount:
        assert set(mount.run("ls", "-1", "Archive", cwd=mount.path).stdout.decode().splitlines()) == set(names)
    with mounted(options, cache_dir=d.mount.home.top / "other") as mount:
        shown = mount.run("ls", "-1", "Archive", cwd=mount.path).stdout.decode().splitlines()
        assert len(shown) == 6 and not set(shown) & set(names)


def test_a_name_too_long(desk, way):
    with desk(way=way) as d:
        assert d.fails("os.open(a[0], os.O_CREAT | os.O_WRONLY)", "Archive/" + "x" * 300) == "ENAMETOOLONG"
        d.do('cp "$1" "Archive/$2"', d.mail(7), "x" * 170 + ".eml")
        assert d.numbers("Archive") == [7]


def test_unlink_what_is_not_there(desk, way):
    with desk(three(), way=way) as d:
        for call in ("os.unlink('Inbox/none.eml')", "os.rename('Inbox/none.eml', 'Inbox/x')", "os.rmdir('None')",
                     "os.open('Inbox/none.eml', os.O_WRONLY)", "os.link('Inbox/none.eml', 'Archive/x')"):
            assert d.fails(call) == "ENOENT", call
        assert d.fails("os.unlink('Archive')") in ("EISDIR", "EPERM")
        assert d.fails("os.rmdir(a[0])", d.path("INBOX", 1)) == "ENOTDIR"
        assert d.fails("os.open(a[0], os.O_CREAT | os.O_EXCL | os.O_WRONLY)", d.path("INBOX", 1)) == "EEXIST"
        assert d.fails("os.link(a[0], a[1])", d.path("INBOX", 1), d.path("INBOX", 2)) == "EEXIST"
        assert sample and d.numbers("INBOX") == [1, 2, 3]
