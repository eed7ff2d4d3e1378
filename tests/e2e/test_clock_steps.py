"""The machine's wall clock is set while a ladder runs: steps follow monotonic time, and nobody is told twice."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.support import need
from tests.support.button import Button
from tests.support.hook import Hook
from tests.support.running import ladder, until
from tests.support.town import town

pytestmark = [pytest.mark.crash, pytest.mark.timeout(240)]
STEPS_S = (4.0, 8.0, 12.0)
SLACK_S = 3.0


def libfaketime() -> Path:
    """Debian's preload library."""
    need("faketime")
    return next(path for root in ("/usr/lib", "/usr/lib64") for path in Path(root).rglob("libfaketime.so.1"))


def test_the_wall_clock_steps_back_an_hour_and_forward_a_day_in_a_ladder(folder: Path) -> None:
    stamp = folder / "clock"
    stamp.write_text("+0")
    env = {"LD_PRELOAD": str(libfaketime()), "FAKETIME_TIMESTAMP_FILE": str(stamp)}
    env |= {"FAKETIME_DONT_FAKE_MONOTONIC": "1", "FAKETIME_NO_CACHE": "1"}
    with town(folder, env=env, call=ladder(*STEPS_S)) as (gateway, hook), Button(gateway, "button-1") as button:
        gateway.start()
        button.connected().call()
        until("the call is announced", hook.pages, 20)
        alert_id = hook.pages()[0].body["alert_id"]
        stamp.write_text("-1h")
        _await_step(hook, alert_id, 1)
        stamp.write_text("+1d")
        _await_step(hook, alert_id, 2)
        stamp.write_text("+0")
        _await_step(hook, alert_id, 3)
        told = hook.told(alert_id)
        first_s = told[0].at_s
        for step, due_s in enumerate((0.0, *STEPS_S)):
            at_s = min(hit.at_s for hit in told if hit.body["step"] == step) - first_s
            assert due_s - 1 <= at_s <= due_s + SLACK_S, f"step {step} came after {at_s:.1f} s, due after {due_s:.0f} s"
        assert set(Counter((hit.body["step"], hit.body["recipient"]) for hit in told).values()) == {1}
        assert set(Counter(hit.key for hit in hook.pages(alert_id)).values()) == {1}
        kinds = [row[0] for row in gateway.rows("SELECT kind FROM event WHERE kind = 'clock.stepped'")]
        assert len(kinds) == 3
        gateway.stop()
        gateway.start()  # and the files of the day that was not are no hindrance
        button.reading("battery", 60, "%")
        assert button.fate(within_s=30) == "stored"


def _await_step(hook: Hook, alert_id: str, step: int) -> None:

    until(f"step {step} is announced", lambda: any(hit.body["step"] == step for hit in hook.pages(alert_id)), 20)
