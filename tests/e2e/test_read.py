"""Every byte of every message, whoever reads it, whatever sizes the server told; and no flag set by it."""
import json
import subprocess

import pytest

from tests.data import generate, hard, real

from .support import mailboxes, sample

SKEWS = ["off", "+777", "-333", "x0.1", "x3"]


def everything(count=120):
    yield from generate.messages(count)
    yield from hard.messages()
    yield from sample.folders()
    if real.available():
        yield from real.messages(150, mailbox="Real")


def compare(mount, held, how):
    """Every message of the server, read through the mount in one way."""
    files = mount.files()
    wanted = {(mailbox, uid): entry for mailbox, uids in held.items() for uid, entry in uids.items()}
    assert set(files) == set(wanted)
    got = mount.reader(how)
    wrong = {path: (got[path], wanted[key]) for key, path in files.items()
             if got[path].get("sha256") != wanted[key].sha256 or got[path].get("size") != wanted[key].size}
    assert not wrong, json.dumps({p: repr(v) for p, v in list(wrong.items())[:5]}, indent=1)


@pytest.mark.parametrize("how", ["read", "mmap", "pread"])
def test_every_byte(load, truth, mounted, options, how, request):
    load(everything())
    held = truth()
    with mounted(options) as mount:
        compare(mount, held, how)
        compare(mount, held, how)  # from the cache
    assert {m: {u: e.flags for u, e in uids.items()} for m, uids in held.items()} == \
        mailboxes.flags(request.getfixturevalue("server"))


@pytest.mark.parametrize("skew", SKEWS[1:])
@pytest.mark.parametrize("how", ["read", "mmap"])
def test_sizes_that_are_wrong(load, truth, mounted, outlook, outlook_options, skew, how):
    outlook.set(size_skew=skew)
    load(sample.folders() + sample.few(6, "Archive", size=40_000))
    held = truth()
    with mounted(outlook_options) as mount:
        compare(mount, held, how)


# A shell command in the root of the mount that prints SHA-256 and path of every message.
PROGRAMS = {
    "cat": "find . -name '*.eml' -exec sh -c 'for f; do echo \"$(cat \"$f\" | sha256sum | cut -c1-64) $f\"; done' _ {} +",
    "sha256sum": "find . -name '*.eml' -exec sha256sum {} +",
    "cp": "cp -r . \"$OUT\" && cd \"$OUT\" && find . -name '*.eml' -exec sha256sum {} +",
    "cp -a": "cp -a . \"$OUT/x\" && cd \"$OUT/x\" && find . -name '*.eml' -exec sha256sum {} +",
    "tar": "tar cf - . | tar xf - -C \"$OUT\" && cd \"$OUT\" && find . -name '*.eml' -exec sha256sum {} +",
    "rsync": "rsync -a ./ \"$OUT/\" && cd \"$OUT\" && find . -name '*.eml' -exec sha256sum {} +",
    "dd": "find . -name '*.eml' -exec sh -c 'for f; do echo \"$(dd if=\"$f\" bs=97 status=none | sha256sum | cut -c1-64) $f\"; done' _ {} +",
    "tail": "find . -name '*.eml' -exec sh -c 'for f; do echo \"$(tail -c +1 \"$f\" | sha256sum | cut -c1-64) $f\"; done' _ {} +",
}


@pytest.mark.parametrize("skew", ["off", "+777", "-333"])
@pytest.mark.parametrize("program", list(PROGRAMS))
def test_programs(load, truth, mounted, outlook, outlook_options, tmp_path, program, skew):
    outlook.set(size_skew=skew)
    load(sample.folders() + sample.few(3, "Archive", size=30_000))
    held = truth()
    with mounted(outlook_options) as mount:
        answer = mount.run("sh", "-c", PROGRAMS[program], env={"OUT": str(tmp_path)})
        assert answer.returncode == 0, answer.stderr.decode()
        got = {line[64:].lstrip(" *").removeprefix("./"): line[:64] for line in answer.stdout.decode().splitlines()}
        files = mount.files()
        assert got == {path: held[mailbox][uid].sha256 for (mailbox, uid), path in files.items()}


@pytest.mark.parametrize("skew", ["off", "+777", "-333", "x0"])
def test_grep_finds_the_last_byte(load, mounted, outlook, outlook_options, skew):
    """A search must see the end of a message that is longer than its estimated size."""
    outlook.set(size_skew=skew)
    mails = [(m, d, f, b[:-2] + b" LASTWORD%03d\r\n" % i) for i, (m, d, f, b) in enumerate(
        sample.few(6, size=9_000), start=1)]
    load(mails)
    for program in (["grep", "-rl"], ["rg", "-l", "--mmap"], ["rg", "-l", "--no-mmap"], ["grep", "-rla"]):
        with mounted(outlook_options) as mount:
            for number in range(1, 7):
                answer = mount.run(*program, "LASTWORD%03d" % number, ".")
                assert answer.returncode == 0, (program, number, answer)
                assert len(answer.stdout.splitlines()) == 1, (program, number, answer.stdout)
        subprocess.run(["rm", "-rf", str(mount.home.cache)], check=True)


LISTED_THEN_QUIET = "rsync -a ./ \"$OUT/\" && rsync -ain ./ \"$OUT/\" | (! grep .)"


