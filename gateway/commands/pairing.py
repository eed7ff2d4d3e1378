"""Pairing, for those who may change devices."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gateway.clock import Clock
from gateway.commands.refusal import Kind, Refusal
from gateway.commands.registry import must_device
from gateway.pairings import PairingRefused, Pairings
from gateway.query import Asker
from gateway.registry.registry import Registry


class PairingCommands:
    """Allowed for the person, then given to the Bluetooth door."""

    def __init__(self, pairings: Pairings, registry: Registry, clock: Clock) -> None:
        self._pairings, self._registry, self._clock = pairings, registry, clock

    async def begin(self, asker: Asker, device: str, address: str | None) -> dict[str, Any]:
        """Start."""
        self._must(asker, device)
        try:
            return await self._pairings.begin(asker.actor, device, address)
        except PairingRefused as error:
            raise Refusal(Kind.CONFLICT, error.code) from error

    async def state(self, asker: Asker, device: str) -> dict[str, Any]:
        """Look."""
        return self._do(asker, device, lambda: self._pairings.state(device))

    async def type(self, asker: Asker, device: str, passkey: int) -> dict[str, Any]:
        """Give the number."""
        return self._do(asker, device, lambda: self._pairings.type(device, passkey))

    async def cancel(self, asker: Asker, device: str) -> dict[str, Any]:
        """Give up."""
        return self._do(asker, device, lambda: self._pairings.cancel(device))

    def _must(self, asker: Asker, device: str) -> None:
        must_device(asker, self._registry.view, device, self._clock.now_ns())

    def _do(self, asker: Asker, device: str, work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        self._must(asker, device)
        try:
            return work()
        except PairingRefused as error:
            raise Refusal(Kind.CONFLICT, error.code) from error
