"""Bindings against a slow twin: a table of seconds, one row per device, rewritten by every command."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.registry import RegistryError, RegistryView, bindings, org, residents
from gateway.registry.tx import Tx
from gateway.vocabulary import Actor

HORIZON = 24
ACTOR = Actor(id="U")
DEVICES = ("d0", "d1")
PEOPLE = ("r0", "r1", "r2")
MOMENT = st.integers(0, HORIZON - 1)


@dataclass
class Twin:
    """Whose each second of each device is."""

    owner: dict[str, list[str | None]] = field(default_factory=lambda: {device: [None] * (HORIZON + 1) for device in DEVICES})

    def paint(self, device: str, person: str | None, start: int, end: int | None) -> None:
        for second in range(start, HORIZON + 1 if end is None else end):
            self.owner[device][second] = person


DEVICE = st.sampled_from(DEVICES)
END = st.none() | st.integers(1, HORIZON - 1)
STEP = st.one_of(
    st.tuples(st.just("bind"), DEVICE, st.sampled_from(PEOPLE), MOMENT, END),
    st.tuples(st.just("correct"), DEVICE, st.sampled_from((*PEOPLE, None)), MOMENT, END),
    st.tuples(st.just("end"), DEVICE, st.none(), MOMENT, st.none()),
)


def start_house() -> Tx:
    tx = Tx(None, RegistryView(), HORIZON, ACTOR)
    org.set_site(tx, name="S", site_id="s")
    for person in PEOPLE:
        residents.admit(tx, name=person, site="s", resident_id=person, at_ns=0)
    for device in DEVICES:
        bindings.set_device(tx, device)
    return tx


def spans(view: RegistryView, device: str) -> list[tuple[int, int, str | None]]:
    return [(b.valid_from_ns, HORIZON + 1 if b.valid_to_ns is None else b.valid_to_ns, b.resident_id) for b in view.bindings_of(device)]


def expected_bind(view: RegistryView, device: str, person: str, start: int, end: int | None) -> str | None:
    """What must happen, worked out from the list of spans alone: a code of refusal, or None."""
    stop = HORIZON + 1 if end is None else end
    for binding in view.bindings_of(device):
        other_stop = HORIZON + 1 if binding.valid_to_ns is None else binding.valid_to_ns
        if not any(binding.valid_from_ns <= second < other_stop for second in range(start, stop)):
            continue
        followed = binding.valid_to_ns is None and binding.valid_from_ns < start and end is None
        if not followed:
            return "binding.overlap"
        if binding.resident_id == person:
            return "binding.same"
    return None


def run(tx: Tx, twin: Twin, step: Any) -> None:
    word, device, person, start, end = step
    if end is not None and end <= start:
        return
    if word == "bind":
        wanted = expected_bind(tx.view, device, person, start, end)
        if wanted is None:
            bindings.bind(tx, device, resident=person, from_ns=start, to_ns=end)
            twin.paint(device, person, start, end)
        else:
            with pytest.raises(RegistryError) as caught:
                bindings.bind(tx, device, resident=person, from_ns=start, to_ns=end)
            assert caught.value.code == wanted
    elif word == "correct":
        bindings.correct_binding(tx, device, resident=person, from_ns=start, to_ns=end, reason="r")
        twin.paint(device, person, start, end)
    else:
        binding = tx.view.binding_at(device, start)
        if binding is not None and start > binding.valid_from_ns:
            bindings.end_binding(tx, binding.id, at_ns=start)
            twin.paint(device, None, start, binding.valid_to_ns)


@given(steps=st.lists(STEP, max_size=14))
@settings(max_examples=150)
def test_lookups_equal_the_slow_twin_and_spans_never_overlap(steps: list[Any]) -> None:
    tx, twin = start_house(), Twin()
    for step in steps:
        run(tx, twin, step)
        for device in DEVICES:
            found = [tx.view.resident_of(device, second) for second in range(HORIZON + 1)]
            assert found == twin.owner[device]
            ordered = spans(tx.view, device)
            assert all(former[1] <= later[0] for former, later in pairwise(ordered))
    for person in PEOPLE:
        for second in range(HORIZON + 1):
            assert tx.view.devices_of(person, second) == tuple(d for d in DEVICES if twin.owner[d][second] == person)


@given(steps=st.lists(STEP, max_size=10), cut=st.integers(0, 40))
@settings(max_examples=60)
def test_what_was_known_at_an_offset_does_not_change_later(steps: list[Any], cut: int) -> None:
    tx, twin = start_house(), Twin()
    kept: list[tuple[RegistryView, list[str | None]]] = []
    for number, step in enumerate(steps):
        run(tx, twin, step)
        if number == cut % (len(steps) or 1):
            kept.append((tx.view.copy(), [tx.view.resident_of("d0", second) for second in range(HORIZON + 1)]))
    for view, answers in kept:
        assert [view.resident_of("d0", second) for second in range(HORIZON + 1)] == answers