@pytest.mark.parametrize("command", [
    "ls -R", "ls -l -R", "ls -lRi --time-style=full-iso", "find .", "find . -ls", "grep -r needle1 .", "rg needle1",
    "rg --mmap needle1", "tar cf - . | cat > /dev/null", "tar cf - . | tar tvf - > /dev/null",
    LISTED_THEN_QUIET, "du -a .", "du -sh --apparent-size .",
    "find . -type f -print0 | xargs -0 wc -c", "find . -type f -print0 | xargs -0 file > /dev/null",
    "find . -size +1k", "df . && df -i ."])
def test_whole_tree(load, mounted, options, tmp_path, command):
    load(list(sample.folders()) + list(hard.messages()))
    with mounted(options) as mount:
        for turn in ("cold", "warm"):
            answer = mount.run("bash", "-o", "pipefail", "-c", command, env={"OUT": str(tmp_path)})
            assert answer.returncode == 0, (turn, answer.stdout[-500:], answer.stderr[-2000:])
            assert answer.stderr == b"", (turn, answer.stderr)


def test_rsync_of_a_copy_is_quiet(load, mounted, options, tmp_path):
    """Sizes are exact once read: a second rsync has nothing to do, also after a remount."""
    load(sample.folders())
    for _ in range(2):
        with mounted(options) as mount:
            first = mount.run("rsync", "-ai", "./", f"{tmp_path}/", cwd=mount.path)
            assert first.returncode == 0, first.stderr
    again = None
    with mounted(options) as mount:
        again = mount.run("rsync", "-ai", "./", f"{tmp_path}/", cwd=mount.path)
    assert again.stdout == b"", again.stdout


def test_many_readers_of_one_message(load, mounted, outlook, outlook_options):
    """Two openers share one fetch: the server is asked once."""
    load([("INBOX", sample.START, "", sample.message(1, size=3_000_000))])
    with mounted(outlook_options) as mount:
        (path,) = mount.files().values()
        outlook.transcript.clear()
        script = "for i in 1 2 3 4 5 6; do sha256sum \"$1\" & done; wait"
        answer = mount.run("sh", "-c", script, "_", path)
        assert answer.returncode == 0 and len(set(answer.stdout.splitlines())) == 1
        assert len(answer.stdout.splitlines()) == 6
        assert len([line for line in outlook.transcript.lines("FETCH") if "BODY.PEEK[]" in line]) == 1
        mount.run("cat", path)
        assert len([line for line in outlook.transcript.lines("FETCH") if "BODY.PEEK[]" in line]) == 1


def test_a_big_attachment(load, truth, mounted, options):
    load([hard.big_attachment(mailbox="Big")])
    held = truth()
    with mounted(options) as mount:
        for how in ("read", "mmap"):
            got = mount.reader(how)
            assert [g["sha256"] for g in got.values()] == [e.sha256 for e in held["Big"].values()]
        assert mount.sanitized() or mount.memory() < 40 << 20


def test_reading_never_asks_for_more_than_a_peek(load, mounted, outlook, outlook_options):
    load(sample.folders())
    with mounted(outlook_options) as mount:
        mount.reader("read")
        mount.run("grep", "-r", "needle", ".")
    lines = outlook.transcript.lines()
    assert not [line for line in lines if line.startswith(("STORE", "UID STORE", "SELECT", "APPEND", "EXPUNGE"))]
    assert not [line for line in lines if "FETCH" in line and ("BODY[" in line or "RFC822 " in line or "RFC822)" in line)]
    assert lines[-1] == "LOGOUT" or "LOGOUT" in lines
    for verb in ("CAPABILITY", "AUTHENTICATE XOAUTH2 ***", "NAMESPACE"):
        assert verb in lines, lines
    assert [line for line in lines if line.startswith("ID")] and [line for line in lines if line.startswith("LIST")]
    assert max(len(line) for line in lines) < 4096


def test_empty_account(mounted, options):
    with mounted(options) as mount:
        listing = mount.run("ls", cwd=mount.path)
        assert listing.returncode == 0 and b"Inbox" in listing.stdout.splitlines()
        assert mount.run("find", ".", "-type", "f").stdout == b""


@pytest.mark.parametrize("hide", ["SASL-IR", "LITERAL+", "UIDPLUS MOVE", "CONDSTORE QRESYNC", "ESEARCH", "UNSELECT",
                                  "NAMESPACE", "ID ENABLE", "LIST-EXTENDED SPECIAL-USE LIST-STATUS", "CHILDREN IDLE"])
def test_servers_that_lack_something(binary, home, mounted, hide):
    from .support.dovecot import Dovecot
    from .support.servers import connect
    with Dovecot(without=hide.split()) as server:
        client = connect(server, "joe")
        mailboxes.load(client, sample.folders())
        held = mailboxes.truth(client)
        options = {"host": "localhost", "port": server.tls_port, "cafile": server.ca, "username": "joe",
                   "password_command": home.secret("password", server.password), "timeout": 5}
        with mounted(options) as mount:
            compare(mount, held, "read")


@pytest.mark.parametrize("auth", ["xoauth2", "oauthbearer"])
@pytest.mark.parametrize("tls", ["implicit", "starttls", "none"])
def test_ways_to_connect(dovecot, user, load, truth, home, mounted, auth, tls):
    load(sample.few(2))
    port = dovecot.tls_port if tls == "implicit" else dovecot.port
    options = {"host": "127.0.0.1" if tls == "none" else "localhost", "port": port, "tls": tls, "cafile": dovecot.ca,
               "username": user, "auth": auth, "token_command": home.secret("token", dovecot.token(user)),
               "timeout": 5}
    with mounted(options) as mount:
        compare(mount, truth(), "read")
