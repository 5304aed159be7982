"""The sign-in service over TLS: its endpoints, what they refuse, what tests see of it."""
import base64
import json
import ssl
import threading
import urllib.parse

import pytest

from tests.outlook import SignIn

from .aadsts import AADSTS, PEOPLE_MEET
from .endpoints import DESKTOP
from .oauth_client import DEVICECODE, LIVE_SCOPE, LIVE_TOKEN, REDIRECT, SCOPE, TOKEN, Client

pytestmark = pytest.mark.timeout(60)


# --- authorization code ---

def test_code_grant(client, signin, tokens):
    reply, back = client.authorize()
    assert reply.status == 302 and reply.headers["Location"].startswith(REDIRECT + "/?")
    assert back["state"] == "st4te" and back["session_state"]
    reply = client.redeem(back["code"])
    body = reply.json
    assert reply.status == 200 and reply.headers["Content-Type"].startswith("application/json")
    assert reply.headers["Cache-Control"] == "no-store"
    assert body["token_type"] == "Bearer" and body["expires_in"] == 3600
    assert body["scope"] == SCOPE.split()[0]  # offline_access is never named
    assert len(body["access_token"]) == 1500 and tokens.user_of(body["access_token"]) == signin.user
    assert signin.grants.usable(body["refresh_token"])
    assert client.redeem(back["code"]).error == ("invalid_grant", 54005)


@pytest.mark.parametrize("tenant", ["common", "consumers", "organizations", "9188040d-6c67-4c5b-b112-36a304b66dad",
                                    "contoso.onmicrosoft.com"])
def test_tenants(client, tenant):
    code = client.authorize(f"/{tenant}/oauth2/v2.0/authorize")[1]["code"]
    assert client.redeem(code, f"/{tenant}/oauth2/v2.0/token").status == 200


def test_unknown_tenants_and_paths(client):
    assert client.redeem("x", "/nosuch/oauth2/v2.0/token").error == ("invalid_request", 90002)
    for path in ("/", "/common/oauth2/token", "/common/oauth2/v2.0/token/", "/oauth20_connect.srf"):
        assert client.post(path, {}).status == 404, path


@pytest.mark.parametrize("redirect", ["http://localhost", "http://localhost/", "http://localhost:1",
                                      "http://localhost:65535/"])
def test_loopback_redirects(client, redirect):
    code = client.authorize(redirect_uri=redirect)[1]["code"]
    assert client.redeem(code, redirect_uri=redirect).status == 200


@pytest.mark.parametrize("redirect", [
    "http://127.0.0.1:49152", "http://[::1]:1", "https://localhost:1", "http://localhost:1/done",
    "http://localhost?x=1", "http://localhost:1/#x", "http://localhost.evil.invalid", "http://user@localhost", DESKTOP])
def test_other_redirects_are_shown_not_followed(client, signin, redirect):
    reply, back = client.authorize(redirect_uri=redirect)
    assert reply.status == 400 and not back and b"AADSTS50011" in reply.body
    assert signin.visits.all()[-1].aadsts == 50011


def test_the_redirect_must_be_the_same_in_both_steps(client):
    code = client.authorize()[1]["code"]
    assert client.redeem(code, redirect_uri=REDIRECT + "/").error == ("invalid_request", 50011)
    assert client.redeem(code, redirect_uri=None).error == ("invalid_request", 900144)


def test_pkce(client):
    code = client.authorize()[1]["code"]
    assert client.redeem(code, code_verifier="a" * 43).error == ("invalid_grant", 501481)
    assert client.redeem(code, code_verifier=None).error == ("invalid_grant", 501481)
    assert client.redeem(code).status == 200


@pytest.mark.parametrize("changes, error", [
    ({"code_challenge": None}, "AADSTS9002325"), ({"code_challenge_method": None}, "AADSTS9002325"),
    ({"code_challenge_method": "plain"}, "AADSTS9002325"), ({"code_challenge": "short"}, "AADSTS50147"),
    ({"scope": SCOPE.split()[0]}, "AADSTS70011"),
    ({"scope": SCOPE + " https://graph.microsoft.com/Mail.Read"}, "AADSTS70011"),
    ({"scope": None}, "AADSTS900144"), ({"response_type": "token"}, "AADSTS700054"),
    ({"response_mode": "form_post"}, "AADSTS70007")])
def test_authorize_errors_come_back_with_the_state(client, changes, error):
    reply, back = client.authorize(**changes)
    assert reply.status == 302 and back["error_description"].startswith(error + ":") and "code" not in back
    assert back["state"] == "st4te"


