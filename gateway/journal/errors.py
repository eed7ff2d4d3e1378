"""Errors of the journal."""

from __future__ import annotations

from gateway.store import StoreError


class JournalError(StoreError):
    """The journal cannot do what was asked; the text says why."""


class JournalCorrupt(JournalError):
    """A block or a segment is damaged."""


class JournalGone(JournalError):
    """The offset is outside of what the journal holds: dropped by retention, or from another lineage."""


class JournalLocked(JournalError):
    """Another process writes this journal."""
