"""What a person reads beside a number; the code is always UCUM."""

from __future__ import annotations

from typing import Any

from gateway.ehr.fhir.common import UCUM, number

SHOWN = {
    "zh": {
        "/min": "次/分",
        "mm[Hg]": "mmHg",
        "Cel": "℃",
        "{steps}": "步",
        "min": "分钟",
        "d": "天",
        "{score}": "分",
        "{dBm}": "dBm",
        "1": "",
    },
    "en": {"/min": "/min", "mm[Hg]": "mmHg", "Cel": "°C", "{steps}": "steps", "d": "d", "{score}": "points", "{dBm}": "dBm"},
}


def quantity(value: float, code: str, language: str, comparator: str = "") -> dict[str, Any]:
    """A Quantity in UCUM."""
    made: dict[str, Any] = {"value": number(value)}
    if comparator:
        made["comparator"] = comparator
    shown = SHOWN.get(language, {}).get(code, code)
    if code != "1":
        made["unit"] = shown
    return {**made, "system": UCUM, "code": code}
