"""Whether readings come as a stream: what the series really does decides, not what its quantity is meant for.

A wearable tells a temperature every 30 s, a thermometer twice a day. A series is a stream while at least MANY of its readings in a row are
at most a minute apart, or where the registry says that the device sends so often. A few tries in a row stay readings of their own. What a
device had in its memory is judged apart from what is live. The state is in memory: after a restart the first readings go one by one.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from devices.codes import QUANTITIES
from gateway.clock import NS_PER_S
from gateway.readings import Mark, ReadingBlock
from gateway.registry.view import RegistryView

APART_NS = 60 * NS_PER_S
MANY = 5
MAX_SERIES = 50_000  # beyond it the series that came first are forgotten: they begin again one by one

Series = tuple[str, int, bool, int]  # device, quantity, stored, origin


class Pace:
    """The newest time and the length of the run of each series."""

    def __init__(self) -> None:
        self._runs: dict[Series, tuple[int, int]] = {}

    def streams(self, block: ReadingBlock, rows: NDArray[np.intp], view: RegistryView) -> NDArray[np.bool_]:
        """For each of `rows` of the block, bool[len(rows)]: whether it is part of a stream."""
        found = np.zeros(len(rows), np.bool_)
        if not len(rows):
            return found
        stored = (block.mark[rows] & int(Mark.STORED)) != 0
        device, quantity, times = block.device[rows], block.quantity[rows], block.t_measured_ns[rows]
        origin = block.origin[rows]
        order = np.lexsort((times, origin, stored, quantity, device))
        keys = np.stack([device, quantity, stored, origin], axis=1)[order]
        starts = np.flatnonzero(np.r_[True, (keys[1:] != keys[:-1]).any(axis=1)])
        for start, end in zip(starts.tolist(), [*starts[1:].tolist(), len(rows)], strict=True):
            members = order[start:end]
            one = keys[start].tolist()
            series = (block.devices[one[0]], one[1], bool(one[2]), one[3])
            found[members] = self._follow(series, times[members]) | declared(view, series)
        return found

    def _follow(self, series: Series, times: NDArray[np.int64]) -> NDArray[np.bool_]:
        """bool[n] for the times of one series, int64 ns ascending; a run that becomes long enough counts from its first one here."""
        last_ns, before = self._runs.pop(series, (None, 0))
        breaks = np.r_[last_ns is None or abs(int(times[0]) - last_ns) > APART_NS, np.diff(times) > APART_NS]
        run = np.cumsum(breaks)
        lengths = np.bincount(run)
        if not breaks[0]:
            lengths[0] += before
        self._runs[series] = (int(times[-1]), int(lengths[-1]))
        if len(self._runs) > MAX_SERIES:
            del self._runs[next(iter(self._runs))]
        return np.asarray(lengths[run] >= MANY)


def declared(view: RegistryView, series: Series) -> bool:
    """Whether the registry says that the device sends the quantity at least once a minute."""
    device = view.devices.get(series[0])
    cadence_s = None if device is None else device.cadence_s.get(QUANTITIES[series[1]].key)
    return cadence_s is not None and cadence_s * NS_PER_S <= APART_NS
