"""Events of alerts as items: pure. Only what concerns a resident; calls and physiological alerts unless configured otherwise."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from gateway.ehr.base.items import FORMAT, Item, ItemKind
from gateway.events import EventRow
from gateway.registry.view import RegistryView
from gateway.vocabulary import Origin

VIEW_FIELDS = (
    "state", "priority", "kind", "cause", "code", "raised_ns", "step", "next_step_ns", "claimed_by", "claimed_name", "claimed_ns",
    "arrived_ns", "resolved_ns", "outcome", "note",
)  # fmt: skip

# They count, and change nothing that the record would show.
_NO_NEWS = frozenset(f"alert.{kind}" for kind in ("repeated", "updated", "delivered", "noted", "dispatched", "retimed", "unfolding"))


def items_of(event: EventRow, view: RegistryView, kinds: Collection[str], told: Collection[Mapping[str, str]]) -> list[Item]:
    """The alert's finding and task as they stand after the event, and a message if people were told."""
    raw = event.body.get("view")
    if raw is None or raw["resident_id"] is None or raw["kind"] not in kinds or (event.kind in _NO_NEWS and not told):
        return []
    site = view.sites.get(raw["site_id"] or "")
    record: dict[str, Any] = {
        "v": FORMAT,
        "view": {name: raw[name] for name in VIEW_FIELDS},
        "alert": event.subject,
        "at": event.t_ns,
        "tz": "UTC" if site is None else site.tz,
    }

    def item(kind: ItemKind, key: str, **more: Any) -> Item:
        return Item(
            kind=kind,
            key=key,
            resident=raw["resident_id"],
            device=raw["device_id"] or "",
            t_ns=raw["raised_ns"],
            origin=Origin(raw["origin"]),
            test=False,  # an alert that turns out to be a test ends as cancelled
            record={**record, **more},
        )

    # Only what the finding shows: a step of the ladder changes the task, and is no new version of the finding.
    shown = {name: part for name, part in record["view"].items() if name not in ("step", "next_step_ns", "code")}
    found = [item(ItemKind.ISSUE, event.subject, at=raw["raised_ns"], view=shown), item(ItemKind.TASK, f"task.{event.subject}")]
    if told:
        people = sorted(({"id": one["id"], "name": one["name"]} for one in told), key=lambda one: one["id"])
        found.append(item(ItemKind.MESSAGE, f"message.{event.subject}.{raw['version']}", told=people, why=event.body["why"]))
    return found
