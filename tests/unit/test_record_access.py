from __future__ import annotations

import pytest

from devices.gatt import record_access as racp
from devices.gatt.record_access import Counted, Ended, Outcome, Request, Which
from devices.model import DecodeError


@pytest.mark.parametrize(
    ("request_", "wanted"),
    [
        (racp.count(racp.ALL), "04 01"),
        (racp.count(Which(low=38)), "04 03 01 26 00"),
        (racp.report(racp.ALL), "01 01"),
        (racp.report(Which(low=0)), "01 03 01 00 00"),
        (racp.report(Which(low=0x1234)), "01 03 01 34 12"),
        (racp.report(Which(low=65_535)), "01 03 01 ff ff"),
        (racp.report(Which(high=0x1234)), "01 02 01 34 12"),
        (racp.count(Which(1, 0x1234)), "04 04 01 01 00 34 12"),
        (racp.report_first(), "01 05"),
        (racp.report_last(), "01 06"),
        (racp.abort(), "03 00"),
    ],
)
def test_requests(request_: bytes, wanted: str) -> None:
    assert request_.hex(" ") == wanted


@pytest.mark.parametrize("sequence", [-1, 65_536])
def test_sequence_numbers_have_16_bits(sequence: int) -> None:
    with pytest.raises(ValueError, match="sequence number"):
        racp.report(Which(low=sequence))


@pytest.mark.parametrize(
    ("data", "wanted"),
    [
        ("05 00 28 00", Counted(records=40)),
        ("05 00 ff ff", Counted(records=65_535)),
        ("06 00 01 01", Ended(request=Request.REPORT, outcome=Outcome.SUCCESS)),
        ("06 00 01 06", Ended(request=Request.REPORT, outcome=Outcome.NO_RECORDS)),
        ("06 00 01 03", Ended(request=Request.REPORT, outcome=Outcome.INVALID_OPERATOR)),
        ("06 00 09 02", Ended(request=None, outcome=Outcome.OPCODE_NOT_SUPPORTED)),
        ("06 00 03 07", Ended(request=Request.ABORT, outcome=Outcome.ABORT_UNSUCCESSFUL)),
        ("06 00 04 09", Ended(request=Request.COUNT, outcome=Outcome.OPERAND_NOT_SUPPORTED)),
        ("06 00 01 08", Ended(request=Request.REPORT, outcome=Outcome.NOT_COMPLETED)),
    ],
)
def test_responses(data: str, wanted: Counted | Ended) -> None:
    payload = bytes.fromhex(data)
    assert racp.response(payload) == wanted
    for length in range(len(payload)):
        with pytest.raises(DecodeError):
            racp.response(payload[:length])
    with pytest.raises(DecodeError, match="something follows"):
        racp.response(payload + b"\0")


def test_only_success_and_nothing_to_send_end_a_transfer_well() -> None:
    complete = {outcome for outcome in Outcome if Ended(request=Request.REPORT, outcome=outcome).complete}
    assert complete == {Outcome.SUCCESS, Outcome.NO_RECORDS}


@pytest.mark.parametrize("data", ["01 01", "05 01 28 00", "06 00 01 00", "06 00 01 0a", "", "07 00 01 00"])
def test_what_is_no_response(data: str) -> None:
    with pytest.raises(DecodeError):
        racp.response(bytes.fromhex(data))


def test_every_short_indication_gives_a_response_or_a_decode_error() -> None:
    taken = 0
    for code in range(256):
        for last in range(0x10000):
            if code not in (5, 6) and last > 3:
                break
            try:
                racp.response(bytes((code, 0, last & 0xFF, last >> 8)))
                taken += 1
            except DecodeError:
                pass
    assert taken == 0x10000 + 256 * len(Outcome)
