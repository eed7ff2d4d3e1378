"""Truth labels: what really happened, so that detection can be judged; one JSON object per line."""

from __future__ import annotations

import json
from pathlib import Path

from firmware_sim.incidents import Incident


class TruthLog:
    """Appends labels to a file as incidents start."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self.labels: list[dict[str, object]] = []

    def add(self, incident: Incident, device: str | None) -> None:
        """Record an incident with the device that can see it."""
        label: dict[str, object] = {
            "kind": incident.kind.name, "person": incident.person, "device": device,
            "start_ms": int(incident.start_s * 1000), "end_ms": int(incident.end_s * 1000),
        }
        self.labels = [*self.labels[-9_999:], label]
        if self._path is not None:
            with self._path.open("a", encoding="utf-8") as out:
                out.write(json.dumps(label) + "\n")
