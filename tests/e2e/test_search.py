"""Searching (CONTRACT.md section 3): each query word's set equals one computed by imaplib and Python over the same
mailbox, with Dovecot and with the emulation and its faults; what goes over the wire; offline."""
import datetime
import email
import email.policy
import json
import re
import signal
import subprocess
import threading

import pytest

from .support import mailboxes, sample
from .support.mount import wait_for

UTC = datetime.timezone.utc
DAY = datetime.timedelta(days=1)


def mime(number, text, subject="plain", sender="Jane Doe <jane@example.org>", to="joe@example.org", cc=None,
         attachment=None, html=False, extra=""):
    """A message of MIME: base64 text, UTF-8, maybe an attachment."""
    made = email.message.EmailMessage(policy=email.policy.SMTP)
    made["From"], made["To"], made["Subject"] = sender, to, subject
    if cc:
        made["Cc"] = cc
    made["Message-ID"] = f"<{number}@example.org>"
    for line in filter(None, extra.split("\n")):
        name, _, value = line.partition(":")
        made[name] = value.strip()
    if html:
        made.set_content(f"<html><body><p>{text}</p></body></html>", subtype="html", cte="base64")
    else:
        made.set_content(text + "\n", cte="base64")
    if attachment:
        made.add_attachment(b"%PDF-1.4 nothing", maintype="application", subtype="pdf", filename=attachment)
    return made.as_bytes()


def corpus():
    """(mailbox, date, flags, bytes) with something for each query word to find and to miss."""
    start = datetime.datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
    rows = [
        ("INBOX", 0, "", mime(1, "The invoice for spring", "Invoice 17")),
        ("INBOX", 1, "\\Seen", mime(2, "Nothing of note", "re: old matters", "Bob <bob@example.com>")),
        ("INBOX", 2, "\\Flagged", mime(3, "Grüße aus Köln", "Käse und Wein", "Jürgen <j@example.net>")),
        ("INBOX", 3, "\\Answered \\Seen", mime(4, "see the enclosed plan", "plans", cc="Ann <ann@example.org>",
                                              attachment="plan.pdf")),
        ("INBOX", 4, "", mime(5, "reinvoiced twice", "again", to="Carol <carol@example.org>")),
        ("INBOX", 5, "\\Draft", mime(6, "日本語の本文", "日本語の件名", extra="X-Label: blue green")),
        ("INBOX", 6, "", mime(7, "big " * 3000, "a big one")),
        ("Archive", 0, "\\Seen", mime(8, "An INVOICE in the archive", "Invoice 16")),
        ("Archive", 7, "", mime(9, "HTML says <b>invo</b>ice here", "markup", html=True, extra="List-Id: <announce.x>")),
        ("Archive/2025", -200, "\\Seen \\Flagged", mime(10, "last year, two words apart", "old", "Jane Doe <jane@x.org>")),
    ]
    return [(box, start + day * DAY, flags, data) for box, day, flags, data in rows]


QUERIES = [
    "from:jane", "from:JANE@example.org", "-from:jane", "from:jürgen", "to:carol", "cc:ann", "-cc:ann", "subject:invoice",
    "subject:日本", "subject:\"re: old\"", "body:invoice", "invoice", "text:invoic", "INVOICE -subject:invoice", "grüße",
    "body:köln", "本文", "\"two words\"", "-invoice", "since:2026-03-04", "before:2026-03-04", "on:2026-03-04",
    "-on:2026-03-04", "larger:5K", "smaller:5K", "larger:1M", "header:X-Label:blue", "header:X-Label:", "header:list-id:announce",
    "-header:X-Label:", "unread", "read", "flagged", "answered", "draft", "-flagged", "attachment", "-attachment",
    "in:Archive", "in:archive invoice", "in:Archive in:Inbox read", "-in:Inbox", "in:Archive/2025",
    "from:jane unread invoice", "flagged since:2026-01-01", "plan.pdf",
]


