"""Whose a measurement is: check-in at shared devices, user slots, single readings; the inbox with its suggestions, the kiosk's door."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from fastapi import FastAPI

from devices.codes import BY_KEY
from gateway.checkins import CheckinDoor, Refused, read
from gateway.clock import NS_PER_S
from gateway.frames import Fate, Frame
from gateway.health.unassigned import Loose, Unassigned
from gateway.ops import Ops
from gateway.query.inbox import suggestions
from gateway.readings import FrameRow, Mark, ReadingBlock
from gateway.registry import attribution, bindings, org, residents
from gateway.registry.attributed import slot_owner
from gateway.registry.credentials import DeviceTokens
from gateway.registry.errors import ConflictError, RegistryError
from gateway.vocabulary import SYSTEM
from tests.support.fake_clock import FakeClock
from tests.support.house import House, house

MS = 1_000_000
KIOSK = "kiosk"


async def equip(home: House) -> None:
    """A kiosk with a cuff in a room of which one resident has a bed."""
    do, since_ns = home.registry.do, home.clock.now_ns() - 3600 * NS_PER_S  # readings are dated to the millisecond: never before it
    await do(SYSTEM, org.set_room, site="care", zone="z-a", name="Day room", room_id="room-1")
    await do(SYSTEM, org.set_bed, site="care", zone="z-a", room="room-1", label="3-03", bed_id="bed-3-03")
    await do(SYSTEM, residents.admit, name="陈国强", bed="bed-3-03", resident_id="chen", at_ns=since_ns)
    await do(SYSTEM, bindings.set_device, KIOSK, site="care")
    await do(SYSTEM, bindings.set_device, "cuff", site="care", quantities=("sbp", "dbp"), facts={"kiosk": KIOSK})
    await do(SYSTEM, bindings.bind, "cuff", room="room-1", from_ns=since_ns)


def owner(home: House, device: str, t_ns: int) -> str | None:
    return home.registry.view.resident_of(device, t_ns)


async def test_check_in_is_for_a_span_or_until_the_next_one(tmp_path: Path) -> None:
    clock = FakeClock()
    async with house(tmp_path, clock=clock) as home:
        await equip(home)
        do, at = home.registry.do, []
        for who in ("wang", "liu"):
            await clock.advance(60)
            at.append(clock.now_ns())
            row = await do(SYSTEM, attribution.check_in, KIOSK, who, how="card", span_s=300)
            assert row.device_ids == ("cuff",)
        seen = [owner(home, "cuff", t_ns) for t_ns in (at[0] - 1, at[0], at[1] - 1, at[1], at[1] + 299 * NS_PER_S, at[1] + 301 * NS_PER_S)]
        assert seen == [None, "wang", "wang", "liu", "liu", None]
        place = home.registry.view.place_of("cuff", at[1] + 301 * NS_PER_S)
        assert place is not None
        assert place.room_id == "room-1"  # and it stands in its room again
        await clock.advance(10)
        await do(SYSTEM, attribution.check_out, KIOSK)
        assert owner(home, "cuff", clock.now_ns()) is None
        assert owner(home, "cuff", clock.now_ns() - 1) == "liu"
        assert await do(SYSTEM, attribution.check_out, KIOSK) is None


async def test_who_may_not_check_in(tmp_path: Path) -> None:
    async with house(tmp_path) as home:
        await equip(home)
        do = home.registry.do
        with pytest.raises(ConflictError, match="one resident's own"):
            await do(SYSTEM, attribution.check_in, "band-wang", "liu", how="staff", span_s=60)
        with pytest.raises(ConflictError, match="does not belong to this kiosk"):
            await do(SYSTEM, attribution.check_in, KIOSK, "liu", how="card", span_s=60, devices=("band-free",))
        with pytest.raises(RegistryError):
            await do(SYSTEM, attribution.check_in, KIOSK, "liu", how="card", span_s=1e9)
        await do(SYSTEM, residents.discharge, "liu", reason="home")
        with pytest.raises(ConflictError, match="not here"):
            await do(SYSTEM, attribution.check_in, KIOSK, "liu", how="card", span_s=60)


async def test_one_reading_moves_alone_and_can_be_taken_back_once(tmp_path: Path) -> None:
    async with house(tmp_path) as home:
        do = home.registry.do
        t_ms = home.clock.now_ns() // MS - 5_000
        await do(SYSTEM, bindings.correct_binding, "band-wang", from_ns=(t_ms - 10_000) * MS, to_ns=None, reason="worn", resident="wang")
        first = await do(SYSTEM, attribution.assign, "band-wang", t_ms, "liu", reason="mixed up")
        around = [owner(home, "band-wang", t_ns) for t_ns in (t_ms * MS - 1, t_ms * MS, (t_ms + 1) * MS - 1, (t_ms + 1) * MS)]
        assert around == ["wang", "liu", "liu", "wang"]
        assert (first.former_id, first.resident_id) == ("wang", "liu")
        with pytest.raises(ConflictError):
            await do(SYSTEM, attribution.assign, "band-wang", t_ms, "liu", reason="again")
        second = await do(SYSTEM, attribution.assign, "band-wang", t_ms, None, reason="a visitor's")
        with pytest.raises(ConflictError):
            await do(SYSTEM, attribution.undo, first.id)  # it is not the last word any more
        await do(SYSTEM, attribution.undo, second.id)
        assert owner(home, "band-wang", t_ms * MS) == "liu"
        with pytest.raises(ConflictError):
            await do(SYSTEM, attribution.undo, second.id)
        await do(SYSTEM, attribution.undo, first.id)
        assert owner(home, "band-wang", t_ms * MS) == "wang"
        again = type(home.registry.view).fold(await home.events.read(0, limit=100_000))
        assert again.assigned == home.registry.view.assigned
        assert again.resident_of("band-wang", t_ms * MS) == "wang"


def frame_block(t_ns: int, *, user: int | None, sbp: float = 120.0, mark: Mark = Mark.NONE, device: str = "cuff") -> ReadingBlock:
    """A blood pressure measurement as the Bluetooth profile has it: mmHg, and the user's slot where there is one."""
    flags = 0x08 if user is not None else 0x00
    payload = bytes([flags]) + int(sbp).to_bytes(2, "little") + (80).to_bytes(2, "little") + (93).to_bytes(2, "little")
    payload += b"" if user is None else bytes([user])
    frame = FrameRow(
        device=device,
        channel="ble",
        topic="gatt/1810/2a35",
        boot_id="b",
        seq=t_ns % 1000,
        t_received_ns=t_ns,
        t_device_ns=None,
        payload=payload,
    )
    n = 2
    return ReadingBlock(
        devices=(device,), frames=(frame,), device=np.zeros(n, np.int32),
        quantity=np.array([BY_KEY["sbp"].index, BY_KEY["dbp"].index], np.int16), value=np.array([sbp, 80.0]),
        t_measured_ns=np.full(n, t_ns, np.int64), t_received_ns=np.full(n, t_ns, np.int64), quality=np.zeros(n, np.uint16),
        mark=np.full(n, int(mark), np.uint16), origin=np.zeros(n, np.uint8), frame=np.zeros(n, np.int32),
    )  # fmt: skip


