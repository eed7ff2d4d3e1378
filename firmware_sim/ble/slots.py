"""Users of a shared scale or cuff: numbered slots, each with a code that somebody who wants its data must know (User Data, 0x181C)."""

from __future__ import annotations

REGISTER, CONSENT, RESPONSE = 0x01, 0x02, 0x20
SUCCESS, NOT_SUPPORTED, INVALID, FAILED, NOT_AUTHORIZED = 1, 2, 3, 4, 5
UNKNOWN, MOST = 0xFF, 4


class Slots:
    """The slots of one device, and which of them the present link may see."""

    def __init__(self) -> None:
        self.codes: dict[int, int] = {}
        self.open: set[int] = set()
        self.requests: list[bytes] = []
        self._latest = UNKNOWN

    def index(self) -> bytes:
        """The slot in use."""
        return bytes((self._latest,))

    def close(self) -> None:
        """The link has ended."""
        self.open.clear()
        self._latest = UNKNOWN

    def may_see(self, user: int | None) -> bool:
        """Whether what this person measured may be told; nobody's may."""
        return user is None or not self.codes or user in self.open

    def answer(self, request: bytes) -> bytes:
        """Carry out a request of the control point."""
        self.requests.append(request)
        code = request[0] if request else 0
        if code == REGISTER and len(request) == 3:
            free = next((slot for slot in range(1, MOST + 1) if slot not in self.codes), None)
            if free is None:
                return bytes((RESPONSE, code, FAILED))
            self.codes[free] = int.from_bytes(request[1:], "little")
            return bytes((RESPONSE, code, SUCCESS, free))
        if code == CONSENT and len(request) == 4:
            if self.codes.get(request[1]) != int.from_bytes(request[2:], "little"):
                return bytes((RESPONSE, code, NOT_AUTHORIZED))
            self.open.add(request[1])
            self._latest = request[1]
            return bytes((RESPONSE, code, SUCCESS))
        return bytes((RESPONSE, code, INVALID if code in (REGISTER, CONSENT) else NOT_SUPPORTED))
