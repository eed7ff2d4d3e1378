"""UUIDv7 keys: sorted by the time of their making, with randomness from the system."""

from __future__ import annotations

import secrets
import uuid

_NS_PER_MS = 1_000_000


def uuid7(t_ns: int) -> str:
    """Make a UUIDv7 (RFC 9562, 5.7) for a wall time in ns; the 12 bits after the milliseconds hold its fraction."""
    milliseconds, rest_ns = divmod(t_ns, _NS_PER_MS)
    fraction = rest_ns * 4096 // _NS_PER_MS
    value = (milliseconds & (2**48 - 1)) << 80 | 0x7 << 76 | fraction << 64 | 0b10 << 62 | secrets.randbits(62)
    return str(uuid.UUID(int=value))
