"""Ways in beside the password: second factor, PIN on a phone of the house, displays, and a listener for some roles only."""

from __future__ import annotations

from pathlib import Path

import httpx
import pyotp

from gateway.api.app import ApiSettings, create_app
from gateway.registry import factors
from gateway.vocabulary import SYSTEM, Role
from tests.support.fake_clock import FakeClock
from tests.support.house import ORIGIN, PASSWORD, House, house

SIGN_IN = "/api/v1/session"


def code_of(secret: str, home: House, *, steps: int = 0) -> str:
    """What an authenticator shows now; pyotp's own arithmetic on the wall time."""
    return pyotp.TOTP(secret).at(home.clock.now_ns() // 1_000_000_000 + 30 * steps)


def later(home: House, seconds: float) -> None:
    """The wall clock goes on."""
    if not isinstance(home.clock, FakeClock):
        raise TypeError("the house of this test has a fake clock")
    home.clock.step_wall(seconds)


async def with_factor(home: House, login: str) -> str:
    async with home.signed_in(login) as client:
        begun = await client.post("/api/v1/me/second-factor", json={"password": PASSWORD})
        secret: str = begun.json()["secret"]
        assert begun.json()["uri"].startswith("otpauth://totp/Anxin:")
        assert begun.json()["svg"].startswith("<svg")
        wrong = await client.post("/api/v1/me/second-factor/confirm", json={"code": "000000"})
        assert (wrong.status_code, wrong.json()["code"]) == (422, "registry.second_factor.wrong")
        assert (await client.get("/api/v1/me/ways")).json()["second_factor"] is False
        right = await client.post("/api/v1/me/second-factor/confirm", json={"code": code_of(secret, home)})
        assert right.status_code == 200
        assert (await client.get("/api/v1/me/ways")).json()["second_factor"] is True
    return secret


def test_codes_are_those_of_the_standard() -> None:
    # RFC 6238, appendix B, SHA-1, the last six of eight digits; secret "12345678901234567890".
    secret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
    vectors = {59: "287082", 1111111109: "081804", 1111111111: "050471", 1234567890: "005924", 2000000000: "279037", 20000000000: "353130"}
    for t_s, digits in vectors.items():
        assert pyotp.TOTP(secret).generate_otp(t_s // factors.STEP_S) == digits


async def test_a_second_factor_is_asked_for_and_each_code_is_good_once(tmp_path: Path) -> None:
    async with house(tmp_path, clock=FakeClock()) as home:
        secret = await with_factor(home, "doctor")
        body = {"user": "doctor", "password": PASSWORD}
        async with home.client() as client:
            needed = await client.post(SIGN_IN, json=body)
            assert (needed.status_code, needed.json()["code"]) == (401, "session.code_needed")
            assert (await client.post(SIGN_IN, json={**body, "code": code_of(secret, home)})).status_code == 401, "spent when it was set up"
            later(home, 61)
            code = code_of(secret, home)
            assert (await client.post(SIGN_IN, json={**body, "code": code})).status_code == 200
            assert (await client.post(SIGN_IN, json={**body, "code": code})).status_code == 401, "a code that was seen over a shoulder"
            assert (await client.post(SIGN_IN, json={"user": "doctor", "password": "wrong", "code": code})).json()[
                "code"
            ] == "session.refused"
            later(home, 300)
            late = await client.post(SIGN_IN, json={**body, "code": code_of(secret, home, steps=-1)})
            assert late.status_code == 200, "a phone whose clock is half a minute late"
            assert (await client.post(SIGN_IN, json={**body, "code": code_of(secret, home, steps=-3)})).status_code == 401


async def test_whoever_lost_the_phone_is_helped_by_the_administrator_and_sessions_end(tmp_path: Path) -> None:
    async with house(tmp_path, clock=FakeClock()) as home:
        await with_factor(home, "doctor")
        doctor = "u-doctor"
        async with home.signed_in("carer") as client:
            assert (await client.post(f"/api/v1/users/{doctor}/second-factor/end")).status_code == 403
        async with home.signed_in("admin") as client:
            assert (await client.post(f"/api/v1/users/{doctor}/second-factor/end")).status_code == 200
            assert (await client.post("/api/v1/users/nobody/second-factor/end")).status_code == 404
        async with home.signed_in("doctor") as client:
            assert (await client.get("/api/v1/me")).status_code == 200


async def test_a_role_that_needs_a_factor_opens_nothing_before_it_has_one(tmp_path: Path) -> None:
    async with house(tmp_path, clock=FakeClock(), second_factor_roles=frozenset({Role.CLINICIAN})) as home:
        async with home.signed_in("doctor") as client:
            assert (await client.get("/api/v1/me")).json()["must_set_factor"] is True
            refused = await client.get("/api/v1/clinic")
            assert (refused.status_code, refused.json()["code"]) == (403, "second_factor.must_set")
            assert (await client.get("/m/alerts")).status_code == 403
        await with_factor(home, "doctor")
        async with home.signed_in("carer") as client:
            assert (await client.get("/api/v1/wall?site=care")).status_code == 200


async def phone_of_the_house(home: House, client: httpx.AsyncClient, kind: str = "phone") -> str:
    async with home.signed_in("operator") as desk:
        made = await desk.post("/api/v1/terminals", json={"kind": kind, "name": "三楼护理站", "site": "care"})
        assert made.status_code == 200
        code: str = made.json()["code"]
    wrong = await client.post("/api/v1/session/terminal", json={"code": "ABCD2345"})
    assert (wrong.status_code, wrong.json()["code"]) == (401, "terminal.code_refused")
    assert (await client.post("/api/v1/session/terminal", json={"code": f"{code[:4]}-{code[4:].lower()}"})).status_code == 200
    assert (await client.post("/api/v1/session/terminal", json={"code": code})).status_code == 401, "a code is good once"
    terminal: str = made.json()["terminal"]["id"]
    return terminal


async def test_a_pin_signs_in_on_a_phone_of_the_house_and_nowhere_else(tmp_path: Path) -> None:
    async with house(tmp_path, clock=FakeClock()) as home:
        carer = "u-carer"
        await home.accounts.change(SYSTEM, carer, staff_id="staff-li")
        async with home.signed_in("carer") as client:
            weak = await client.post("/api/v1/me/pin", json={"password": PASSWORD, "pin": "123456"})
            assert (weak.status_code, weak.json()["code"]) == (422, "pin.weak")
            assert (await client.post("/api/v1/me/pin", json={"password": "wrong one", "pin": "480293"})).status_code == 422
            assert (await client.post("/api/v1/me/pin", json={"password": PASSWORD, "pin": "480293"})).status_code == 200
        pin = {"user_id": carer, "pin": "480293"}
        async with home.client() as elsewhere:
            assert (await elsewhere.get("/api/v1/session/ways")).json() == {"terminal": None, "people": []}
            assert (await elsewhere.post("/api/v1/session/pin", json=pin)).status_code == 401
        async with home.client() as phone:
            terminal = await phone_of_the_house(home, phone)
            ways = (await phone.get("/api/v1/session/ways")).json()
            assert (ways["terminal"], [one["id"] for one in ways["people"]]) == ({"name": "三楼护理站"}, [carer])
            refused = await phone.post("/api/v1/session/pin", json={**pin, "pin": "480294"})
            assert (refused.status_code, refused.json()["code"]) == (401, "session.pin_refused")
            assert (await phone.post("/api/v1/session/pin", json=pin)).status_code == 200
            assert (await phone.get("/api/v1/wall?site=care")).status_code == 200
            async with home.signed_in("operator") as desk:
                listed = (await desk.get("/api/v1/terminals")).json()["terminals"]
                assert [(one["name"], one["used_ms"] is not None) for one in listed] == [("三楼护理站", True)]
                assert (await desk.post(f"/api/v1/terminals/{terminal}/revoke")).status_code == 200
                assert (await desk.post(f"/api/v1/terminals/{terminal}/revoke")).status_code == 409
            assert (await phone.get("/api/v1/me")).status_code == 401, "what was opened on a lost phone is over at once"
            assert (await phone.get("/api/v1/session/ways")).json()["terminal"] is None


async def test_guessing_a_pin_is_slowed_down(tmp_path: Path) -> None:
    async with house(tmp_path, clock=FakeClock()) as home:
        carer = "u-carer"
        await home.accounts.change(SYSTEM, carer, staff_id="staff-li")
        await home.commands.pins.give(SYSTEM, "staff-li", "480293")
        async with home.client() as phone:
            await phone_of_the_house(home, phone)
            answers = [
                (await phone.post("/api/v1/session/pin", json={"user_id": carer, "pin": f"77{n:04d}"})).status_code for n in range(12)
            ]
            assert answers.count(429) >= 6
            assert (await phone.post("/api/v1/session/pin", json={"user_id": carer, "pin": "480293"})).status_code == 429


async def test_a_display_shows_the_wall_and_can_do_nothing(tmp_path: Path) -> None:
    async with house(tmp_path, clock=FakeClock()) as home:
        alert = (await home.call("wang")).id
        async with home.client() as display:
            terminal = await phone_of_the_house(home, display, "display")
            me = (await display.get("/api/v1/me")).json()
            assert (me["role"], [site["id"] for site in me["sites"]]) == ("display", ["care"])
            wall = (await display.get("/api/v1/wall?site=care")).json()
            assert (
                [one["id"] for one in wall["alerts"]]
                == [alert]
                == [one["id"] for one in (await display.get("/api/v1/alerts")).json()["alerts"]]
            )
            for path in ("/api/v1/wall?site=far", "/api/v1/residents", f"/api/v1/alerts/{alert}", f"/api/v1/alerts/{alert}/dispatch"):
                assert (await display.get(path)).status_code in (403, 404), path
            assert (await display.post(f"/api/v1/alerts/{alert}/claim", json={})).status_code == 403
            later(home, 30 * 86_400)
            assert (await display.get("/api/v1/me")).status_code == 200, "a wall nobody touches goes on for months"
            async with home.signed_in("operator") as desk:
                assert (await desk.post(f"/api/v1/terminals/{terminal}/revoke")).status_code == 200
            assert (await display.get("/api/v1/me")).status_code == 401
        async with home.signed_in("admin") as client:
            assert (await client.post("/api/v1/users", json={"login": "x", "name": "x", "role": "display"})).status_code == 422


async def test_the_familys_listener_lets_nobody_else_in(tmp_path: Path) -> None:
    async with house(tmp_path, clock=FakeClock()) as home:
        settings = ApiSettings(public_url=ORIGIN, static_dir=tmp_path / "none", only=frozenset({Role.FAMILY}))
        app = create_app(home.query, home.commands, clock=home.clock, ops=home.ops, settings=settings)
        headers = {"Origin": ORIGIN}
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=ORIGIN, headers=headers) as outside:
            for login in ("carer", "doctor", "operator", "admin"):
                answer = await outside.post(SIGN_IN, json={"user": login, "password": PASSWORD})
                assert (answer.status_code, answer.json()["code"]) == (401, "session.refused"), login
            assert (await outside.post(SIGN_IN, json={"user": "son", "password": PASSWORD})).status_code == 200
            assert (await outside.get("/api/v1/me")).json()["role"] == "family"
            assert (await outside.post("/api/v1/ingest/band-wang", json={})).status_code == 404, "no device comes in here"
            async with home.signed_in("carer") as inside:
                token = {name: value for name, value in inside.cookies.items() if "session" in name}
            stolen = await outside.get("/api/v1/me", headers={"Cookie": "; ".join(f"{k}={v}" for k, v in token.items())})
            assert stolen.status_code == 401, "a carer's cookie opens nothing here"
            assert (await outside.get("/m/alerts", headers={"Cookie": "; ".join(f"{k}={v}" for k, v in token.items())})).status_code == 303
