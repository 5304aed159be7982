"""`outlookfs login` against the emulated sign-in service: each flow ends signed in, or with one line that
tells the next step (OUTLOOK.md section 6). Then a mount needs nothing but the account."""
import fcntl
import json
import re
import signal
import subprocess
import threading
import urllib.parse
from pathlib import Path

import pytest

from tests.outlook.aadsts import PEOPLE_MEET
from tests.outlook.oauth_client import LIVE_SCOPE, SCOPE

from .support import sample
from .support.login import Login, everything_below, one_line
from .support.mount import Mount, wait_for

DONE, OTHER, USAGE, SIGN_IN, UNREACHABLE, REFUSED = range(6)


@pytest.fixture
def login(binary, home, signin, user, dovecot):
    signin.user = user
    running = Login(binary, home, signin, user, dovecot.ca)
    yield running
    if running.process and running.process.poll() is None:
        running.process.kill()
        running.process.communicate()


@pytest.fixture
def mounts(binary, home, user, outlook):
    """A mount with nothing but the account, and where the test's server is."""
    def make(**more):
        return Mount(binary, home, user, {"cache_dir": None, "host": "localhost", "port": outlook.port, **more})
    return make


def granted(login, code, out, err):
    assert (code, err) == (DONE, ""), (code, out, err)
    assert f"outlookfs mount {login.account} DIR" in out
    assert login.token_file.stat().st_mode & 0o777 == 0o600
    assert login.state.stat().st_mode & 0o777 == 0o700


def shows_mail(mount):
    mount.start()
    try:
        assert mount.run("ls", "Inbox").returncode == 0
        assert len(mount.files()) == 3
    finally:
        mount.stop()


# --- the flows, as they go well ---

def test_device_code(login, signin, load, mounts):
    load(sample.few(3))
    signin.device(pending=2, slow_down=1, interval=1)
    code, out, err = login.run("--device")
    granted(login, code, out, err)
    assert signin.devices.verification_uri in out
    assert not signin.devices.violations
    assert [v.error for v in signin.visits.all("token")] == ["authorization_pending"] * 2 + ["slow_down", ""]
    shows_mail(mounts())


def test_device_code_opens_a_browser_where_there_is_one(login, signin):
    signin.device(interval=1)
    code, out, err = login.run("--device", browser=True)
    granted(login, code, out, err)
    assert login.address() == signin.devices.verification_uri


def test_browser(login, signin, load, mounts):
    load(sample.few(3))
    login.start("--browser", browser=True)
    address = login.address()
    status, page, headers = signin.browse(address)
    granted(login, *login.finish())
    assert status == 200 and "you can close this window" in page.lower()
    assert "no-store" in headers["cache-control"]
    query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(address).query))
    assert query["code_challenge_method"] == "S256" and query["scope"] == SCOPE and len(query["state"]) >= 22
    assert query["login_hint"] == login.account
    assert urllib.parse.urlsplit(query["redirect_uri"]).hostname == "localhost"
    shows_mail(mounts())


def test_a_browser_is_taken_where_there_is_one(login, signin):
    login.start(browser=True)
    assert signin.browse(login.address()).status == 200
    granted(login, *login.finish())


def test_without_a_browser_the_device_code_is_taken(login, signin):
    signin.device(interval=1)
    granted(login, *login.run())
    assert signin.visits.count("devicecode") == 1


@pytest.mark.parametrize("how", [{"speculative": True}, {"favicon": "before"}])
def test_a_browser_that_does_more_than_asked(login, signin, how):
    login.start("--browser", browser=True)
    landing = signin.browse(login.address(), **how)
    assert landing.status == 200 and landing.favicon in (None, 404)
    granted(login, *login.finish())


def test_live(login, signin, load, mounts):
    load(sample.few(3))
    login.start("--provider", "live", browser=True)
    address = login.address()
    assert dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(address).query))["scope"] == LIVE_SCOPE
    landed = signin.browse(address)
    assert landed.address.startswith("https://login.live.com/oauth20_desktop.srf?")
    granted(login, *login.finish(pasted=landed.address + "\n"))
    assert signin.visits.all("token")[0].path == "/oauth20_token.srf"
    shows_mail(mounts())


def test_live_takes_the_code_alone(login, signin):
    login.start("--provider", "live", browser=True)
    landed = signin.browse(login.address())
    code = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(landed.address).query))["code"]
    granted(login, *login.finish(pasted=code + "\n"))