async def test_a_slot_with_an_owner_is_settled_at_once_and_people_have_the_last_word(tmp_path: Path) -> None:
    async with house(tmp_path) as home:
        await equip(home)
        do = home.registry.do
        await do(SYSTEM, attribution.set_slot, "cuff", 2, "liu")
        loose = Unassigned(home.registry, home.clock, Ops())
        t_ns = home.clock.now_ns()
        await loose.take(frame_block(t_ns, user=2))
        assert owner(home, "cuff", t_ns) == "liu"
        [row] = home.registry.view.assigned.values()
        assert (row.user, row.by) == (2, SYSTEM.id)
        await do(SYSTEM, attribution.undo, row.id)
        await loose.take(frame_block(t_ns, user=2))  # the journal is read again after a kill
        assert owner(home, "cuff", t_ns) is None
        await do(SYSTEM, attribution.set_slot, "cuff", 2, "wang")
        assert slot_owner(home.registry.view, "cuff", 2, t_ns) == "liu"  # from now on only
        later = home.clock.now_ns()
        await loose.take(frame_block(later, user=2))
        assert owner(home, "cuff", later) == "wang"


@pytest.mark.parametrize(
    ("mark", "device", "kept"),
    [(Mark.NONE, "cuff", 1), (Mark.STORED, "cuff", 1), (Mark.STORED | Mark.BAD_CLOCK, "cuff", 0), (Mark.RETAINED, "cuff", 0),
     (Mark.TEST, "cuff", 0), (Mark.NONE, "band-wang", 0), (Mark.NONE, "stranger", 1)],
)  # fmt: skip
async def test_what_the_inbox_keeps(tmp_path: Path, mark: Mark, device: str, kept: int) -> None:
    async with house(tmp_path) as home:
        await equip(home)
        loose = Unassigned(home.registry, home.clock, Ops())
        await loose.take(frame_block(home.clock.now_ns(), user=None, mark=mark, device=device))
        assert len(loose.found) == kept
        assert all(one.values == (("sbp", 120.0, 0), ("dbp", 80.0, 0)) for one in loose.found.values())


