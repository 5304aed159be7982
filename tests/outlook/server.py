"""The service as a whole: a listener with TLS, its switches, its token book, its transcript.

Outlook runs on an event loop in a thread of its own, so that a test in the same process can turn
switches while clients are connected. All public methods may be called from any thread.
"""
import asyncio
import contextlib
import socket
import ssl
import threading

from .dialogue import Dialogue
from .elsewhere import Elsewhere
from .hooks import Hooks
from .session import Session
from .switches import Switches
from .tokens import TokenBook
from .transcript import Transcript


class Outlook:
    def __init__(self, backend, cert=None, key=None, backend_password="correct-horse", host="127.0.0.1",
                 port=0, switches=None):
        """backend: (host, port) of a plain IMAP server; without cert the front is plain too."""
        self.backend, self.backend_password = tuple(backend), backend_password
        self.host, self.port = host, port
        self.switches = Switches(**(switches or {}))
        self.tokens, self.transcript, self.hooks = TokenBook(), Transcript(), Hooks()
        self._context = None
        if cert:
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._context.minimum_version = ssl.TLSVersion.TLSv1_2
            self._context.load_cert_chain(cert, key)
        self._sessions, self._tasks, self._numbers = {}, set(), 0
        self._listener = self._loop = self._thread = None

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()

    # --- for tests ---

    def set(self, **switches):
        self.switches.set(**switches)

    def reset(self):
        """Every switch at its default, the transcript empty, no hooks; tokens stay."""
        self.switches.reset()
        self.transcript.clear()
        self.hooks.clear()

    def before(self, place, action, *values):
        """A hook (hooks.py) before a command is carried out. place: VERB[#K][*TIMES], once by default."""
        return self.hooks.add("before", place, action, *values)

    def after(self, place, action, *values):
        """The same between the carrying out and the first byte of the answer."""
        return self.hooks.add("after", place, action, *values)

    def elsewhere(self, user):
        """Another client of this user's account, past the emulation (elsewhere.py); close it."""
        return Elsewhere(self.backend, user, self.backend_password,
                         lambda mailbox: self._call(self._displace(user, mailbox)))

    @contextlib.contextmanager
    def measured(self):
        """What goes on within is a Dialogue (dialogue.py), whose bytes can be counted and cut."""
        dialogue = Dialogue(self.transcript)
        yield dialogue
        dialogue.end()

    def down(self):
        """No network: nothing listens, every connection breaks."""
        self._call(self._down())

    def up(self):
        """The same port again."""
        self._call(self._listen())

    def drop(self):
        """Breaks every connection; new ones are welcome."""
        self._call(self._drop())

    def connections(self):
        """How many clients are connected now."""
        return len(self._sessions)

    # --- life ---

    def start(self):
        ready = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(ready,), name="outlook", daemon=True)
        self._thread.start()
        if not ready.wait(10):
            raise RuntimeError("the emulation did not start")
        self.up()
        return self

    def stop(self):
        if self._thread and self._thread.is_alive():
            self.down()
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(10)
        self._thread = None

    def _run(self, ready):
        self._loop = asyncio.new_event_loop()
        asyncio.set_event_loop(self._loop)
        self._loop.set_exception_handler(lambda *_: None)  # broken connections are what it is for
        self._loop.call_soon(ready.set)
        self._loop.run_forever()
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()

    def _call(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(15)

    # --- on the loop ---

    async def _listen(self):
        if self._listener:
            return
        # asyncio turns Nagle off only where the protocol is named
        listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((self.host, self.port))
        self._listener = await asyncio.start_server(self._accept, sock=listening, ssl=self._context,
                                                    limit=1 << 20, backlog=256)
        self.port = listening.getsockname()[1]

    async def _down(self):
        if self._listener:
            self._listener.close()
            self._listener = None
        await self._drop()

    async def _drop(self):
        tasks = list(self._tasks)
        for session in list(self._sessions.values()):
            session.writer.transport.abort()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _displace(self, user, mailbox):
        for session in self._sessions.values():
            if session.user == user and (session.mailbox or "").lower() == mailbox.lower():
                session.displaced = True

    async def _accept(self, reader, writer):
        if not self._listener:  # the network went while TLS was being set up
            writer.transport.abort()
            return
        self._numbers += 1
        session = Session(self, self._numbers, reader, writer)
        self._sessions[session.number] = session
        self._tasks.add(asyncio.current_task())
        try:
            await session.run()
        finally:
            self._sessions.pop(session.number, None)
            self._tasks.discard(asyncio.current_task())

    # --- for sessions ---

    def too_many(self, user):
        cap = self.switches.connection_cap
        held = sum(1 for s in self._sessions.values() if s.user == user and not s.useless)
        return cap is not None and held >= cap

    def signed_in(self, session):
        """A hook for tests that want to know of sign-ins."""
