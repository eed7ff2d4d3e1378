"""The history store: history.sqlite with packed chunks per minute, their sums, and single readings with their raw bytes."""

from gateway.history.sqlite.history import History, TooManyPoints
from gateway.history.sqlite.schema import COMPONENTS
from gateway.history.sqlite.sink import SqliteSink

__all__ = ["COMPONENTS", "History", "SqliteSink", "TooManyPoints"]
