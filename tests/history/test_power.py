"""Power cuts: what a group's place says is in the file is in the file, and what follows the places makes it whole again."""

from __future__ import annotations

import os

import pytest

from tests.history.cuts import run, weak

CUTS = int(os.environ.get("ANXIN_HISTORY_CUTS", "12"))

pytestmark = pytest.mark.crash


@pytest.mark.timeout(60 + CUTS)
def test_nothing_below_a_place_is_lost_when_the_power_goes(seed: int) -> None:
    print(f"{CUTS} power cuts, {run(CUTS, seed)} readings compared, nothing below a place lost, the same content afterwards")


@pytest.mark.timeout(60 + CUTS)
def test_the_rig_bites_a_sink_that_does_not_wait_for_the_disk(seed: int) -> None:
    lost = weak(CUTS, seed)
    print(f"{CUTS} power cuts with synchronous=NORMAL: {lost} lost what was acknowledged")
    assert lost
