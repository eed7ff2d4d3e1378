"""Accounts, sessions, guessing, and device tokens."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import bcrypt
import pytest
from argon2 import extract_parameters

from gateway.registry import ConflictError, NotFoundError, RegistryError, bindings, org, passwords, residents
from gateway.registry.accounts import IDLE_S, LONGEST_S, Accounts, SignInRefused
from gateway.registry.attempts import FREE_PAIR, FREE_WIDE, TooManyAttempts
from gateway.registry.credentials import DeviceTokens
from gateway.registry.passwords import Busy, Hasher, check_strength, one_time
from gateway.vocabulary import Actor, Role
from tests.support.fake_clock import FakeClock
from tests.support.registry_house import OPERATOR, House, house

ADMIN = Actor(id="U-admin", name="Admin", role=Role.ADMIN)
PASSWORD = "correct horse battery"


@pytest.fixture
def home(tmp_path: Path, clock: FakeClock) -> Iterator[House]:
    with house(tmp_path, clock) as found:
        yield found


@asynccontextmanager
async def people(home: House) -> AsyncIterator[Accounts]:
    accounts = Accounts(home.registry, home.db, home.clock, Hasher(memory_kib=64, time_cost=1))
    try:
        await accounts.create(ADMIN, login="Li", name="李静", role="caregiver", password=PASSWORD, site_ids=("site",), user_id="U-li")
        yield accounts
    finally:
        accounts.close()


async def test_sign_in_gives_a_session_whose_id_is_stored_hashed(home: House) -> None:
    async with people(home) as accounts:
        signed = await accounts.sign_in(" lI ", PASSWORD)
        session = await accounts.session(signed.token)
        assert session is not None
        assert (session.user.id, session.user.role, session.must_change) == ("U-li", "caregiver", True)
        assert session.form_token not in signed.token
        raw = (home.folder / "store.sqlite").read_bytes() + (home.folder / "store.sqlite-wal").read_bytes()
        assert signed.token.encode() not in raw
        assert PASSWORD.encode() not in raw
        assert hashlib.sha256(signed.token.encode()).digest() in raw
        await accounts.sign_out(signed.token)
        assert await accounts.session(signed.token) is None
        await accounts.sign_out(signed.token)


async def test_nobody_learns_which_accounts_exist(home: House, monkeypatch: pytest.MonkeyPatch) -> None:
    async with people(home) as accounts:
        await accounts.change(ADMIN, "U-li", status="disabled")
        checked: list[bool] = []
        real = Hasher.verify_sync

        def counted(self: Hasher, hashed: str | None, secret: str) -> bool:
            checked.append(hashed is None)
            return real(self, hashed, secret)

        monkeypatch.setattr(Hasher, "verify_sync", counted)
        texts = set()
        for login, secret in (("li", PASSWORD), ("li", "wrong"), ("nobody", "wrong")):
            with pytest.raises(SignInRefused) as caught:
                await accounts.sign_in(login, secret, peer=f"10.0.0.{len(checked)}")
            texts.add(str(caught.value))
        assert len(texts) == 1
        assert checked == [False, False, True], "an unknown login costs a hash like any other"


async def test_guessing_waits_and_the_wait_grows_for_known_and_unknown_alike(home: House) -> None:
    async with people(home) as accounts:
        signed = await accounts.sign_in("li", PASSWORD, peer="10.0.0.1")
        for login in ("li", "nobody"):
            for _ in range(FREE_PAIR):
                with pytest.raises(SignInRefused):
                    await accounts.sign_in(login, "wrong", peer="10.0.0.1")
            with pytest.raises(TooManyAttempts) as caught:
                await accounts.sign_in(login, PASSWORD, peer="10.0.0.1")
            assert caught.value.retry_after_s == 30
        assert await accounts.session(signed.token) is not None, "who is signed in is not touched"
        other = await accounts.sign_in("li", PASSWORD, peer="10.0.0.2")
        assert other.session.user.id == "U-li", "a colleague elsewhere is not kept out"
        await home.clock.advance(29)
        with pytest.raises(TooManyAttempts):
            await accounts.sign_in("li", PASSWORD, peer="10.0.0.1")
        await home.clock.advance(2)
        with pytest.raises(SignInRefused):
            await accounts.sign_in("li", "wrong", peer="10.0.0.1")
        with pytest.raises(TooManyAttempts) as longer:
            await accounts.sign_in("li", PASSWORD, peer="10.0.0.1")
        assert longer.value.retry_after_s == 60
        await home.clock.advance(61)
        await accounts.sign_in("li", PASSWORD, peer="10.0.0.1")
        for _ in range(FREE_PAIR):
            with pytest.raises(SignInRefused):
                await accounts.sign_in("li", "wrong", peer="10.0.0.1")


async def test_guesses_made_at_the_same_time_count_as_well(home: House) -> None:
    async with people(home) as accounts:
        tries = [accounts.sign_in("li", f"wrong{number}", peer="10.0.0.1") for number in range(20)]
        results = await asyncio.gather(*tries, return_exceptions=True)
        assert sum(isinstance(result, SignInRefused) for result in results) == FREE_PAIR
        assert sum(isinstance(result, TooManyAttempts) for result in results) == 20 - FREE_PAIR


async def test_many_logins_from_one_address_and_many_addresses_for_one_login(home: House) -> None:
    async with people(home) as accounts:
        for number in range(FREE_WIDE):
            with pytest.raises(SignInRefused):
                await accounts.sign_in(f"name{number}", "wrong", peer="10.0.0.1")
        with pytest.raises(TooManyAttempts):
            await accounts.sign_in("li", PASSWORD, peer="10.0.0.1")
        for number in range(FREE_WIDE):
            with pytest.raises(SignInRefused):
                await accounts.sign_in("li", "wrong", peer=f"10.0.1.{number}")
        with pytest.raises(TooManyAttempts) as caught:
            await accounts.sign_in("li", PASSWORD, peer="10.0.0.2")
        assert caught.value.retry_after_s <= 60


async def test_sessions_end_when_idle_and_at_the_latest_after_a_while(home: House) -> None:
    async with people(home) as accounts:
        await accounts.create(ADMIN, login="chen", name="陈医生", role="clinician", password=PASSWORD, user_id="U-chen")
        idle = IDLE_S[Role.CLINICIAN]
        signed = await accounts.sign_in("chen", PASSWORD)
        await home.clock.advance(idle - 1)
        assert await accounts.session(signed.token, touch=False) is not None
        await home.clock.advance(1)
        assert await accounts.session(signed.token) is None
        signed = await accounts.sign_in("chen", PASSWORD)
        for _ in range(LONGEST_S[Role.CLINICIAN] // (idle - 10)):
            await home.clock.advance(idle - 10)
            assert await accounts.session(signed.token) is not None
        await home.clock.advance(idle - 10)
        assert await accounts.session(signed.token) is None


async def test_a_session_gets_a_new_id_at_sign_in_and_the_former_one_ends(home: House) -> None:
    async with people(home) as accounts:
        first = await accounts.sign_in("li", PASSWORD)
        second = await accounts.sign_in("li", PASSWORD, former_token=first.token)
        assert first.token != second.token
        assert await accounts.session(first.token) is None
        assert await accounts.session(second.token) is not None


async def test_a_change_of_role_reach_or_status_ends_sessions_at_once(home: House) -> None:
    async with people(home) as accounts:
        for change in ({"role": "operator"}, {"site_ids": ("*",)}, {"status": "disabled"}):
            await accounts.change(ADMIN, "U-li", role="caregiver", site_ids=("site",), status="active")
            signed = await accounts.sign_in("li", PASSWORD)
            await accounts.change(ADMIN, "U-li", name="李静静")
            assert await accounts.session(signed.token) is not None
            await accounts.change(ADMIN, "U-li", **change)
            assert await accounts.session(signed.token) is None
            with pytest.raises(RegistryError):
                await accounts.change(ADMIN, "U-li", site_ids=("nowhere",))


async def test_passwords_are_changed_and_reset(home: House) -> None:
    async with people(home) as accounts:
        here, there = await accounts.sign_in("li", PASSWORD), await accounts.sign_in("li", PASSWORD)
        actor = Actor(id="U-li", role=Role.CAREGIVER)
        with pytest.raises(RegistryError, match="old password"):
            await accounts.change_password(actor, here.token, "wrong", "another good one")
        with pytest.raises(RegistryError, match="8 characters"):
            await accounts.change_password(actor, here.token, PASSWORD, "12345678")
        await accounts.change_password(actor, here.token, PASSWORD, "another good one")
        session = await accounts.session(here.token)
        assert session is not None
        assert not session.must_change
        assert await accounts.session(there.token) is None
        with pytest.raises(SignInRefused):
            await accounts.sign_in("li", PASSWORD, peer="a")
        once = await accounts.reset_password(ADMIN, "U-li")
        assert await accounts.session(here.token) is None
        assert (await accounts.sign_in("li", once, peer="b")).session.must_change


async def test_accounts_survive_a_restart_and_logins_are_unique(home: House) -> None:
    async with people(home) as accounts:
        with pytest.raises(ConflictError, match="taken"):
            await accounts.create(ADMIN, login="LI", name="Other", role="caregiver")
        with pytest.raises(RegistryError):
            await accounts.create(ADMIN, login="x", name="X", role="emperor")
        _, once = await accounts.create(ADMIN, login="zhao", name="赵磊", role="caregiver", must_change=False)
        signed = await accounts.sign_in("zhao", once)
    await asyncio.to_thread(home.reopen)
    later = Accounts(home.registry, home.db, home.clock, Hasher(memory_kib=64, time_cost=1))
    session = await later.session(signed.token)
    assert session is not None
    assert session.user.name == "赵磊"
    later.close()


async def test_no_secret_is_in_the_events(home: House) -> None:
    async with people(home) as accounts:
        await accounts.reset_password(ADMIN, "U-li")
    kinds = {row.kind: row.body for row in home.events.read_sync(0, kinds_prefix="user.")}
    assert set(kinds) == {"user.set", "user.password_set"}
    assert not any("hash" in key or "password" in key for body in kinds.values() for key in body)


async def test_hashing_is_bounded(home: House) -> None:
    hasher = Hasher(memory_kib=64, time_cost=1)
    tries = [hasher.verify(None, "x") for _ in range(passwords.WAITING_LIMIT + 5)]
    results = await asyncio.gather(*tries, return_exceptions=True)
    assert sum(isinstance(result, Busy) for result in results) == 5
    assert not any(result is True for result in results)
    hasher.close()


def test_the_parameters_of_argon2id_and_what_is_too_weak() -> None:
    hasher = Hasher()
    found = extract_parameters(hasher.hash_sync("x"))
    assert (found.type.name, found.memory_cost, found.time_cost, found.parallelism) == ("ID", 19456, 2, 1)
    assert hasher.verify_sync("no hash at all", "x") is False
    hasher.close()
    for weak in ("short", "password", "aaaaaaaaa", "li12345678", "x" * 200):
        with pytest.raises(RegistryError):
            check_strength(weak, "li")
    check_strength("一个够长的好密码", "li")
    assert len({one_time() for _ in range(100)}) == 100


async def test_device_tokens(home: House) -> None:
    tokens = DeviceTokens(home.registry, home.db)
    with pytest.raises(NotFoundError):
        await tokens.issue(OPERATOR, "watch1")
    for name in ("watch1", "watch2"):
        await home.registry.do(OPERATOR, bindings.set_device, name)
    first, second = await tokens.issue(OPERATOR, "watch1"), await tokens.issue(OPERATOR, "watch2")
    assert tokens.verify("watch1", first)
    assert not tokens.verify("watch2", first), "a stolen token opens its own device only"
    assert not tokens.verify("watch1", "")
    assert not tokens.verify("nobody", first)
    (name, hashed), _ = tokens.mqtt_users()
    assert name == "watch1"
    assert bcrypt.checkpw(first.encode(), hashed.encode())
    assert hashed.split("$")[2] == "05"
    again = await tokens.issue(OPERATOR, "watch1")
    assert not tokens.verify("watch1", first)
    assert tokens.verify("watch1", again)
    await home.registry.do(OPERATOR, bindings.retire_device, "watch1")
    assert not tokens.verify("watch1", again)
    assert [user for user, _ in tokens.mqtt_users()] == ["watch2"]
    await tokens.revoke(OPERATOR, "watch2")
    assert not tokens.verify("watch2", second)
    assert tokens.mqtt_users() == []


async def test_a_reach_given_by_code_is_kept_by_id(home: House) -> None:
    home.registry.do_sync(OPERATOR, org.set_site, name="春晖", code="S1", site_id="site-1")
    home.registry.do_sync(OPERATOR, residents.admit, name="王淑华", code="R01", site="S1", resident_id="person-1")
    async with people(home) as accounts:
        user, _ = await accounts.create(ADMIN, login="kin", name="Kin", role="family", site_ids=("S1",), resident_ids=("R01",))
        assert (user.site_ids, user.resident_ids) == (("site-1",), ("person-1",))
        assert home.registry.view.users[user.id].site_ids == ("site-1",)