async def test_suggestions_and_why(tmp_path: Path) -> None:
    async with house(tmp_path) as home:
        await equip(home)
        do, now_ms = home.registry.do, home.clock.now_ns() // MS
        for back in (50_000, 40_000):
            await do(SYSTEM, attribution.assign, "cuff", now_ms - back, "liu", reason="x", user=1)
        await do(SYSTEM, attribution.assign, "cuff", now_ms - 30_000, "wang", reason="x", user=2)
        await do(SYSTEM, attribution.check_in, KIOSK, "wang", how="card", span_s=1)
        view = home.registry.view
        found = dict(suggestions(view, Loose("cuff", now_ms + 1, (("sbp", 120.0, 0),), user=1)))
        assert next(iter(found)) == "wang"
        assert found == {"wang": ["checked_in", "usual"], "liu": ["slot", "usual"], "chen": ["room"]}
        await do(SYSTEM, attribution.set_slot, "cuff", 1, "chen")
        found = dict(suggestions(home.registry.view, Loose("cuff", home.clock.now_ns() // MS + 1, (("sbp", 120.0, 0),), user=1)))
        assert found["chen"] == ["slot", "room"]
        assert dict(suggestions(view, Loose("elsewhere", now_ms + 1, ()))) == {}


async def test_the_inbox_shows_what_is_in_reach(tmp_path: Path) -> None:
    async with house(tmp_path) as home:
        await equip(home)
        loose = Unassigned(home.registry, home.clock, Ops())
        object.__setattr__(home.query.inbox._sight.parts, "unassigned", loose)
        t_ns = home.clock.now_ns()
        await loose.take(frame_block(t_ns, user=3))
        async with home.signed_in("carer") as client:
            [row] = (await client.get("/api/v1/inbox/readings")).json()["readings"]
            assert (row["device_id"], row["user"], row["values"][0]["value"]) == ("cuff", 3, 120.0)
            assert [one["resident_id"] for one in row["suggestions"]] == ["chen"]
            body = {"device": "cuff", "t_ms": row["t_ms"], "resident": "zhou"}
            assert (await client.post("/api/v1/readings/assign", json=body)).status_code == 404  # another site's resident
            done = await client.post("/api/v1/readings/assign", json={**body, "resident": "chen"})
            assert done.status_code == 200
            assert (await client.get("/api/v1/inbox/readings")).json()["readings"] == []
            undone = await client.post(f"/api/v1/readings/assigned/{done.json()['assigned']['id']}/undo")
            assert undone.json()["assigned"]["undone"] is True
            assert len((await client.get("/api/v1/inbox/readings")).json()["readings"]) == 1
            assert (await client.put("/api/v1/devices/cuff/slots/300", json={"resident": "chen"})).status_code == 422
        rows = {row.action for row in await home.audit_rows()}
        assert {"reading.assigned", "binding.set"} <= rows


# --- the kiosk's door


@pytest.mark.parametrize(
    "body",
    [
        b"", b"[]", b"{}", b'{"v":1}', b'{"v":2,"pin":"1"}', b'{"v":1,"pin":1}', b'{"v":1,"pin":"1","card":"2"}', b'{"v":1,"pin":""}',
        b'{"v":1,"pin":"1","out":true}', b'{"v":1,"out":false}', b'{"v":1,"pin":"1","seq":-1}', b'{"v":1,"pin":"1","device":"other"}',
        b'{"v":1,"pin":"1","devices":"cuff"}', b'{"v":1,"pin":"1","devices":["a b"]}', b'{"v":1,"pin":"1","t":1.5}',
        b'{"v":1,"pin":"1","x":1}',
    ],
)  # fmt: skip
def test_what_is_no_check_in(body: bytes) -> None:
    with pytest.raises(Refused):
        read(body, KIOSK)


class Kiosk:
    """The door with its own application, as a kiosk sees it."""

    def __init__(self, home: House) -> None:
        tokens = DeviceTokens(home.registry, home.db)
        self.door = CheckinDoor(home.registry, home.db, tokens, home.badges, home.clock, home.ops)
        self.token = tokens.issue_sync(SYSTEM, KIOSK)
        app = FastAPI()
        app.include_router(self.door.router)
        self.client = httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://kiosk")

    async def show(self, token: str | None = None, **body: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {token or self.token}"}
        return await self.client.post(f"/checkin/{KIOSK}", json={"v": 1, **body}, headers=headers)

    async def over_mqtt(self, payload: bytes, *, retained: bool = False) -> Fate:
        frame = Frame(channel="mqtt", topic=f"anxin/checkin/{KIOSK}", payload=payload, t_received_ns=0, retained=retained)
        return (await self.door._fate(frame)).fate


async def test_badges_at_the_door(tmp_path: Path) -> None:
    async with house(tmp_path) as home:
        await equip(home)
        kiosk = Kiosk(home)
        card, _ = await home.registry.do(SYSTEM, home.badges.give, "wang", "card", "04:a2:3b:11")
        _, pin = await home.registry.do(SYSTEM, home.badges.give, "liu", "pin")
        with pytest.raises(ConflictError):
            await home.registry.do(SYSTEM, home.badges.give, "liu", "card", "04A23B11")
        said = await kiosk.show(card="04-A2-3B-11")
        assert (said.status_code, said.json()["checked_in"], said.json()["devices"]) == (200, True, ["cuff"])
        assert "name" not in said.json()  # a kiosk stands where everybody looks
        assert owner(home, "cuff", home.clock.now_ns()) == "wang"
        assert (await kiosk.show(pin=pin)).json()["initials"] == home.registry.view.residents["liu"].initials
        assert (await kiosk.show(token="x" * 20, pin=pin)).status_code == 401
        assert (await kiosk.show(card="no card at all")).status_code == 409
        assert (await kiosk.show(qr="anxin:unknown")).json()["code"] == "checkin.unknown"
        async with home.signed_in("operator") as client:
            assert (await client.post(f"/api/v1/badges/{card.id}/revoke")).status_code == 200
        assert (await kiosk.show(card="04A23B11")).status_code == 404
        assert (await kiosk.show(card="04A23B11" * 100)).status_code == 422
        assert await kiosk.over_mqtt(b'{"v":1,"seq":1,"boot_id":"k","pin":"%s"}' % pin.encode()) is Fate.STORED
        assert await kiosk.over_mqtt(b'{"v":1,"pin":"%s"}' % pin.encode(), retained=True) is Fate.DEAD_LETTER
        assert await kiosk.over_mqtt(b'{"v":1,"card":"AAAA"}') is Fate.DEAD_LETTER
        digests = [bytes(row[0]) for row in await home.db.read(lambda conn: list(conn.execute("SELECT digest FROM badge")))]
        assert all(len(one) == 32 for one in digests)


async def test_guessing_pins_is_slowed_down_but_a_card_still_opens(tmp_path: Path) -> None:
    async with house(tmp_path) as home:
        await equip(home)
        kiosk = Kiosk(home)
        await home.registry.do(SYSTEM, home.badges.give, "wang", "card", "04A23B11")
        answers = [(await kiosk.show(pin=f"{number:06d}")).status_code for number in range(7)]
        assert answers[:5] == [404] * 5
        assert answers[-1] == 429
        assert (await kiosk.show(card="04A23B11")).status_code == 200