class Truth:
    """What is on the server, by imaplib; matches() decides a query in Python, with email's decoding."""

    def __init__(self, client):
        self.held = []
        for shown, name in mailboxes.names(client).items():
            client.select(f'"{name}"', readonly=True)
            for uid in client.uid("SEARCH", "ALL")[1][0].split():
                line, data = client.uid("FETCH", uid.decode(), "(FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[])")[1][0][:2]
                self.held.append(Held(shown, line, data))

    def matches(self, query):
        words = re.findall(r'(?:[^\s"]|"[^"]*")+', query)
        boxes = [w[3:].strip('"').lower() for w in words if w.startswith("in:")]
        rest = [w for w in words if not w.startswith("in:")]
        return {held.id for held in self.held if (not boxes or held.box.lower() in boxes)
                and all(held.meets(word) for word in rest)}


class Held:
    def __init__(self, box, line, data):
        self.box, self.data = box, data
        self.flags = re.search(rb"FLAGS \(([^)]*)\)", line)[1].decode().lower().split()
        self.date = datetime.datetime.strptime(re.search(rb'INTERNALDATE "([^"]*)"', line)[1].decode().strip(),
                                               "%d-%b-%Y %H:%M:%S %z").date()
        self.size = int(re.search(rb"RFC822.SIZE (\d+)", line)[1])
        self.mail = email.message_from_bytes(data, policy=email.policy.default)
        self.id = self.mail["Message-ID"]
        texts = [p.get_content() for p in self.mail.walk() if p.get_content_maintype() == "text"]
        self.body = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", "\n".join(texts)))
        self.names = [p.get_filename() for p in self.mail.walk() if p.get_filename()]

    def meets(self, word):
        if word.startswith("-"):
            return not self.meets(word[1:])
        key, _, value = word.partition(":")
        if not re.fullmatch("[a-z]+", key) or key == word and not _flag(key):
            key, value = "text", word
        value = value.replace('"', "").lower()
        field = {"from": "From", "to": "To", "cc": "Cc", "subject": "Subject"}.get(key)
        if field:
            return value in str(self.mail[field] or "").lower()
        if key == "header":
            name, _, value = value.partition(":")
            return any(value in str(v).lower() for v in self.mail.get_all(name) or ())
        if key in ("text", "body"):
            shown = "" if key == "body" else "\n".join(
                str(self.mail[n] or "") for n in ("From", "To", "Cc", "Date", "Subject"))
            return value in (shown + "\n" + self.body + "\n" + "\n".join(self.names)).lower()
        if key in ("since", "before", "on"):
            day = datetime.date.fromisoformat(value)
            return {"since": self.date >= day, "before": self.date < day, "on": self.date == day}[key]
        if key in ("larger", "smaller"):
            size = int(value[:-1]) << {"k": 10, "m": 20}[value[-1]] if value[-1] in "km" else int(value)
            return self.size > size if key == "larger" else self.size < size
        if key == "in":
            return self.box.lower() == value
        if key == "attachment":
            return bool(self.names)
        return _flag(key)(self.flags)


def _flag(key):
    return {"unread": lambda f: "\\seen" not in f, "read": lambda f: "\\seen" in f, "attachment": lambda f: None,
            **{k: lambda f, k=k: "\\" + k in f for k in ("flagged", "answered", "draft")}}.get(key)


def search(mount, *words):
    return mount.outlookfs("search", *words)


def found(mount, query, partial=False):
    """The Message-IDs behind the paths that search prints; the paths can be read."""
    answer = search(mount, str(mount.path), "--", query)
    assert answer.returncode == 0, (query, answer.stderr)
    assert bool(answer.stderr) == partial, (query, answer.stderr)
    return ids_of(mount, answer.stdout.splitlines())


def ids_of(mount, paths):
    got = [identify(mount, path) for path in paths]
    assert len(set(got)) == len(got), paths
    return set(got)


