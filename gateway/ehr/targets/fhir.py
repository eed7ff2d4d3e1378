"""A FHIR R4 server by its base URL: batch bundles of conditional creates and updates, each entry judged by its own status."""

from __future__ import annotations

import asyncio
import email.utils
import json
import ssl
from collections.abc import Mapping, Sequence
from datetime import UTC
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

import apsw
import httpx
from pydantic import BaseModel, ConfigDict, Field

from gateway.clock import NS_PER_S, Clock
from gateway.ehr.base.target import Entry, Fate, TargetDown, TargetRefused, TooLarge, Verdict

MEDIA_TYPE = "application/fhir+json"
ODD = "the answer is not as FHIR has it"
MAX_ANSWER = 32 * 1024 * 1024
RETRY = frozenset((408, 409, 425, 429))
DEAD = frozenset((400, 404, 410, 413, 415, 422))
HELD = frozenset((401, 403, 405, 412))  # not permitted, updates included; more than one match


class Settings(BaseModel):
    """Of one FHIR server."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    type: Literal["fhir"]
    url: str
    token_file: Path | None = None  # a bearer token; read anew when the server no longer takes it
    ca_file: Path | None = None
    timeout_s: float = Field(default=30, ge=0.1, le=600)
    batch: int = Field(default=50, ge=1, le=500)
    create_patients: bool = False  # else residents must be known there by our identifier, or be in `links`
    links: dict[str, str] = Field(default_factory=dict)  # resident -> "Patient/123", as confirmed by staff


class FhirTarget:
    """A real health record: takes live data only."""

    real = True

    def __init__(self, name: str, settings: Settings, clock: Clock, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self.name = name
        self.batch = settings.batch
        self._settings = settings
        self._clock = clock
        self._token: str | None = None
        self._works = False  # a bundle was answered as it should be
        verify: Any = True if settings.ca_file is None else _context(settings.ca_file)
        self._client = httpx.AsyncClient(
            base_url=settings.url.rstrip("/") + "/",
            timeout=httpx.Timeout(settings.timeout_s),
            verify=verify,
            transport=transport,
            trust_env=False,
            headers={"Accept": MEDIA_TYPE, "Content-Type": MEDIA_TYPE},
        )

    async def send(self, entries: Sequence[Entry]) -> list[Verdict]:
        """One batch bundle."""
        bundle = {"resourceType": "Bundle", "type": "batch", "entry": [_entry(one) for one in entries]}
        answer = await self._ask("POST", "", json.dumps(bundle, ensure_ascii=False, separators=(",", ":")).encode())
        if answer.status_code in (400, 413, 422):
            if len(entries) > 1 or answer.status_code == 413:
                raise TooLarge  # perhaps one entry spoils it: smaller bundles find out which
            if not self._works:
                raise TargetRefused(f"{answer.status_code}: does it take batch bundles?")
            return [Verdict(fate=Fate.DEAD, reason=str(answer.status_code), outcome=_outcome(_json(answer)))]
        body = _json(answer)
        found = body.get("entry")
        if body.get("resourceType") != "Bundle" or not isinstance(found, list) or len(found) != len(entries):
            raise TargetDown("the answer is not a bundle of as many entries")
        self._works = True
        try:
            return [self._verdict(one) for one in found]
        except (AttributeError, TypeError, KeyError, ValueError) as error:
            raise TargetDown(ODD) from error

    def _verdict(self, answer: Any) -> Verdict:
        response = answer.get("response", {}) if isinstance(answer, Mapping) else {}
        status = str(response.get("status", ""))[:3]
        code = int(status) if status.isdecimal() else 0
        outcome = _outcome(response.get("outcome"))
        if code in (200, 201):
            return Verdict(fate=Fate.DONE, reason=status, literal=_literal(answer, response))
        if code in DEAD:
            return Verdict(fate=Fate.DEAD, reason=status, outcome=outcome)
        if code in HELD:
            return Verdict(fate=Fate.HELD, reason=status, outcome=outcome)
        return Verdict(fate=Fate.RETRY, reason=status or "no status", outcome=outcome)

    async def find(self, kind: str, search: str) -> list[str]:
        """Literal references of what the search finds."""
        answer = await self._ask("GET", f"{kind}?{_query(search)}&_count=2", None)
        body = _json(answer)
        if answer.status_code >= 400 or body.get("resourceType") != "Bundle":
            raise TargetDown(f"search: {answer.status_code}")
        try:
            found = [one.get("resource", {}) for one in body.get("entry", []) if one.get("search", {}).get("mode", "match") == "match"]
            return [f"{kind}/{one['id']}" for one in found if one.get("resourceType") == kind and one.get("id")]
        except (AttributeError, TypeError) as error:
            raise TargetDown(ODD) from error

    async def _ask(self, method: str, path: str, body: bytes | None) -> httpx.Response:
        """One request; what concerns the target as a whole is raised. A refused token is read anew once."""
        answer = await self._request(method, path, body)
        if answer.status_code == 401:
            self._token = None
            answer = await self._request(method, path, body)
        code = answer.status_code
        if code in (401, 403):
            raise TargetRefused(f"{code}")
        if code in (404, 405, 410):
            raise TargetRefused(f"{code}: is the address right?")
        if code in RETRY or code >= 500:
            raise TargetDown(f"{code}", self._retry_after_s(answer))
        if 300 <= code < 400 or (code > 400 and code not in (412, 413, 422)):
            raise TargetRefused(f"{code}")
        return answer

    async def _request(self, method: str, path: str, body: bytes | None) -> httpx.Response:
        headers = {}
        if self._settings.token_file is not None:
            if self._token is None:
                self._token = await asyncio.to_thread(_read, self._settings.token_file)
            headers["Authorization"] = f"Bearer {self._token}"
        try:
            # The timeout of httpx is per read; a server that trickles must not hold the sender for ever.
            return await self._within(self._client.request(method, path, content=body, headers=headers))
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise TargetDown(type(error).__name__) from error

    async def _within(self, request: Any) -> httpx.Response:
        sending = asyncio.ensure_future(request)
        timer = asyncio.ensure_future(self._clock.sleep(2 * self._settings.timeout_s))
        try:
            await asyncio.wait({sending, timer}, return_when=asyncio.FIRST_COMPLETED)
            if not sending.done():
                raise TargetDown("timeout")
            found: httpx.Response = sending.result()
            return found
        finally:
            for task in (sending, timer):
                task.cancel()
            await asyncio.gather(sending, timer, return_exceptions=True)

    def _retry_after_s(self, answer: httpx.Response) -> float | None:
        """Seconds or a date."""
        text = answer.headers.get("Retry-After", "").strip()
        if not text:
            return None
        if text.isdecimal():
            return float(text[:6])
        try:
            when = email.utils.parsedate_to_datetime(text)
        except ValueError:
            return None
        return max(0.0, when.replace(tzinfo=when.tzinfo or UTC).timestamp() - self._clock.now_ns() / NS_PER_S)

    def reserve(self, conn: apsw.Connection) -> None:
        """Nothing to prepare."""

    def commit(self, conn: apsw.Connection) -> None:
        """Nothing of ours to keep."""

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()


def _entry(entry: Entry) -> dict[str, Any]:
    kind = entry.resource["resourceType"]
    if entry.replace:
        request = {"method": "PUT", "url": f"{kind}?{_query(entry.search)}"}
    else:
        request = {"method": "POST", "url": str(kind), "ifNoneExist": _query(entry.search)}
    return {"fullUrl": f"urn:uuid:{entry.uid}", "resource": entry.resource, "request": request}


def _query(search: str) -> str:
    name, _, value = search.partition("=")
    return f"{name}={quote(value, safe=':/.-_~')}"


def _literal(answer: Mapping[str, Any], response: Mapping[str, Any]) -> str:
    """Type/id from the location (absolute or not, with or without history), else from the resource."""
    location = str(response.get("location", "")).split("/_history")[0].split("/")
    if len(location) >= 2 and location[-2][:1].isupper():
        return "/".join(location[-2:])
    resource = answer.get("resource") or {}
    return f"{resource['resourceType']}/{resource['id']}" if resource.get("id") and resource.get("resourceType") else ""


def _outcome(found: Any) -> dict[str, Any] | None:
    return found if isinstance(found, dict) and found.get("resourceType") == "OperationOutcome" else None


def _json(answer: httpx.Response) -> dict[str, Any]:
    if len(answer.content) > MAX_ANSWER:
        raise TargetDown("the answer is too long")
    try:
        found = answer.json()
    except ValueError as error:
        raise TargetDown("the answer is not JSON") from error
    return found if isinstance(found, dict) else {}


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise TargetRefused("the token file cannot be read") from error


def _context(path: Path) -> Any:
    return ssl.create_default_context(cafile=str(path))
