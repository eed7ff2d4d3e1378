"""Bad bodies, cross-site requests, sessions and claims over HTTP."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.api import strictjson
from gateway.api.app import ApiSettings
from tests.support.house import ORIGIN, PASSWORD, house

SECRET = "SENT-BY-THE-CLIENT"
JSON = {"Content-Type": "application/json"}
LIMIT = '{"quantity":"hr","resident":"wang","reason":"' + SECRET + '","high":%s}'

# name -> (body, status, code)
BAD: dict[str, tuple[bytes, int, str]] = {
    "nan": ((LIMIT % "NaN").encode(), 400, "body.not_finite"),
    "infinity": ((LIMIT % "Infinity").encode(), 400, "body.not_finite"),
    "minus infinity": ((LIMIT % "-Infinity").encode(), 400, "body.not_finite"),
    "1e400": ((LIMIT % "1e400").encode(), 400, "body.not_finite"),
    "a number of 400 digits": ((LIMIT % ("9" * 400)).encode(), 400, "body.number_too_large"),
    "true is no number": ((LIMIT % "true").encode(), 422, "request.invalid"),
    "text is no number": ((LIMIT % '"5.5"').encode(), 422, "request.invalid"),
    "nul": ((LIMIT % "1").replace(SECRET, SECRET + "\\u0000").encode(), 400, "body.bad_text"),
    "lone surrogate": ((LIMIT % "1").replace(SECRET, SECRET + "\\ud800").encode(), 400, "body.bad_text"),
    "control character": ((LIMIT % "1").replace(SECRET, SECRET + "\\u0007").encode(), 422, "request.invalid"),
    "duplicate key": ((LIMIT % "1").replace("{", '{"reason":"' + SECRET + '",', 1).encode(), 400, "body.duplicate_key"),
    "unknown key": ((LIMIT % "1").replace("{", '{"' + SECRET + '":1,', 1).encode(), 422, "request.invalid"),
    "no object": (b'["' + SECRET.encode() + b'"]', 422, "request.invalid"),
    "null": (b"null", 422, "request.invalid"),
    "nothing": (b"", 422, "request.invalid"),
    "cut": ((LIMIT % "1")[:-5].encode(), 400, "body.malformed"),
    "two values": ((LIMIT % "1" + "{}").encode(), 400, "body.malformed"),
    "single quotes": ((LIMIT % "1").replace('"', "'").encode(), 400, "body.malformed"),
    "not utf-8": ((LIMIT % "1").encode().replace(b"S", b"\xff", 1), 400, "body.not_utf8"),
    "utf-16": ((LIMIT % "1").encode("utf-16"), 400, "body.not_utf8"),
    "deep": (b"[" * 50_000, 400, "body.too_deep"),
    "deep object": (b'{"a":' * 17 + b"1" + b"}" * 17, 400, "body.too_deep"),
    "10 MB": (b'{"reason":"' + b"x" * 10_000_000 + b'"}', 413, "body.too_large"),
}  # fmt: skip


def assert_problem(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json"), answer.text[:300]
    problem: dict[str, Any] = answer.json()
    assert problem["code"] == code
    assert problem["status"] == status
    assert SECRET not in answer.text
    return problem


@pytest.mark.timeout(20)
async def test_bad_bodies_are_refused_and_nothing_is_said_back(tmp_path: Path) -> None:
    async with house(tmp_path) as home:
        before = home.events.head
        async with home.signed_in("doctor") as client:
            for name, (body, status, code) in BAD.items():
                answer = await client.post("/api/v1/limits", content=body, headers=JSON)
                assert answer.status_code == status, (name, answer.text[:300])
                assert_problem(answer, status, code)
            assert (await client.get("/api/v1/me")).status_code == 200
        assert home.events.head == before


async def test_a_body_without_a_length_is_cut_off(tmp_path: Path) -> None:
    async def endless() -> Any:
        for _ in range(100):
            yield b"x" * 10_000

    async with house(tmp_path) as home, home.signed_in("doctor") as client:
        assert_problem(await client.post("/api/v1/limits", content=endless(), headers=JSON), 413, "body.too_large")


async def test_other_media_types_are_refused(tmp_path: Path) -> None:
    async with house(tmp_path) as home, home.signed_in("doctor") as client:
        for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""):
            answer = await client.post("/api/v1/limits", content=b'{"a":1}', headers={"Content-Type": kind})
            assert_problem(answer, 415, "body.media_type")


async def test_bad_paths_and_queries_are_problems_too(tmp_path: Path) -> None:
    async with house(tmp_path) as home, home.signed_in("carer") as client:
        assert_problem(await client.get(f"/api/v1/{SECRET}"), 404, "not_found")
        assert_problem(await client.put("/api/v1/alerts"), 405, "method.not_allowed")
        assert_problem(await client.get("/api/v1/alerts", params={"limit": SECRET}), 422, "request.invalid")
        assert_problem(await client.get("/api/v1/alerts", params={"limit": "0"}), 422, "request.invalid")
        assert_problem(await client.get(f"/api/v1/alerts/{SECRET}%00"), 422, "request.invalid")
        problem = assert_problem(await client.post(f"/api/v1/alerts/x/{SECRET}", json={}), 422, "request.invalid")
        assert problem["errors"][0]["loc"] == ["path", "action"]


async def test_a_crash_is_a_problem_without_its_cause(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with house(tmp_path) as home, home.signed_in("carer") as client:

        async def broken(*_: Any, **__: Any) -> Any:
            raise RuntimeError(SECRET)

        monkeypatch.setattr(home.query, "residents", broken)
        assert_problem(await client.get("/api/v1/residents"), 500, "internal")


@given(st.recursive(st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | st.text(), st.lists, max_leaves=5))
def test_strict_json_takes_what_json_is(value: Any) -> None:
    text = json.dumps(value)
    bad = "\\u0000" in text or any("\ud800" <= char <= "\udfff" for char in str(value))
    if bad:
        with pytest.raises(strictjson.BadJson):
            strictjson.loads(text.encode())
    else:
        assert strictjson.loads(text.encode()) == value


@given(st.binary(max_size=200) | st.text(alphabet='{}[]":,\\ue0123456789.-+truefalsn ', max_size=80).map(str.encode))
def test_strict_json_never_crashes(body: bytes) -> None:
    try:
        strictjson.loads(body)
    except strictjson.BadJson:
        pass  # the one way to say no


# --- cross-site ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "allowed"),
    [
        ({"Origin": ORIGIN}, True),
        ({"Origin": ORIGIN, "Sec-Fetch-Site": "same-origin"}, True),
        ({"Sec-Fetch-Site": "same-origin"}, True),
        ({"Sec-Fetch-Site": "none"}, True),
        ({"Origin": "https://evil.test"}, False),
        ({"Origin": "https://anxin.test.evil.test"}, False),
        ({"Origin": "null"}, False),
        ({"Origin": ORIGIN, "Sec-Fetch-Site": "cross-site"}, False),
        ({"Origin": ORIGIN, "Sec-Fetch-Site": "same-site"}, False),
        ({"Origin": "https://evil.test", "Sec-Fetch-Site": "same-origin"}, False),
        ({}, False),
    ],
)
async def test_only_our_own_pages_may_act(tmp_path: Path, headers: dict[str, str], allowed: bool) -> None:
    async with house(tmp_path) as home:
        alert = await home.call()
        async with home.signed_in("carer") as client:
            del client.headers["Origin"]
            answer = await client.post(f"/api/v1/alerts/{alert.id}/claim", json={}, headers=headers)
            if allowed:
                assert answer.status_code == 200
            else:
                assert_problem(answer, 403, "request.cross_site")
            assert (await client.get(f"/api/v1/alerts/{alert.id}", headers={"Origin": "https://evil.test"})).status_code == 200


async def test_security_headers(tmp_path: Path) -> None:
    async with house(tmp_path) as home, home.client() as client:
        for path in ("/", "/api/v1/me", "/m/login", "/nothing"):
            headers = (await client.get(path)).headers
            policy = headers["content-security-policy"]
            assert "unsafe" not in policy
            assert "frame-ancestors 'none'" in policy
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["cache-control"] == "no-store"
            assert "access-control-allow-origin" not in headers
        assert "script-src" not in (await client.get("/m/login")).headers["content-security-policy"]
        assert (await client.get("/m/login")).headers["content-security-policy"].startswith("default-src 'none'")
        for page in ("/docs", "/redoc"):  # any plain word is a page that the browser draws; none of them is the machine's own
            assert "openapi" not in (await client.get(page)).text
        assert (await client.get("/api/v1/openapi.json")).status_code == 404


# --- sessions --------------------------------------------------------------------------------------------------------


async def test_the_session_cookie(tmp_path: Path) -> None:
    async with house(tmp_path) as home, home.client() as client:
        answer = await client.post("/api/v1/session", json={"user": "carer", "password": PASSWORD})
        cookie = answer.headers["set-cookie"]
        assert cookie.startswith("__Host-anxin_session=")
        assert {"HttpOnly", "Secure", "Path=/", "SameSite=lax"} <= {part.strip() for part in cookie.split(";")}
        assert answer.json()["me"]["id"] == "u-carer"


async def test_signing_in_again_ends_the_former_session_and_signing_out_ends_this_one(tmp_path: Path) -> None:
    async with house(tmp_path) as home, home.signed_in("carer") as client:
        former = dict(client.cookies)
        await client.post("/api/v1/session", json={"user": "carer", "password": PASSWORD})
        async with home.client() as thief:
            thief.cookies.update(former)
            assert_problem(await thief.get("/api/v1/me"), 401, "session.none")
        stolen = dict(client.cookies)
        assert (await client.delete("/api/v1/session")).status_code == 200
        async with home.client() as thief:
            thief.cookies.update(stolen)
            assert_problem(await thief.get("/api/v1/me"), 401, "session.none")


async def test_wrong_passwords_tell_nothing_and_slow_down(tmp_path: Path) -> None:
    async with house(tmp_path) as home, home.client() as client:
        answers = {}
        for user in ("carer", SECRET):
            answers[user] = await client.post("/api/v1/session", json={"user": user, "password": "wrong"})
            assert_problem(answers[user], 401, "session.refused")
        assert answers["carer"].content == answers[SECRET].content
        for _ in range(6):
            last = await client.post("/api/v1/session", json={"user": "carer", "password": "wrong"})
        assert_problem(last, 429, "session.too_many")
        assert int(last.headers["retry-after"]) > 0


async def test_a_disabled_account_is_out_at_once(tmp_path: Path) -> None:
    async with house(tmp_path) as home, home.signed_in("carer") as carer, home.signed_in("admin") as admin:
        assert (await admin.post("/api/v1/users/u-carer/disable")).status_code == 200
        assert_problem(await carer.get("/api/v1/me"), 401, "session.none")
        assert_problem(await admin.post("/api/v1/users/u-admin/disable"), 409, "user.own_account")


async def test_a_one_time_password_opens_nothing_but_its_change(tmp_path: Path) -> None:
    async with house(tmp_path) as home, home.signed_in("admin") as admin, home.client() as client:
        made = await admin.post("/api/v1/users", json={"login": "new", "name": "New", "role": "caregiver", "sites": ["care"]})
        first = made.json()["one_time_password"]
        assert (await client.post("/api/v1/session", json={"user": "new", "password": first})).json()["me"]["must_change_password"] is True
        assert_problem(await client.get("/api/v1/alerts"), 403, "password.must_change")
        assert_problem(await client.post("/api/v1/me/password", json={"old": "x", "new": PASSWORD}), 422, "registry.password.wrong")
        assert (await client.post("/api/v1/me/password", json={"old": first, "new": PASSWORD})).status_code == 200
        assert (await client.get("/api/v1/alerts")).status_code == 200


async def test_plain_http_in_a_lan_has_a_plain_cookie(tmp_path: Path) -> None:
    async with house(tmp_path, settings=ApiSettings(http_lan=True, static_dir=tmp_path / "none")) as home, httpx.AsyncClient(
        transport=httpx.ASGITransport(app=home.app), base_url="http://ward.lan:8080", headers={"Origin": "http://ward.lan:8080"}
    ) as client:
        answer = await client.post("/api/v1/session", json={"user": "carer", "password": PASSWORD})
        assert answer.headers["set-cookie"].startswith("anxin_session=")
        assert "Secure" not in answer.headers["set-cookie"]
        assert (await client.get("/api/v1/me")).status_code == 200
        assert "strict-transport-security" not in answer.headers
        assert "未加密" in (await client.get("/m/alerts")).text


# --- claims ----------------------------------------------------------------------------------------------------------


async def test_two_claims_race_and_one_wins(tmp_path: Path) -> None:
    async with house(tmp_path) as home:
        alert = await home.call()
        async with home.signed_in("carer") as one, home.signed_in("carer2") as two:
            both = await asyncio.gather(*(client.post(f"/api/v1/alerts/{alert.id}/claim", json={}) for client in (one, two)))
            won = next(answer for answer in both if answer.status_code == 200)
            lost = next(answer for answer in both if answer.status_code != 200)
            problem = assert_problem(lost, 409, "alert.claimed_by_other")
            assert problem["current"] == won.json()["alert"]
            assert problem["current"]["claimed_name"] in ("Carer", "Carer2")
            again = await (one if both[0] is won else two).post(f"/api/v1/alerts/{alert.id}/claim", json={})
            assert again.json()["alert"] == won.json()["alert"]  # a double click


async def test_an_old_version_is_a_conflict(tmp_path: Path) -> None:
    async with house(tmp_path) as home:
        alert = await home.call()
        async with home.signed_in("carer") as client:
            claimed = (await client.post(f"/api/v1/alerts/{alert.id}/claim", json={"version": alert.version})).json()["alert"]
            assert_problem(await client.post(f"/api/v1/alerts/{alert.id}/arrive", json={"version": alert.version}), 409, "alert.version")
            arrived = (await client.post(f"/api/v1/alerts/{alert.id}/arrive", json={"version": claimed["version"]})).json()["alert"]
            assert arrived["state"] == "arrived"
            assert_problem(await client.post(f"/api/v1/alerts/{alert.id}/resolve", json={}), 409, "alert.outcome_missing")
            body = {"outcome": "helped", "note": "坐在床边"}
            done = (await client.post(f"/api/v1/alerts/{alert.id}/resolve", json=body)).json()["alert"]
            assert (done["state"], done["outcome"], done["note"]) == ("resolved", "helped", "坐在床边")
            detail = (await client.get(f"/api/v1/alerts/{alert.id}")).json()
            assert [row["kind"] for row in detail["history"]] == ["raised", "claimed", "arrived", "resolved"]
            assert detail["history"][1]["actor_name"] == "Carer"


async def test_calls_cannot_be_silenced(tmp_path: Path) -> None:
    async with house(tmp_path) as home:
        alert = await home.call()
        async with home.signed_in("carer") as client:
            answer = await client.post(f"/api/v1/alerts/{alert.id}/silence", json={"reason": "noise", "until_s": 60})
            assert_problem(answer, 409, "alert.cannot_be_silenced")


async def test_binding_a_device_from_the_inbox(tmp_path: Path) -> None:
    async with house(tmp_path) as home, home.signed_in("carer") as client:
        assert [row["id"] for row in (await client.get("/api/v1/inbox")).json()["devices"]] == ["band-free"]
        bound = (await client.post("/api/v1/bindings", json={"device_id": "band-free", "resident_id": "wang"})).json()["binding"]
        assert bound["resident_id"] == "wang"
        assert (await client.get("/api/v1/inbox")).json()["devices"] == []
        assert_problem(
            await client.post("/api/v1/bindings", json={"device_id": "band-free", "resident_id": "wang"}), 409, "registry.binding.same"
        )
        assert (await client.post(f"/api/v1/bindings/{bound['id']}/end")).status_code == 200
        assert [row["id"] for row in (await client.get("/api/v1/inbox")).json()["devices"]] == ["band-free"]
