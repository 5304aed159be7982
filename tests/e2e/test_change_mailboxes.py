"""Directories: CREATE, DELETE, RENAME with the checks that CONTRACT.md names, looked at on the server."""
import pytest

from .support import sample
from .support.desk import TRASH
from .test_change_rows import subscribed, three

ROLES = ["Inbox", TRASH, "Sent", "Drafts", "Junk"]


def test_mkdir(desk, any_way):
    with desk(way=any_way) as d:
        d.do("mkdir -p New/Below; mkdir 'Büro & Café 旅行' Inbox/Child")
        assert {"New", "New/Below", "Inbox/Child", "Büro & Café 旅行"} <= d.boxes()
        d.do('cp "$1" New/Below/', d.mail(7))
        assert d.numbers("New/Below") == [7]
        assert {"New", "New/Below"} <= subscribed(d)
        assert d.ls("New/Below") == ["7.eml"]
        d.agree()


def test_mkdir_what_is_there(desk, way):
    with desk(three(), way=way) as d:
        assert d.fails("os.mkdir('Archive')") == "EEXIST"
        assert d.fails("os.mkdir(a[0])", d.path("INBOX", 1)) == "EEXIST"
        if way == "outlook":
            assert d.fails("os.mkdir('Files')") == "EPERM"
            assert d.fails("os.mkdir('archive')") == "EEXIST"
        d.there.create("Meanwhile")
        assert d.fails("os.mkdir('Meanwhile')") == "EEXIST"
        for name in (".hidden", "Archive/.dir"):
            assert d.fails("os.mkdir(a[0])", name) == "EPERM"
        assert d.fails("os.mkdir('Nowhere/x')") == "ENOENT"
        assert d.fails("os.mkdir(a[0])", "x" * 300) == "ENAMETOOLONG"


def test_names_cross_the_wire_and_come_back(desk, way, mounted):
    """A name that mkdir was given is what ls shows, now and in another cache."""
    names = ["Büro", "a & b", "with space", "quote\"d", "Ελλάδα", "émigré", "emoji😀", "[x]",
             "back\\slash", "trailing-"]
    if way == "outlook":
        names = [name for name in names if '"' not in name]
    with desk(way=way) as d:
        for name in names:
            assert d.fails("os.mkdir(a[0])", name) == "0", name
        shown = set(d.ls("."))
        assert set(names) <= shown
        for name in ("per%cent", "star*"):  # LIST's wildcards (RFC 3501 section 6.3.8): it may be, or there is one errno
            assert d.fails("os.mkdir(a[0])", name) in ("0", "EINVAL")
        for name in names:
            assert d.fails("os.rmdir(a[0])", name) == "0", name
        assert not set(names) & set(d.ls("."))


def test_rmdir(desk, any_way):
    with desk([("New/Below", *mail[1:]) for mail in sample.few(2)], way=any_way) as d:
        assert d.fails("os.rmdir('New')") == "ENOTEMPTY"
        assert d.fails("os.rmdir('New/Below')") == "ENOTEMPTY"
        d.do("rm New/Below/*.eml; rmdir New/Below")
        assert "New/Below" not in d.boxes()
        d.do("rmdir New")
        assert "New" not in d.boxes() and d.numbers(TRASH) == [1, 2] and "New" not in d.ls(".")
        d.agree()


def test_rmdir_asks_the_server(desk, way):
    """Empty as far as the mount knows; the server has a message, or a child, that came meanwhile."""
    with desk(way=way) as d:
        d.do("mkdir New; mkdir Other; ls New Other")
        d.there.append("New", sample.message(7))
        d.there.create("Other/Child")
        assert d.fails("os.rmdir('New')") == "ENOTEMPTY" and d.fails("os.rmdir('Other')") == "ENOTEMPTY"
        assert d.numbers("New") == [7] and {"New", "Other", "Other/Child"} <= d.boxes()


@pytest.mark.parametrize("role", ROLES)
def test_role_mailboxes_stay(desk, way, role):
    with desk(way=way) as d:
        assert d.fails("os.rmdir(a[0])", role) == "EBUSY"
        assert d.fails("os.rename(a[0], 'Elsewhere')", role) == "EBUSY"
        assert d.fails("os.rename(a[0], a[1])", role, "Archive/" + role) == "EBUSY"
        assert role in d.boxes() and role in d.ls(".")


