"""Fixtures of the end-to-end tests. Servers live as long as a test run's worker; users, homes and
mounts as long as one test, so that tests share nothing but a server that is up."""
import contextlib
import itertools
import os
import pathlib
import zlib

import pytest

from tests.outlook import SignIn

from .support import mailboxes
from .support.desk import QUICK_WAYS, WAYS, make_opener
from .support.mount import Home, Mount
from .support.servers import connect, make_token, outlook_dovecot, outlook_in_front

ROOT = pathlib.Path(__file__).resolve().parents[2]
_users = itertools.count(1)


def pytest_configure(config):
    config.addinivalue_line("markers", "long: minutes each, or measures time; run by scripts/test long alone")
    config.addinivalue_line("markers", "slow: takes long, or tests no program of a sanitizer; left out under sanitizers")


def pytest_collection_modifyitems(config, items):
    for item in items:
        if not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(180))
    if os.environ.get("ONE_SERVER"):
        nodes = {item.nodeid for item in items}
        left = {node for node in nodes if has_its_turn(node, nodes)}
        config.hook.pytest_deselected(items=[item for item in items if item.nodeid not in left])
        items[:] = [item for item in items if item.nodeid in left]


def has_its_turn(node, nodes):
    """Of a test that is there for both servers one, always the same; half of them are Dovecot's."""
    twins = sorted({node, node.replace("dovecot", "outlook"), node.replace("outlook", "dovecot")} & nodes)
    return len(twins) == 1 or node == twins[zlib.crc32(twins[0].encode()) % 2]


@pytest.fixture(scope="session")
def binary():
    path = pathlib.Path(os.environ.get("OUTLOOKFS_BINARY") or ROOT / "build/dev/cli/outlookfs")
    if not os.access(path, os.X_OK):
        pytest.fail(f"no program at {path}: build it (cmake --preset dev && cmake --build build/dev) "
                    "or set OUTLOOKFS_BINARY", pytrace=False)
    return path.resolve()


@pytest.fixture(scope="session")
def dovecot():
    with outlook_dovecot() as server:
        yield server


@pytest.fixture
def outlook(dovecot):
    with outlook_in_front(dovecot) as service:
        yield service


@pytest.fixture
def user():
    """A fresh account for each test."""
    return f"user{next(_users)}-{os.getpid()}@example.org"


@pytest.fixture
def server(dovecot, user):
    """A client of Dovecot itself, signed in as the test's user."""
    client = connect(dovecot, user)
    yield client
    with contextlib.suppress(OSError, client.error):
        client.logout()


@pytest.fixture
def load(server):
    """load(mails): puts (mailbox, date, flags, bytes) on the server."""
    return lambda mails: mailboxes.load(server, mails)


@pytest.fixture
def truth(server):
    """truth(): {shown mailbox: {uid: Held}} as the server has it now."""
    return lambda: mailboxes.truth(server)


@pytest.fixture
def home():
    place = Home()
    yield place
    place.close()


@pytest.fixture
def token(outlook, user):
    return outlook.tokens.add(make_token(user), user)


@pytest.fixture
def signin(dovecot, outlook, user):
    """The emulated sign-in service: the test's user signs in, and the tokens open the emulated mailbox."""
    with SignIn(dovecot.certificates.cert, dovecot.certificates.key, outlook.tokens) as service:
        service.user = user
        yield service


@pytest.fixture
def outlook_options(outlook, dovecot, user, home, token):
    """Mount options for the emulation."""
    return {"host": "localhost", "port": outlook.port, "cafile": dovecot.ca, "username": user, "auth": "xoauth2",
            "token_command": home.secret("token", token), "timeout": 5}


@pytest.fixture
def dovecot_options(dovecot, user, home):
    """Mount options for plain Dovecot: every capability, a password, TLS."""
    return {"host": "localhost", "port": dovecot.tls_port, "cafile": dovecot.ca, "username": user,
            "auth": "password", "password_command": home.secret("password", dovecot.password), "timeout": 5}


@pytest.fixture(params=["dovecot", "outlook"])
def options(request):
    """Both servers, one after the other."""
    return request.getfixturevalue(request.param + "_options")


@pytest.fixture
def mounted(binary, home):
    """with mounted(options, timeout=3) as mount: ... unmounts, and checks the exit code and the log."""

    @contextlib.contextmanager
    def mount(options, check=True, **more):
        running = Mount(binary, home, "test", {**options, **more})
        running.start()
        try:
            yield running
        except BaseException as error:
            error.add_note("log of the mount:\n" + running.log()[-6000:])
            running.kill()
            raise
        running.stop(check=check)

    return mount


@pytest.fixture
def desk(request, mounted, dovecot, server, user, home, load):
    """desk(mails, way="dovecot", **options): a mount to write to and the account behind it (support/desk.py)."""
    return make_opener(request, mounted, dovecot, server, user, home, load)


@pytest.fixture(params=["dovecot", "outlook"])
def way(request):
    """Both servers."""
    return request.param


@pytest.fixture(params=[name if name in QUICK_WAYS else pytest.param(name, marks=pytest.mark.slow) for name in WAYS])
def any_way(request):
    """Both, with capabilities taken away, and each way to commit."""
    return request.param
