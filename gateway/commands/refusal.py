"""Why a command was not carried out, in words that a client can act on."""

from __future__ import annotations

from enum import StrEnum
from typing import Any


class Kind(StrEnum):
    """What class of refusal it is; the API maps it to a status."""

    INVALID = "invalid"
    CONFLICT = "conflict"
    UNKNOWN_PERSON = "unknown_person"
    TOO_MANY = "too_many"
    FORBIDDEN = "forbidden"
    UNAVAILABLE = "unavailable"


class Refusal(RuntimeError):
    """Nothing was changed; `code` is a machine word, `members` hold ids and numbers that the asker may know."""

    def __init__(self, kind: Kind, code: str, *, retry_s: float | None = None, **members: Any) -> None:
        super().__init__(code)
        self.kind = kind
        self.code = code
        self.retry_s = retry_s
        self.members = members
