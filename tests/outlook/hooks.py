"""Hooks: what a test wants done just before a command is carried out, or between that and its answer.

The command waits while the hook's action runs in a thread of its own, so other connections go on and the
action may do whatever a test does: act on the account (moment.elsewhere), turn switches, drop connections.

    service.before("MOVE", lambda moment: moment.elsewhere.expunge("Inbox", 5))
    hook = service.after("APPEND#2", "recreate", "Sent")     # a method of Elsewhere by its name
    ...
    hook.wait()                                              # it has run; its own error is raised here
"""
import asyncio
import dataclasses
import threading

from .values import Trigger


@dataclasses.dataclass
class Moment:
    service: object
    user: str
    mailbox: str     # the selected one, as the client named it, or None
    verb: str
    arguments: str
    elsewhere: object  # Elsewhere, of this user


class Hook:
    def __init__(self, when, place, action, values):
        text = place.strip()
        # once, unless it says otherwise
        self.when, self.place, self.trigger = when, text, Trigger("@" + text + ("" if "*" in text else "*1"))
        self.left = self.trigger.times
        self.action = action if callable(action) else lambda moment: getattr(moment.elsewhere, action)(*values)
        self.error = None
        self._done = threading.Event()

    def wait(self, seconds=30):
        """Returns when it has run as often as it shall; raises what the action raised."""
        if not self._done.wait(seconds):
            raise TimeoutError(f"the hook {self.when} {self.place} did not run")
        if self.error:
            raise self.error

    def run(self, moment):
        try:
            self.action(moment)
        except BaseException as error:  # the test's own; it is raised in the test's thread
            self.error = self.error or error
        self.left -= 1
        if self.left <= 0:
            self._done.set()


class Hooks:
    def __init__(self):
        self._hooks = ()  # replaced whole, so that any thread may read it

    def add(self, when, place, action, *values):
        hook = Hook(when, place, action, values)
        self._hooks += (hook,)
        return hook

    def clear(self):
        self._hooks = ()

    def state(self):
        """For those who cannot wait(): what each hook still has to do and has met."""
        return [{"when": hook.when, "place": hook.place, "left": hook.left,
                 "error": str(hook.error) if hook.error else None} for hook in self._hooks]

    def waiting(self, when, session, command):
        """Whether run() would run one."""
        return bool(session.user) and any(hook.when == when and command.meets(hook.trigger) and hook.trigger.times > 0
                                          for hook in self._hooks)

    async def run(self, when, session, command):
        if not session.user:
            return
        for hook in self._hooks:
            if hook.when == when and command.meets(hook.trigger) and hook.trigger.take():
                await asyncio.to_thread(self._run, hook, session, command)

    @staticmethod
    def _run(hook, session, command):
        with session.service.elsewhere(session.user) as elsewhere:
            hook.run(Moment(session.service, session.user, session.mailbox, command.verb, command.entry.arguments,
                            elsewhere))
