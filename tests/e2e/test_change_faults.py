"""What a server and a network can do to a change: the right errno, nothing else hit, nothing lost.

Each message is on the server exactly once or in the outbox, whatever was cut, whenever. The emulation's
switches (tests/outlook/README.md) misbehave; hooks do what others do to the account exactly in between.
"""
import re

import pytest

from .support import sample
from .support.desk import TRASH, census, number_of
from .support.mount import Mount, wait_for
from .test_change_rows import three

SMALL = 230  # bytes of a message: each is cut


def outbox_numbers(d):
    """Numbers of messages that wait in the outbox, by saving each entry that has bytes."""
    found = []
    for line in d.outbox():
        target = d.local / "from-outbox"
        target.unlink(missing_ok=True)
        d.mount.outlookfs("outbox", str(d.mount.path), "save", line.split()[0], str(target))
        if target.exists() and target.stat().st_size:
            found.append(number_of(target.read_bytes()))
    return found


def kept(d, wanted):
    """Every number is on the server exactly once, or not there and in the outbox; and nothing else is anywhere."""
    found = sorted(sum(census(d.client).values(), []))
    boxed = outbox_numbers(d)
    lost = [n for n in wanted if n not in found and n not in boxed]
    doubled = [n for n in set(found) if found.count(n) + boxed.count(n) > 1]
    strangers = sorted(set(found) - set(wanted))
    assert (lost, doubled, strangers) == ([], [], []), {"lost": lost, "doubled": doubled, "strangers": strangers,
                                                       "outbox": d.outbox()}


def close_error(d, source, target="Archive/new.eml"):
    """errno of writing a file and closing it."""
    return d.fails("f = os.open(a[1], os.O_CREAT | os.O_WRONLY)\nos.write(f, open(a[0], 'rb').read())\nos.close(f)",
                   source, target)


# --- answers in their several forms ---

@pytest.mark.parametrize("form", ["usual", "untagged", "bare", "tagged", "none"])
@pytest.mark.parametrize("commit", ["server", "journal"])
def test_forms_of_copyuid(desk, outlook, form, commit):
    with desk(three(), way="outlook", switches={"copyuid": form}, commit=commit) as d:
        first, second, third = (d.path("INBOX", n) for n in (1, 2, 3))
        d.do('mv "$1" Archive/a.eml; cp "$2" Archive/b.eml; rm "$3"', first, second, third)
        assert d.numbers("Archive") == [1, 2] and d.numbers("INBOX") == [2] and d.numbers(TRASH) == [3]
        assert d.ls("Archive") == ["a.eml", "b.eml"]
        assert {d.path("Archive", 1), d.path("Archive", 2)} == {"Archive/a.eml", "Archive/b.eml"}
        assert d.outbox() == []
        d.agree()


@pytest.mark.parametrize("switches", [
    {"spurious_plus": "on"}, {"append_rewrite": "new_id"}, {"append_rewrite": "off"}, {"no_appenduid": "on"},
    {"no_appenduid": "on", "append_rewrite": "new_id"}, {"mdnsent": "off"}, {"uidvalidity": 14},
    {"copyuid_empty": "off"}, {"caps": "old"}, {"caps": "rollout"}, {"dribble": "0@WRITING"},
    {"exists_before_plus": "on"}, {"seq_confusion": 3}, {"item_order": "shuffled"}, {"size_skew": "+100"}],
    ids=lambda s: ",".join(f"{k}={v}" for k, v in s.items()))
def test_what_must_not_matter(desk, outlook, switches):
    with desk(three(), way="outlook", switches=switches) as d:
        first, second, third = (d.path("INBOX", n) for n in (1, 2, 3))
        d.do('cp "$1" Archive/new.eml; cat "$1" > Archive/again.eml', d.mail(7))
        d.do('mv "$1" Archive/; rm "$2"; cp "$3" Archive/; setfattr -n user.imap.flags -v "+\\\\Flagged" "$3"',
             first, second, third)
        assert d.numbers("Archive") == [1, 3, 7, 7] and d.numbers("INBOX") == [3] and d.numbers(TRASH) == [2]
        assert "\\Flagged" in d.one("INBOX", 3).flags and d.outbox() == []
        got = d.sh("cat Archive/new.eml").stdout
        assert got in [m.data for m in d.held("Archive") if m.number == 7]
        d.agree()


