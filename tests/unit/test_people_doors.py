"""For those who run the house, over HTTP: absences, merge preview, tables, accounts, versions of policies, the audit."""

from __future__ import annotations

import base64
import csv
import io
from pathlib import Path
from typing import Any

import pytest

from gateway.registry import bindings, limits, org, residents
from gateway.vocabulary import SYSTEM
from tests.support.house import PASSWORD, house
from tests.unit.test_alarm_doors import POLICY


def table(name: str, text: str, encoding: str = "utf-8") -> dict[str, str]:
    return {"name": name, "content_base64": base64.b64encode(text.encode(encoding)).decode()}


async def test_an_absence_has_a_date_and_the_story_of_a_stay_is_told(tmp_path: Path) -> None:
    async with house(tmp_path) as home, home.signed_in("operator") as client:
        now_ms = home.clock.now_ns() // 1_000_000
        past = await client.post("/api/v1/residents/wang/away", json={"back_ms": now_ms - 1})
        assert (past.status_code, past.json()["code"]) == (422, "registry.expiry.past")
        await client.post("/api/v1/residents/wang/away", json={"back_ms": now_ms + 3_600_000, "reason": "住院"})
        row = next(row for row in (await client.get("/api/v1/house/residents")).json()["residents"] if row["id"] == "wang")
        assert (row["status"], row["back_ms"], row["overdue"]) == ("away", now_ms + 3_600_000, False)
        refused = await client.post("/api/v1/residents/wang/discharge", json={"back_ms": now_ms + 1})
        assert refused.json()["code"] == "resident.step_fields"
        await client.post("/api/v1/residents/wang/back", json={})
        await client.put("/api/v1/residents/wang/home", json={"address": "梧桐里 3-201", "door_code": "12#", "medical": "青霉素过敏"})
        await client.post("/api/v1/house/residents/wang/correct", json={"name": "王淑花"})
        found = (await client.get("/api/v1/house/residents/wang")).json()
        assert [step["step"] for step in found["steps"]] == ["corrected", "back", "away", "admitted"]
        assert (found["steps"][2]["reason"], found["steps"][2]["by"]) == ("住院", "Operator")
        assert (found["home"]["door_code"], found["resident"]["name"]) == ("12#", "王淑花")


async def test_beds_are_free_or_taken_and_only_who_may_know_hears_by_whom(tmp_path: Path) -> None:
    async with house(tmp_path) as home:
        await home.registry.do(SYSTEM, org.set_bed, site="care", label="3-09", bed_id="free")
        for who, name in (("operator", "王淑华"), ("admin", "")):
            async with home.signed_in(who) as client:
                beds = {bed["id"]: bed for bed in (await client.get("/api/v1/house/beds")).json()["beds"]}
                assert (beds["bed-3-01"]["taken"], beds["bed-3-01"]["occupant"]) == (True, name)
                assert not beds["free"]["taken"]


async def test_a_merge_is_shown_before_it_is_done(tmp_path: Path) -> None:
    async with house(tmp_path) as home, home.signed_in("operator") as client:
        await home.registry.do(SYSTEM, limits.set_limit, quantity="hr", reason="x", resident="liu", high=120.0)
        await client.put("/api/v1/residents/liu/home", json={"address": "梧桐里"})
        preview = (await client.get("/api/v1/house/residents/liu/merge", params={"into": "wang"})).json()
        assert (preview["refused"], preview["devices"], preview["limits"], preview["undo"]) == (None, ["band-liu"], ["hr"], False)
        assert home.registry.view.residents["liu"].status == "admitted", "a preview writes nothing"
        await home.registry.do(SYSTEM, residents.discharge, "wang")
        refused = (await client.get("/api/v1/house/residents/liu/merge", params={"into": "wang"})).json()
        assert refused["refused"] == "registry.resident.not_present"
        await home.registry.do(SYSTEM, residents.admit, name="王淑华", bed="bed-3-01", resident_id="wang")
        assert (await client.post("/api/v1/residents/liu/merge", json={"into": "wang", "reason": "same"})).status_code == 200
        assert home.registry.view.homes["wang"].address == "梧桐里"


async def test_tables_are_rehearsed_row_by_row_then_taken_whole(tmp_path: Path) -> None:
    async with house(tmp_path) as home:
        await home.registry.do(SYSTEM, org.set_site, name="Far", site_id="far", code="F")
        text = "姓名,编号,站点\r\n陈一,N1,F\r\n陈二,N1,F\r\n陈三,N3,F\r\n"
        async with home.signed_in("chief") as client:
            wrong = (await client.post("/api/v1/house/import", json={"files": [table("住民.csv", text, "gb18030")]})).json()
            assert (wrong["ok"], wrong["written"], [(row["line"], row["fate"]) for row in wrong["rows"]]) == (
                False, False, [(2, "created"), (4, "created")],
            )  # fmt: skip
            assert [(row["line"], row["column"]) for row in wrong["errors"]] == [(3, "")]
            assert "第 2 行" in wrong["errors"][0]["message"]
            good = {"files": [table("residents.csv", text.replace("陈二,N1", "陈二,N2"))], "lang": "en"}
            dry = (await client.post("/api/v1/house/import", json=good)).json()
            assert (dry["ok"], dry["written"], dry["counts"]["residents"]["created"]) == (True, False, 3)
            assert "N2" not in {row.code for row in home.registry.view.residents.values()}
            done = (await client.post("/api/v1/house/import", json={**good, "write": True})).json()
            assert done["written"]
            assert {"N1", "N2", "N3"} <= {row.code for row in home.registry.view.residents.values()}
            again = (await client.post("/api/v1/house/import", json=good)).json()
            assert again["counts"]["residents"] == {"created": 0, "changed": 0, "unchanged": 3}
            template = (await client.get("/api/v1/house/import/residents?lang=zh")).text
            assert "姓名" in template
            bad = {"files": [{"name": "residents.csv", "content_base64": "A"}]}
            assert (await client.post("/api/v1/house/import", json=bad)).json()["code"] == "import.encoding"
            large = {"files": [table("residents.csv", "x" * 400_000)]}
            assert (await client.post("/api/v1/house/import", json=large)).status_code == 200, "a table may be larger than other bodies"
        async with home.signed_in("operator") as client:
            assert (await client.post("/api/v1/house/import", json=good)).status_code == 403  # of one site; a table names any


