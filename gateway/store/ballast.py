"""A file that only holds room: freed when the disk is full, so that calls and alerts go on."""

from __future__ import annotations

import os
from pathlib import Path


class Ballast:
    """A reserve of `size` bytes at `path`; size 0 = no reserve."""

    def __init__(self, path: Path, size: int) -> None:
        self.path = path
        self.size = size

    @property
    def present(self) -> bool:
        """Whether the reserve is in place."""
        return self.size == 0 or (self.path.exists() and self.path.stat().st_size >= self.size)

    def release(self) -> None:
        """Give the room back to the disk."""
        self.path.unlink(missing_ok=True)

    def ensure(self, spare_bytes: int) -> bool:
        """Take the room if that leaves `spare_bytes` free; False when there is not enough."""
        if self.present:
            return True
        if free_bytes(self.path.parent) < self.size + spare_bytes:
            return False
        fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            os.posix_fallocate(fd, 0, self.size)
            os.fsync(fd)
        except OSError:
            self.path.unlink(missing_ok=True)
            return False
        finally:
            os.close(fd)
        return True


def free_bytes(folder: Path) -> int:
    """Bytes that an ordinary user may still write on the disk of `folder`."""
    state = os.statvfs(folder)
    return state.f_bavail * state.f_frsize
