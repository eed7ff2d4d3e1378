"""The one SQLite writer: group commit, priority lane, read connections, migrations, versions, room in reserve."""

from gateway.store.database import Database
from gateway.store.errors import Corrupt, DiskFull, DowngradeRefused, Overloaded, StoreError
from gateway.store.schema import META_COMPONENT, Component
from gateway.store.writer import Lane, Writer

__all__ = [
    "META_COMPONENT",
    "Component",
    "Corrupt",
    "Database",
    "DiskFull",
    "DowngradeRefused",
    "Lane",
    "Overloaded",
    "StoreError",
    "Writer",
]