@pytest.mark.parametrize("verb", ["APPEND", "COPY", "MOVE", "STORE"])
@pytest.mark.parametrize("later", [0, 2])
def test_uid_reassigned(desk, outlook, verb, later):
    """The message that was just changed gets another UID: it is found again, once."""
    with desk(three(), way="outlook", switches={"uid_reassigned": f"{later}@{verb}*1"}) as d:
        path = d.path("INBOX", 2)
        d.sh({"APPEND": 'cp "$2" Archive/new.eml', "COPY": 'cp "$1" Archive/new.eml', "MOVE": 'mv "$1" Archive/new.eml',
              "STORE": 'setfattr -n user.imap.flags -v "+\\Flagged" "$1"'}[verb], path, d.mail(7))
        d.do("ls Archive Inbox Drafts > /dev/null")
        if verb != "STORE":
            assert d.numbers("Archive") == [7 if verb == "APPEND" else 2]
        d.agree(30)
        assert d.outbox() == []
        if verb != "COPY":
            kept(d, [1, 2, 3] + ([7] if verb == "APPEND" else []))


# --- refusals ---

REFUSALS = {
    "too big": ({"append_limit": 4000}, {"size": 5000}, "EFBIG"),
    "too big, told late": ({"append_limit": "4000:late"}, {"size": 5000}, "EFBIG"),
    "a long line": ({"append_line": 300}, {"extra": "X-Long: " + "x" * 500 + "\r\n"}, "EINVAL"),
    "quota": ({"overquota": "on"}, {}, "EDQUOT"),
    "throttled": ({"throttle": "NO:60000@APPEND*1"}, {}, "EAGAIN"),
    "throttled, BAD and BYE": ({"throttle": "BAD+BYE:60000@APPEND*1"}, {}, "EAGAIN"),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_refused(desk, outlook, name):
    """close() says why; the bytes wait in the outbox, and nothing is sent again by itself."""
    switches, options, right = REFUSALS[name]
    with desk(way="outlook", switches=switches, timeout=3) as d:
        assert close_error(d, d.mail(7, **options)) == right
        entry, = d.outbox()
        assert "new.eml" in entry
        sent = len(d.sent("APPEND"))
        outlook.reset()
        d.do("ls Archive > /dev/null")
        assert len(d.sent("APPEND")) <= sent and census(d.client)["Archive"] == []
        assert d.ls("Archive") == []
        target = d.local / "saved"
        number = entry.split()[0]
        assert d.mount.outlookfs("outbox", str(d.mount.path), "save", number, str(target)).returncode == 0
        assert target.read_bytes() == sample.message(7, **options)
        if "throttled" not in name:
            assert d.mount.outlookfs("outbox", str(d.mount.path), "retry", number).returncode == 0
            assert d.sync().returncode == 0 and d.numbers("Archive") == [7] and d.outbox() == []
            d.agree()


@pytest.mark.parametrize("name", ["too big", "quota", "a long line"])
def test_refused_in_the_background(desk, outlook, name):
    """commit=journal: close() succeeds, and sync tells; each file's error is its own."""
    switches, options, _ = REFUSALS[name]
    with desk(way="outlook, journal", switches={k: "1@APPEND" if k == "overquota" else v for k, v in switches.items()},
              check=False) as d:
        assert close_error(d, d.mail(7, **options)) == "0"
        answer = d.sync()
        assert answer.returncode != 0 and answer.stderr.count("\n") == 1, answer
        d.do('cp "$@" Archive/', d.mail(8), d.mail(9))
        assert d.sync().returncode == 0
        assert census(d.client)["Archive"] == [8, 9]
        assert len(d.outbox()) == 1 and "new.eml" in d.outbox()[0] and outbox_numbers(d) == [7]
        assert d.ls("Archive") == ["8.eml", "9.eml"]


def test_a_refused_write_leaves_the_old_one(desk, outlook):
    with desk(three(), way="outlook") as d:
        path, before = d.path("INBOX", 2), d.held("INBOX")
        outlook.set(overquota="on")
        assert d.fails("f = os.open(a[1], os.O_TRUNC | os.O_WRONLY)\nos.write(f, open(a[0], 'rb').read())\nos.close(f)",
                       d.mail(70), path) == "EDQUOT"
        assert d.held("INBOX") == before and d.numbers(TRASH) == []
        assert d.sh('cat "$1"', path).stdout == before[1].data
        assert outbox_numbers(d) == [70]


def test_a_copy_over_quota(desk, outlook):
    with desk(three(), way="outlook", switches={"overquota": "on"}) as d:
        answer = d.sh('cp "$1" Archive/', d.path("INBOX", 2))
        assert answer.returncode == 1 and b"quota" in answer.stderr.lower()
        assert d.numbers("Archive") == [] and d.ls("Archive") == []


def test_a_short_throttle_is_waited_for(desk, outlook):
    with desk(three(), way="outlook", switches={"throttle": "NO:500@WRITING*1"}) as d:
        d.do('cp "$1" Archive/', d.mail(7))
        assert d.numbers("Archive") == [7]


def test_a_throttled_removal(desk, outlook):
    with desk(three(), way="outlook", timeout=3) as d:
        path = d.path("INBOX", 2)
        outlook.set(throttle="NO:60000@MOVE*1")
        assert d.fails("os.unlink(a[0])", path) == "EAGAIN"
        assert d.numbers("INBOX") == [1, 2, 3] and path.split("/")[1] in d.ls("Inbox")


@pytest.mark.parametrize("way_of", ["outlook", "without UIDPLUS"])
def test_expunge_failed(desk, outlook, way_of):
    """NO EXPUNGE failed, once: it is tried again or told; the message is not half gone for ever."""
    with desk(sample.few(3, TRASH), way=way_of, switches={"expunge_failed": 1}) as d:
        path = d.path(TRASH, 2)
        code = d.fails("os.unlink(a[0])", path)
        assert code in ("0", "EIO")
        if code != "0":
            assert d.outbox() or path.split("/")[1] in d.ls(TRASH)
            d.sh('rm -f "$1"', path)
        assert set(d.numbers(TRASH)) <= {1, 2, 3} and {1, 3} <= set(d.numbers(TRASH))


@pytest.mark.parametrize("commit", ["server", "journal"])
def test_mass_break(desk, outlook, commit):
    """Half of a batch is done and the connection gone: at the end each message is moved, once."""
    with desk(sample.few(30), way="outlook", switches={"mass_break": "5*3"}, commit=commit) as d:
        d.do("rm Inbox/*.eml")
        assert d.numbers(TRASH) == list(range(1, 31)) and d.numbers("INBOX") == []
        outlook.set(mass_break="5*3")
        d.do(f"rm {TRASH}/*.eml")
        assert d.numbers(TRASH) == [] and d.outbox() == []
        d.agree()


def test_ten_errors_in_a_row(desk, outlook):
    """The server closes the connection after ten; the eleventh file goes all the same."""
    with desk(way="outlook", switches={"append_limit": 3000}) as d:
        for n in range(12):
            assert close_error(d, d.mail(n, size=4000), f"Archive/{n}.eml") == "EFBIG"
        d.do('cp "$1" Archive/', d.mail(20))
        assert d.numbers("Archive") == [20]


# --- the network ---

@pytest.mark.parametrize("operation", ["create", "write", "mv", "rm", "mkdir", "rmdir", "cp", "setfattr", "truncate"])
def test_offline(desk, outlook, operation):
    """commit=server: ENETDOWN before anything happened (a message whose body is here may be opened for reading)."""
    with desk(three(), way="outlook", timeout=3) as d:
        path = d.path("INBOX", 2)
        d.do('cat "$1" > /dev/null; mkdir Empty; ls Empty Archive > /dev/null', path)
        before = d.held("INBOX")
        outlook.down()
        wait_for(lambda: '"offline"' in d.mount.outlookfs("status", str(d.mount.path), "--json").stdout.replace(" ", ""),
                 20, "the mount noticing")
        code = d.fails({
            "create": "os.open('Archive/x.eml', os.O_CREAT | os.O_WRONLY)", "write": "os.open(a[0], os.O_RDWR)",
            "mv": "os.rename(a[0], 'Archive/x.eml')", "rm": "os.unlink(a[0])", "mkdir": "os.mkdir('New')",
            "rmdir": "os.rmdir('Empty')", "cp": "import shutil\nshutil.copy(a[0], 'Archive/x.eml')",
            "setfattr": "os.setxattr(a[0], 'user.imap.flags', b'+\\\\Seen')", "truncate": "os.truncate(a[0], 100)",
        }[operation], path)
        assert code == "ENETDOWN"
        assert d.sh('cat "$1"', path).stdout == before[1].data and d.ls("Archive") == []
        outlook.up()
        wait_for(lambda: d.sh('cp "$1" Archive/', d.mail(7)).returncode == 0, 30, "the network being back")
        assert d.held("INBOX") == before and {"Empty"} <= d.boxes() and "New" not in d.boxes()
        assert d.numbers("Archive") == [7] and d.outbox() == []


def test_scratch_and_aliases_need_no_network(desk, outlook):
    with desk(three(), way="outlook", timeout=3) as d:
        path = d.path("INBOX", 2)
        outlook.down()
        d.do('mv "$1" Inbox/mine.eml; echo x > Archive/.scratch; rm Archive/.scratch', path)
        outlook.up()


def test_offline_with_a_journal(desk, outlook):
    """commit=journal works without a network; what was done is on the server when it is back."""
    with desk(three(), way="outlook, journal", timeout=3) as d:
        one, two, three_ = (d.path("INBOX", n) for n in (1, 2, 3))
        d.do('cat "$1" > /dev/null', three_)
        outlook.down()
        d.do('mv "$1" Archive/; rm "$2"; cp "$3" Archive/; cp "$4" Archive/', one, two, three_, d.mail(7))
        assert len(d.ls("Archive")) == 3 and len(d.ls("Inbox")) == 1
        outlook.up()
        wait_for(lambda: d.sync().returncode == 0, 40, "the network being back")
        assert d.numbers("Archive") == [1, 3, 7] and d.numbers(TRASH) == [2] and d.numbers("INBOX") == [3]
        d.agree()


def test_a_new_version_before_it_is_sent(desk, outlook):
    """commit=journal: what is written into a message shows under its name at once, and a link can be read."""
    with desk(three(), way="outlook, journal", timeout=3) as d:
        one, two, three_ = (d.path("INBOX", n) for n in (1, 2, 3))
        bytes_of = {path: d.sh('cat "$1"', path).stdout for path in (one, two, three_)}
        outlook.down()
        d.do('printf more >> "$1"; truncate -s 400 "$2"; ln "$3" Archive/link.eml', one, two, three_)
        assert d.sh("cat Archive/link.eml").stdout == bytes_of[three_]
        assert d.sh('cat "$1"', one).stdout == bytes_of[one] + b"more" and len(d.ls("Inbox")) == 3
        assert d.sh('cat "$1"', two).stdout == bytes_of[two][:400] and d.do('stat -c %s "$1"', two) == "400\n"
        outlook.up()
        wait_for(lambda: d.sync().returncode == 0, 40, "the network being back")
        assert d.numbers("INBOX") == [1, 2, 3] and d.numbers(TRASH) == [1, 2] and d.numbers("Archive") == [3]
        d.agree()


@pytest.mark.parametrize("value", ["+\\Flagged", "\\Flagged"])
def test_flags_of_what_is_not_sent_yet(desk, outlook, value):
    """commit=journal: a message that still waits, as an upload or as a copy, gets its flags behind that."""
    with desk(three(), way="outlook, journal", timeout=3) as d:
        source = d.path("INBOX", 1)
        d.do('ls Archive > /dev/null; cat "$1" > /dev/null', source)
        outlook.down()
        d.do('cp "$1" Archive/x.eml; cp "$2" Archive/y.eml', d.mail(7), source)
        for name in ("x", "y"):
            assert d.fails(f"os.setxattr('Archive/{name}.eml', 'user.imap.flags', a[0].encode())", value) == "0"
            assert d.fails(f"os.setxattr('Archive/{name}.eml', 'user.imap.flags', b'+\\\\Answered')") == "0"
        outlook.up()
        wait_for(lambda: d.sync().returncode == 0, 40, "the network being back")
        for number in (7, 1):
            assert {"\\Flagged", "\\Answered"} <= d.one("Archive", number).flags
        assert "\\Answered" not in d.one("INBOX", 1).flags
        d.do('mv Archive/x.eml Drafts/')
        assert "\\Flagged" in d.one("Drafts", 7).flags
        d.agree()


def test_flags_of_what_is_just_being_sent(desk, outlook):
    """The same at every moment of the upload, and a move right behind."""
    with desk(way="outlook, journal") as d:
        d.do("ls Archive Drafts > /dev/null")
        for number in range(20, 40):
            d.do(f'cp "$1" Archive/x.eml; sleep {(number - 20) / 400}; '
                 "setfattr -n user.imap.flags -v '+\\Flagged' Archive/x.eml; mv Archive/x.eml Drafts/$2.eml",
                 d.mail(number), str(number))
        assert d.numbers("Drafts") == list(range(20, 40)) and d.numbers("Archive") == []
        assert all("\\Flagged" in m.flags for m in d.held("Drafts"))
        d.agree()


def test_silence_ends_within_the_bound(desk, outlook):
    """A server that says nothing: an error in time, and the bytes are in the outbox or, when they went, on the server."""
    with desk(three(), way="outlook", timeout=2) as d:
        outlook.set(silence="+0@APPEND")
        code = close_error(d, d.mail(7))
        assert code in ("0", "EIO", "ENETUNREACH", "ENETDOWN"), code
        outlook.set(silence="off")
        wait_for(lambda: census(d.client)["Archive"] == [7], 10, "the message on the server")
        # it can be decided, so it is not held once there is a connection
        wait_for(lambda: d.sync() and not d.outbox(), 20, "the look at what became of it")
        kept(d, [1, 2, 3, 7])


def test_ctrl_c_of_a_close_that_waits(desk, outlook):
    """The writer ends at once; the message is on the server once or in the outbox."""
    import signal
    import time
    with desk(way="outlook", timeout=30) as d:
        outlook.set(silence_in="999999@APPEND")
        waiting = d.mount.spawn("cp", d.mail(7), "Archive/")
        wait_for(lambda: d.sent("APPEND"), 10, "the upload")
        begin = time.monotonic()
        waiting.send_signal(signal.SIGINT)
        waiting.wait(3)
        assert time.monotonic() - begin < 2
        outlook.set(silence_in="off")
        outlook.drop()
        wait_for(lambda: census(d.client)["Archive"] == [7] or d.outbox(), 20, "its end")
        d.sync()
        kept(d, [7])


# --- cut after every byte ---

OPERATIONS = {
    # name: (mailbox that is filled, script, commands that are cut, where the message may be)
    "append": (None, 'cp "$LOCAL/$2.eml" Archive/', ("APPEND",)),
    "move": ("INBOX", 'mv "$1" Archive/', ("MOVE", "COPY", "STORE", "EXPUNGE")),
    "trash": ("INBOX", 'rm "$1"', ("MOVE", "COPY", "STORE", "EXPUNGE")),
}


def cut_all(d, outlook, operation, step, silent=False):
    """One file after the other, each cut at another place; how many there were, and the errors met."""
    source, script, verbs = OPERATIONS[operation]
    paths = {} if source is None else {n: path for n, path in enumerate(sorted(d.mount.files().values()), 0)}

    def run(number):
        if source is None:
            d.mail(number, size=SMALL)
        return d.sh(script, paths.get(number, ""), number)
    with outlook.measured() as dialogue:
        assert run(0).returncode == 0
        d.settle()
    cuts = dialogue.cuts(*verbs, step=step, silent=silent)
    failed = {}
    for number, cut in enumerate(cuts, 1):
        outlook.set(**cut.switches)
        answer = run(number)
        if answer.returncode != 0:
            failed[number] = answer.stderr.decode()
        if d.journal:
            d.sync()
        outlook.set(**cut.off)
        for line in (answer.stderr.decode().splitlines() if answer.returncode else ()):
            assert re.search(r"Input/output error|Network is (down|unreachable)|Resource temporarily", line), (cut, line)
    return len(cuts), failed


@pytest.mark.parametrize("step", [pytest.param(1, marks=[pytest.mark.long, pytest.mark.timeout(1800)]), 37])
@pytest.mark.parametrize("way_of", ["outlook", pytest.param("without all three", marks=pytest.mark.slow),
                                    pytest.param("outlook, journal", marks=pytest.mark.slow)])
@pytest.mark.parametrize("operation", OPERATIONS)
def test_cut_at_every_byte(desk, outlook, binary, home, operation, way_of, step):
    count = 900 if step == 1 else 80
    mails = sample.few(count, size=SMALL) if OPERATIONS[operation][0] else []
    # ascending paths are ascending numbers: a minute apart
    with desk(mails, way=way_of, check=False) as d:
        cuts, failed = cut_all(d, outlook, operation, step)
        assert cuts < count, "more messages are needed"
        outlook.set(cut_in="off", cut_at="off")
        options = {k: v for k, v in d.mount.options.items()}
        d.sync()
        d.mount.stop(check=False)
        d.mount = Mount(binary, home, "test", options).start()
        try:
            answer = d.sync()
            assert answer.returncode == 0, answer.stderr
            kept(d, range(1, count + 1) if mails else range(0, cuts + 1))
            d.agree()
            done = census(d.client)[TRASH if operation == "trash" else "Archive"]
            told_ok = cuts + 1 - len(failed)
            assert len(done) >= told_ok, (len(done), told_ok, failed)
        finally:
            d.mount.stop(check=False)


@pytest.mark.slow
@pytest.mark.parametrize("operation", OPERATIONS)
def test_silent_cuts(desk, outlook, operation):
    """The same, but the connection stays and says nothing: a bound ends it."""
    mails = sample.few(80, size=SMALL) if OPERATIONS[operation][0] else []
    with desk(mails, way="outlook", check=False, timeout=1) as d:
        cuts, _ = cut_all(d, outlook, operation, 101, silent=True)
        outlook.set(silence_in="off", silence="off")
        d.sync()
        kept(d, range(1, 81) if mails else range(0, cuts + 1))


# --- meanwhile ---

MEANWHILE = ["before", "after"]
CHANGES = {
    "append": ('cp "$2" Work/', "APPEND"),
    "copy": ('cp "$1" Work/new.eml', "COPY"),
    "move": ('mv "$1" Work/', "MOVE"),
    "move out": ('mv Work/*1.eml Archive/', "MOVE"),
    "trash": ("rm Work/*1.eml", "MOVE"),
    "store": ('setfattr -n user.imap.flags -v "+\\Flagged" Work/*1.eml', "STORE"),
}


@pytest.mark.parametrize("when", MEANWHILE)
@pytest.mark.parametrize("what", ["recreate", "delete"])
@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("commit", ["server", pytest.param("journal", marks=pytest.mark.slow)])
def test_a_mailbox_recreated_or_deleted(desk, outlook, user, change, what, when, commit):
    """Another UIDVALIDITY (old UIDs name other messages), or none: between intent and command, or command and answer."""
    script, verb = CHANGES[change]
    mails = three("") + [("Work", *mail[1:3], sample.message(20 + n)) for n, mail in enumerate(sample.few(3), 1)]
    with desk(mails, way="outlook", check=False, commit=commit, poll=5) as d:
        path = d.path("INBOX", 2)
        names = d.ls("Work")
        d.do('mv "Work/$1" Work/x1.eml', names[0])  # an alias: number 21, UID 1
        source = d.mail(7)
        everything = [1, 2, 3, 21, 22, 23]
        hook = getattr(outlook, when)(verb, what, "Work")
        answer = d.sh(script, path, source)
        if commit == "journal":
            d.sync()
        hook.wait()
        for line in answer.stderr.decode().splitlines():
            assert line.count(":") >= 2, line
        found = census(d.client)
        everywhere = sorted(sum(found.values(), []))
        boxed = outbox_numbers(d)
        gone = {21, 22, 23} if what == "delete" else set()  # by the other client, not by us
        if what == "delete" and when == "after":
            gone |= {"append": {7}, "copy": set(), "move": {2}}.get(change, set())
        wanted = set(everything) | ({7} if change == "append" else set())
        lost = {n for n in wanted - gone if n not in everywhere and n not in boxed}
        assert not lost, (lost, found, d.outbox())
        # nothing else is hit: of Work only number 21 may be elsewhere, and no other message is flagged
        if what == "recreate":
            assert {22, 23} <= set(found["Work"]), found
            assert not any("\\Flagged" in m.flags or "\\Deleted" in m.flags
                           for m in d.held_now("Work") if m.number != 21)
        assert {1, 3} <= set(found["Inbox"])
        most = 2 if change == "copy" else 1
        assert all(everywhere.count(n) <= (most if n == 2 else 1) for n in everywhere), found
        d.agree(30, settled=False)


@pytest.mark.parametrize("when", MEANWHILE)
@pytest.mark.parametrize("change", ["copy", "move", "trash", "store"])
def test_the_message_is_gone(desk, outlook, change, when):
    """Expunged by another client: ENOENT or success, and no other message is touched."""
    script, verb = {"copy": ('cp "$1" Archive/', "COPY"), "move": ('mv "$1" Archive/', "MOVE"),
                    "trash": ('rm "$1"', "MOVE"),
                    "store": ('setfattr -n user.imap.flags -v "+\\Flagged" "$1"', "STORE")}[change]
    with desk(three(""), way="outlook", check=False) as d:
        path = d.path("INBOX", 2)
        uid = d.one("INBOX", 2).uid
        if when == "before":
            hook = outlook.before(verb, "expunge", "Inbox", uid)
        elif change == "store":
            hook = outlook.after(verb, "expunge", "Inbox", uid)
        else:
            target = TRASH if change == "trash" else "Archive"
            hook = outlook.after(verb, lambda m: m.elsewhere.expunge(target, "1:*"))
        answer = d.sh(script, path)
        hook.wait()
        if when == "before" and change != "trash":
            assert answer.returncode != 0 and re.search(b"No such file|Input/output|Stale", answer.stderr), answer
        found = census(d.client)
        assert {1, 3} <= set(found["Inbox"])
        assert not any(m.flags for m in d.held("INBOX") if m.number != 2)
        d.agree(30)
        assert sum(found.values(), []).count(2) <= 1


@pytest.mark.parametrize("when", MEANWHILE)
def test_another_appends_the_same(desk, outlook, when):
    """A message of the same Message-Id comes from elsewhere just then: ours is there once, theirs too."""
    with desk(way="outlook", switches={"no_appenduid": "on"}) as d:
        getattr(outlook, when)("APPEND", "append", "Archive", sample.message(7))
        d.do('cp "$1" Archive/', d.mail(7))
        assert d.numbers("Archive") == [7, 7]
        d.agree()


@pytest.mark.parametrize("verb, script", [("SELECT", 'mv "$1" Archive/'), ("SELECT", 'rm "$1"'),
                                          ("SELECT", 'setfattr -n user.imap.flags -v "+\\Flagged" "$1"')])
def test_uidvalidity_changes_before_the_select(desk, outlook, verb, script):
    """No UID command goes out under a UIDVALIDITY that is not the intent's."""
    mails = [("Work", *mail[1:]) for mail in sample.few(3)]
    with desk(mails, way="outlook", check=False) as d:
        path = d.path("Work", 1)
        d.do("ls Archive > /dev/null")
        d.there.recreate("Work")  # UID 1 is number 3 now
        outlook.drop()
        answer = d.sh(script, path)
        found = census(d.client)
        assert {2, 3} <= set(found["Work"]) and sum(found.values(), []).count(1) == 1
        assert not [m for m in d.held("Work") if m.number != 1 and m.flags]
        if answer.returncode == 0:
            assert found["Work"] != [1, 2, 3] or [m for m in d.held("Work") if "\\Flagged" in m.flags]
        d.agree(30)
