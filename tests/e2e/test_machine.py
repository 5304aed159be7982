"""As a part of the system: mount(8) with fstab, umount(8), systemd's readiness, and what a killed
daemon leaves. Through the real mount(8) and mount.fuse3, in a namespace of the test's own."""
import contextlib
import os
import signal
import socket
import subprocess
import tempfile

import pytest

from .support import sample
from .support.machine import READER, Machine, is_open_to_others, usable
from .support.mount import Mount, is_mounted, join_options, wait_for

ACCOUNT = "me@outlook.com"
FORMS = {"name#account": f"outlookfs#{ACCOUNT} {{}} fuse {{}} 0 0\n",
         "subtype": f"{ACCOUNT} {{}} fuse.outlookfs {{}} 0 0\n"}
# What fstab may hold, as mount(8), mount.fuse3 and systemd know it.
OPTIONS = ["noauto,user,_netdev", "defaults", "rw,users,nofail,exec,suid,dev",
           "ro,noatime,x-systemd.automount,x-systemd.idle-timeout=1min,x-systemd.requires=network-online.target",
           "owner,group,comment=mail,X-mount.mkdir,sync,dirsync,strictatime,lazytime,silent"]


@pytest.fixture
def machine(binary):
    why = usable()
    if why:
        pytest.skip(why)
    place = Machine(binary)
    yield place
    place.close()


@pytest.fixture
def root_mail(machine, dovecot_options, load):
    """An account of root's on the machine, with mail; its mountpoint."""
    load(sample.few(3))
    machine.configure(machine.root, ACCOUNT, {**plain(dovecot_options), "log": "~/log"})
    return "/root/mail"


def plain(options):
    return {name: value if isinstance(value, int) else str(value) for name, value in options.items()}


def use(machine, place, form="subtype", options="noauto"):
    machine.fstab.write_text(FORMS[form].format(place, options))


def check(answer):
    assert answer.returncode == 0, answer
    return answer


def in_the_end_unmounted(machine, place):
    """umount(8) does not wait for the daemon."""
    check(machine.run("umount", place))
    assert place not in machine.mounts()
    wait_for(lambda: not machine.processes("outlookfs"), what="the daemon's end")


# --- fstab ---

@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("form", FORMS)
def test_fstab(machine, root_mail, form, options):
    use(machine, root_mail, form, options)
    answer = check(machine.run("mount", root_mail))
    assert answer.stdout == answer.stderr == ""
    flags, kind = machine.mounts()[root_mail]
    how = "ro" if options.startswith("ro,") else "rw"
    assert kind == "fuse.outlookfs" and {how, "nosuid", "nodev", "noexec"} <= flags
    assert len(check(machine.run("ls", f"{root_mail}/Inbox")).stdout.splitlines()) == 3
    assert ACCOUNT in check(machine.run("outlookfs", "status", root_mail)).stdout
    in_the_end_unmounted(machine, root_mail)


def test_another_table(machine, root_mail):
    """mount -T, as scripts use it."""
    table = machine.top / "table"
    table.write_text(FORMS["name#account"].format(root_mail, "noauto,user,_netdev"))
    check(machine.run("mount", "-T", table, root_mail))
    assert check(machine.run("ls", root_mail)).stdout
    in_the_end_unmounted(machine, root_mail)


def test_options_in_fstab(machine, root_mail):
    """A blank is \\040, and a comma in a value \\,: mount(8) and mount.fuse3 leave it as it is."""
    use(machine, root_mail, options=r"noauto,names=uid,fsname=my\040mail,log=/root/a\,b")
    check(machine.run("mount", root_mail))
    assert check(machine.run("ls", f"{root_mail}/Inbox")).stdout.split() == ["1.eml", "2.eml", "3.eml"]
    assert check(machine.run("findmnt", "-n", "-o", "SOURCE", root_mail)).stdout.strip() == "my mail"
    assert (machine.root / "a,b").is_file()
    in_the_end_unmounted(machine, root_mail)


def test_outlookfs_umount_of_what_fstab_mounted(machine, root_mail):
    use(machine, root_mail)
    check(machine.run("mount", root_mail))
    check(machine.run("outlookfs", "umount", root_mail))
    assert not machine.processes("outlookfs")


