"""The last step before the wire: what the network does to the service's answers.

Everything that a connection sends goes through its Gate, which counts bytes and closes, falls silent
or dribbles where the switches say so.
"""
import asyncio
import time


class Closed(Exception):
    """This connection is over; nothing more is to be sent."""


class Gate:
    def __init__(self, switches, writer):
        self._switches, self._writer = switches, writer
        self._armed = {}  # switch name -> (its value then, bytes sent then)
        self._entry = None  # of the transcript, whose dialogue this is
        self.sent = 0
        self.muted = False

    def arm(self, command, whole):
        """A command's first line has come (whole: all of it): faults that wait for that count from here."""
        self._entry = command.entry
        for name in ("cut_at", "silence", "dribble"):
            fault = getattr(self._switches, name)
            known = self._armed.get(name)
            if fault and not fault.trigger.anywhere and not (known and known[0] is fault) \
                    and fault.in_answer == whole and command.meets(fault.trigger):
                self._armed[name] = (fault, self.sent)

    def disarm(self):
        """The command is answered."""
        self._armed = {name: armed for name, armed in self._armed.items() if not armed[0].in_answer}

    async def send(self, data):
        if not data:
            return
        if self.muted:
            return
        cut, left = self._left("cut_at", len(data))
        silent, quiet_after = self._left("silence", len(data))
        if silent and (not cut or quiet_after < left) and silent.trigger.take():
            self.mark("silence")
            await self._write(data[:quiet_after])
            self.muted = True
        elif cut and cut.trigger.take():
            self.mark("cut_at")
            await self._write(data[:left])
            await self.close(abrupt=True)
            raise Closed
        else:
            await self._write(data)

    def mark(self, switch):
        """The transcript shall tell what ended this dialogue."""
        if self._entry:
            self._entry.cut = switch

    def status(self, text):
        """What the tagged line says that is about to be sent."""
        if self._entry:
            self._entry.status, self._entry.answered = text.split(b" ", 1)[0].decode(), time.time()

    async def close(self, abrupt=False):
        """Ends the connection; abrupt: without TLS's goodbye, as a broken link does."""
        transport = self._writer.transport
        for _ in range(500):
            if not transport.get_write_buffer_size():
                break
            await asyncio.sleep(0.002)
        if abrupt:
            transport.abort()
        else:
            self._writer.close()

    def _left(self, name, size):
        """(fault, bytes that may still pass) when this fault strikes within the next size bytes."""
        fault = getattr(self._switches, name)
        if not fault:
            return None, 0
        base = 0
        if not fault.trigger.anywhere:
            known = self._armed.get(name)
            if not known or known[0] is not fault:
                return None, 0
            base = known[1]
        left = max(0, base + fault.number - self.sent)
        return (fault, left) if size >= left else (None, 0)

    async def _write(self, data):
        fault = self._switches.dribble
        armed = fault and (fault.trigger.anywhere or self._armed.get("dribble", (None,))[0] is fault)
        self.sent += len(data)
        if self._entry:
            self._entry.sent += len(data)
        try:
            if not armed:
                self._writer.write(data)
                await self._writer.drain()
                return
            for index in range(len(data)):
                self._writer.write(data[index:index + 1])
                await self._writer.drain()
                await asyncio.sleep(fault.number / 1000)
                if self._switches.dribble is not fault:  # switched off meanwhile: the rest at once
                    self._writer.write(data[index + 1:])
                    break
        except (ConnectionError, RuntimeError):
            raise Closed from None
