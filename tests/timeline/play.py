"""A small language for time lines: scenarios are texts that somebody of the house can read; this plays them on the fake clock.

== name of the scenario: what must hold
given clock 2026-03-28T20:00+00:00 tz Europe/Berlin before it starts; the default is 08:00 in Shanghai, li and zhao on duty
0     call sos                                      a time since the start, and what happens
0     > li new                                      pages since the last look: who, why; `> nothing`; order and repetitions do not count
30s   li claim                                      people act on the newest alert, or on the named cause; `!word` expects a refusal
1m    = call.sos claimed by li count=1              how the newest alert of a cause stands
1m    ~ call.sos raised, claimed                    transitions in this order, others may lie between
1m    ? call.sos li superseded                      on record: li was not told, for this reason
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.alerts.case import NotAllowedError
from gateway.vocabulary import AlertConflict, Priority
from tests.timeline.stage import ScenarioError, Stage, fields, seconds
from tests.timeline.ward import Ward

__all__ = ["Play", "Scenario", "ScenarioError", "play", "scenarios"]


@dataclass(frozen=True)
class Scenario:
    """A name and numbered lines."""

    name: str
    where: str
    lines: tuple[tuple[int, str], ...]


def scenarios(folder: Path) -> Iterator[Scenario]:
    """All scenarios of a folder's texts."""
    for path in sorted(folder.glob("*.txt")):
        name = ""
        lines: list[tuple[int, str]] = []
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            text = line.partition("#")[0].rstrip() if not line.startswith("==") else line
            if text.startswith("=="):
                if name:
                    yield Scenario(name, path.name, tuple(lines))
                name, lines = text[2:].strip(), []
            elif text.strip():
                lines.append((number, text.strip()))
        if name:
            yield Scenario(name, path.name, tuple(lines))


class Play(Stage):
    """One scenario under way."""

    async def run(self, scenario: Scenario) -> None:
        """Play all lines; raises ScenarioError at the first that does not hold."""
        self._given("staff li caregiver 00:00-00:00", "resident wang 3-01", "staff zhao nurse 00:00-00:00")
        body = []
        for number, line in scenario.lines:
            if line.startswith("given "):
                self._given(line.removeprefix("given "))
            else:
                body.append((number, line))
        beat_s = self.settings.pop("beat_s")
        self.house = Ward(**self.settings)
        self.house.beat_s = beat_s
        for one in self.setup:
            one(self.house)
        self.house.notifiers.update(self.lines)
        await self.house.start()
        try:
            for number, line in body:
                await self._line(scenario, number, line)
        finally:
            await self.house.stop()

    async def _line(self, scenario: Scenario, number: int, line: str) -> None:
        when, _, rest = line.partition(" ")
        try:
            at = seconds(when)
            if at < self.house.t - 1e-6:
                raise ScenarioError(f"time goes back to {when}")
            await self.house.wait(at - self.house.t)
            await self._do(rest.strip())
        except (AssertionError, AlertConflict, NotAllowedError, LookupError, ValueError) as error:
            raise ScenarioError(f"{scenario.where}:{number}: {line}\n    {type(error).__name__}: {error}") from error

    async def _do(self, text: str) -> None:
        mark, _, rest = text.partition(" ")
        checks = {">": self._pages, "=": self._stands, "~": self._story, "?": self._why}
        if mark in checks:
            checks[mark](rest.strip())
            return
        verb = getattr(self, f"do_{mark}", None)
        if verb is not None:
            await verb(rest.split())
        else:
            await self._person(text.split())

    # --- what must hold --------------------------------------------------------------------------------------------

    def _pages(self, text: str) -> None:
        wanted = set() if text == "nothing" else {tuple(one.split()) for one in text.split(",")}
        found = set(self.house.told())
        assert found == wanted, f"told {sorted(found)}"

    def _stands(self, text: str) -> None:
        cause, state, *rest = text.split()
        alert = self.house.alert(cause)
        assert alert.state.value == state, f"{alert.state.value}"
        if rest[:1] == ["by"]:
            assert alert.claimed_by == f"u-{rest[1]}", alert.claimed_by
        for name, value in fields(rest).items():
            found: Any = alert.params.get(name) if not hasattr(alert, name) else getattr(alert, name)
            if name in ("silenced_until", "told", "delivered", "raised"):
                found = getattr(alert, f"{name}_ns")
                found = None if found is None else self.house.seconds(found)
            if isinstance(found, Priority):
                found = found.name.lower()
            assert found == value, f"{name} is {found}"

    def _story(self, text: str) -> None:
        cause, _, rest = text.partition(" ")
        found = iter(story := self.house.story(cause))
        for kind in (word.strip() for word in rest.split(",")):
            assert any(one == kind for one in found), f"{kind} is not in {story}"

    def _why(self, text: str) -> None:
        cause, who, reason = text.split()
        rows = {(row["recipient"], row["reason"]) for row in self.house.why(cause) if not row["told"]}
        assert (who, reason) in rows, sorted(rows)


async def play(scenario: Scenario, folder: Path) -> None:
    """Play one scenario in a folder of its own."""
    await Play(folder).run(scenario)
