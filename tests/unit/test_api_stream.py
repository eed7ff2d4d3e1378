"""Server-sent events on a real socket: resumable over cuts and restarts, filtered, bounded, ended when the right to see ends."""

from __future__ import annotations

import asyncio
import random
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import apsw
import httpx
import pytest

from gateway import events
from gateway.alerts.records import view_to_dict
from gateway.api.app import ApiSettings, close_streams
from gateway.api.live import LiveSettings
from gateway.registry import bindings, residents
from gateway.vocabulary import SYSTEM
from tests.support.house import House, house
from tests.support.sse import Event, Stream, person, serving, streaming, until

pytestmark = pytest.mark.timeout(20)
QUICK = LiveSettings(tick_s=0.05, heartbeat_s=0.2)


def settings(folder: Path, live: LiveSettings = QUICK) -> ApiSettings:
    return ApiSettings(http_lan=True, static_dir=folder / "none", live=live)


@asynccontextmanager
async def ward(folder: Path, live: LiveSettings = QUICK, **more: Any) -> AsyncIterator[tuple[House, str]]:
    async with house(folder, settings=settings(folder, live)) as home, serving(home, **more) as url:
        yield home, url


async def test_an_alert_arrives_with_its_cursor(tmp_path: Path) -> None:
    async with ward(tmp_path) as (home, url), person(url, "carer") as client:
        cursor = (await client.get("/api/v1/wall", params={"site": "care"})).json()["cursor"]
        async with streaming(client, since=cursor) as stream:
            assert stream.response.headers["content-type"].startswith("text/event-stream")
            assert stream.response.headers["x-accel-buffering"] == "no"
            alert = await home.call()
            await until(lambda: bool(stream.of("alert")))
            (event,) = stream.of("alert")
            assert event.id == f"{home.events.lineage}:{home.events.head}"
            assert event.data["transition"] == "raised"
            assert event.data["alert"]["id"] == alert.id
            assert event.data["alert"]["resident"]["name"] == "王淑华"
            await client.post(f"/api/v1/alerts/{alert.id}/claim", json={})
            await until(lambda: len(stream.of("alert")) == 2)
            assert stream.of("alert")[1].data["alert"]["claimed_name"] == "Carer"
            await until(lambda: len(stream.of("heartbeat")) >= 3)
            assert not stream.of("snapshot")
            assert stream.of("heartbeat")[0].data["t_ms"] > 0


async def test_after_a_cut_the_stream_goes_on_without_gap_or_double(tmp_path: Path) -> None:
    async with ward(tmp_path) as (home, url), person(url, "carer") as client:
        cursor = f"{home.events.lineage}:{home.events.head}"
        async with streaming(client, since=cursor) as first:
            await home.call()
            await until(lambda: bool(first.of("alert")))
        await home.call()
        await home.call()
        async with streaming(client, last_id=first.last_id) as second:
            await home.call()
            await until(lambda: len(second.of("alert")) == 3)
            await until(lambda: bool(second.of("heartbeat")))
        offsets = [event.offset for event in first.of("alert") + second.of("alert")]
        assert offsets == [row.offset for row in home.events.read_sync(int(cursor.rpartition(":")[2])) if row.kind.startswith("alert.")]


async def test_after_a_restart_the_stream_goes_on_without_gap_or_double(tmp_path: Path) -> None:
    async with ward(tmp_path) as (home, url), person(url, "carer") as client:
        start = home.events.head
        cookies = dict(client.cookies)
        async with streaming(client, since=f"{home.events.lineage}:{start}") as first:
            await home.call()
            await until(lambda: bool(first.of("alert")))
    again = House(tmp_path, settings=settings(tmp_path))
    try:
        await again.call()  # before the server is up
        async with (
            serving(again) as url,
            httpx.AsyncClient(base_url=url, cookies=cookies, timeout=10) as client,
            streaming(client, last_id=first.last_id) as second,
        ):
            await again.call()
            await until(lambda: len(second.of("alert")) == 2)
            assert not second.of("snapshot")
        offsets = [event.offset for event in first.of("alert") + second.of("alert")]
        assert offsets == [row.offset for row in again.events.read_sync(start) if row.kind.startswith("alert.")]
    finally:
        again.close()


