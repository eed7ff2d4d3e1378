"""Policies as data: defaults, short ladders by configuration, errors that name the key, dead ends over a week."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from gateway.alerts.policy import PolicyBook, PolicyError, Step, Target, from_options
from gateway.vocabulary import AlertKind, Priority


@pytest.mark.parametrize(
    ("kind", "priority", "delays"),
    [
        (AlertKind.CALL, Priority.HIGH, [0, 30, 60, 120]),
        (AlertKind.CALL, Priority.LOW, [0, 30, 60, 120]),
        (AlertKind.PHYSIOLOGICAL, Priority.HIGH, [0, 60, 180, 600]),
        (AlertKind.TECHNICAL, Priority.MEDIUM, [0, 300, 900, 3600]),
    ],
)
def test_default_ladders(kind: AlertKind, priority: Priority, delays: list[float]) -> None:
    policy = PolicyBook().choose(kind, priority, "anywhere")
    assert [step.delay_s for step in policy.steps] == delays
    assert not policy.by_shift


def test_low_and_info_go_by_shift() -> None:
    assert PolicyBook().choose(AlertKind.PHYSIOLOGICAL, Priority.INFO, None).by_shift


def test_a_site_has_its_own() -> None:
    book = from_options({"sites": {"s": {"high": PolicyBook().call.model_dump()}}})
    assert book.choose(AlertKind.PHYSIOLOGICAL, Priority.HIGH, "s").id == "call"
    assert book.choose(AlertKind.PHYSIOLOGICAL, Priority.HIGH, "t").id == "high"


def test_ladder_of_seconds_by_configuration() -> None:
    book = from_options({"ladder": {"call": [0.5, 1, 2]}, "desk": [{"channel": "mail", "address": "desk@example.org"}]})
    assert [step.delay_s for step in book.call.steps] == [0, 0.5, 1, 2]
    assert (book.call.arrive_s, book.call.resolve_s, book.call.repeat_s) == (1, 2, 1)
    assert book.desk[0].channel == "mail"


@pytest.mark.parametrize(
    ("options", "key"),
    [
        ({"nonsense": 1}, "nonsense"),
        ({"ladder": {"urgent": [1, 2, 3]}}, r"ladder\.urgent"),
        ({"ladder": {"call": [1, 2]}}, r"ladder\.call"),
        ({"ladder": {"call": [3, 2, 1]}}, r"ladder\.call"),
        ({"ladder": {"call": "soon"}}, r"ladder\.call"),
        ({"ladder": 5}, "ladder"),
        ({"high": {"steps": []}}, r"high\.steps"),
        ({"storm": {"count": 1}}, r"storm\.count"),
    ],
)
def test_errors_name_the_key(options: dict[str, object], key: str) -> None:
    with pytest.raises(PolicyError, match=key):
        from_options(options)


def test_a_step_needs_a_target_and_a_target_a_name() -> None:
    with pytest.raises(ValidationError):
        Step(delay_s=0, targets=())
    with pytest.raises(ValidationError):
        Target(kind="role")
    with pytest.raises(ValidationError):
        Target(kind="desk", id="x")
