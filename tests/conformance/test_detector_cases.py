"""Every detector has a folder of cases that a person can read: some in which it speaks and some in which it must not."""

from __future__ import annotations

import importlib
import pkgutil
from pathlib import Path

import pytest

import analytics.detect
from tests.support.detector_cases import START_S, BadCase, read, stories

# Falls take raw acceleration and not readings: tests/unit/test_falls.py and `make evaluate` are their cases.
MODULES = [
    entry.name
    for entry in pkgutil.iter_modules(analytics.detect.__path__)
    if getattr(importlib.import_module(f"analytics.detect.{entry.name}"), "DETECTORS", ())
]
ALL = [path for module in MODULES for path in stories(module)]


@pytest.mark.timeout(20)
@pytest.mark.parametrize("path", ALL, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_case(path: Path) -> None:
    story = read(path)
    made = story.run()
    said = story.said(made)
    assert story.fits(said), (said, story.expected)
    keys = dict(made.verdicts)
    for t_s, verdict in story.verdicts:
        last = max(step.key for step in story.steps if step.t_s - START_S <= t_s and step.key in keys)
        assert keys[last] == verdict, (t_s, verdict.name)


@pytest.mark.parametrize("module", MODULES)
def test_every_detector_has_a_case_in_which_each_rule_speaks_and_one_in_which_it_is_silent(module: str) -> None:
    found = [read(path) for path in stories(module)]
    rules = {detector.rule for detector in importlib.import_module(f"analytics.detect.{module}").DETECTORS}
    assert {story.rule for story in found} == rules
    for rule in rules:
        own = [story for story in found if story.rule == rule]
        assert any(story.expected for story in own), rule
        assert any(not story.expected for story in own), rule


@pytest.mark.parametrize("line", ["5 x", "0..10 3", "expect 5 begins", "verdict 5 FINE", "7 3 fault=tired", "7 3 odd"])
def test_a_line_that_cannot_be_read_is_named(tmp_path: Path, line: str) -> None:
    (tmp_path / "x.txt").write_text(f"rule flat\n{line}\n")
    with pytest.raises(BadCase, match=r"x\.txt:2"):
        read(tmp_path / "x.txt")
