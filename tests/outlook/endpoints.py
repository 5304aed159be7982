"""The endpoints of OUTLOOK.md section 6, both families: who asks for what, and whether it may be.

    v2    /{tenant}/oauth2/v2.0/authorize|token|devicecode
    live  /oauth20_authorize.srf, /oauth20_token.srf

Stricter than the real service where that shows a careless client: a parameter twice, a parameter in
the wrong place, a scope that was not granted, a code without PKCE.
"""
import collections
import re
import urllib.parse

from .aadsts import Refused
from .answers import Answer

Family = collections.namedtuple("Family", "name imap offline others tenants pkce")
V2 = Family("v2", "https://outlook.office.com/IMAP.AccessAsUser.All", "offline_access",
            re.compile(r"openid|profile|email|https://outlook\.office\.com/[A-Za-z.]+"), True, True)
LIVE = Family("live", "wl.imap", "wl.offline_access", re.compile(r"wl\.[a-z_]+"), False, False)
FAMILIES = {family.name: family for family in (V2, LIVE)}
ROUTES = ((re.compile(r"/([^/]+)/oauth2/v2\.0/(authorize|token|devicecode)"), "v2"),
          (re.compile(r"/()oauth20_(authorize|token)\.srf"), "live"))
TENANT = re.compile(r"common|consumers|organizations|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
                    r"|[a-z0-9-]+(?:\.[a-z0-9-]+)+", re.I)
DESKTOP = "https://login.live.com/oauth20_desktop.srf"
LOOPBACK = re.compile(r"http://localhost(?::[0-9]{1,5})?/?")
DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")  # S256 always has this length (RFC 7636 section 4.2)
FORM = "application/x-www-form-urlencoded"
# What a form may hold unescaped. A client that lets more through breaks on the first odd token.
_FORM_TEXT = re.compile(r"(?:[A-Za-z0-9._~*+&=-]|%[0-9A-Fa-f]{2})*")


def route(path):
    """(family, tenant, endpoint) of a path; empty strings for one that is none."""
    for pattern, family in ROUTES:
        match = pattern.fullmatch(path)
        if match:
            return family, match[1], match[2]
    return "", "", ""


class Request:
    """One request's parameters, from the query (authorize) or the form (the others)."""

    def __init__(self, visit, query, body):
        self.visit, self.query = visit, query
        self.family = FAMILIES.get(visit.family)
        self.problem = None
        text = query
        if visit.where != "authorize":
            text = (body or b"").decode("latin-1")
            kind = visit.headers.get("content-type", "").split(";")[0].strip().lower()
            if body is None or (text and kind != FORM) or (text and not _FORM_TEXT.fullmatch(text)):
                self.problem, text = Refused(9002313, "the form"), text if kind == FORM else ""
        pairs = self._pairs(text)
        visit.names = tuple(name for name, _ in pairs)
        for name, value in reversed(pairs):
            visit.values[name] = value

    def _pairs(self, text):
        try:
            return urllib.parse.parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=50)
        except ValueError:
            self.problem = Refused(9002313, "the parameters")
            return []

    def get(self, name):
        """A parameter; "" where it is missing or empty, which is the same (RFC 6749 section 3.1)."""
        return self.visit.values.get(name, "")

    def need(self, name):
        if not self.get(name):
            raise Refused(900144, name)
        return self.get(name)

    def check(self):
        """What no endpoint takes."""
        if self.problem:
            raise self.problem
        for name, times in collections.Counter(self.visit.names).items():
            if times > 1:
                raise Refused(9000411, name)
        if self.family.tenants and not TENANT.fullmatch(self.visit.tenant):
            raise Refused(90002, self.visit.tenant)

    def scope(self):
        """The scopes asked for: IMAP's and offline_access at least, of one resource alone."""
        words = frozenset(self.need("scope").split(" "))
        for word in sorted(words - {self.family.imap, self.family.offline}):
            if not self.family.others.fullmatch(word):
                raise Refused(70011, word)
        if not {self.family.imap, self.family.offline} <= words:
            raise Refused(70011, self.get("scope"))
        return words


def respond(service, visit, request, forced=None):
    """The service's answer; `forced` is the Refused that a test wants instead."""
    work = {"token": _token, "devicecode": _devicecode, "authorize": _authorize}.get(visit.where)
    if not work:
        return Answer.page(404, "Not Found")
    try:
        return work(service, visit, request, forced)
    except Refused as refused:
        return _refusal(visit, refused)


