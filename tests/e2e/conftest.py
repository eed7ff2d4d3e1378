"""Folders with short names (a Unix socket's path may have 108 bytes), and a house shared by gentle tests."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.hook import Hook
from tests.support.running import Gateway
from tests.support.town import town


@pytest.fixture
def folder() -> Iterator[Path]:
    """An empty folder; what the gateway said in it is printed, for the report of a failure."""
    path = Path(tempfile.mkdtemp(prefix="anxin-"))
    try:
        yield path
    finally:
        print(said(path))
        shutil.rmtree(path, ignore_errors=True)


def said(folder: Path) -> str:
    """The end of what the gateway of a folder and its broker said."""
    paths = (folder / "err.log", folder / "data" / "nats" / "nats.log")
    return "\n".join(path.read_text(encoding="utf-8", errors="replace")[-3000:] for path in paths if path.exists())


@dataclass
class House:
    """A running gateway that gentle tests share, with its channel and its watchdog's own."""

    gateway: Gateway
    hook: Hook
    guard: Hook


@pytest.fixture(scope="session")
def house() -> Iterator[House]:
    """Started once; nobody kills it, whoever disturbs it brings it back."""
    path = Path(tempfile.mkdtemp(prefix="anxin-"))
    try:
        with Hook() as guard, town(path, watchdog={"enabled": True, "limit_s": 4, "webhook_url": guard.url}) as (gateway, hook):
            gateway.start()
            yield House(gateway, hook, guard)
    finally:
        print(said(path))
        shutil.rmtree(path, ignore_errors=True)