def identify(mount, path):
    if not hasattr(mount, "known"):
        mount.known = {}
    if path not in mount.known:
        data = mount.run("cat", path).stdout
        mount.known[path] = email.message_from_bytes(data, policy=email.policy.default)["Message-ID"]
        assert mount.known[path], path
    return mount.known[path]


def read_all(mount):
    assert mount.run("grep", "-r", "-c", "x", ".").returncode in (0, 1)


def test_every_word_over_cached_mail(load, server, mounted, options):
    """Text is decided here: decoded, substrings, whatever the server's SEARCH makes of it."""
    load(corpus())
    truth = Truth(server)
    with mounted(options) as mount:
        read_all(mount)
        for query in QUERIES:
            assert found(mount, query) == truth.matches(query), query


def wait_for_index(mount):
    def known():
        told = state(mount)
        return told["indexed"] >= told["bodies"] > 0 and told["envelopes_indexed"] >= told["messages"]
    wait_for(known, 90, "the mail in the index")  # it is made at the lowest priority


def looked_into(mount, query):
    """How many texts the search for this read."""
    assert search(mount, str(mount.path), "--", query).returncode == 0
    return state(mount)["searches"][0]["looked_into"]


def test_every_word_with_the_index(load, server, mounted, options):
    """The same sets, and few texts are read for them; mail that is not in the index yet is found all the same."""
    load(corpus())
    with mounted(options) as mount:
        read_all(mount)
        wait_for_index(mount)
        assert 0 < state(mount)["bytes_indexed"] < 1 << 20
        for query, most in (("reinvoiced", 1), ("re: old", 1), ("no such word anywhere", 0), ("本文", 10), ("本語の", 1), ("\"köln\"", 1)):
            assert looked_into(mount, query if query != "re: old" else '"re: old"') <= most, query
        truth = Truth(server)
        for query in QUERIES:
            assert found(mount, query) == truth.matches(query), query
    with mounted(options) as mount:  # it stays
        assert looked_into(mount, "reinvoiced") == 1
        load([("INBOX", datetime.datetime(2026, 4, 1, tzinfo=UTC), "", mime(20, "one more invoice, reinvoiced"))])
        wait_for(lambda: state(mount)["messages"] == 11, 30, "the new one")
        read_all(mount)
        truth = Truth(server)
        for query in QUERIES + ["reinvoiced"]:
            assert found(mount, query) == truth.matches(query), query


def test_an_index_that_is_spoilt_costs_time_alone(load, server, mounted, dovecot_options, tmp_path):
    load(corpus())
    options = {**dovecot_options, "cache_dir": tmp_path / "cache"}
    with mounted(options) as mount:
        read_all(mount)
        wait_for_index(mount)
    (tmp_path / "cache" / "search.db").write_bytes(b"nothing" * 3000)
    truth = Truth(server)
    with mounted(options) as mount:
        for query in ("invoice", "text:invoic", "grüße", "body:plan"):
            assert found(mount, query) == truth.matches(query), query
        wait_for_index(mount)
        assert looked_into(mount, "reinvoiced") == 1


ROWS = [q for q in QUERIES if re.fullmatch(r"(-?(from|to|subject|since|before|on|larger|smaller|in):.*|"
                                           r"-?(unread|read|flagged|answered|draft))( (?!invoice).*)?", q)]


def test_what_needs_no_text_is_whole_before_anything_is_read(load, server, mounted, options):
    load(corpus())
    truth = Truth(server)
    with mounted(options) as mount:
        for query in ROWS:
            assert found(mount, query) == truth.matches(query), query


def imap_says(client, criteria):
    """Message-IDs that UID SEARCH finds, over all mailboxes."""
    got = set()
    for name in mailboxes.names(client).values():
        client.select(f'"{name}"', readonly=True)
        for uid in client.uid("SEARCH", criteria)[1][0].split():
            data = client.uid("FETCH", uid.decode(), "(BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)])")[1][0][1]
            got.add(data.split(b":", 1)[1].strip().decode())
    return got


