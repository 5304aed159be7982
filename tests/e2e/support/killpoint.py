"""Kills a program at its n-th system call after a file was opened: a crash at a place of the test's choice.

    python3 -m tests.e2e.support.killpoint FROM TO N COMMAND...

counts the calls of the thread that opens a file whose name ends in FROM, from then on until any process of the
program opens one that ends in TO. N > 0: SIGKILL at the N-th of them, before the call is made. N = 0: only counts, then kills. Prints
JSON: {"calls": counted, "killed": N was reached}. A process of its own, since it waits for any child; all that
it started is dead when it ends (PTRACE_O_EXITKILL).

    python3 -m tests.e2e.support.killpoint --attach PID N

does it to a program that runs already, at a moment of the test's choice: it prints "ready" once every thread
is held on to, counts the calls of all of them from then on but those that only wait (WAITS), and kills the
program at the N-th. N = 0: counts until SIGTERM, and lets go. The same JSON at the end.
"""
import contextlib
import ctypes
import json
import os
import signal
import sys

TRACEME, CONT, SETOPTIONS, SYSCALL, GETREGS = 0, 7, 0x4200, 24, 12
OPTIONS = 0x1 | 0x2 | 0x4 | 0x8 | 0x10 | 0x100000  # syscall mark, fork, vfork, clone, exec, exit kills
WALL = 0x40000000
SEIZE, INTERRUPT = 0x4206, 0x4207
SEIZED = 0x1 | 0x8  # syscall mark, clone; a tracer that ends lets go
# What threads do while nothing happens: futex, poll, epoll_wait, clocks and their like.
WAITS = {7, 23, 35, 202, 228, 230, 232, 271, 281, 441}
OPENAT, RDI, RSI, ORIG_RAX, RAX = 257, 14, 13, 15, 10
SYSCALL_STOP = signal.SIGTRAP | 0x80

libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
libc.ptrace.restype = ctypes.c_long


def ptrace(request, pid, data=None):
    if libc.ptrace(request, pid, None, data) < 0 and ctypes.get_errno() != 3:  # ESRCH: it is gone
        raise OSError(ctypes.get_errno(), f"ptrace {request}")


def registers(tid):
    block = (ctypes.c_ulonglong * 27)()
    ptrace(GETREGS, tid, ctypes.byref(block))
    return block


def text_at(tid, address):
    try:
        with open(f"/proc/{tid}/mem", "rb") as memory:
            memory.seek(address)
            return memory.read(4096 - address % 4096 + 256).split(b"\0")[0].decode(errors="replace")
    except (OSError, ValueError, OverflowError):
        return ""


def start(command):
    pid = os.fork()
    if pid == 0:
        libc.ptrace(TRACEME, 0, None, None)
        os.execvp(command[0], command)
    os.waitpid(pid, 0)
    ptrace(SETOPTIONS, pid, OPTIONS)
    ptrace(SYSCALL, pid)
    return pid


class Tracer:
    def __init__(self, begin, end, wanted):
        self.begin, self.end, self.wanted = begin, end, wanted
        self.inside = set()  # threads that are within a call
        self.thread, self.calls = None, 0

    def entered(self, tid):
        """At the start of a call; True: this is the place."""
        block = registers(tid)
        opened = text_at(tid, block[RSI]) if block[ORIG_RAX] == OPENAT else ""
        if self.thread is None and opened.endswith(self.begin):
            self.thread = tid
        if opened.endswith(self.end):
            return True
        if tid != self.thread:
            return False
        self.calls += 1
        return self.calls == self.wanted

    def stopped(self, tid, number):
        if number == SYSCALL_STOP:
            first = tid not in self.inside
            self.inside.symmetric_difference_update({tid})
            return first and self.entered(tid)
        return False

    def run(self, command):
        pid = start(command)
        while True:
            tid, status = os.waitpid(-1, WALL)
            if not os.WIFSTOPPED(status):
                if tid == pid:
                    return False
                continue
            number = os.WSTOPSIG(status)
            if self.stopped(tid, number):
                os.kill(pid, signal.SIGKILL)
                return self.calls == self.wanted
            event = number in (SYSCALL_STOP, signal.SIGTRAP, signal.SIGSTOP)
            ptrace(SYSCALL, tid, None if event else number)


class Attached:
    """The threads of a program that this one did not start."""

    def __init__(self, pid, wanted):
        self.pid, self.wanted, self.calls, self.killed = pid, wanted, 0, False
        self.inside, self.known = set(), set()

    def attach(self):
        """Until no thread is left that is not held; a thread's clones are held by themselves."""
        while new := {int(tid) for tid in os.listdir(f"/proc/{self.pid}/task")} - self.known:
            for tid in new:
                self.known.add(tid)
                ptrace(SEIZE, tid, SEIZED)
                ptrace(INTERRUPT, tid)
                with contextlib.suppress(ChildProcessError):  # it ended before it was held
                    os.waitpid(tid, WALL)
                    ptrace(SYSCALL, tid)

    def entered(self, tid):
        """At the start of a call; True: this is the place."""
        if registers(tid)[ORIG_RAX] in WAITS:
            return False
        self.calls += 1
        return self.calls == self.wanted

    def run(self):
        while not self.killed:
            try:
                tid, status = os.waitpid(-1, WALL)
            except ChildProcessError:
                return
            if not os.WIFSTOPPED(status):
                if tid == self.pid:
                    return
                continue
            number = os.WSTOPSIG(status)
            if number == SYSCALL_STOP:
                first = tid not in self.inside
                self.inside.symmetric_difference_update({tid})
                if first and self.entered(tid):
                    self.killed = True
                    os.kill(self.pid, signal.SIGKILL)
            event = number in (SYSCALL_STOP, signal.SIGTRAP, signal.SIGSTOP) or status >> 16
            ptrace(SYSCALL, tid, None if event else number)


class Enough(Exception):
    """SIGTERM: the operation is over."""


def attach(pid, wanted):
    tracer = Attached(pid, wanted)

    def enough(*_):
        raise Enough
    with contextlib.suppress(Enough):
        try:
            signal.signal(signal.SIGTERM, enough)
            tracer.attach()
            print("ready", flush=True)
            tracer.run()
        finally:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
    print(json.dumps({"calls": tracer.calls, "killed": tracer.killed}), flush=True)


def main():
    if sys.argv[1] == "--attach":
        return attach(int(sys.argv[2]), int(sys.argv[3]))
    begin, end, wanted, *command = sys.argv[1:]
    tracer = Tracer(begin, end, int(wanted))
    killed = tracer.run(command)
    print(json.dumps({"calls": tracer.calls, "killed": killed}))


if __name__ == "__main__":
    main()
