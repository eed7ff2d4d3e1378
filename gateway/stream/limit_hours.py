"""Limits that hold for some hours of the day: when they begin and end, and what becomes of a condition that no limit speaks of any more.

The parameters of the series are set at the first tick in the hours and at the first one after them, so that readings cost nothing and
every run of the journal does the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from analytics.condition import OK, PENDING
from analytics.detect.base import Detector, Window
from devices.codes import BY_KEY, Kind
from gateway.registry import hours
from gateway.registry.view import RegistryView
from gateway.stream.bank import Bank
from gateway.stream.rules import StreamConfig

SIDES: Mapping[str, int] = {"low": -1, "high": +1}


def stands(key: str, cadence_s: float | None) -> bool:
    """Whether a value is true until the next one comes, as of a door that speaks when it is moved."""
    return BY_KEY[key].kind is Kind.STATUS and cadence_s is None and BY_KEY[key].cadence_s is None


class LimitHours:
    """The hours of the view's limits and of the configuration's."""

    def __init__(self, bank: Bank, view: RegistryView, config: StreamConfig) -> None:
        self._bank, self._view, self._config = bank, view, config
        rules = {detector.rule: detector for detector in bank.detectors}
        self._detectors = {side: rules[f"limit.{side}"] for side in SIDES}

    def limited(self, key: str) -> bool:
        """Whether anybody has set a limit of a quantity."""
        return any(limit.quantity == key for limit in self._view.limits.values())

    def quantities(self) -> list[int]:
        """Indices of the quantities that anybody has set a limit of."""
        return sorted({BY_KEY[limit.quantity].index for limit in self._view.limits.values() if limit.quantity in BY_KEY})

    def hold(self, key: str, site_id: str | None, now_ns: int) -> bool:
        """Whether the configuration's limits of a quantity hold now in a site."""
        watch = self._config.watches.get(key)
        if watch is None or not watch.from_local:
            return True
        site = None if site_id is None else self._view.sites.get(site_id)
        return hours.covers(watch.from_local, watch.to_local, hours.zone("UTC" if site is None else site.tz), now_ns)

    def edges(self, now_ns: int) -> list[int]:
        """The next beginning or end of each of the hours in each of the sites' zones."""
        spans = {(limit.from_local, limit.to_local) for limit in self._view.limits.values()}
        spans |= {(watch.from_local, watch.to_local) for watch in self._config.watches.values()}
        zones = {site.tz for site in self._view.sites.values()} | {"UTC"}
        return [hours.next_edge_ns(start, end, hours.zone(tz), now_ns) for start, end in spans if start and end for tz in zones]

    def inapplicable(self, row: int, values: Mapping[str, float]) -> Iterator[Detector]:
        """Detectors whose condition the new limits do not speak of: it must not be said to be over because a value was normal."""
        value = float(self._bank.meta["value"][row])
        for side, sign in SIDES.items():
            old, new = float(self._bank.series[side][row]), values[side]
            state = int(self._bank.states[f"limit.{side}"]["state"][row])
            if state == OK or old == new:
                continue
            safe_from = 0.0 if state == PENDING else -values["hysteresis"]
            if np.isnan(new) or (value - new) * sign <= safe_from:
                yield self._detectors[side]


def standing(bank: Bank, rows: Sequence[int], offset: int, now_ns: int, listened_ns: int) -> Window | None:
    """The values of rows that stand at a tick, as one reading each; None if there are none."""
    index: NDArray[np.int64] = np.unique(np.array(rows, dtype=np.int64))
    hold_ns = bank.series["hold_s"][index] * 1e9
    known = ~np.isnan(bank.meta["value"][index]) & (now_ns - bank.windows.table["last_ns"][index] <= hold_ns)
    index = index[known]
    count = len(index)
    if not count:
        return None
    no = np.zeros(count, dtype=bool)
    return Window(
        rows=index, t_ns=np.full(count, now_ns, dtype=np.int64), value=bank.meta["value"][index],
        key=np.full(count, offset, dtype=np.int64), usable=~no, doubtful=no, beyond=no.astype(np.int8),
        origin=bank.meta["origin"][index], part=np.full(count, -1, dtype=np.int8), params=bank.series, listened_ns=listened_ns,
    )  # fmt: skip
