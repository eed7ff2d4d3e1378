"""Devices and the house for those who look after them: what a device has said, whose it was, what needs a visit, backups."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from devices.codes import QUANTITIES, Kind
from devices.model import Quality
from gateway import deadletter
from gateway.access import Action, FieldClass
from gateway.query.asker import Asker, Missing, device_scope, may
from gateway.query.lists import device_rows
from gateway.query.refusal import Unavailable
from gateway.query.shape import ms, plain
from gateway.query.sight import Sight
from gateway.readings import FrameRow, Mark, ReadingBlock, StoredBlock
from gateway.registry.view import Binding

MESSAGES = 8  # of a device, newest first
VALUES = 20  # shown of one message
HEX_BYTES = 256
SECRET = ("key", "token", "secret", "password", "pin")
MACHINE = ("battery", "rssi", "online")  # says how the device is, and nothing of a person
DAY_NS = 24 * 3600 * 1_000_000_000
READINGS = tuple(row.key for row in QUANTITIES if row.kind in (Kind.CONTINUOUS, Kind.SPOT, Kind.STATUS))


class Machines:
    """Reads about devices and the house."""

    def __init__(self, sight: Sight) -> None:
        self._sight = sight

    # --- one device

    async def device(self, asker: Asker, device_id: str) -> dict[str, Any]:
        """A device with its facts, whose it was, and its last messages; raises Missing."""
        view, now_ns = self._sight.view, self._sight.now_ns()
        device = view.devices.get(device_id)
        if device is None or not may(asker, Action.READ, device_scope(view, device_id, now_ns), FieldClass.DEVICE):
            raise Missing
        await self._sight.looks.looked(asker, "device", device_id, resident=view.resident_of(device_id, now_ns))
        row = next(row for row in device_rows(view, asker, now_ns) if row["id"] == device_id)
        hidden = sorted(key for key in device.facts if _is_secret(key))
        bindings = sorted(view.bindings_of(device_id), key=lambda binding: -binding.valid_from_ns)
        return {
            "t_ms": ms(now_ns),
            "device": {
                **row, "cadence_s": device.cadence_s, "facts": {k: v for k, v in sorted(device.facts.items()) if k not in hidden},
                "secret_facts": hidden,
            },
            "bindings": [self._binding(asker, binding) for binding in bindings],
            "messages": self._messages(asker, device_id, now_ns),
        }  # fmt: skip

    def _binding(self, asker: Asker, binding: Binding) -> dict[str, Any]:
        view = self._sight.view
        document: dict[str, Any] = {
            "id": binding.id, "from_ms": ms(binding.valid_from_ns), "to_ms": ms(binding.valid_to_ns), "resident": None,
            "place": "" if binding.place is None else binding.place.label,
        }  # fmt: skip
        resident = None if binding.resident_id is None else view.residents.get(view.canonical(binding.resident_id))
        if resident is not None:
            scope = device_scope(view, binding.device_id, binding.valid_from_ns)
            seen = may(asker, Action.READ, scope, FieldClass.DEVICE)
            document["resident"] = {"id": resident.id, "name": resident.name} if seen else {"id": "", "name": ""}
        return document

    def _messages(self, asker: Asker, device_id: str, now_ns: int) -> list[dict[str, Any]]:
        """The last messages, decoded; values and bytes of a person's device only for who may see that person's values."""
        if self._sight.parts.recent is None:
            return []
        scope = device_scope(self._sight.view, device_id, now_ns)
        values, raw = may(asker, Action.READ, scope, FieldClass.VITALS), may(asker, Action.READ, scope, FieldClass.RAW)
        found: list[dict[str, Any]] = []
        for block in reversed(self._sight.parts.recent()):
            if block.readings is None or device_id not in block.readings.devices:
                continue
            for number, frame in reversed(list(enumerate(block.readings.frames))):
                if frame.device == device_id:
                    found.append(_message(block, number, frame, values=values or raw, raw=raw))
                if len(found) == MESSAGES:
                    return found
        return found

    def values_since(self, device_id: str, since_ns: int) -> list[dict[str, Any]]:
        """The newest value of each quantity that came in since then, records of its memory too; the caller has asked who may."""
        found: dict[int, tuple[ReadingBlock, int]] = {}
        for block in reversed(self._sight.parts.recent() if self._sight.parts.recent is not None else ()):
            readings = block.readings
            if readings is None or device_id not in readings.devices:
                continue
            if max(frame.t_received_ns for frame in readings.frames) < since_ns:
                break
            own = readings.devices.index(device_id)
            for at in np.flatnonzero((readings.device == own) & (readings.t_received_ns >= since_ns))[::-1]:
                known = found.get(int(readings.quantity[at]))
                if known is None or (known[0] is readings and readings.t_measured_ns[at] > readings.t_measured_ns[known[1]]):
                    found[int(readings.quantity[at])] = (readings, int(at))
        return [_first(readings, at) for quantity, (readings, at) in sorted(found.items()) if QUANTITIES[quantity].key in READINGS]

    # --- the house

    async def house(self, asker: Asker, faults: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """What is to be looked after beside the devices themselves; raises Missing."""
        self._must_system(asker)
        now_ns, parts = self._sight.now_ns(), self._sight.parts
        letters = await parts.db.read(lambda conn: deadletter.since(conn, now_ns - DAY_NS))
        return {
            "t_ms": ms(now_ns),
            "faults": list(faults),
            "inbox": len(device_rows(self._sight.view, asker, now_ns, inbox=True)),
            "letters": {"kept": letters[0], "day": letters[1]},
            "backup": None if parts.backups is None else (await parts.backups.state()),
            "certificates": [] if parts.certificates is None else plain(parts.certificates()),
        }

    async def backups(self, asker: Asker) -> dict[str, Any]:
        """Archives, their age and content, and how the one that is being made stands; raises Missing, Unavailable."""
        self._must_system(asker)
        if self._sight.parts.backups is None:
            raise Unavailable("backup.unavailable")
        state: dict[str, Any] = await self._sight.parts.backups.state()
        return {"t_ms": ms(self._sight.now_ns()), **state, "archives": await self._sight.parts.backups.listing()}

    def _must_system(self, asker: Asker) -> None:
        if not may(asker, Action.READ, None, FieldClass.SYSTEM):
            raise Missing


def _is_secret(key: str) -> bool:
    return any(word in key.lower() for word in SECRET)


def _value(readings: ReadingBlock, at: int, values: bool) -> dict[str, Any]:
    row = QUANTITIES[int(readings.quantity[at])]
    return {
        "quantity": row.key, "unit": row.ucum, "value": plain(float(readings.value[at])) if values or row.key in MACHINE else None,
        "t_ms": ms(int(readings.t_measured_ns[at])),
        "quality": [flag.name.lower() for flag in Quality if flag & int(readings.quality[at]) and flag.name],
        "marks": [flag.name.lower() for flag in Mark if flag & int(readings.mark[at]) and flag.name],
    }  # fmt: skip


def _first(readings: ReadingBlock, at: int) -> dict[str, Any]:
    """A value with whether it can be right."""
    row, number = QUANTITIES[int(readings.quantity[at])], float(readings.value[at])
    told = math.isfinite(number)
    return {
        "quantity": row.key, "unit": row.ucum, "value": number if told else None, "t_ms": ms(int(readings.t_measured_ns[at])),
        "received_ms": ms(int(readings.t_received_ns[at])), "plausible": told and row.low <= number <= row.high,
    }  # fmt: skip


def _message(block: StoredBlock, number: int, frame: FrameRow, *, values: bool, raw: bool) -> dict[str, Any]:
    readings = block.readings
    rows = np.flatnonzero(readings.frame == number) if readings is not None else np.array([], dtype=np.int64)
    shown = [] if readings is None else [_value(readings, int(row), values) for row in rows[:VALUES]]
    return {
        "t_ms": ms(frame.t_received_ns), "channel": frame.channel, "topic": frame.topic, "bytes": len(frame.payload),
        "hex": frame.payload[:HEX_BYTES].hex() if raw else None, "values": shown, "count": len(rows), "hidden": not values,
    }  # fmt: skip
