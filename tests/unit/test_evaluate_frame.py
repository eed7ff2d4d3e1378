"""The frame of `make evaluate`: intervals, rows, coefficients with their origin."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from tests.evaluate import __main__ as command
from tests.evaluate import _frame as frame


def test_the_bootstrap_draws_subjects() -> None:
    """The interval of a share over equal subjects is that of the binomial; of one that all share, a point."""
    parts = np.array([[1.0, 1.0]] * 50 + [[0.0, 1.0]] * 50)
    low, high = frame.bootstrap(parts, lambda total: float(total[0] / total[1]))
    assert low == pytest.approx(0.4, abs=0.02)
    assert high == pytest.approx(0.6, abs=0.02)
    assert frame.bootstrap(np.ones((5, 2)), lambda total: float(total[0] / total[1])) == (1.0, 1.0)
    assert frame.resampled(40, lambda index: float(np.mean(index)), draws=50) == frame.resampled(
        40, lambda index: float(np.mean(index)), draws=50
    )


def test_nothing_seen_proves_little() -> None:
    """Zero events leave room for 3.69 in the time watched; ten are within 4.8 and 18.4 (tables of the Poisson distribution)."""
    assert list(frame.poisson(0, 14.5)) == pytest.approx([0.0, 3.689 / 14.5], rel=1e-3)
    assert list(frame.poisson(10, 1.0)) == pytest.approx([4.795, 18.39], rel=1e-3)


def test_goals_are_bounds_of_the_value() -> None:
    assert frame.row("a", 0.97, at_least=0.97).met
    assert frame.row("a", 0.9699, at_least=0.97).met is False
    assert frame.row("a", 2.0, at_most=1).met is False
    assert frame.row("a", 0.0, at_most=0).met
    assert frame.row("a", 2.0).met is None
    assert frame.row("a", float("nan"), at_least=0.5).met is False  # what could not be measured is not reached
    assert frame.row("a", float("nan")).as_json()["value"] is None


def test_the_table_says_what_was_missed() -> None:
    text = StringIO()
    Console(file=text, width=120).print(frame.printed("t", [frame.row("recall", 0.5, (0.4, 0.6), at_least=0.9, note="why")]))
    assert all(word in text.getvalue() for word in ("recall", "0.4 .. 0.6", ">= 0.9", "NO", "why"))


def test_coefficients_name_their_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frame, "FITTED", tmp_path)
    with pytest.raises(ValueError, match="keys_sha256"):
        frame.save("m", {"format": 1, "kind": "logistic", "data": "x"})
    frame.save("m", {"format": 1, "kind": "logistic", "data": "x", "keys_sha256": frame.key_hash(["b", "a"])})
    assert (tmp_path / "m.json").exists()
    assert frame.key_hash(["b", "a"]) == frame.key_hash(["a", "b"]) != frame.key_hash(["ab"])


def test_absent_recordings_are_said(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(command, "data_dir", lambda: command.FOLDER / "nowhere")
    assert command.main([]) == 2
    assert "ANXIN_DATA" in capsys.readouterr().err
    assert command.main(["never"]) == 2
    assert "never" in capsys.readouterr().err
    monkeypatch.setattr(command, "data_dir", lambda: command.FOLDER)
    assert command.group("fall", 10.0)["fate"] == "recordings absent: sisfall_50hz"


def test_groups_are_found_and_helpers_are_not() -> None:
    assert command.described("fall") is not None
    assert all(command.described(name) for name in ("rhythm", "nab"))
    assert command.described("__main__") is None
