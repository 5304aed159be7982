"""What other programs change on the server shows at the next look that is due (CONTRACT.md section 4)."""
from .support import sample
from .support.mount import wait_for

LOOK = 15  # a listing is asked for again when it is older than 5 s; threefold


def names(mount, where="."):
    answer = mount.run("ls", "-1", where, cwd=mount.path)
    return answer.stdout.decode().splitlines() if answer.returncode == 0 else None


def test_messages_come_go_and_change(load, server, mounted, options):
    load([("INBOX", sample.START, (), sample.message(n)) for n in (1, 2, 3)])
    with mounted(options) as mount:
        before = names(mount, "Inbox")
        assert len(before) == 3
        load([("INBOX", sample.START, (), sample.message(4))])
        after = wait_for(lambda: (got := names(mount, "Inbox")) != before and got, LOOK, "a message that came")
        assert len(after) == 4 and set(before) < set(after)
        server.select("INBOX")
        server.uid("STORE", "2", "+FLAGS", "(\\Deleted)")
        server.expunge()
        left = wait_for(lambda: (got := names(mount, "Inbox")) != after and got, LOOK, "a message that went")
        assert len(left) == 3 and set(left) < set(after)
        assert len(mount.files()) == 3


def test_flags_at_the_next_mount(load, server, mounted, options):
    load([("INBOX", sample.START, (), sample.message(1))])
    script = "import os, sys; print(os.getxattr(sys.argv[1], 'user.imap.flags').decode())"
    for flags in ("", "\\Flagged"):
        with mounted(options) as mount:
            path = mount.files()["Inbox", 1]
            assert mount.run("/usr/bin/python3", "-c", script, path).stdout.decode().strip() == flags
        server.select("INBOX")
        server.uid("STORE", "1", "+FLAGS", "(\\Flagged)")
        server.close()


def test_mailboxes_come_and_go(load, server, mounted, options):
    load([("Gone", sample.START, (), sample.message(1)), ("Level/Below", sample.START, (), sample.message(2))])
    with mounted(options) as mount:
        assert "Gone" in names(mount) and len(names(mount, "Gone")) == 1
        server.delete("Gone")
        wait_for(lambda: not names(mount, "Gone"), LOOK, "a mailbox that went is empty or not there")
        wait_for(lambda: "Gone" not in names(mount), LOOK, "a mailbox that went")
        load([("Fresh", sample.START, (), sample.message(3))])
        wait_for(lambda: "Fresh" in names(mount), LOOK, "a mailbox that came")
        assert len(names(mount, "Fresh")) == 1
        assert mount.run("ls", "-R", cwd=mount.path).returncode == 0
