"""Several workers side by side (pytest-xdist): what may go apart, what begins first, which ports are whose, what each folder took."""

from __future__ import annotations

import os
import random
import re
import socket
from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler.loadscope import LoadScopeScheduling  # type: ignore[import-untyped]

# Fixtures of a whole session, by what they start.
WARDS = {
    "past": re.compile(r"\b(past_screens|ward_with_past)\b"), "live": re.compile(r"\b(screens|live_ward)\b"),
    "house": re.compile(r"\bhouse: House"),
}  # fmt: skip
FIRST_PORT, BLOCKS, PORTS_EACH = 10_000, 22, 1_000  # below the ports that the system takes for outgoing connections (32768 on Linux)
LONG_FILE_S = 10.0


def number() -> int | None:
    """Which worker this process is, from 0; None = the run is not split."""
    name = os.environ.get("PYTEST_XDIST_WORKER", "")
    return int(name.removeprefix("gw")) if name else None


def arrange(items: list[pytest.Item]) -> None:
    """Groups that may take longest begin first; within a group the order stays."""
    groups: dict[str, list[pytest.Item]] = defaultdict(list)
    for item in items:
        groups[group_of(item.nodeid)].append(item)
    items[:] = [item for group in sorted(groups.values(), key=_limit_s, reverse=True) for item in group]


@cache
def _group_of_file(path: str) -> str:
    """A file is a group; files that use one of the wards that take long to start are one together."""
    file = Path(__file__).resolve().parents[1] / path
    text = file.read_text(encoding="utf-8") if file.is_file() else ""
    return next((ward for ward, word in WARDS.items() if word.search(text)), path)


def group_of(nodeid: str) -> str:
    """What stays on one worker with this test."""
    return _group_of_file(nodeid.partition("::")[0])


def _limit_s(group: Sequence[pytest.Item]) -> float:
    """How long the group may take at most, as far as its tests say so."""
    marks = [item.get_closest_marker("timeout") for item in group]
    return sum(float(mark.args[0]) if mark is not None and mark.args else 0.1 for mark in marks)


class Groups(LoadScopeScheduling):  # type: ignore[misc]
    """Hands out whole groups. (The plug-in's own `loadgroup` does not see its marks with this pytest.)"""

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid)


def ports() -> Iterator[int]:
    """Free ports that no other worker of this run is given, nor any outgoing connection; runs beside this one rarely meet it."""
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID")
    block = (random.Random(run).randrange(BLOCKS) + (number() or 0)) % BLOCKS
    at = random.SystemRandom().randrange(PORTS_EACH)
    while True:
        port, at = FIRST_PORT + PORTS_EACH * block + at, (at + 1) % PORTS_EACH
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        yield port


def times(reports: dict[str, list[Any]]) -> list[str]:
    """Lines: what each folder's tests took, in seconds and as a share, and the longest files."""
    folders: defaultdict[str, float] = defaultdict(float)
    files: defaultdict[str, float] = defaultdict(float)
    for report in (one for kind in ("passed", "failed", "error", "", "setup") for one in reports.get(kind, [])):
        if isinstance(report, pytest.TestReport):
            path = report.nodeid.partition("::")[0]
            folders["/".join(path.split("/")[:2])] += report.duration
            files[path] += report.duration
    total = sum(folders.values())
    lines = [f"{took_s:7.1f} s {100 * took_s / total:3.0f} %  {folder}" for folder, took_s in _longest(folders) if took_s >= 0.5]
    return [*lines, *(f"{took_s:7.1f} s        {path}" for path, took_s in _longest(files)[:12] if took_s >= LONG_FILE_S)]


def _longest(times: dict[str, float]) -> list[tuple[str, float]]:
    return sorted(times.items(), key=lambda row: -row[1])
