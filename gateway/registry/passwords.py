"""Passwords: argon2id with bounded concurrency, one-time passwords, and what is too weak."""

from __future__ import annotations

import asyncio
import secrets
from concurrent.futures import ThreadPoolExecutor

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from gateway.registry.errors import RegistryError

MIN_LENGTH = 8
MAX_LENGTH = 128  # more is no password but a load
MEMORY_KIB = 19 * 1024  # with t=2 and p=1: the second recommendation of OWASP's table, about 30 ms on a small box
AT_ONCE = 2
WAITING_LIMIT = 32
_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"  # no l, 1, i, o, 0: it is read from a screen and typed on a phone
_COMMON = frozenset(
    ("12345678 123456789 1234567890 password password1 qwertyui qwertyuiop 11111111 00000000 88888888 66666666 abc12345 iloveyou 1q2w3e4r "
     "1qaz2wsx qwer1234 a1234567 12341234 87654321 admin123 administrator caregiver nurse123 welcome1 letmein1 asdfghjk passw0rd woaini520 "
     "5201314520").split()
)  # fmt: skip


class Busy(RuntimeError):
    """Too many sign-ins are being checked; ask again in a moment."""


def one_time() -> str:
    """Make a random password of 59 bits, in three groups."""
    return "-".join("".join(secrets.choice(_ALPHABET) for _ in range(4)) for _ in range(3))


def check_strength(password: str, login: str) -> None:
    """Raise RegistryError for a password that is too short, too long, common, or the login itself."""
    folded = password.casefold()
    too_simple = folded in _COMMON or len(set(folded)) < 4 or login.casefold() in folded
    if not MIN_LENGTH <= len(password) <= MAX_LENGTH or too_simple:
        raise RegistryError("password.weak", field="password", limit=MIN_LENGTH)


class Hasher:
    """Argon2id in its own threads: at most AT_ONCE run, at most WAITING_LIMIT wait."""

    def __init__(self, *, memory_kib: int = MEMORY_KIB, time_cost: int = 2) -> None:
        self._argon = PasswordHasher(time_cost=time_cost, memory_cost=memory_kib, parallelism=1)
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="anxin-argon2")
        self._waiting = 0
        self._nobody = self._argon.hash(secrets.token_hex(16))  # what an unknown login is checked against, so that it takes as long

    def close(self) -> None:
        """Stop the threads."""
        self._threads.shutdown(wait=True)

    def hash_sync(self, password: str) -> str:
        """Hash a password, blocking."""
        return self._argon.hash(_bytes(password))

    def verify_sync(self, hashed: str | None, password: str) -> bool:
        """Whether the password fits, blocking; takes as long for `hashed` None (no such account), and says no."""
        try:
            self._argon.verify(self._nobody if hashed is None else hashed, _bytes(password))
        except (VerificationError, InvalidHashError):
            return False
        return hashed is not None

    async def hash(self, password: str) -> str:
        """Hash a password in a thread."""
        with _Place(self):
            return await asyncio.get_running_loop().run_in_executor(self._threads, self.hash_sync, password)

    async def verify(self, hashed: str | None, password: str) -> bool:
        """Whether the password fits, in a thread; raises Busy where too many wait."""
        with _Place(self):
            return await asyncio.get_running_loop().run_in_executor(self._threads, self.verify_sync, hashed, password[: MAX_LENGTH + 1])


class _Place:
    """A place in the bounded queue."""

    def __init__(self, hasher: Hasher) -> None:
        self._hasher = hasher

    def __enter__(self) -> None:
        if self._hasher._waiting >= WAITING_LIMIT:
            raise Busy("too many sign-ins at once")
        self._hasher._waiting += 1

    def __exit__(self, *_: object) -> None:
        self._hasher._waiting -= 1


def _bytes(password: str) -> bytes:
    return password.encode("utf-8", "surrogatepass")
