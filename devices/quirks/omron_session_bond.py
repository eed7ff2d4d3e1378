"""Omron's cuffs of the older protocol advertise as BLEsmart_ and forget their keys after each session."""

from devices.quirks.base import Quirk

QUIRK = Quirk(
    why="hass-omron issues 83, 108 and 109: an old key ends in AuthenticationFailed; pair before anything else, remove the bond afterwards",
    name="blesmart_*",
    facts={"ble_bond": "session"},
)
