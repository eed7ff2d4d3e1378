"""How the devices in reach are: battery and days left, reception, clock, presence, and which of them need a visit."""

from __future__ import annotations

from typing import Any, Protocol

from gateway.access import Action, FieldClass
from gateway.health.record import SLOT_NS, Slot
from gateway.health.rows import Health, row_of, urgency
from gateway.query.asker import Asker, Missing, device_scope, may
from gateway.query.sight import Sight, to_ms
from gateway.registry.view import Device


class Devices(Health, Protocol):
    """What is needed of gateway.health.runner.DeviceHealth."""

    async def course(self, device: str) -> list[tuple[int, Slot]]:
        """Slots of ten minutes, oldest first."""
        ...


class DeviceStates:
    """The read of devices' health."""

    def __init__(self, sight: Sight) -> None:
        self._sight = sight

    async def list(
        self,
        asker: Asker,
        *,
        site: str | None = None,
        state: str | None = None,
        habit: str | None = None,
        need: str | None = None,
        visit: bool = False,
        retired: bool = False,
    ) -> dict[str, Any]:
        """Devices in reach with how they are; those that need a visit first. `visit` = only these, `need` = for this reason."""
        view, now_ns = self._sight.view, self._sight.now_ns()
        await self._sight.looks.looked(asker, "devices", "health")
        rows = []
        for device in view.devices.values():
            if (device.status == "retired" and not retired) or not self._seen(asker, device, now_ns):
                continue
            row = row_of(view, device, self._sight.parts.devices, now_ns)
            place_site = None if row["place"] is None else row["place"]["site_id"]
            fits = site in (None, place_site) and state in (None, row["availability"]["state"]) and habit in (None, row["habit"])
            if fits and (need is None or need in row["needs"]) and (row["needs"] or not visit):
                rows.append(row)
        rows.sort(key=urgency)
        counts = {"devices": len(rows), "visit": sum(1 for row in rows if row["needs"])}
        return {"t_ms": to_ms(now_ns), "counts": counts, "devices": rows}

    async def one(self, asker: Asker, device_id: str) -> dict[str, Any]:
        """One device with its course of a week in slots of ten minutes; raises Missing."""
        view, now_ns = self._sight.view, self._sight.now_ns()
        device = view.devices.get(device_id)
        if device is None or not self._seen(asker, device, now_ns):
            raise Missing
        await self._sight.looks.looked(asker, "device", device_id)
        health = self._sight.parts.devices
        record = None if health is None else health.records.get(device_id)
        slots = [] if health is None else await health.course(device_id)
        row = row_of(view, device, health, now_ns)
        row["course"] = {
            "slot_s": SLOT_NS // 1_000_000_000,
            "t_ms": [to_ms(number * SLOT_NS) for number, _ in slots],
            "messages": [slot.frames for _, slot in slots],
            "rssi_dbm": [round(slot.rssi_sum / slot.rssi_n, 1) if slot.rssi_n else None for _, slot in slots],
        }
        row["battery"]["course"] = [[to_ms(t_ns), percent] for t_ns, percent in ([] if record is None else record.trend)]
        return {"t_ms": to_ms(now_ns), "device": row}

    def _seen(self, asker: Asker, device: Device, now_ns: int) -> bool:
        return may(asker, Action.READ, device_scope(self._sight.view, device.id, now_ns), FieldClass.DEVICE)
