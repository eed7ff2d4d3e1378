"""Devices that are given, moved and taken back; what an operator sees of a device; dead letters of one reason; backups on request."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from gateway import deadletter
from gateway.backups import Backups
from gateway.clock import SystemClock
from gateway.deadletter import Letter
from gateway.frames import Frame
from gateway.ops import Ops
from gateway.registry import bindings, moves
from gateway.registry.errors import ConflictError
from gateway.store import StoreError
from gateway.vocabulary import SYSTEM
from tests.support.house import House, house


def whose(home: House, device: str) -> str | None:
    return home.registry.view.resident_of(device, home.clock.now_ns())


async def test_a_device_that_is_somebodys_goes_only_where_the_mover_has_seen_whose_it_is_and_comes_back(tmp_path: Path) -> None:
    async with house(tmp_path) as home, home.signed_in("operator") as client:
        refused = await client.post("/api/v1/devices/band-wang/assign", json={"resident_id": "liu"})
        assert (refused.status_code, refused.json()["code"]) == (409, "device.elsewhere")
        current = refused.json()["current"]
        assert current["resident"]["name"] == "王淑华"
        assert whose(home, "band-wang") == "wang"
        moved = await client.post(
            "/api/v1/devices/band-wang/assign", json={"resident_id": "liu", "moves": current["id"], "worn": "wrist", "agreed": True}
        )
        assert moved.json()["former"]["resident"]["id"] == "wang"
        assert whose(home, "band-wang") == "liu"
        assert home.registry.view.devices["band-wang"].facts[bindings.WORN] == "wrist"
        undone = await client.post(f"/api/v1/bindings/{moved.json()['binding']['id']}/undo")
        assert undone.json()["again"]["resident"]["id"] == "wang"
        assert whose(home, "band-wang") == "wang"
        # As if it had never been: also the moments in between are the former resident's.
        rows = home.registry.view.bindings_of("band-wang")
        assert {row.resident_id for row in rows} == {"wang"}
        assert rows[0].valid_to_ns == rows[1].valid_from_ns
        actions = [row.action for row in await home.audit_rows()]
        assert {"binding.set", "binding.ended", "binding.agreed"} <= set(actions)


async def test_a_stranger_goes_back_to_the_inbox_and_an_old_binding_is_not_undone(tmp_path: Path) -> None:
    async with house(tmp_path) as home, home.signed_in("operator") as client:
        given = await client.post("/api/v1/devices/band-free/assign", json={"resident_id": "wang"})
        assert home.registry.view.devices["band-free"].status == "active"
        assert (await client.post(f"/api/v1/bindings/{given.json()['binding']['id']}/undo")).json()["again"] is None
        assert home.registry.view.devices["band-free"].status == "inbox"
        assert whose(home, "band-free") is None
        old_ns = home.clock.now_ns() - 2 * moves.UNDO_NS
        row = await home.registry.do(SYSTEM, bindings.bind, "band-free", site="care", from_ns=old_ns)
        with pytest.raises(ConflictError, match="undo"):
            await home.registry.do(SYSTEM, moves.undo, row.id)


async def test_a_devices_page_names_secrets_without_showing_them_and_keeps_foreign_names(tmp_path: Path) -> None:
    async with house(tmp_path) as home:
        facts = {"bthome_key": "00112233", "firmware": "1.2.0"}
        await home.registry.do(SYSTEM, bindings.note_facts, "band-wang", facts)
        async with home.signed_in("operator") as client:
            answer = await client.get("/api/v1/devices/band-wang/detail")
            document = answer.json()
            assert document["device"]["facts"] == {"firmware": "1.2.0"}
            assert document["device"]["secret_facts"] == ["bthome_key"]
            assert "00112233" not in answer.text
            assert document["bindings"][0]["resident"]["name"] == "王淑华"
        async with home.signed_in("carer") as client:
            assert (await client.get("/api/v1/devices/band-zhou/detail")).status_code == 404


async def test_first_readings_are_for_who_sets_the_device_up_only(tmp_path: Path) -> None:
    async with house(tmp_path) as home, home.signed_in("operator") as client:
        answer = await client.get("/api/v1/devices/band-wang/first")
        assert (answer.status_code, answer.json()["code"]) == (409, "setup.not_begun")


async def test_without_bluetooth_a_search_says_so(tmp_path: Path) -> None:
    async with house(tmp_path) as home, home.signed_in("operator") as client:
        answer = await client.post("/api/v1/setup/search")
        assert (answer.status_code, answer.json()["code"]) == (409, "pairing.no_bluetooth")


async def test_the_label_is_a_drawing_that_leads_to_the_device(tmp_path: Path) -> None:
    async with house(tmp_path) as home, home.signed_in("operator") as client:
        answer = await client.get("/api/v1/devices/band-wang/label.svg")
        assert answer.headers["content-type"] == "image/svg+xml"
        assert answer.text.startswith("<svg")
        assert "http" not in answer.text.replace("http://www.w3.org/2000/svg", "")


async def test_dead_letters_by_reason_and_their_bytes_for_fewer(tmp_path: Path) -> None:
    async with house(tmp_path) as home:
        frames = [Frame(channel="mqtt", topic="anxin/up/d", payload=b"{}", t_received_ns=1, device="d") for _ in range(3)]
        details = ("not JSON", "not JSON", "unit: missing")
        letters = [Letter(frame=frame, detail=detail) for frame, detail in zip(frames, details, strict=True)]
        await home.db.write(lambda conn: deadletter.add(conn, letters))
        async with home.signed_in("chief") as client:
            found = (await client.get("/api/v1/deadletters", params={"reason": "not JSON"})).json()
            assert found["kept"] == {"not JSON": 2, "unit: missing": 1}
            assert [row["reason"] for row in found["letters"]] == ["not JSON"] * 2
            assert found["may_see_bytes"] is True
            assert (await client.post("/api/v1/deadletters/retry", json={"reason": "not JSON"})).json()["code"] == "deadletter.no_intake"
        async with home.signed_in("admin") as client:
            found = (await client.get("/api/v1/deadletters")).json()
            assert found["may_see_bytes"] is False
            assert (await client.get("/api/v1/deadletters/1")).status_code == 403
        async with home.signed_in("operator") as client:
            assert (await client.post("/api/v1/deadletters/retry", json={"reason": "not JSON"})).status_code in (403, 404)


async def test_the_house_at_a_glance(tmp_path: Path) -> None:
    async with house(tmp_path) as home, home.signed_in("admin") as client:
        home.ops.fault("backup.failed", "backup", reason="disk")
        found = (await client.get("/api/v1/house")).json()
        assert found["inbox"] == 1
        assert found["faults"][0]["code"] == "backup.failed"
        assert found["letters"] == {"kept": 0, "day": 0}


async def test_a_backup_now_with_progress_one_at_a_time(tmp_path: Path) -> None:
    begun, go = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def make(_history: bool | None, progress: Any) -> dict[str, Any]:
        progress("store.sqlite", 3, 10)
        loop.call_soon_threadsafe(begun.set)
        asyncio.run_coroutine_threadsafe(go.wait(), loop).result(5)
        return {"archive": str(tmp_path / "b" / "anxin-20261125T000000Z.zip"), "removed": []}

    desk = Backups(tmp_path / "b", make, 3600, SystemClock(), Ops())
    desk.begin(history=None)
    await begun.wait()
    with pytest.raises(RuntimeError):
        desk.begin(history=None)
    running = (await desk.state())["run"]
    assert (running["state"], running["file"], running["done"], running["of"]) == ("running", "store.sqlite", 3, 10)
    go.set()
    await desk.close()
    assert (await desk.state())["run"]["archive"] == "anxin-20261125T000000Z.zip"


async def test_a_backup_that_fails_says_so_and_is_a_fault(tmp_path: Path) -> None:
    def make(_history: bool | None, _progress: Any) -> dict[str, Any]:
        raise StoreError("no room")

    ops = Ops()
    desk = Backups(tmp_path / "b", make, 3600, SystemClock(), ops)
    desk.begin(history=None)
    await desk.close()
    assert (await desk.state())["run"]["state"] == "failed"
    assert [fault.code for fault in ops.faults()] == ["backup.failed"]


async def test_archives_are_listed_with_what_is_in_them_and_a_broken_one_is_named(tmp_path: Path) -> None:
    from gateway import backup
    from gateway.office import make_backup

    async with house(tmp_path / "data") as home:
        made = await asyncio.to_thread(backup.backup, home.folder, tmp_path / "b", clock=home.clock)
        (tmp_path / "b" / "anxin-20200101T000000Z.zip").write_bytes(b"not a zip")
        desk = Backups(tmp_path / "b", lambda h, p: make_backup(home, tmp_path / "b", h, p), 3600, home.clock, home.ops)  # type: ignore[arg-type]
        rows = await desk.listing()
        assert [(row["name"], row["readable"]) for row in rows] == [(made.name, True), ("anxin-20200101T000000Z.zip", False)]
        assert [file["name"] for file in rows[0]["files"]] == ["store.sqlite"]
        assert (await desk.state())["age_s"] < 60
