"""The life of a token under a mount: its whole lifetime used, then renewed once for all, never lost.

The first tests are the guidelines of Microsoft's page "Connect to Outlook.com IMAP using OAuth 2.0", one by one.
"""
import base64
import contextlib
import errno
import json
import pathlib
import re
import socket
import ssl
import subprocess
import sys
import threading
import time

import pytest

from . import test_login
from .support import sample
from .support.login import everything_below
from .support.mount import ROOT, Mount, wait_for

login, mounts = test_login.login, test_login.mounts
DONE, OTHER, USAGE, SIGN_IN, UNREACHABLE, REFUSED = range(6)


@pytest.fixture
def signed_in(login, signin, outlook, load):
    """An account with three messages, signed in; the sign-in itself is forgotten."""
    load(sample.few(3))
    login.by_device()
    signin.reset()
    return login


@pytest.fixture
def mount(signed_in, mounts, home):
    running = mounts(timeout=5, debug=True)
    running.start()
    yield running
    running.stop()


def refreshes(signin):
    return signin.visits.count("token", "refresh_token")


def kept(login):
    return json.loads(login.token_file.read_text())


def age(login):
    """What the clock would do in an hour: the access token's time is over, as the file has it."""
    text = login.token_file.read_text()
    login.token_file.write_text(re.sub(r'("expires":\s*)\d+', r"\g<1>1", text))
    assert kept(login)["expires"] == 1


def wait_until_over(login, outlook):
    """Until both sides know that the access token's time is over."""
    held = kept(login)
    wait_for(lambda: time.time() >= held["expires"] and outlook.tokens.user_of(held["access_token"]) is None,
             what="the token's end")


# --- the guidelines ---

def test_guideline_the_token_comes_by_the_standard_flow_with_the_scopes_asked_for(login, signin):
    login.start("--provider", "live", browser=True)
    landed = signin.browse(login.address())
    assert login.finish(pasted=landed.address + "\n")[0] == DONE
    assert signin.visits.all("token")[0].values["grant_type"] == "authorization_code"
    assert kept(login)["scope"] == "wl.imap wl.offline_access"


def test_guideline_no_credentials_are_stored(signed_in, home):
    """What is on disk are tokens of the sign-in service; a password was never seen."""
    assert sorted(kept(signed_in)) == ["access_token", "client_id", "expires", "provider", "refresh_token", "scope",
                                       "token_url", "version"]
    for _, data in everything_below(home.top):
        assert b"password" not in data.lower() and b"client_secret" not in data


def test_guideline_access_and_refresh_token_are_taken(signed_in, signin):
    pair = signin.grants
    assert pair.usable(kept(signed_in)["refresh_token"]) and kept(signed_in)["access_token"]


def test_guideline_the_access_token_is_used_for_its_full_lifetime(signed_in, mounts, signin):
    """Mount after mount, connection after connection: no renewal before its time is over."""
    before = kept(signed_in)
    for _ in range(3):
        running = mounts()
        running.start()
        assert len(running.files()) == 3
        running.stop()
    assert refreshes(signin) == 0 and kept(signed_in) == before


def test_guideline_the_refresh_token_then(signed_in, mounts, signin, outlook):
    before = kept(signed_in)
    signin.grants.lifetime = 3
    age(signed_in)
    running = mounts()
    running.start()
    assert refreshes(signin) == 1
    path = running.path_of("Inbox", 1)
    wait_until_over(signed_in, outlook)
    assert refreshes(signin) == 1  # nobody needed it
    assert running.run("cat", path).returncode == 0
    assert refreshes(signin) == 2
    running.stop()
    after = kept(signed_in)
    assert after["access_token"] != before["access_token"] and after["refresh_token"] != before["refresh_token"]
    assert {v.values["scope"] for v in signin.visits.all("token")} == {before["scope"]}


