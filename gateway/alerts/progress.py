"""A counter in a file that grows only while the alarm loop really works; the watchdog's process reads it."""

from __future__ import annotations

import os
from pathlib import Path

_WIDTH = 20


class Progress:
    """Writes the counter in place: it needs no room on a full disk."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)

    def beat(self, count: int) -> None:
        """Show a new count."""
        os.pwrite(self._fd, f"{count:0{_WIDTH}d}\n".encode(), 0)

    def close(self) -> None:
        """Close the file; the last count stays."""
        os.close(self._fd)
