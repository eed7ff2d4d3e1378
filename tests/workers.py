"""Several workers side by side (pytest-xdist): what may go apart, what begins first, which ports are whose, what each folder took."""

from __future__ import annotations

import os
import random
import socket
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

SHARED = ("module", "package", "session")  # scopes of fixtures that several tests use
FIRST_PORT, BLOCKS, PORTS_EACH = 10_000, 22, 1_000  # below the ports that the system takes for outgoing connections (32768 on Linux)
LONG_FILE_S = 10.0


def number() -> int | None:
    """Which worker this process is, from 0; None = the run is not split."""
    name = os.environ.get("PYTEST_XDIST_WORKER", "")
    return int(name.removeprefix("gw")) if name else None


def arrange(items: list[pytest.Item]) -> None:
    """Tests that share a fixture stay together, on one worker, in their order; groups that may take longest begin first."""
    groups: dict[str, list[pytest.Item]] = defaultdict(list)
    for item in items:
        given = item.get_closest_marker("xdist_group")
        name = str(given.args[0]) if given is not None else _shared(item)
        if name is not None and given is None:
            item.add_marker(pytest.mark.xdist_group(name))
        groups[name or item.nodeid].append(item)
    items[:] = [item for group in sorted(groups.values(), key=_limit_s, reverse=True) for item in group]


def _shared(item: pytest.Item) -> str | None:
    """Name of the widest fixture of ours that the test shares with others: built once, not once per worker."""
    found: list[tuple[int, str]] = []
    info: Any = getattr(item, "_fixtureinfo", None)
    for name, definitions in info.name2fixturedefs.items() if info is not None else ():
        scope, base = definitions[-1].scope, definitions[-1].baseid
        if scope in SHARED and base.startswith("tests"):
            where = item.nodeid.partition("::")[0] if scope == "module" else base
            found.append((SHARED.index(scope), f"{where}:{'' if scope == 'module' else name}"))
    return max(found)[1] if found else None


def _limit_s(group: Sequence[pytest.Item]) -> float:
    """How long the group may take at most, as far as its tests say so."""
    marks = [item.get_closest_marker("timeout") for item in group]
    return max(float(mark.args[0]) if mark is not None and mark.args else 0.0 for mark in marks)


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
