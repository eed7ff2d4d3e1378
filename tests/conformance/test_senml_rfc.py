"""The examples of RFC 8428, sections 5 and 6, resolved; written down from the RFC, not made by any encoder of ours."""

from __future__ import annotations

import json
from typing import Any

import pytest

from devices.payloads.senml import Record, resolve

OW = "urn:dev:ow:10e2073a01080063"
OW6 = "urn:dev:ow:10e2073a0108006:"

SINGLE = '[{"n":"urn:dev:ow:10e2073a01080063","u":"Cel","v":23.1}]'
TWO = '[{"bn":"urn:dev:ow:10e2073a01080063:","n":"voltage","u":"V","v":120.1},{"n":"current","u":"A","v":1.2}]'
SEVEN = """[
  {"bn":"urn:dev:ow:10e2073a0108006:","bt":1.276020076001e+09,
   "bu":"A","bver":5,
   "n":"voltage","u":"V","v":120.1},
  {"n":"current","t":-5,"v":1.2},
  {"n":"current","t":-4,"v":1.3},
  {"n":"current","t":-3,"v":1.4},
  {"n":"current","t":-2,"v":1.5},
  {"n":"current","t":-1,"v":1.6},
  {"n":"current","v":1.7}
]"""
SEVEN_CBOR = """
87 a7 21 78 1b 75 72 6e 3a 64 65 76 3a 6f 77 3a 31 30 65 32 30 37 33 61 30 31 30 38 30 30 36 3a
22 fb 41 d3 03 a1 5b 00 10 62 23 61 41 20 05 00 67 76 6f 6c 74 61 67 65 01 61 56 02 fb 40 5e 06
66 66 66 66 66 a3 00 67 63 75 72 72 65 6e 74 06 24 02 fb 3f f3 33 33 33 33 33 33 a3 00 67 63 75
72 72 65 6e 74 06 23 02 fb 3f f4 cc cc cc cc cc cd a3 00 67 63 75 72 72 65 6e 74 06 22 02 fb 3f
f6 66 66 66 66 66 66 a3 00 67 63 75 72 72 65 6e 74 06 21 02 f9 3e 00 a3 00 67 63 75 72 72 65 6e
74 06 20 02 fb 3f f9 99 99 99 99 99 9a a3 00 67 63 75 72 72 65 6e 74 06 00 02 fb 3f fb 33 33 33
33 33 33
"""
SEVEN_RESOLVED = [Record(OW6 + "voltage", "V", 1276020076.001, 120.1)] + [
    Record(OW6 + "current", "A", 1276020076.001 + t, v)
    for t, v in ((-5, 1.2), (-4, 1.3), (-3, 1.4), (-2, 1.5), (-1, 1.6), (0, 1.7))
]
HUMIDITY = """[
  {"bn":"urn:dev:ow:10e2073a01080063","bt":1.320067464e+09,"bu":"%RH","v":20},
  {"u":"lon","v":24.30621},
  {"u":"lat","v":60.07965},
  {"t":60,"v":20.3},
  {"u":"lon","t":60,"v":24.30622},
  {"u":"lat","t":60,"v":60.07965},
  {"t":120,"v":20.7},
  {"u":"lon","t":120,"v":24.30623},
  {"u":"lat","t":120,"v":60.07966},
  {"u":"%EL","t":150,"v":98},
  {"t":180,"v":21.2},
  {"u":"lon","t":180,"v":24.30628},
  {"u":"lat","t":180,"v":60.07967}
]"""
HUMIDITY_RESOLVED = """[
  {"n":"urn:dev:ow:10e2073a01080063","u":"%RH","t":1.320067464e+09,"v":20},
  {"n":"urn:dev:ow:10e2073a01080063","u":"lon","t":1.320067464e+09,"v":24.30621},
  {"n":"urn:dev:ow:10e2073a01080063","u":"lat","t":1.320067464e+09,"v":60.07965},
  {"n":"urn:dev:ow:10e2073a01080063","u":"%RH","t":1.320067524e+09,"v":20.3},
  {"n":"urn:dev:ow:10e2073a01080063","u":"lon","t":1.320067524e+09,"v":24.30622},
  {"n":"urn:dev:ow:10e2073a01080063","u":"lat","t":1.320067524e+09,"v":60.07965},
  {"n":"urn:dev:ow:10e2073a01080063","u":"%RH","t":1.320067584e+09,"v":20.7},
  {"n":"urn:dev:ow:10e2073a01080063","u":"lon","t":1.320067584e+09,"v":24.30623},
  {"n":"urn:dev:ow:10e2073a01080063","u":"lat","t":1.320067584e+09,"v":60.07966},
  {"n":"urn:dev:ow:10e2073a01080063","u":"%EL","t":1.320067614e+09,"v":98},
  {"n":"urn:dev:ow:10e2073a01080063","u":"%RH","t":1.320067644e+09,"v":21.2},
  {"n":"urn:dev:ow:10e2073a01080063","u":"lon","t":1.320067644e+09,"v":24.30628},
  {"n":"urn:dev:ow:10e2073a01080063","u":"lat","t":1.320067644e+09,"v":60.07967}
]"""
TYPES = """[
  {"bn":"urn:dev:ow:10e2073a01080063:","n":"temp","u":"Cel","v":23.1},
  {"n":"label","vs":"Machine Room"},
  {"n":"open","vb":false},
  {"n":"nfc-reader","vd":"aGkgCg"}
]"""
RESOURCES = """[
  {"bn":"2001:db8::2/","bt":1.320078429e+09,"n":"temperature","u":"Cel","v":25.2},
  {"n":"humidity","u":"%RH","v":30},
  {"bn":"2001:db8::1/","n":"temperature","u":"Cel","v":12.3},
  {"n":"humidity","u":"%RH","v":67}
]"""
ACTUATOR = '[{"bn":"urn:dev:ow:10e2073a01080063:"},{"n":"temp","u":"Cel","v":23.1},{"n":"heat","u":"/","v":1},{"n":"fan","u":"/","v":0}]'
LIGHTS = '[{"bt":1.320078429e+09,"bu":"/","n":"2001:db8::3","v":1},{"n":"2001:db8::4","v":1}]'