def test_generic_is_set_up_without_a_server(login, home):
    login.options = ["host=imap.example.org", "timeout=7", "cafile=here.pem", "log=~/log"]  # it runs in /
    code, out, err = login.run("--provider", "generic", client_id=False, authority=False)
    assert (code, err) == (DONE, "") and "No password is stored" in out
    kept = json.loads((home.top / "config_home/outlookfs/accounts.json").read_text())["accounts"][login.account]
    assert kept == {"provider": "generic", "host": "imap.example.org", "timeout": "7", "cafile": "/here.pem",
                    "log": "~/log"}
    assert not login.token_file.exists()


# --- what is remembered ---

def test_options_given_once_are_remembered(login, home, signin, load, mounts, outlook):
    load(sample.few(3))
    login.options += ["host=localhost", f"port={outlook.port}"]
    login.by_device()
    path = home.top / "config_home/outlookfs/accounts.json"
    kept = json.loads(path.read_text())
    assert kept["accounts"][login.account]["client_id"] == signin.client_id == kept["client_id"]
    assert path.stat().st_mode & 0o777 == 0o600
    shows_mail(mounts(host=None, port=None))
    # A second login needs neither client id nor authority, and a second account no client id.
    code, out, err = login.run("--device", client_id=False, authority=False)
    granted(login, code, out, err)
    login.account = "another-" + login.account
    granted(login, *login.run("--device", client_id=False))
    code, out, err = run(login, "accounts")
    assert [line.split()[0] for line in out.splitlines()] == sorted([login.account, login.account[8:]])
    assert all("signed in" in line for line in out.splitlines()) and not err


def test_login_keeps_what_people_wrote(login, home):
    path = home.top / "config_home/outlookfs/accounts.json"
    path.parent.mkdir(mode=0o700)
    real = home.top / "dotfiles.json"
    real.write_text(json.dumps({"accounts": {"work": {"host": "imap.example.org"}}, "x": [1]}))
    real.chmod(0o600)
    path.symlink_to(real)
    login.by_device()
    kept = json.loads(real.read_text())
    assert path.is_symlink() and kept["x"] == [1] and kept["accounts"]["work"] == {"host": "imap.example.org"}
    assert login.account in kept["accounts"]


def test_a_config_error_names_file_key_and_line(login, home):
    path = home.top / "config_home/outlookfs/accounts.json"
    path.parent.mkdir(mode=0o700)
    path.write_text('{"accounts": {\n "%s": {\n  "timeout": 60,\n  "prot": 993}}}\n' % login.account)
    path.chmod(0o600)
    for command in (["login", login.account, "--device"], ["mount", login.account, str(home.mountpoint)], ["accounts"]):
        code, _, err = run(login, *command)
        assert code == USAGE and f"{path}:4" in one_line(err) and "prot" in err


def test_accounts_tells_how_mount_would_sign_in(login, home):
    """Also beside sections that are wrong; and what is wrong with the file is said once."""
    path = home.top / "config_home/outlookfs/accounts.json"
    path.parent.mkdir(mode=0o700)
    sections = {"a": {"host": "h", "auth": "password"}, "b": {"provider": "generic", "host": "h", "auth": "xoauth2"},
                "bad": {"prot": 1}, "c": {"host": "h", "password_command": "x"}, "d": 7, "e": {"host": "h\x1b[31m"}}
    path.write_text(json.dumps({"accounts": sections}))
    path.chmod(0o644)
    code, out, err = run(login, "accounts")
    assert code == USAGE
    assert {line.split()[0]: line.split("h ", 1)[1].strip() for line in out.splitlines()[:3]} == {
        "a": "asks for the password", "b": "sign-in needed", "c": "password_command"}
    assert [line.split()[0] for line in out.splitlines()] == ["a", "b", "c", "e"] and "\x1b" not in out
    assert err.count("chmod 600") == 1 and '"prot"' in err and '"d"' in err and len(err.splitlines()) == 3
    for account, word in (("a", "password_command"), ("b", "outlookfs login b")):
        code, _, err = run(login, "mount", account, str(home.mountpoint))
        assert code == SIGN_IN and word in err


def run(login, *words):
    answer = subprocess.run([login.binary, *words], env=login.environment(False), stdin=subprocess.DEVNULL,
                            capture_output=True, text=True, timeout=30)
    return answer.returncode, answer.stdout, answer.stderr


