"""The alarm side over HTTP: policies, duty, contacts, silences, hand-over, calls, the card for 120, and why."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from gateway.clock import NS_PER_S
from gateway.registry import duty, org
from gateway.vocabulary import SYSTEM, AlertKind, AlertState, Priority
from tests.support.house import House, house

POLICY: dict[str, Any] = {
    "lane": "call", "site_id": "care", "steps": [{"delay_s": 0.0, "targets": [{"kind": "role", "id": "caregiver"}]}], "arrive_s": 60.0,
    "resolve_s": 300.0, "repeat_s": 30.0, "ack_timeout_s": 600.0, "recheck_s": 300.0, "silence_max_s": 120.0, "fallback_to_desk": False,
}  # fmt: skip
FORM_TOKEN = re.compile(r'name="form_token" value="([^"]+)"')
ACCEPT = re.compile(r'action="(/m/handover/[^"]+/accept)"')
SHIFT: dict[str, Any] = {
    "site": "care", "staff": "staff-li", "role": "caregiver", "weekdays": [0, 1, 2, 3, 4, 5, 6], "start": "07:00", "end": "19:00",
}  # fmt: skip


async def told(home: House, alert_id: str) -> list[tuple[str, bool, str]]:
    rows = await home.db.read(lambda conn: home.desk.why(conn, alert_id))
    return [(row["recipient"], row["told"], row["reason"]) for row in rows]


async def test_a_policy_with_a_dead_end_is_refused_with_its_hours_and_a_good_one_is_used_at_once(tmp_path: Path) -> None:
    async with house(tmp_path) as home:
        await home.registry.do(SYSTEM, org.set_rota, **SHIFT)
        async with home.signed_in("operator") as client:
            refused = await client.put("/api/v1/policies/ward", json=POLICY)
            assert (refused.status_code, refused.json()["code"]) == (409, "policy.dead_ends")
            assert len(refused.json()["report"]["dead_ends"]) in (7, 8)  # seven nights, one of which the week may cut in two
            checked = (await client.post("/api/v1/policies/check", json=POLICY)).json()
            assert checked["dead_ends"] == refused.json()["report"]["dead_ends"]
            group = await client.post(
                "/api/v1/registry/groups", json={"site": "care", "name": "all", "staff": ["staff-li"], "group_id": "g1"}
            )
            assert group.status_code == 200
            good = {**POLICY, "steps": [{"delay_s": 0.0, "targets": [{"kind": "group", "id": "g1"}]}]}
            saved = (await client.put("/api/v1/policies/ward", json=good)).json()
            again = (await client.put("/api/v1/policies/ward", json={**good, "repeat_s": 20.0})).json()
            assert (saved["policy"]["version"], again["policy"]["version"]) == (1, 2)
            listed = (await client.get("/api/v1/policies")).json()
            assert [(row["id"], row["version"]) for row in listed["policies"]] == [("ward", 2)]
            assert [row["lane"] for row in listed["defaults"]] == ["call", "high", "medium", "low"]
            used = await client.post("/api/v1/registry/groups/g1/end")
            assert (used.status_code, used.json()["code"]) == (409, "registry.group.used")
            alert = await home.call("wang")
            assert [who for who, _, _ in await told(home, alert.id)] == ["staff-li"]
            assert (await client.post("/api/v1/policies/ward/end")).status_code == 200
            assert (await client.get("/api/v1/policies")).json()["policies"] == []


async def test_exceptions_to_the_rota_are_seen_and_end(tmp_path: Path) -> None:
    async with house(tmp_path) as home:
        await home.registry.do(SYSTEM, org.set_rota, **{**SHIFT, "start": "00:00", "end": "00:00"})
        now_ms = home.clock.now_ns() // 1_000_000
        body = {
            "site": "care",
            "staff": "staff-li",
            "kind": "absent",
            "from_ms": now_ms - 1000,
            "until_ms": now_ms + 3_600_000,
            "reason": "ill",
        }
        async with home.signed_in("operator") as client:
            before = (await client.get("/api/v1/duty", params={"site": "care"})).json()
            assert [row["staff_id"] for row in before["on_duty"]] == ["staff-li"]
            row = (await client.post("/api/v1/registry/overrides", json=body)).json()["override"]
            absent = (await client.get("/api/v1/duty", params={"site": "care"})).json()
            assert (absent["on_duty"], absent["next_change_ms"], absent["overrides"][0]["reason"]) == ([], now_ms + 3_600_000, "ill")
            assert (await client.post(f"/api/v1/registry/overrides/{row['id']}/end")).status_code == 200
            after = (await client.get("/api/v1/duty", params={"site": "care"})).json()
            assert [row["staff_id"] for row in after["on_duty"]] == ["staff-li"]
            swap = await client.post("/api/v1/registry/overrides", json={**body, "kind": "swap"})
            assert swap.status_code == 422
            order = await client.post("/api/v1/registry/overrides", json={**body, "until_ms": now_ms - 2000})
            assert order.json()["code"] == "registry.time.order"


async def test_the_card_for_120_shows_to_each_what_the_role_may_see(tmp_path: Path) -> None:
    async with house(tmp_path) as home:
        alert = await home.call("wang")
        async with home.signed_in("operator") as client:
            contact = {"resident": "wang", "name": "王小明", "kind": "family", "relation": "son", "phone": "13900000000"}
            assert (await client.post("/api/v1/contacts", json=contact)).status_code == 200
            home_body = {"address": "三区 3-01", "door_code": "4711#", "medical": "青霉素过敏"}
            assert (await client.put("/api/v1/residents/wang/home", json=home_body)).status_code == 200
            assert (await client.get(f"/api/v1/alerts/{alert.id}/dispatch")).status_code == 404  # about a person: not the operator's
        async with home.signed_in("carer") as client:
            card = (await client.get(f"/api/v1/alerts/{alert.id}/dispatch")).json()
            assert (card["place"], card["address"], card["door_code"], card["medical"]) == ("3-01", "三区 3-01", "4711#", "青霉素过敏")
            assert card["contacts"] == [{"name": "王小明", "kind": "family", "relation": "son", "phone": "13900000000"}]
            assert card["last_room"] is None
            home.latest.put("band-wang", "motion", 1.0, home.clock.now_ns())
            assert (await client.get(f"/api/v1/alerts/{alert.id}/dispatch")).json()["last_room"]["place"] == "3-01"
        looks = [row for row in await home.audit_rows() if row.action == "read.dispatch"]
        assert {(row.actor, row.resident) for row in looks} == {("u-carer", "wang")}


async def test_a_silence_of_a_rule_holds_what_comes_up_and_is_everybodys_to_see(tmp_path: Path) -> None:
    async with house(tmp_path) as home:
        async with home.signed_in("carer") as client, home.signed_in("carer2") as other:
            body = {"resident": "wang", "cause": "temp.high", "reason": "fever known", "until_s": 600.0}
            row = (await client.post("/api/v1/silences", json=body)).json()["silence"]
            alert = await home.call("wang", "temp.high", kind=AlertKind.PHYSIOLOGICAL, priority=Priority.MEDIUM, latched=False)
            assert alert.silenced_until_ns is not None
            assert {reason for _, said, reason in await told(home, alert.id) if not said} >= {"silenced"}
            seen = (await other.get("/api/v1/silences")).json()["silences"]
            assert (await other.get("/api/v1/wall", params={"site": "care"})).json()["silences"] == seen
            assert [(one["cause"], one["author_name"], one["reason"]) for one in seen] == [("temp.high", "Carer", "fever known")]
            assert (await other.post(f"/api/v1/silences/{row['id']}/end")).status_code == 200
            assert (await other.get("/api/v1/silences")).json()["silences"] == []
            assert (await home.db.read(lambda conn: home.desk.get(conn, alert.id))).silenced_until_ns is None
            assert (await other.post(f"/api/v1/silences/{row['id']}/end")).status_code == 404
            for wrong, code in (
                ({"cause": "call.sos"}, "cannot_be_silenced"),
                ({"until_s": 1801.0}, "span_invalid"),
                ({"reason": " "}, "reason_missing"),
            ):
                refused = await client.post("/api/v1/silences", json={**body, **wrong})
                assert (refused.status_code, refused.json()["code"]) == (409, f"silence.{code}")
        acts = [row.action for row in await home.audit_rows()]
        assert acts.count("silence.set") == 1
        assert acts.count("silence.ended") == 1


async def test_a_shift_is_handed_over_with_what_is_open_and_accepted_by_its_receiver(tmp_path: Path) -> None:
    async with house(tmp_path) as home:
        alert = await home.call("wang")
        async with home.signed_in("carer") as giver, home.signed_in("carer2") as receiver:
            await giver.post(f"/api/v1/alerts/{alert.id}/claim", json={})
            preview = (await giver.get("/api/v1/handover", params={"site": "care"})).json()["now"]
            assert (preview["open"], preview["claims"]) == ([alert.id], [alert.id])
            given = (await giver.post("/api/v1/handover", json={"site": "care", "receiver": "u-carer2", "note": "quiet night"})).json()[
                "handover"
            ]
            accepted = await receiver.post(f"/api/v1/handover/{given['id']}/accept")
            assert accepted.json()["handover"]["accepted_ms"] is not None
            after = (await receiver.get(f"/api/v1/alerts/{alert.id}")).json()
            assert after["alert"]["claimed_by"] == "u-carer2"
            assert [row["kind"] for row in after["history"]] == ["raised", "claimed", "handed_over"]
            last = (await giver.get("/api/v1/handover", params={"site": "care"})).json()["handovers"]
            assert [(row["giver_name"], row["accepted_name"], row["note"]) for row in last] == [("Carer", "Carer2", "quiet night")]
            for nobody in ("u-son", "u-nobody", "u-admin"):
                assert (await giver.post("/api/v1/handover", json={"site": "care", "receiver": nobody})).status_code == 404


async def test_calls_with_their_answers_and_the_figures_of_the_site(tmp_path: Path) -> None:
    async with house(tmp_path) as home, home.signed_in("carer") as client:
        for n in range(3):
            alert = await home.call("wang", onset_offset=n)
            await client.post(f"/api/v1/alerts/{alert.id}/dispatch", json={"reason": "responder", "note": "on the way"})
            await client.post(f"/api/v1/alerts/{alert.id}/note", json={"note": "talks"})
            await client.post(f"/api/v1/alerts/{alert.id}/claim", json={})
            await client.post(f"/api/v1/alerts/{alert.id}/resolve", json={"outcome": "helped"})
        found = (await client.get("/api/v1/calls", params={"site": "care"})).json()
        figures = found["figures"]["care"]
        assert (figures["calls"], figures["within_60_s"], figures["within_180_s"], figures["met"]) == (3, 1.0, 1.0, True)
        assert figures["outcomes"] == {"helped": 3}
        assert found["held"], "who was not told is counted"
        assert found["held"].keys() <= {"nobody_rostered", "off_duty", "no_channel"}
        call = found["calls"][0]
        assert call["answered_by"] == "Carer"
        assert [(said["kind"], said.get("reason"), said.get("note")) for said in call["said"]] == [
            ("dispatched", "responder", "on the way"), ("noted", None, "talks"),
        ]  # fmt: skip
        empty = await client.post(f"/api/v1/alerts/{alert.id}/note", json={})
        assert (empty.status_code, empty.json()["code"]) == (409, "alert.note_missing")


async def test_why_for_a_residents_minute_tells_how_it_stood_then(tmp_path: Path) -> None:
    async with house(tmp_path) as home:
        alert = await home.call("wang")
        async with home.signed_in("carer") as client:
            await client.post("/api/v1/silences", json={"resident": "wang", "cause": "hr.high", "reason": "known"})
            await client.post(f"/api/v1/alerts/{alert.id}/claim", json={})
            await client.post(f"/api/v1/alerts/{alert.id}/resolve", json={"outcome": "helped"})
            now_ms = home.clock.now_ns() // 1_000_000
            found = (await client.get("/api/v1/residents/wang/why", params={"at_ms": now_ms})).json()
            earlier = (await client.get("/api/v1/residents/wang/why", params={"at_ms": now_ms - 3_600_000})).json()
            assert (await client.get("/api/v1/residents/wang/why")).status_code == 422
        (stood,) = found["alerts"]
        assert (stood["view"]["state"], [row["kind"] for row in stood["happened"]]) == ("resolved", ["raised", "claimed", "resolved"])
        assert [(row["recipient"], row["reason"]) for row in stood["told"]][-1] == ("desk", "nobody_reachable")
        assert found["status"] == "admitted"
        assert (earlier["alerts"], earlier["silences"]) == ([], [])


@pytest.mark.parametrize("incident", [False, True])
async def test_who_goes_may_take_the_whole_incident(tmp_path: Path, incident: bool) -> None:
    async with house(tmp_path) as home:
        first = await home.call("wang")
        second = await home.call("wang", "hr.high", kind=AlertKind.PHYSIOLOGICAL)
        assert second.incident_id == first.id
        async with home.signed_in("carer") as client:
            await client.post(f"/api/v1/alerts/{first.id}/claim", json={"incident": incident})
        after = await home.db.read(lambda conn: home.desk.get(conn, second.id))
        assert after.state is (AlertState.CLAIMED if incident else AlertState.RAISED)


async def test_the_three_delays_are_on_the_alert(tmp_path: Path) -> None:
    async with house(tmp_path) as home:
        now_ns = home.clock.now_ns()
        alert = await home.call("wang", onset_ns=now_ns - 20 * NS_PER_S, t_ns=now_ns - NS_PER_S)
        async with home.signed_in("carer") as client:
            shown = (await client.get(f"/api/v1/alerts/{alert.id}")).json()["alert"]
        assert (shown["onset_ms"], shown["detected_ms"]) == ((now_ns - 20 * NS_PER_S) // 1_000_000, (now_ns - NS_PER_S) // 1_000_000)
        assert shown["told_ms"] is not None
        assert shown["delivered_ms"] is None


async def test_the_script_free_pages_for_120_and_hand_over(tmp_path: Path) -> None:
    async with house(tmp_path) as home:
        alert = await home.call("wang")
        foreign = await home.call("zhou")
        await home.registry.do(SYSTEM, duty.set_home, resident="wang", address="三区 3-01", door_code="4711#", medical="青霉素过敏")
        await home.registry.do(SYSTEM, duty.set_contact, resident="wang", name="王小明", kind="family", phone="13900000000")
        async with home.signed_in("carer") as client, home.signed_in("carer2") as other:
            card = await client.get(f"/m/alerts/{alert.id}/dispatch")
            assert all(text in card.text for text in ("3-01", "4711#", "青霉素过敏", "王小明", "13900000000"))
            assert (await client.get(f"/m/alerts/{foreign.id}/dispatch")).status_code == 404
            await client.post(f"/api/v1/alerts/{alert.id}/claim", json={})
            page = (await client.get("/m/handover")).text
            token = FORM_TOKEN.search(page)
            assert token is not None
            form = {"form_token": token.group(1), "site": "care", "note": "<b>quiet</b>"}
            given = await client.post("/m/handover", data=form)
            assert given.headers["location"] == "/m/handover?site=care&said=given"
            seen = (await other.get("/m/handover?said=given")).text
            assert "&lt;b&gt;quiet&lt;/b&gt;" in seen
            accept, token = ACCEPT.search(seen), FORM_TOKEN.search(seen)
            assert accept is not None
            assert token is not None
            assert (await other.post(accept.group(1), data={"form_token": "wrong"})).headers["location"].endswith("said=form_expired")
            assert (await other.post(accept.group(1), data={"form_token": token.group(1)})).headers["location"].endswith("said=accepted")
        async with home.signed_in("nobody") as stranger, home.signed_in("son") as son:
            assert (await stranger.get("/m/handover")).headers["location"] == "/m/login"
            assert (await son.get("/m/handover")).status_code == 403
        assert (await home.db.read(lambda conn: home.desk.get(conn, alert.id))).claimed_by == "u-carer2"
