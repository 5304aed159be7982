"""Plays the user's browser: visits the authorize address and goes where it is sent.

It follows one redirect, and only to loopback over http. Where it is sent elsewhere (the legacy desktop
address), the address is the result: that is what a user copies from the address bar.
"""
import dataclasses
import http.client
import socket
import ssl
import urllib.parse

TIMEOUT = 20


@dataclasses.dataclass
class Landing:
    """Where a visit ended. status is None where no page was asked for."""
    address: str
    status: int | None = None
    page: str = ""
    headers: dict = dataclasses.field(default_factory=dict)  # by lower-case name
    favicon: int | None = None  # the status that /favicon.ico got; None: not asked for, or no answer

    def __iter__(self):
        return iter((self.status, self.page, self.headers))


def get(address, context=None):
    """One GET, no redirect followed: (status, page, headers)."""
    parts = urllib.parse.urlsplit(address)
    target = (parts.path or "/") + ("?" + parts.query if parts.query else "")
    if parts.scheme == "https":
        connection = http.client.HTTPSConnection(parts.hostname, parts.port, timeout=TIMEOUT, context=context)
    else:
        connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=TIMEOUT)
    try:
        connection.request("GET", target, headers={"Accept": "text/html", "User-Agent": "Mozilla/5.0 (a test)"})
        answer = connection.getresponse()
        page = answer.read().decode(errors="replace")
        return answer.status, page, {name.lower(): value for name, value in answer.getheaders()}
    finally:
        connection.close()


def changed(address, change):
    """An address with parameters of its query replaced; None takes one away."""
    parts = urllib.parse.urlsplit(address)
    pairs = dict(urllib.parse.parse_qsl(parts.query, keep_blank_values=True))
    pairs.update(change)
    query = urllib.parse.urlencode({name: value for name, value in pairs.items() if value is not None})
    return parts._replace(query=query).geturl()


def browse(url, context, change=None, speculative=False, favicon=None):
    """A Landing. change: parameters of the redirect's query that come wrong, e.g. {"state": "x"};
    speculative: first a connection on which nothing is ever sent, as browsers make to save time;
    favicon: "before" or "after", when /favicon.ico is asked for."""
    status, page, headers = get(url, context)
    address = headers.get("location")
    if status not in (301, 302, 303, 307, 308) or not address:
        return Landing(url, status, page, headers)
    parts = urllib.parse.urlsplit(address)
    if change:
        address = changed(address, change)
    if parts.scheme != "http" or parts.hostname not in ("localhost", "127.0.0.1", "::1"):
        return Landing(address)
    landing = Landing(address)
    idle = socket.create_connection((parts.hostname, parts.port), TIMEOUT) if speculative else None
    try:
        if favicon == "before":
            landing.favicon = _favicon(parts)
        landing.status, landing.page, landing.headers = get(address)
        if favicon == "after":
            landing.favicon = _favicon(parts)
    finally:
        if idle:
            idle.close()
    return landing


def _favicon(parts):
    try:
        return get(f"http://{parts.netloc}/favicon.ico")[0]
    except (OSError, http.client.HTTPException):
        return None


def trusting(cert):
    """A context that trusts exactly this certificate, be it a CA's or a server's own."""
    context = ssl.create_default_context(cafile=cert)
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return context
