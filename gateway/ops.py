"""Counters, progress marks and faults of the gateway itself: the one place where parts say how they are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A technical condition of the gateway: active until cleared by the same (code, subject)."""

    code: str  # e.g. "disk.full", "broker.down", "channel.down", "topic.space"
    subject: str
    active: bool
    params: dict[str, Any] = field(default_factory=dict)


class Ops:
    """Counters and the set of active faults; listeners (the alert desk) hear each change once."""

    def __init__(self) -> None:
        self.counters: Counter[str] = Counter()
        self.progress_ns: dict[str, int] = {}
        self._faults: dict[tuple[str, str], Fault] = {}
        self._listeners: list[Callable[[Fault], None]] = []

    def listen(self, listener: Callable[[Fault], None]) -> None:
        """Hear every change from now on, and first all that is active; called on the loop's thread."""
        self._listeners.append(listener)
        for fault in self._faults.values():
            listener(fault)

    def fault(self, code: str, subject: str, **params: Any) -> None:
        """Say that something is wrong; saying it again is silent."""
        if (code, subject) in self._faults:
            return
        fault = Fault(code=code, subject=subject, active=True, params=params)
        self._faults[code, subject] = fault
        for listener in self._listeners:
            listener(fault)

    def clear(self, code: str, subject: str) -> None:
        """Say that it is right again; silent if it was."""
        if self._faults.pop((code, subject), None) is None:
            return
        fault = Fault(code=code, subject=subject, active=False)
        for listener in self._listeners:
            listener(fault)

    def faults(self) -> tuple[Fault, ...]:
        """Active faults."""
        return tuple(self._faults.values())
