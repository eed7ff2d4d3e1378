"""Devices and the house for those who look after them: what a device has said, whose it was, what needs a visit, backups."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from devices.codes import BY_KEY, QUANTITIES, Kind
from devices.model import Quality
from gateway import deadletter
from gateway.access import Action, FieldClass
from gateway.query.asker import Asker, Missing, device_scope, may
from gateway.query.lists import device_rows
from gateway.query.refusal import Unavailable
from gateway.query.shape import ms, plain
from gateway.query.sight import Sight
from gateway.readings import FrameRow, Mark, StoredBlock
from gateway.registry.view import Binding

MESSAGES = 8  # of a device, newest first
VALUES = 20  # shown of one message
HEX_BYTES = 256
SECRET = ("key", "token", "secret", "password", "pin")
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
        """The newest value of each quantity that came in since then, with whether it can be right; the caller has asked who may."""
        latest, found = self._sight.parts.latest(), []
        for key in READINGS:
            last: Any = latest.last(device_id, key)
            if last is None or last.received_ns < since_ns:
                continue
            row = BY_KEY[key]
            value = None if math.isnan(last.value) else last.value
            found.append({
                "quantity": key, "unit": row.ucum, "value": value, "t_ms": ms(last.t_ns), "received_ms": ms(last.received_ns),
                "plausible": value is not None and row.low <= value <= row.high,
            })  # fmt: skip
        return found

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


def _message(block: StoredBlock, number: int, frame: FrameRow, *, values: bool, raw: bool) -> dict[str, Any]:
    readings = block.readings
    rows = np.flatnonzero(readings.frame == number) if readings is not None else np.array([], dtype=np.int64)
    shown = [] if readings is None else [
        {
            "quantity": QUANTITIES[int(readings.quantity[row])].key, "unit": QUANTITIES[int(readings.quantity[row])].ucum,
            "value": plain(float(readings.value[row])) if values else None, "t_ms": ms(int(readings.t_measured_ns[row])),
            "quality": [flag.name.lower() for flag in Quality if flag & int(readings.quality[row]) and flag.name],
            "marks": [flag.name.lower() for flag in Mark if flag & int(readings.mark[row]) and flag.name],
        }
        for row in rows[:VALUES]
    ]  # fmt: skip
    return {
        "t_ms": ms(frame.t_received_ns), "channel": frame.channel, "topic": frame.topic, "bytes": len(frame.payload),
        "hex": frame.payload[:HEX_BYTES].hex() if raw else None, "values": shown, "count": len(rows), "hidden": not values,
    }  # fmt: skip
