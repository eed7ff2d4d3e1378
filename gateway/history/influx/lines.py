"""Line protocol, written by hand: `<quantity>,device=<id>,origin=<word> value=<number>[,quality=<bits>i][,mark=<bits>i] <ns>`.

- One measurement per quantity, fields in the canonical unit; a reading without a value has its quality alone. No resident: whose it is
  changes, and is found by the bindings.
- Further readings of one series at the same nanosecond of a block follow it by a nanosecond each, since a server keeps one point per
  series and time. The same block always gives the same lines, so that sending it again changes nothing.
- A comma, an equals sign or a space in a tag is escaped. A line break or any other control character, a backslash, an empty text or
  a lone surrogate is refused: servers disagree on them, and one that reads them as something else would take a foreign line.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

from devices.codes import BY_KEY, QUANTITIES
from devices.model import Quality
from gateway.history.base import Piece
from gateway.readings import ReadingBlock, StoredBlock
from gateway.vocabulary import Origin

WAVE = int(Quality.WAVE)
LATEST_NS = 2**63 - 1
_UNSAFE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\\]")
_ESCAPES = str.maketrans({",": "\\,", "=": "\\=", " ": "\\ "})
_ORIGINS = {int(origin): origin.name.lower() for origin in Origin}


class Unfit(ValueError):
    """This cannot be said in line protocol; the text names the kind of reason only."""


def tag(text: str) -> str:
    """A tag's value; raises Unfit."""
    if not text:
        raise Unfit("empty tag")
    if _UNSAFE.search(text):
        raise Unfit("tag with control characters, backslash or no valid text")
    return text.translate(_ESCAPES)


def number(value: float) -> str:
    """A field's value as a float; raises Unfit for infinities."""
    if not math.isfinite(value):
        raise Unfit("value is not finite")
    return repr(value)


def head(device: str, quantity: int, origin: int) -> str:
    """Measurement and tags of a series."""
    return f"{QUANTITIES[quantity].key},device={tag(device)},origin={_ORIGINS[origin]}"


def line(series: str, value: float, quality: int, mark: int, t_ns: int) -> str:
    """One point; NaN = no value."""
    if not 0 <= t_ns <= LATEST_NS:
        raise Unfit("time out of range")
    fields = [] if math.isnan(value) else [f"value={number(value)}"]
    if quality or not fields:
        fields.append(f"quality={quality}i")
    if mark:
        fields.append(f"mark={mark}i")
    return f"{series} {','.join(fields)} {t_ns}"


def of_block(block: StoredBlock) -> Iterator[tuple[int, str | Unfit]]:
    """(offset, line or why there is none) of each reading; rows that stand for a waveform have no line."""
    readings = block.readings
    if readings is None:
        return
    heads: dict[tuple[int, int, int], str | Unfit] = {}
    used: dict[tuple[int, int, int, int], int] = {}
    for at, (device, quantity, origin, value, quality, mark, t_ns) in enumerate(_columns(readings)):
        if quality & WAVE:
            continue
        key = (device, quantity, origin)
        series = heads.get(key)
        if series is None:
            series = heads[key] = _head(readings.devices[device], quantity, origin)
        if isinstance(series, Unfit):
            yield block.first + at, series
            continue
        turn = used[*key, t_ns] = used.get((*key, t_ns), -1) + 1
        try:
            yield block.first + at, line(series, value, quality, mark, t_ns + turn)
        except Unfit as error:
            yield block.first + at, error


def of_piece(piece: Piece) -> list[str]:
    """Lines of kept readings, whose times are whole milliseconds; what cannot be said is left out (it was refused before)."""
    try:
        series = head(piece.device, BY_KEY[piece.quantity].index, piece.origin)
    except Unfit:
        return []
    found, before, turn = [], -1, 0
    columns = (piece.value.tolist(), piece.quality.tolist(), piece.mark.tolist(), piece.t_ms.tolist())
    for value, quality, mark, t_ms in zip(*columns, strict=True):
        turn = turn + 1 if t_ms == before else 0
        before = t_ms
        if not quality & WAVE and not math.isinf(value):
            found.append(line(series, value, quality, mark, t_ms * 1_000_000 + turn))
    return found


def _columns(readings: ReadingBlock) -> Iterator[tuple[int, int, int, float, int, int, int]]:
    return zip(
        readings.device.tolist(),
        readings.quantity.tolist(),
        readings.origin.tolist(),
        readings.value.tolist(),
        readings.quality.tolist(),
        readings.mark.tolist(),
        readings.t_measured_ns.tolist(),
        strict=True,
    )


def _head(device: str, quantity: int, origin: int) -> str | Unfit:
    try:
        return head(device, quantity, origin)
    except Unfit as error:
        return error
