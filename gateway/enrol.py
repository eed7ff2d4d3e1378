"""Enrolment over HTTP: a one-time code buys a device its token and certificate; with the token it renews the certificate later."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from devices.model import DecodeError
from devices.strict import parse_json
from gateway.authority import CertificateError
from gateway.core import Core
from gateway.registry import enrolment
from gateway.registry.attempts import Attempts, TooManyAttempts
from gateway.registry.enrolment import Certificate, WrongCode
from gateway.registry.errors import RegistryError
from gateway.store import Lane
from gateway.vocabulary import Actor

_DEVICE = re.compile(r"[A-Za-z0-9_-]{1,64}")
MAX_BODY = 20 * 1024


class Enrolment:
    """Hands out credentials for codes; `router` is mounted under /api/v1 (the code and the token come as bearer)."""

    def __init__(self, core: Core, where: Callable[[], dict[str, Any]]) -> None:
        self._registry = core.registry
        self._db = core.store
        self._tokens = core.tokens
        self._audit = core.audit
        self._authority = core.authority
        self._attempts = Attempts(core.store, core.clock)
        self._where = where  # how devices reach the broker
        self.router = APIRouter()
        self.router.add_api_route("/enrol/{device}", self._enrol, methods=["POST"], response_model=None)
        self.router.add_api_route("/enrol/{device}/certificate", self._renew, methods=["POST"], response_model=None)

    async def _enrol(self, device: str, request: Request) -> Response:
        """Exchange a code for a token and, with {"csr": PEM}, a certificate."""
        if _DEVICE.fullmatch(device) is None:
            return _problem(404, "not_found")
        peer = request.client.host if request.client is not None else ""
        try:
            keys = await self._attempts.begin(f"enrol {device}", peer)
        except TooManyAttempts as error:
            return _problem(429, "attempts.too_many", headers={"Retry-After": str(error.retry_after_s)})
        try:
            certificate, pem = await self._signed(device, await request.body())
        except CertificateError as error:
            return _problem(422, "csr.invalid", detail=str(error))
        actor = Actor(id=device, name=device)
        try:
            token = await self._registry.do(actor, enrolment.enrol, device, _bearer(request), certificate)
        except (WrongCode, RegistryError):  # one answer for both: who guesses learns no device's name
            await self._refused(device, peer)
            return _problem(401, "device.code", headers={"WWW-Authenticate": "Bearer"})
        await self._attempts.succeeded(keys)
        return self._answer(device, pem, token=token)

    async def _renew(self, device: str, request: Request) -> Response:
        """Sign a new request of a device that shows its token; the former certificate stays in force until it ends."""
        if _DEVICE.fullmatch(device) is None:
            return _problem(404, "not_found")
        if not await run_in_threadpool(self._tokens.verify, device, _bearer(request)):
            return _problem(401, "device.token", headers={"WWW-Authenticate": "Bearer"})
        try:
            certificate, pem = await self._signed(device, await request.body())
        except CertificateError as error:
            return _problem(422, "csr.invalid", detail=str(error))
        if certificate is None:
            return _problem(422, "csr.invalid", detail="csr: missing")
        await self._registry.do(Actor(id=device, name=device), enrolment.put_certificate, certificate)
        return self._answer(device, pem)

    async def _signed(self, device: str, body: bytes) -> tuple[Certificate | None, str | None]:
        """The certificate for the request in the body; it counts for nothing until it is recorded."""
        if not body.strip():
            return None, None
        try:
            fields = parse_json(body[: MAX_BODY + 1])
        except DecodeError as error:
            raise CertificateError(f"body: {error}") from error
        csr = fields.get("csr") if isinstance(fields, dict) and fields.keys() <= {"csr"} else 0
        if csr is None:
            return None, None
        if not isinstance(csr, str) or not csr.isascii():
            raise CertificateError('body: an object with "csr" (PEM) or nothing')
        if not self._authority.exists:
            raise CertificateError("csr: this gateway signs none; it has no authority (anxin certs init)")
        issued = await asyncio.to_thread(self._authority.device, device, csr.encode())
        return Certificate(device_id=device, serial=issued.serial, not_after_ns=issued.not_after_ns), issued.certificate_pem

    def _answer(self, device: str, pem: str | None, **more: str) -> Response:
        kinds = ("up", "call", "senml", "checkin")
        topics = {"publish": [f"anxin/{kind}/{device}" for kind in kinds], "subscribe": [f"anxin/ack/{device}"]}
        body: dict[str, Any] = {"device": device, **more, "mqtt": self._where(), "topics": topics}
        if self._authority.exists:
            body["ca"] = self._authority.ca_file.read_text(encoding="ascii")
        if pem is not None:
            body["certificate"] = pem
        return Response(json.dumps(body), 200, {"Cache-Control": "no-store"}, "application/json")

    async def _refused(self, device: str, peer: str) -> None:
        def note(conn: Any) -> None:
            self._audit.append(conn, actor="device", action="device.enrol", subject=device, outcome="refused", detail={"peer": peer})

        await self._db.write(note, lane=Lane.GROUP)


def _bearer(request: Request) -> str:
    return request.headers.get("authorization", "").partition(" ")[2].strip()


def _problem(status: int, code: str, *, headers: dict[str, str] | None = None, **members: Any) -> Response:
    """RFC 9457; nothing secret of what was sent is in it."""
    document = {"type": f"urn:anxin:problem:{code}", "title": code, "status": status, "code": code, **members}
    return Response(json.dumps(document), status, headers, "application/problem+json")
