"""User Data Service (0x181C): whose slot of a shared scale or cuff is in use, and the control point that asks for it (0x2A9F).

A scale with several users tells a person's data only after consent: the number of the slot and the code that was agreed on when it was
registered. Encoding and decoding only; the collector owns the procedure. Deleting users is left out on purpose.
"""

from __future__ import annotations

from devices.medfloat import Reader
from devices.model import DecodeError

FACT_CHANNELS = ("gatt/181c/2a9a", "gatt/181c/2a9f")

_REGISTER, _CONSENT, _RESPONSE = 0x01, 0x02, 0x20
_UNKNOWN_USER, _MAX_CODE = 255, 9999
_REQUESTS = {_REGISTER: "register", _CONSENT: "consent", 3: "delete_data", 4: "list", 5: "delete_user"}
_OUTCOMES = {1: "success", 2: "not_supported", 3: "invalid_parameter", 4: "failed", 5: "not_authorized"}


def register(code: int) -> bytes:
    """Ask for a new slot with this consent code."""
    return bytes((_REGISTER,)) + _code(code)


def consent(user: int, code: int) -> bytes:
    """Ask for a person's data."""
    if not 0 <= user < _UNKNOWN_USER:
        raise ValueError("user: not a slot")
    return bytes((_CONSENT, user)) + _code(code)


def facts_of(topic: str, payload: bytes) -> dict[str, str]:
    """The slot in use, or what the control point answers: `user_consent` is "consent success", with the slot where one is given."""
    reader = Reader(payload)
    if topic.endswith("/2a9a"):
        user = reader.uint(1, "user index")
        reader.end()
        return {} if user == _UNKNOWN_USER else {"user_index": str(user)}
    if reader.uint(1, "operation code") != _RESPONSE:
        raise DecodeError("operation code: not a response")
    request, outcome = reader.uint(1, "request"), reader.uint(1, "response code")
    if request not in _REQUESTS or outcome not in _OUTCOMES:
        raise DecodeError("response: reserved")
    found = {"user_consent": f"{_REQUESTS[request]} {_OUTCOMES[outcome]}"}
    if request == _REGISTER and _OUTCOMES[outcome] == "success":
        found["user_index"] = str(reader.uint(1, "user index"))
    reader.rest()  # a list of users follows where one was asked for
    return found


def _code(code: int) -> bytes:
    if not 0 <= code <= _MAX_CODE:
        raise ValueError("consent code: 0 to 9999")
    return code.to_bytes(2, "little")
