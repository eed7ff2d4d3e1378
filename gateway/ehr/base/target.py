"""The contract of a target: takes entries, judges each; what is wrong with the target as a whole is an exception."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

import apsw


class Fate(StrEnum):
    """What became of one entry."""

    DONE = "done"
    RETRY = "retry"
    HELD = "held"  # a person must look: two matches, a reference that leads nowhere
    DEAD = "dead"  # the target will never take it


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """A target's answer about one entry; `outcome` is the target's own explanation."""

    fate: Fate
    reason: str = ""
    literal: str = ""  # "Observation/123", where the target says so
    outcome: Mapping[str, Any] | None = None
    retry_after_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A resource with the search that finds it again; `replace` = what is there gives way."""

    resource: Mapping[str, Any]
    search: str  # "identifier=system|value"
    uid: str  # the same for the same thing, for ever
    replace: bool = False


class TargetDown(RuntimeError):
    """Not now: no connection, no time, overload. The text holds no health data."""

    def __init__(self, reason: str, retry_after_s: float | None = None) -> None:
        super().__init__(reason)
        self.retry_after_s = retry_after_s


class TargetRefused(RuntimeError):
    """Not until somebody changes something: no permission, a wrong address."""


class TooLarge(RuntimeError):
    """Fewer entries at once, please."""


class Target(Protocol):
    """Where the health record goes."""

    name: str
    real: bool  # a real health record: takes nothing simulated, replayed or tested
    batch: int

    async def send(self, entries: Sequence[Entry]) -> list[Verdict]:
        """One verdict per entry, in their order; sending the same again changes nothing. Raises TargetDown, TargetRefused or TooLarge."""
        ...

    async def find(self, kind: str, search: str) -> list[str]:
        """Literal references of what is there."""
        ...

    def reserve(self, conn: apsw.Connection) -> None:
        """Called in a transaction before each send."""
        ...

    def commit(self, conn: apsw.Connection) -> None:
        """Called in the transaction that writes the verdicts of the last send."""
        ...

    async def close(self) -> None:
        """Give everything back."""
        ...
