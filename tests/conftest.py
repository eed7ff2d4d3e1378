"""Rules of every run: a skip is said and counted, ANXIN_NO_SKIP=1 makes it a failure, seeds are printed."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Generator
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from tests import workers
from tests.support import fresh_seed, no_skip
from tests.support.fake_clock import FakeClock

# The deadline of a test is pytest-timeout's; one example's time says nothing on a machine with two busy cores.
settings.register_profile("anxin", deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "anxin"))


_LEFT_OUT: Counter[str] = Counter()


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


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Groups of tests, each on one worker."""
    return workers.Groups(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """See `workers.arrange`."""
    if workers.number() is not None:
        workers.arrange(items)


def pytest_deselected(items: list[pytest.Item]) -> None:
    """A worker's own count: only its parent speaks at the end."""
    _LEFT_OUT["own"] += len(items)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A worker hands its count over."""
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["left_out"] = _LEFT_OUT["own"]


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """All workers collect the same and leave out the same."""
    _LEFT_OUT["workers"] = max(_LEFT_OUT["workers"], getattr(node, "workeroutput", {}).get("left_out", 0))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say at the end where the time went, what was not run and why."""
    lines = workers.times(terminalreporter.stats)
    if len(lines) > 1:
        terminalreporter.section("time of the tests, workers side by side")
        for line in lines:
            terminalreporter.write_line(line)
    reasons: Counter[str] = Counter(_skip_reason(report) for report in terminalreporter.stats.get("skipped", []))
    left_out = max(_LEFT_OUT.values(), default=0)
    if reasons:
        terminalreporter.section("not run")
        for reason, count in sorted(reasons.items()):
            terminalreporter.write_line(f"{count:5d} skipped: {reason}")
    if left_out:
        terminalreporter.write_line(f"{left_out:5d} left out by -m (slow tests run in `make check-all`)")
