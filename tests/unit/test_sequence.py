"""What sequence numbers say when devices count well, and when they do not."""

from __future__ import annotations

from gateway.sequence import RECENT, Run, Standing

S = 1_000_000_000


def run_of(*numbers: int, device_s: float | None = None) -> Run:
    run = Run("d", "b")
    for at, seq in enumerate(numbers):
        run.take(seq, seq, (at + 1) * S, None if device_s is None else int((device_s + at) * S))
    return run


def test_a_late_message_fills_its_gap() -> None:
    run = run_of(0, 1, 5)
    assert (run.gaps, run.missing) == ([(2, 4)], 3)
    assert run.standing(3, 3, None) is Standing.NEW
    run.take(3, 3, S, None)
    assert (run.gaps, run.missing) == ([(2, 2), (4, 4)], 2)


def test_numbers_before_our_time_are_no_loss_but_may_still_come() -> None:
    run = Run("d", "b", first=10)
    run.take(10, 10, S, None)
    assert run.missing == 0
    assert run.standing(4, 4, None) is Standing.NEW


def test_a_number_given_to_another_message_is_not_a_repetition() -> None:
    run = run_of(0, 1, 2)
    assert run.standing(2, 2, None) is Standing.KNOWN
    assert run.standing(2, 99, None) is Standing.REUSED


def test_a_device_that_counts_anew_without_a_new_boot_id_is_noticed_by_its_clock() -> None:
    run = run_of(*range(RECENT + 50), device_s=1000)
    assert run.standing(0, 7, None) is Standing.KNOWN  # without a clock nobody can tell
    assert run.standing(0, 7, 1010 * S) is Standing.KNOWN  # a repetition carries a time that was seen
    assert run.standing(0, 7, 9000 * S) is Standing.RESTARTED
    run.restart()
    run.take(0, 7, 200 * S, 9000 * S)
    assert (run.high, run.trusted, run.missing) == (0, False, 0)


def test_what_was_lost_before_a_silent_restart_stays_lost() -> None:
    run = run_of(0, 4)
    run.restart()
    run.take(0, 1, S, None)
    assert run.missing == 3


def test_the_clock_offset_is_the_least_delayed_and_lets_go_slowly() -> None:
    run = Run("d", "b")
    run.take(0, 0, 1_000 * S, 900 * S)
    run.take(1, 1, 1_015 * S, 910 * S)  # five seconds late
    assert run.offset_ns is not None
    assert 100 * S <= run.offset_ns < 101 * S
