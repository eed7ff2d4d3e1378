"""Ways in which the alarm loop stops getting on: the second process says it by its own channel, within its limit."""

from __future__ import annotations

import os
import signal
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.e2e.test_disk_full import fill, small_disk
from tests.e2e.test_faults import said_by
from tests.support.fail_point import with_fail_point
from tests.support.hook import Hook
from tests.support.running import Gateway, until
from tests.support.town import town

pytestmark = [pytest.mark.crash, pytest.mark.timeout(150)]
WITHIN_S = 30.0  # with the limit of 20 s that it has by default


def speaks(guard: Hook, reason: str, began_s: float, within_s: float = WITHIN_S) -> None:
    until(f"the watchdog says {reason}", lambda: reason in said_by(guard), within_s + 15)
    took_s = next(hit.at_s for hit in guard.pages() if hit.body["reason"] == reason) - began_s
    print(f"{reason} after {took_s:.1f} s")
    assert took_s <= within_s


@pytest.mark.slow
@pytest.mark.parametrize("fate", ["loop", "stopped", "killed"])
def test_the_second_path_speaks_within_half_a_minute(folder: Path, fate: str) -> None:
    stops(folder, fate, limit_s=20.0, within_s=WITHIN_S)


def test_a_loop_that_stands_while_the_process_lives_is_said(folder: Path) -> None:
    stops(folder, "loop", limit_s=3.0, within_s=12.0)


def stops(folder: Path, fate: str, *, limit_s: float, within_s: float) -> None:
    own = {"guard": {"type": "webhook", "lang": "zh"}}
    with Hook() as guard, ExitStack() as stack:
        own["guard"]["url"] = guard.url
        watchdog = {"enabled": True, "limit_s": limit_s, "channels": own}
        gateway, hook = stack.enter_context(town(folder, env=with_fail_point(folder / "fail"), watchdog=watchdog))
        gateway.start()
        began_s = time.monotonic()
        os.kill(gateway.pid, {"loop": signal.SIGUSR1, "stopped": signal.SIGSTOP, "killed": signal.SIGKILL}[fate])
        try:
            speaks(guard, "gateway.stopped", began_s, within_s)
            if fate == "loop":
                assert answers(gateway), "the process itself is alive"
        finally:
            if fate == "stopped":
                os.kill(gateway.pid, signal.SIGCONT)
        assert not hook.pages(), "by its own channel only"


def answers(gateway: Gateway) -> bool:
    return bool(gateway.ask("status")["up_s"] > 0)


def test_a_disk_that_fills_up_is_said_by_the_second_path_too(folder: Path) -> None:
    with ExitStack() as stack:
        stack.enter_context(small_disk(folder / "data"))
        guard = stack.enter_context(Hook())
        watchdog = {"enabled": True, "webhook_url": guard.url, "disk_low_mib": 2.0}
        gateway, _ = stack.enter_context(town(folder, watchdog=watchdog))
        gateway.start()
        assert said_by(guard) == []
        began_s = time.monotonic()
        fill(gateway.data / "filler")
        speaks(guard, "gateway.disk_low", began_s)