def test_text_that_is_not_here_is_the_servers_to_find(load, server, mounted, dovecot_options):
    load(corpus())
    with mounted(dovecot_options) as mount:
        for query, criteria in (("invoice", 'TEXT "invoice"'), ("-invoice", 'NOT TEXT "invoice"'),
                                ("body:plan unread", 'BODY "plan" UNSEEN'), ("cc:ann", 'CC "ann"'),
                                ("header:X-Label:blue", 'HEADER "X-Label" "blue"')):
            answer = search(mount, str(mount.path), "--", query)
            assert answer.returncode == 0 and not answer.stderr
            wanted = imap_says(server, criteria)
            assert len(answer.stdout.splitlines()) == len(wanted), query
        answer = search(mount, str(mount.path), "köln")
        assert answer.returncode == 0 and not answer.stdout and "partial" in answer.stderr and "not here" in answer.stderr
        wanted = imap_says(server, 'TEXT "invoice"')  # and now with the bodies read
        assert found(mount, "invoice") >= wanted - {None}


@pytest.mark.parametrize("connections", [1, 2, 4])
def test_each_answer_is_of_its_mailbox(load, mounted, options, connections):
    """The mailboxes are asked in a pipeline, with two searches each; no answer counts for another one."""
    flags = {i: "\\Seen" if i % 3 else "" for i in range(20)}
    rows = [(f"Box{i}", datetime.datetime(2026, 1, 1 + i, tzinfo=UTC), flags[i],
             mime(i, "nothing", subject=f"{'invoice' if i % 4 == 0 else 'letter'} {i}")) for i in flags]
    rows += [("Box7", datetime.datetime(2026, 2, 1, tzinfo=UTC), "", mime(99, "nothing", subject="invoice 99"))]
    load(rows)
    with mounted(options, connections=connections) as mount:
        for query, wanted in (("unread", lambda i: i % 3 == 0), ("invoice", lambda i: i % 4 == 0 or i == 99),
                              ("invoice read", lambda i: i % 4 == 0 and i != 99 and i % 3),
                              ("-invoice unread", lambda i: i % 4 and i != 99 and i % 3 == 0)):
            answer = search(mount, str(mount.path), "--", query)
            assert answer.returncode == 0 and not answer.stderr
            got = sorted(int(re.search(r"(\d+)\.eml$", line)[1]) for line in answer.stdout.splitlines())
            assert got == sorted(i for i in [*flags, 99] if wanted(i)), query


def test_newest_first_and_nul(load, mounted, dovecot_options):
    load(corpus())
    with mounted(dovecot_options) as mount:
        lines = search(mount, str(mount.path), "larger:1").stdout.splitlines()
        dates = [line.rsplit("/", 1)[1][:17] for line in lines]
        assert len(lines) == 10 and dates == sorted(dates, reverse=True)
        assert search(mount, str(mount.path), "larger:1", "-0").stdout == "".join(line + "\0" for line in lines)
        assert search(mount, str(mount.path) + "/", "in:Archive").stdout.splitlines() == \
            [line for line in lines if "/Archive/2026" in line]


def test_queries_that_make_no_sense(load, mounted, dovecot_options):
    load(corpus())
    with mounted(dovecot_options) as mount:
        for query, reason in (("form:jane", "no word"), ("on:yesterday", "not a date"), ("\"open", "quote"),
                              ("in:Nowhere", "no mailbox"), ("larger:x", "not a size"), ("x" * 1025, "longer")):
            answer = search(mount, str(mount.path), query)
            assert answer.returncode == 2 and not answer.stdout and reason in answer.stderr, (query, answer.stderr)
            assert answer.stderr.count("\n") == 1


