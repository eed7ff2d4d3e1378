"""Stored records and their access control point as a meter's firmware does them."""

from __future__ import annotations

import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

REPORT, DELETE, ABORT, COUNT, COUNT_RESPONSE, RESPONSE = 1, 2, 3, 4, 5, 6
NULL, ALL, UP_TO, FROM, RANGE, FIRST, LAST = 0, 1, 2, 3, 4, 5, 6
SUCCESS, BAD_OPCODE, BAD_OPERATOR, OPERATOR_UNSUPPORTED, BAD_OPERAND, NO_RECORDS, ABORT_FAILED = 1, 2, 3, 4, 5, 6, 7
BY_SEQUENCE = 1
KEPT = 2_000  # of requests, for tests to look at

SendRecord = Callable[["Record"], Awaitable[None]]
Indicate = Callable[[bytes], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Record:
    """One record as the device would send it, with its context if it has one."""

    sequence: int
    measurement: bytes
    context: bytes | None = None


@dataclass(slots=True)
class Memory:
    """What the device holds, oldest first; nothing leaves it but by a delete request."""

    records: list[Record] = field(default_factory=list)
    requests: list[bytes] = field(default_factory=list)
    sent: list[int] = field(default_factory=list)  # sequence numbers in the order in which they went out
    may_delete: bool = False
    aborted: bool = False
    newest_first: bool = False  # the order in which it reports
    forgets: bool = False  # deletes what it has reported, as soon as that is over
    unknown: frozenset[int] = frozenset()  # operators that its firmware does not know

    def select(self, operator: int, operand: bytes) -> list[Record] | int:
        """The records that a filter names, in the order in which they are told, or the response code that refuses it."""
        if operator in self.unknown:
            return OPERATOR_UNSUPPORTED
        found = self._named(operator, operand)
        return found[::-1] if self.newest_first and not isinstance(found, int) else found

    def _named(self, operator: int, operand: bytes) -> list[Record] | int:
        if operator in (ALL, FIRST, LAST):
            if operand:
                return BAD_OPERAND
            return {ALL: self.records, FIRST: self.records[:1], LAST: self.records[-1:]}[operator]
        if operator == NULL:
            return BAD_OPERATOR
        if operator not in (UP_TO, FROM, RANGE):
            return OPERATOR_UNSUPPORTED
        size = 5 if operator == RANGE else 3
        if len(operand) != size or operand[0] != BY_SEQUENCE:
            return BAD_OPERAND
        low, high = 0, 0xFFFF
        if operator == FROM:
            (low,) = struct.unpack_from("<H", operand, 1)
        elif operator == UP_TO:
            (high,) = struct.unpack_from("<H", operand, 1)
        else:
            low, high = struct.unpack_from("<HH", operand, 1)
        if low > high:
            return BAD_OPERAND
        return [record for record in self.records if low <= record.sequence <= high]


async def serve(memory: Memory, request: bytes, send: SendRecord, indicate: Indicate) -> None:
    """Carry out one request; the answer is indicated when it is over."""
    memory.requests.append(request)
    del memory.requests[:-KEPT]
    opcode, operator = (request[0], request[1]) if len(request) >= 2 else (request[0] if request else 0, 0xFF)
    operand = request[2:]
    if opcode == ABORT:
        memory.aborted = True
        await indicate(bytes((RESPONSE, NULL, ABORT, SUCCESS)))
        return
    if opcode not in (REPORT, COUNT) and not (opcode == DELETE and memory.may_delete):
        await indicate(bytes((RESPONSE, NULL, opcode, BAD_OPCODE)))
        return
    found = memory.select(operator, operand)
    if isinstance(found, int):
        await indicate(bytes((RESPONSE, NULL, opcode, found)))
    elif opcode == COUNT:
        await indicate(struct.pack("<BBH", COUNT_RESPONSE, NULL, min(0xFFFF, len(found))))
    elif not found:
        await indicate(bytes((RESPONSE, NULL, opcode, NO_RECORDS)))
    else:
        await _carry_out(memory, opcode, list(found), send, indicate)


async def _carry_out(memory: Memory, opcode: int, found: list[Record], send: SendRecord, indicate: Indicate) -> None:
    memory.aborted = False
    if opcode == DELETE:
        gone = {record.sequence for record in found}
        memory.records = [record for record in memory.records if record.sequence not in gone]
    else:
        for record in found:
            if memory.aborted:
                return  # the abort has been answered
            await send(record)
            memory.sent.append(record.sequence)
            del memory.sent[:-100_000]
        if memory.forgets:
            memory.records = [record for record in memory.records if record not in found]
    await indicate(bytes((RESPONSE, NULL, opcode, SUCCESS)))
