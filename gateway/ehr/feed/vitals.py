"""Readings of a block as items: pure. What is summarised, what goes one by one, and what never leaves.

- Continuous quantities, and whatever else comes as a stream (pace.py), become one item per (device, quantity, minute, resident); other
  spot, stored and event readings one each; the pressures of one frame one together, with the meal beside the glucose of the same frame.
- Not in a health record: status values (battery, motion ...), waveforms, retained and future-stamped messages, stored records whose
  time is lost, control solution, minutes without any value.
- Identity is what was received: device, then boot id and sequence; without those the device's time and the bytes; without a time the
  bytes and their reception, which nothing else could tell apart.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from hashlib import blake2b
from typing import Any

import numpy as np
from numpy.typing import NDArray

from devices.codes import QUANTITIES, Kind
from devices.model import Quality
from gateway.clock import NS_PER_S
from gateway.ehr.base.items import FORMAT, NOBODY, Item, ItemKind
from gateway.ehr.feed.pace import Pace
from gateway.readings import FrameRow, Mark, ReadingBlock
from gateway.registry.view import RegistryView
from gateway.vocabulary import Origin

MINUTE_NS = 60 * NS_PER_S
GRACE_NS = 30 * NS_PER_S  # a minute is complete so long after its end; what comes later amends it
UTC = "UTC"

_KINDS = np.array([list(Kind).index(row.kind) for row in QUANTITIES], np.int8)
_CONTINUOUS, _SPOT, _EVENT = (list(Kind).index(kind) for kind in (Kind.CONTINUOUS, Kind.SPOT, Kind.EVENT))
_INDEX = {row.key: row.index for row in QUANTITIES}
_PRESSURES = {_INDEX[key]: key for key in ("sbp", "dbp", "map")}
_GLUCOSE, _MEAL, _PULSE = _INDEX["glucose"], _INDEX["meal_context"], _INDEX["pulse"]
# Events are single by nature, and pressures belong together.
_CAN_STREAM = np.array([row.kind in (Kind.SPOT, Kind.CONTINUOUS) and row.index not in _PRESSURES for row in QUANTITIES])
_NEVER = int(Mark.RETAINED | Mark.FUTURE)
_LOST_TIME = int(Mark.BAD_CLOCK | Mark.UNCLOCKED)


def items_of(block: ReadingBlock, view: RegistryView, pace: Pace | None = None) -> list[Item]:
    """Items of a block; the residents are those whom `view` knows. `pace` remembers the series from block to block."""
    kinds = _KINDS[block.quantity]
    stored = (block.mark & int(Mark.STORED)) != 0
    usable = (block.mark & _NEVER) == 0
    usable &= ~(stored & ((block.mark & _LOST_TIME) != 0))
    usable &= (block.quality & int(Quality.CONTROL_SOLUTION | Quality.WAVE)) == 0
    continuous = usable & (kinds == _CONTINUOUS) & ~stored
    single = usable & ~continuous & ((kinds == _SPOT) | (kinds == _EVENT) | (stored & (kinds == _CONTINUOUS)))
    able = np.flatnonzero(single & _CAN_STREAM[block.quantity])
    streaming = able[(pace or Pace()).streams(block, able, view)]
    continuous[streaming], single[streaming] = True, False
    found: list[Item] = []
    if continuous.any():
        found.extend(_minutes(block, np.flatnonzero(continuous), view))
    if single.any():
        found.extend(_singles(block, np.flatnonzero(single), view))
    return found


# --- one by one


def frame_name(frame: FrameRow) -> str:
    """Name of a frame, made of what was received."""
    state = blake2b(digest_size=12)
    if frame.boot_id is not None and frame.seq is not None:
        parts = ("seq", frame.device, frame.boot_id, str(frame.seq))
    elif frame.t_device_ns is not None:
        parts = ("time", frame.device, frame.channel, str(frame.t_device_ns))
    else:
        parts = ("bytes", frame.device, frame.channel, str(frame.t_received_ns))
    for part in (*(part.encode() for part in parts), frame.payload):
        state.update(len(part).to_bytes(4, "little"))
        state.update(part)
    return state.hexdigest()


def _singles(block: ReadingBlock, rows: NDArray[np.intp], view: RegistryView) -> Iterator[Item]:
    """One item per reading or panel; the n-th of its quantity in its frame."""
    nth: Counter[tuple[int, str]] = Counter()
    frames: dict[int, list[int]] = {}
    for at in rows.tolist():
        frames.setdefault(int(block.frame[at]), []).append(at)
    for members in frames.values():
        quantities = {int(block.quantity[at]) for at in members}
        meals = {int(block.t_measured_ns[at]): float(block.value[at]) for at in members if block.quantity[at] == _MEAL}
        panels: dict[int, list[int]] = {}
        for at in members:
            quantity = int(block.quantity[at])
            if quantity in _PRESSURES:
                panels.setdefault(int(block.t_measured_ns[at]), []).append(at)
                continue
            if quantity == _MEAL and _GLUCOSE in quantities:
                continue
            more: dict[str, Any] = {}
            meal = meals.get(int(block.t_measured_ns[at])) if quantity == _GLUCOSE else None
            if meal is not None and not math.isnan(meal):
                more["meal"] = int(meal)
            if quantity == _PULSE and quantities & _PRESSURES.keys():
                more["cuff"] = True
            key = QUANTITIES[quantity].key
            yield _single(block, at, key, nth, view, more)
        for parts in panels.values():
            values = {_PRESSURES[int(block.quantity[at])]: [_value(block, at), int(block.quality[at])] for at in parts}
            yield _single(block, parts[0], "bp", nth, view, {"parts": values, "value": None})


def _single(block: ReadingBlock, at: int, key: str, nth: Counter[tuple[int, str]], view: RegistryView, more: dict[str, Any]) -> Item:
    frame_index = int(block.frame[at])
    frame, device = block.frames[frame_index], block.devices[block.device[at]]
    number = nth[frame_index, key]
    nth[frame_index, key] += 1
    t_ns = int(block.t_measured_ns[at])
    record = {
        "v": FORMAT,
        "q": key,
        "value": _value(block, at),
        "quality": 0 if key == "bp" else int(block.quality[at]),
        "r": int(block.t_received_ns[at]),
        "tz": zone_of(view, device, t_ns),
        **more,
    }
    return Item(
        kind=ItemKind.READING,
        key=f"{device}-{key}-{frame_name(frame)}-{number}",
        resident=view.resident_of(device, t_ns) or NOBODY,
        device=device,
        t_ns=t_ns,
        origin=Origin(int(block.origin[at])),
        test=bool(block.mark[at] & int(Mark.TEST)),
        record=record,
    )


def _value(block: ReadingBlock, at: int) -> float | None:
    value = float(block.value[at])
    return None if math.isnan(value) else value


def zone_of(view: RegistryView, device: str, t_ns: int) -> str:
    """Time zone of where the device was."""
    where = view.place_of(device, t_ns)
    site = None if where is None else view.sites.get(where.site_id)
    return UTC if site is None else site.tz


# --- minutes


def _minutes(block: ReadingBlock, rows: NDArray[np.intp], view: RegistryView) -> Iterator[Item]:
    """Count, sum, least and greatest of each (device, quantity, minute, origin, test) of the block, struct of arrays."""
    rows = rows[~np.isnan(block.value[rows])]
    if not len(rows):
        return
    tests = (block.mark[rows] & int(Mark.TEST)) != 0
    minutes = block.t_measured_ns[rows] // MINUTE_NS
    keys = np.stack([block.device[rows], block.quantity[rows], minutes, block.origin[rows], tests], axis=1).astype(np.int64)
    order = np.lexsort(keys.T[::-1])
    rows, keys = rows[order], keys[order]
    starts = np.flatnonzero(np.r_[True, (keys[1:] != keys[:-1]).any(axis=1)])
    ends = [*starts[1:].tolist(), len(rows)]
    times = block.t_measured_ns[rows]
    spans = zip(np.minimum.reduceat(times, starts).tolist(), np.maximum.reduceat(times, starts).tolist(), strict=True)
    figures = zip(*(column.tolist() for column in _figures(block, rows, starts)), strict=True)
    names = keys[starts].tolist()
    for start, end, (first_ns, last_ns), one, name in zip(starts.tolist(), ends, spans, figures, names, strict=True):
        device = block.devices[name[0]]
        if view.binding_at(device, first_ns) == view.binding_at(device, last_ns):
            yield _minute(device, name, view.resident_of(device, first_ns) or NOBODY, first_ns, (end - start, *one), view)
            continue
        owners = [view.resident_of(device, int(t_ns)) or NOBODY for t_ns in times[start:end].tolist()]
        for owner in sorted(set(owners)):  # a minute in which the device changed hands
            chosen = rows[start:end][np.array([each == owner for each in owners])]
            [part] = zip(*(column.tolist() for column in _figures(block, chosen, np.zeros(1, np.intp))), strict=True)
            yield _minute(device, name, owner, int(block.t_measured_ns[chosen].min()), (len(chosen), *part), view)


def _figures(block: ReadingBlock, rows: NDArray[np.intp], starts: NDArray[np.intp]) -> tuple[NDArray[Any], ...]:
    """Sum, least, greatest, all qualities and last reception of each group; rows are in the order of the groups."""
    values = block.value[rows]
    return (
        np.add.reduceat(values, starts),
        np.minimum.reduceat(values, starts),
        np.maximum.reduceat(values, starts),
        np.bitwise_or.reduceat(block.quality[rows], starts),
        np.maximum.reduceat(block.t_received_ns[rows], starts),
    )


def _minute(device: str, name: list[int], resident: str, t_ns: int, figures: tuple[Any, ...], view: RegistryView) -> Item:
    _, quantity, minute, origin, test = name
    count, total, least, greatest, quality, received_ns = figures
    key = QUANTITIES[quantity].key
    record = {
        "v": FORMAT,
        "q": key,
        "minute": minute,
        "n": count,
        "sum": total,
        "min": least,
        "max": greatest,
        "quality": quality,
        "r": received_ns,
        "tz": zone_of(view, device, t_ns),
    }
    return Item(
        kind=ItemKind.SUMMARY,
        key=f"{device}-{key}-minute-{minute}-{origin}{test}",
        resident=resident,
        device=device,
        t_ns=t_ns,
        origin=Origin(origin),
        test=bool(test),
        record=record,
        due_ns=(minute + 1) * MINUTE_NS + GRACE_NS,
    )


def joined(blocks: Sequence[ReadingBlock]) -> ReadingBlock:
    """Blocks as one, in their order, so that a minute is put together once."""
    if len(blocks) == 1:
        return blocks[0]
    devices: dict[str, int] = {}
    frames: list[FrameRow] = []
    owners, places = [], []
    for block in blocks:
        numbers = np.array([devices.setdefault(device, len(devices)) for device in block.devices], np.int32)
        owners.append(numbers[block.device])
        places.append(block.frame + np.int32(len(frames)))
        frames.extend(block.frames)
    columns = ("quantity", "value", "t_measured_ns", "t_received_ns", "quality", "mark", "origin")
    rest = {name: np.concatenate([getattr(block, name) for block in blocks]) for name in columns}
    return ReadingBlock(devices=tuple(devices), frames=tuple(frames), device=np.concatenate(owners), frame=np.concatenate(places), **rest)
