"""Errors as RFC 9457 problem documents: a machine word, never what was sent."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from gateway.commands import Kind, Refusal
from gateway.query import Forbidden, Missing, Unavailable

MEDIA_TYPE = "application/problem+json"
# Messages of these types may quote a value or free text of ours; the type says enough.
_OPAQUE = frozenset({"value_error", "assertion_error", "json_invalid", "literal_error", "enum"})
_CODES = {
    400: "request.bad", 401: "session.none", 403: "access.denied", 404: "not_found", 405: "method.not_allowed",
    409: "conflict", 413: "body.too_large", 415: "body.media_type", 422: "request.invalid", 429: "rate.limited",
    500: "internal", 503: "unavailable",
}  # fmt: skip
_REFUSALS = {
    Kind.INVALID: 422, Kind.CONFLICT: 409, Kind.UNKNOWN_PERSON: 401, Kind.TOO_MANY: 429, Kind.FORBIDDEN: 403, Kind.UNAVAILABLE: 503,
}  # fmt: skip


class Problem(HTTPException):
    """An expected refusal: status, machine word and members that hold nothing the asker sent."""

    def __init__(self, status: int, code: str, *, headers: Mapping[str, str] | None = None, **members: Any) -> None:
        super().__init__(status, detail=code, headers=headers)
        self.code = code
        self.members = members


def problem_body(status: int, code: str, members: Mapping[str, Any]) -> bytes:
    """The document as bytes."""
    document = {"type": f"urn:anxin:problem:{code}", "title": HTTPStatus(status).phrase, "status": status, "code": code, **members}
    return json.dumps(document, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def problem_response(status: int, code: str, *, headers: Mapping[str, str] | None = None, **members: Any) -> Response:
    """The document as a response."""
    return Response(problem_body(status, code, members), status, dict(headers or {}), MEDIA_TYPE)


def validation_members(errors: Sequence[Any]) -> list[dict[str, Any]]:
    """type, loc and msg of pydantic's errors; an unknown key's own name is what was sent, so it is left out."""
    shown = []
    for error in errors[:20]:
        kind = str(error["type"])
        loc = list(error["loc"])
        if kind == "extra_forbidden":
            loc = loc[:-1]
        msg = kind if kind in _OPAQUE else str(error["msg"])
        shown.append({"type": kind, "loc": loc, "msg": msg})
    return shown


async def _on_problem(_: Request, error: Exception) -> Response:
    if isinstance(error, Problem):
        return problem_response(error.status_code, error.code, headers=error.headers, **error.members)
    status = error.status_code if isinstance(error, HTTPException) else 500
    headers = error.headers if isinstance(error, HTTPException) else None
    return problem_response(status, _CODES.get(status, "request.bad"), headers=headers)


async def _on_missing(_: Request, __: Exception) -> Response:
    return problem_response(404, "not_found")


async def _on_forbidden(_: Request, __: Exception) -> Response:
    return problem_response(403, "access.denied")


async def _on_unavailable(_: Request, error: Exception) -> Response:
    return problem_response(503, str(error.args[0]), headers={"Retry-After": "10"})


async def _on_refusal(_: Request, error: Exception) -> Response:
    if not isinstance(error, Refusal):
        return problem_response(500, "internal")
    headers = {} if error.retry_s is None else {"Retry-After": str(max(1, round(error.retry_s)))}
    members = {key: value for key, value in error.members.items() if value is not None}
    return problem_response(_REFUSALS[error.kind], error.code, headers=headers, **members)


async def _on_invalid(_: Request, error: Exception) -> Response:
    errors = error.errors() if isinstance(error, RequestValidationError) else []
    return problem_response(422, "request.invalid", errors=validation_members(errors))


async def _on_crash(_: Request, __: Exception) -> Response:
    return problem_response(500, "internal")


def install(app: FastAPI) -> None:
    """Answer every error of the app with a problem document."""
    app.add_exception_handler(HTTPException, _on_problem)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(Missing, _on_missing)
    app.add_exception_handler(Forbidden, _on_forbidden)
    app.add_exception_handler(Unavailable, _on_unavailable)
    app.add_exception_handler(Refusal, _on_refusal)
    app.add_exception_handler(Exception, _on_crash)
