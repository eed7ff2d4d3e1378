"""Chunks: the readings of one series in one minute, packed; many chunks are packed and unpacked at once.

Format 1. A chunk is one byte, 1 = as it is or 2 = zlib (level 1), whichever is shorter, then (little-endian)
  header   n uint32, t0 uint16 (ms of the first within the minute), step uint16 (mean distance, ms), k0 int32, quality uint16,
           mark uint16, tw, vw, power, extras uint8
  times    int{8 tw}[n]: distance to the one before minus step; the first is 0. tw = 0, 1, 2 or 4; 0 = all are 0, nothing is stored
  values   int{8 vw}[n]: difference of k = value * 10**power to the one before; the first is 0 and stands for k0
           vw = 8: float64[n], the values as they are, because no power of ten holds them exactly
  quality  uint16[n] if extras & 1, else all are the header's; mark likewise with extras & 2
  holes    bit per reading, set = no value (NaN), if extras & 4; k of a hole is that of the one before
Times are whole milliseconds; values come back to the bit. Readings are in the order of their times; equal times keep their arrival.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gateway.store import Corrupt

MINUTE_MS = 60_000
AS_IS, ZLIB = 1, 2
LEVEL = 1
POWERS = 4  # a value may have so many decimals more than the quantity's step, less one, before it is kept as float64
MAX_BYTES = 64 << 20  # of one chunk, unpacked
HEADER = np.dtype(
    [
        ("n", "<u4"), ("t0", "<u2"), ("step", "<u2"), ("k0", "<i4"), ("quality", "<u2"), ("mark", "<u2"), ("tw", "u1"), ("vw", "u1"),
        ("power", "u1"), ("extras", "u1"),
    ]
)  # fmt: skip
QUALITY, MARK, HOLES = 1, 2, 4
_SIZE = HEADER.itemsize
_WIDTHS = (1, 2, 4)


@dataclass(frozen=True, slots=True)
class Points:
    """Readings as columns of length n: t_ms int64 UTC, value float64 (NaN = none), quality and mark uint16."""

    t_ms: NDArray[np.int64]
    value: NDArray[np.float64]
    quality: NDArray[np.uint16]
    mark: NDArray[np.uint16]

    def __len__(self) -> int:
        return len(self.t_ms)

    def at(self, index: Any) -> Points:
        """Some of them (mask, slice or index array)."""
        return Points(self.t_ms[index], self.value[index], self.quality[index], self.mark[index])

    @staticmethod
    def joined(parts: Sequence[Points]) -> Points:
        """One after another."""
        if not parts:
            return EMPTY
        if len(parts) == 1:
            return parts[0]
        return Points(
            np.concatenate([part.t_ms for part in parts]),
            np.concatenate([part.value for part in parts]),
            np.concatenate([part.quality for part in parts]),
            np.concatenate([part.mark for part in parts]),
        )


EMPTY = Points(np.zeros(0, np.int64), np.zeros(0), np.zeros(0, np.uint16), np.zeros(0, np.uint16))


def pack(points: Points, starts: NDArray[np.int64], base_power: NDArray[np.int64]) -> list[bytes]:
    """Chunks from readings sorted by chunk and time; `starts` int64[m] = first of each, `base_power` int64[m] = its step's decimals."""
    n = len(points)
    counts = np.diff(np.append(starts, n))
    first = np.zeros(n, bool)
    first[starts] = True
    headers = np.zeros(len(starts), HEADER)
    headers["n"] = counts
    headers["t0"] = points.t_ms[starts] % MINUTE_MS
    ends = starts + counts - 1
    headers["step"] = (points.t_ms[ends] - points.t_ms[starts]) // np.maximum(counts - 1, 1)
    distance = np.diff(points.t_ms, prepend=points.t_ms[:1]) - np.repeat(headers["step"].astype(np.int64), counts)
    distance[first] = 0
    headers["tw"] = _widths(distance, starts)
    times = {int(width): distance.astype(f"<i{width}").tobytes() for width in np.unique(headers["tw"]) if width}
    holes = np.isnan(points.value)
    k, power, exact = _whole(points.value, holes, first, starts, counts, base_power)
    difference = np.diff(k, prepend=k[:1])
    difference[first] = 0
    exact &= np.maximum.reduceat(np.abs(difference), starts) < 2**31
    headers["power"], headers["k0"] = np.where(exact, power, 0), np.where(exact, k[starts], 0)
    headers["vw"] = np.where(exact, _widths(difference, starts), 8)
    values = {int(width): difference.astype(f"<i{width}").tobytes() for width in np.unique(headers["vw"]) if width in _WIDTHS}
    values[8] = points.value.astype("<f8").tobytes() if not exact.all() else b""
    headers["extras"] |= np.where(np.logical_or.reduceat(holes, starts) & exact, HOLES, 0).astype(np.uint8)
    for name, bit, column in (("quality", QUALITY, points.quality), ("mark", MARK, points.mark)):
        headers[name] = column[starts]
        odd = np.logical_or.reduceat(column != np.repeat(headers[name], counts), starts)
        headers["extras"] |= np.where(odd, bit, 0).astype(np.uint8)
    return _chunks(points, headers, starts, times, values, holes)