async def test_an_unknown_cursor_gives_a_snapshot(tmp_path: Path) -> None:
    cursors = ("", "x", "x:1", "{}", "{}:", "{}:-1", "{}:1e3", "{}:999999", ":1", "{}:1:1", "{}:٣")
    async with ward(tmp_path) as (home, url), person(url, "carer") as client:
        for cursor in cursors:
            async with streaming(client, since=cursor.replace("{}", home.events.lineage)) as stream:
                await until(lambda stream=stream: bool(stream.seen))
                assert stream.seen[0].event == "snapshot", cursor
                assert stream.seen[0].id == stream.seen[0].data["cursor"] == f"{home.events.lineage}:{home.events.head}"
        async with streaming(client) as stream:
            await until(lambda: bool(stream.seen))
            await home.call()
            await until(lambda: len(stream.of("alert")) == 1)


async def test_another_lineage_gives_a_snapshot(tmp_path: Path) -> None:
    """A restored or new store never takes an old cursor for its own."""
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    async with ward(tmp_path / "a") as (home, _):
        cursor = f"{home.events.lineage}:{home.events.head}"
    async with ward(tmp_path / "b") as (home, url), person(url, "carer") as client, streaming(client, last_id=cursor) as stream:
        await until(lambda: bool(stream.of("snapshot")))
        assert stream.seen[0].event == "snapshot"


async def test_too_old_a_cursor_gives_a_snapshot(tmp_path: Path) -> None:
    live = LiveSettings(tick_s=0.05, heartbeat_s=0.2, catch_up=3)
    async with ward(tmp_path, live) as (home, url), person(url, "carer") as client:
        async with streaming(client, since=f"{home.events.lineage}:{home.events.head - 4}") as stream:
            await until(lambda: bool(stream.of("snapshot")))
        async with streaming(client, since=f"{home.events.lineage}:{home.events.head - 3}") as stream:
            await until(lambda: bool(stream.of("heartbeat")))
            assert not stream.of("snapshot")


