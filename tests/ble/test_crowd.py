"""Fifty devices in five rooms: while nothing is killed nothing is lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.ble_crowd import EACH, run


@pytest.mark.timeout(120)
async def test_fifty_devices_in_five_rooms_at_1_hz_for_15_s(tmp_path: Path) -> None:
    seen = await run(tmp_path, rooms=5, seconds=15, gather_s=60)
    print(seen.line())
    assert seen.devices == 5 * EACH
    assert seen.sent >= 50 * 12, "they were to speak each second"
    assert (seen.missing, seen.twice, seen.shuffled) == (0, 0, 0)
    assert seen.reconnects == 0
