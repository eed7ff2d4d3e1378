"""Glucose report of the five published people, against the definitions written out number by number."""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from analytics.glucose import PERCENTILES, profile, summary
from tests.evaluate._frame import Row, row
from tests.support import data_dir

WHAT = "glucose report: largest difference to the definitions, over five people with a Dexcom G4"
DATA = ("iglu_example",)
REACH = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class Wearer:
    """Minutes of the day and mg/dL of one person."""

    name: str
    minute: list[int]
    mgdl: list[float]


def load(folder: Path) -> list[Wearer]:
    """All people of the file."""
    found: dict[str, Wearer] = {}
    with (folder / "example_data_5_subject.csv").open(encoding="utf-8") as file:
        for line in csv.DictReader(file):
            if line["gl"] in ("", "NA"):
                continue
            wearer = found.setdefault(line["id"], Wearer(name=line["id"], minute=[], mgdl=[]))
            hours, minutes = line["time"].split(" ")[1].split(":")[:2]
            wearer.minute.append(int(hours) * 60 + int(minutes))
            wearer.mgdl.append(float(line["gl"]))
    return list(found.values())


def twin(mgdl: list[float]) -> dict[str, float]:
    """The definitions, one number after the other."""
    n = len(mgdl)
    mean = math.fsum(mgdl) / n
    sd = math.sqrt(math.fsum((g - mean) ** 2 for g in mgdl) / (n - 1))
    found = {"mean": mean, "sd": sd, "cv": sd / mean * 100, "gmi": 3.31 + 0.02392 * mean}
    found["very_low"] = 100 * len([g for g in mgdl if g < 54]) / n
    found["low"] = 100 * len([g for g in mgdl if g < 70]) / n
    found["in_range"] = 100 * len([g for g in mgdl if 70 <= g <= 180]) / n
    found["high"] = 100 * len([g for g in mgdl if g > 180]) / n
    found["very_high"] = 100 * len([g for g in mgdl if g > 250]) / n
    low, high = [], []
    for g in mgdl:
        f = 1.509 * (math.log(g) ** 1.084 - 5.381)
        low.append(10 * f * f if f < 0 else 0.0)
        high.append(10 * f * f if f > 0 else 0.0)
    return found | {"lbgi": math.fsum(low) / n, "hbgi": math.fsum(high) / n}


def percentile(values: list[float], share: float) -> float:
    """Linear between the closest ranks."""
    ordered = sorted(values)
    at = (len(ordered) - 1) * share / 100
    below = math.floor(at)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (at - below) * (ordered[above] - ordered[below])


def profile_twin(minute: list[int], mgdl: list[float]) -> list[list[float]]:
    """Percentiles of each quarter of an hour with its neighbours."""
    found = []
    for slot in range(96):
        near = [g for m, g in zip(minute, mgdl, strict=True) if (m // 15 - slot) % 96 in (95, 0, 1)]
        found.append([percentile(near, share) for share in PERCENTILES] if len(near) >= 3 else [math.nan] * 5)
    return found


def table() -> list[Row]:
    """Largest difference per metric over all people."""
    worst: dict[str, float] = {}
    people = load(data_dir() / DATA[0])
    for wearer in people:
        ours = summary(np.array(wearer.mgdl))
        for name, value in twin(wearer.mgdl).items():
            worst[name] = max(worst.get(name, 0.0), abs(getattr(ours, name) - value))
        drawn = profile(np.array(wearer.minute), np.array(wearer.mgdl))
        slow = np.array(profile_twin(wearer.minute, wearer.mgdl))
        same = (np.isnan(drawn) == np.isnan(slow)).all()
        worst["profile"] = max(worst.get("profile", 0.0), float(np.nanmax(np.abs(drawn - slow))) if same else math.inf)
    note = f"{len(people)} people, {sum(len(wearer.mgdl) for wearer in people)} values"
    return [row(f"{name}: largest difference", value, at_most=REACH, note=note) for name, value in worst.items()]
