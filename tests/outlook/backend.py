"""A session's own connection to the IMAP server behind: signed in as its user, one command at a time."""
import asyncio
import re

from .gate import Closed
from .wire import Splitter, render


class Backend:
    def __init__(self, reader, writer):
        self._reader, self._writer = reader, writer
        self._splitter = Splitter()

    @classmethod
    async def sign_in(cls, address, user, password):
        """A connection, or None when the password is not taken."""
        backend = cls(*await asyncio.open_connection(*address, limit=1 << 20))
        await backend.units()
        quoted = [re.sub(r'(["\\])', r"\\\1", text).encode() for text in (user, password)]
        backend.write(b'x LOGIN "%s" "%s"\r\n' % tuple(quoted))
        while True:
            for pieces in await backend.units():
                if pieces[0].startswith(b"x OK"):
                    return backend
                if pieces[0].startswith(b"x "):
                    backend.close()
                    return None

    def write(self, data):
        self._writer.write(data)

    def send(self, verb, pieces):
        """One command, tagged `x`; its literals do not wait."""
        text = b"x " + verb.encode() + (b" " + pieces[0] if pieces[0] else b"")
        self.write(render([text, *pieces[1:]], b"+"))

    async def units(self):
        """The next responses, at least one."""
        while True:
            data = await self._reader.read(1 << 18)
            if not data:
                raise Closed
            units = self._splitter.feed(data)
            if units:
                return units

    def close(self):
        self._writer.close()
