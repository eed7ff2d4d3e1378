"""What a vendor's deviation is: whom it concerns, and what is known of such devices. Data only; decoders and doors act on the facts.

Facts that doors and decoders know, besides those of the formats (`glucose_ceiling_mmol_l`, `bthome_calls` ...):
`ble_bond` = "session": the device forgets its keys, so they are exchanged anew on each connection and dropped afterwards.
`record_memory` = "whole": its record numbers tell nothing, so its whole memory is asked for each time; what is known already is recognised
by its bytes. Numbers that wrap, start again or fall need no deviation (gateway/collect/ble/records.py).
`record_number` = "place": the number is only the place in the memory and changes with each new record, so it is no part of a record's name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase


@dataclass(frozen=True, slots=True, kw_only=True)
class Quirk:
    """One deviation; patterns are those of file names, without regard to case, and each that is given must fit."""

    why: str  # what these devices do, and where it is written
    facts: Mapping[str, str]
    manufacturer: str = ""
    model: str = ""
    name: str = ""  # the advertised name, for devices that say nothing else of themselves

    def __post_init__(self) -> None:
        """Refuse what would fit everything or change nothing."""
        if not (self.manufacturer or self.model or self.name) or not self.facts or not self.why:
            raise ValueError("a deviation needs whom it concerns, what is known, and why")

    def fits(self, manufacturer: str, model: str, name: str) -> bool:
        """Whether a device is one of those."""
        pairs = ((self.manufacturer, manufacturer), (self.model, model), (self.name, name))
        return all(not pattern or fnmatchcase(text.casefold(), pattern.casefold()) for pattern, text in pairs)