@pytest.mark.parametrize("options, code, word", [
    ("noauto,bogus", 2, "bogus"), ("noauto,password_command=false", 3, "command"), ("noauto,port=1", 4, "refused"),
    ("noauto,drop_privileges", 1, "setuid=USER")])
def test_what_mount_says_when_it_fails(machine, root_mail, options, code, word):
    use(machine, root_mail, options=options)
    answer = machine.run("mount", root_mail)
    assert answer.returncode == code and word in answer.stderr, answer
    assert len([line for line in answer.stderr.splitlines() if line.startswith("outlookfs: ")]) == 1, answer
    # mount.fuse3 mounts before it drops privileges: that mount is dead now, and the next one clears it.
    assert (root_mail in machine.mounts()) == ("drop_privileges" in options)
    use(machine, root_mail)
    check(machine.run("mount", root_mail))
    in_the_end_unmounted(machine, root_mail)


def test_remount_says_what_to_do(machine, root_mail):
    use(machine, root_mail)
    check(machine.run("mount", root_mail))
    answer = machine.run("mount", "-o", "remount,noatime", root_mail)
    assert answer.returncode == 2 and "umount, then mount" in answer.stderr, answer
    assert check(machine.run("ls", root_mail)).stdout
    in_the_end_unmounted(machine, root_mail)


def open_to_others():
    if not is_open_to_others():
        pytest.skip("/dev/fuse is root's alone here: ordinary users cannot mount")


@pytest.fixture
def reader_mail(machine, dovecot_options, load, home):
    """The same for an ordinary user."""
    load(sample.few(3))
    options = plain(dovecot_options)
    for name, file in (("password", home.top / "password"), ("cafile", options["cafile"])):
        with open(file, encoding="ascii") as source:
            (machine.reader / name).write_text(source.read())
    options.update(password_command="cat ~/password", cafile="~/cafile", log="~/log")
    machine.configure(machine.reader, ACCOUNT, options)
    return str(machine.reader / "mail")


def test_an_ordinary_user_finds_home(machine, reader_mail):
    """`user` in fstab: mount(8) clears HOME and mount.fuse3 makes it /root; what is tried is ours all the
    same. Where the user may not open /dev/fuse, that is the one thing that fails."""
    use(machine, reader_mail, "name#account", "noauto,user,_netdev")
    answer = machine.run("mount", reader_mail, user=READER)
    assert (machine.reader / "log").is_file(), answer
    if answer.returncode != 0:
        assert "/dev/fuse" in answer.stderr and not is_open_to_others(), answer
        return
    check(machine.run("umount", reader_mail, user=READER))


def test_an_ordinary_user_mounts(machine, reader_mail):
    open_to_others()
    use(machine, reader_mail, "name#account", "noauto,user,_netdev")
    check(machine.run("mount", reader_mail, user=READER))
    listing = check(machine.run("ls", "-ln", f"{reader_mail}/Inbox", user=READER)).stdout
    assert listing.count(f" {READER} {READER} ") == 3
    assert machine.run("ls", reader_mail).returncode != 0  # not even root
    check(machine.run("umount", reader_mail, user=READER))
    assert reader_mail not in machine.mounts()


def test_root_mounts_for_a_user(machine, reader_mail):
    """setuid= of mount.fuse3, as for a mount at boot."""
    open_to_others()
    use(machine, reader_mail, options="_netdev,setuid=reader")
    check(machine.run("mount", reader_mail))
    assert len(check(machine.run("ls", f"{reader_mail}/Inbox", user=READER)).stdout.splitlines()) == 3
    in_the_end_unmounted(machine, reader_mail)


# --- readiness ---

