"""The short version of `make soak ARGS=edge`: 20,000 readings of 72 hours drain while calls go on."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.edge import run


@pytest.mark.timeout(120)
def test_what_an_edge_kept_for_three_days_drains_in_order_and_disturbs_nobody(folder: Path) -> None:
    report = run(folder, 20_000)
    print(report.line())
    assert (report.stored, report.twice, report.order, report.wrong) == (20_000, 0, True, [])
    assert report.vital_alerts == []
    assert report.missing == 0
    assert min(report.calls_s) < 0.75
    assert sorted(report.calls_s)[len(report.calls_s) // 2] < 0.75
    assert report.live >= 3