def test_authorize_shows_what_it_cannot_send_back(client):
    reply, _ = client.authorize(client_id="5617d05d-fdc6-4c56-b1dc-38b8576cfafd")
    assert reply.status == 400 and b"AADSTS700016" in reply.body
    reply = client.request("GET", "/common/oauth2/v2.0/authorize?" + client.authorize_query() + "&state=again")
    assert reply.status == 400 and b"AADSTS9000411" in reply.body


# --- the legacy family ---

def test_live(client, signin, tokens):
    landing = signin.browse(client.live_url())
    assert landing.status is None and landing.address.startswith(DESKTOP + "?")
    back = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(landing.address).query))
    assert back["state"] == "st4te"
    body = client.redeem(back["code"], LIVE_TOKEN, redirect_uri=DESKTOP).json
    assert body["scope"] == " ".join(sorted(LIVE_SCOPE.split())) and body["token_type"] == "bearer"
    assert tokens.user_of(body["access_token"]) == signin.user
    again = client.refresh(body["refresh_token"], LIVE_TOKEN, scope=LIVE_SCOPE, redirect_uri=DESKTOP).json
    assert again["refresh_token"] != body["refresh_token"]
    assert client.refresh(again["refresh_token"], LIVE_TOKEN, scope=None).status == 200


def test_live_refuses_in_its_own_words(client, signin):
    reply, _ = client.authorize("/oauth20_authorize.srf", scope=LIVE_SCOPE)
    assert reply.status == 400  # a loopback redirect is not its
    assert signin.visits.all()[-1].aadsts == 50011
    body = client.refresh("made up", LIVE_TOKEN, scope=LIVE_SCOPE).json
    assert body["error"] == "invalid_grant" and "AADSTS" not in json.dumps(body)
    assert client.post(LIVE_TOKEN, {"client_id": signin.client_id, "device_code": "x",
                                    "grant_type": "urn:ietf:params:oauth:grant-type:device_code"}
                       ).json["error"] == "unsupported_grant_type"
    address = urllib.parse.urlsplit(signin.browse(client.live_url()).address)
    code = dict(urllib.parse.parse_qsl(address.query))["code"]
    reply = client.redeem(code, LIVE_TOKEN, redirect_uri=DESKTOP, code_verifier="a" * 43)
    assert reply.json["error"] == "invalid_grant"


# --- what no token request may be ---

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.mark.parametrize("pairs, error", [
    ([("grant_type", "refresh_token")], ("invalid_request", 900144)),
    ([("client_id", "x"), ("grant_type", "refresh_token")], ("unauthorized_client", 700016)),
    ([("client_id", None), ("grant_type", "password")], ("unsupported_grant_type", 70003)),
    ([("client_id", None), ("grant_type", "refresh_token"), ("refresh_token", "")], ("invalid_request", 900144)),
    ([("client_id", None), ("client_id", None)], ("invalid_request", 9000411)),
    ([("client_id", None), ("client_secret", "")], ("invalid_client", 700025)),
    ([("client_id", None), ("client_assertion", "x")], ("invalid_client", 700025))])
def test_strict_forms(client, signin, pairs, error):
    reply = client.post(TOKEN, [(n, signin.client_id if v is None else v) for n, v in pairs])
    assert reply.error == error and reply.status == (401 if error[0] == "invalid_client" else 400)


def test_credentials_in_a_header_are_refused(client):
    header = "Basic " + base64.b64encode(b"app:").decode()
    assert client.post(TOKEN, {"client_id": client.service.client_id}, Authorization=header).error[1] == 700025


def test_strict_requests(client, signin):
    body = client.signed_in()
    form = urllib.parse.urlencode({"client_id": signin.client_id, "grant_type": "refresh_token", "scope": SCOPE,
                                   "refresh_token": body["refresh_token"]})
    assert client.request("GET", TOKEN).error == ("invalid_request", 900561)
    assert client.request("POST", TOKEN + "?" + form, "", FORM).error == ("invalid_request", 9002313)
    for headers in ({"Content-Type": "application/json"}, {}):
        assert client.request("POST", TOKEN, form, headers).error == ("invalid_request", 9002313)
    raw = urllib.parse.unquote(form)  # unescaped: `$`, `!` and `/` of the token and the scope
    for text in (raw, form + "&x=%zz", form + "&x=\xff", form + "&x=%ff"):
        assert client.request("POST", TOKEN, text.encode("latin-1"), FORM).error == ("invalid_request", 9002313), text
    kind = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
    assert client.request("POST", TOKEN, form, kind).status == 200


