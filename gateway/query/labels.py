"""Names of quantities and units for people, straight from the quantity table: no list of them is kept anywhere else."""

from __future__ import annotations

from collections.abc import Mapping

from devices.codes import QUANTITIES


def labels(lang: str) -> Mapping[str, str]:
    """`quantity.<key>` in a language (zh or en), and `unit.<ucum>` as it is written in UCUM where screens have no shorter word."""
    names = {f"quantity.{row.key}": row.zh if lang == "zh" else row.en for row in QUANTITIES}
    return names | {f"unit.{row.ucum}": row.ucum for row in QUANTITIES}
