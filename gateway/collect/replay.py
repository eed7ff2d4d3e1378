"""Recordings as a source: known public sets and CSV files of our own format, re-based in time, with every unusable row counted by reason.

Own format, UTF-8, comma-separated, optionally .gz, header exactly `device,resident,quantity,unit,t,value`: quantity is a key of the
quantity table, unit any spelling that `devices.units` knows, t milliseconds since 1970 UTC or ISO 8601 with an offset, value a number.
Time is re-based by whole days, so that the hour of the day stays: the recording (mimic3_demo: each stay, since its dates are shifted per
patient anyway) begins on BASE_DAY. The cadence of a quantity is the median interval of its series.
"""

from __future__ import annotations

import asyncio
import csv
import gzip
import hashlib
import io
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from math import isfinite
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from devices import units
from devices.codes import BY_KEY, QUANTITIES, Kind
from devices.model import DecodeError
from gateway.clock import Clock
from gateway.frames import Ack, Fate, Frame, Verdict
from gateway.vocabulary import Origin

NS_PER_S = 1_000_000_000
DAY_NS = 86_400 * NS_PER_S
BASE_DAY_NS = 11_323 * DAY_NS  # 2001-01-01, a Monday
HEADER = ("device", "resident", "quantity", "unit", "t", "value")
MAX_ROWS = 20_000_000  # a recording is held in memory
BATCH = 500  # frames per batch of the collector
RETRY_S = 1.0


class SourceError(ValueError):
    """The recording cannot be used at all; the text says why and what is known instead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One value as the source has it; time in ns of the source's own calendar."""

    device: str
    resident: str
    quantity: str
    unit: str
    t_ns: int
    value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """What staff noted beside the values, in the words of the registry's resident."""

    resident: str
    t_ns: int
    on_oxygen: bool | None = None  # None = not what was noted
    consciousness: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """A source ready to be replayed: arrays of length n, ascending in t_ns, canonical units."""

    name: str
    fingerprint: str  # of the file's bytes
    devices: tuple[str, ...]
    residents: tuple[str, ...]  # of each device
    device: NDArray[np.int32]
    quantity: NDArray[np.int16]
    value: NDArray[np.float64]
    t_ns: NDArray[np.int64]
    observations: tuple[Observation, ...]
    cadence_s: Mapping[str, float]
    skipped: Mapping[str, int]

    def __len__(self) -> int:
        return len(self.t_ns)


Item = Entry | Observation | str  # a string is the reason why a row is not used


def load(source: str, data_dir: Path) -> Recording:
    """The recording of a known name under `data_dir`, or of a CSV path."""
    if source in KNOWN:
        path, read = data_dir / KNOWN[source][0], KNOWN[source][1]
        if not path.exists():
            raise SourceError(f"{source} is not at {path}; ANXIN_DATA names the folder of recordings")
        return _recording(source, path, read, by_device=True)
    path = Path(source)
    if path.suffix not in (".csv", ".gz") or not path.exists():
        known = ", ".join(sorted(KNOWN))
        raise SourceError(f"unknown recording {source!r}: neither one of {known} nor a .csv or .csv.gz file that exists")
    return _recording(path.name, path, _own, by_device=False)


def _recording(name: str, path: Path, read: Callable[[Iterator[list[str]]], Iterator[Item]], *, by_device: bool) -> Recording:
    data = path.read_bytes()
    fingerprint = hashlib.sha256(data).hexdigest()
    skipped: Counter[str] = Counter()
    entries: list[Entry] = []
    observations: list[Observation] = []
    for item in read(_rows(data, path)):
        if isinstance(item, str):
            skipped[item] += 1
            continue
        if isinstance(item, Observation):
            observations.append(item)
            continue
        entry = _canonical(item)
        if isinstance(entry, str):
            skipped[entry] += 1
        else:
            entries.append(entry)
        if len(entries) > MAX_ROWS:
            raise SourceError(f"{name} has more than {MAX_ROWS} values")
    entries = _unique(entries, skipped)
    if not entries:
        raise SourceError(f"{name} has no usable value: {dict(skipped)}")
    return _arranged(name, fingerprint, entries, observations, skipped, by_device=by_device)


def _rows(data: bytes, path: Path) -> Iterator[list[str]]:
    try:
        plain = gzip.decompress(data) if path.suffix == ".gz" else data
        yield from csv.reader(io.StringIO(plain.decode("utf-8-sig")), strict=True)
    except (OSError, EOFError, UnicodeDecodeError, csv.Error) as error:
        raise SourceError(f"{path.name} is not readable as CSV: {error}") from error