# --- refresh, rotation ---

def test_refresh_rotates(client, signin, tokens):
    first = client.signed_in()
    second = client.refresh(first["refresh_token"]).json
    third = client.refresh(first["refresh_token"]).json  # as if the answer had been lost
    assert client.refresh(second["refresh_token"]).error == ("invalid_grant", 70000)
    assert tokens.use(third["access_token"]) == signin.user
    assert client.refresh(first["refresh_token"]).error == ("invalid_grant", 70000)
    assert client.refresh(third["refresh_token"]).status == 200 and signin.grants.reused == 2


def test_refresh_asks_for_what_was_first_granted(client):
    first = client.signed_in()
    for scope, error in ((None, ("invalid_request", 900144)), (first["scope"], ("invalid_scope", 70011)),
                         (SCOPE + " openid", ("invalid_grant", 70000))):
        assert client.refresh(first["refresh_token"], scope=scope).error == error
    assert client.refresh(first["refresh_token"]).status == 200


def test_revoked_and_expired_refresh_tokens(client, signin):
    first = client.signed_in()
    signin.grants.revoke(signin.user)
    assert client.refresh(first["refresh_token"]).error == ("invalid_grant", 70008)
    signin.grants.refresh_lifetime = 0
    assert client.refresh(client.signed_in()["refresh_token"]).error == ("invalid_grant", 700082)


def test_sign_in_at_the_mailbox_ends_the_old_refresh_token(client, signin, service, dovecot, raw, certificates):
    """Across both emulations: the AUTHENTICATE with the new access token is what counts."""
    with SignIn(certificates.cert, certificates.key, service.tokens) as both:
        both.user = signin.user
        both.grants.lifetime = 2
        client = Client(both, certificates.ca)
        first = client.signed_in()
        second = client.refresh(first["refresh_token"]).json
        assert second["expires_in"] == 2
        mail = raw(False)
        assert mail.sign_in(token=first["access_token"])[1] == b"OK AUTHENTICATE completed."
        assert both.grants.usable(first["refresh_token"])
        assert raw(False).sign_in(token=second["access_token"])[1] == b"OK AUTHENTICATE completed."
        assert not both.grants.usable(first["refresh_token"])
        service.tokens.expire(first["access_token"])
        assert mail.command(b"NOOP") == ([b"* BYE Session invalidated - AccessTokenExpired"], b"")


# --- device code ---

def test_device_flow(client, signin):
    signin.device(pending=2, slow_down=1, then="approve", interval=0, seconds=60)
    signin.devices.verification_uri = signin.url + "/link"
    answer = client.device().json
    assert answer["verification_uri"] == signin.url + "/link" and answer["interval"] == 0
    assert answer["expires_in"] == 60 and len(answer["user_code"]) == 8
    errors = [client.poll(answer["device_code"]).error for _ in range(3)]
    assert errors == [("authorization_pending", 70016)] * 2 + [("slow_down", None)]
    assert signin.devices.violations == []
    reply = client.poll(answer["device_code"])
    assert reply.status == 200 and signin.grants.usable(reply.json["refresh_token"])
    assert signin.devices.violations[0].interval == 5  # slow_down had asked for five seconds more


@pytest.mark.parametrize("then, error", [("decline", ("authorization_declined", None)),
                                         ("expire", ("expired_token", 70020)),
                                         ("bad_code", ("bad_verification_code", 70018))])
def test_device_outcomes(client, signin, then, error):
    signin.device(then=then)
    assert client.poll(client.device().json["device_code"]).error == error


def test_device_decided_later(client, signin):
    signin.device(then="wait")
    code = client.device().json["device_code"]
    assert client.poll(code).error[0] == "authorization_pending"
    signin.devices.decide("approve")
    assert client.poll(code).status == 200


def test_device_requests_are_checked(client):
    assert client.device(scope="wl.imap").error == ("invalid_scope", 70011)
    assert client.device(client_id="x").error == ("unauthorized_client", 700016)
    assert client.device(client_secret="x").error == ("invalid_client", 700025)
    assert client.request("GET", DEVICECODE).error == ("invalid_request", 900561)


# --- the table of errors ---

def test_the_table_covers_what_people_meet():
    for code in PEOPLE_MEET:
        assert code in AADSTS


