"""What another client does to that which is in use here: each case ends as the man page says (FRESHNESS, "Two
writers"), and mount and server agree in the end."""
import contextlib
import threading

import pytest

from .support import sample
from .support.desk import TRASH, errno_name
from .support.mount import wait_for

HEARD = 40  # until the mount has heard of it, by a look that is due after 5 s

# Opens a[0] with mode a[1], writes a[3]'s bytes into it where there are any, says so by the file a[2], and goes on
# once that is gone: reads to the end, or closes.
HOLDER = """
import hashlib, time
f = open(a[0], a[1])
if a[3]:
    f.write(open(a[3], "rb").read()); f.flush()
open(a[2], "w").close()
while os.path.exists(a[2]):
    time.sleep(0.02)
if not a[3]:
    print(hashlib.sha256(f.read()).hexdigest())
f.close()
"""


@contextlib.contextmanager
def held(d, path, mode, data=""):
    """A program has `path` open within; yields what becomes of it: [errno's name, output] afterwards."""
    go, result = d.local / "go", []

    def run():
        error, output = d.python(HOLDER, path, mode, str(go), data)
        result.extend((errno_name(error), output.strip()))
    thread = threading.Thread(target=run)
    thread.start()
    try:
        wait_for(lambda: go.exists() or not thread.is_alive(), 30, "the file being open")
        yield result
    finally:
        go.unlink(missing_ok=True)
        thread.join(90)
    assert not thread.is_alive()


@pytest.fixture
def here(desk, way):
    """A desk whose mount knows everything that is there."""
    with desk(sample.few(3) + sample.few(1, "Work") + sample.few(1, "Archive"), way=way) as d:
        d.do("ls -R >/dev/null; cat Inbox/*.eml Work/*.eml >/dev/null")
        yield d


def uid_of(d, number, mailbox="INBOX"):
    return d.one(mailbox, number).uid


EXPUNGED, MOVED, FLAGGED = "expunged", "moved", "flagged"


def elsewhere(d, what, number=1):
    """What the other client does to a message of Inbox."""
    uid = uid_of(d, number)
    if what == EXPUNGED:
        d.there.expunge("INBOX", uid)
    elif what == MOVED:
        d.there.move("INBOX", uid, "Work")
    else:
        d.there.store("INBOX", uid, "\\Flagged", "+FLAGS")


@pytest.mark.parametrize("what", [EXPUNGED, MOVED, FLAGGED])
def test_open_for_reading(here, what):
    path = here.path("INBOX", 1)
    whole = here.do('sha256sum "$1" | cut -d" " -f1', path).strip()
    with held(here, path, "rb") as result:
        elsewhere(here, what)
        if what != FLAGGED:
            name = path.split("/")[1]
            wait_for(lambda: name not in here.ls("Inbox"), HEARD, "the name's end")
    assert result == ["0", whole]
    here.agree(HEARD, flags=False)


def test_open_for_reading_in_a_mailbox_that_is_removed(here):
    path = here.path("Work", 1)
    whole = here.do('sha256sum "$1" | cut -d" " -f1', path).strip()
    with held(here, path, "rb") as result:
        here.there.delete("Work")
        wait_for(lambda: "Work" not in here.do("ls").split(), HEARD, "the mailbox's end")
    assert result == ["0", whole]
    here.agree(HEARD)


@pytest.mark.parametrize("what", [EXPUNGED, MOVED, FLAGGED])
def test_open_for_writing(here, what):
    with held(here, here.path("INBOX", 1), "r+b", here.mail(9, size=3000)) as result:
        elsewhere(here, what)
    assert result[0] == "0"
    assert here.numbers("INBOX") == [2, 3, 9]
    assert here.count(9) == 1 and not here.outbox()
    assert here.numbers("Work") == ([1, 1] if what == MOVED else [1])
    assert here.numbers(TRASH) == ([1] if what == FLAGGED else [])
    if what == FLAGGED:
        assert "\\Flagged" in here.one(TRASH, 1).flags
    here.agree(HEARD, flags=False)


@pytest.mark.parametrize("how", ["removed", "renamed"])
def test_a_new_file_whose_mailbox_goes(here, how):
    with held(here, "Work/new.eml", "wb", here.mail(9)) as result:
        if how == "removed":
            here.there.delete("Work")
        else:
            here.there.rename("Work", "Elsewhere")
    # A server that has the mailbox selected for us may not say why.
    assert result[0] in ("ENOENT", "EPERM", "EIO"), (result, here.outbox())
    assert here.count(9) == 0
    row, = here.outbox()
    assert " append Work/new.eml " in row and row.split()[1] in ("refused", "held"), row
    # its bytes are there to be had
    answer = here.mount.outlookfs("outbox", str(here.mount.path), "save", row.split()[0], "-")
    assert answer.returncode == 0 and "Subject: number 9" in answer.stdout
    assert here.mount.outlookfs("outbox", str(here.mount.path), "drop", row.split()[0]).returncode == 0
    here.agree(HEARD)


ACTS = {"mv": "os.rename(a[0], 'Archive/moved.eml')", "rm": "os.unlink(a[0])",
        "setfattr": "os.setxattr(a[0], 'user.imap.flags', b'+\\\\Seen')"}


@pytest.mark.parametrize("act", ["mv", "rm", "setfattr"])
@pytest.mark.parametrize("what", [EXPUNGED, MOVED])
def test_what_is_not_there_any_more(here, act, what):
    path = here.path("INBOX", 1)
    elsewhere(here, what)
    before = here.census()
    assert here.fails(ACTS[act], path) == "ENOENT"
    assert here.census() == before and not here.outbox()
    here.agree(HEARD)


def test_flags_of_both(here):
    path = here.path("INBOX", 1)
    elsewhere(here, FLAGGED)
    assert here.fails(ACTS["setfattr"], path) == "0"
    assert {"\\Seen", "\\Flagged"} <= here.one("INBOX", 1).flags


@pytest.mark.parametrize("how", ["removed", "renamed"])
def test_into_a_mailbox_that_is_gone(here, how):
    path = here.path("INBOX", 1)
    if how == "removed":
        here.there.delete("Work")
    else:
        here.there.rename("Work", "Elsewhere")
    assert here.fails("os.rename(a[0], 'Work/moved.eml')", path) == "ENOENT"
    assert here.numbers("INBOX") == [1, 2, 3] and not here.outbox()
    here.agree(HEARD)


def test_mailboxes_that_both_change(here):
    here.there.create("Taken")
    assert here.fails("os.rename('Work', 'Taken')") == "EEXIST"
    assert here.fails("os.mkdir('Taken')") == "EEXIST"
    assert here.numbers("Work") == [1]
    here.there.create("Empty")
    wait_for(lambda: "Empty" in here.do("ls").split(), HEARD, "the mailbox")
    here.do("ls Empty")
    here.there.append("Empty", sample.message(9))
    assert here.fails("os.rmdir('Empty')") == "ENOTEMPTY"
    here.there.rename("Work", "Elsewhere")
    assert here.fails("os.rename('Work', 'Mine')") == "ENOENT"
    here.there.delete("Elsewhere")
    here.there.expunge("Empty", uid_of(here, 9, "Empty"))
    wait_for(lambda: not here.ls("Empty"), HEARD, "the message's end")
    here.there.delete("Empty")
    assert here.fails("os.rmdir('Empty')") in ("0", "ENOENT")
    assert not {"Work", "Mine", "Elsewhere", "Empty"} & here.boxes()
    here.agree(HEARD)
