"""How a simulated device pairs: not at all, by Just Works, or by showing a number; what it has on its display, and forgetting its keys."""

from __future__ import annotations

import random
from typing import Any

from bumble.att import Attribute
from bumble.device import Device
from bumble.keys import MemoryKeyStore
from bumble.pairing import PairingConfig, PairingDelegate

JUST_WORKS, PASSKEY = "just_works", "passkey"
PERMISSIONS = {
    "": Attribute.Permissions(0), JUST_WORKS: Attribute.WRITE_REQUIRES_ENCRYPTION,
    PASSKEY: Attribute.WRITE_REQUIRES_ENCRYPTION | Attribute.WRITE_REQUIRES_AUTHENTICATION,
}  # fmt: skip


class Display(PairingDelegate):
    """A device with a display, or with neither display nor keys."""

    def __init__(self, way: str, rng: random.Random) -> None:
        capability = PairingDelegate.IoCapability
        super().__init__(capability.DISPLAY_OUTPUT_ONLY if way == PASSKEY else capability.NO_OUTPUT_NO_INPUT)
        self._rng = rng
        self.shown: int | None = None

    async def generate_passkey(self) -> int:
        """The number of this pairing."""
        return self._rng.randrange(1_000_000)

    async def display_number(self, number: int, digits: int) -> None:
        """Show it."""
        del digits
        self.shown = number


class Bonds:
    """The pairing side of one peripheral."""

    def __init__(self, way: str, rng: random.Random) -> None:
        if way not in PERMISSIONS:
            raise ValueError(f"unknown way of pairing {way!r}; known: {JUST_WORKS}, {PASSKEY}")
        self.way = way
        self.display = Display(way, rng)

    @property
    def permissions(self) -> Any:
        """What the protected characteristic asks of a link."""
        return PERMISSIONS[self.way]

    def fit(self, device: Device) -> None:
        """Let the device pair in its way."""
        device.keystore = MemoryKeyStore()
        mitm = self.way == PASSKEY
        device.pairing_config_factory = lambda _connection: PairingConfig(sc=True, mitm=mitm, bonding=True, delegate=self.display)

    async def forget(self, device: Device) -> None:
        """Lose all keys, as some cuffs do when their battery is changed."""
        if device.keystore is not None:
            await device.keystore.delete_all()
