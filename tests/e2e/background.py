"""Scenarios that mostly wait run beside each other, in threads: each has its own folder and its own processes."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

AT_ONCE = 2  # as many as there are cores on a small machine; the test that runs in front is one more
LIMIT_S = 240.0
Scenario = Callable[[Path], None]


def beside(scenario: Scenario) -> Callable[..., None]:
    """Make a test of a scenario: its result is awaited here, its work may have been begun long before."""

    def test(background: Background) -> None:
        background.result(scenario)

    test.__name__ = scenario.__name__
    test.__doc__ = scenario.__doc__
    test.__module__ = scenario.__module__
    test.scenario = scenario  # type: ignore[attr-defined]
    return test


class Background:
    """Runs the scenarios of the selected tests, in their order."""

    def __init__(self, scenarios: Iterable[Scenario]) -> None:
        self._pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="scenario")
        self._running: dict[Scenario, Future[str]] = {scenario: self._pool.submit(_run, scenario) for scenario in scenarios}

    def result(self, scenario: Scenario) -> None:
        """Wait for it; its failure is the test's."""
        print(self._running[scenario].result(LIMIT_S))

    def close(self) -> None:
        """Nothing new is begun; what runs is awaited, since it cleans up after itself."""
        self._pool.shutdown(cancel_futures=True)


def _run(scenario: Scenario) -> str:
    folder = Path(tempfile.mkdtemp(prefix="anxin-"))
    try:
        scenario(folder)
        return ""
    except BaseException as error:
        error.add_note(said(folder))
        raise
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def said(folder: Path) -> str:
    """The end of what the gateway of a folder and its broker said."""
    paths = (folder / "err.log", folder / "data" / "nats" / "nats.log")
    return "\n".join(path.read_text(encoding="utf-8", errors="replace")[-3000:] for path in paths if path.exists())


def selected(items: Iterable[Any]) -> list[Scenario]:
    """Scenarios of the tests that were selected."""
    found = (getattr(getattr(item, "function", None), "scenario", None) for item in items)
    return [scenario for scenario in found if scenario is not None]
