"""The engine as bytes and back. Format 2: length-prefixed JSON header, waveforms, then the packed tables, all of it zlib-compressed.

A checkpoint fits only the code and the settings that wrote it: detector versions, columns and the configuration are hashed into
`code`; anything else is an error, after which the journal is replayed.
"""

from __future__ import annotations

import hashlib
import json
import struct
import zlib
from typing import Any

from analytics.detect.fall import Falls
from analytics.fitted.products import load
from analytics.table import TableError
from devices.codes import QUANTITIES
from gateway.registry.view import RegistryView
from gateway.stream import calls, clocks
from gateway.stream.bank import Bank
from gateway.stream.engine import Engine
from gateway.stream.roster import Roster
from gateway.stream.rules import StreamConfig

FORMAT = 2
_LENGTH = struct.Struct("<I")


class CheckpointError(ValueError):
    """The checkpoint was written by other code, other settings, or at another place of the event log."""


def code_of(bank: Bank, config: StreamConfig) -> str:
    """Hash of what must be the same for a checkpoint to be continued."""
    detectors = [[detector.rule, detector.version, repr(detector.columns), repr(detector.params)] for detector in bank.detectors]
    detectors.append([Falls.rule, Falls.version, repr(Falls.columns), load("fall").linear.keys_sha256])
    versions = [FORMAT, calls.RULE_VERSION, clocks.RULE_VERSION, len(QUANTITIES), config.fingerprint(), detectors]
    return hashlib.sha256(json.dumps(versions).encode()).hexdigest()[:16]


def snapshot(engine: Engine) -> bytes:
    """The engine's state; the same state gives the same bytes."""
    return seal(pack(engine))


def seal(plain: bytes) -> bytes:
    """Compress what `pack` returned; may run in a thread."""
    return zlib.compress(plain, level=1)


def pack(engine: Engine) -> bytes:
    """The engine's state, not yet compressed."""
    head = {
        "format": FORMAT,
        "code": code_of(engine.bank, engine.config),
        "offset": engine.offset,
        "events_offset": engine.view.offset,
        "tick_ns": engine.tick_ns,
        "listened_ns": engine.listened_ns,
        "aligned_ns": engine.aligned_ns,
        "scored": engine.scored,
        "counters": dict(sorted(engine.counters.items())),
        "roster": engine.roster.dump(),
        "calls": engine.calls.dump(),
        "clocks": engine.clocks.dump(),
    }
    text = json.dumps(head, separators=(",", ":")).encode()
    waves = engine.waves.pack()
    return _LENGTH.pack(len(text)) + text + _LENGTH.pack(len(waves)) + waves + engine.bank.pack()


def header(data: bytes) -> dict[str, Any]:
    """The JSON part of a snapshot; CheckpointError if there is none."""
    return _parts(data)[0]


def restore(data: bytes, view: RegistryView, config: StreamConfig | None = None) -> Engine:
    """An engine that goes on where the snapshot was taken; `view` must be folded up to the snapshot's events_offset."""
    head, tables = _parts(data)
    engine = Engine(view, config)
    if head.get("format") != FORMAT or head.get("code") != code_of(engine.bank, engine.config):
        raise CheckpointError("written by other code or settings")
    if head["events_offset"] != view.offset:
        raise CheckpointError(f"taken at events {head['events_offset']}, the view stands at {view.offset}")
    try:
        (size,) = _LENGTH.unpack_from(tables)
        engine.waves.unpack(tables[_LENGTH.size : _LENGTH.size + size])
        engine.bank.unpack(tables[_LENGTH.size + size :])
    except (TableError, struct.error, ValueError, KeyError) as error:
        raise CheckpointError("its tables do not fit") from error
    engine.offset = head["offset"]
    engine.tick_ns = head["tick_ns"]
    engine.listened_ns = head["listened_ns"]
    engine.aligned_ns = head["aligned_ns"]
    engine.scored = head["scored"]
    engine.counters.update(head["counters"])
    engine.roster = Roster.load(head["roster"])
    engine.calls = calls.Calls.load(head["calls"])
    engine.clocks = clocks.Clocks.load(head["clocks"])
    engine.wire()
    return engine


def _parts(data: bytes) -> tuple[dict[str, Any], bytes]:
    try:
        plain = zlib.decompress(data)
        (size,) = _LENGTH.unpack_from(plain)
        head = json.loads(plain[_LENGTH.size : _LENGTH.size + size])
    except (zlib.error, struct.error, ValueError) as error:
        raise CheckpointError("not readable") from error
    if not isinstance(head, dict):
        raise CheckpointError("not readable")
    return head, plain[_LENGTH.size + size :]
