"""The format as the sender sees it: an item's resource, the search that finds it again, and the rules that it must pass."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from gateway.ehr.base.items import ItemKind, Row
from gateway.ehr.fhir import alerts, check, common, observation, people
from gateway.ehr.fhir.common import GATEWAY, Known, Settings, key_of, search_of

_MAPS: dict[ItemKind, Callable[[Row, Settings], dict[str, Any]]] = {
    ItemKind.READING: observation.observation,
    ItemKind.SUMMARY: observation.observation,
    ItemKind.ISSUE: alerts.issue,
    ItemKind.TASK: alerts.task,
    ItemKind.MESSAGE: alerts.message,
    ItemKind.CORRECTION: people.correction,
}
_WORDS = {ItemKind.ISSUE: "alert", ItemKind.TASK: "task", ItemKind.MESSAGE: "message"}
_PEOPLE = {"Patient": people.patient, "Device": people.device}


def to_fhir(row: Row, settings: Settings) -> dict[str, Any]:
    """The resource of an item. References to what only a target knows look like `Patient/{key}`."""
    return _MAPS[row.kind](row, settings)


class FhirFormat:
    """FHIR R4 with one house's settings."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    def render(self, row: Row) -> dict[str, Any]:
        """The resource of an item."""
        return to_fhir(row, self.settings)

    def search(self, row: Row) -> str:
        """What finds the item's resource again."""
        if row.kind is ItemKind.CORRECTION:
            return search_of(self.settings, "correction", people.tag_of(row), "_tag")
        if row.kind in (ItemKind.READING, ItemKind.SUMMARY):
            return search_of(self.settings, "reading", key_of(row.key, row.resident))
        return search_of(self.settings, _WORDS[row.kind], row.key)

    def uid(self, row: Row) -> str:
        """A UUID of the item's resource for targets that let us choose."""
        person = "" if row.kind in _WORDS else row.resident  # an alert may turn out to be another person's and stays the same one
        return common.uid(f"{self.settings.namespace}|{row.kind.value}|{row.key}|{person}")

    def person(self, kind: str, key: str, values: Mapping[str, Any]) -> tuple[dict[str, Any], str, str]:
        """(resource, search, uid) of a Patient or Device."""
        resource = _PEOPLE[kind](key, Known(values=values), self.settings)
        word = {"Patient": "resident", "Device": "gateway" if key == GATEWAY else "device"}[kind]
        search = search_of(self.settings, word, resource["identifier"][0]["value"])
        return resource, search, common.uid(search)

    def places(self, resource: Mapping[str, Any]) -> set[tuple[str, str]]:
        """References that are not literal yet."""
        return common.places(resource)

    def with_literals(self, resource: Mapping[str, Any], literals: Mapping[tuple[str, str], str]) -> dict[str, Any]:
        """The resource with literal references."""
        made: dict[str, Any] = common.with_literals(resource, literals)
        return made

    def problems(self, resource: Mapping[str, Any]) -> list[str]:
        """Rules that the resource breaks; the texts hold no values."""
        return check.problems(resource)
