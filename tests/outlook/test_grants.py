"""The book of grants and the device codes, by a clock of the test's own: no server, no waiting."""
import pytest

from tests.outlook import TokenBook

from .aadsts import Refused
from .devices import DeviceBook
from .grants import GrantBook

SCOPE = {"imap", "offline_access"}
VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"        # RFC 7636 appendix B
CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def tokens():
    return TokenBook()


@pytest.fixture
def book(tokens, clock):
    return GrantBook(tokens, clock)


@pytest.fixture
def devices(book, clock):
    return DeviceBook(book, clock)


def refusal(call, *arguments):
    with pytest.raises(Refused) as caught:
        call(*arguments)
    return caught.value.code or caught.value.error


# --- codes and PKCE ---

def code_of(book):
    return book.issue_code("joe", "app", "http://localhost:1", SCOPE, CHALLENGE)


def test_a_code_gives_one_pair(book, tokens):
    code = code_of(book)
    pair = book.redeem_code(code, "app", "http://localhost:1", VERIFIER)
    assert tokens.user_of(pair.access) == "joe" and book.usable(pair.refresh)
    assert refusal(book.redeem_code, code, "app", "http://localhost:1", VERIFIER) == 54005


@pytest.mark.parametrize("client, redirect, verifier, code", [
    ("app", "http://localhost:1", VERIFIER[:-1] + "j", 501481), ("app", "http://localhost:1", "", 501481),
    ("app", "http://localhost:1", "short", 501481), ("app", "http://localhost:1/", VERIFIER, 50011),
    ("app", "http://localhost:2", VERIFIER, 50011), ("other", "http://localhost:1", VERIFIER, 70000)])
def test_a_code_is_bound_to_its_request(book, client, redirect, verifier, code):
    value = code_of(book)
    assert refusal(book.redeem_code, value, client, redirect, verifier) == code
    assert book.redeem_code(value, "app", "http://localhost:1", VERIFIER)


def test_a_verifier_without_a_challenge_is_refused(book):
    code = book.issue_code("joe", "app", "r", SCOPE, "")
    assert refusal(book.redeem_code, code, "app", "r", VERIFIER) == 501481
    assert book.redeem_code(code, "app", "r", "")


def test_codes_live_shortly(book, clock):
    code = code_of(book)
    clock.now += 60
    assert refusal(book.redeem_code, code, "app", "http://localhost:1", VERIFIER) == 70008
    assert refusal(book.redeem_code, "made up", "app", "http://localhost:1", VERIFIER) == 70000


# --- rotation ---

@pytest.fixture
def first(book):
    return book.issue("joe", "app", SCOPE)


def test_every_use_gives_a_new_pair(book, first):
    second = book.refresh(first.refresh, "app")
    third = book.refresh(second.refresh, "app")
    assert len({first.refresh, second.refresh, third.refresh, first.access, second.access, third.access}) == 6
    assert book.usable(third.refresh) and third.scope == SCOPE and third.user == "joe"


def test_the_old_token_is_good_until_the_new_one_is_used(book, tokens, first):
    lost = book.refresh(first.refresh, "app")
    assert book.usable(first.refresh) and book.usable(lost.refresh)
    second = book.refresh(first.refresh, "app")  # the answer had been lost
    assert not book.usable(lost.refresh) and tokens.user_of(lost.access) is None
    assert tokens.user_of(second.access) == "joe" and book.usable(first.refresh)
    assert book.reused == 0
    book.refresh(second.refresh, "app")
    assert not book.usable(first.refresh) and book.usable(second.refresh)
    assert refusal(book.refresh, first.refresh, "app") == 70000
    assert refusal(book.refresh, lost.refresh, "app") == 70000
    assert book.reused == 2


def test_the_old_token_is_good_until_the_new_access_token_is_used(book, tokens, first):
    second = book.refresh(first.refresh, "app")
    assert tokens.use(first.access) == "joe" and tokens.user_of(second.access) == "joe"
    assert book.usable(first.refresh)  # neither the old access token nor a look at the new one counts
    assert tokens.use(second.access) == "joe"
    assert not book.usable(first.refresh) and book.usable(second.refresh)
    assert refusal(book.refresh, first.refresh, "app") == 70000 and book.reused == 1


