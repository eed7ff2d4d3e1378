"""What the larger views share: the parts they read from, the record of looks, the present, and the alerts of one person."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import apsw

from gateway.alerts.records import cases
from gateway.query.looks import Looks
from gateway.query.shape import NS_PER_MS
from gateway.query.wall import Present, Tile
from gateway.registry.view import RegistryView, Resident
from gateway.vocabulary import AlertKind, AlertView, Origin

if TYPE_CHECKING:
    from gateway.query.door import Parts

MAX_CASES = 2_000
DEFAULT_TZ = "Asia/Shanghai"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """Everything a view needs to read; made by the read door."""

    parts: Parts
    looks: Looks
    present: Present
    registry: Callable[[], RegistryView]

    @property
    def view(self) -> RegistryView:
        """The registry at the committed head."""
        return self.registry()

    @property
    def history(self) -> Any:
        """gateway.history.sqlite.History, or None where nothing is kept."""
        return self.parts.history() if self.parts.history is not None else None

    def now_ns(self) -> int:
        """UTC now."""
        return self.parts.clock.now_ns()

    def tz_of(self, resident: Resident) -> str:
        """Time zone of the person's site."""
        site = self.view.sites.get(resident.place.site_id)
        return DEFAULT_TZ if site is None else site.tz

    def tile(self, resident_id: str, now_ns: int) -> Tile | None:
        """The person's place with the sources of now."""
        return self.present.tile_of(self.view, resident_id, now_ns)

    async def alerts_of(self, resident_id: str, since_ns: int, until_ns: int) -> list[AlertView]:
        """Alerts about the person that were open at any time in [since, until], oldest first; drills of others' making are left out."""
        view = self.view
        own = view.records_of(resident_id)

        def read(conn: apsw.Connection) -> list[AlertView]:
            found = []
            for owner in own:
                found += [case.view for case in cases(conn, _ABOUT, (owner, until_ns, since_ns, MAX_CASES))]
            return sorted(found, key=lambda alert: alert.raised_ns)

        origins = {view.devices[device].origin for device in view.devices_of(resident_id, until_ns) if device in view.devices}
        return [alert for alert in await self.parts.db.read(read) if _real(alert, origins)]


_ABOUT = """
    SELECT body FROM alerts
    WHERE subject = ? AND raised_ns < ? AND (open = 1 OR coalesce(resolved_ns, last_ns) >= ?) ORDER BY raised_ns DESC LIMIT ?
"""


def _real(alert: AlertView, origins: set[int]) -> bool:
    """A drill or a replay is no event of somebody whose devices are real; where all are simulated (a demo) everything is."""
    return alert.origin is Origin.LIVE or (Origin.LIVE not in origins and alert.origin is not Origin.TEST)


def about_people(alerts: Sequence[AlertView]) -> list[AlertView]:
    """Without the faults of devices."""
    return [alert for alert in alerts if alert.kind is not AlertKind.TECHNICAL]


def to_ms(t_ns: int) -> int:
    """UTC nanoseconds as milliseconds."""
    return t_ns // NS_PER_MS
