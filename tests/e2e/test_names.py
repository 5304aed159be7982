"""Names: safe, unique, kept across remounts, the same on every machine; inode numbers likewise."""
import datetime
import os
import re
import shutil
import stat
import unicodedata

import pytest

from tests.data import generate, hard

from .support import sample

MOST_BYTES = 180
FRIENDLY = re.compile(r"\d{4}-\d\d-\d\d_\d{6}_[^_].*\.eml\Z", re.S)


def check_component(name):
    """What holds for every name in the tree, mailbox or message."""
    data = os.fsencode(name)
    assert 0 < len(data) <= MOST_BYTES, (len(data), name)
    data.decode("utf-8")
    assert unicodedata.normalize("NFC", name) == name, name
    assert name not in (".", "..") and "/" not in name and not name.startswith("."), name
    for character in name:
        category = unicodedata.category(character)
        assert category not in ("Cc", "Cf", "Cs", "Zl", "Zp") or character == "\ufffd", (name, hex(ord(character)))


def check_message_name(name):
    check_component(name)
    assert FRIENDLY.match(name), name
    stem = re.sub(r"~\d+\Z", "", name.removesuffix(".eml"))
    for character in stem:
        assert character in "-._+@=,~" or unicodedata.category(character)[0] in "LMN", (name, hex(ord(character)))
    for field in stem.split("_", 2)[2:]:
        assert field and field[0] not in "-." and field[-1] not in "-.", name


def tree(mount):
    return mount.reader("stat")


def names_of(entries):
    return {path: (e["kind"], e["kind"] == "file" and (e["uid"], e["uidvalidity"])) for path, e in entries.items()}


def fill(load):
    load(list(generate.messages(150)) + list(hard.messages()) + sample.folders())


def test_every_name_is_safe(load, mounted, options):
    fill(load)
    with mounted(options) as mount:
        entries = tree(mount)
        for path, entry in entries.items():
            for component in path.split("/"):
                check_component(component)
            if entry["kind"] == "file":
                check_message_name(os.path.basename(path))
        assert sum(e["kind"] == "file" for e in entries.values()) > 200


def test_stable_across_remounts_and_empty_caches(load, mounted, options, home):
    fill(load)
    with mounted(options) as mount:
        first = tree(mount)
    with mounted(options) as mount:
        second = tree(mount)
        again = mount.reader("stat", *reversed(list(first)))
    assert names_of(second) == names_of(first)
    assert {p: e["ino"] for p, e in second.items()} == {p: e["ino"] for p, e in first.items()}
    assert {p: e["ino"] for p, e in again.items()} == {p: e["ino"] for p, e in first.items()}
    shutil.rmtree(home.cache)
    with mounted(options) as mount:
        assert names_of(tree(mount)) == names_of(first)


def test_inodes_are_unique_and_the_listing_agrees(load, mounted, options):
    fill(load)
    with mounted(options) as mount:
        entries = tree(mount)
        numbers = [e["ino"] for e in entries.values()]
        assert len(numbers) == len(set(numbers))
        listed = mount.run("find", ".", "-mindepth", "1", "-printf", "%i %P\\0", cwd=mount.path).stdout
        pairs = [item.split(b" ", 1) for item in listed.split(b"\0") if item]
        assert {os.fsdecode(p): int(n) for n, p in pairs} == {p: e["ino"] for p, e in entries.items()}
        raw = mount.run("ls", "-R1i", cwd=mount.path)
        assert raw.returncode == 0


def test_names_by_uid(load, truth, mounted, options):
    load(sample.folders())
    held = truth()
    with mounted(options, names="uid") as mount:
        files = mount.files()
        assert {os.path.basename(path) for path in files.values()} <= {f"{n}.eml" for n in range(1, 50)}
        assert files == {(m, u): (f"{m}/{u}.eml") for m, uids in held.items() for u in uids}


def test_exact_names(load, mounted, options):
    when = datetime.datetime(2026, 11, 23, 10, 14, 2, tzinfo=datetime.timezone(datetime.timedelta(hours=1)))
    twin = datetime.datetime(2026, 11, 23, 9, 15, tzinfo=datetime.timezone.utc)
    mails = [(when, "Jane Doe <jane@example.org>", "Quarterly report"), (twin, "Cron Daemon <root@x>", "backup ok"),
             (twin, "Cron Daemon <root@x>", "backup ok"), (twin, "<just.address@example.org>", ""),
             (twin, '"Zoë, the =?utf-8?Q?second?=" <z@x>', "=?utf-8?B?R3LDvMOfZSAvIOS9oOWlvSA=?="),
             (twin, "a@x", "../../etc/passwd"), (twin, "a@x", "-rf * $(id) `x`; rm"),
             (twin, "a@x", "=?utf-8?B?4oCuZXhlLmdwagBbMzFt?=")]
    load([("INBOX", d, "", sample.message(n, sender=s, subject=t)) for n, (d, s, t) in enumerate(mails, 1)])
    with mounted(options) as mount:
        names = {uid: os.path.basename(path) for (_, uid), path in mount.files().items()}
    assert names[1] == "2026-11-23_091402_Jane-Doe_Quarterly-report.eml"
    assert names[2] == "2026-11-23_091500_Cron-Daemon_backup-ok.eml"
    assert names[3] == "2026-11-23_091500_Cron-Daemon_backup-ok~3.eml"
    assert names[4] == "2026-11-23_091500_just.address_no-subject.eml"
    assert names[5].startswith("2026-11-23_091500_Zoë") and names[5].endswith("Grüße-你好.eml")
    assert names[6] == "2026-11-23_091500_a_etc-passwd.eml"
    assert names[7] == "2026-11-23_091500_a_rf-id-x-rm.eml"
    for name in names.values():
        check_message_name(name)


def test_mailbox_names(load, mounted, options):
    names = ["Plain", "With space", "Ümläut", "旅行", "a&b", "tricky ~2", "Deep/er/est", "..hidden", "per%cent", "semi;colon"]
    load([(name, sample.START, "", sample.message(1)) for name in names])
    with mounted(options) as mount:
        entries = tree(mount)
        directories = {p for p, e in entries.items() if e["kind"] == "dir"}
        for path in directories:
            for component in path.split("/"):
                check_component(component)
        for name in names:
            if not name.startswith("."):
                assert name in directories, (name, directories)
        assert "\u2024.hidden" in directories
        assert sum(e["kind"] == "file" for e in entries.values()) == len(names)


def test_stat_of_a_message(load, mounted, options):
    load([("INBOX", sample.START, "\\Seen", sample.message(1, size=1234))])
    with mounted(options) as mount:
        (path,) = mount.files().values()
        mount.run("cat", path)
        entry = mount.reader("stat", path, "Inbox")
        assert entry[path]["mode"] in (0o400, 0o600) and entry["Inbox"]["mode"] in (0o500, 0o700)
        assert entry[path]["mtime"] == sample.START.timestamp()
        assert entry[path]["owner"] == os.getuid()
        assert entry[path]["size"] == len(sample.message(1, size=1234))
        assert stat.S_ISDIR(os.stat(mount.home.top).st_mode)


def test_new_mail_keeps_old_names(load, mounted, options):
    load(sample.folders())
    with mounted(options) as mount:
        before = names_of(tree(mount))
    load([("INBOX", sample.START, "", sample.message(200, subject="same"))])
    with mounted(options) as mount:
        after = names_of(tree(mount))
    assert {p: e for p, e in after.items() if p in before and e[0] == "file"} == \
        {p: e for p, e in before.items() if e[0] == "file"}
    assert len(after) == len(before) + 1