def _refusal(visit, refused):
    visit.error, visit.aadsts = refused.error, refused.code or 0
    if visit.where == "authorize":
        return Answer.page(400, "Sorry, but we’re having trouble signing you in.", refused.prefix + refused.text)
    return Answer.of(refused.body(visit.family), refused.status)


# --- authorize: a browser's visit, with a user who has just signed in ---

def _authorize(service, visit, request, forced):
    if visit.method != "GET":
        raise Refused(9002313, "the method")
    request.check()
    client = _client(service, request)
    redirect = request.need("redirect_uri")
    if not (LOOPBACK.fullmatch(redirect) if request.family.tenants else redirect == DESKTOP):
        raise Refused(50011, redirect)
    back = {}
    try:
        if forced:
            raise forced
        scope, challenge = _authorization(request)
        back["code"] = service.grants.issue_code(service.who(), client, redirect, scope, challenge)
    except Refused as refused:
        if refused.page:
            raise
        visit.error, visit.aadsts = refused.error, refused.code or 0
        back = {"error": refused.error, "error_description": refused.body(visit.family)["error_description"]}
    if "state" in visit.values:
        back["state"] = visit.values["state"]
    if request.family.tenants:
        back["session_state"] = "5c2dd4ab-8e75-4c8b-9d2b-1ad2d1f7b1f7"  # unasked, as the real one does
    base = redirect if redirect.count("/") > 2 else redirect + "/"
    return Answer(302, "text/html", headers=(("Location", base + "?" + urllib.parse.urlencode(back)),))


def _authorization(request):
    """(scope, challenge) of a request whose client and redirect address are known."""
    if request.need("response_type") != "code":
        raise Refused(700054, request.get("response_type"))
    if request.get("response_mode") not in ("", "query"):
        raise Refused(70007, request.get("response_mode"))
    scope = request.scope()
    challenge, method = request.get("code_challenge"), request.get("code_challenge_method")
    if (request.family.pkce and not challenge) or (challenge and method != "S256"):
        raise Refused(9002325)
    if challenge and not CHALLENGE.fullmatch(challenge):
        raise Refused(50147)
    return scope, challenge


# --- token and devicecode: a program's requests ---

def _client(service, request):
    client = request.need("client_id")
    if client not in service.clients:
        raise Refused(700016, client)
    return client


def _posted(service, visit, request, forced):
    """The client of a request that is a proper one of a public client."""
    if forced:
        raise forced
    if visit.method != "POST":
        raise Refused(900561, visit.method)
    if request.query:
        raise Refused(9002313, "parameters in the address")
    request.check()
    client = _client(service, request)
    if "client_secret" in visit.values or "client_assertion" in visit.values or "authorization" in visit.headers:
        raise Refused(700025)
    return client


def _devicecode(service, visit, request, forced):
    client = _posted(service, visit, request, forced)
    return Answer.of(service.devices.start(client, request.scope()))


def _token(service, visit, request, forced):
    client = _posted(service, visit, request, forced)
    grants = {"authorization_code": _redeem, "refresh_token": _refresh}
    if request.family.tenants:
        grants[DEVICE_GRANT] = _poll
    kind = request.need("grant_type")
    if kind not in grants:
        raise Refused(70003, kind)
    visit.issued = grants[kind](service, request, client)
    return Answer.of(_body(service, visit.issued, request.family))


def _redeem(service, request, client):
    if request.get("scope"):
        request.scope()
    return service.grants.redeem_code(request.need("code"), client, request.need("redirect_uri"),
                                      request.get("code_verifier"))


def _refresh(service, request, client):
    scope = request.scope() if request.family.tenants or request.get("scope") else None
    if request.get("redirect_uri") not in ("", DESKTOP):
        raise Refused(50011, request.get("redirect_uri"))
    return service.grants.refresh(request.need("refresh_token"), client, scope)


def _poll(service, request, client):
    return service.devices.poll(request.need("device_code"), client, service.who())


def _body(service, pair, family):
    """OUTLOOK.md: the token body. offline_access is granted, and not named; so whoever asks again for
    what this says, instead of what was first asked for, is refused."""
    seconds = service.expires_in_as(pair.seconds)
    body = {"token_type": "Bearer" if family.tenants else "bearer",
            "scope": " ".join(sorted(pair.scope - {V2.offline})),
            "expires_in": seconds, "access_token": pair.access, "refresh_token": pair.refresh}
    if family.tenants:
        body["ext_expires_in"] = seconds
    return body
