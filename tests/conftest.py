"""Rules of every run: a skip is said and counted, ANXIN_NO_SKIP=1 makes it a failure, seeds are printed."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Generator

import pytest
from hypothesis import HealthCheck, settings

from tests.support import fresh_seed, no_skip
from tests.support.fake_clock import FakeClock

# The deadline of a test is pytest-timeout's; one example's time says nothing on a machine with two busy cores.
settings.register_profile("anxin", deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "anxin"))


@pytest.fixture
def clock() -> FakeClock:
    """A clock that the test moves."""
    return FakeClock()


@pytest.fixture
def seed() -> int:
    """A random seed, printed; ANXIN_SEED=<n> repeats it."""
    return fresh_seed()


def _skip_reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    """The words given to the skip, without file and line."""
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    return reason.removeprefix("Skipped: ")


def _refuse_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    """Turn any skip, whichever way it was written, into a failure when the run allows none."""
    if no_skip() and report.skipped and not hasattr(report, "wasxfail"):
        report.longrepr = f"skipped: {_skip_reason(report)}; ANXIN_NO_SKIP=1 allows no skip"
        report.outcome = "failed"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """See `_refuse_skip`."""
    report = yield
    _refuse_skip(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """See `_refuse_skip`; for modules that are skipped as a whole."""
    report = yield
    _refuse_skip(report)
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say at the end what was not run and why."""
    reasons: Counter[str] = Counter(_skip_reason(report) for report in terminalreporter.stats.get("skipped", []))
    left_out = len(terminalreporter.stats.get("deselected", []))
    if reasons:
        terminalreporter.section("not run")
        for reason, count in sorted(reasons.items()):
            terminalreporter.write_line(f"{count:5d} skipped: {reason}")
    if left_out:
        terminalreporter.write_line(f"{left_out:5d} left out by -m (slow tests run in `make check-all`)")
