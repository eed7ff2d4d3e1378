"""What holds for every request before a route sees it: size and shape of the body, same origin, security headers."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.api.problems import problem_response
from gateway.api.strictjson import BadJson, loads

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
JSON_LIMIT_BYTES = 64 * 1024
MACHINE_LIMIT_BYTES = 1024 * 1024  # the device door has its own, lower limit; this is only a ceiling
TABLES_LIMIT_BYTES = 2 * 1024 * 1024  # CSV files of a whole house
FORM_TYPE = "application/x-www-form-urlencoded"

_SPA_CSP = (
    "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'"
)
_PLAIN_CSP = "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'"


class _TooLarge(Exception):
    """More bytes than allowed."""


async def _read(receive: Receive, limit: int) -> bytes:
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return b"".join(chunks)
        chunk: bytes = message.get("body", b"")
        size += len(chunk)
        if size > limit:
            raise _TooLarge
        chunks.append(chunk)
        if not message.get("more_body", False):
            return b"".join(chunks)


def _replay(body: bytes, receive: Receive) -> Receive:
    sent = False

    async def again() -> Message:
        nonlocal sent
        if sent:
            return await receive()
        sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again


class BodyGuard:
    """Reads a bounded body once; JSON that is malformed, ambiguous or not finite ends here."""

    def __init__(
        self, app: ASGIApp, *, machine_prefixes: Iterable[str], form_prefix: str, tables_path: str = "",
        uploads: re.Pattern[str] | None = None,
    ) -> None:  # fmt: skip
        self._app = app
        self._tables_path = tables_path
        self._uploads = uploads  # paths whose route reads the body itself, once it knows who sends it and how much may come
        self._machine_prefixes = tuple(machine_prefixes)
        self._form_prefix = form_prefix

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http" or scope["method"] in SAFE_METHODS:
            await self._app(scope, receive, send)
            return
        if self._uploads is not None and self._uploads.fullmatch(scope["path"]):
            await self._app(scope, receive, send)
            return
        machine = scope["path"].startswith(self._machine_prefixes) if self._machine_prefixes else False
        limit = MACHINE_LIMIT_BYTES if machine else JSON_LIMIT_BYTES
        if self._tables_path and scope["path"] == self._tables_path:
            limit = TABLES_LIMIT_BYTES
        headers = Headers(scope=scope)
        declared = headers.get("content-length", "0")
        if not declared.isascii() or not declared.isdigit() or int(declared[:18]) > limit:
            await problem_response(413, "body.too_large", headers={"Connection": "close"})(scope, receive, send)
            return
        try:
            body = await _read(receive, limit)
        except _TooLarge:
            await problem_response(413, "body.too_large", headers={"Connection": "close"})(scope, receive, send)
            return
        if not machine:
            refused = self._refusal(scope["path"], headers.get("content-type", ""), body)
            if refused is not None:
                await problem_response(*refused)(scope, receive, send)
                return
        await self._app(scope, _replay(body, receive), send)

    def _refusal(self, path: str, content_type: str, body: bytes) -> tuple[int, str] | None:
        media_type = content_type.partition(";")[0].strip().lower()
        if not body:
            return None
        if media_type == FORM_TYPE and path.startswith(self._form_prefix):
            return None
        if media_type != "application/json":
            return 415, "body.media_type"
        try:
            loads(body)
        except BadJson as error:
            return 400, error.code
        return None


class SameOrigin:
    """Unsafe requests of browsers must come from our own pages (reliability.md S4); machine paths carry no cookie and are exempt."""

    def __init__(self, app: ASGIApp, *, public_origin: str | None, cookie_name: str, machine_prefixes: Iterable[str]) -> None:
        self._app = app
        self._public_origin = public_origin
        self._cookie_mark = f"{cookie_name}="
        self._machine_prefixes = tuple(machine_prefixes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] == "http" and scope["method"] not in SAFE_METHODS:
            machine = bool(self._machine_prefixes) and scope["path"].startswith(self._machine_prefixes)
            if not machine and not self._ours(Headers(scope=scope)):
                await problem_response(403, "request.cross_site")(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _ours(self, headers: Headers) -> bool:
        site = headers.get("sec-fetch-site")
        origin = headers.get("origin")
        if site is not None and site not in ("same-origin", "none"):
            return False
        if origin is not None and not self._own_origin(origin, headers.get("host", "")):
            return False
        # A browser sends at least one of the two with every POST; a cookie without either is not from our page.
        return site is not None or origin is not None or self._cookie_mark not in headers.get("cookie", "")

    def _own_origin(self, origin: str, host: str) -> bool:
        if self._public_origin is not None and origin == self._public_origin:
            return True
        # Behind a TLS proxy the scheme differs; a cookie is bound to the host, so the host is what counts.
        return bool(host) and urlsplit(origin).netloc.lower() == host.lower()


class SecurityHeaders:
    """Headers of every answer; the script-free pages allow no script at all."""

    def __init__(self, app: ASGIApp, *, tls: bool, plain_prefix: str) -> None:
        self._app = app
        self._tls = tls
        self._plain_prefix = plain_prefix

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path: str = scope["path"]

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._set(MutableHeaders(scope=message), path)
            await send(message)

        await self._app(scope, receive, with_headers)

    def _set(self, headers: MutableHeaders, path: str) -> None:
        headers["Content-Security-Policy"] = _PLAIN_CSP if path.startswith(self._plain_prefix) else _SPA_CSP
        headers["X-Content-Type-Options"] = "nosniff"
        # Not no-referrer: with it browsers send "Origin: null" from our own forms and the origin check could not tell them apart.
        headers["Referrer-Policy"] = "same-origin"
        headers["X-Frame-Options"] = "DENY"
        headers.setdefault("Cache-Control", "no-store")
        if self._tls:
            # On plain http these two are ignored with a console error.
            headers["Cross-Origin-Opener-Policy"] = "same-origin"
            headers["Strict-Transport-Security"] = "max-age=31536000"
