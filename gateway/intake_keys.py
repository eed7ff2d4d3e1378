"""What a message is recognised by where sequence numbers cannot do it; made of what was received, never of anything derived."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from hashlib import blake2b

from devices.codes import BY_KEY, Kind
from devices.model import Call, Item, Message, Sample, Series
from gateway.clock import NS_PER_S

FOR_EVER = 0
WINDOW_DATED_S = 7 * 86_400  # without a number but with the device's time: as long as the journal keeps raw bytes
WINDOW_BARE_S = 2  # with neither: the same bytes may well be the next reading
WINDOW_RELAYED_S = 5  # what several listeners pass on: they do not all do it at once
EARLIEST_NS = 1_577_836_800 * NS_PER_S  # 2020: a stored record from before has no time that could tell it from others
_LASTING = frozenset(key for key, row in BY_KEY.items() if row.kind in (Kind.SPOT, Kind.EVENT))


def digest(*parts: bytes) -> int:
    """63 bits that name these bytes."""
    state = blake2b(digest_size=8)
    for part in parts:
        state.update(len(part).to_bytes(4, "little"))
        state.update(part)
    return int.from_bytes(state.digest(), "little") >> 1


def frame_key(device: str, payload: bytes, *, numbered: bool, channel: str) -> int:
    """Name of a frame. A numbered one is the same through every door; of another, the door is a part."""
    return digest(b"frame", device.encode(), b"" if numbered else channel.encode(), payload)


def message_key(device: str, payload: bytes, message: Message, *, numbered: bool, channel: str) -> int:
    """Name of a decoded frame: what a listener only passed on is named by what the sensor sent, whoever heard it."""
    if message.said is not None and not numbered:
        return digest(b"said", device.encode(), message.said)
    return frame_key(device, payload, numbered=numbered, channel=channel)


def is_call(message: Message) -> bool:
    """Whether somebody calls for help in it."""
    return any(type(item) is Call for item in message.items)


def window_ns(message: Message, t_received_ns: int, *, retained: bool) -> int:
    """Until when a frame without a sequence number is recognised by its bytes; 0 = for ever."""
    dated = not message.relative and (
        message.t_device_ns is not None or any(getattr(item, "t_device_ns", None) is not None for item in message.items)
    )
    # Without a time two presses of a button are the same bytes: the second is a second call, not a repetition of the first.
    if retained or (dated and any(_lasts(item) for item in message.items)):
        return FOR_EVER
    bare_s = WINDOW_BARE_S if message.said is None else WINDOW_RELAYED_S
    return t_received_ns + (WINDOW_DATED_S if dated else bare_s) * NS_PER_S


def _lasts(item: Item) -> bool:
    return type(item) is Call or item.stored or (type(item) is Sample and item.quantity in _LASTING)


def is_dated(message: Message) -> bool:
    """Whether the device says when anything in it was."""
    return message.t_device_ns is not None or any(getattr(item, "t_device_ns", None) is not None for item in message.items)


def record_keys(device: str, items: Sequence[Item], record: bytes | None = None) -> list[list[int | None]]:
    """Names of the stored records in a message, item by item; None for what is not one or has no usable time.

    Where the device's memory names its records, its bytes and the quantity are the name. Else the n-th record of a quantity at one device
    time is the n-th again when the device sends its memory once more.
    """
    if record is not None:
        return [[digest(b"raw", device.encode(), item.quantity.encode(), record)] if isinstance(item, Sample) else [] for item in items]
    out: list[list[int | None]] = []
    seen: Counter[tuple[str, int]] = Counter()
    for item in items:
        if not item.stored or not isinstance(item, Sample | Series):
            out.append([])
            continue
        times = [item.t_device_ns] if isinstance(item, Sample) else item.t_device_ns or [None] * len(item.values)
        keys: list[int | None] = []
        for t_ns in times:
            if t_ns is None or t_ns < EARLIEST_NS:
                keys.append(None)
                continue
            seen[item.quantity, t_ns] += 1
            keys.append(digest(b"record", device.encode(), item.quantity.encode(), b"%d %d" % (t_ns, seen[item.quantity, t_ns])))
        out.append(keys)
    return out
