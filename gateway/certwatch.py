"""Certificates end without a word, so somebody must look: a technical alert a month before, and renewed files are taken into use."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from gateway.authority import CertificateError, days_left
from gateway.clock import Clock
from gateway.ops import Ops

WARN_DAYS = 30
LOOK_EVERY_S = 60.0


class CertificateWatch:
    """Looks at certificate files by name; `renewed` is called when the file of that name has changed."""

    def __init__(self, files: Mapping[str, Path], renewed: Mapping[str, Callable[[], None]], clock: Clock, ops: Ops) -> None:
        self._files = dict(files)
        self._renewed = dict(renewed)
        self._clock = clock
        self._ops = ops
        self._seen = {name: self._bytes(path) for name, path in self._files.items()}

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            self.look()
            await self._clock.sleep(LOOK_EVERY_S)

    def look(self) -> None:
        """Once."""
        for name, path in self._files.items():
            self._judge(name, path)
            now = self._bytes(path)
            if now and now != self._seen[name]:
                self._seen[name] = now
                if name in self._renewed:
                    self._renewed[name]()

    def standing(self) -> list[dict[str, Any]]:
        """Each certificate with the days that it has left; None = it cannot be read."""
        return [{"name": name, "days": self._days(path)} for name, path in self._files.items()]

    def _days(self, path: Path) -> int | None:
        try:
            return days_left(path, self._clock.now_ns())
        except CertificateError:
            return None

    def _judge(self, name: str, path: Path) -> None:
        try:
            days = days_left(path, self._clock.now_ns())
        except CertificateError:
            self._ops.fault("certificate.unreadable", name)
            return
        self._ops.clear("certificate.unreadable", name)
        if days < WARN_DAYS:
            self._ops.fault("certificate.ends", name, days=days)
        else:
            self._ops.clear("certificate.ends", name)

    @staticmethod
    def _bytes(path: Path) -> bytes:
        try:
            return path.read_bytes()
        except OSError:
            return b""
