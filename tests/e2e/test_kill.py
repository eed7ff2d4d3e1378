from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.kills import run

pytestmark = [pytest.mark.crash, pytest.mark.timeout(150)]


def test_killed_at_random_points_nothing_accepted_is_lost_and_every_alert_stands(folder: Path, seed: int) -> None:
    report = run(folder, kills=5, rate=1000, seed=seed)
    print(report.line())
    assert not report.wrong, "\n".join(report.wrong)
    assert report.acked > 2000
    assert (report.lost, report.twice) == (0, 0)
    assert max(report.ready_s) < 15
