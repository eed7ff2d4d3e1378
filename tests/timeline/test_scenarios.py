"""Time lines as texts: each scenario is named after the issue or the pain that it answers."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.timeline.play import Scenario, ScenarioError, play, scenarios

FOLDER = Path(__file__).parent / "scenarios"
ALL = list(scenarios(FOLDER))


@pytest.mark.timeout(30)
@pytest.mark.parametrize("scenario", ALL, ids=[one.name.partition(":")[0] for one in ALL])
async def test_scenario(scenario: Scenario, tmp_path: Path) -> None:
    await play(scenario, tmp_path)


def test_there_are_enough_and_each_has_a_name_of_its_own() -> None:
    names = [one.name.partition(":")[0] for one in ALL]
    assert len(names) == len(set(names))
    assert len(names) >= 60


@pytest.mark.parametrize(
    "line",
    ["0 > nothing", "0 > li worse", "0 = call.sos claimed", "0 ~ call.sos claimed", "0 ? call.sos zhao off_duty", "0 li claim !version",
     "0 li silence 60 noise", "0 = call.sos raised by li", "0 alerts 2", "0 nonsense"],
)  # fmt: skip
async def test_a_scenario_that_does_not_hold_fails_and_names_its_line(line: str, tmp_path: Path) -> None:
    scenario = Scenario("wrong", "here.txt", ((1, "0 call sos"), (2, line)))
    with pytest.raises(ScenarioError, match=r"here\.txt:2: "):
        await play(scenario, tmp_path)
