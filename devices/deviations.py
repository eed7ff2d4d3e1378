"""The folder devices/quirks is the registry of deviations: facts of a device with what is known of its kind beneath them."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache

from devices import quirks
from devices.model import DeviceFacts
from devices.quirks.base import Quirk


def _load() -> dict[str, Quirk]:
    names = [info.name for info in pkgutil.iter_modules(quirks.__path__) if info.name != "base"]
    return {name: importlib.import_module(f"{quirks.__name__}.{name}").QUIRK for name in names}


QUIRKS = _load()


@lru_cache(maxsize=4096)
def _of_kind(manufacturer: str, model: str, name: str) -> Mapping[str, str]:
    found: dict[str, str] = {}
    for _, quirk in sorted(QUIRKS.items()):
        if quirk.fits(manufacturer, model, name):
            found |= quirk.facts
    return found


def known(facts: Mapping[str, str], model: str = "") -> Mapping[str, str]:
    """A device's facts with those of its kind; what is said of the one device counts more."""
    of_kind = _of_kind(facts.get("manufacturer", ""), facts.get("model", model), facts.get("ble_name", ""))
    return {**of_kind, **facts} if of_kind else facts


def applied(facts: DeviceFacts) -> DeviceFacts:
    """The same for what decoders get."""
    more = known(facts.facts, facts.model)
    return facts if more is facts.facts else replace(facts, facts=dict(more))
