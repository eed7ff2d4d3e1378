"""Measurements that are nobody's: of devices that several people use. Slots of a device that have an owner are settled here at once.

A consumer of the journal beside the states of devices, with their file and their place. It keeps for some weeks what such devices
measured (no calls, nothing of rooms), named by device and millisecond; whether it is still nobody's is asked when somebody looks.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import apsw
import numpy as np

from devices import catalog
from devices.codes import QUANTITIES, Kind
from devices.model import DecodeError, DeviceFacts, Quality
from gateway.clock import Clock
from gateway.ops import Ops
from gateway.readings import Mark, ReadingBlock
from gateway.registry import attribution
from gateway.registry.attributed import slot_owner
from gateway.registry.errors import RegistryError
from gateway.registry.view import RegistryView
from gateway.store import StoreError
from gateway.vocabulary import SYSTEM

NS_PER_MS = 1_000_000
KEPT_DAYS = 30
MOST = 5_000  # the newest stay
_SPOT = np.array([row.kind is Kind.SPOT for row in QUANTITIES])
_NEVER = int(Mark.RETAINED | Mark.FUTURE | Mark.TEST)
_LOST_TIME = int(Mark.BAD_CLOCK | Mark.UNCLOCKED)
Key = tuple[str, int]  # device, UTC ms


@dataclass(frozen=True, slots=True)
class Loose:
    """What a shared device measured in one millisecond: (quantity, value, quality) each, and the user slot where it says one."""

    device: str
    t_ms: int
    values: tuple[tuple[str, float | None, int], ...]
    user: int | None = None


class RegistryDoor(Protocol):
    """What is needed of the registry."""

    @property
    def view(self) -> RegistryView:
        """The fold at the committed head."""
        ...

    @property
    def do(self) -> Any:
        """Run a command."""
        ...


class Unassigned:
    """Keeps what is nobody's."""

    def __init__(self, registry: RegistryDoor, clock: Clock, ops: Ops) -> None:
        self.found: dict[Key, Loose] = {}
        self._registry, self._clock, self._ops = registry, clock, ops
        self._fresh: dict[Key, Loose] = {}

    async def take(self, block: ReadingBlock) -> None:
        """Look at a block of the journal."""
        view = self._registry.view
        chosen = _SPOT[block.quantity] & ((block.mark & _NEVER) == 0) & ((block.quality & int(Quality.CONTROL_SOLUTION)) == 0)
        chosen &= ~(((block.mark & int(Mark.STORED)) != 0) & ((block.mark & _LOST_TIME) != 0))
        if not chosen.any():
            return
        shared = {at for at, device in enumerate(block.devices) if _is_shared(view, device, int(block.t_received_ns.max()))}
        groups: dict[Key, list[int]] = {}
        for at in np.flatnonzero(chosen).tolist():
            if int(block.device[at]) in shared:
                key = block.devices[block.device[at]], int(block.t_measured_ns[at]) // NS_PER_MS
                groups.setdefault(key, []).append(at)
        for (device, t_ms), members in groups.items():
            user = _user(view, block, members[0])
            values = tuple((QUANTITIES[block.quantity[at]].key, _number(block.value[at]), int(block.quality[at])) for at in members)
            await self._keep(Loose(device, t_ms, values, user))

    async def _keep(self, loose: Loose) -> None:
        known = self.found.get((loose.device, loose.t_ms))
        if known is not None and known != loose:
            loose = Loose(loose.device, loose.t_ms, tuple(dict.fromkeys((*known.values, *loose.values))), loose.user)
        self.found[loose.device, loose.t_ms] = self._fresh[loose.device, loose.t_ms] = loose
        if len(self.found) > MOST:
            del self.found[min(self.found, key=lambda key: key[1])]
            self._ops.counters["unassigned.left_out"] += 1
        if loose.user is not None:
            await self._by_slot(loose, loose.user)

    async def _by_slot(self, loose: Loose, user: int) -> None:
        """The slot says whose it is, unless somebody checked in, or a person has decided already."""
        view, t_ns = self._registry.view, loose.t_ms * NS_PER_MS
        owner = slot_owner(view, loose.device, user, t_ns + NS_PER_MS - 1)
        if owner is None or view.resident_of(loose.device, t_ns + NS_PER_MS - 1) is not None:
            return
        if any(row.device_id == loose.device and row.t_ms == loose.t_ms for row in view.assigned.values()):
            return
        try:
            await self._registry.do(SYSTEM, attribution.assign, loose.device, loose.t_ms, owner, reason=f"user slot {user}", user=user)
        except (RegistryError, StoreError) as error:  # it stays in the inbox, where a person decides
            self._ops.counters[f"unassigned.slot.{type(error).__name__}"] += 1

    # --- the file

    def load(self, conn: apsw.Connection) -> None:
        """What was kept before."""
        for device, t_ms, body in conn.execute("SELECT device, t_ms, body FROM loose ORDER BY t_ms"):
            user, values = json.loads(body)
            self.found[device, t_ms] = Loose(device, t_ms, tuple((key, value, quality) for key, value, quality in values), user)

    def rows(self) -> list[tuple[str, int, str]]:
        """What is not written yet; it counts as written then."""
        fresh, self._fresh = self._fresh, {}
        return [(one.device, one.t_ms, json.dumps([one.user, one.values], allow_nan=False)) for one in fresh.values()]

    def again(self, rows: Sequence[tuple[str, int, str]]) -> None:
        """It was not written after all."""
        self._fresh = {(device, t_ms): self.found[device, t_ms] for device, t_ms, _ in rows if (device, t_ms) in self.found} | self._fresh

    def forget(self) -> None:
        """Drop what is too old."""
        oldest = self._clock.now_ns() // NS_PER_MS - KEPT_DAYS * 86_400_000
        self.found = {key: one for key, one in self.found.items() if one.t_ms >= oldest}


def save(conn: apsw.Connection, rows: Sequence[tuple[str, int, str]], now_ns: int) -> None:
    """Write, and drop what is too old."""
    conn.executemany("INSERT OR REPLACE INTO loose(device, t_ms, body) VALUES(?, ?, ?)", rows)
    conn.execute("DELETE FROM loose WHERE t_ms < ?", (now_ns // NS_PER_MS - KEPT_DAYS * 86_400_000,))


def _is_shared(view: RegistryView, device_id: str, t_ns: int) -> bool:
    """Whether no single person has the device for good."""
    binding = view.binding_at(device_id, t_ns)
    return binding is None or binding.resident_id is None or binding.valid_to_ns is not None


def _user(view: RegistryView, block: ReadingBlock, at: int) -> int | None:
    """The user slot in which the device stored it."""
    frame = block.frames[block.frame[at]]
    device = view.devices.get(frame.device)
    known = DeviceFacts(device=frame.device) if device is None else DeviceFacts(device=device.id, model=device.model, facts=device.facts)
    try:
        return catalog.decode(frame.topic, frame.payload, known).user
    except DecodeError:
        return None


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