def test_a_replaced_access_token_says_nothing(book, first):
    lost = book.refresh(first.refresh, "app")
    second = book.refresh(first.refresh, "app")
    book.access_used(lost.access)
    assert book.usable(first.refresh) and book.usable(second.refresh)


def test_scopes_are_those_first_granted(book, first):
    assert refusal(book.refresh, first.refresh, "app", SCOPE | {"more"}) == 70000
    assert book.usable(first.refresh) and book.refresh(first.refresh, "app", {"imap"}).scope == SCOPE


def test_a_refresh_token_belongs_to_its_client(book, first):
    assert refusal(book.refresh, first.refresh, "other") == 70000
    assert refusal(book.refresh, "made up", "app") == 70000 and book.reused == 0


@pytest.mark.parametrize("code", [70008, 700082])
def test_revoked(book, tokens, first, code):
    jane = book.issue("jane", "app", SCOPE)
    book.revoke("joe", code)
    assert refusal(book.refresh, first.refresh, "app") == code and not book.usable(first.refresh)
    assert book.refresh(jane.refresh, "app") and book.reused == 0
    assert tokens.user_of(first.access) == "joe"  # as with the real service


def test_refresh_tokens_expire(book, clock):
    book.refresh_lifetime = 90
    first = book.issue("joe", "app", SCOPE)
    clock.now += 89
    second = book.refresh(first.refresh, "app")
    clock.now += 1
    assert refusal(book.refresh, first.refresh, "app") == 700082 and book.usable(second.refresh)


def test_sizes_and_secrecy(book):
    book.access_bytes = 2048
    pair = book.issue("joe", "app", SCOPE)
    assert len(pair.access) == 2048 and pair.access not in repr(pair) and pair.refresh not in repr(pair)


# --- device codes ---

def poll(devices, clock, code, seconds=5.0):
    clock.now += seconds
    return refusal(devices.poll, code, "app", "joe")


def test_pending_slow_down_approve(devices, clock):
    devices.plan(pending=2, slow_down=1, then="approve")
    answer = devices.start("app", SCOPE)
    assert answer["interval"] == 5 and answer["expires_in"] == 900 and answer["user_code"] in answer["message"]
    code = answer["device_code"]
    assert [poll(devices, clock, code) for _ in range(3)] == [70016, 70016, "slow_down"]
    clock.now += 10
    assert devices.poll(code, "app", "joe").user == "joe" and devices.violations == []
    assert poll(devices, clock, code, 10) == 54005


@pytest.mark.parametrize("then, error", [("decline", "authorization_declined"), ("expire", 70020),
                                         ("bad_code", 70018), ("wait", 70016)])
def test_outcomes(devices, clock, then, error):
    devices.plan(pending=1, then=then)
    code = devices.start("app", SCOPE)["device_code"]
    assert [poll(devices, clock, code) for _ in range(3)] == [70016, error, error]


def test_decided_by_the_test(devices, clock):
    devices.plan(then="wait")
    code = devices.start("app", SCOPE)["device_code"]
    assert poll(devices, clock, code) == 70016
    devices.decide("approve")
    clock.now += 5
    assert devices.poll(code, "app", "joe").user == "joe"
    with pytest.raises(ValueError):
        devices.decide("maybe")


def test_device_codes_expire_and_belong_to_a_client(devices, clock):
    devices.plan(then="wait")
    devices.seconds = 12
    code = devices.start("app", SCOPE)["device_code"]
    assert refusal(devices.poll, code, "other", "joe") == 70018
    assert [poll(devices, clock, code) for _ in range(3)] == [70016, 70016, 70020]
    assert refusal(devices.poll, "made up", "app", "joe") == 70018


def test_polls_too_early_are_noted(devices, clock):
    devices.plan(pending=1, slow_down=1, then="wait")
    devices.interval = 1
    code = devices.start("app", SCOPE)["device_code"]
    for seconds in (0, 1, 1, 6, 5.95):  # the first may come at once
        poll(devices, clock, code, seconds)
    assert [(round(early.waited), early.interval) for early in devices.violations] == [(1, 6)]
    poll(devices, clock, code, 0.5)
    assert len(devices.violations) == 2
