"""What devices send, as an AsyncAPI document: devices/payloads/asyncapi.yaml with the lists of quantities from the table."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from devices import payloads
from devices.checks import SERIES_KEYS, SINGLE_KEYS, WAVE_KEYS
from devices.codes import BY_KEY

SOURCE = Path(payloads.__path__[0]) / "asyncapi.yaml"


def document() -> str:
    """The whole document as YAML, its lists in the order of the table."""
    text = SOURCE.read_text(encoding="utf-8")
    for name, keys in (("single", SINGLE_KEYS), ("series", SERIES_KEYS), ("wave", WAVE_KEYS)):
        text = text.replace(f"[${name}]", f"[{_listed(keys)}]")
    return text


def _listed(keys: Collection[str]) -> str:
    return ", ".join(key for key in BY_KEY if key in keys)