def _canonical(entry: Entry) -> Entry | str:
    """The entry in its canonical unit, or why it cannot be used."""
    row = BY_KEY.get(entry.quantity)
    if row is None or row.kind not in (Kind.CONTINUOUS, Kind.SPOT, Kind.STATUS, Kind.EVENT):
        return f"unknown quantity {entry.quantity!r}"
    try:
        value = units.to_canonical(entry.quantity, entry.value, entry.unit)
    except DecodeError:
        return f"{entry.quantity}: unit {entry.unit!r}"
    if not row.low <= value <= row.high:
        return f"{entry.quantity}: out of range"
    return Entry(device=entry.device, resident=entry.resident, quantity=entry.quantity, unit=row.ucum, t_ns=entry.t_ns, value=value)


def _unique(entries: list[Entry], skipped: Counter[str]) -> list[Entry]:
    """The first of several values of one series at one time."""
    seen: set[tuple[str, str, int]] = set()
    kept: list[Entry] = []
    for entry in entries:
        key = (entry.device, entry.quantity, entry.t_ns)
        if key in seen:
            skipped[f"{entry.quantity}: second value at the same time"] += 1
        else:
            seen.add(key)
            kept.append(entry)
    return kept


def _arranged(
    name: str, fingerprint: str, entries: list[Entry], observations: list[Observation], skipped: Counter[str], *, by_device: bool
) -> Recording:
    owners: dict[str, str] = {}
    for entry in entries:
        if owners.setdefault(entry.device, entry.resident) != entry.resident:
            raise SourceError(f"device {entry.device!r} has two residents; give each wearing an id of its own")
    starts: dict[str, int] = {}
    for entry in entries:
        group = entry.resident if by_device else ""
        starts[group] = min(starts.get(group, entry.t_ns), entry.t_ns)
    shift = {group: BASE_DAY_NS - t_ns // DAY_NS * DAY_NS for group, t_ns in starts.items()}
    names = {device: at for at, device in enumerate(owners)}
    t_ns = np.array([entry.t_ns + shift[entry.resident if by_device else ""] for entry in entries], dtype=np.int64)
    order = np.argsort(t_ns, kind="stable")
    moved = sorted(
        (
            replace(item, t_ns=item.t_ns + shift[item.resident if by_device else ""])
            for item in observations
            if not by_device or item.resident in shift
        ),
        key=lambda item: (item.t_ns, item.resident),
    )
    device = np.array([names[entry.device] for entry in entries], dtype=np.int32)[order]
    quantity = np.array([BY_KEY[entry.quantity].index for entry in entries], dtype=np.int16)[order]
    return Recording(
        name=name, fingerprint=fingerprint, devices=tuple(owners), residents=tuple(owners.values()), device=device, quantity=quantity,
        value=np.array([entry.value for entry in entries], dtype=np.float64)[order], t_ns=t_ns[order], observations=tuple(moved),
        cadence_s=MappingProxyType(_cadences(device, quantity, t_ns[order])), skipped=MappingProxyType(dict(sorted(skipped.items()))),
    )  # fmt: skip


def _cadences(device: NDArray[np.int32], quantity: NDArray[np.int16], t_ns: NDArray[np.int64]) -> dict[str, float]:
    """Median interval in s per quantity that has one."""
    found: dict[str, float] = {}
    for index in np.unique(quantity):
        of_it = quantity == index
        order = np.lexsort((t_ns[of_it], device[of_it]))
        same = np.diff(device[of_it][order]) == 0
        gaps_s = np.diff(t_ns[of_it][order])[same] / NS_PER_S
        if len(gaps_s):
            found[QUANTITIES[index].key] = max(1.0, round(float(np.median(gaps_s))))
    return found


def _own(rows: Iterator[list[str]]) -> Iterator[Item]:
    header = next(rows, [])
    if tuple(header) != HEADER:
        raise SourceError(f"the header must be {','.join(HEADER)}")
    for row in rows:
        if len(row) != len(HEADER):
            yield "wrong number of columns"
            continue
        device, resident, quantity, unit, time, number = row
        t_ns, value = _time_ns(time), _number(number)
        if not device or not resident:
            yield "no device or resident"
        elif t_ns is None:
            yield "time"
        elif value is None:
            yield "value"
        else:
            yield Entry(device=device, resident=resident, quantity=quantity, unit=unit, t_ns=t_ns, value=value)


_LAST_NS = 4_102_444_800 * NS_PER_S  # 2100-01-01: later times are typing errors


def _time_ns(text: str) -> int | None:
    if text.isascii() and text.isdigit():
        t_ns = int(text) * 1_000_000 if len(text) < 16 else None
    else:
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            return None
        t_ns = None if moment.tzinfo is None else _ns(moment)
    return t_ns if t_ns is not None and 0 <= t_ns < _LAST_NS else None


def _ns(moment: datetime) -> int:
    past = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (past.days * 86_400 + past.seconds) * NS_PER_S + past.microseconds * 1_000


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if isfinite(value) else None


# --- mimic3_demo -----------------------------------------------------------------------------------------------------------

_MIMIC = {
    "HR": ("hr", "/min"),
    "SBP": ("sbp", "mm[Hg]"),
    "DBP": ("dbp", "mm[Hg]"),
    "RR": ("resp", "/min"),
    "SpO2": ("spo2", "%"),
    "TempC": ("temp", "Cel"),
    "TempF": ("temp", "[degF]"),
    "Glu": ("glucose", "mg/dL"),
}
_GCS_PARTS = ("GCSe", "GCSm", "GCSv")
_ALERT_GCS = 15.0


def _mimic(rows: Iterator[list[str]]) -> Iterator[Item]:
    """Columns subject_id, hadm_id, icustay_id, charttime, var, itemid, value, valuenum, warning, error; a stay is a resident here."""
    next(rows, None)
    parts: dict[tuple[str, int], dict[str, float]] = {}
    for row in rows:
        if len(row) != 10:
            yield "wrong number of columns"
            continue
        subject, _, stay, time, name, _, text, number, _, error = row
        if error == "1":
            yield "marked as an error by the source"
            continue
        t_ns = _ns(datetime.fromisoformat(time).replace(tzinfo=UTC))
        resident, value = f"mimic-{subject}-{stay}", _number(number)
        if name == "O2dev":
            yield _oxygen(resident, t_ns, text)
        elif name in _MIMIC and value is not None:
            yield Entry(device=f"icu-{stay}", resident=resident, quantity=_MIMIC[name][0], unit=_MIMIC[name][1], t_ns=t_ns, value=value)
        elif name == "GCS" and value is not None:
            yield _consciousness(resident, t_ns, value)
        elif name in _GCS_PARTS and value is not None:
            known = parts.setdefault((resident, t_ns), {})
            known[name] = value
            if len(known) == len(_GCS_PARTS):
                yield _consciousness(resident, t_ns, sum(known.values()))
        else:
            yield f"{name}: no value" if name in _MIMIC or name.startswith("GCS") else f"{name}: not used"


def _oxygen(resident: str, t_ns: int, text: str) -> Item:
    if text in ("NA", "Other", "Other/Remarks"):
        return "O2dev: no value"
    return Observation(resident=resident, t_ns=t_ns, on_oxygen=text != "None")


def _consciousness(resident: str, t_ns: int, gcs: float) -> Observation:
    return Observation(resident=resident, t_ns=t_ns, consciousness="A" if gcs >= _ALERT_GCS else "V")


KNOWN: Mapping[str, tuple[str, Callable[[Iterator[list[str]]], Iterator[Item]]]] = MappingProxyType(
    {
        "mimic3_demo": ("mimic3_demo/vitals.csv.gz", _mimic),
    }
)


# --- the recording through the gateway's own doors -----------------------------------------------------------------------


class ReplayCollector:
    """Feeds a recording to intake as frames of our envelope, origin replay; the next batch waits for the last one's acknowledgement."""

    name = "replay"
    priority = False

    def __init__(self, recording: Recording, clock: Clock) -> None:
        self._recording = recording
        self._clock = clock
        self.done = 0  # readings acknowledged

    async def batches(self) -> AsyncIterator[tuple[list[Frame], Ack]]:
        """All of the recording once, in order; what is refused is offered again."""
        for start in range(0, len(self._recording), BATCH):
            wanted: Sequence[int] = range(start, min(start + BATCH, len(self._recording)))
            while wanted:
                answer: asyncio.Future[Sequence[Verdict]] = asyncio.get_running_loop().create_future()
                yield [self._frame(index) for index in wanted], _acknowledge(answer)
                verdicts = await answer
                refused = [index for index, verdict in zip(wanted, verdicts, strict=True) if verdict.fate is Fate.REFUSED]
                self.done += len(wanted) - len(refused)
                wanted = refused
                if refused:
                    await self._clock.sleep(RETRY_S)

    def _frame(self, index: int) -> Frame:
        recording = self._recording
        device = recording.devices[recording.device[index]]
        row = QUANTITIES[recording.quantity[index]]
        body = {
            "v": 1, "device": device, "boot_id": f"replay-{recording.fingerprint[:16]}", "seq": index, "stored": True,
            "t": int(recording.t_ns[index] // 1_000_000), "quantity": row.key, "value": float(recording.value[index]), "unit": row.ucum,
        }  # fmt: skip
        return Frame(
            channel="replay", topic=f"anxin/up/{device}", payload=json.dumps(body, separators=(",", ":")).encode(),
            t_received_ns=self._clock.now_ns(), device=device, origin=Origin.REPLAY,
        )  # fmt: skip


def _acknowledge(answer: asyncio.Future[Sequence[Verdict]]) -> Ack:
    async def ack(verdicts: Sequence[Verdict]) -> None:
        if not answer.done():
            answer.set_result(list(verdicts))

    return ack
