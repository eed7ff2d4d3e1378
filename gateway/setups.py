"""Setting a Bluetooth device up, for the wizard: who is on the air, which one is it, its first readings, a walk through the rooms."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from gateway.clock import NS_PER_S, Clock
from gateway.collect.ble.air import Air, Heard
from gateway.pairings import PairingRefused
from gateway.registry import bindings
from gateway.registry.registry import Registry
from gateway.registry.view import Device
from gateway.vocabulary import Actor

BEGUN_S = 3600.0  # so long whoever set a device up may look at its first readings
BEGUN = 200
SPOT_S = 8.0  # adverts of so long make a spot of the walk
# What a device of a kind is expected to send.
QUANTITIES = {
    "wearable": ("hr", "spo2", "battery"), "cuff": ("sbp", "dbp", "pulse"), "glucometer": ("glucose",), "cgm": ("glucose_cgm",),
    "oximeter": ("spo2", "pulse"), "thermometer": ("temp",), "scale": ("weight",), "strap": ("hr",),
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """Who sets a device up, since when (UTC)."""

    actor_id: str
    since_ns: int


class Setups:
    """The wizard's side of the Bluetooth door; `air` is None as long as there is no such door."""

    def __init__(self, registry: Registry, clock: Clock) -> None:
        self._registry = registry
        self._clock = clock
        self.air: Air | None = None
        self.forget: Callable[[str], Any] | None = None  # an adapter's way to drop keys, by address
        self._begun: OrderedDict[str, Begun] = OrderedDict()

    def _there(self) -> Air:
        if self.air is None:
            raise PairingRefused("pairing.no_bluetooth", "this gateway has no Bluetooth: set ble.backend in anxin.toml")
        return self.air

    # --- who is there

    def search(self) -> dict[str, Any]:
        """Begin to note what is on the air, or go on for another span."""
        self._there().open()
        return self.found()

    def stop(self) -> None:
        """End the search and forget what was heard."""
        self._there().close()

    def found(self) -> dict[str, Any]:
        """What has been heard, the strongest first, with who it is for the registry."""
        air, known = self._there(), self._known()
        rows = [self._row(air, row, known.get(row.address)) for row in air.rows()]
        return {"open": air.is_open, "left_s": round(air.left_s), "heard": rows}

    def _known(self) -> dict[str, Device]:
        rows = [row for row in self._registry.view.devices.values() if row.status != "retired" and "ble_address" in row.facts]
        rows.sort(key=lambda row: row.status != "inbox")  # who was entered under an address counts, not the stranger of before
        return {row.facts["ble_address"].upper(): row for row in rows}

    @staticmethod
    def _row(air: Air, row: Heard, device: Device | None) -> dict[str, Any]:
        facts: Mapping[str, str] = {} if device is None else device.facts
        model = (device.model if device is not None else "") or " ".join(facts[key] for key in ("manufacturer", "model") if key in facts)
        return {
            "address": row.address, "name": row.name, "kind": (device.kind if device is not None else "") or row.kind, "model": model,
            "rssi_dbm": row.rssi_dbm, "age_s": round(air.age_s(row), 1), "count": row.count, "adapter": row.adapter,
            "device_id": None if device is None else device.id, "status": "stranger" if device is None else device.status,
        }  # fmt: skip

    def at(self, address: str) -> Heard | None:
        """What was heard of an address in this search."""
        return self._there().of(address)

    # --- which one is it

    def show(self, address: str) -> dict[str, Any]:
        """Ask it to blink or beep."""
        return {"state": self._there().show(address).state}

    def showing(self, address: str) -> dict[str, Any]:
        """How that went."""
        showing = self._there().showing(address)
        return {"state": "none" if showing is None else showing.state}

    # --- a walk

    def walk(self, address: str) -> dict[str, Any]:
        """Leave the device on the air for a walk; raises PairingRefused when too many do."""
        if not self._there().hold(address):
            raise PairingRefused("setup.busy", "too many devices are being walked with")
        return self.signal(address)

    def end_walk(self, address: str) -> None:
        """Serve it again."""
        self._there().release(address)

    def signal(self, address: str) -> dict[str, Any]:
        """How well it is heard here and now."""
        air = self._there()
        row = air.of(address)
        latest = [] if row is None else air.since(row, SPOT_S)
        return {
            "walking": air.holds(address), "samples": latest, "adapter": "" if row is None else row.adapter,
            "age_s": None if row is None else round(air.age_s(row), 1),
        }  # fmt: skip

    async def keep_walk(self, actor: Actor, device: str, spots: list[tuple[str, int | None]]) -> None:
        """What was measured at each spot, with the device; None = not heard there."""
        text = "; ".join(f"{name.replace(';', ',')[:24]}: {'-' if dbm is None else dbm}" for name, dbm in spots)
        facts = {"walk_dbm": text[:200], "walk_s": str(self._clock.now_ns() // NS_PER_S)}
        await self._registry.do(actor, bindings.note_facts, device, facts)

    # --- the first readings

    def begin(self, actor: Actor, device: str) -> None:
        """From now on this person may see what the device sends first."""
        self._begun[device] = Begun(actor_id=actor.id, since_ns=self._clock.now_ns())
        self._begun.move_to_end(device)
        while len(self._begun) > BEGUN:
            self._begun.popitem(last=False)

    def since_ns(self, actor: Actor, device: str) -> int | None:
        """Since when this person may see its readings, None where somebody else (or nobody) sets it up."""
        begun = self._begun.get(device)
        if begun is None or begun.actor_id != actor.id or self._clock.now_ns() - begun.since_ns > BEGUN_S * NS_PER_S:
            return None
        return begun.since_ns

    async def drop_keys(self, actor: Actor, device: str) -> bool:
        """Forget the bond on our side; says whether there was one to forget."""
        row = self._registry.view.devices.get(device)
        address = "" if row is None else row.facts.get("ble_address", "")
        self._there()
        if not address or self.forget is None:
            return False
        await self.forget(address)
        if row is not None and row.facts.get("ble_bond") in ("reuse", "session"):
            await self._registry.do(actor, bindings.note_facts, device, {"ble_bond": "none"})
        return True
