"""The consent ledger: rows with their legal basis, by resident and by grantee; emergencies; who looked; what ends with a withdrawal."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from gateway.api.app import ApiSettings
from gateway.audit import LookRow
from gateway.query.ledger import looks_json
from gateway.registry.consents import EMERGENCY_MAX_NS
from gateway.registry.view import RegistryView, User
from tests.support.fake_clock import FakeClock
from tests.support.house import House, house
from tests.support.sse import person, serving, streaming, until

S = 1_000_000_000
YEAR_MS = 365 * 86_400_000
LAN = ApiSettings(http_lan=True)


def body(home: House, **more: Any) -> dict[str, Any]:
    now_ms = home.clock.now_ns() // 1_000_000
    return {
        "resident": "wang", "grantee": "u-son", "classes": ["summary"], "until_ms": now_ms + YEAR_MS, "giver": "王淑华",
        "text_version": "2026-1", "text_sha256": "a" * 64, **more,
    }  # fmt: skip


async def test_a_row_says_everything_and_is_listed_by_resident_and_by_grantee(tmp_path: Path) -> None:
    async with (
        house(tmp_path) as home,
        home.signed_in("operator") as operator,
        home.signed_in("son") as son,
        home.signed_in("doctor") as doctor,
    ):
        made = await operator.post("/api/v1/consents", json=body(home, giver="王强", guardian=True, legal_basis="guardian_consent"))
        assert made.status_code == 200, made.text
        row_id = made.json()["consent"]["id"]
        for who in (operator, doctor):
            rows = (await who.get("/api/v1/residents/wang/consents")).json()["consents"]
            row = next(row for row in rows if row["id"] == row_id)
            assert row | {"from_ms": 0, "until_ms": 0, "recorded_ms": 0} == {
                "id": row_id, "resident_id": "wang", "grantee_id": "u-son", "classes": ["summary"], "from_ms": 0, "until_ms": 0,
                "purpose": "family", "giver": "王强", "text_version": "2026-1", "text_sha256": "a" * 64,
                "legal_basis": "guardian_consent", "guardian": True, "relation": "",
                "reason": "", "recorded_by": "u-operator", "recorded_ms": 0,
                "withdrawn_ms": None, "withdrawn_by": "", "standing": "live", "emergency": False, "resident_name": "王淑华",
                "grantee_name": "Son", "recorded_by_name": "Operator",
            }  # fmt: skip
        assert len(rows) == 2
        await operator.post(f"/api/v1/consents/{row_id}/withdraw")
        again = await operator.post(f"/api/v1/consents/{row_id}/withdraw")
        assert (again.status_code, again.json()["code"]) == (409, "registry.consent.over")
        own = (await son.get("/api/v1/grantees/u-son/consents")).json()["consents"]
        assert [(row["standing"], row["withdrawn_by"]) for row in own] == [("withdrawn", "u-operator"), ("live", "")]
        assert (await operator.get("/api/v1/grantees/u-son/consents")).json()["consents"] == own
        assert (await son.get("/api/v1/grantees/u-doctor/consents")).status_code == 404
        assert len(home.registry.view.consents) == 2, "a row is withdrawn, never deleted"


async def test_rows_that_say_too_little_are_refused(tmp_path: Path) -> None:
    async with house(tmp_path) as home:
        far_ms = (home.clock.now_ns() + EMERGENCY_MAX_NS) // 1_000_000 + 60_000
        wrong: list[tuple[dict[str, Any], int]] = [
            ({"text_sha256": "abc"}, 422), ({"legal_basis": "because"}, 422), ({"classes": ["everything"]}, 422), ({"classes": []}, 422),
            ({"giver": ""}, 422), ({"until_ms": 1}, 422), ({"legal_basis": "protect_life", "until_ms": far_ms, "reason": "x"}, 422),
            ({"legal_basis": "protect_life", "until_ms": far_ms - 120_000}, 422), ({"grantee": "u-doctor"}, 422),
        ]  # fmt: skip
        async with home.signed_in("operator") as operator:
            for more, status in wrong:
                answer = await operator.post("/api/v1/consents", json=body(home, **more))
                assert answer.status_code == status, (more, answer.text)
        assert len(home.registry.view.consents) == 1


async def test_an_emergency_is_short_has_a_reason_and_stands_in_the_audit_by_its_name(tmp_path: Path) -> None:
    async with house(tmp_path) as home:
        until_ms = home.clock.now_ns() // 1_000_000 + 3_600_000
        more = {"legal_basis": "protect_life", "until_ms": until_ms, "reason": "found on the street", "classes": ["summary", "location"]}
        async with home.signed_in("operator") as operator, home.signed_in("son") as son:
            assert (await operator.post("/api/v1/consents", json=body(home, **more))).status_code == 200
            seen = (await son.get("/api/v1/family/wang")).json()
            assert seen["scope"]["emergency"] is True
        rows = [row for row in await home.audit_rows() if row.action == "consent.emergency"]
        assert [(row.resident, row.actor, row.detail["grantee"]) for row in rows] == [("wang", "u-operator", "u-son")]


async def test_who_looked_in_plain_words(tmp_path: Path) -> None:
    async with (
        house(tmp_path) as home,
        home.signed_in("son") as son,
        home.signed_in("carer") as carer,
        home.signed_in("operator") as operator,
    ):
        assert (await son.get("/api/v1/residents/wang/looks")).status_code == 404, "not in the consent"
        await operator.post("/api/v1/consents", json=body(home, classes=["looks"]))
        await carer.get("/api/v1/wall", params={"site": "care"})
        await carer.get("/api/v1/residents/wang")
        await carer.get("/api/v1/residents/liu")
        await son.get("/api/v1/family/wang")
        seen = (await son.get("/api/v1/residents/wang/looks")).json()
        looks = {(entry["name"], entry["role"], entry["what"]) for entry in seen["looks"]}
        assert {("Carer", "caregiver", "wall"), ("Carer", "caregiver", "person"), ("Son", "family", "family")} <= looks
        of_liu = (await operator.get("/api/v1/residents/liu/looks")).json()["looks"]
        assert {(entry["name"], entry["what"]) for entry in of_liu} >= {("Carer", "wall"), ("Carer", "person")}
        assert ("Son", "family") not in {(entry["name"], entry["what"]) for entry in of_liu}


@pytest.mark.timeout(30)
@pytest.mark.parametrize("word", ["summary", "location"])
async def test_a_withdrawal_ends_the_stream_within_five_seconds_whatever_the_class(tmp_path: Path, word: str) -> None:
    async with house(tmp_path, settings=LAN) as home, serving(home) as url:
        (former,) = home.registry.view.consents
        async with person(url, "operator") as operator, person(url, "son") as son:
            made = await operator.post("/api/v1/consents", json=body(home, classes=[word]))
            await operator.post(f"/api/v1/consents/{former}/withdraw")
            async with streaming(son) as stream:
                await until(lambda: bool(stream.of("heartbeat")))
                begun = time.perf_counter()
                await operator.post(f"/api/v1/consents/{made.json()['consent']['id']}/withdraw")
                await until(lambda: stream.ended)
                assert time.perf_counter() - begun < 5
                assert stream.seen[-1].data == {"code": "access.changed"}
            assert (await son.get("/api/v1/family/wang")).status_code == 404


async def test_a_family_never_hears_an_alert_as_it_is(tmp_path: Path) -> None:
    async with (
        house(tmp_path, settings=LAN) as home,
        serving(home) as url,
        person(url, "operator") as operator,
        person(url, "son") as son,
        streaming(son) as stream,
    ):
        await operator.post("/api/v1/consents", json=body(home, classes=["alerts", "summary"]))
        await home.call("wang")
        head = home.events.head
        await until(lambda: bool(stream.of("heartbeat")) and stream.of("heartbeat")[-1].offset >= head)
        assert not stream.of("alert")


def test_a_page_that_stays_open_is_one_visit() -> None:
    view = RegistryView()
    view.users["u"] = User(id="u", login="u", name="Mei", role="caregiver")

    def look(begin_min: int, end_min: int, action: str = "read.wall") -> LookRow:
        base = 1_790_000_000
        return LookRow(actor="u", role="caregiver", action=action, first_ns=(base + begin_min * 60) * S, last_ns=(base + end_min * 60) * S)

    rows = [look(120, 125), look(45, 59), look(30, 44), look(15, 29), look(14, 14, "read.resident")]
    found = [(entry["what"], entry["times"]) for entry in looks_json(view, rows, "UTC")]
    assert found == [("wall", 2), ("person", 1)]


async def test_looks_begin_where_the_days_begin(tmp_path: Path) -> None:
    clock = FakeClock()
    async with house(tmp_path, clock=clock) as home:
        for day in range(5):
            await home.db.write(partial(home.audit.append, actor=f"u{day}", action="read.resident", subject="wang", resident="wang"))
            clock.step_wall(86_400)
        for days in (0, 1, 3, 5, 99):
            since_ns = clock.now_ns() - days * 86_400 * S
            found = await home.db.read(partial(home.audit.looks, resident="wang", since_ns=since_ns, limit=100))
            assert [row.actor for row in found] == [f"u{n}" for n in reversed(range(5)) if n >= 5 - days]