@pytest.mark.parametrize("code", sorted(AADSTS))
def test_every_code_on_demand(client, signin, code):
    signin.fail(code)
    reply = client.refresh("anything")
    body = reply.json
    assert reply.status in (400, 401) and body["error"] == AADSTS[code].error and body["error_codes"] == [code]
    assert body["error_description"].startswith(f"AADSTS{code}: ") and "\r\nTrace ID: " in body["error_description"]
    assert {"timestamp", "trace_id", "correlation_id"} <= set(body)
    assert signin.visits.all()[-1].aadsts == code
    assert client.refresh("anything").error[1] != code or code == 70000


def test_fail_counts_places_and_words(client, signin):
    signin.fail(65004, where="authorize")
    assert client.authorize()[1]["error"] == "access_denied" and "code" in client.authorize()[1]
    signin.fail(700016, where="authorize")
    assert client.authorize()[0].status == 400
    signin.fail(530035, where="devicecode", times=2)
    assert [client.device().status for _ in range(3)] == [400, 400, 200]
    first = client.signed_in()
    always = signin.fail(53003, times=None, grant="refresh_token")
    assert [client.refresh(first["refresh_token"]).error[1] for _ in range(3)] == [53003] * 3
    assert client.signed_in()["access_token"] and always.struck == 3
    always.cancel()
    assert client.refresh(first["refresh_token"]).status == 200
    signin.fail(error="inv\x1b[31malid", text="a\x1b]0;x\x07b\nc", status=418)
    reply = client.refresh("x")
    assert reply.status == 418 and reply.json["error"] == "inv\x1b[31malid"
    assert "\x07b\nc" in reply.json["error_description"]


# --- the shape of the token body ---

def test_switches_of_the_token_body(client, signin):
    signin.expires_in_as, signin.grants.access_bytes, signin.grants.lifetime = str, 2048, 3599
    body = client.signed_in()
    assert body["expires_in"] == "3599" and len(body["access_token"]) == 2048
    signin.grants.access_bytes = 200_000
    assert len(client.signed_in()["access_token"]) == 200_000


# --- what tests see ---

def test_visits_tell_without_secrets(client, signin):
    first = client.signed_in()
    client.refresh(first["refresh_token"])
    client.post(TOKEN, {"client_id": "x", "client_secret": "s3cr3t"}, Authorization="Basic s3cr3t")
    signin.visits.wait(4)
    assert signin.visits.count("token") == 3 and signin.visits.count("token", "refresh_token") == 1
    visit, = signin.visits.all("token", "refresh_token")
    assert visit.values["refresh_token"] == first["refresh_token"] and visit.values["scope"] == SCOPE
    assert set(visit.names) == {"client_id", "grant_type", "refresh_token", "scope"}
    assert visit.line == f"POST {TOKEN} client_id={signin.client_id} grant_type=refresh_token refresh_token=*** " \
                         f"scope={SCOPE}"
    assert visit.status == 200 and visit.done >= visit.when and visit.issued.refresh
    told = repr(signin.visits.all()) + repr(signin.visits.lines())
    for secret in (first["refresh_token"], first["access_token"], client.verifier, "s3cr3t"):
        assert secret not in told
    assert "client_secret" in signin.visits.all("token")[-1].names
    signin.visits.clear()
    assert signin.visits.all() == []


def test_requests_at_once_are_counted(client, signin):
    first = client.signed_in()
    for _ in range(20):
        client.refresh(first["refresh_token"])
    assert signin.visits.most_at_once() == 1
    with signin.pause("before issuing") as pause:
        other = threading.Thread(target=client.refresh, args=(first["refresh_token"],))
        other.start()
        assert pause.wait().grant == "refresh_token"
        client.refresh(first["refresh_token"])
    other.join()
    assert signin.visits.most_at_once() == 2


def test_connections_are_kept(client, signin):
    connection = client.connect()
    for _ in range(3):
        connection.request("POST", TOKEN, "", FORM)
        connection.getresponse().read()
    connection.close()
    assert signin.connections == 1 and signin.visits.count("token") == 3


def test_tls_is_verified_by_clients_and_modern(client, signin):
    old = ssl.create_default_context(cafile=None)
    client.context, good = old, client.context
    with pytest.raises(ssl.SSLCertVerificationError):
        client.request("GET", "/")
    client.context = good
    assert signin.visits.all() == [] and client.request("GET", "/").status == 404
    assert signin.handshakes_failed == 1