def _chunks(
    points: Points,
    headers: NDArray[Any],
    starts: NDArray[np.int64],
    times: dict[int, bytes],
    values: dict[int, bytes],
    holes: NDArray[np.bool_],
) -> list[bytes]:
    """Put the parts of each chunk together."""
    plain = headers.tobytes()
    made = []
    shapes = zip(
        starts.tolist(), headers["n"].tolist(), headers["tw"].tolist(), headers["vw"].tolist(), headers["extras"].tolist(), strict=True
    )
    for number, (at, n, tw, vw, extras) in enumerate(shapes):
        body = plain[number * _SIZE : (number + 1) * _SIZE]
        if tw:
            body += times[tw][at * tw : (at + n) * tw]
        if vw:
            body += values[vw][at * vw : (at + n) * vw]
        if extras:
            if extras & QUALITY:
                body += points.quality[at : at + n].astype("<u2").tobytes()
            if extras & MARK:
                body += points.mark[at : at + n].astype("<u2").tobytes()
            if extras & HOLES:
                body += np.packbits(holes[at : at + n]).tobytes()
        small = zlib.compress(body, LEVEL)
        made.append(b"\x02" + small if len(small) < len(body) else b"\x01" + body)
    return made


def _widths(numbers: NDArray[np.int64], starts: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Bytes that the widest number of each chunk needs: 0, 1, 2 or 4."""
    most = np.maximum.reduceat(np.abs(numbers), starts)
    return np.select([most == 0, most < 2**7, most < 2**15], [0, 1, 2], 4).astype(np.uint8)


def _whole(
    value: NDArray[np.float64],
    holes: NDArray[np.bool_],
    first: NDArray[np.bool_],
    starts: NDArray[np.int64],
    counts: NDArray[np.int64],
    base_power: NDArray[np.int64],
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
    """(k int64[n], power int64[m], exact bool[m]): whole numbers that give each value back to the bit, where there are such."""
    # a hole takes the value before it, or 0 at the start of a chunk
    source = np.maximum.accumulate(np.where(~holes | first, np.arange(len(value)), 0))
    filled = np.where(holes[source], 0.0, value[source])
    k = np.zeros(len(value), np.int64)
    power = base_power.copy()
    exact = np.zeros(len(starts), bool)
    negative_zero = (filled == 0) & np.signbit(filled)
    for _ in range(POWERS):
        scale = np.repeat(10.0**power, counts)
        with np.errstate(invalid="ignore", over="ignore"):
            wide = np.rint(filled * scale)
            good = (np.abs(wide) < 2**31) & (wide / scale == filled) & ~negative_zero
        fits = np.logical_and.reduceat(good, starts) & ~exact
        chosen = np.repeat(fits, counts)
        k[chosen] = wide[chosen].astype(np.int64)
        exact |= fits
        if exact.all():
            break
        power = np.where(exact, power, power + 1)
    return k, power, exact


def unpack(minutes: Sequence[int], chunks: Sequence[bytes]) -> tuple[Points, NDArray[np.int64]]:
    """Readings of these chunks one after another, and how many each has (int64[m]); Corrupt for what is no chunk."""
    if not chunks:
        return EMPTY, np.zeros(0, np.int64)
    bodies = [_opened(chunk) for chunk in chunks]
    headers = np.frombuffer(b"".join([body[:_SIZE] for body in bodies]), HEADER)
    counts = headers["n"].astype(np.int64)
    extra = headers["extras"]
    sizes = counts * (headers["tw"].astype(np.int64) + headers["vw"])
    sizes += (
        np.where(extra & QUALITY, 2 * counts, 0) + np.where(extra & MARK, 2 * counts, 0) + np.where(extra & HOLES, (counts + 7) // 8, 0)
    )
    if (counts == 0).any() or not np.array_equal(sizes + _SIZE, np.array([len(body) for body in bodies])):
        raise Corrupt("a chunk of the history has a wrong length")
    starts = np.cumsum(counts) - counts
    tw, vw = headers["tw"].tolist(), headers["vw"].tolist()
    n = counts.tolist()
    after = [_SIZE + count * width for count, width in zip(n, tw, strict=True)]
    distance = _numbers(bodies, [_SIZE] * len(n), n, tw, counts)
    distance += np.repeat(headers["step"].astype(np.int64), counts)
    t_ms = _summed(distance, starts, counts, np.array(minutes, np.int64) * MINUTE_MS + headers["t0"])
    k = _summed(
        _numbers(bodies, after, n, [0 if width == 8 else width for width in vw], counts), starts, counts, headers["k0"].astype(np.int64)
    )
    value = k / np.repeat(10.0 ** headers["power"].astype(np.int64), counts)
    quality, mark = np.repeat(headers["quality"], counts), np.repeat(headers["mark"], counts)
    for number in np.flatnonzero((extra != 0) | (headers["vw"] == 8)).tolist():
        span = slice(int(starts[number]), int(starts[number]) + n[number])
        _rest(bodies[number], after[number], vw[number], int(extra[number]), value[span], quality[span], mark[span])
    return Points(t_ms, value, quality, mark), counts


def _opened(chunk: bytes) -> bytes:
    if len(chunk) > 1 and chunk[0] == ZLIB:
        unzip = zlib.decompressobj()
        try:
            body = unzip.decompress(chunk[1:], MAX_BYTES)
        except zlib.error as error:
            raise Corrupt("a chunk of the history cannot be unpacked") from error
        if not unzip.eof or unzip.unused_data:
            raise Corrupt("a chunk of the history is cut off or too large")
    elif len(chunk) > 1 and chunk[0] == AS_IS:
        body = chunk[1:]
    else:
        raise Corrupt("a chunk of the history has an unknown format: it was written by a newer version, or it is damaged")
    if len(body) < _SIZE:
        raise Corrupt("a chunk of the history is too short")
    return body


def _numbers(bodies: list[bytes], at: list[int], n: list[int], width: list[int], counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Numbers of all chunks, each stored in its own width."""
    found = np.zeros(int(counts.sum()), np.int64)
    for one in _WIDTHS:
        chosen = [number for number, wide in enumerate(width) if wide == one]
        if not chosen:
            continue
        joined = np.frombuffer(b"".join([bodies[i][at[i] : at[i] + n[i] * one] for i in chosen]), f"<i{one}")
        if len(chosen) == len(bodies):
            found[:] = joined
        else:
            found[np.repeat(np.array(width) == one, counts)] = joined
    if any(wide not in (0, *_WIDTHS) for wide in width):
        raise Corrupt("a chunk of the history has an unknown width")
    return found


def _summed(
    differences: NDArray[np.int64], starts: NDArray[np.int64], counts: NDArray[np.int64], first: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Running sums that begin anew with each chunk, at its first."""
    total = np.cumsum(differences)
    return total - np.repeat(total[starts] - first, counts)


def _rest(
    body: bytes,
    at: int,
    vw: int,
    extras: int,
    value: NDArray[np.float64],
    quality: NDArray[np.uint16],
    mark: NDArray[np.uint16],
) -> None:
    """What only some chunks have, into the given pieces of the columns."""
    n = len(value)
    if vw == 8:
        value[:] = np.frombuffer(body, "<f8", n, at)
    at += n * vw
    for bit, column in ((QUALITY, quality), (MARK, mark)):
        if extras & bit:
            column[:] = np.frombuffer(body, "<u2", n, at)
            at += 2 * n
    if extras & HOLES:
        value[np.unpackbits(np.frombuffer(body, np.uint8, (n + 7) // 8, at), count=n).astype(bool)] = np.nan