def test_logout_forgets(login, home, signin):
    login.by_device()
    assert run(login, "logout", login.account) == (DONE, "", "")
    assert not login.token_file.exists()
    pair = signin.visits.all("token")[-1].issued
    for path, data in everything_below(home.top):
        assert pair.access.encode() not in data and pair.refresh.encode() not in data, path
    code, _, err = run(login, "mount", login.account, str(home.mountpoint))
    assert code == SIGN_IN and f"outlookfs login {login.account}" in one_line(err)
    code, _, err = run(login, "logout", login.account)
    assert code == OTHER and "nobody is signed in" in one_line(err)


def test_logout_waits_for_who_renews_and_is_protected(login):
    """It reads the tokens before it removes them."""
    login.by_device()
    with open(login.state / "token.lock", "rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        process = subprocess.Popen([login.binary, "logout", login.account], env=login.environment(False))
        try:
            limits = Path(f"/proc/{process.pid}/limits")
            wait_for(lambda: re.search(r"Max core file size\s+0\s+0\s", limits.read_text()), what="the protection")
            assert process.poll() is None and login.token_file.exists()
            fcntl.flock(lock, fcntl.LOCK_UN)
            assert process.wait(10) == DONE and not login.token_file.exists()
        finally:
            process.kill()
            process.wait()


def test_without_a_client_id_login_explains(login):
    code, out, err = login.run("--device", client_id=False)
    assert code == USAGE and "--client-id" in one_line(err)
    assert "Mobile and desktop applications" in out and "token_command" in out


# --- as they go badly: one line, the next step, nothing kept ---

def refused(login, code, out, err, want=SIGN_IN, *words):
    line = one_line(err)
    assert code == want, (code, out, err)
    for word in words:
        assert str(word) in line, line
    assert not login.token_file.exists()
    return line


@pytest.mark.parametrize("then, words", [
    ("decline", ["declined", "outlookfs login"]), ("expire", ["not entered in time", "outlookfs login"]),
    ("bad_code", ["outlookfs login"])])
def test_device_code_refused(login, signin, then, words):
    signin.device(pending=1, then=then, interval=1)
    refused(login, *login.run("--device"), SIGN_IN, *words)


def test_device_code_nobody_enters(login, signin):
    signin.device(then="wait", interval=1, seconds=2)
    refused(login, *login.run("--device"), SIGN_IN, "not entered in time")


@pytest.mark.parametrize("code", sorted(PEOPLE_MEET))
def test_each_aadsts_code_has_a_next_step(login, signin, code):
    signin.device(interval=1)
    signin.fail(code)
    line = refused(login, *login.run("--device"), SIGN_IN, f"AADSTS{code}")
    assert "; " in line and "the server refuses" not in line


def test_browser_declined(login, signin):
    login.start("--browser", browser=True)
    landing = signin.browse(login.address(), deny=True)
    assert landing.status == 200 and "did not succeed" in landing.page
    refused(login, *login.finish(), SIGN_IN, "AADSTS65004")


def test_the_state_is_checked(login, signin):
    login.start("--browser", browser=True)
    address = login.address()
    for change in ({"state": "guessed"}, {"state": None}, {"code": None}):
        assert signin.browse(address, change=change).status == 400
    assert login.process.poll() is None and signin.visits.count("token") == 0
    assert signin.browse(address).status == 200
    granted(login, *login.finish())


def test_pkce_is_verified(login, signin):
    """A code that was asked for by somebody else is refused by the service."""
    login.start("--browser", browser=True)
    address = login.address()
    signin.at("before issuing", lambda visit: visit.values.update(code_verifier="x" * 43), grant="authorization_code")
    signin.browse(address)
    refused(login, *login.finish(), SIGN_IN, "AADSTS501481")


def test_what_is_pasted_must_fit(login, signin):
    for pasted in ("https://login.live.com/oauth20_desktop.srf?code=x&state=other\n", "https://example.org/\n",
                   "what do you mean\n", "\n", ""):
        login.start("--provider", "live", browser=True)
        login.address()
        code, out, err = login.finish(pasted=pasted)
        assert code in (OTHER, SIGN_IN) and one_line(err)
        assert not login.token_file.exists()
    assert signin.visits.count("token") == 0


@pytest.mark.parametrize("fault, options, code, word", [
    ("status", {"code": 500}, UNREACHABLE, "HTTP 500"), ("html", {}, UNREACHABLE, "does not answer as one"),
    ("empty", {}, UNREACHABLE, "does not answer as one"), ("truncated", {}, UNREACHABLE, "does not answer as one"),
    ("redirect", {}, UNREACHABLE, "302"), ("drop", {}, UNREACHABLE, "ends the connection"),
    ("cut", {"bytes": 300}, UNREACHABLE, "ends the connection"), ("throttled", {}, UNREACHABLE, "429"),
    ("endless", {}, UNREACHABLE, "too much")])
def test_faults_of_the_service(login, signin, fault, options, code, word):
    login.start("--browser", browser=True)
    signin.fault(fault, times=None, **options)
    signin.browse(login.address())
    refused(login, *login.finish(), code, word)
    assert not signin.elsewhere.connections


@pytest.mark.parametrize("fault", ["status", "html", "drop", "throttled"])
def test_the_device_code_outlives_a_passing_fault(login, signin, fault):
    signin.device(pending=1, interval=1)
    signin.fault(fault, grant="device_code")
    granted(login, *login.run("--device"))
    assert not signin.devices.violations


def test_untrusted_certificate(login, signin, dovecot):
    signin.present(*dovecot.certificates.untrusted())
    refused(login, *login.run("--device"), UNREACHABLE, "certificate", "cafile")
    signin.present(*dovecot.certificates.wrong_name())
    refused(login, *login.run("--device"), UNREACHABLE, "certificate")
    assert signin.handshakes_failed >= 1 and not signin.visits.all()
    signin.present()
    login.options = ["timeout=30"]
    refused(login, *login.run("--device"), UNREACHABLE, "cafile")


def test_no_service_at_all(login, signin):
    signin.down()
    refused(login, *login.run("--device"), UNREACHABLE, "cannot be reached")


@pytest.mark.parametrize("way", ["--device", "--browser"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted(login, signin, way, number, home):
    signin.device(then="wait", interval=1)
    login.start(way, browser=True)
    login.address()
    login.process.send_signal(number)
    refused(login, *login.finish(5), OTHER, "nothing was changed")
    assert not (home.top / "config_home/outlookfs/accounts.json").exists()


def test_interrupted_while_the_service_hangs(login, signin):
    signin.fault("hang", where="devicecode")
    login.start("--device")
    signin.visits.wait(1, "devicecode", done=False)
    login.process.send_signal(signal.SIGINT)
    refused(login, *login.finish(5), OTHER)


# --- tokens of any shape ---

@pytest.mark.parametrize("length", [2048, 60000])
def test_long_tokens(login, signin, length, load, mounts):
    load(sample.few(3))
    signin.grants.access_bytes = length
    login.by_device()
    assert len(signin.visits.all("token")[-1].issued.access) == length
    if length < 10000:  # a line that servers take
        shows_mail(mounts())


def test_a_token_beyond_the_ceiling(login, signin):
    signin.grants.access_bytes = 200000
    signin.device(interval=1)
    refused(login, *login.run("--device"), UNREACHABLE)


@pytest.mark.parametrize("changes", [{"expires_in": "3600"}, {"expires_in": None}, {"expires_in": -1},
                                     {"expires_in": 1e30}, {"expires_in": 3599.5}, {"expires_in": []}])
def test_odd_lifetimes(login, signin, changes):
    signin.fault("fields", changes=changes)
    login.by_device()


def test_no_refresh_token(login, signin):
    signin.device(interval=1)
    signin.fault("fields", changes={"refresh_token": None})
    refused(login, *login.run("--device"), SIGN_IN, "offline_access")


def test_error_words_cannot_reach_the_terminal(login, signin):
    signin.device(interval=1)
    signin.fail(error="\x1b[31mred\x07", text="AADSTS70008: \x1b]0;title\x07" + "x" * 5000)
    refused(login, *login.run("--device"), SIGN_IN)


# --- secrets stay where they belong ---

def test_no_secret_on_the_way(login, signin, home):
    """Nothing of a token, code or verifier on the terminal, in any file but the token file, or in a command line."""
    seen = []
    done = threading.Event()

    def watch():
        while not done.wait(0.005):
            for path in ("cmdline", "environ"):
                try:
                    with open(f"/proc/{login.process.pid}/{path}", "rb") as file:
                        seen.append(file.read())
                except OSError:
                    pass

    login.start("--browser", browser=True)
    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        signin.browse(login.address())
        code, out, err = login.finish()
    finally:
        done.set()
        watcher.join()
    granted(login, code, out, err)
    visit = signin.visits.all("token")[-1]
    secrets = [visit.issued.access, visit.issued.refresh, visit.values["code"], visit.values["code_verifier"]]
    for secret in secrets:
        assert secret not in out and secret not in err and secret not in login.address()
        assert not any(secret.encode() in text for text in seen)
        for path, data in everything_below(home.top, but={"token"}):
            assert secret.encode() not in data, path
    assert "client_secret" not in visit.names
