"""All of the sample mail (generated, made by hand, 20 MB, and the whole real corpus where it is there), read by
each program through a mount whose sizes are wrong, cold each time: byte for byte what the server has."""
import contextlib
import itertools
import os

import pytest

from tests.data import generate, hard, real

from .support import mailboxes
from .support.servers import connect

SECONDS = 150  # one program over all of it
EACH = "find . -name '*.eml' -exec sh -c 'for f; do echo \"$({} | sha256sum | cut -c1-64) $f\"; done' _ {{}} +"
COPIED = " && cd \"$OUT\" && find . -name '*.eml' -exec sha256sum {} +"
PROGRAMS = {
    "cat": EACH.format("cat \"$f\""),
    "rg": EACH.format("rg --mmap -aN --no-config --no-filename --encoding none \"\" \"$f\""),
    "cp": "cp -r . \"$OUT\"" + COPIED,
    "tar": "tar cf - . | tar xf - -C \"$OUT\"" + COPIED,
    "rsync": "rsync -a ./ \"$OUT/\"" + COPIED,
}


@pytest.fixture(scope="module")
def corpus(dovecot):
    """One account with all of it, for the whole module: (user, {mailbox: {uid: Held}}, flags)."""
    user = f"corpus-{os.getpid()}@example.org"
    client = connect(dovecot, user)
    mails = itertools.chain(generate.messages(300), hard.messages(), [hard.big_attachment()],
                            real.messages(mailbox="Real") if real.available() else [])
    mailboxes.load(client, mails)
    yield user, mailboxes.truth(client), mailboxes.flags(client)
    with contextlib.suppress(OSError, client.error):
        client.logout()


@pytest.fixture
def user(corpus):
    return corpus[0]


def hashes(mount, how, out):
    """{path: SHA-256} of every message as the program `how` sees it."""
    if how in ("read", "mmap"):
        return {path: entry.get("sha256") for path, entry in mount.reader(how, seconds=SECONDS).items()}
    answer = mount.run("sh", "-c", PROGRAMS[how], env={"OUT": str(out)}, seconds=SECONDS)
    assert answer.returncode == 0, answer.stderr[-2000:]
    return {line[64:].lstrip(" *").removeprefix("./"): line[:64] for line in answer.stdout.decode().splitlines()}


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.parametrize("skew", ["+777", "-333"])
@pytest.mark.parametrize("how", [*PROGRAMS, "read", "mmap"])
def test_all_of_it(corpus, server, mounted, outlook, outlook_options, tmp_path, how, skew):
    _, held, flags = corpus
    outlook.set(size_skew=skew)
    with mounted(outlook_options) as mount:
        got = hashes(mount, how, tmp_path)
        files = mount.files()
    right = {path: held[mailbox][uid] for (mailbox, uid), path in files.items()}
    assert len(right) == sum(map(len, held.values()))
    if how == "rg":  # it ends the last line of a message that has no end of line there
        right = {path: entry for path, entry in right.items() if entry.ends_line}
    wrong = [path for path, entry in right.items() if got.get(path) != entry.sha256]
    assert not wrong, (len(wrong), wrong[:5])
    assert mailboxes.flags(server) == flags
