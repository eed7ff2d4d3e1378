"""Deviations of vendors: each has its cases, fits whom it should, and gives way to what is said of one device."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from devices import catalog, deviations, quirks
from devices.model import DeviceFacts, Quality, Sample
from devices.quirks.base import Quirk
from tests.support.decoders import Case, cases

NAMES = sorted(deviations.QUIRKS)
ALL = [(name, case) for name in NAMES for case in cases(f"quirk_{name}")]


@pytest.mark.parametrize(("name", "case"), ALL, ids=[f"{name}/{case.name}" for name, case in ALL])
def test_case(name: str, case: Case) -> None:
    known = case.device.facts
    if "gives" in case.expected:  # what a door acts on
        found = deviations.known(known)
        assert {key: found.get(key) for key in case.expected["gives"]} == case.expected["gives"]
        return
    message = catalog.decode(case.topic, case.payload, case.device)
    assert len(message.items) == len(case.expected["items"])
    for got, wanted in zip(message.items, case.expected["items"], strict=True):
        assert isinstance(got, Sample)
        assert got.quantity == wanted["sample"]
        assert math.isnan(got.value) if wanted["value"] is None else got.value == pytest.approx(wanted["value"])
        assert got.quality == Quality[wanted["quality"]] if "quality" in wanted else True
    if "record_hex" in case.expected:
        assert message.record == bytes.fromhex(case.expected["record_hex"])


@pytest.mark.parametrize("name", NAMES)
def test_each_has_cases_and_is_short(name: str) -> None:
    folder = Path(quirks.__file__ or "").parent
    assert len((folder / f"{name}.py").read_text(encoding="utf-8").splitlines()) <= 60
    assert cases(f"quirk_{name}"), f"tests/cases/quirk_{name} is missing"
    assert any("other" in case.name for case in cases(f"quirk_{name}")), "no case of a device that it must leave alone"


def test_what_is_said_of_one_device_counts_more() -> None:
    kind = {"manufacturer": "TaiDoc", "model": "DM30b"}
    assert deviations.known(kind)["record_memory"] == "whole"
    assert deviations.known({**kind, "record_memory": "rising"})["record_memory"] == "rising"
    plain = DeviceFacts(device="d", facts={"manufacturer": "Anxin Sim"})
    assert deviations.applied(plain) is plain


def test_a_deviation_for_everybody_or_for_nothing_is_none() -> None:
    with pytest.raises(ValueError, match="whom it concerns"):
        Quirk(why="x", facts={"a": "b"})
    with pytest.raises(ValueError, match="whom it concerns"):
        Quirk(why="x", facts={}, model="m")
