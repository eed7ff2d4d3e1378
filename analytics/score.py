"""NEWS2 (RCP 2017): exact bands; a missing or stale part lowers `known`, never the risk."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

PARTS = ("resp", "spo2", "o2", "sbp", "pulse", "consciousness", "temp")
RESP, SPO2, O2, SBP, PULSE, CONSCIOUSNESS, TEMP = range(7)

# Edges lie half a unit above the last value of a band, so that a value is judged as if rounded half up to the chart's resolution.
# band = number of edges <= x; points of each band beside it.
_RESP = (np.array([8.5, 11.5, 20.5, 24.5]), np.array([3, 1, 0, 2, 3], dtype=np.int8))
_SPO2_1 = (np.array([91.5, 93.5, 95.5]), np.array([3, 2, 1, 0], dtype=np.int8))
_SPO2_2_AIR = (np.array([83.5, 85.5, 87.5]), np.array([3, 2, 1, 0], dtype=np.int8))
_SPO2_2_O2 = (np.array([83.5, 85.5, 87.5, 92.5, 94.5, 96.5]), np.array([3, 2, 1, 0, 1, 2, 3], dtype=np.int8))
_SBP = (np.array([90.5, 100.5, 110.5, 219.5]), np.array([3, 2, 1, 0, 3], dtype=np.int8))
_PULSE = (np.array([40.5, 50.5, 90.5, 110.5, 130.5]), np.array([3, 1, 0, 1, 2, 3], dtype=np.int8))
_TEMP = (np.array([35.05, 36.05, 38.05, 39.05]), np.array([3, 1, 0, 1, 2], dtype=np.int8))
_SPO2_2_SAME_BELOW = 92.5  # scale 2 is the same on air and on oxygen up to here

# Age limits: the observation intervals of a ward at low risk (12 h) are too long for a monitor; spot parts live as long as a round.
MAX_AGE_S = (1800.0, 1800.0, np.inf, 12 * 3600.0, 1800.0, np.inf, 12 * 3600.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class News2:
    """NEWS2 of n residents.

    total int8[n]: sum over the known parts, a lower bound unless known == 7; single3 bool[n]: a known part scores 3;
    known int8[n]: parts known, 0..7 ("partial NEWS2 (k of 7)" below 7; with 0 there is no score at all);
    points int8[n, 7]: per part in the order of PARTS, -1 = cannot tell.
    """

    total: NDArray[np.int8]
    single3: NDArray[np.bool_]
    known: NDArray[np.int8]
    points: NDArray[np.int8]

    @property
    def complete(self) -> NDArray[np.bool_]:
        """bool[n]: all seven parts are known, so that the total may be called the NEWS2."""
        return np.asarray(self.known == len(PARTS))


def news2(parts: NDArray[np.float64], scale: NDArray[np.int8]) -> News2:
    """Score parts float64[n, 7] in the order of PARTS (NaN = missing or stale) with SpO2 scale int8[n] (1 or 2).

    Units: /min, %, 0 air / 1 oxygen, mm[Hg], /min, 0 alert / 1 CVPU, Cel. Any scale other than 2 is scale 1.
    """
    points = np.full(parts.shape, -1, dtype=np.int8)
    for part, band in ((RESP, _RESP), (SBP, _SBP), (PULSE, _PULSE), (TEMP, _TEMP)):
        points[:, part] = _band(parts[:, part], *band)
    points[:, SPO2] = _spo2_points(parts[:, SPO2], parts[:, O2], scale)
    points[:, O2] = np.where(np.isnan(parts[:, O2]), -1, np.where(parts[:, O2] > 0, 2, 0))
    points[:, CONSCIOUSNESS] = np.where(np.isnan(parts[:, CONSCIOUSNESS]), -1, np.where(parts[:, CONSCIOUSNESS] > 0, 3, 0))
    known = points >= 0
    return News2(
        total=np.where(known, points, 0).sum(axis=1, dtype=np.int8),
        single3=(points == 3).any(axis=1),
        known=known.sum(axis=1, dtype=np.int8),
        points=points,
    )


def fresh(parts: NDArray[np.float64], age_s: NDArray[np.float64], max_age_s: tuple[float, ...] = MAX_AGE_S) -> NDArray[np.float64]:
    """Parts float64[n, 7] with NaN wherever age_s float64[n, 7] is beyond the part's limit."""
    return np.where(age_s <= np.asarray(max_age_s), parts, np.nan)


def _band(value: NDArray[np.float64], edges: NDArray[np.float64], points: NDArray[np.int8]) -> NDArray[np.int8]:
    band = points[np.searchsorted(edges, value, side="right").clip(max=len(points) - 1)]
    return np.where(np.isnan(value), np.int8(-1), band)


def _spo2_points(spo2: NDArray[np.float64], o2: NDArray[np.float64], scale: NDArray[np.int8]) -> NDArray[np.int8]:
    second = np.where(o2 > 0, _band(spo2, *_SPO2_2_O2), _band(spo2, *_SPO2_2_AIR))
    # above 92 % the second scale needs to know about oxygen: without it the part cannot be scored
    second = np.where(np.isnan(o2) & (spo2 >= _SPO2_2_SAME_BELOW), np.int8(-1), second)
    return np.where(scale == 2, second, _band(spo2, *_SPO2_1)).astype(np.int8)
