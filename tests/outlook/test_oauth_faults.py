"""The sign-in service when things go wrong: faults, pauses, the network; and the browser it plays."""
import http.client
import http.server
import json
import pathlib
import ssl
import threading
import time

import pytest

from tests.outlook import SignIn

from .devices import OUTCOMES
from .faults import NAMES, POINTS
from .oauth_client import TOKEN, Client

pytestmark = pytest.mark.timeout(60)
BROKEN = (http.client.HTTPException, OSError)


@pytest.fixture
def first(client):
    return client.signed_in()["refresh_token"]


def still_good(client, signin, token):
    """Nothing has been rotated: the service did no work for the request that failed."""
    return signin.visits.all()[-1].issued is None and client.refresh(token).status == 200


# --- instead of the work ---

@pytest.mark.parametrize("name, options, status, body", [
    ("status", {}, 500, b"<!DOCTYPE html>"), ("status", {"code": 503}, 503, b"Service Unavailable"),
    ("html", {}, 200, b"<!DOCTYPE html>"), ("html", {"body": b"<p>"}, 200, b"<p>"), ("empty", {}, 200, b""),
    ("throttled", {"retry_after": 7}, 429, b"temporarily_unavailable")])
def test_answers_of_another_kind(client, signin, first, name, options, status, body):
    fault = signin.fault(name, **options)
    reply = client.refresh(first)
    assert reply.status == status and body in reply.body and (body or not reply.body)
    if name == "throttled":
        assert reply.headers["Retry-After"] == "7"
    assert signin.visits.all()[-1].fault == name and fault.struck == 1
    assert still_good(client, signin, first)


@pytest.mark.parametrize("code", [302, 307])
def test_redirect(client, signin, first, code):
    signin.fault("redirect", code=code)
    reply = client.refresh(first)
    assert reply.status == code and reply.headers["Location"] == signin.elsewhere.url + "/moved"
    assert signin.elsewhere.connections == 0 and signin.elsewhere.requests == []
    connection = http.client.HTTPSConnection("localhost", signin.elsewhere.listener.port, context=client.context)
    connection.request("POST", "/moved", "a=b")
    assert connection.getresponse().read()
    connection.close()
    assert signin.elsewhere.requests == [("POST", "/moved", b"a=b")] and signin.elsewhere.connections == 1


def test_redirect_to_any_address(client, signin, first):
    signin.fault("redirect", to="http://localhost:1/")
    assert client.refresh(first).headers["Location"] == "http://localhost:1/"


def test_endless(client, signin, first):
    signin.fault("endless", bytes=1 << 20)
    body = client.refresh(first).body
    assert len(body) >= 1 << 20 and body.startswith(b'{"token_type"')
    signin.fault("endless")
    connection = client.connect()
    connection.request("POST", TOKEN)
    answer = connection.getresponse()
    assert answer.getheader("Content-Length") is None and answer.read(1000)
    connection.close(), answer.close()
    visit = signin.visits.wait(3, "token")[-1]
    assert visit.gone and visit.sent < 9 << 20


def test_hang(client, signin, first):
    signin.fault("hang")
    assert client.abandon(first) == b""
    visit = signin.visits.wait(2, "token")[-1]  # over, since the client has gone
    assert visit.gone and visit.sent == visit.status == 0 and visit.done - visit.when > 0.1
    assert still_good(client, signin, first)


def test_drop_and_refuse(client, signin, first):
    for name in ("drop", "refuse"):
        signin.fault(name)
        count = signin.visits.count()
        with pytest.raises(BROKEN):
            client.refresh(first)
        assert signin.visits.count() == count + (name == "drop")
    assert client.refresh(first).status == 200


@pytest.mark.parametrize("name", ["status", "html", "empty", "drop", "throttled"])
def test_work_done_and_its_answer_lost(client, signin, first, name):
    signin.fault(name, issued=True)
    try:
        assert client.refresh(first).status != 400
    except BROKEN:
        pass
    lost = signin.visits.wait(2, "token")[-1].issued
    assert signin.grants.usable(lost.refresh) and signin.grants.usable(first)
    assert client.refresh(first).status == 200 and not signin.grants.usable(lost.refresh)


# --- the answer spoilt ---

def test_truncated(client, signin, first):
    signin.fault("truncated")
    reply = client.refresh(first)
    assert reply.status == 200 and reply.body.startswith(b'{"token_type"')
    with pytest.raises(json.JSONDecodeError):
        reply.json
    signin.fault("truncated", keep=1)
    assert client.refresh(first).body == b"{"


