"""TaiDoc's glucose meter numbers its records from the newest on: the number is a place and no name."""

from devices.quirks.base import Quirk

QUIRK = Quirk(
    why="record 0 is always the newest, as xDrip's reader of Bluetooth meters found (behaviour, not its code)",
    manufacturer="taidoc*",
    model="*dm30b*",
    facts={"record_memory": "whole", "record_number": "place"},
)
