"""Errors of the journal."""

from __future__ import annotations

from gateway.store import StoreError


class JournalError(StoreError):
    """The journal cannot do what was asked; the text says why."""


class JournalCorrupt(JournalError):  # noqa: N818 - reads as what happened
    """A block or a segment is damaged."""


class JournalGone(JournalError):  # noqa: N818 - reads as what happened
    """The offset is outside of what the journal holds: dropped by retention, or from another lineage."""


class JournalLocked(JournalError):  # noqa: N818 - reads as what happened
    """Another process writes this journal."""
