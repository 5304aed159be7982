"""The bare client, bench_bare: what the link and the server take."""
import json
import os

from .commands import expect, run


def fetch(stage, port, user, bodies=False, wanted=None):
    """Seconds to sign in and list, and, with `bodies`, to fetch all of them as well."""
    command = [stage.program("bench_bare"), "-c", stage.dovecot.ca, *(["-b"] if bodies else []), "127.0.0.1", port,
               user]
    _, out = run(command, env={**os.environ, "BENCH_PASSWORD": stage.dovecot.password})
    found = json.loads(out)
    expect(found["messages"], found["exists"] if wanted is None else wanted, "the bare client, messages")
    return found["list_s"] + found["bodies_s"]