async def test_accounts_are_reset_closed_and_opened_again(tmp_path: Path) -> None:
    async with house(tmp_path) as home, home.signed_in("carer") as carer, home.signed_in("admin") as admin:
        reset = (await admin.post("/api/v1/users/u-carer/reset")).json()
        assert (await carer.get("/api/v1/me")).status_code == 401
        assert (await admin.post("/api/v1/users/u-carer", json={"status": "disabled"})).status_code == 200
        async with home.client() as client:
            body = {"user": "carer", "password": reset["one_time_password"]}
            assert (await client.post("/api/v1/session", json=body)).status_code == 401
            assert (await admin.post("/api/v1/users/u-carer", json={"status": "active", "sites": ["care", "far"]})).status_code == 200
            me = (await client.post("/api/v1/session", json=body)).json()["me"]
            assert (me["must_change_password"], len(me["sites"])) == (True, 2)
            assert (await client.post("/api/v1/session", json={"user": "carer", "password": PASSWORD})).status_code == 401
        own = await admin.post("/api/v1/users/u-admin", json={"status": "disabled"})
        assert (own.status_code, own.json()["code"]) == (409, "user.own_account")
        assert (await admin.post("/api/v1/users/nobody/reset")).status_code == 404
        staff = (await admin.post("/api/v1/house/staff/staff-li/retire")).json()["staff"]
        assert staff["status"] == "retired"


async def test_every_version_of_a_policy_with_who_set_it(tmp_path: Path) -> None:
    async with house(tmp_path) as home:
        good: dict[str, Any] = {**POLICY, "fallback_to_desk": True, "steps": [{"delay_s": 0.0, "targets": [{"kind": "desk"}]}]}
        async with home.signed_in("operator") as client:
            await client.put("/api/v1/policies/ward", json=good)
        async with home.signed_in("admin") as client:
            await client.put("/api/v1/policies/ward", json={**good, "repeat_s": 20.0})
            await client.post("/api/v1/policies/ward/end")
            rows = (await client.get("/api/v1/policies/ward/versions")).json()["versions"]
            assert [(row["by"], row["ended"], row["policy"].get("repeat_s")) for row in rows] == [
                ("Admin", True, None), ("Admin", False, 20.0), ("Operator", False, 30.0),
            ]  # fmt: skip
            choices = (await client.get("/api/v1/house/choices")).json()
            assert {"caregiver", "nurse"} <= set(choices["roles"])


@pytest.mark.timeout(20)
async def test_the_audit_is_filtered_paged_exported_and_its_chain_walked(tmp_path: Path) -> None:
    async with house(tmp_path) as home:
        await home.registry.do(SYSTEM, residents.correct, "wang", code="=N1")
        await home.registry.do(SYSTEM, bindings.retire_device, "band-free")
        async with home.signed_in("carer") as client:
            await client.get("/api/v1/residents/wang")
            await client.get("/api/v1/residents/liu")
            await client.get("/api/v1/users")
        async with home.signed_in("admin") as client:

            async def actions(**asked: Any) -> list[str]:
                rows = (await client.get("/api/v1/audit/search", params=asked)).json()["rows"]
                assert [row["n"] for row in rows] == sorted((row["n"] for row in rows), reverse=True)
                return [row["action"] for row in rows]

            assert await actions(actor="u-carer", kind="read") == ["read.refused", "read.resident", "read.resident"]
            assert await actions(actor="u-carer", resident="wang") == ["read.resident"]
            assert await actions(actor="u-carer", kind="refused") == ["read.refused"]
            assert await actions(actor="u-carer", kind="sign_in") == ["user.signed_in"]
            assert "read.resident" not in await actions(actor="u-carer", kind="act")
            assert await actions(actor="u-carer", from_ms=4_000_000_000_000) == []
            assert await actions(until_ms=1) == []
            first = (await client.get("/api/v1/audit/search", params={"limit": 5})).json()
            then = (await client.get("/api/v1/audit/search", params={"limit": 5, "before": first["next"]})).json()
            assert then["rows"][0]["n"] == first["rows"][-1]["n"] - 1
            lines = list(csv.DictReader(io.StringIO((await client.get("/api/v1/audit/search.csv?resident=wang")).text.lstrip("\ufeff"))))
            assert {line["code"] for line in lines} == {"'=N1"}, "a spreadsheet must not run it"
            assert (await client.get("/api/v1/audit/verify")).json()["ok"]
