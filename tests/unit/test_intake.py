"""From frames to the journal: fates, dates, marks, repetitions, dead letters, refusals."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import cbor2
import numpy as np
import pytest

from devices.codes import BY_KEY
from gateway import deadletter
from gateway.frames import Fate, Frame
from gateway.intake_rows import call_time, clock_offset, live_time, stored_time
from gateway.ledger import Ledger, recount
from gateway.readings import Mark, ReadingBlock, StoredBlock
from gateway.store import DiskFull
from gateway.vocabulary import Origin
from tests.support.intake_node import Node

NOW_NS = 1_795_000_000 * 10**9
S = 10**9
MS = 10**6


@asynccontextmanager
async def node_in(folder: Path) -> AsyncIterator[Node]:
    node = await Node(folder).start()
    try:
        yield node
    finally:
        await node.stop()


def frame(body: Any, *, device: str = "d1", kind: str = "up", t_ns: int = NOW_NS, **more: Any) -> Frame:
    payload = body if isinstance(body, bytes) else json.dumps({"v": 1, "device": device, "boot_id": "b1", "t": None, **body}).encode()
    return Frame(channel="mqtt", topic=f"anxin/{kind}/{device}", payload=payload, t_received_ns=t_ns, device=device, **more)


def hr(seq: int, value: float = 70, **more: Any) -> dict[str, Any]:
    return {"seq": seq, "t": NOW_NS // MS, "quantity": "hr", "value": value, "unit": "/min", **more}


def readings_of(node: Node) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    names = {row.index: key for key, row in BY_KEY.items()}
    for block in node.journal.read_sync(1, 10_000):
        found = block.readings
        for i in range(len(found) if found is not None else 0):
            assert found is not None
            rows.append({
                "device": found.devices[found.device[i]], "quantity": names[int(found.quantity[i])], "value": float(found.value[i]),
                "t_ns": int(found.t_measured_ns[i]), "mark": Mark(int(found.mark[i])), "origin": Origin(int(found.origin[i])),
                "seq": found.frames[found.frame[i]].seq,
            })  # fmt: skip
    return rows


async def fates(node: Node, *frames: Frame) -> list[Fate]:
    return [verdict.fate for verdict in await node.intake.take(frames)]


async def test_a_message_is_stored_once_and_its_repetition_is_said_to_be_one(tmp_path: Path) -> None:
    async with node_in(tmp_path) as node:
        assert await fates(node, frame(hr(0)), frame(hr(1)), frame(hr(0))) == [Fate.STORED, Fate.STORED, Fate.DUPLICATE]
        assert await fates(node, frame(hr(1)), frame(hr(3)), frame(hr(2))) == [Fate.DUPLICATE, Fate.STORED, Fate.STORED]
        assert sorted(row["seq"] for row in readings_of(node)) == [0, 1, 2, 3]
        summary = await Ledger(node.journal, node.identity, node.store).summary()
        assert summary["devices"][0] | {"note": ""} == {
            "device": "d1", "boots": 1, "received": 4, "stored": 4, "duplicate": 2, "dead_letter": 0, "lost": 0, "note": "",
        }  # fmt: skip


async def test_a_gap_is_a_loss_until_it_is_filled(tmp_path: Path) -> None:
    async with node_in(tmp_path) as node:
        ledger = Ledger(node.journal, node.identity, node.store)
        await fates(node, frame(hr(0)), frame(hr(5)))
        assert (await ledger.summary())["total"]["lost"] == 4
        await fates(node, *(frame(hr(seq)) for seq in (1, 2, 3, 4)))
        assert (await ledger.summary())["total"]["lost"] == 0
        assert (await ledger.recount())["twice"] == 0


async def test_the_whole_memory_comes_back_after_a_crash(tmp_path: Path) -> None:
    first = await Node(tmp_path / "a").start()
    await fates(first, frame(hr(0)), frame(hr(4)), frame({"seq": 9, "call": {"kind": "sos"}}, kind="call"))
    await first.identity._db.close()  # no checkpoint: as after kill -9
    await first.journal.close()
    first.registry.close()
    await first.store.close()
    first.writer.close()
    async with node_in(tmp_path / "a") as node:
        assert node.caught_up == 3
        again = frame(hr(0)), frame(hr(3)), frame(hr(4)), frame({"seq": 9, "call": {"kind": "sos"}}, kind="call")
        assert await fates(node, *again) == [Fate.DUPLICATE, Fate.STORED, Fate.DUPLICATE, Fate.DUPLICATE]
    async with node_in(tmp_path / "a") as node:
        assert node.caught_up == 0  # the checkpoint holds everything
        assert await fates(node, frame(hr(3)), frame(hr(5))) == [Fate.DUPLICATE, Fate.STORED]


async def test_a_call_is_silenced_by_its_own_bytes_only(tmp_path: Path) -> None:
    async with node_in(tmp_path) as node:
        sos, fall = frame({"seq": 7, "call": {"kind": "sos"}}, kind="call"), frame({"seq": 7, "call": {"kind": "fall"}}, kind="call")
        assert await fates(node, frame(hr(7)), sos, fall, sos) == [Fate.STORED, Fate.STORED, Fate.STORED, Fate.DUPLICATE]
        assert [row["quantity"] for row in readings_of(node)] == ["call.sos", "call.fall", "hr"]  # calls first


async def test_a_number_used_twice_loses_nothing_and_is_said(tmp_path: Path) -> None:
    async with node_in(tmp_path) as node:
        assert await fates(node, frame(hr(0)), frame(hr(0, 99)), frame(hr(0, 99))) == [Fate.STORED, Fate.STORED, Fate.DUPLICATE]
        assert [fault.code for fault in node.ops.faults()] == ["sequence.reused"]


async def test_records_sent_again_under_a_new_boot_are_known_one_by_one(tmp_path: Path) -> None:
    old_ms = NOW_NS // MS - 3_600_000

    def memory(boot: str, seq: int, count: int) -> Frame:
        body = {"boot_id": boot, "seq": seq, "t": NOW_NS // MS, "stored": True}
        return frame({**body, "readings": [{"quantity": "glucose", "value": 5.5, "unit": "mmol/L", "t": old_ms + i} for i in range(count)]})

    async with node_in(tmp_path) as node:
        assert await fates(node, memory("b1", 0, 3), memory("b2", 0, 5), memory("b3", 0, 5)) == [Fate.STORED, Fate.STORED, Fate.DUPLICATE]
        rows = readings_of(node)
        assert sorted(row["t_ns"] // MS - old_ms for row in rows) == [0, 1, 2, 3, 4]
        assert all(row["mark"] == Mark.STORED | Mark.LATE for row in rows)


BAD: list[tuple[str, Any, str]] = [
    ("cut JSON", b'{"v":1,"device":"d1","boot_id":"b1","se', "not JSON"),
    ("not JSON at all", b"hello", "neither a JSON object nor a CBOR map"),
    ("empty", b"", "empty"),
    ("an array", b"[1]", "neither"),
    ("cut CBOR", cbor2.dumps({"v": 1, "device": "d1"})[:-2], ""),
    ("no unit", {"seq": 0, "quantity": "hr", "value": 1}, "unit"),
    ("wrong unit", {"seq": 0, "quantity": "temp", "value": 37, "unit": "kg"}, "unit"),
    ("NaN", b'{"v":1,"device":"d1","boot_id":"b1","seq":0,"t":null,"quantity":"hr","value":NaN,"unit":"/min"}', "NaN"),
    ("Infinity", b'{"v":1,"device":"d1","boot_id":"b1","seq":0,"t":null,"quantity":"hr","value":-Infinity,"unit":"/min"}', "Infinity"),
    ("true as a number", {"seq": 0, "quantity": "hr", "value": True, "unit": "/min"}, "value"),
    ("duplicate key", b'{"v":1,"v":1,"device":"d1"}', "duplicate"),
    ("NUL", {"seq": 0, "quantity": "hr\0", "value": 60, "unit": "/min"}, ""),
    ("lone surrogate", b'{"v":1,"device":"d1","boot_id":"b1","seq":0,"t":null,"quantity":"\\ud800","value":1,"unit":"/min"}', ""),
    ("out of range", {"seq": 0, "quantity": "spo2", "value": 180, "unit": "%"}, "out of range"),
    ("unknown key", {"seq": 0, "quantity": "hr", "value": 60, "unit": "/min", "colour": 1}, "colour"),
    ("another device", {"device": "d2", **hr(0)}, "device"),
    ("nothing in it", {"seq": 0}, "nothing"),
    ("too long", b"{" + b" " * 300_000, "too l"),
]


async def test_bad_input_is_kept_with_its_cause_and_delays_nothing(tmp_path: Path) -> None:
    async with node_in(tmp_path) as node:
        for name, body, cause in BAD:
            verdicts = await node.intake.take([frame(body), frame(hr(len(name) * 1000))])
            assert verdicts[0].fate is Fate.DEAD_LETTER, name
            assert cause in verdicts[0].reason, (name, verdicts[0].reason)
        letters = await node.store.read(deadletter.listing)
        assert len(letters) == len(BAD)
        assert sum((await node.store.read(deadletter.counts)).values()) == len(BAD)
        assert [letter.complete for letter in letters] == [False] + [True] * (len(BAD) - 1)


async def test_a_bad_message_with_a_number_is_accounted_for_and_kept_once(tmp_path: Path) -> None:
    async with node_in(tmp_path) as node:
        bad = frame({"seq": 1, "quantity": "hr", "value": 60, "unit": "furlong"})
        verdicts = await node.intake.take([frame(hr(0)), bad, frame(hr(2))])
        assert (verdicts[1].boot_id, verdicts[1].seq) == ("b1", 1)
        assert await fates(node, bad) == [Fate.DUPLICATE]
        row = (await Ledger(node.journal, node.identity, node.store).summary())["devices"][0]
        assert (row["received"], row["stored"], row["dead_letter"], row["lost"]) == (3, 2, 1, 0)


async def test_a_repaired_decoder_takes_a_letter_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with node_in(tmp_path) as node:
        odd = frame({"seq": 1, "quantity": "hr", "value": 60, "unit": "furlong"})
        await fates(node, odd)
        (letter,) = await node.store.read(deadletter.listing)
        assert (await node.intake.retry(letter)).fate is Fate.DEAD_LETTER
        from devices import catalog

        good = catalog.decode
        monkeypatch.setattr(catalog, "decode", lambda topic, payload, facts: good(topic, payload.replace(b"furlong", b"/min"), facts))
        assert (await node.intake.retry(letter)).fate is Fate.STORED
        assert (await node.intake.retry(letter)).fate is Fate.DUPLICATE
        assert await node.store.read(deadletter.listing) == []
        assert [row["mark"] & Mark.LATE for row in readings_of(node)] == [Mark.LATE]


async def test_a_flood_of_dead_letters_is_bounded_and_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deadletter, "MAX_PER_REASON", 50)
    async with node_in(tmp_path) as node:
        for start in range(0, 400, 200):
            await fates(node, *(frame(b"x%d" % i) for i in range(start, start + 200)))
        letters = await node.store.read(lambda conn: deadletter.listing(conn, limit=1000))
        assert len(letters) == 50
        assert list((await node.store.read(deadletter.counts)).values()) == [400]


class FullJournal:
    """A journal without room except in the priority lane."""

    def __init__(self, node: Node) -> None:
        self.full = True
        self._journal = node.journal

    async def append(self, block: ReadingBlock, *, priority: bool = False) -> StoredBlock:
        if self.full and not priority:
            raise DiskFull("no room")
        return await self._journal.append(block, priority=priority)


async def test_without_room_readings_are_refused_calls_go_on_and_everything_drains(tmp_path: Path) -> None:
    async with node_in(tmp_path) as node:
        journal = FullJournal(node)
        node.intake._journal = journal
        frames = [frame(hr(0)), frame({"seq": 1, "call": {"kind": "sos"}}, kind="call"), frame(hr(2)), frame(hr(0))]
        assert await fates(node, *frames) == [Fate.REFUSED, Fate.STORED, Fate.REFUSED, Fate.REFUSED]
        journal.full = False
        assert await fates(node, *frames) == [Fate.STORED, Fate.DUPLICATE, Fate.STORED, Fate.DUPLICATE]
        found = recount(node.journal)
        assert (found.frames, found.twice) == (3, 0)


async def test_the_same_message_through_two_doors_at_once_is_stored_once(tmp_path: Path) -> None:
    async with node_in(tmp_path) as node:
        results = await asyncio.gather(*(node.intake.take([frame(hr(0)), frame(hr(i))]) for i in range(1, 5)))
        first = [verdicts[0].fate for verdicts in results]
        assert first.count(Fate.STORED) == 1
        assert set(first) <= {Fate.STORED, Fate.DUPLICATE, Fate.REFUSED}
        assert recount(node.journal).twice == 0


async def test_unknown_devices_go_into_the_inbox_and_their_readings_are_kept(tmp_path: Path) -> None:
    async with node_in(tmp_path) as node:
        await fates(node, frame(hr(0), device="new-1"), frame({"seq": 0, "call": {"kind": "sos"}}, device="new-2", kind="call"))
        for _ in range(100):
            if len(node.registry.inbox()) == 2:
                break
            await asyncio.sleep(0.01)
        assert {device.id for device in node.registry.inbox()} == {"new-1", "new-2"}
        assert len(readings_of(node)) == 2


async def test_marks_of_retained_test_and_clockless_messages(tmp_path: Path) -> None:
    async with node_in(tmp_path) as node:
        await fates(
            node,
            frame({"seq": 0, "call": {"kind": "sos"}}, kind="call", retained=True),
            frame({"seq": 1, "call": {"kind": "sos"}, "test": True}, kind="call"),
            frame({"seq": 2, "quantity": "hr", "value": 60, "unit": "/min"}, origin=Origin.SIM),
        )
        rows = readings_of(node)
        assert [row["mark"] for row in rows] == [Mark.RETAINED | Mark.UNCLOCKED, Mark.TEST | Mark.UNCLOCKED, Mark.UNCLOCKED]
        assert [row["origin"] for row in rows] == [Origin.LIVE, Origin.TEST, Origin.SIM]


@pytest.mark.parametrize("year_s", [946_684_800, 4_291_747_200], ids=["2000", "2106"])
async def test_a_device_in_another_century_is_live_all_the_same(tmp_path: Path, year_s: int) -> None:
    async with node_in(tmp_path) as node:
        t_ms = year_s * 1000
        series = [{"quantity": "hr", "unit": "/min", "value": [60, 61, 62], "t": [t_ms - 2000, t_ms - 1000, t_ms]}]
        await fates(node, frame({"seq": 0, "t": t_ms, "series": series}))
        rows = readings_of(node)
        assert [row["t_ns"] - NOW_NS for row in rows] == [-2 * S, -S, 0]
        assert {row["mark"] for row in rows} == {Mark.BAD_CLOCK}


async def test_a_series_of_ten_thousand_records_is_stored_in_its_place(tmp_path: Path) -> None:
    async with node_in(tmp_path) as node:
        t_ms = NOW_NS // MS
        series = [{"quantity": "hr", "unit": "/min", "value": [60 + i % 40 for i in range(10_000)], "t0": t_ms - 86_400_000, "dt_ms": 1000}]
        await fates(node, frame({"seq": 0, "t": t_ms, "stored": True, "series": series}))
        block = node.journal.read_sync(1, 1)[0].readings
        assert block is not None
        assert len(block) == 10_000
        assert np.array_equal(np.diff(block.t_measured_ns), np.full(9_999, S))
        assert (block.mark & Mark.STORED).all()


DAY = 86_400 * S


@pytest.mark.parametrize(
    ("t_ns", "reference_ns", "expected"),
    [
        (NOW_NS, NOW_NS, (NOW_NS, 0)),
        (NOW_NS - 3 * S, NOW_NS, (NOW_NS - 3 * S, 0)),
        (NOW_NS + S, NOW_NS, (NOW_NS, 0)),
        (NOW_NS - 400 * DAY, NOW_NS, (NOW_NS, Mark.BAD_CLOCK)),
        (NOW_NS + 400 * DAY, NOW_NS, (NOW_NS, Mark.BAD_CLOCK)),
        (5 * S, 8 * S, (NOW_NS - 3 * S, 0)),  # the device thinks it is 1970
        (None, NOW_NS, (NOW_NS, 0)),
    ],
)
def test_live_readings_are_dated_by_reception(t_ns: int | None, reference_ns: int, expected: tuple[int, int]) -> None:
    assert live_time(t_ns, reference_ns, NOW_NS) == expected


@pytest.mark.parametrize(
    ("t_ns", "offset_ns", "expected"),
    [
        (NOW_NS - DAY, 0, (NOW_NS - DAY, Mark.STORED)),
        (NOW_NS - DAY, 3600 * S, (NOW_NS - DAY + 3600 * S, Mark.STORED)),
        (NOW_NS + 3600 * S, 0, (NOW_NS + 3600 * S, Mark.STORED | Mark.FUTURE)),
        (NOW_NS + 60 * S, None, (NOW_NS + 60 * S, Mark.STORED | Mark.FUTURE)),
        (5 * S, None, (NOW_NS, Mark.STORED | Mark.BAD_CLOCK)),
        (5 * S, NOW_NS - 60 * S, (NOW_NS - 55 * S, Mark.STORED | Mark.BAD_CLOCK)),
        (-1, 0, (NOW_NS, Mark.STORED | Mark.BAD_CLOCK)),
        (9_200_000_000 * S, 0, (NOW_NS, Mark.STORED | Mark.BAD_CLOCK)),
        (None, None, (NOW_NS, Mark.STORED | Mark.UNCLOCKED)),
    ],
)
def test_stored_records_are_dated_by_the_corrected_device_clock(t_ns: int | None, offset_ns: int | None, expected: tuple[int, int]) -> None:
    assert stored_time(t_ns, NOW_NS, offset_ns) == expected


@pytest.mark.parametrize(
    ("t_frame_ns", "known_ns", "expected"),
    [
        (NOW_NS - 150 * S, S, (NOW_NS - 149 * S, Mark.LATE)),
        (NOW_NS - 150 * S, 149 * S, (NOW_NS, 0)),  # its clock is slow, it was not late
        (NOW_NS - 150 * S, None, (NOW_NS, 0)),  # nobody can tell
        (5 * S, NOW_NS - 305 * S, (NOW_NS - 300 * S, Mark.LATE)),  # 1970, but how much is known
        (NOW_NS + DAY, 0, (NOW_NS, 0)),
        (None, 0, (NOW_NS, 0)),
        (-1, 0, (NOW_NS, 0)),
    ],
)
def test_a_call_that_waited_somewhere_says_how_late_it_is(t_frame_ns: int | None, known_ns: int | None, expected: tuple[int, int]) -> None:
    assert call_time(NOW_NS, t_frame_ns, known_ns) == expected


def test_the_offset_is_the_smaller_one_because_delay_only_adds() -> None:
    assert clock_offset(NOW_NS, NOW_NS - 600 * S, 60 * S) == 60 * S
    assert clock_offset(NOW_NS, NOW_NS - 60 * S, None) == 60 * S
    assert clock_offset(NOW_NS, NOW_NS - S, None) == 0
    assert clock_offset(NOW_NS, None, None) is None
