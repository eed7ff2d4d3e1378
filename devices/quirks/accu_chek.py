"""Accu-Chek meters show HI above 33.3 mmol/L and LO below 0.6."""

from devices.quirks.base import Quirk

QUIRK = Quirk(
    why="range of measurement in the meters' instructions for use (10 to 600 mg/dL, 0.6 to 33.3 mmol/L); HI and LO come as infinities",
    manufacturer="roche*",
    facts={"glucose_ceiling_mmol_l": "33.3", "glucose_floor_mmol_l": "0.6"},
)
