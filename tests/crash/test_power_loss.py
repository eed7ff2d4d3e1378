"""Power cuts at random points of the log of writes: nothing corrupt, nothing accepted lost; with weak syncing the rig must bite."""

from __future__ import annotations

import os

import pytest

from tests.crash.power_cuts import run

CUTS = int(os.environ.get("ANXIN_POWER_CUTS", "100"))
WEAK_CUTS = 25

pytestmark = pytest.mark.crash


@pytest.mark.timeout(60 + CUTS)
def test_no_power_cut_corrupts_or_loses_what_was_accepted(seed: int) -> None:
    report = run(CUTS, "FULL", seed)
    print(report.line())
    assert report.corrupt == []
    assert report.lost == 0
    assert report.accepted > 20 * CUTS


@pytest.mark.timeout(60)
def test_the_rig_bites_when_commits_are_not_synced(seed: int) -> None:
    report = run(WEAK_CUTS, "NORMAL", seed)
    print(report.line())
    assert report.lost > 0, "this rig would not notice a missing sync"


@pytest.mark.timeout(60)
def test_the_rig_bites_when_the_disk_lies(seed: int) -> None:
    report = run(WEAK_CUTS, "FULL", seed, lying_disk=True)
    print(report.line())
    assert report.corrupt, "this rig would not notice a damaged file"