def test_rm_rf_of_a_tree(desk, any_way):
    with desk([(box, *mail[1:]) for box in ("New", "New/A", "New/A/B") for mail in sample.few(2)], way=any_way) as d:
        d.do("rm -r New")
        assert not [box for box in d.boxes() if box.startswith("New")]
        assert d.numbers(TRASH) == [1, 1, 1, 2, 2, 2]
        d.agree()


def test_rename(desk, any_way):
    with desk([(box, *mail[1:]) for box in ("New", "New/Below") for mail in sample.few(3)], way=any_way) as d:
        d.do("rm New/*.eml")
        inode = d.do("ls New/Below; stat -c %i New/Below").split()[-1]
        d.do("mv New Newer; mv Newer/Below Inbox/Büro")
        assert {"Newer", "Inbox/Büro"} <= d.boxes() and not {"New", "New/Below", "Newer/Below"} & d.boxes()
        assert d.do("stat -c %i Inbox/Büro").strip() == inode
        assert len(d.ls("Inbox/Büro")) == 3
        d.do("cat Inbox/Büro/*.eml > /dev/null; cp Inbox/Büro/*.eml Newer/")
        assert d.numbers("Newer") == [1, 2, 3]
        d.agree()


def test_rename_takes_its_children(desk, any_way):
    with desk([(box, *mail[1:]) for box in ("New", "New/A", "New/A/B") for mail in sample.few(2)], way=any_way) as d:
        d.do("ls -R New; mv New Archive/Kept")
        assert {"Archive/Kept", "Archive/Kept/A", "Archive/Kept/A/B"} <= d.boxes()
        assert not [box for box in d.boxes() if box.startswith("New")]
        assert len(d.ls("Archive/Kept/A/B")) == 2
        d.do('mv Archive/Kept/A/B/*.eml Drafts/; cp "$1" Archive/Kept/A/', d.mail(7))
        assert d.numbers("Archive/Kept/A") == [1, 2, 7] and d.numbers("Drafts") == [1, 2]
        d.agree()


def test_renames_that_cannot_be(desk, way):
    with desk(three() + [("New", *mail[1:]) for mail in sample.few(1)] + [("Full", *mail[1:]) for mail in sample.few(1)],
              way=way) as d:
        assert d.fails("os.rename('New', 'New/Below')") == "EINVAL"
        assert d.fails("os.rename('New', 'Full')") in ("EEXIST", "ENOTEMPTY")
        assert d.fails("os.rename('New', a[0])", d.path("INBOX", 1)) == "ENOTDIR"
        assert d.fails("os.rename(a[0], 'New')", d.path("INBOX", 1)) == "EISDIR"
        assert d.fails("os.rename('New', '.hidden')") == "EPERM"
        assert d.fails("os.rename('Nothing', 'New2')") == "ENOENT"
        assert {"New", "Full"} <= d.boxes() and d.numbers("New") == [1] and d.numbers("Full") == [1]


def test_files_at_the_root(desk, way):
    """The root is no mailbox."""
    with desk(three(), way=way) as d:
        assert d.fails("os.close(os.open('x.eml', os.O_CREAT | os.O_WRONLY))") in ("EPERM", "EACCES")
        assert d.fails("os.rename(a[0], 'x.eml')", d.path("INBOX", 1)) in ("EPERM", "EACCES")
        assert d.fails("os.link(a[0], 'x.eml')", d.path("INBOX", 1)) in ("EPERM", "EACCES")
        assert d.numbers("INBOX") == [1, 2, 3]


def test_a_mailbox_wins_over_a_message(desk, way):
    with desk(three(), way=way) as d:
        path = d.path("INBOX", 2)
        d.do('mv "$1" Inbox/thing', path)
        d.there.create("INBOX/thing")
        d.there.append("INBOX/thing", sample.message(9))
        d.agree(30)
        assert d.do("stat -c %F Inbox/thing").strip() == "directory"
