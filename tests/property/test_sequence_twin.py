"""Sequence runs against a slow twin: a plain set of numbers."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway import sequence
from gateway.sequence import Run, Standing

NUMBERS = st.lists(st.integers(0, 60), min_size=1, max_size=120)


@given(NUMBERS)
def test_a_run_knows_exactly_what_it_took(numbers: list[int]) -> None:
    run = Run("d", "b")
    seen: set[int] = set()
    for at, seq in enumerate(numbers):
        standing = run.standing(seq, seq, None)  # the digest is the number: no number is used twice here
        assert (standing is Standing.KNOWN) == (seq in seen)
        if standing is Standing.NEW:
            run.take(seq, seq, at + 1, None)
            seen.add(seq)
        assert run.received == len(seen)
        assert run.missing == max(seen) + 1 - len(seen)
        assert run.gaps == _gaps(seen)


@given(NUMBERS, NUMBERS)
def test_taking_again_changes_nothing(first: list[int], again: list[int]) -> None:
    run = Run("d", "b")
    for seq in first:
        run.take(seq, seq, 1, None)
    before = (run.high, list(run.gaps), run.missing, run.received)
    for seq in (seq for seq in again if seq in first):
        run.take(seq, seq, 1, None)
    assert (run.high, list(run.gaps), run.missing, run.received) == before


@given(st.lists(st.integers(0, 400), min_size=1, max_size=150, unique=True), st.integers(1, 6))
def test_with_few_gaps_kept_nothing_is_ever_called_new_twice_and_losses_stay_counted(numbers: list[int], kept: int) -> None:
    former, sequence.MAX_GAPS = sequence.MAX_GAPS, kept
    try:
        run = Run("d", "b")
        taken: set[int] = set()
        for seq in numbers:
            standing = run.standing(seq, seq, None)
            assert standing in (Standing.NEW, Standing.TOO_OLD)  # each is sent once: none is known
            if standing is Standing.NEW:
                run.take(seq, seq, 1, None)
                taken.add(seq)
            assert len(run.gaps) <= kept
            assert run.received == len(taken)
            assert run.missing == max(taken) + 1 - len(taken)
    finally:
        sequence.MAX_GAPS = former


def _gaps(seen: set[int]) -> list[tuple[int, int]]:
    gaps: list[tuple[int, int]] = []
    for seq in range(max(seen) + 1):
        if seq in seen:
            continue
        if gaps and gaps[-1][1] == seq - 1:
            gaps[-1] = (gaps[-1][0], seq)
        else:
            gaps.append((seq, seq))
    return gaps
