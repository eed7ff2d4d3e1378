"""Pairing a Bluetooth device on somebody's request: by command line and by API, with the steps that the person is shown."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Protocol

from gateway.control import Handler
from gateway.registry import bindings
from gateway.registry.registry import Registry
from gateway.vocabulary import Actor

ADDRESS = re.compile(r"(?:[0-9A-F]{2}:){5}[0-9A-F]{2}")


class PairingRefused(ValueError):
    """It was not begun, or the number was not wanted; `code` is a machine word."""

    def __init__(self, code: str, words: str) -> None:
        super().__init__(words)
        self.code = code


class State(Protocol):
    """How a pairing stands."""

    @property
    def device(self) -> str:
        """Whose."""
        ...

    @property
    def address(self) -> str:
        """Where it is heard."""
        ...

    @property
    def step(self) -> str:
        """A word of `gateway.collect.ble.pairing.Step`."""
        ...

    @property
    def cause(self) -> str:
        """Why it failed, a code word."""
        ...

    @property
    def over(self) -> bool:
        """Whether it has ended."""
        ...


class Desk(Protocol):
    """What is needed of the Bluetooth door; it raises RuntimeError where it refuses."""

    def begin(self, device: str, address: str) -> State:
        """Start."""
        ...

    def of(self, device: str) -> State | None:
        """Look."""
        ...

    def type(self, device: str, passkey: int) -> None:
        """Give the number."""
        ...

    def cancel(self, device: str) -> None:
        """Give up."""
        ...


def _shown(state: State | None, device: str) -> dict[str, Any]:
    if state is None:
        return {"device": device, "step": "none", "cause": "", "over": True}
    return {"device": state.device, "address": state.address, "step": str(state.step), "cause": state.cause, "over": state.over}


class Pairings:
    """The only way to the door's desk for those who ask; `desk` is None as long as there is no Bluetooth door."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self.desk: Desk | None = None

    def _there(self) -> Desk:
        if self.desk is None:
            raise PairingRefused("pairing.no_bluetooth", "this gateway has no Bluetooth: set ble.backend in anxin.toml")
        return self.desk

    async def begin(self, actor: Actor, device: str, address: str | None = None) -> dict[str, Any]:
        """Wait for the device and pair with it; its address is kept with it."""
        desk, row = self._there(), self._registry.view.devices.get(device)
        if row is None:
            raise PairingRefused("pairing.no_device", f"no device {device}")
        known = address.upper() if address else row.facts.get("ble_address", "")
        if not ADDRESS.fullmatch(known):
            raise PairingRefused("pairing.no_address", f"the Bluetooth address of {device} is not known: give it as AA:BB:CC:DD:EE:FF")
        if row.facts.get("ble_address") != known:
            await self._take_over(actor, device, known)
        try:
            return _shown(desk.begin(device, known), device)
        except RuntimeError as error:
            raise PairingRefused("pairing.busy", f"device {error} is being paired: wait, or cancel it") from error

    async def _take_over(self, actor: Actor, device: str, address: str) -> None:
        """The address is this device's from now on: a stranger that was heard under it leaves the inbox; a bound device is not robbed."""
        view = self._registry.view
        same = [row for row in view.devices.values() if row.facts.get("ble_address", "").upper() == address and row.id != device]
        for row in same:
            if row.status == "retired":
                continue
            if not row.id.startswith("ble-") or any(one.device_id == row.id and one.valid_to_ns is None for one in view.bindings.values()):
                raise PairingRefused("pairing.address_taken", f"the address {address} is that of {row.id}: retire it first")
            await self._registry.do(actor, bindings.retire_device, row.id, reason=f"entered as {device}")
        await self._registry.do(actor, bindings.note_facts, device, {"ble_address": address})

    def state(self, device: str) -> dict[str, Any]:
        """How it stands."""
        return _shown(self._there().of(device), device)

    def type(self, device: str, passkey: int) -> dict[str, Any]:
        """The number that the device shows."""
        try:
            self._there().type(device, passkey)
        except RuntimeError as error:
            raise PairingRefused("pairing.no_number_wanted", f"{device} asks for no number now (six digits, while it shows one)") from error
        return self.state(device)

    def cancel(self, device: str) -> dict[str, Any]:
        """Give it up."""
        try:
            self._there().cancel(device)
        except RuntimeError as error:
            raise PairingRefused("pairing.none", f"{device} is not being paired") from error
        return self.state(device)

    def handlers(self, actor: Actor) -> dict[str, Handler]:
        """For the command line."""

        async def begin(args: Mapping[str, Any]) -> Any:
            return await self.begin(actor, str(args["device"]), args.get("address"))

        async def state(args: Mapping[str, Any]) -> Any:
            return self.state(str(args["device"]))

        async def type_(args: Mapping[str, Any]) -> Any:
            return self.type(str(args["device"]), int(args["passkey"]))

        async def cancel(args: Mapping[str, Any]) -> Any:
            return self.cancel(str(args["device"]))

        return {"pair.begin": begin, "pair.state": state, "pair.type": type_, "pair.cancel": cancel}
