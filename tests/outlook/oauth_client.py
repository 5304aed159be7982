"""A client of the sign-in service for this folder's tests: plain http.client, the test's own CA."""
import base64
import contextlib
import hashlib
import http.client
import json
import secrets
import ssl
import urllib.parse

from .endpoints import DESKTOP, DEVICE_GRANT, LIVE, V2

SCOPE = f"{V2.imap} {V2.offline}"
LIVE_SCOPE = f"{LIVE.imap} {LIVE.offline}"
REDIRECT = "http://localhost:49152"
TOKEN, DEVICECODE = "/common/oauth2/v2.0/token", "/common/oauth2/v2.0/devicecode"
LIVE_TOKEN = "/oauth20_token.srf"


class Reply:
    def __init__(self, answer):
        self.status, self.headers, self.body = answer.status, answer.headers, answer.read()

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def error(self):
        """(the OAuth word, the AADSTS code or None)."""
        return self.json.get("error"), next(iter(self.json.get("error_codes", [])), None)


class Client:
    def __init__(self, service, ca):
        self.service, self.context = service, ssl.create_default_context(cafile=ca)
        self.verifier = secrets.token_urlsafe(48)
        digest = hashlib.sha256(self.verifier.encode()).digest()
        self.challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()

    # --- HTTP ---

    def connect(self, timeout=20):
        return http.client.HTTPSConnection("localhost", self.service.port, timeout=timeout, context=self.context)

    def request(self, method, target, body=None, headers=None, timeout=20):
        with contextlib.closing(self.connect(timeout)) as connection:
            connection.request(method, target, body, headers or {})
            return Reply(connection.getresponse())

    def post(self, path, pairs, timeout=20, **headers):
        pairs = pairs.items() if isinstance(pairs, dict) else pairs
        body = urllib.parse.urlencode([(n, v) for n, v in pairs if v is not None])
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        return self.request("POST", path, body, {**kind, **headers}, timeout)

    # --- the grants ---

    def authorize_query(self, **changes):
        values = {"client_id": self.service.client_id, "response_type": "code", "redirect_uri": REDIRECT,
                  "scope": SCOPE, "state": "st4te", "code_challenge": self.challenge,
                  "code_challenge_method": "S256", **changes}
        return urllib.parse.urlencode({name: value for name, value in values.items() if value is not None})

    def authorize_url(self, path="/common/oauth2/v2.0/authorize", **changes):
        return f"{self.service.url}{path}?{self.authorize_query(**changes)}"

    def live_url(self, **changes):
        return self.authorize_url("/oauth20_authorize.srf", **{"scope": LIVE_SCOPE, "redirect_uri": DESKTOP, **changes})

    def authorize(self, path="/common/oauth2/v2.0/authorize", **changes):
        """(the reply, the parameters that came back on the redirect)."""
        reply = self.request("GET", f"{path}?{self.authorize_query(**changes)}")
        back = urllib.parse.urlsplit(reply.headers.get("Location", ""))
        return reply, dict(urllib.parse.parse_qsl(back.query))

    def redeem(self, code, path=TOKEN, **changes):
        return self.post(path, {"client_id": self.service.client_id, "grant_type": "authorization_code", "code": code,
                                "redirect_uri": REDIRECT, "code_verifier": self.verifier, **changes})

    def refresh(self, token, path=TOKEN, timeout=20, **changes):
        return self.post(path, {"client_id": self.service.client_id, "grant_type": "refresh_token",
                                "refresh_token": token, "scope": SCOPE, **changes}, timeout)

    def abandon(self, token, seconds=0.2):
        """A refresh whose client goes away while it waits; what had come by then."""
        visits, received = self.service.visits, b""
        count = visits.count()
        form = {"client_id": self.service.client_id, "grant_type": "refresh_token", "refresh_token": token,
                "scope": SCOPE}
        with contextlib.closing(self.connect()) as connection:
            connection.request("POST", TOKEN, urllib.parse.urlencode(form),
                               {"Content-Type": "application/x-www-form-urlencoded"})
            visits.wait(count + 1, done=False)
            connection.sock.settimeout(seconds)
            with contextlib.suppress(TimeoutError):
                while data := connection.sock.recv(65536):
                    received += data
        return received

    def device(self, **changes):
        return self.post(DEVICECODE, {"client_id": self.service.client_id, "scope": SCOPE, **changes})

    def poll(self, code, **changes):
        return self.post(TOKEN, {"client_id": self.service.client_id, "grant_type": DEVICE_GRANT,
                                 "device_code": code, **changes})

    def signed_in(self):
        """The token body of a first sign-in."""
        return self.redeem(self.authorize()[1]["code"]).json