async def test_bursts_beyond_the_queue_and_random_cuts_lose_nothing(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    live = LiveSettings(tick_s=0.05, heartbeat_s=0.2, queue=8)
    async with ward(tmp_path, live) as (home, url), person(url, "carer") as client:
        start = home.events.head
        cursor, seen = f"{home.events.lineage}:{start}", list[Event]()

        async def write() -> None:
            for _ in range(15):
                await burst(home, rng.randrange(1, 60))
                await asyncio.sleep(rng.random() * 0.05)

        writing = asyncio.create_task(write())
        while not writing.done() or cursor != f"{home.events.lineage}:{home.events.head}":
            async with streaming(client, last_id=cursor) as stream:
                await asyncio.sleep(rng.random() * 0.3)
            assert not stream.of("snapshot")
            if any(event.id for event in stream.seen):
                cursor = stream.last_id
            seen += stream.of("alert")
        await writing
        wanted = [row.offset for row in home.events.read_sync(start, limit=5000) if row.body["view"]["site_id"] == "care"]
        assert [event.offset for event in seen] == wanted


async def burst(home: House, count: int, size: int = 0, site: str = "") -> None:
    """Many transitions in one commit, every third one of the foreign site."""
    view = view_to_dict((await home.db.read(home.desk.open_alerts) or [await home.call()])[0])

    def unit(conn: apsw.Connection) -> None:
        for index in range(count):
            here = site or ("far" if index % 3 == 2 else "care")
            body = {"view": {**view, "resident_id": None, "site_id": here, "params": {"text": "x" * size}}}
            events.append(conn, kind="alert.updated", subject=view["id"], actor="system", body=body, t_ns=home.clock.now_ns())

    await home.db.write(unit)


async def test_nobody_hears_of_what_is_foreign(tmp_path: Path) -> None:
    async with ward(tmp_path) as (home, url):
        people = ("carer", "doctor", "operator", "son", "admin")
        streams: dict[str, Stream] = {}
        async with AsyncExitStack() as stack:
            for who in people:
                streams[who] = await stack.enter_async_context(streaming(await stack.enter_async_context(person(url, who))))
            await until(lambda: all(stream.of("heartbeat") for stream in streams.values()))
            await home.call("zhou")
            await home.call("wang")
            await home.call(None, cause="broker.down", device="band-free")
            await until(lambda: len(streams["carer"].of("alert")) == 2)
            head = home.events.head
            await until(lambda: all(stream.of("heartbeat")[-1].offset == head for stream in streams.values()))
        heard = {who: [event.data["alert"]["resident_id"] for event in stream.of("alert")] for who, stream in streams.items()}
        assert heard == {"carer": ["wang", None], "doctor": ["wang", None], "operator": [None], "son": [], "admin": []}
        assert "zhou" not in str([stream.seen for stream in streams.values()])


async def test_vitals_come_for_changed_beds_in_reach_only(tmp_path: Path) -> None:
    async with ward(tmp_path) as (home, url), AsyncExitStack() as stack:
        streams: dict[str, Stream] = {}
        for who in ("carer", "son", "operator"):
            streams[who] = await stack.enter_async_context(streaming(await stack.enter_async_context(person(url, who))))
        stream, of_son = streams["carer"], streams["son"]
        await until(lambda: bool(stream.of("vitals") and of_son.of("vitals")))
        assert {bed["bed_id"] for event in stream.of("vitals") for bed in event.data["beds"]} == {"bed-3-01", "bed-3-02"}
        before = len(stream.of("vitals"))
        for point in (81.0, 82.0):
            home.latest.put("band-wang", "hr", point, home.clock.now_ns())
        home.latest.put("band-zhou", "hr", 82.0, home.clock.now_ns())
        await until(lambda: len(stream.of("vitals")) > before and len(of_son.of("vitals")) > 1)
        (bed,) = stream.of("vitals")[-1].data["beds"]
        assert bed["bed_id"] == "bed-3-01"
        assert bed["vitals"]["hr"]["value"] == 82.0
        assert [point for point in bed["spark_tail"]["hr"] if point is not None] == [81.0]
        assert {bed["bed_id"] for event in of_son.of("vitals") for bed in event.data["beds"]} == {"bed-3-01"}
        assert not streams["operator"].of("vitals")
        assert not any(event.id for event in stream.of("vitals"))


async def test_who_comes_when_nobody_watched_is_told_the_present_and_whole_lines(tmp_path: Path) -> None:
    async with ward(tmp_path) as (home, url), person(url, "carer") as client:
        async with streaming(client) as stream:
            await until(lambda: bool(stream.of("vitals")))
        for point in (71.0, 81.0, 82.0):
            home.latest.put("band-wang", "hr", point, home.clock.now_ns())
        home.ops.fault("broker.down", subject="mqtt")
        async with streaming(client) as stream:
            await until(lambda: bool(stream.of("vitals")))
            bed = next(bed for bed in stream.of("vitals")[0].data["beds"] if bed["bed_id"] == "bed-3-01")
            assert bed["vitals"]["hr"]["value"] == 82.0
            assert (len(bed["spark_tail"]["hr"]), bed["spark_tail"]["hr"][-2:]) == (40, [71.0, 81.0])
            assert [fault["code"] for fault in stream.of("heartbeat")[0].data["faults"]] == ["broker.down"]


async def test_changes_of_the_registry_are_told_once_per_batch(tmp_path: Path) -> None:
    async with ward(tmp_path) as (home, url), person(url, "carer") as client, streaming(client) as stream:
        await until(lambda: bool(stream.of("heartbeat")))

        def many(tx: Any) -> None:
            for index in range(200):
                bindings.set_device(tx, f"new-{index}", site="care")

        await home.registry.do(SYSTEM, many)
        await until(lambda: bool(stream.of("registry")))
        await until(lambda: stream.of("heartbeat")[-1].offset == home.events.head)
        assert len(stream.of("registry")) == 1
        assert not stream.ended


# --- ends ------------------------------------------------------------------------------------------------------------


async def test_signing_out_ends_the_stream(tmp_path: Path) -> None:
    async with ward(tmp_path) as (_, url), person(url, "carer") as client, streaming(client) as stream:
        await until(lambda: bool(stream.of("heartbeat")))
        await client.delete("/api/v1/session")
        await until(lambda: stream.ended)
        assert stream.seen[-1] == Event("closed", "", {"code": "session.ended"})
        assert (await client.get("/api/v1/stream")).status_code == 401


async def test_a_closed_account_and_a_withdrawn_consent_end_streams(tmp_path: Path) -> None:
    async with ward(tmp_path) as (home, url), person(url, "carer") as carer, person(url, "son") as son:
        async with streaming(carer) as of_carer, streaming(son) as of_son:
            await until(lambda: bool(of_carer.of("heartbeat") and of_son.of("heartbeat")))
            async with person(url, "admin") as admin, person(url, "operator") as operator:
                await admin.post("/api/v1/users/u-carer/disable")
                await operator.post(f"/api/v1/consents/{next(iter(home.registry.view.consents))}/withdraw")
            await until(lambda: of_carer.ended and of_son.ended)
            assert of_carer.seen[-1].data == {"code": "session.ended"}
            assert of_son.seen[-1].data == {"code": "access.changed"}
            await home.call("wang")
        async with streaming(son) as of_son:
            await until(lambda: bool(of_son.of("heartbeat")))
            assert not of_son.of("vitals", "alert")


async def test_a_resident_who_leaves_leaves_the_stream(tmp_path: Path) -> None:
    async with ward(tmp_path) as (home, url), person(url, "carer") as client, streaming(client) as stream:
        await until(lambda: bool(stream.of("heartbeat")))
        await home.registry.do(SYSTEM, residents.admit, name="孙美玲", site="care", resident_id="sun")
        await until(lambda: bool(stream.of("registry")))
        await asyncio.sleep(0.3)
        assert not stream.ended  # more to see is no reason to end
        await home.registry.do(SYSTEM, residents.discharge, "liu")
        await until(lambda: stream.ended)
        assert stream.seen[-1].data == {"code": "access.changed"}


async def test_a_server_that_stops_does_not_wait_for_streams(tmp_path: Path) -> None:
    loop = asyncio.get_running_loop()
    async with ward(tmp_path) as (home, url), person(url, "carer") as client, streaming(client) as stream:
        await until(lambda: bool(stream.of("heartbeat")))
        began = loop.time()
        close_streams(home.app)
        await until(lambda: stream.ended)
        assert stream.seen[-1].data == {"code": "server.stopping"}
        assert loop.time() - began < 2
        assert (await client.get("/api/v1/stream")).status_code == 429


# --- bounds ----------------------------------------------------------------------------------------------------------


async def test_each_person_has_a_bounded_number_of_streams(tmp_path: Path) -> None:
    live = LiveSettings(tick_s=0.05, heartbeat_s=0.2, per_user=2)
    async with ward(tmp_path, live) as (home, url), person(url, "carer") as client, person(url, "doctor") as doctor:
        async with streaming(client), streaming(client):
            await until(lambda: home.app.state.live.open_streams == 2)
            refused = await client.get("/api/v1/stream")
            assert (refused.status_code, refused.json()["code"]) == (429, "stream.too_many")
            async with streaming(doctor) as other:
                await until(lambda: bool(other.of("heartbeat")))
        await until(lambda: home.app.state.live.open_streams == 0)
        async with streaming(client) as again:
            await until(lambda: bool(again.of("heartbeat")))


async def test_a_reader_that_stalls_is_cut_and_others_miss_nothing(tmp_path: Path) -> None:
    live = LiveSettings(tick_s=0.05, heartbeat_s=0.2, send_timeout_s=1.0, queue=16)
    async with ward(tmp_path, live, send_buffer=16_384) as (home, url), person(url, "carer") as client:
        start = home.events.head
        stalled = socket.socket()
        stalled.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8_192)
        stalled.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(stalled, ("127.0.0.1", int(url.rpartition(":")[2])))
        cookie = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
        await loop.sock_sendall(stalled, f"GET /api/v1/stream HTTP/1.1\r\nHost: x\r\nCookie: {cookie}\r\n\r\n".encode())
        async with streaming(client, since=f"{home.events.lineage}:{start}") as stream:
            await until(lambda: home.app.state.live.open_streams == 2)
            for _ in range(10):
                await burst(home, 20, size=5_000, site="care")
            await until(lambda: home.app.state.live.open_streams == 1)
            await until(lambda: len(stream.of("alert")) == len(home.events.read_sync(start, limit=5000)))
            offsets = [event.offset for event in stream.of("alert")]
            assert offsets == sorted(set(offsets))
            assert home.ops.counters["sse.behind"] >= 1
        stalled.close()