@pytest.mark.parametrize("bytes", [0, 1, 100, 700, 5000])
def test_cut(client, signin, first, bytes):
    signin.fault("cut", bytes=bytes, grant="refresh_token")
    whole = None
    try:
        whole = client.refresh(first).json  # within its head, http.client takes an answer for an empty one
    except (*BROKEN, json.JSONDecodeError):
        pass
    visit = signin.visits.wait(2, "token")[-1]
    assert visit.issued and (whole is not None) == (bytes == 5000)
    assert visit.sent == bytes if bytes < 5000 else visit.sent < 5000
    assert client.refresh(first).status == 200


@pytest.mark.parametrize("bytes", [None, 0, 10, 1000])
def test_hang_after(client, signin, first, bytes):
    signin.fault("hang_after", **({} if bytes is None else {"bytes": bytes}))
    received = client.abandon(first)
    visit = signin.visits.wait(2, "token")[-1]
    assert visit.gone and visit.issued and len(received) <= visit.sent
    assert visit.sent == bytes if bytes is not None else visit.status == 200


def test_slow(client, signin, first):
    signin.fault("slow", pace=0.0001)
    assert client.refresh(first).json["refresh_token"]
    signin.fault("slow", pace=5)
    assert client.abandon(first) in (b"", b"H")  # and the fixture's end does not wait for the rest


@pytest.mark.parametrize("changes", [
    {"refresh_token": None}, {"expires_in": None}, {"expires_in": "3600"}, {"expires_in": 3599.5}, {"expires_in": -1},
    {"expires_in": 10 ** 30}, {"expires_in": "soon"}, {"access_token": "a\r\nb\x00\x1b[2J"}, {"access_token": None},
    {"token_type": "mac"}, {"access_token": ["x"]}])
def test_fields(client, signin, first, changes):
    signin.fault("fields", changes=changes)
    body = client.refresh(first).json
    for name, value in changes.items():
        assert body.get(name) == value and (value is not None or name not in body)
    assert set(client.refresh(first).json) >= {"access_token", "refresh_token", "expires_in", "token_type"}


def test_raw_bodies(client, signin, first):
    signin.fault("raw", body=b"[" * 100_000)
    assert client.refresh(first).body == b"[" * 100_000


def test_a_spoilt_answer_is_that_of_a_success(client, signin):
    """Pending polls do not use the fault up."""
    signin.device(pending=2, interval=0)
    fault = signin.fault("fields", changes={"refresh_token": None})
    code = client.device().json["device_code"]
    assert [client.poll(code).status for _ in range(2)] == [400, 400] and fault.struck == 0
    assert "refresh_token" not in client.poll(code).json and fault.struck == 1


def test_faults_at_the_other_endpoints(client, signin):
    signin.fault("status", where="devicecode")
    signin.fault("html", where="authorize")
    assert client.device().status == 500 and client.device().status == 200
    assert client.authorize()[0].status == 200 and client.authorize()[0].status == 302


def test_all_of_it_is_documented():
    readme = (pathlib.Path(__file__).parent / "README.md").read_text()
    for name in NAMES:
        assert name == "error" or f"| `{name}` |" in readme, name
    for word in POINTS:
        assert f"`{word}`" in readme, word
    for word in OUTCOMES:
        assert word in readme, word


def test_wrong_use_is_an_error(signin):
    for call in (lambda: signin.fault("nosuch"), lambda: signin.pause("nowhere"), lambda: signin.device(then="maybe")):
        with pytest.raises(ValueError):
            call()
    for call in (lambda: signin.fault("cut"), lambda: signin.fault("hang", bytes=1), lambda: signin.fail(nonsense=1)):
        with pytest.raises(TypeError):
            call()


def test_reset(client, signin, first):
    signin.fault("status", times=None)
    signin.fail(70008, times=None)
    pause = signin.pause("before issuing")
    signin.reset()
    assert client.refresh(first).status == 200 and pause.visit is None
    assert signin.visits.count() == 1


# --- places to stop at ---

@pytest.mark.parametrize("point, issued", [("connected", False), ("before reading", False), ("before issuing", False),
                                           ("after issuing", True), ("in answer", True)])
def test_pause(client, signin, first, point, issued):
    results = []
    with signin.pause(point, after=50) as pause:
        thread = threading.Thread(target=lambda: results.append(client.refresh(first)))
        thread.start()
        visit = pause.wait()
        assert not results and thread.is_alive()
        assert (visit is not None and visit.issued is not None) == issued
        assert visit is None or visit.sent == (50 if point == "in answer" else 0)
    thread.join()
    assert results[0].status == 200


@pytest.mark.parametrize("point, rotated", [("before issuing", False), ("after issuing", True), ("in answer", True)])
def test_a_client_that_dies_at_a_point_can_come_again(client, signin, first, point, rotated):
    pause = signin.pause(point, grant="refresh_token", after=900)
    assert len(client.abandon(first)) <= (900 if point == "in answer" else 0)
    visit = pause.wait()
    assert bool(visit.issued) == rotated and signin.grants.usable(first)
    pause.release()
    signin.visits.wait(2, "token")
    assert client.refresh(first).status == 200