def test_explain_is_what_goes_out(load, mounted, outlook, outlook_options):
    """ASCII alone, no groups, nothing for what the listing says; and explain itself sends nothing."""
    load(corpus())
    with mounted(outlook_options) as mount:
        outlook.transcript.clear()
        query = 'from:jane -subject:old since:2026-01-01 -unread invoice köln larger:1K header:X:"a b" in:Inbox'
        answer = search(mount, str(mount.path), "--explain", query)
        assert answer.returncode == 0, answer.stderr
        sure = "UID SEARCH SINCE 1-Jan-2026 NOT UNSEEN LARGER 1024"
        text = 'UID SEARCH SINCE 1-Jan-2026 NOT UNSEEN TEXT "invoice" LARGER 1024 HEADER "X" "a b"'
        lines = answer.stdout.splitlines()
        assert lines[:2] == [f"Inbox: {sure}", f"Inbox: {text}   (for messages whose text is not here)"]
        assert [line.split("   ")[0] for line in lines[2:]] == [
            "here: from:jane", "here: -subject:old", "here: text:invoice", "here: text:köln", 'here: header:X:"a b"']
        assert not sent(outlook, "UID SEARCH")
        search(mount, str(mount.path), query)
        assert sent(outlook, "UID SEARCH") == [sure, text]


def sent(outlook, verb):
    return [line for line in outlook.transcript.lines() if line.startswith(verb)]


def test_offline(load, server, mounted, outlook, outlook_options, home):
    """Over what is cached; the answer says what it lacks, and so does .status."""
    load(corpus())
    truth = Truth(server)
    with mounted(outlook_options) as mount:
        read_all(mount)
    outlook.down()
    with mounted(outlook_options) as mount:
        for query in QUERIES:
            answer = search(mount, str(mount.path), "--", query)
            assert answer.returncode == 0, answer.stderr
            assert ids_of(mount, answer.stdout.splitlines()) == truth.matches(query), query
        answer = search(mount, str(mount.path), "unread")
        assert "partial" in answer.stderr and "cannot be reached" in answer.stderr
        status = mount.run("cat", ".status", cwd=mount.path).stdout.decode()
        assert re.search(r"search: +unread: \d+ found, partial: .*cannot be reached", status), status


def test_without_a_body_offline(load, mounted, outlook, outlook_options):
    load(corpus())
    with mounted(outlook_options) as mount:
        mount.files()
    outlook.down()
    with mounted(outlook_options) as mount:
        answer = search(mount, str(mount.path), "invoice")
        assert answer.returncode == 0 and not answer.stdout
        assert "10 messages could not be decided" in answer.stderr


def test_outlooks_false_answers(load, server, mounted, outlook, outlook_options):
    """Text that SEARCH finds where it is not, misses where it is, and UIDs that are nowhere: the cache decides."""
    load(corpus())
    truth = Truth(server)
    outlook.set(search_extra="1,2,4,4711", search_missing="5,8")
    with mounted(outlook_options) as mount:
        read_all(mount)
        for query in ("invoice", "body:invoice", "subject:invoice", "from:jane", "cc:ann", "header:X-Label:blue"):
            assert found(mount, query) == truth.matches(query), query


def test_a_search_that_is_refused(load, mounted, outlook, outlook_options):
    load(corpus())
    with mounted(outlook_options) as mount:
        outlook.set(throttle="BAD:60000@UID SEARCH*1")
        answer = search(mount, str(mount.path), "unread")
        assert answer.returncode == 0 and len(answer.stdout.splitlines()) == 6 and "partial" in answer.stderr


