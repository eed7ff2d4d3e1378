"""The kiosk's door: a resident shows a card, a QR code or a PIN, and what the kiosk's devices measure then is this person's.

Over HTTP (`POST /checkin/<kiosk>` with the kiosk's token) and over MQTT (`anxin/checkin/<kiosk>`, answered on `anxin/ack/<kiosk>`).
Neither the number nor the PIN is kept: not in the journal, not in the audit, not in a log.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from devices.model import DecodeError
from devices.strict import parse_json
from gateway.clock import NS_PER_S, Clock
from gateway.frames import Collector, Fate, Frame, Verdict
from gateway.ops import Ops
from gateway.registry import attribution
from gateway.registry.attempts import Attempts, TooManyAttempts
from gateway.registry.badges import Badges
from gateway.registry.credentials import DeviceTokens
from gateway.registry.errors import RegistryError
from gateway.registry.registry import Registry
from gateway.registry.tx import Tx
from gateway.registry.view import Checkin
from gateway.store import Database, StoreError
from gateway.vocabulary import Actor

MAX_BODY = 4 * 1024
SPAN_S = 300.0
STALE_S = 120.0  # a check-in that waited so long somewhere is of the past: nobody stands there any more
FILTER = "anxin/checkin/+"
_DEVICE = re.compile(r"[A-Za-z0-9_-]{1,64}")
_KEYS = frozenset({"v", "device", "boot_id", "seq", "t", "card", "qr", "pin", "devices", "out"})
SECRETS = ("card", "qr", "pin")


class Refused(ValueError):
    """Not checked in; `code` is a machine word, `status` its HTTP status."""

    def __init__(self, code: str, status: int = 422, retry_s: int | None = None) -> None:
        super().__init__(code)
        self.code, self.status, self.retry_s = code, status, retry_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What a kiosk says, read strictly."""

    way: str  # card | qr | pin | out
    secret: str = ""
    devices: tuple[str, ...] = ()
    boot_id: str | None = None
    seq: int | None = None
    t_ms: int | None = None


def read(body: bytes, kiosk: str) -> Shown:
    """One message of a kiosk; raises Refused, which names the member and never what stood in it."""
    try:
        found = parse_json(body)
    except DecodeError:
        raise Refused("body.invalid") from None
    if type(found) is not dict or not found.keys() <= _KEYS or found.get("v") != 1 or found.get("device", kiosk) != kiosk:
        raise Refused("body.invalid")
    ways = [name for name in SECRETS if name in found]
    out, devices, seq, boot_id, t_ms = (found.get(name) for name in ("out", "devices", "seq", "boot_id", "t"))
    texts = all(type(found[name]) is str and 0 < len(found[name]) <= 200 for name in ways)
    plain = texts and out in (None, True) and len(ways) == (0 if out else 1)
    whole = seq is None or (type(seq) is int and 0 <= seq < 2**63)
    named = boot_id is None or (type(boot_id) is str and _DEVICE.fullmatch(boot_id) is not None)
    timed = t_ms is None or type(t_ms) is int
    listed = devices is None or (type(devices) is list and all(type(one) is str and _DEVICE.fullmatch(one) for one in devices))
    if not (plain and whole and named and timed and listed):
        raise Refused("body.invalid")
    way = ways[0] if ways else "out"
    return Shown(
        way=way, secret=found.get(way, "") if ways else "", devices=tuple(devices or ()), boot_id=boot_id, seq=seq, t_ms=t_ms
    )  # fmt: skip


