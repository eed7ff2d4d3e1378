"""Puts the history sinks together: which are configured, their files, their consumers, how they are."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from gateway.clock import Clock
from gateway.config import ConfigError
from gateway.config import History as Settings
from gateway.history.base import HistoryRunner, Sink
from gateway.history.sqlite import History, SqliteSink
from gateway.history.sqlite.keep import Limits
from gateway.journal import Journal
from gateway.ops import Ops
from gateway.store import StoreError, Writer


def limits_of(settings: Settings) -> Limits:
    """Days of each class; 0 in the configuration is for ever."""
    return Limits(
        raw_days=settings.raw_days or None,
        minute_days=settings.minute_days or None,
        reading_days=settings.reading_days or None,
        wave_days=settings.wave_days or None,
    )


class Histories:
    """The sinks of one data folder."""

    def __init__(self) -> None:
        self.history: History | None = None
        self.runners: dict[str, HistoryRunner] = {}
        self._sinks: list[Sink] = []
        self._work: dict[str, Coroutine[Any, Any, None]] = {}

    @staticmethod
    async def open(settings: Settings, data_dir: Path, journal: Journal, writer: Writer, clock: Clock, ops: Ops) -> Histories:
        """Open the files of what is configured; nothing runs yet."""
        found = Histories()
        if settings.enabled:
            try:
                sink = await asyncio.to_thread(SqliteSink.open, data_dir / "history.sqlite", writer, clock, ops)
            except StoreError as error:  # alarms do not wait for the history: the journal keeps what comes meanwhile
                ops.fault("history.unusable", "history.sqlite", reason=str(error))
            else:
                found.history = sink.history
                found._add(sink, journal, clock, ops)
                found._work["history.retention"] = sink.retention(limits_of(settings))
        if settings.influx:
            await asyncio.to_thread(found._add_influx, settings.influx, data_dir, journal, writer, clock, ops)
        return found

    def _add_influx(self, options: dict[str, Any], data_dir: Path, journal: Journal, writer: Writer, clock: Clock, ops: Ops) -> None:
        """A wrong table, or a package that is not installed, is a ConfigError that says so."""
        try:
            from gateway.history.influx import build
        except ModuleNotFoundError as error:
            raise ConfigError(
                f"history.influx needs a package that is not installed ({error.name}): pip install 'anxin[influx]'"
            ) from error
        try:
            sink = build(options, data_dir, writer, clock, ops)
        except ValidationError as error:
            keys = ", ".join(".".join(str(part) for part in one["loc"]) or "table" for one in error.errors())
            raise ConfigError(f"history.influx: wrong or unknown: {keys}") from error
        self._add(sink, journal, clock, ops)
        self._work["history.influx.fill"] = sink.fill(self.history)

    def _add(self, sink: Sink, journal: Journal, clock: Clock, ops: Ops) -> None:
        self._sinks.append(sink)
        runner = self.runners[sink.name] = HistoryRunner(journal, sink, clock, ops)
        self._work[f"history.{sink.name}"] = runner.run()

    def work(self) -> dict[str, Coroutine[Any, Any, None]]:
        """What has to run, by name; once."""
        work, self._work = self._work, {}
        return work

    def status(self) -> dict[str, Any]:
        """Where each sink stands."""
        return {f"{name}.{key}": value for name, runner in self.runners.items() for key, value in runner.status().items()}

    async def close(self) -> None:
        """Write what was taken; close the files."""
        for one in self._work.values():
            one.close()
        for sink in reversed(self._sinks):
            await sink.close()