def test_a_client_that_goes_ends_its_search(load, mounted, outlook, outlook_options):
    """Nothing waits for it any more, though the server has not answered."""
    load(corpus())
    with mounted(outlook_options, timeout=60) as mount:
        mount.files()
        go_on = threading.Event()
        hook = outlook.before("UID SEARCH", lambda moment: go_on.wait(30))
        running = subprocess.Popen([mount.binary, "search", str(mount.path), "unread"], env=mount.home.env,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        wait_for(lambda: state(mount)["waiters"] > 0, what="a search under way")
        running.send_signal(signal.SIGINT)
        assert running.wait(10) == -signal.SIGINT
        running.communicate()
        wait_for(lambda: state(mount)["waiters"] == 0, what="nobody who waits")
        go_on.set()
        hook.wait()


def state(mount):
    return json.loads(mount.outlookfs("status", str(mount.path), "--json").stdout)


# --- .search ---

def links(mount, query):
    """What a directory of .search shows: {name: target}."""
    answer = mount.run("find", f".search/{query}", "-maxdepth", "1", "-type", "l", "-printf", "%f\\t%l\\n", cwd=mount.path)
    assert answer.returncode == 0, (query, answer.stderr)
    return dict(line.split("\t") for line in answer.stdout.decode().splitlines())


def test_a_query_is_a_directory_of_links(load, server, mounted, options):
    """Every word once more, as a directory; each link leads to the message and bears its name."""
    load(corpus())
    truth = Truth(server)
    with mounted(options) as mount:
        read_all(mount)
        for query in QUERIES:
            name = query.replace("%", "%25").replace("/", "%2F")
            shown = links(mount, name)
            got = mount.run("bash", "-c", 'cd "$1" && for f in *; do [ -e "$f" ] && grep -i -m1 "^message-id:" "$f"; done',
                            "bash", f".search/{name}", cwd=mount.path).stdout.decode().split()[1::2]
            assert set(got) == truth.matches(query) and len(got) == len(shown), query
            assert all(target.startswith("../../") and target.endswith("/" + link) for link, target in shown.items())
        assert not mount.run("ls", "-A", ".search", cwd=mount.path).stdout
        assert b".search" not in mount.run("ls", "-A", ".", cwd=mount.path).stdout


def test_links_are_links(load, mounted, dovecot_options):
    load(corpus())
    with mounted(dovecot_options) as mount:
        (name, target), = links(mount, "on:2026-03-01 in:Inbox").items()
        where = f".search/on:2026-03-01 in:Inbox/{name}"
        assert mount.run("readlink", where, cwd=mount.path).stdout.decode().strip() == target == f"../../Inbox/{name}"
        assert mount.run("cmp", where, f"Inbox/{name}", cwd=mount.path).returncode == 0
        size = mount.run("stat", "-c", "%F %s", where, cwd=mount.path).stdout.decode().strip()
        assert size == f"symbolic link {len(target.encode())}"
        for words in (["rm", where], ["touch", ".search/x/y"], ["mv", where, "Inbox/z"], ["ln", "-s", "x", ".search/x/z"]):
            answer = mount.run(*words, cwd=mount.path)
            assert answer.returncode == 1 and b"Read-only file system" in answer.stderr, (words, answer.stderr)


def test_two_of_one_name(load, mounted, dovecot_options):
    """Messages that bear one name in two mailboxes: each gets its mailbox's before it."""
    mail, when = mime(1, "same"), datetime.datetime(2026, 3, 1, tzinfo=UTC)
    load([("INBOX", when, "", mail), ("Archive/2025", when, "", mail), ("Archive", when + DAY, "", mail)])
    with mounted(dovecot_options) as mount:
        name = "2026-03-01_000000_Jane-Doe_plain.eml"
        assert links(mount, "from:jane") == {
            f"Inbox_{name}": f"../../Inbox/{name}", f"Archive_2025_{name}": f"../../Archive/2025/{name}",
            "2026-03-02_000000_Jane-Doe_plain.eml": "../../Archive/2026-03-02_000000_Jane-Doe_plain.eml"}
        assert mount.run("cat", f".search/from:jane/Inbox_{name}", cwd=mount.path).stdout == mail


def test_a_query_that_makes_no_sense(load, mounted, dovecot_options):
    load(corpus())
    with mounted(dovecot_options) as mount:
        for query, reason in (("form:jane", "there is no word"), ("on:yesterday", "not a date")):
            assert b"No such file" in mount.run("ls", f".search/{query}", cwd=mount.path).stderr
            assert b"Invalid argument" in mount.run("mkdir", f".search/{query}", cwd=mount.path).stderr
            assert reason in mount.log()
        assert b"No such file" in mount.run("ls", ".search/in:Nowhere", cwd=mount.path).stderr


def test_kept_queries(load, mounted, dovecot_options):
    """mkdir keeps, rmdir forgets, the next mount knows; a kept one updates as mail comes."""
    load(corpus())
    with mounted(dovecot_options) as mount:
        for query in ("from:jane unread", "in:Archive%2F2025", "100%25"):
            answer = mount.run("mkdir", f".search/{query}", cwd=mount.path)
            assert answer.returncode == 0, answer.stderr
        assert b"File exists" in mount.run("mkdir", ".search/100%25", cwd=mount.path).stderr
        assert mount.run("rmdir", ".search/100%25", cwd=mount.path).returncode == 0
        assert b"No such file" in mount.run("rmdir", ".search/never kept", cwd=mount.path).stderr
        before = links(mount, "from:jane unread")
    with mounted(dovecot_options) as mount:
        listed = mount.run("ls", "-1", ".search", cwd=mount.path).stdout.decode().splitlines()
        assert sorted(listed) == ["from:jane unread", "in:Archive%2F2025"]
        assert list(links(mount, "in:Archive%2F2025").values())[0].startswith("../../Archive/2025/")
        assert links(mount, "from:jane unread") == before
        load([("INBOX", sample.START, (), mime(99, "new"))])
        wait_for(lambda: len(links(mount, "from:jane unread")) == len(before) + 1, 20, "new mail in a kept query")


def test_each_message_is_seen_once(load, mounted, dovecot_options):
    load(corpus())
    with mounted(dovecot_options) as mount:
        mount.run("mkdir", ".search/unread", cwd=mount.path)
        assert len(links(mount, "unread")) == 6
        assert len(mount.run("find", ".", "-type", "f", cwd=mount.path).stdout.splitlines()) == 10
        assert not mount.run("find", ".", "-type", "l", cwd=mount.path).stdout


def test_links_offline(load, mounted, outlook, outlook_options):
    load(corpus())
    with mounted(outlook_options) as mount:
        read_all(mount)
        online = links(mount, "invoice")
    outlook.down()
    with mounted(outlook_options) as mount:
        assert links(mount, "invoice") == online
        assert len(links(mount, "unread")) == 6
        status = mount.run("cat", ".status", cwd=mount.path).stdout.decode()
        assert re.search(r"search: +unread: 6 found, partial: .*cannot be reached", status), status


def test_ls_of_a_search_can_be_interrupted(load, mounted, outlook, outlook_options):
    load(corpus())
    with mounted(outlook_options, timeout=60) as mount:
        mount.files()
        go_on = threading.Event()
        hook = outlook.before("UID SEARCH", lambda moment: go_on.wait(30))
        running = mount.spawn("ls", ".search/flagged")
        wait_for(lambda: state(mount)["waiters"] > 0, what="a search under way")
        running.send_signal(signal.SIGINT)
        assert running.wait(10) == -signal.SIGINT
        running.communicate()
        wait_for(lambda: state(mount)["waiters"] == 0, what="nobody who waits")
        go_on.set()
        hook.wait()
        assert len(links(mount, "flagged")) == 2


def test_a_read_only_mount_searches(load, mounted, dovecot_options):
    load(corpus())
    with mounted(dovecot_options, ro=True) as mount:
        assert len(links(mount, "unread")) == 6
        assert b"Read-only file system" in mount.run("mkdir", ".search/unread", cwd=mount.path).stderr
