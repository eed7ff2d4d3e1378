"""What a reading's quality word means for detection."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from analytics.detect.base import FAULTS
from devices.model import Quality

SPEECHLESS = int(Quality.NOT_WORN | Quality.LEAD_OFF | Quality.SENSOR_ERROR | Quality.CUFF_ERROR | Quality.CONTROL_SOLUTION)
DOUBTFUL = int(Quality.MOTION | Quality.LOW_PERFUSION)
WAVE, ABOVE, BELOW = int(Quality.WAVE), int(Quality.ABOVE_RANGE), int(Quality.BELOW_RANGE)
_FAULTS = tuple((int(Quality[name.upper()]), index) for index, name in enumerate(FAULTS) if name)
_FAULTY = sum(bit for bit, _ in _FAULTS)


def faults(quality: NDArray[np.uint16]) -> NDArray[np.uint8] | None:
    """What devices say is wrong with them, uint8[n] by FAULTS; None = nothing."""
    if not (quality & _FAULTY).any():
        return None
    fault = np.zeros(len(quality), np.uint8)
    for bit, index in reversed(_FAULTS):  # the first of the list speaks where there are several
        fault[(quality & bit) != 0] = index
    return fault
