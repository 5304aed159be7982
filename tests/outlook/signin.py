"""The emulated sign-in service: Microsoft's OAuth 2.0 endpoints over TLS on loopback (OUTLOOK.md section 6).

    with SignIn(cert, key, outlook.tokens) as signin:
        signin.user = "joe@example.org"          # who signs in
        signin.device(pending=2, slow_down=1)    # what polls are answered
        signin.browse(url)                       # the user's browser
        signin.fail(70008)                       # the next token request
        signin.fault("cut", bytes=100, grant="refresh_token")
        with signin.pause("after issuing") as pause: ...
        signin.visits.count("token", "refresh_token")

README.md lists all of it. Settings are attributes, read at each request. It runs in threads of its
own; everything here may be called from any thread.
"""
from . import browser
from .answers import Answer, transmit
from .devices import DeviceBook
from .endpoints import Request, respond, route
from .faults import Faults, Pause
from .grants import GrantBook
from .listener import Listener
from .visits import Visits

CLIENT_ID = "6731de76-14a6-49ae-97bc-6eba6914391e"


class SignIn:
    def __init__(self, cert, key, tokens=None, host="127.0.0.1", port=0):
        self._cert, self._key = cert, key
        self.user = None
        self.client_id = CLIENT_ID
        self.clients = {CLIENT_ID}          # the applications that are registered
        self.expires_in_as = int            # str: as text
        self.grants = GrantBook(tokens)
        self.devices = DeviceBook(self.grants)
        self.visits, self.faults = Visits(), Faults()
        self._listener = Listener(cert, key, self._serve, self._accept, host, port)
        self.elsewhere = Elsewhere(cert, key, host)

    def __enter__(self):
        self.elsewhere.listener.start()
        self._listener.start()
        return self

    def __exit__(self, *_):
        self.faults.clear()
        self._listener.stop()
        self.elsewhere.listener.stop()
        self._listener.raise_bugs()

    # --- where ---

    @property
    def port(self):
        return self._listener.port

    @property
    def url(self):
        """The authority: what --authority takes."""
        return self._listener.url

    # --- the user ---

    def device(self, pending=0, slow_down=0, then="approve", interval=None, seconds=None):
        """For device codes given out from now on: so many polls are pending, so many slow_down, then the
        outcome: approve, decline, expire, bad_code, or wait (for devices.decide())."""
        self.devices.plan(pending, slow_down, then)
        self.devices.interval = self.devices.interval if interval is None else interval
        self.devices.seconds = self.devices.seconds if seconds is None else seconds

    def browse(self, url, deny=False, **how):
        """The user opens the authorize address, signs in and agrees (or not): browser.browse() says the rest."""
        if deny:
            self.fail(65004, where="authorize")
        return browser.browse(url, browser.trusting(self._cert), **how)

    # --- what goes wrong ---

    def fail(self, code=None, times=1, where="token", grant=None, **words):
        """An AADSTS code for the next requests (times=None: for all). words: detail, error, text, status."""
        return self.faults.add("error", times, where, grant, False, {"code": code, **words})

    def fault(self, name, times=1, where="token", grant=None, issued=False, **options):
        """One of faults.NAMES, for the next requests of an endpoint (and of one kind of grant)."""
        return self.faults.add(name, times, where, grant, issued, options)

    def pause(self, point, times=1, where="token", grant=None, after=0):
        """Holds the next request at one of faults.POINTS; after: bytes, for "in answer"."""
        return self.at(point, Pause(), times, where, grant, after)

    def at(self, point, call, times=1, where="token", grant=None, after=0):
        """call(visit) when a request comes to the point, in its thread. Returns call."""
        return self.faults.hook(point, call, times, where, grant, after)

    def present(self, cert=None, key=None):
        """Another certificate for connections from now on; without one, its own again."""
        self._listener.present(cert or self._cert, key or self._key)

    def down(self):
        """Nothing listens, every connection breaks; whoever is held goes on, to find that out."""
        self.faults.release()
        self._listener.stop()

    def up(self):
        """The same port again."""
        self._listener.start()

    def reset(self):
        """No faults, no hooks, no visits; settings, grants and tokens stay."""
        self.faults.clear()
        self.visits.clear()
        self.devices.violations.clear()

    @property
    def handshakes_failed(self):
        """Connections that ended within TLS: clients that did not like the certificate."""
        return self._listener.handshakes_failed

    @property
    def connections(self):
        """How many there have been."""
        return self._listener.connections

    # --- in a connection's thread ---

    def who(self):
        if self.user is None:
            raise RuntimeError("the test has not said which user signs in")
        return self.user

    def _accept(self):
        self.faults.reach("connected", None)
        return not self.faults.take(None)

    def _serve(self, handler):
        path, _, query = handler.path.partition("?")
        family, tenant, where = route(path)
        visit = self.visits.begin(handler.command, path, where)
        visit.family, visit.tenant = family, tenant
        visit.headers = {name.lower(): value for name, value in handler.headers.items()}
        try:
            self.faults.reach("before reading", visit)
            request = Request(visit, query, handler.body())
            self.visits.told()
            self.faults.reach("before issuing", visit)
            answer = self._answer(visit, request)
            self.faults.reach("after issuing", visit)
            goes_on = transmit(handler.connection, answer, visit, self.faults.marks("in answer", visit),
                               lambda: self.visits.leave(visit), self._listener.stopping)
            return goes_on and not handler.close_connection
        except OSError:
            visit.gone = True
            raise
        finally:
            self.visits.end(visit)

    def _answer(self, visit, request):
        fault = self.faults.take(visit)
        forced = fault.refusal() if fault else None
        if fault and not forced:
            return fault.answer(self)
        answer = respond(self, visit, request, forced)
        late = self.faults.take(visit, late=True) if answer.status < 400 else None
        return late.spoil(self, answer) if late else answer


class Elsewhere:
    """An https address that no client has any business at: where the redirect fault points. Its
    `requests` are (method, path, body)."""

    def __init__(self, cert, key, host):
        self.listener = Listener(cert, key, self._serve, host=host)
        self.requests = []

    @property
    def url(self):
        return self.listener.url

    @property
    def connections(self):
        return self.listener.connections

    def _serve(self, handler):
        self.requests.append((handler.command, handler.path, handler.body()))
        answer = Answer.page(200, "Elsewhere")
        handler.connection.sendall(answer.head() + answer.body)
        return False
