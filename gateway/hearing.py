"""Who hears which sensor how well: adapters and relaying gateways. The loudest one says in which room a sensor is. In memory only."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from gateway.clock import NS_PER_S

DEVICES = 5_000
LISTENERS = 16  # per device
TOGETHER_S = 30.0  # listeners that heard the latest transmissions are compared, not one that heard something an hour ago
SHARE = 0.3  # of the newest value in the shown strength
SAME_S = 5.0  # what several listeners pass on within this time is one transmission
MESSAGES = 5_000


@dataclass(slots=True)
class Heard:
    """How one listener hears a device: smoothed strength in dBm, time of the latest in UTC ns."""

    dbm: float
    t_ns: int


class Hearing:
    """Strengths by device and listener, and the loudest copy of each relayed message."""

    def __init__(self) -> None:
        self._heard: OrderedDict[str, dict[str, Heard]] = OrderedDict()
        self._loudest: OrderedDict[tuple[str, bytes], tuple[float, int]] = OrderedDict()

    def note(self, device: str, listener: str, dbm: float, t_ns: int) -> None:
        """One transmission as one listener heard it; 127 and other nonsense is no strength."""
        if not -127 <= dbm < 20:
            return
        rows = self._heard.setdefault(device, {})
        self._heard.move_to_end(device)
        known = rows.get(listener)
        if known is None or t_ns - known.t_ns > 10 * TOGETHER_S * NS_PER_S:
            rows[listener] = Heard(float(dbm), t_ns)
        else:
            known.dbm, known.t_ns = known.dbm + SHARE * (dbm - known.dbm), max(known.t_ns, t_ns)
        if len(rows) > LISTENERS:
            del rows[min(rows, key=lambda name: rows[name].t_ns)]
        if len(self._heard) > DEVICES:
            self._heard.popitem(last=False)

    def of(self, device: str) -> dict[str, Heard]:
        """Listeners of a device."""
        return self._heard.get(device, {})

    def nearest(self, device: str) -> str | None:
        """Who hears its latest transmissions best; None where nobody hears it over the air."""
        rows = self.of(device)
        if not rows:
            return None
        newest = max(one.t_ns for one in rows.values())
        present = {name: one for name, one in rows.items() if newest - one.t_ns <= TOGETHER_S * NS_PER_S}
        return max(present, key=lambda name: (present[name].dbm, name))

    def louder(self, device: str, said: bytes, dbm: float, t_ns: int) -> bool:
        """Whether this copy of a relayed message is the loudest so far; it counts as such from now on."""
        key = (device, said)
        known = self._loudest.get(key)
        if known is not None and t_ns - known[1] <= SAME_S * NS_PER_S and dbm <= known[0]:
            return False
        self._loudest[key] = (dbm, t_ns if known is None or t_ns - known[1] > SAME_S * NS_PER_S else known[1])
        self._loudest.move_to_end(key)
        if len(self._loudest) > MESSAGES:
            self._loudest.popitem(last=False)
        return True
