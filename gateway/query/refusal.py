"""What the read door says when a part that would answer is not there."""

from __future__ import annotations


class Unavailable(RuntimeError):
    """The part that would answer is not running; `args[0]` is a machine word."""
