"""The simulated month, made small: the same seed gives the same month, and another one another."""

from __future__ import annotations

import pytest

from tests.soak import month


@pytest.mark.timeout(60)
def test_a_small_month_is_the_same_every_time(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(month, "DAYS", 0.12)
    monkeypatch.setattr(month, "RESIDENTS", 6)
    monkeypatch.setattr(month, "CALLS", {"sos": 90.0, "sos_by_mistake": 40.0, "fall": 30.0})
    digests, verdicts = [], []
    for seed in (5, 5, 6):
        monkeypatch.setattr(month, "SEED", seed)
        verdicts.append(month.main())
        text = capsys.readouterr().out
        digests.append(text.rpartition("digest ")[2].split(";")[0])
        assert "unowned > 60 s: 0" in text
    assert digests[0] == digests[1] != digests[2]
    assert verdicts == [0, 0, 0]
