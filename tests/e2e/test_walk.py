"""A program that goes through all mailboxes: what follows is asked about ahead, and what it is told is true."""
import pytest

from .support import sample
from .support.mount import wait_for

EMPTY = [f"Empty {n:02}" for n in range(12)]
FULL = [f"Full {n}" for n in range(3)]


@pytest.fixture
def tree(server, load):
    for name in EMPTY:
        server.create(f'"{name}"')
    load([(name, sample.START, (), sample.message(n)) for n, name in enumerate(FULL)])


def walk(mount):
    answer = mount.run("ls", "-R", ".", cwd=mount.path)
    assert answer.returncode == 0
    return sorted(line for line in answer.stdout.decode().splitlines() if line.endswith(".eml"))


def sent(outlook, verb):
    return [entry for entry in outlook.transcript.entries() if entry.verb == verb]


def test_what_is_empty_is_not_opened(tree, mounted, outlook, outlook_options):
    with mounted(outlook_options, poll=3600) as mount:
        assert len(walk(mount)) == len(FULL)
        opened = {entry.arguments for entry in sent(outlook, "EXAMINE")}
        assert len([name for name in EMPTY if f'"{name}"' in opened]) <= 2, opened
        for name in EMPTY:
            assert mount.run("ls", name, cwd=mount.path).returncode == 0
            assert mount.run("getfattr", "--only-values", "-n", "user.imap.uidvalidity", name, cwd=mount.path).stdout > b"0"


def test_mail_that_comes_to_an_empty_mailbox(tree, load, mounted, options):
    """Listed without being opened, it is looked at again like any other."""
    with mounted(options, poll=3600) as mount:
        before = walk(mount)
        load([(name, sample.START, (), sample.message(20 + n)) for n, name in enumerate(EMPTY[4:7])])
        wait_for(lambda: len(walk(mount)) == len(before) + 3, 20, "mail in mailboxes that were empty")
        mount.run("grep", "-r", "-c", "x", ".", cwd=mount.path)
        assert len(mount.files()) == len(before) + 3


def test_a_second_walk_asks_for_what_is_stale_alone(tree, load, mounted, outlook, outlook_options):
    """STATUS tells of most mailboxes that they are as they were; what changed shows at once."""
    with mounted(outlook_options, poll=3600) as mount:
        before = walk(mount)
        load([(FULL[2], sample.START, (), sample.message(30))])
        wait_for(lambda: len(walk(mount)) == len(before) + 1, 20, "a message that came")
        outlook.transcript.clear()
        wait_for(lambda: walk(mount) and sent(outlook, "STATUS"), 20, "mailboxes that are stale")
        assert len(sent(outlook, "EXAMINE")) < len(sent(outlook, "STATUS"))
