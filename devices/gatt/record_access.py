"""Record Access Control Point (0x2A52) of the services that keep records (glucose, pulse oximeter): requests out, responses in.

Pure encoding and decoding: the collector owns the procedure. Deleting is left out on purpose: a device's memory is never ours to clear.
A procedure ends with its response only; numbers of records are 16 bits.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from devices.medfloat import Reader
from devices.model import DecodeError

CHARACTERISTIC = "2a52"

_REPORT, _ABORT, _COUNT, _COUNT_RESPONSE, _RESPONSE = 1, 3, 4, 5, 6
_NULL, _ALL, _UP_TO, _FROM, _RANGE, _FIRST, _LAST = 0, 1, 2, 3, 4, 5, 6
_BY_SEQUENCE = 1
MAX_SEQUENCE = 0xFFFF


class Outcome(IntEnum):
    """Response codes."""

    SUCCESS = 1
    OPCODE_NOT_SUPPORTED = 2
    INVALID_OPERATOR = 3
    OPERATOR_NOT_SUPPORTED = 4
    INVALID_OPERAND = 5
    NO_RECORDS = 6
    ABORT_UNSUCCESSFUL = 7
    NOT_COMPLETED = 8
    OPERAND_NOT_SUPPORTED = 9


class Request(IntEnum):
    """What a response answers."""

    REPORT = _REPORT
    DELETE = 2
    ABORT = _ABORT
    COUNT = _COUNT


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """How many records the device holds of those asked for."""

    records: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """The end of a procedure, good or bad; `request` is None for an operation code that is none of ours."""

    request: Request | None
    outcome: Outcome

    @property
    def complete(self) -> bool:
        """Whether everything asked for has been sent (there may have been nothing)."""
        return self.outcome in (Outcome.SUCCESS, Outcome.NO_RECORDS)


@dataclass(frozen=True, slots=True)
class Which:
    """The records asked for, by number, both ends included; None = open. Meters must know all and "from", the rest is up to them."""

    low: int | None = None
    high: int | None = None

    def encoded(self) -> bytes:
        """Operator and operand."""
        if self.low is None and self.high is None:
            return bytes((_ALL,))
        if self.high is None:
            return bytes((_FROM, _BY_SEQUENCE)) + _operand(self.low)
        if self.low is None:
            return bytes((_UP_TO, _BY_SEQUENCE)) + _operand(self.high)
        return bytes((_RANGE, _BY_SEQUENCE)) + _operand(self.low) + _operand(self.high)


ALL = Which()


def count(which: Which) -> bytes:
    """Report the number of these records."""
    return bytes((_COUNT,)) + which.encoded()


def report(which: Which) -> bytes:
    """Report these records."""
    return bytes((_REPORT,)) + which.encoded()


def report_first() -> bytes:
    """Report the oldest record."""
    return bytes((_REPORT, _FIRST))


def report_last() -> bytes:
    """Report the newest record."""
    return bytes((_REPORT, _LAST))


def abort() -> bytes:
    """Stop the procedure that runs."""
    return bytes((_ABORT, _NULL))


def response(payload: bytes) -> Counted | Ended:
    """An indication of the control point; DecodeError for what is none."""
    reader = Reader(payload)
    code, operator = reader.uint(1, "operation code"), reader.uint(1, "operator")
    if operator != _NULL:
        raise DecodeError("operator: not null in a response")
    if code == _COUNT_RESPONSE:
        records = reader.uint(2, "number of records")
        reader.end()
        return Counted(records=records)
    if code != _RESPONSE:
        raise DecodeError("operation code: not a response")
    request, outcome = reader.uint(1, "request"), reader.uint(1, "response code")
    reader.end()
    if outcome not in set(Outcome):
        raise DecodeError("response code: reserved")
    return Ended(request=Request(request) if request in set(Request) else None, outcome=Outcome(outcome))


def _operand(sequence: int | None) -> bytes:
    if sequence is None or not 0 <= sequence <= MAX_SEQUENCE:
        raise ValueError("sequence number: not 16 bits")
    return sequence.to_bytes(2, "little")
