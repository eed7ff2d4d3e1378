"""What house and family write to each other: who may, who reads it, and what is left when it is taken back."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.care import consent_text, documents
from gateway.registry import consents, org, residents
from gateway.vocabulary import SYSTEM
from tests.support.fake_clock import FakeClock
from tests.support.house import House, house

DAY_MS = 86_400_000
PDF = b"%PDF-1.4\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n"
JPEG = b"\xff\xd8\xff\xe0" + bytes(40) + b"\xff\xd9"


async def grant(home: House, *classes: str, who: str = "u-son") -> None:
    until_ns = home.clock.now_ns() + DAY_MS * 1_000_000
    await home.registry.do(SYSTEM, consents.set_consent, resident="wang", grantee=who, classes=classes, until_ns=until_ns, giver="王淑华")


async def post(client: httpx.AsyncClient, path: str, wanted: int = 200, **body: Any) -> Any:
    answer = await client.post(f"/api/v1{path}", json=body)
    assert answer.status_code == wanted, answer.text
    return answer.json()


async def get(client: httpx.AsyncClient, path: str, status: int = 200) -> Any:
    answer = await client.get(f"/api/v1{path}")
    assert answer.status_code == status, answer.text
    return answer.json()


# --- messages and visits ---------------------------------------------------------------------------------------------


async def test_a_note_is_for_those_who_may_read_notes(tmp_path: Path) -> None:
    async with house(tmp_path) as home, home.signed_in("carer") as carer, home.signed_in("son") as son:
        made = await post(carer, "/care/wang/notes", text=" 今天在院子里晒了太阳。 ")
        assert "notes" not in await get(son, "/family/wang"), "vitals only"
        await grant(home, "notes")
        (note,) = (await get(son, "/family/wang"))["notes"]
        assert (note["text"], note["name"], note["from_family"]) == ("今天在院子里晒了太阳。", "Carer", False)
        letter = made["thread"]["letters"][0]["id"]
        await post(carer, f"/messages/{letter}/withdraw", reason="写错了人")
        assert (await get(son, "/family/wang"))["notes"] == []
        ((left,),) = [one["letters"] for one in (await get(carer, "/care/wang"))["notes"]]
        assert (left["withdrawn"], left["text"]) == (True, "")
        assert (await post(carer, f"/messages/{letter}/withdraw", 409, reason="again"))["code"] == "care.withdrawn"
        actions = [(row.action, row.subject, row.resident) for row in await home.audit_rows()]
        assert ("care.note", letter, "wang") in actions
        assert ("care.withdrawn", letter, "wang") in actions


async def test_a_question_waits_until_the_desk_has_answered(tmp_path: Path) -> None:
    async with house(tmp_path) as home, home.signed_in("carer") as carer, home.signed_in("son") as son:
        thread = (await post(son, "/family/wang/questions", text="妈妈今天吃饭怎么样？"))["thread"]["id"]
        (waiting,) = (await get(carer, "/care"))["waiting"]
        assert (waiting["id"], waiting["resident"]["name"], waiting["letters"][0]["text"]) == (thread, "王淑华", "妈妈今天吃饭怎么样？")
        assert (await get(carer, "/alerts"))["questions"] == 1
        await post(carer, f"/questions/{thread}/answer", text="吃得不错。")
        assert (await get(carer, "/care"))["waiting"] == []
        (mine,) = (await get(son, "/family/wang"))["desk"]["questions"]
        assert [(one["text"], one["mine"]) for one in mine["letters"]] == [("妈妈今天吃饭怎么样？", True), ("吃得不错。", False)]
        await post(son, "/family/wang/questions", text="谢谢！", thread=thread)
        assert len((await get(carer, "/care"))["waiting"]) == 1
        await post(carer, f"/questions/{thread}/settle")
        assert (await get(carer, "/care"))["waiting"] == []


async def test_a_question_is_between_one_person_and_the_desk(tmp_path: Path) -> None:
    async with house(tmp_path) as home, home.signed_in("son") as son:
        thread = (await post(son, "/family/wang/questions", text="只给护理站看"))["thread"]["id"]
        user, password = await home.accounts.create(SYSTEM, login="niece", name="N", role="family", must_change=False)
        await grant(home, "notes", "summary", who=user.id)
        async with home.client() as niece:
            await post(niece, "/session", user="niece", password=password)
            document = await get(niece, "/family/wang")
            assert (document["desk"]["questions"], document["notes"]) == ([], [])
            await post(niece, "/family/wang/questions", 404, text="x", thread=thread)
        consent = next(iter(home.registry.view.consents))
        await home.registry.do(SYSTEM, consents.withdraw_consent, consent)
        await post(son, "/family/wang/questions", 404, text="noch da?")


async def test_a_conversation_has_an_end(tmp_path: Path) -> None:
    async with house(tmp_path) as home, home.signed_in("son") as son:
        await post(son, "/family/wang/questions", 422, text="")
        assert (await post(son, "/family/wang/questions", 422, text=" \n "))["code"] == "care.empty"
        for _ in range(30):
            await post(son, "/family/wang/questions", text="x")
        assert (await post(son, "/family/wang/questions", 429, text="x"))["code"] == "care.too_many"


async def test_visits_are_planned_and_end(tmp_path: Path) -> None:
    async with house(tmp_path) as home, home.signed_in("carer") as carer, home.signed_in("son") as son:
        await grant(home, "notes")
        now_ms = home.clock.now_ns() // 1_000_000
        visit = (await post(carer, "/care/wang/visits", kind="doctor", at_ms=now_ms + DAY_MS, note="例行"))["visit"]
        assert visit["status"] == "planned"
        past = (await post(carer, "/care/wang/visits", kind="outing", at_ms=now_ms - DAY_MS))["visit"]
        assert past["status"] == "held"
        await post(carer, f"/visits/{visit['id']}/end", status="held", result="血压平稳")
        assert (await post(carer, f"/visits/{visit['id']}/end", 409, status="cancelled"))["code"] == "care.visit_closed"
        shown = [(one["kind"], one["status"], one["result"]) for one in (await get(son, "/family/wang"))["visits"]]
        assert shown == [("doctor", "held", "血压平稳"), ("outing", "held", "")]
        too_far = await post(carer, "/care/wang/visits", 422, kind="doctor", at_ms=now_ms + 500 * DAY_MS)
        assert too_far["code"] == "care.visit_time"


async def test_each_sees_of_a_resident_what_is_for_the_role(tmp_path: Path) -> None:
    async with house(tmp_path) as home:
        parts = {
            "carer": {"questions", "notes", "visits", "family", "invitations"},
            "doctor": {"questions", "notes", "visits", "family", "documents"},
            "operator": {"documents", "invitations"},
        }
        for login, keys in parts.items():
            async with home.signed_in(login) as client:
                assert (await get(client, "/care/wang")).keys() - {"t_ms", "tz", "resident", "may"} == keys


# --- documents -------------------------------------------------------------------------------------------------------


async def upload(client: httpx.AsyncClient, content: bytes, media_type: str = "application/pdf", **query: str) -> httpx.Response:
    query = {"title": "体检报告", "kind": "examination", "day": "2026-11-02", **query}
    return await client.post("/api/v1/care/wang/documents", params=query, content=content, headers={"Content-Type": media_type})


async def test_a_document_goes_in_and_out_as_it_is(tmp_path: Path) -> None:
    async with house(tmp_path) as home, home.signed_in("doctor") as doctor, home.signed_in("son") as son:
        made = (await upload(doctor, PDF)).json()["document"]
        assert (made["media_type"], made["size"], made["day"]) == ("application/pdf", len(PDF), "2026-11-02")
        path = f"/api/v1/documents/{made['id']}"
        assert (await son.get(path)).status_code == 404, "vitals only"
        assert "documents" not in await get(son, "/family/wang")
        await grant(home, "documents")
        answer = await son.get(path)
        assert (answer.content, answer.headers["content-type"]) == (PDF, "application/pdf")
        assert answer.headers["content-disposition"].startswith("attachment; filename*=UTF-8''%E4%BD%93")
        assert [row.actor for row in await home.audit_rows() if row.action == "read.document"] == ["u-son"]
        file = tmp_path / "documents" / made["id"]
        assert file.stat().st_mode & 0o077 == 0
        file.write_bytes(PDF.replace(b"Catalog", b"Katalog"))
        damaged = await doctor.get(path)
        assert (damaged.status_code, damaged.json()["code"]) == (503, "documents.lost")
        await post(doctor, f"/documents/{made['id']}/withdraw", reason="别人的报告")
        assert not file.exists()
        assert (await son.get(path)).status_code == 404
        assert (await get(son, "/family/wang"))["documents"] == []
        (row,) = await home.db.read(lambda conn: conn.execute("SELECT reason, sha256, withdrawn_by FROM document").fetchall())
        assert row == ("别人的报告", hashlib.sha256(PDF).hexdigest(), "u-doctor")


@pytest.mark.parametrize(
    ("content", "media_type"),
    [
        (PDF, "application/pdf"), (JPEG, "image/jpeg"), (b"MZ" + bytes(50), None), (b"<html>%PDF-1.4 %%EOF", None), (PDF[:40], None),
        (JPEG[:20], None), (b"", None), (b"\x89PNG\r\n\x1a\n" + bytes(40), None), (b"GIF89a" + bytes(9), None),
    ],
)  # fmt: skip
async def test_what_a_file_is_its_bytes_say(content: bytes, media_type: str | None) -> None:
    assert documents.media_type_of(content) == media_type


async def test_what_is_no_document_leaves_nothing_behind(tmp_path: Path) -> None:
    async with house(tmp_path) as home, home.signed_in("doctor") as doctor:
        for content, more, status, code in (
            (b"MZ", {}, 422, "documents.type"), (PDF + bytes(10 * 1024 * 1024), {}, 413, "documents.too_large"),
            (PDF, {"media_type": "text/html"}, 415, "documents.type"), (PDF, {"day": "2026-13-40"}, 422, "documents.day"),
        ):  # fmt: skip
            answer = await upload(doctor, content, **more)
            assert (answer.status_code, answer.json()["code"]) == (status, code)
        assert await home.db.read(lambda conn: documents.of_resident(conn, ("wang",))) == []
        assert not (tmp_path / "documents").exists()


async def test_the_office_scans_what_it_does_not_read(tmp_path: Path) -> None:
    async with house(tmp_path) as home, home.signed_in("operator") as operator, home.signed_in("doctor") as doctor:
        await upload(doctor, PDF, title="秘密")
        mine = (await upload(operator, JPEG, "image/jpeg", title="扫描件")).json()["document"]
        assert [one["title"] for one in (await get(operator, "/care/wang"))["documents"]] == ["扫描件"]
        assert (await operator.get(f"/api/v1/documents/{mine['id']}")).status_code == 403
        ours = {one["title"]: one["id"] for one in (await get(doctor, "/care/wang"))["documents"]}
        await post(operator, f"/documents/{ours['秘密']}/withdraw", 404, reason="x")
        await post(operator, f"/documents/{mine['id']}/withdraw", reason="重复")
        assert home.registry.view.residents["wang"].name == "王淑华"


def test_files_without_a_row_are_swept_away(tmp_path: Path) -> None:
    shelf = documents.Shelf(tmp_path / "documents")
    kept, lost = shelf.put(PDF, 1), shelf.put(JPEG, 2)
    assert shelf.sweep([kept]) == 1
    assert [path.name for path in (tmp_path / "documents").iterdir()] == [kept] != [lost]


# --- invitations -----------------------------------------------------------------------------------------------------


async def invited(client: httpx.AsyncClient, now_ms: int, **more: Any) -> tuple[str, str]:
    """Token of a new invitation and its id."""
    fields: dict[str, Any] = {
        "name": "王小明", "relation": "child", "classes": ["summary", "notes"], "until_ms": now_ms + 90 * DAY_MS, "giver": "王淑华", **more,
    }  # fmt: skip
    made = await post(client, "/care/wang/invitations", **fields)
    assert made["qr"].startswith("data:image/svg+xml;base64,")
    assert b"<svg" in base64.b64decode(made["qr"].partition(",")[2])
    return made["url"].partition("#")[2], made["invitation"]["id"]


PASSWORD = "eine lange Treppe 7"


async def test_from_the_link_to_the_page(tmp_path: Path) -> None:
    async with house(tmp_path) as home, home.signed_in("carer") as carer, home.client() as guest:
        token, invitation = await invited(carer, home.clock.now_ns() // 1_000_000)
        shown = await post(guest, "/invite/open", token=token)
        assert (shown["resident"], shown["giver"], shown["classes"], shown["me"]) == ("王**", "王**", ["summary", "notes"], None)
        weak = await post(guest, "/invite/accept", 422, token=token, user="xiaoming", password="12345678")
        assert weak["code"] == "registry.password.weak"
        taken = await post(guest, "/invite/accept", 409, token=token, user="son", password=PASSWORD)
        assert taken["code"] == "registry.login.taken"
        made = await post(guest, "/invite/accept", token=token, user="xiaoming", password=PASSWORD)
        assert (made["me"]["role"], [one["id"] for one in made["me"]["residents"]]) == ("family", ["wang"])
        page = await get(guest, "/family/wang")
        assert page["scope"]["classes"] == ["notes", "summary"]
        await post(guest, "/invite/open", 404, token=token)
        await post(guest, "/invite/accept", 404, token=token, user="second", password=PASSWORD)
        (row,) = [one for one in home.registry.view.consents.values() if one.relation == "child"]
        assert (row.giver, row.recorded_by, row.text_version) == ("王淑华", "u-carer", f"{consent_text.VERSION}.zh")
        assert row.text_sha256 == consent_text.sha256_of("zh")
        (listed,) = (await get(carer, "/care/wang"))["invitations"]
        assert (listed["id"], listed["state"], listed["used_by"]) == (invitation, "used", "王小明")
        stored = await home.db.read(lambda conn: conn.execute("SELECT hash FROM invitation").fetchall())
        assert stored == [(hashlib.sha256(token.encode()).digest(),)]
        assert token.encode() not in (tmp_path / "store.sqlite").read_bytes() + (tmp_path / "store.sqlite-wal").read_bytes()


async def test_one_account_for_several_residents(tmp_path: Path) -> None:
    async with house(tmp_path) as home, home.signed_in("operator") as operator, home.signed_in("son") as son:
        now_ms = home.clock.now_ns() // 1_000_000
        made = await post(
            operator, "/care/liu/invitations", name="S", relation="relative", classes=["summary"], until_ms=now_ms + DAY_MS, giver="刘秀英"
        )
        token = made["url"].partition("#")[2]
        assert (await post(son, "/invite/open", token=token))["me"]["login"] == "son"
        await post(son, "/invite/join", token=token)
        assert {one["id"] for one in (await get(son, "/me"))["residents"]} == {"wang", "liu"}
        assert (await get(son, "/family/liu"))["scope"]["classes"] == ["summary"]
        assert (await get(son, "/family/wang"))["scope"]["classes"] == ["vitals"]


async def test_an_invitation_ends(tmp_path: Path) -> None:
    clock = FakeClock()
    async with house(tmp_path, clock=clock) as home, home.client() as guest:
        async with home.signed_in("carer") as carer:
            now_ms = clock.now_ns() // 1_000_000
            withdrawn, row = await invited(carer, now_ms)
            await post(carer, f"/invitations/{row}/withdraw")
            assert (await post(carer, f"/invitations/{row}/withdraw", 409))["code"] == "invitation.over"
            late, _ = await invited(carer, now_ms)
            left, _ = await invited(carer, now_ms)
        await post(guest, "/invite/open", 404, token=withdrawn)
        await home.accounts.change(SYSTEM, "u-carer", status="disabled")
        answer = await post(guest, "/invite/accept", 404, token=left, user="xiaoming", password=PASSWORD)
        assert answer["code"] == "not_found", "who wrote it may let nobody in any more"
        assert "xiaoming" not in {user.login for user in home.registry.view.users.values()}
        await home.accounts.change(SYSTEM, "u-carer", status="active")
        await clock.advance(7 * 86_400 + 1)
        await post(guest, "/invite/open", 404, token=late)


async def test_an_invitation_is_worth_nothing_once_the_resident_has_left(tmp_path: Path) -> None:
    async with house(tmp_path) as home, home.signed_in("carer") as carer, home.client() as guest:
        token, _ = await invited(carer, home.clock.now_ns() // 1_000_000)
        await home.registry.do(SYSTEM, residents.discharge, "wang")
        await post(guest, "/invite/open", 404, token=token)
        await post(guest, "/invite/accept", 404, token=token, user="xiaoming", password=PASSWORD)


async def test_the_page_tells_whom_to_call(tmp_path: Path) -> None:
    async with house(tmp_path) as home, home.signed_in("son") as son:
        await home.registry.do(SYSTEM, org.set_site, name="安和", site_id="care", phone="010-5555 0199")
        await home.registry.do(SYSTEM, org.set_site, name="安和养老院", site_id="care")
        desk = (await get(son, "/family/wang"))["desk"]
        assert (desk["site"], desk["phone"]) == ("安和养老院", "010-5555 0199"), "a change of the name keeps the number"