class Notify:
    """The socket on which systemd would listen."""

    def __init__(self):
        self.folder = tempfile.TemporaryDirectory(prefix="ofs-n-")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(f"{self.folder.name}/notify")
        self.env = {"NOTIFY_SOCKET": f"{self.folder.name}/notify"}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()
        self.folder.cleanup()

    def receive(self, seconds=20):
        self.socket.settimeout(seconds)
        return dict(line.split("=", 1) for line in self.socket.recv(4096).decode().splitlines())

    def until(self, word):
        """(the first message with this word, the words of those before it)."""
        before = set()
        while word not in (message := self.receive()):
            before |= set(message)
        return message, before

    def words(self):
        """The words of all that has come, once the sender has ended."""
        found = set()
        with contextlib.suppress(BlockingIOError):
            while True:
                found |= set(self.receive(seconds=0))
        return found


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_systemd_is_told(binary, home, load, dovecot_options, number):
    load(sample.few(2))
    mount = Mount(binary, home, "test", dovecot_options)
    with Notify() as notify:
        process = subprocess.Popen(mount.command(), env={**home.env, **notify.env}, stdin=subprocess.DEVNULL,
                                   stderr=subprocess.PIPE, cwd="/")
        try:
            message, before = notify.until("READY")
            assert message["READY"] == "1" and "test" in message["STATUS"] and before == {"STATUS"}
            assert is_mounted(home.mountpoint)
            assert b"Inbox" in mount.run("ls", cwd=home.mountpoint).stdout
            process.send_signal(number)
            message, _ = notify.until("STOPPING")
            assert message["STOPPING"] == "1" and message["STATUS"]
            process.communicate(timeout=20)
            assert process.returncode == 0 and not is_mounted(home.mountpoint)
        finally:
            process.kill()
            process.communicate()


def test_systemd_is_not_told_of_a_mount_that_failed(binary, home, dovecot_options):
    mount = Mount(binary, home, "test", {**dovecot_options, "password_command": "false"})
    with Notify() as notify:
        answer = subprocess.run(mount.command(), env={**home.env, **notify.env}, stdin=subprocess.DEVNULL,
                                capture_output=True, timeout=20)
        assert answer.returncode == 3
        assert notify.words() == {"STATUS"}


# --- a daemon that was killed ---

WAYS = {"foreground": None, "background": ["outlookfs", ACCOUNT, "{}", "-o", "timeout=5"], "fstab": ["mount", "{}"]}


@pytest.mark.parametrize("way", WAYS)
def test_killed_and_mounted_again(machine, root_mail, way):
    """kill -9 of the daemon and of the helper that would unmount for it: the dead mount is in nobody's way."""
    use(machine, root_mail)
    check(machine.run("mount", root_mail))
    names = check(machine.run("ls", f"{root_mail}/Inbox")).stdout
    machine.kill_daemon()
    assert root_mail in machine.mounts()
    wait_for(lambda: "not connected" in machine.run("ls", root_mail).stderr, what="the mount being dead")
    if way == "foreground":
        with foreground(machine, root_mail):
            assert check(machine.run("ls", f"{root_mail}/Inbox")).stdout == names
    else:
        check(machine.run(*[word.format(root_mail) for word in WAYS[way]]))
        assert check(machine.run("ls", f"{root_mail}/Inbox")).stdout == names
        in_the_end_unmounted(machine, root_mail)
    assert root_mail not in machine.mounts()


@contextlib.contextmanager
def foreground(machine, place):
    """mount -f in the namespace, ready when it says so, ended by SIGTERM to the program itself."""
    with Notify() as notify:
        process = subprocess.Popen(
            ["nsenter", f"--mount=/proc/{machine.holder.pid}/ns/mnt", "/usr/local/bin/outlookfs", "mount", "-f",
             ACCOUNT, place], env={"HOME": "/root", "PATH": "/usr/bin:/bin", **notify.env}, cwd="/",
            stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            notify.until("READY")
            yield
            process.send_signal(signal.SIGTERM)  # nsenter has become the program
            assert process.wait(20) == 0
        finally:
            process.kill()
            process.wait()


def test_the_helper_unmounts_for_a_killed_daemon(machine, root_mail):
    """Usually nothing stays: fusermount3 waits for the daemon's end and unmounts."""
    use(machine, root_mail)
    check(machine.run("mount", root_mail))
    for pid in machine.processes("outlookfs"):
        os.kill(pid, signal.SIGKILL)
    wait_for(lambda: root_mail not in machine.mounts(), what="the unmount")
