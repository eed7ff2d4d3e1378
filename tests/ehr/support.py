"""What the tests of the health record share: rows, blocks, registries, the R4 schema, the third party's server."""

from __future__ import annotations

import fcntl
import json
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from dashboards import build_hook
from devices.codes import BY_KEY
from gateway.ehr.base.items import ItemKind, Row
from gateway.events import EventRow
from gateway.readings import FrameRow, Mark, ReadingBlock
from gateway.registry.view import RegistryView
from gateway.vocabulary import Origin
from tests.support import missing

NODE = Path(__file__).parent / "node"
SCHEMA = NODE / "node_modules" / "@medplum" / "definitions" / "dist" / "fhir" / "r4" / "fhir.schema.json"
START_NS = 1_767_225_600_000_000_000  # 2026-01-01T00:00:00Z
MINUTE_NS = 60_000_000_000
RESOURCES = ("Observation", "Patient", "Device", "DetectedIssue", "Task", "Communication", "Provenance")


def node_tools() -> tuple[list[str], dict[str, str], str]:
    """npm's command, its environment and Node: of the machine, else of the wheel that the front end's set-up brings."""
    try:
        npm, environment = build_hook.npm_command()
    except build_hook.WebError as error:
        missing(str(error))
    return npm, environment, str(build_hook.system_node() or build_hook.wheel_node())


def npm_ci() -> Path:
    """The third party's packages, installed once; without npm or its registry the test is skipped."""
    npm, environment, _node = node_tools()
    with (NODE / "package-lock.json").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        stamp = NODE / "node_modules" / ".anxin-lock"
        wanted = lock.read()
        if not stamp.is_file() or stamp.read_text() != wanted:
            command = [*npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
            done = subprocess.run(command, cwd=NODE, env=environment, capture_output=True, text=True, check=False)
            if done.returncode:
                missing(f"npm ci in tests/ehr/node failed: {done.stderr.strip()[-200:]}")
            stamp.write_text(wanted)
    return NODE


@cache
def schema() -> dict[str, Callable[[Any], Any]]:
    """Validators of the R4 schema by resource."""
    import fastjsonschema

    npm_ci()
    whole = json.loads(SCHEMA.read_text(encoding="utf-8"))
    made = {}
    for name in RESOURCES:
        wanted, definitions = [name], {}
        while wanted:
            one = wanted.pop()
            if one not in definitions:
                definitions[one] = whole["definitions"][one]
                if one != "ResourceList":
                    wanted += [ref.rpartition("/")[2] for ref in _refs(definitions[one])]
                else:  # contained resources, which nobody here sends
                    definitions[one] = {}
        made[name] = fastjsonschema.compile({"$ref": f"#/definitions/{name}", "definitions": definitions})
    return made


def _refs(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for name, part in value.items():
            if name == "$ref":
                yield part
            else:
                yield from _refs(part)
    elif isinstance(value, list):
        for part in value:
            yield from _refs(part)


def row(
    kind: ItemKind = ItemKind.READING,
    *,
    resident: str = "R1",
    origin: Origin = Origin.LIVE,
    version: int = 1,
    retracted: bool = False,
    **record: Any,
) -> Row:
    """An item as the outbox hands it to a map."""
    return Row(
        id=1, kind=kind, key="dev-1-k", resident=resident, device="dev-1", t_ns=START_NS + 123_456_789, origin=origin, test=False,
        retracted=retracted, version=version, record=record,
    )  # fmt: skip


def reading(key: str, value: float | None, quality: int = 0, **more: Any) -> dict[str, Any]:
    """A reading's record."""
    return {"v": 1, "q": key, "value": value, "quality": quality, "r": START_NS + 2_000_000_000, "tz": "Asia/Shanghai", **more}


def block(
    rows: list[tuple[str, str, float, int]],
    *,
    origin: Origin = Origin.LIVE,
    mark: Mark = Mark.NONE,
    boot: str | None = "b1",
    first_seq: int = 0,
    one_frame: bool = False,
    quality: int = 0,
) -> ReadingBlock:
    """A block of (device, quantity, value, t_measured_ns); a frame per row unless `one_frame`."""
    devices = tuple(dict.fromkeys(device for device, *_ in rows))
    frames = tuple(
        FrameRow(
            device=device, channel="mqtt", topic=f"anxin/up/{device}", boot_id=boot, seq=None if boot is None else first_seq + number,
            t_received_ns=t_ns, t_device_ns=t_ns, payload=f"{key}={value}".encode(),
        )
        for number, (device, key, value, t_ns) in enumerate(rows)
    )  # fmt: skip
    n = len(rows)
    times = np.array([t_ns for *_, t_ns in rows], np.int64)
    return ReadingBlock(
        devices=devices,
        frames=frames[:1] if one_frame else frames,
        device=np.array([devices.index(device) for device, *_ in rows], np.int32),
        quantity=np.array([BY_KEY[key].index for _, key, *_ in rows], np.int16),
        value=np.array([value for _, _, value, _ in rows], np.float64),
        t_measured_ns=times,
        t_received_ns=times + 1_000_000,
        quality=np.full(n, quality, np.uint16),
        mark=np.full(n, int(mark), np.uint16),
        origin=np.full(n, int(origin), np.uint8),
        frame=np.zeros(n, np.int32) if one_frame else np.arange(n, dtype=np.int32),
    )


def registry(bindings: dict[str, str], start_ns: int = START_NS - 86_400_000_000_000) -> list[EventRow]:
    """Events of a house with these device -> resident bindings."""
    bodies: list[tuple[str, str, dict[str, Any]]] = [("site.set", "S1", {"id": "S1", "name": "House", "tz": "Asia/Shanghai"})]
    place = {"site_id": "S1", "zone_id": None, "room_id": None, "bed_id": None, "label": ""}
    for resident in sorted(set(bindings.values())):
        body = {"id": resident, "name": f"N {resident}", "initials": "N", "status": "admitted", "place": place, "at_ns": start_ns}
        bodies.append(("resident.admitted", resident, body))
    for device, resident in bindings.items():
        bodies.append(("device.set", device, {"id": device, "model": "M1", "kind": "wearable", "site_id": "S1"}))
        body = {
            "id": f"B-{device}",
            "device_id": device,
            "resident_id": resident,
            "place": None,
            "valid_from_ns": start_ns,
            "valid_to_ns": None,
        }
        bodies.append(("binding.set", f"B-{device}", body))
    return [
        EventRow(offset=n, t_ns=start_ns, kind=kind, subject=subject, actor="u1", body=body)
        for n, (kind, subject, body) in enumerate(bodies, 1)
    ]


def view_of(bindings: dict[str, str]) -> RegistryView:
    """The same, folded."""
    return RegistryView.fold(registry(bindings))


@contextmanager
def server(port: int = 0) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """The third party's R4 server; yields its base URL."""
    folder = npm_ci()
    process = subprocess.Popen(
        [node_tools()[2], "server.mjs", str(port)], cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        if process.stdout is None:
            raise RuntimeError("no pipe")
        line = process.stdout.readline()
        yield f"http://127.0.0.1:{int(line)}/fhir", process
    finally:
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()
