"""Errors of the store; every one says what to do next."""

from __future__ import annotations

import apsw


class StoreError(RuntimeError):
    """A file of the store cannot be used, or a commit did not happen."""


class DiskFull(StoreError):
    """The disk (or a limit) is full: nothing was stored; keep the data and send it again later."""


class DowngradeRefused(StoreError):
    """The file was written by a newer version of this program."""


class Overloaded(StoreError):
    """The writer's queue is at its bound: nothing was stored; send it again later."""


class Corrupt(StoreError):
    """A file is damaged; the text names the way back."""


# SQLite says FULL for ENOSPC and for its page limit, IOERR_WRITE for EFBIG and EDQUOT, and the SHM codes when the
# shared index of the log cannot grow: to the sender all of them mean "no room".
_FULL_CODES = frozenset({apsw.SQLITE_IOERR_WRITE, apsw.SQLITE_IOERR_SHMSIZE, apsw.SQLITE_IOERR_SHMOPEN, apsw.SQLITE_IOERR_TRUNCATE})


def is_full(error: BaseException) -> bool:
    """Whether an error of SQLite means that there is no room."""
    if not isinstance(error, apsw.Error):
        return False
    code = getattr(error, "extendedresult", 0)  # set by apsw, absent from its type stubs
    return code in _FULL_CODES or isinstance(error, apsw.FullError)


def is_corrupt(error: BaseException) -> bool:
    """Whether an error of SQLite means that the file is damaged."""
    return isinstance(error, apsw.CorruptError | apsw.NotADBError | UnicodeDecodeError)  # the last: text that is none