def test_a_callback_at_every_byte(client, signin, first):
    """How a test goes through all places where an answer can break off."""
    seen = []
    for after in (0, 1, 17, 10_000):
        signin.at("in answer", lambda visit: seen.append(visit.sent), after=after)
    reply = client.refresh(first)
    total = signin.visits.wait(2, "token")[-1].sent
    assert reply.status == 200 and seen == [0, 1, 17, total] and total > len(reply.body)


# --- certificates and the network ---

@pytest.mark.parametrize("which", ["untrusted", "wrong_name"])
def test_another_certificate(client, signin, certificates, first, which):
    signin.present(*getattr(certificates, which)())
    with pytest.raises(ssl.SSLCertVerificationError):
        client.refresh(first)
    assert signin.visits.count("token", "refresh_token") == 0
    signin.present()
    assert client.refresh(first).status == 200


def test_down_and_up(client, signin, first):
    connection = client.connect()
    connection.request("GET", "/")
    connection.getresponse().read()
    port = signin.port
    signin.down()
    with pytest.raises(OSError):
        client.refresh(first)
    with pytest.raises(BROKEN):
        connection.request("GET", "/")
        connection.getresponse()
    connection.close()
    signin.up()
    assert signin.port == port and client.refresh(first).status == 200


def test_stopping_frees_whoever_hangs(client, signin, first):
    """The fixture's end waits for every thread; it must not wait for clients."""
    signin.fault("hang")
    connection = client.connect()
    connection.request("POST", TOKEN)
    signin.visits.wait(3, done=False)
    started = time.monotonic()
    signin.down()
    assert time.monotonic() - started < 5
    connection.close()


def test_the_service_fails_loudly(client, signin, certificates):
    """What is wrong with a test, or with the service, comes out at the end."""
    with pytest.raises(RuntimeError, match="user"):
        with SignIn(certificates.cert, certificates.key) as service:
            with pytest.raises(BROKEN):
                Client(service, certificates.ca).authorize()


def test_no_thread_is_left(certificates):
    before = threading.active_count()
    with SignIn(certificates.cert, certificates.key) as service:
        service.user = "joe"
        connection = Client(service, certificates.ca).connect()
        connection.request("GET", "/")
        service.visits.wait()
    assert threading.active_count() == before
    connection.close()


# --- the browser ---

class Loopback:
    """The listener that a client would have."""

    def __init__(self):
        self.paths = []
        owner = self

        class Handler(http.server.BaseHTTPRequestHandler):
            timeout = 20

            def do_GET(self):
                owner.paths.append(self.path)
                self.send_response(404 if self.path == "/favicon.ico" else 200)
                self.send_header("Content-Type", "text/html")
                self.end_headers()
                self.wfile.write(b"you can close this window")

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.address = f"http://localhost:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()


@pytest.fixture
def loopback():
    listener = Loopback()
    yield listener
    listener.server.shutdown()
    listener.server.server_close()


def test_browse(client, signin, loopback):
    landing = signin.browse(client.authorize_url(redirect_uri=loopback.address))
    status, page, headers = landing
    assert (status, page, headers["content-type"]) == (200, "you can close this window", "text/html")
    assert len(loopback.paths) == 1 and loopback.paths[0].startswith("/?code=") and "state=st4te" in loopback.paths[0]


def test_browse_denied(client, signin, loopback):
    assert signin.browse(client.authorize_url(redirect_uri=loopback.address), deny=True).status == 200
    assert loopback.paths[0].startswith("/?error=access_denied&") and "AADSTS65004" in loopback.paths[0]
    assert "state=st4te" in loopback.paths[0]


def test_browse_with_what_browsers_and_attackers_do(client, signin, loopback):
    url = client.authorize_url(redirect_uri=loopback.address)
    landing = signin.browse(url, change={"state": "wrong", "session_state": None}, speculative=True, favicon="before")
    assert landing.status == 200 and landing.favicon == 404
    assert loopback.paths[0] == "/favicon.ico"
    assert "state=wrong" in loopback.paths[1] and "session_state" not in loopback.paths[1]
    assert signin.browse(url, favicon="after").favicon == 404 and loopback.paths[3] == "/favicon.ico"


def test_browse_stays_on_an_error_page(client, signin, loopback):
    landing = signin.browse(client.authorize_url(redirect_uri=loopback.address, client_id="x"))
    assert landing.status == 400 and "AADSTS700016" in landing.page and not loopback.paths


def test_browse_where_nobody_listens(client, signin):
    with pytest.raises(OSError):
        signin.browse(client.authorize_url(redirect_uri="http://localhost:1"))
