"""Who is away longer than said: raised once, ended by the return or by another date, also over a restart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gateway.clock import NS_PER_S
from gateway.registry import residents
from gateway.registry.errors import RegistryError
from gateway.returns import Returns
from gateway.vocabulary import SYSTEM
from tests.support.fake_clock import FakeClock
from tests.support.house import House, house


async def raised(home: House) -> list[tuple[str | None, bool]]:
    await Returns(home.db, home.registry, home.desk, home.clock, home.ops).turn()  # a new one each time: what a restart leaves
    found = await home.db.read(home.desk.open_alerts)
    return [(view.resident_id, view.condition_over) for view in found if view.cause == "away.overdue"]


async def test_an_overdue_return_is_told_once_and_ends_with_the_return(tmp_path: Path) -> None:
    clock = FakeClock()
    async with house(tmp_path, clock=clock) as home:

        def hours(n: float) -> int:
            return clock.now_ns() + round(n * 3600 * NS_PER_S)

        async def do(command: Any, **more: Any) -> Any:
            return await home.registry.do(SYSTEM, command, "wang", **more)

        with pytest.raises(RegistryError):
            await do(residents.away, back_ns=clock.now_ns())
        await do(residents.away, back_ns=hours(2), reason="hospital")
        await home.registry.do(SYSTEM, residents.away, "liu")  # nobody said when
        assert await raised(home) == []
        await clock.advance(2 * 3600)
        assert await raised(home) == [("wang", False)]
        assert await raised(home) == [("wang", False)]
        await do(residents.away, back_ns=hours(1))
        assert await raised(home) == [("wang", True)]
        await clock.advance(3600)
        assert ("wang", False) in await raised(home)
        row = await do(residents.back)
        assert (row.status, row.back_ns) == ("admitted", None)
        assert all(over for _, over in await raised(home))