def test_single_datapoint() -> None:
    assert resolve(SINGLE.encode()) == [Record(OW, "Cel", 0.0, 23.1)]


def test_two_datapoints() -> None:
    assert resolve(TWO.encode()) == [Record(OW + ":voltage", "V", 0.0, 120.1), Record(OW + ":current", "A", 0.0, 1.2)]


@pytest.mark.parametrize("payload", [SEVEN.encode(), bytes.fromhex(SEVEN_CBOR)], ids=["json", "cbor of section 6"])
def test_five_seconds_of_current(payload: bytes) -> None:
    assert resolve(payload) == SEVEN_RESOLVED


def test_multiple_measurements_equal_the_resolved_form() -> None:
    wanted: list[dict[str, Any]] = json.loads(HUMIDITY_RESOLVED)
    found = resolve(HUMIDITY.encode())
    assert found == [Record(entry["n"], entry["u"], entry["t"], entry["v"]) for entry in wanted]
    assert resolve(HUMIDITY_RESOLVED.encode()) == found


def test_data_types() -> None:
    assert resolve(TYPES.encode()) == [
        Record(OW + ":temp", "Cel", 0.0, 23.1),
        Record(OW + ":label", None, 0.0, "Machine Room"),
        Record(OW + ":open", None, 0.0, False),
        Record(OW + ":nfc-reader", None, 0.0, b"aGkgCg"),
    ]


def test_collection_of_resources() -> None:
    t_s = 1320078429.0
    assert resolve(RESOURCES.encode()) == [
        Record("2001:db8::2/temperature", "Cel", t_s, 25.2),
        Record("2001:db8::2/humidity", "%RH", t_s, 30.0),
        Record("2001:db8::1/temperature", "Cel", t_s, 12.3),
        Record("2001:db8::1/humidity", "%RH", t_s, 67.0),
    ]


def test_bases_alone_and_actuators() -> None:
    assert [(record.name, record.unit, record.value) for record in resolve(ACTUATOR.encode())] == [
        (OW + ":temp", "Cel", 23.1), (OW + ":heat", "/", 1.0), (OW + ":fan", "/", 0.0),
    ]  # fmt: skip
    assert [record.t_s for record in resolve(LIGHTS.encode())] == [1320078429.0, 1320078429.0]


def test_sums_and_base_sums() -> None:
    pack = '[{"bn":"meter","bs":100,"bu":"W","s":5},{"v":2,"s":6},{"bs":0,"v":3}]'
    assert resolve(pack.encode()) == [
        Record("meter", "W", 0.0, None, 105.0), Record("meter", "W", 0.0, 2.0, 106.0), Record("meter", "W", 0.0, 3.0),
    ]  # fmt: skip
