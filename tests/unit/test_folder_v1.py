"""A whole data folder of the first version is opened by this one: nothing is missing, and everything goes on where it stood."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from gateway import deadletter
from gateway.alerts.desk import AlertDesk
from gateway.frames import Fate
from gateway.registry import residents
from gateway.vocabulary import SYSTEM, Action, AlertState, Outcome
from tests.support.folder import FIRST, PASSWORD, StillClock, frame, opened, standing, unpack
from tests.support.folder_story import MEI, live

pytestmark = pytest.mark.timeout(30)
EXPECTED: dict[str, Any] = json.loads((FIRST / "expected.json").read_text(encoding="utf-8"))
STATES = {"R-1": "raised", "R-2": "claimed", "R-3": "arrived", "R-4": "resolved"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    data = tmp_path / "data"
    unpack(FIRST, data)
    return data


@pytest.fixture
def clock() -> StillClock:
    """The gateway was away for a minute."""
    return StillClock(EXPECTED["now_ns"] + 60 * 1_000_000_000)


async def test_everything_is_found_again(folder: Path, clock: StillClock) -> None:
    async with opened(folder, clock) as whole:
        found = await standing(whole)
    for name in EXPECTED.keys() - {"now_ns", "sessions"}:
        assert found[name] == EXPECTED[name], name
    assert {row["resident_id"]: row["state"] for row in found["alerts"] if row["cause"] == "call.sos"}.items() >= STATES.items()
    assert found["audit"]["ok"]
    assert found["registry"]["whose"]["button-6"] == "R-1", "the merged record's devices"
    async with opened(folder, clock) as again:  # and opening it changed nothing
        assert await standing(again) == found


async def test_sessions_outlive_a_restart_but_not_their_role_s_span(folder: Path, clock: StillClock) -> None:
    tokens = EXPECTED["sessions"]
    async with opened(folder, clock) as whole:
        accounts = whole.core.accounts
        signed_in = {login: await accounts.session(token, touch=False) for login, token in tokens.items()}
        assert {login: session.user.id for login, session in signed_in.items() if session} == {"mei": "u-mei", "doc": "u-doc"}
        clock.move(16 * 60)
        assert await accounts.session(tokens["doc"]) is None
        assert await accounts.session(tokens["mei"]) is not None
        assert (await accounts.sign_in("root", PASSWORD)).session.user.role == "admin"


async def test_readings_and_offsets_go_on(folder: Path, clock: StillClock) -> None:
    async with opened(folder, clock) as whole:
        head, events = whole.journal.head, whole.core.events.head
        sent = [frame(clock, "up", "band-1", seq, quantity="hr", value=60 + seq % 10, unit="/min") for seq in (12, 13, 20)]
        fates = [verdict.fate for verdict in await whole.intake.take(sent)]
        assert fates == [Fate.DUPLICATE, Fate.STORED, Fate.STORED]
        assert (await whole.journal.tick(clock.now_ns(), events)).first == head + 2
        before = (await standing(whole))["alerts"]
        await whole.catch_up()
        after = await standing(whole)
        assert [row for row in after["alerts"] if row in before] == before, "a checkpoint that is resumed, or a replay, says nothing twice"
        assert [row["cause"] for row in after["alerts"]].count("call.sos") == 5
        assert {device: gaps for device, _, gaps in after["runs"]}["band-1"] == []
        assert {fault.code for fault in whole.core.ops.faults()} <= {"stream.checkpoint"}
        assert len(after["history"]["value"]) == len(EXPECTED["history"]["value"]) + 2
    async with opened(folder, clock) as again:
        assert again.journal.head == head + 3


async def test_alerts_are_handled_further(folder: Path, clock: StillClock) -> None:
    async with opened(folder, clock) as whole:
        events = whole.core.events.head
        claimed = next(row for row in EXPECTED["alerts"] if row["state"] == "claimed")
        arrived = await whole.desk.act(Action.ARRIVE, claimed["id"], MEI, version=claimed["version"])
        assert (arrived.state, arrived.version) == (AlertState.ARRIVED, claimed["version"] + 1)
        await whole.desk.act(Action.RESOLVE, claimed["id"], MEI, outcome=Outcome.HELPED)
        history = await whole.core.store.read(lambda conn: AlertDesk.history(conn, claimed["id"]))
        assert [row["kind"] for row in history] == ["raised", "claimed", "arrived", "resolved"]
        assert [row["event_offset"] for row in history[-2:]] == [events + 1, events + 2]
        await whole.core.registry.do(SYSTEM, residents.away, "R-2")
        letter = EXPECTED["letters"][0]
        stored = await whole.core.store.read(lambda conn: deadletter.get(conn, letter["id"]))
        assert stored is not None
        assert (await whole.intake.retry(stored)).fate is Fate.DEAD_LETTER
        assert (await whole.core.store.read(whole.core.audit.verify)).ok


def test_the_folder_is_never_written_again() -> None:
    with pytest.raises(FileExistsError, match="never written again"):
        asyncio.run(live(FIRST))
    assert sum(path.stat().st_size for path in FIRST.iterdir()) < 300_000