def test_guideline_the_access_token_is_passed_by_xoauth2(signed_in, mounts, dovecot):
    """user={user@domain.com}^Aauth=Bearer {Access Token}^A^A, in base64, to the byte."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(dovecot.certificates.cert, dovecot.certificates.key)
    seen = []

    def serve(listening):
        plain, _ = listening.accept()
        with context.wrap_socket(plain, server_side=True) as client, client.makefile("rwb", buffering=0) as lines:
            lines.write(b"* OK The Microsoft Exchange IMAP4 service is ready.\r\n")
            for line in lines:
                tag, command = line.split(b" ", 1)
                if command.upper().startswith(b"CAPABILITY"):
                    lines.write(b"* CAPABILITY IMAP4rev1 AUTH=PLAIN AUTH=XOAUTH2\r\n" + tag + b" OK\r\n")
                elif command.upper().startswith(b"AUTHENTICATE"):
                    seen.append(command)
                    lines.write(b"+ \r\n")
                    seen.append(lines.readline())
                    lines.write(tag + b" NO AUTHENTICATE failed.\r\n")
                    return

    token = kept(signed_in)["access_token"]
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = threading.Thread(target=serve, args=(listening,))
        server.start()
        running = mounts(port=listening.getsockname()[1])
        subprocess.run(running.command(), env=running.home.env, capture_output=True, timeout=30)
        server.join(10)
    assert seen == [b"AUTHENTICATE XOAUTH2\r\n",
                    base64.b64encode(f"user={signed_in.account}\1auth=Bearer {token}\1\1".encode()) + b"\r\n"]


# --- renewal under a mount ---

def test_a_listing_outlives_the_token(signed_in, mounts, signin, outlook, load):
    """The server ends the session in the middle of a first listing: no error, no name missing."""
    load(sample.few(2500, "Archive", size=300))
    running = mounts(connections=1)
    running.start()
    outlook.transcript.clear()
    listing = running.spawn("ls", "-U", "Archive")
    wait_for(lambda: len(outlook.transcript.entries("UID FETCH")) >= 2, what="the second window")
    outlook.tokens.expire()
    out, err = listing.communicate(timeout=60)
    assert (listing.returncode, err) == (0, b"") and len(out.splitlines()) == 2500
    assert refreshes(signin) == 1
    running.stop()


def test_a_listing_outlives_the_tokens_clock(signed_in, mounts, signin, outlook, load):
    """The same with the time that the token was given: both sides know that it is over."""
    load(sample.few(1500, "Archive", size=300))
    signin.grants.lifetime = 2
    age(signed_in)
    running = mounts(connections=1, timeout=30)
    running.start()
    outlook.set(dribble="1@LISTING*1")
    listing = running.spawn("ls", "-U", "Archive")
    wait_until_over(signed_in, outlook)
    assert listing.poll() is None
    outlook.set(dribble="off")
    out, err = listing.communicate(timeout=90)
    assert (listing.returncode, err) == (0, b"") and len(out.splitlines()) == 1500
    assert refreshes(signin) >= 2
    running.stop()


def test_connections_renew_once(signed_in, mounts, signin, outlook, load):
    load(sample.few(40, "Archive", size=20000))
    running = mounts(connections=4)
    running.start()
    paths = sorted(path for (mailbox, _), path in running.files().items() if mailbox == "Archive")
    outlook.tokens.expire()
    outlook.drop()
    readers = [running.spawn("sha256sum", *paths[n::8]) for n in range(8)]
    assert [r.wait(60) for r in readers] == [0] * 8
    assert refreshes(signin) == 1
    running.stop()


def test_mounts_of_one_account_renew_once(signed_in, mounts, signin, outlook, home, binary):
    """Two mounts, two caches, one login: the second finds what the first has renewed."""
    first, second = mounts(), mounts(cache_dir=home.top / "cache2")
    second.path = home.top / "mnt2"
    second.path.mkdir()
    for running in (first, second):
        running.start()
    files = [running.path_of("Inbox", 1) for running in (first, second)]
    outlook.tokens.expire()
    outlook.drop()
    readers = [running.spawn("cat", path) for running, path in zip((first, second), files)]
    assert [r.wait(30) for r in readers] == [0, 0]
    assert refreshes(signin) == 1 and signin.grants.reused == 0
    for running in (first, second):
        running.stop()


def test_the_new_token_is_on_disk_before_it_is_used(signed_in, mount, signin, outlook):
    path = mount.path_of("Inbox", 1)
    found = []
    outlook.tokens.watch(lambda value: found.append((value, signed_in.token_file.read_text())))
    outlook.tokens.expire()
    outlook.drop()
    assert mount.run("cat", path).returncode == 0
    pair = signin.visits.all("token", "refresh_token")[-1].issued
    uses = [text for value, text in found if value == pair.access]
    assert uses and all(pair.refresh in text and pair.access in text for text in uses)


@pytest.mark.parametrize("fault, options", [("drop", {"issued": True}), ("cut", {"bytes": 700}), ("status", {}),
                                            ("html", {}), ("truncated", {}), ("redirect", {"code": 307}), ("refuse", {})])
def test_a_renewal_that_fails_is_tried_again(signed_in, mount, signin, outlook, fault, options):
    """Also one whose answer is lost when the server has rotated already. Nobody has to sign in."""
    path = mount.path_of("Inbox", 1)
    struck = signin.fault(fault, **options)
    outlook.tokens.expire()
    outlook.drop()
    assert mount.error_of(path)[0] in (0, errno.ENETUNREACH)
    wait_for(lambda: mount.error_of(path)[0] == 0, what="the mount's recovery")
    assert struck.struck == 1 and not signin.elsewhere.connections


def test_no_sign_in_service(signed_in, mount, signin, outlook):
    """As when the network is away: an error that says so, and no remount afterwards."""
    path = mount.path_of("Inbox", 1)
    signin.down()
    outlook.tokens.expire()
    outlook.drop()
    assert mount.error_of(path)[0] == errno.ENETUNREACH
    state = json.loads(mount.outlookfs("status", str(mount.path), "--json").stdout)
    assert "sign-in server" in state["problem"]
    signin.up()
    wait_for(lambda: mount.error_of(path)[0] == 0, what="the mount's recovery")


def test_a_sign_in_that_is_over(signed_in, mount, signin, outlook, user):
    """EACCES, the AADSTS code in the status; a new login heals the mount without a remount."""
    path = mount.path_of("Inbox", 1)
    signin.grants.revoke(user, 70008)
    outlook.tokens.expire()
    outlook.drop()
    assert mount.error_of(path)[0] == errno.EACCES
    answer = mount.outlookfs("status", str(mount.path))
    assert "AADSTS70008" in answer.stdout and f"outlookfs login {user}" in answer.stdout
    signed_in.by_device()
    wait_for(lambda: mount.error_of(path)[0] == 0, 30, what="the mount's recovery")


def test_a_server_that_refuses_every_token(signed_in, mount, signin, outlook, monkeypatch):
    """As for a token of the wrong kind: renewed once, however often programs ask, and however often that is tried."""
    path = mount.path_of("Inbox", 1)
    monkeypatch.setattr(outlook.tokens, "user_of", lambda value: None)
    outlook.drop()
    outlook.transcript.clear()

    def attempts():
        assert mount.error_of(path)[0] == errno.EACCES
        return len(outlook.transcript.entries("AUTHENTICATE"))

    wait_for(lambda: attempts() >= 3, 30, what="an attempt after that with the new token")
    assert refreshes(signin) == 1


def test_logout_ends_at_the_next_renewal(signed_in, mount, outlook):
    path = mount.path_of("Inbox", 1)
    assert mount.outlookfs("logout", signed_in.account).returncode == 0
    outlook.tokens.expire()
    outlook.drop()
    assert mount.error_of(path)[0] == errno.EACCES
    assert not signed_in.token_file.exists()


def refused_mount(mounts, code, *words):
    running = mounts()
    answer = subprocess.run(running.command(), env=running.home.env, capture_output=True, text=True, timeout=30)
    assert answer.returncode == code, answer.stderr
    message = [line for line in answer.stderr.splitlines() if line.startswith("outlookfs: ")]
    assert len(message) == 1, answer.stderr
    for word in words:
        assert str(word) in message[0], message[0]


def test_a_mount_without_a_good_login_says_what_to_do(signed_in, mounts, signin, user):
    age(signed_in)
    signin.grants.revoke(user, 700082)
    refused_mount(mounts, SIGN_IN, "AADSTS700082", f"outlookfs login {user}")


def test_a_mount_without_a_sign_in_service_says_so(signed_in, mounts, signin):
    age(signed_in)
    signin.down()
    refused_mount(mounts, UNREACHABLE, "sign-in server", "cannot be reached")
    signin.up()
    signin.fault("hang")
    begin = time.monotonic()
    refused_mount(mounts, UNREACHABLE, "in time")
    assert time.monotonic() - begin < 3 * 10


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o622, 0o601])
def test_a_token_file_that_others_can_reach_is_refused(signed_in, mounts, mode):
    signed_in.token_file.chmod(mode)
    refused_mount(mounts, SIGN_IN, signed_in.token_file, f"{mode:04o}", "chmod 600")


@pytest.mark.parametrize("text", ["", "{", "[]", '{"version":1}', '{"version":99}', "\0" * 100])
def test_a_damaged_token_file(signed_in, mounts, text):
    signed_in.token_file.write_text(text)
    refused_mount(mounts, SIGN_IN, "outlookfs login", "newer" if "99" in text else "damaged")


def test_status_tells_of_the_token(signed_in, mount):
    state = json.loads(mount.outlookfs("status", str(mount.path), "--json").stdout)
    assert state["sign_in"]["source"] == "login" and state["sign_in"]["expires"] == kept(signed_in)["expires"]
    assert "plain file" in state["sign_in"]["kept"]
    assert "plain file" in mount.outlookfs("status", str(mount.path)).stdout


def test_no_secret_goes_astray_under_a_mount(signed_in, mounts, home, signin, outlook):
    running = mounts(debug=True)
    running.start()
    pid = running.process.pid
    path = running.path_of("Inbox", 1)
    first = kept(signed_in)
    outlook.tokens.expire()
    outlook.drop()
    assert running.run("cat", path).returncode == 0
    second = kept(signed_in)
    texts = [running.outlookfs("status", *w).stdout.encode() for w in ((), ("--json",))]
    for name in ("cmdline", "environ"):
        with contextlib.suppress(PermissionError):  # protected from its own user, who may run the tests
            texts.append(pathlib.Path(f"/proc/{pid}/{name}").read_bytes())
    texts += [running.run("cat", ".status").stdout]
    limits = open(f"/proc/{pid}/limits").read()
    assert re.search(r"Max core file size\s+0\s+0\s", limits)
    running.stop()
    texts += [data for _, data in everything_below(home.top, but={"token"})]
    assert "renewed" in running.log()
    for token in (first["access_token"], first["refresh_token"], second["access_token"], second["refresh_token"]):
        encoded = base64.b64encode(f"user={signed_in.account}\1auth=Bearer {token}\1\1".encode())
        for text in texts:
            assert token.encode() not in text and encoded[:200] not in text


# --- killed on the way ---

POINTS = 50


def killed(running, at):
    command = [sys.executable, "-m", "tests.e2e.support.killpoint", "token.lock", "/dev/fuse", str(at),
               *running.command()]
    answer = subprocess.run(command, env=dict(running.home.env, PYTHONDONTWRITEBYTECODE="1"), cwd=ROOT,
                            capture_output=True, text=True, timeout=60)
    assert answer.returncode == 0, answer.stderr
    return json.loads(answer.stdout)


@pytest.mark.parametrize("part", range(5))
def test_killed_at_any_moment_of_a_renewal(signed_in, mounts, signin, outlook, part):
    """50 places from the lock to the mount, by system call: the next mount signs in without a person."""
    age(signed_in)
    calls = killed(mounts(), 0)["calls"]
    assert calls >= POINTS
    for point in range(part, POINTS, 5):
        age(signed_in)
        outlook.tokens.expire()
        assert killed(mounts(), 1 + point * (calls - 1) // POINTS)["killed"]
        assert sorted(p.name for p in signed_in.state.iterdir() if p.name.startswith("token"))[:1] == ["token"]
        running = mounts()
        running.start()
        assert len(running.files()) == 3
        running.stop()
        assert {p.name for p in signed_in.state.iterdir() if p.name.startswith("token")} == {"token", "token.lock"}
