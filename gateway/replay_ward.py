"""What a recording is made into for a replay: the registry's events, blocks of readings, and the plain rule to compare with."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

import numpy as np

from devices.codes import BY_KEY, QUANTITIES, Kind
from gateway.clock import NS_PER_S
from gateway.collect.replay import Recording
from gateway.events import EventRow
from gateway.readings import FrameRow, ReadingBlock
from gateway.registry.view import Binding, Device, Place, Resident, Site
from gateway.stream.rules import StreamConfig
from gateway.vocabulary import Origin

SLOWEST_TICK_S = 60.0
SITE = "replay"


def naive_alarms(recording: Recording, config: StreamConfig) -> dict[str, int]:
    """Alarms of the plain rule: every crossing of the same default limits, without delay, hysteresis or company."""
    found: dict[str, int] = {}
    for key, watch in sorted(config.watches.items()):
        of_it = recording.quantity == BY_KEY[key].index
        order = np.argsort(recording.device[of_it], kind="stable")  # by device, in time within it
        value, device = recording.value[of_it][order], recording.device[of_it][order]
        same = np.concatenate([[False], device[1:] == device[:-1]])[: len(value)]
        for side, bad in (("low", value < watch.low), ("high", value > watch.high)):
            before = np.concatenate([[False], bad[:-1]])[: len(bad)] & same
            rule = f"{watch.rule}.{side}" if watch.rule else f"limit.{key}.{side}"
            found[rule] = int((bad & ~before).sum())
    return found


def readings_of(recording: Recording, rows: slice) -> ReadingBlock:
    """A block of the made-up journal; every reading is a frame of its own."""
    count = len(recording.t_ns[rows])
    used, device = np.unique(recording.device[rows], return_inverse=True)
    t_ns = recording.t_ns[rows]
    frame = FrameRow(
        device="", channel="replay", topic="", boot_id=None, seq=None, t_received_ns=int(t_ns[0]), t_device_ns=None, payload=b""
    )  # fmt: skip
    return ReadingBlock(
        devices=tuple(recording.devices[at] for at in used),
        frames=(frame,) * count,
        device=device.astype(np.int32),
        quantity=recording.quantity[rows],
        value=recording.value[rows],
        t_measured_ns=t_ns,
        t_received_ns=t_ns,
        quality=np.zeros(count, dtype=np.uint16),
        mark=np.zeros(count, dtype=np.uint16),
        origin=np.full(count, Origin.REPLAY, dtype=np.uint8),
        frame=np.arange(count, dtype=np.int32),
    )


def spans_of(recording: Recording) -> dict[str, tuple[int, int]]:
    """First and last reading per device."""
    found: dict[str, tuple[int, int]] = {}
    for at, name in enumerate(recording.devices):
        t_ns = recording.t_ns[recording.device == at]
        found[name] = (int(t_ns[0]), int(t_ns[-1]))
    return found


def events_of(recording: Recording) -> list[EventRow]:
    """The registry's side of the recording: a site, each resident with one device from its first to its last reading, and notes."""
    events: list[EventRow] = []

    def add(kind: str, t_ns: int, body: dict[str, Any]) -> None:
        events.append(EventRow(offset=len(events) + 1, t_ns=t_ns, kind=kind, subject=str(body["id"]), actor="replay", body=body))

    start_ns = int(recording.t_ns[0]) // NS_PER_S * NS_PER_S - int(SLOWEST_TICK_S * NS_PER_S)
    add("site.set", start_ns, asdict(Site(id=SITE, name=recording.name, tz="UTC")))
    present: dict[str, Resident] = {}
    for name, (first_ns, last_ns) in spans_of(recording).items():
        owner = recording.residents[recording.devices.index(name)]
        if owner not in present:
            present[owner] = Resident(id=owner, name=owner, initials="", status="admitted", place=Place(site_id=SITE))
            add("resident.admitted", start_ns, asdict(present[owner]) | {"at_ns": start_ns})
        keys = {QUANTITIES[at].key for at in np.unique(recording.quantity[recording.device == recording.devices.index(name)])}
        expected = tuple(key for key in sorted(keys) if BY_KEY[key].kind is Kind.CONTINUOUS and key in recording.cadence_s)
        cadence_s = {key: recording.cadence_s[key] for key in sorted(keys) if key in recording.cadence_s}
        add("device.set", start_ns, asdict(Device(id=name, site_id=SITE, origin=Origin.REPLAY, quantities=expected, cadence_s=cadence_s)))
        binding = Binding(
            id=f"bind-{name}", device_id=name, resident_id=owner, place=None, valid_from_ns=first_ns // NS_PER_S * NS_PER_S,
            valid_to_ns=last_ns + 1,
        )  # fmt: skip
        add("binding.set", start_ns, asdict(binding))
    for note in recording.observations:
        former = present.get(note.resident)
        if former is None:
            continue
        oxygen = former.on_oxygen if note.on_oxygen is None else note.on_oxygen
        fresh = replace(former, on_oxygen=oxygen, consciousness=note.consciousness or former.consciousness)
        if fresh != former:
            present[note.resident] = fresh
            add("resident.observed", max(note.t_ns, start_ns), asdict(fresh))
    return events


def first_residents(recording: Recording, count: int) -> Recording:
    """The first `count` residents of a recording."""
    owners = list(dict.fromkeys(recording.residents))[:count]
    kept = np.array([owner in owners for owner in recording.residents])
    rows = kept[recording.device]
    number = np.cumsum(kept) - 1
    return replace(
        recording, devices=tuple(name for name, keep in zip(recording.devices, kept, strict=True) if keep),
        residents=tuple(name for name, keep in zip(recording.residents, kept, strict=True) if keep),
        device=number[recording.device[rows]].astype(np.int32), quantity=recording.quantity[rows], value=recording.value[rows],
        t_ns=recording.t_ns[rows], observations=tuple(note for note in recording.observations if note.resident in owners),
    )  # fmt: skip