class CheckinDoor:
    """Knows who is shown, and checks in."""

    def __init__(
        self, registry: Registry, db: Database, tokens: DeviceTokens, badges: Badges, clock: Clock, ops: Ops, span_s: float = SPAN_S
    ) -> None:
        self._registry, self._db, self._tokens, self._badges = registry, db, tokens, badges
        self._clock, self._ops, self._span_s = clock, ops, span_s
        self._attempts = Attempts(db, clock)
        self.router = APIRouter()
        self.router.add_api_route("/checkin/{kiosk}", self._http, methods=["POST"], response_model=None)

    async def take(self, kiosk: str, shown: Shown) -> Checkin | None:
        """Check in or out; raises Refused. None after a check-out."""
        actor = Actor(id=kiosk, name=kiosk)
        if shown.t_ms is not None and abs(self._clock.now_ns() - shown.t_ms * 1_000_000) > STALE_S * NS_PER_S:
            raise Refused("checkin.stale", 409)
        try:
            if shown.way == "out":
                await self._registry.do(actor, attribution.check_out, kiosk)
                return None
            owner = await self._owner(kiosk, shown)
            row: Checkin = await self._registry.do(actor, _check_in, kiosk, owner, shown, self._span_s)
        except RegistryError as error:
            raise Refused(f"registry.{error.code}", 409) from error
        self._ops.counters["checkin.done"] += 1
        return row

    async def _owner(self, kiosk: str, shown: Shown) -> str:
        """Whose badge it is. Guessing PINs is slowed down; a strange card is only counted, or it would lock the kiosk for others."""
        keys = None
        if shown.way == "pin":
            try:
                keys = await self._attempts.begin(f"checkin {kiosk}", "")
            except TooManyAttempts as error:
                raise Refused("attempts.too_many", 429, error.retry_after_s) from error
        owner = await self._db.read(lambda conn: self._badges.owner(conn, shown.way, shown.secret))
        if owner is None:
            self._ops.counters["checkin.unknown"] += 1
            raise Refused("checkin.unknown", 404)
        if keys is not None:
            await self._attempts.succeeded(keys)
        return owner

    # --- HTTP

    async def _http(self, kiosk: str, request: Request) -> Response:
        """Check in with {"v": 1, "card" | "qr" | "pin": text}, out with {"v": 1, "out": true}."""
        bearer = request.headers.get("authorization", "").partition(" ")[2].strip()
        if _DEVICE.fullmatch(kiosk) is None:
            return _problem(404, "not_found")
        if not await run_in_threadpool(self._tokens.verify, kiosk, bearer):
            return _problem(401, "device.token", headers={"WWW-Authenticate": "Bearer"})
        body = await request.body()
        if len(body) > MAX_BODY:
            return _problem(413, "body.too_large")
        try:
            row = await self.take(kiosk, read(body, kiosk))
        except Refused as error:
            headers = None if error.retry_s is None else {"Retry-After": str(error.retry_s)}
            return _problem(error.status, error.code, headers=headers)
        except StoreError:
            return _problem(503, "store.unavailable", headers={"Retry-After": "2"})
        return Response(json.dumps(self._answer(row)), 200, {"Cache-Control": "no-store"}, "application/json")

    def _answer(self, row: Checkin | None) -> dict[str, Any]:
        """What a kiosk may show to whoever stands there: initials, and until when."""
        if row is None:
            return {"checked_in": False}
        person = self._registry.view.residents[row.resident_id]
        return {"checked_in": True, "initials": person.initials, "until_ms": row.until_ns // 1_000_000, "devices": list(row.device_ids)}

    # --- MQTT

    async def serve(self, collector: Collector) -> None:
        """Messages of one MQTT session, for ever; each is answered with its fate."""
        async for frames, ack in collector.batches():
            await ack([await self._fate(frame) for frame in frames])

    async def _fate(self, frame: Frame) -> Verdict:
        kiosk = frame.topic.rpartition("/")[2]
        if _DEVICE.fullmatch(kiosk) is None or frame.retained or len(frame.payload) > MAX_BODY:
            return Verdict(fate=Fate.DEAD_LETTER, device=kiosk[:64], reason="checkin.invalid")
        try:
            shown = read(frame.payload, kiosk)
        except Refused as error:
            return Verdict(fate=Fate.DEAD_LETTER, device=kiosk, reason=error.code)
        try:
            await self.take(kiosk, shown)
        except Refused as error:
            self._ops.counters[f"checkin.refused.{error.status}"] += 1
            return Verdict(fate=Fate.DEAD_LETTER, device=kiosk, boot_id=shown.boot_id, seq=shown.seq, reason=error.code)
        except StoreError:
            return Verdict(fate=Fate.REFUSED, device=kiosk, boot_id=shown.boot_id, seq=shown.seq)
        return Verdict(fate=Fate.STORED, device=kiosk, boot_id=shown.boot_id, seq=shown.seq)


def _check_in(tx: Tx, kiosk: str, owner: str, shown: Shown, span_s: float) -> Checkin:
    return attribution.check_in(tx, kiosk, owner, how=shown.way, span_s=span_s, devices=shown.devices)


def _problem(status: int, code: str, *, headers: dict[str, str] | None = None) -> Response:
    document = {"type": f"urn:anxin:problem:{code}", "title": code, "status": status, "code": code}
    return Response(json.dumps(document), status, headers, "application/problem+json")
