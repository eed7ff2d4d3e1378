"""The event log as the screens hear it: alert transitions with the alert, changes of the registry, and what ends a stream."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from gateway.access import Action, FieldClass
from gateway.alerts.records import view_from_dict
from gateway.clock import Clock
from gateway.events import EventRow, Events
from gateway.query.asker import Asker, Reach, alert_scope, may, reach_of
from gateway.query.shape import alert_json
from gateway.query.wall import Present, Tile, Vitals, tail
from gateway.registry.view import KINDS, RegistryView
from gateway.vocabulary import AlertView, Role

SHARE = 64  # beds looked at in one go
_RECHECK = ("user.", "consent.", "session.")
_DESK = ("silence.", "handover.")  # the screens read these anew; what changed is not told
_SILENT = ("user.", "consent.", "policy.", "limit.")  # of the registry, but nothing that a wall shows


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedItem:
    """One event for the screens; `event` empty = only moves the cursor."""

    offset: int
    event: str = ""
    data: dict[str, Any] | None = None
    alert: AlertView | None = None
    rechecks: bool = False  # sessions and consents may have changed: every stream asks again


class Feed:
    """Reads the log once for all clients; knows which beds changed since when."""

    def __init__(
        self, events: Events, registry: Any, present: Present, clock: Clock, faults: Callable[[Asker], list[dict[str, Any]]]
    ) -> None:
        self._events = events
        self._registry = registry
        self._present = present
        self._clock = clock
        self._faults = faults
        self._revision = 0
        self._beds: dict[str, tuple[int, Tile, Vitals]] = {}
        self._tails: dict[str, list[tuple[int, dict[str, list[float | None]]]]] = {}
        self._rendered: dict[tuple[Reach, int], list[dict[str, Any]]] = {}
        self._reaches: dict[str, tuple[int, int, Asker, Reach]] = {}

    @property
    def view(self) -> RegistryView:
        """The registry at the committed head."""
        view: RegistryView = self._registry.view
        return view

    @property
    def lineage(self) -> str:
        """Lineage of the event log."""
        return self._events.lineage

    @property
    def head(self) -> int:
        """Offset of the last committed event."""
        return self._events.head

    def faults(self, asker: Asker) -> list[dict[str, Any]]:
        """What is wrong with the gateway now, for those who may know."""
        return self._faults(asker)

    async def wait(self, after: int, timeout_s: float) -> int:
        """The head, once it is beyond `after` or the time is over."""
        return await self._events.wait(after, timeout_s)

    async def read(self, after: int, upto: int, limit: int) -> Sequence[FeedItem]:
        """Items of the events in (after, upto], oldest first."""
        rows = await self._events.read(after, limit, upto)
        last_registry = max((row.offset for row in rows if _shows(row.kind)), default=0)
        last_recheck = max((row.offset for row in rows if row.kind.startswith(_RECHECK) or row.kind in KINDS), default=0)
        return [self._item(row, last_registry, last_recheck) for row in rows]

    def visible(self, asker: Asker, item: FeedItem) -> bool:
        """Whether this person may hear of it. Families never hear an alert as it is: they read how things are handled, in calm words."""
        if asker.role is Role.FAMILY:
            return False
        if item.alert is not None:
            return may(asker, Action.READ, alert_scope(self.view, item.alert), FieldClass.ALERTS)
        return item.event == "registry" or (item.event == "desk" and asker.role is not Role.ADMIN)

    def scope(self, asker: Asker) -> Reach:
        """The person's reach now; computed anew once per second, or when the registry or the person changed."""
        view, second = self.view, self._clock.now_ns() // 1_000_000_000
        known = self._reaches.get(asker.id)
        if known is not None and known[0] == view.offset and known[1] == second and known[2] == asker:
            return known[3]
        reach = reach_of(view, asker)
        if len(self._reaches) > 10_000:
            self._reaches.clear()
        self._reaches[asker.id] = (view.offset, second, asker, reach)
        return reach

    async def refresh_vitals(self) -> None:
        """Look at all beds once; what changed gets the next revision."""
        now_ns = self._clock.now_ns()
        revision = self._revision + 1
        changed: dict[str, tuple[int, Tile, Vitals]] = {}
        seen = set()
        for index, tile in enumerate(self._present.tiles(self.view, now_ns)):
            if index % SHARE == SHARE - 1:
                await asyncio.sleep(0)  # alarms come first: no more than a few milliseconds at a time
            seen.add(tile.bed_id)
            vitals = self._present.vitals(tile, now_ns)
            known = self._beds.get(tile.bed_id)
            if known is not None and known[1] == tile and known[2] == vitals:
                continue
            same_person = known is not None and known[1].resident == tile.resident
            new = tail(known[2].spark if known is not None and same_person else {}, vitals.spark)
            changed[tile.bed_id] = (revision, tile, vitals)
            self._tails[tile.bed_id] = [*self._tails.get(tile.bed_id, [])[-9:], (revision, new)]
        self._beds.update(changed)
        for gone in self._beds.keys() - seen:
            del self._beds[gone]
            del self._tails[gone]
        # Last and without a pause: a client that asks meanwhile gets the former revision whole.
        self._revision = revision
        self._rendered.clear()

    def vitals(self, reach: Reach, since: int) -> tuple[int, list[dict[str, Any]]]:
        """Beds in reach that changed after revision `since` (below 0 = all), and the revision now."""
        key = (reach, since)
        if key not in self._rendered:
            self._rendered[key] = [
                self._bed(tile, vitals, since)
                for revision, tile, vitals in self._beds.values()
                if revision > since and tile.resident is not None and tile.resident.id in reach.vitals
            ]
        return self._revision, self._rendered[key]

    def _bed(self, tile: Tile, vitals: Vitals, since: int) -> dict[str, Any]:
        # A client that is new gets whole lines, so that the tails that follow fit whatever it has; one that missed more than the kept
        # tails gets what is kept.
        tails = tail({}, vitals.spark) if since < 0 else {}
        for revision, points in self._tails[tile.bed_id] if since >= 0 else ():
            if revision > since:
                for name, values in points.items():
                    tails[name] = [*tails.get(name, []), *values]
        return {
            "bed_id": tile.bed_id,
            "vitals": vitals.vitals,
            "spark_tail": tails,
            "monitoring": vitals.monitoring,
            "monitoring_since_ms": vitals.monitoring_since_ms,
        }

    def _item(self, row: EventRow, last_registry: int, last_recheck: int) -> FeedItem:
        if row.kind.startswith("alert."):
            alert = view_from_dict(row.body["view"])
            data = {"transition": row.kind.removeprefix("alert."), "alert": alert_json(self.view, alert)}
            return FeedItem(offset=row.offset, event="alert", data=data, alert=alert)
        if row.kind.startswith(_DESK):
            return FeedItem(offset=row.offset, event="desk", data={"kind": row.kind})
        rechecks = row.offset == last_recheck
        # Of many changes at once (an import) the last one is enough: the screen loads the wall anew.
        if row.offset == last_registry:
            return FeedItem(offset=row.offset, event="registry", data={"kind": row.kind}, rechecks=rechecks)
        return FeedItem(offset=row.offset, rechecks=rechecks)


def _shows(kind: str) -> bool:
    return kind in KINDS and not kind.startswith(_SILENT)
