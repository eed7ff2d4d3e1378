"""Links in messages: what they show, who may claim by them, and that nothing else opens."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway import links
from gateway.links import Links
from gateway.notify.base import Page
from gateway.pins import PinError, usable
from gateway.registry import org
from gateway.vocabulary import SYSTEM, AlertState, AlertView, Priority
from tests.support.fake_clock import FakeClock
from tests.support.house import ORIGIN, House, house

PIN = "204816"


def page_of(alert: AlertView, recipient: str, n: int = 1) -> Page:
    return Page(
        key=f"{alert.id}.{n}.{recipient}", alert_id=alert.id, priority=Priority.HIGH, reason="call.sos", why="new", recipient=recipient
    )


def links_of(home: House, hours: float = 12) -> Links:
    return Links.open(home.folder / "link.key", home.db, home.clock, ORIGIN, hours)


async def path(home: House, alert: AlertView, recipient: str, *, shared: bool = False, n: int = 1) -> str:
    url = await links_of(home).link_of(page_of(alert, recipient, n), shared)
    return url.removeprefix(ORIGIN)


async def now(home: House) -> AlertView:
    return (await home.db.read(home.desk.open_alerts))[0]


async def post(client: httpx.AsyncClient, target: str, **fields: str) -> httpx.Response:
    return await client.post(target, data=fields)


async def rows(home: House, action: str) -> list[tuple[Any, ...]]:
    sql = "SELECT actor, subject, outcome, detail FROM audit WHERE action = ? ORDER BY n"
    return await home.db.read(lambda conn: list(conn.execute(sql, (action,))))


async def test_a_personal_link_shows_and_claims_as_its_recipient(tmp_path: Path) -> None:
    async with house(tmp_path) as home, home.client(**{"Accept-Language": "zh"}) as client:
        alert = await home.call()
        target = await path(home, alert, "staff-li")
        assert re.fullmatch(r"/m/l/[A-Za-z0-9_-]{32}", target)
        for _ in range(3):  # chat clients open links by themselves
            answer = await client.get(target)
            assert answer.status_code == 200
        assert (await now(home)).version == alert.version
        page = answer.text
        for part in ("求助呼叫", "3-01", "以 李静 的身份认领", "还没有人前往"):
            assert part in page
        assert "王淑华" not in page, "initials, no name"
        assert "<script" not in page
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["referrer-policy"] == "same-origin"
        answer = await post(client, target)
        assert (answer.status_code, answer.headers["location"]) == (303, f"{target}?said=claim")
        claimed = await now(home)
        assert (claimed.state, claimed.claimed_by, claimed.claimed_name) == (AlertState.CLAIMED, "staff-li", "李静")
        assert [row[:3] for row in await rows(home, "alert.claim")] == [("staff-li", alert.id, "allowed")]
        page = (await client.get(f"{target}?said=claim")).text
        assert "已记录：您正在前往。" in page
        assert "李静 正在前往" in page
        assert "<form" not in page


async def test_a_link_in_a_group_asks_who_is_there_and_wants_the_pin(tmp_path: Path) -> None:
    async with house(tmp_path) as home, home.client(**{"Accept-Language": "en"}) as client:
        home.registry.do_sync(SYSTEM, org.set_staff, name="Zhao", role="nurse", staff_id="staff-zhao")
        await home.commands.pins.give(SYSTEM, "staff-li", PIN)
        alert = await home.call()
        target = await path(home, alert, "staff-zhao", shared=True)
        page = (await client.get(target)).text
        assert "Who are you?" in page
        assert '<option value="staff-li">李静</option>' in page
        for fields in ({}, {"who": "staff-li"}, {"who": "staff-li", "pin": "000000"}, {"who": "staff-zhao", "pin": PIN}, {"who": "desk"}):
            answer = await post(client, target, **fields)
            assert answer.status_code == 403, fields
            assert "do not match" in answer.text
        assert (await now(home)).state is AlertState.RAISED
        assert (await post(client, target, who="staff-li", pin=PIN)).status_code == 303
        assert (await now(home)).claimed_by == "staff-li"
        assert {row[2] for row in await rows(home, "alert.claim")} == {"refused", "allowed"}


async def test_guessing_a_pin_is_slowed_down(tmp_path: Path) -> None:
    async with house(tmp_path, clock=FakeClock()) as home, home.client() as client:
        await home.commands.pins.give(SYSTEM, "staff-li", PIN)
        target = await path(home, await home.call(), "desk")
        answers = [(await post(client, target, who="staff-li", pin=f"{n:06d}")).status_code for n in range(7)]
        assert answers == [403] * 5 + [429] * 2
        assert (await post(client, target, who="staff-li", pin=PIN)).status_code == 429, "even the right one waits"


async def test_links_end_and_others_never_open(tmp_path: Path) -> None:
    clock = FakeClock()
    async with house(tmp_path, clock=clock) as home, home.client() as client:
        alert = await home.call()
        target = await path(home, alert, "staff-li")
        wrong = target[:-1] + ("A" if target[-1] != "A" else "B")
        for other in (wrong, "/m/l/x", "/m/l/" + "a" * 32, "/m/l/" + "a" * 33, "/m/l/..%2f..%2f"):
            assert (await client.get(other)).status_code == 404, other
            assert (await post(client, other)).status_code == 404, other
        stored = await home.db.read(lambda conn: list(conn.execute("SELECT hash FROM link")))
        assert stored == [(links.digest(target.removeprefix("/m/l/")),)]
        await clock.advance(12 * 3600 - 1)
        assert (await client.get(target)).status_code == 200
        await clock.advance(2)
        assert (await client.get(target)).status_code == 404
        assert (await post(client, target)).status_code == 404
        assert (await now(home)).state is AlertState.RAISED


async def test_the_second_to_claim_is_told_who_was_first(tmp_path: Path) -> None:
    async with house(tmp_path) as home, home.client(**{"Accept-Language": "zh"}) as client:
        home.registry.do_sync(SYSTEM, org.set_staff, name="赵敏", role="nurse", staff_id="staff-zhao")
        alert = await home.call()
        first, second = await path(home, alert, "staff-li"), await path(home, alert, "staff-zhao")
        assert first != second
        await post(client, first)
        answer = await post(client, second)
        assert answer.headers["location"] == f"{second}?said=conflict"
        assert "李静 正在前往" in (await client.get(second)).text


async def test_the_same_message_has_the_same_link_and_a_full_store_stops_no_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from gateway.store import DiskFull

    async with house(tmp_path) as home:
        alert = await home.call()
        made = links_of(home)
        assert await made.link_of(page_of(alert, "li"), False) == await links_of(home).link_of(page_of(alert, "li"), False)
        assert await made.link_of(page_of(alert, "li"), True) != await made.link_of(page_of(alert, "li"), False)

        async def full(*_: object, **__: object) -> None:
            raise DiskFull("no room")

        monkeypatch.setattr(home.db, "write", full)
        page = Page(**{**page_of(alert, "li", 2).to_dict(), "link": "https://anxin.test/m/alerts/1"})
        assert await made.link_of(page, False) == "https://anxin.test/m/alerts/1"


def test_which_pins_are_usable() -> None:
    assert [pin for pin in ("204816", "123456", "987654", "111111", "121212", "12345", "2048161", "20481６", "0" * 20) if usable(pin)] == [
        "204816",
        "2048161",
    ]


async def test_a_pin_is_chosen_or_made_and_never_stored(tmp_path: Path) -> None:
    async with house(tmp_path) as home:
        pin = await home.commands.pins.give(SYSTEM, "staff-li")
        assert usable(pin)
        assert await home.commands.pins.fits("staff-li", pin, "x")
        assert not await home.commands.pins.fits("nobody", pin, "x")
        with pytest.raises(PinError):
            await home.commands.pins.give(SYSTEM, "staff-li", "123456")
        stored = await home.db.read(lambda conn: str(list(conn.execute("SELECT * FROM staff_pin"))))
        assert pin not in stored
