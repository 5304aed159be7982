"""What the command says of changes, beside what sync and outbox do with them (test_change_*.py, unit_cli_requests)."""
from .support import sample


def test_a_mount_that_changes_nothing(load, mounted, options):
    """ro: the outbox is left alone, sync has nothing to wait for, and no option is complained about."""
    load(sample.few(2))
    with mounted(options, ro=True, commit="journal", delete="expunge", mark_seen=True) as mount:
        answer = mount.outlookfs("outbox", str(mount.path))
        assert answer.returncode == 1 and "read-only" in answer.stderr and answer.stderr.count("\n") == 1
        answer = mount.outlookfs("sync", str(mount.path))
        assert (answer.returncode, answer.stdout, answer.stderr) == (0, "", "")
        assert "warning" not in mount.log() and "outbox" not in mount.log()
        assert not list((mount.home.top / "state_home").rglob("journal-*"))


def test_what_an_earlier_mount_left(load, mounted, outlook, outlook_options, home):
    """umount warns of it and succeeds, the next mount says it in a line, and it is still there."""
    load(sample.few(2))
    big = home.top / "big.eml"
    big.write_bytes(sample.message(7, size=6000))
    outlook.set(append_limit=4000)
    with mounted(outlook_options) as mount:
        assert mount.run("cp", str(big), "Inbox/big.eml", cwd=mount.path).returncode == 1
        answer = mount.outlookfs("umount", str(mount.path))
        assert answer.returncode == 0 and answer.stderr.count("\n") == 1
        assert "warning" in answer.stderr and "1 change waits in the outbox" in answer.stderr
        assert mount.process.wait(20) == 0
        mount.process = None
    with mounted(outlook_options) as mount:
        assert f"1 change waits in the outbox; outlookfs outbox {mount.path}\n" in mount.log()
        answer = mount.outlookfs("outbox", str(mount.path))
        assert answer.returncode == 0 and "big.eml" in answer.stdout and "refused" in answer.stdout
        assert mount.outlookfs("outbox", str(mount.path), "drop", answer.stdout.splitlines()[1].split()[0]).returncode == 0
