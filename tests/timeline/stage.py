"""What can happen in a scenario: one method per word, `given_*` before it starts and `do_*` while it runs."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from gateway.alerts import handover, silences
from gateway.alerts.case import NotAllowedError
from gateway.notify.base import DELIVERED, ChannelSettings, Outcome, Page, Verdict
from gateway.registry.view import Contact, Group, Override, Quiet, Site
from gateway.vocabulary import Action, AlertConflict, AlertKind, Finding, Origin, Phase, Priority, Role
from gateway.vocabulary import Outcome as Ending
from tests.support.fake_clock import NS_PER_S, FakeClock
from tests.timeline.ward import SITE, Ward, person

TIME = re.compile(r"(\d+(?:\.\d+)?)(s|m|h|d|)")
UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
ACTIONS = {action.value: action for action in Action}


class ScenarioError(AssertionError):
    """A scenario does not hold, or cannot be read; names file and line."""


def seconds(word: str) -> float:
    """A span such as 90, 90s, 5m, 2h, 1d."""
    match = TIME.fullmatch(word)
    if match is None:
        raise ScenarioError(f"not a span: {word}")
    return float(match.group(1)) * UNITS[match.group(2)]


def fields(words: list[str]) -> dict[str, Any]:
    """name=value words as values; numbers and truths as such."""
    return {key: json.loads(value) if re.fullmatch(r"-?[\d.]+|true|false|null", value) else value for key, value in _pairs(words)}


def _pairs(words: list[str]) -> Iterator[tuple[str, str]]:
    for word in words:
        if "=" in word:
            key, _, value = word.partition("=")
            yield key, value


@dataclass
class Line:
    """A channel that can be cut; remembers what went through."""

    name: str
    up: bool = True
    settings: ChannelSettings = field(default_factory=lambda: ChannelSettings(rate_per_min=6000, burst=1000))
    sent: list[Page] = field(default_factory=list)

    async def notify(self, page: Page) -> Outcome:
        if not self.up:
            return Outcome(verdict=Verdict.RETRY, reason="down")
        self.sent.append(page)
        return DELIVERED

    async def close(self) -> None:
        """Nothing is open."""


class Stage:
    """The house of one scenario."""

    def __init__(self, folder: Path) -> None:
        self.settings: dict[str, Any] = {"folder": folder, "beat_s": 600.0}
        self.setup: list[Callable[[Ward], None]] = []
        self.findings: dict[tuple[str, str], Finding] = {}
        self.lines: dict[str, Line] = {}
        self.house: Ward

    # --- before ----------------------------------------------------------------------------------------------------

    def _given(self, *lines: str) -> None:
        for line in lines:
            what, *words = line.split()
            getattr(self, f"given_{what}")(words)

    def given_clock(self, words: list[str]) -> None:
        self.settings["clock"] = FakeClock(int(datetime.fromisoformat(words[0]).timestamp()) * NS_PER_S)
        if len(words) > 1:
            self.setup.append(lambda house: house.view.sites.update({SITE: Site(id=SITE, name="Home", tz=words[2])}))

    def given_staff(self, words: list[str]) -> None:
        who, role, shift = words[:3]
        start, _, end = shift.partition("-")
        channels = tuple(fields(words)["channels"].split("+")) if len(words) > 3 else None
        self.setup.append(lambda house: house.staff(who, role, start, end, channels))

    def given_resident(self, words: list[str]) -> None:
        self.setup.append(lambda house: house.resident(words[0], *words[1:2]))

    def given_residents(self, words: list[str]) -> None:
        for n in range(int(words[0])):
            self.given_resident([f"res{n}", f"4-{n:02d}"])

    def given_bluetooth(self, words: list[str]) -> None:
        def mark(house: Ward) -> None:
            for name in words:
                device = house.view.devices[f"band-{name}"]
                house.view.devices[device.id] = replace(device, facts={"ble_address": "AA"})

        self.setup.append(mark)

    def given_beat(self, words: list[str]) -> None:
        self.settings["beat_s"] = seconds(words[0])

    def given_desk(self, words: list[str]) -> None:
        self.settings["desk_channels"] = () if words == ["none"] else tuple(words)

    def given_options(self, words: list[str]) -> None:
        self.settings["options"] = json.loads(" ".join(words))

    def given_policy(self, words: list[str]) -> None:
        row = json.loads(" ".join(words))
        self.setup.append(lambda house: house.view.policies.update({row["id"]: row}))

    def given_quiet(self, words: list[str]) -> None:
        row = Quiet(id=SITE, site_id=SITE, start=words[0], end=words[1], up_to=words[2] if len(words) > 2 else "low")
        self.setup.append(lambda house: house.view.quiet.update({SITE: row}))

    def given_group(self, words: list[str]) -> None:
        row = Group(id=words[0], site_id=SITE, name=words[0], staff_ids=tuple(words[1:]))
        self.setup.append(lambda house: house.view.groups.update({row.id: row}))

    def given_contact(self, words: list[str]) -> None:
        name, kind, _, who = words[:4]
        row = Contact(id=name, resident_id=who, name=name, kind=kind, channels={"phone": name})
        self.setup.append(lambda house: house.view.contacts.update({row.id: row}))

    def given_lines(self, words: list[str]) -> None:
        self.lines = {name: Line(name) for name in words}

    # --- what happens ----------------------------------------------------------------------------------------------

    def _who(self, words: list[str]) -> str:
        return next((word for word in words if "=" not in word), "wang")

    async def do_call(self, words: list[str]) -> None:
        kind, who, more = words[0], self._who(words[1:]), fields(words)
        origin = Origin[more.pop("origin", "live").upper()]
        cause = f"call.{kind}"
        if who == "nobody":
            self.findings[who, cause] = await self.house.finding(
                cause, Priority.HIGH, who=None, kind=AlertKind.CALL, device=more.get("device", "button"), latched=True
            )
            return
        self.findings[who, cause] = await self.house.call(kind, who=who, origin=origin, **more)

    async def do_vital(self, words: list[str]) -> None:
        cause, priority, who = words[0], Priority[words[1].upper()], self._who(words[2:])
        self.findings[who, cause] = await self.house.vital(cause, priority, who=who, **self._params(words))

    @staticmethod
    def _params(words: list[str]) -> dict[str, Any]:
        params = fields(words)
        return {"params": params} if params else {}

    async def do_nodata(self, words: list[str]) -> None:
        cause, who = f"nodata.{words[0]}", self._who(words[1:])
        self.findings[who, cause] = await self.house.finding(
            cause, Priority.MEDIUM, who=who, kind=AlertKind.TECHNICAL, params={"quantity": words[0]}
        )

    async def do_storm(self, words: list[str]) -> None:
        """Everybody of `given residents` falls silent at once."""
        names = [name for name in self.house.view.residents if name.startswith("res")]
        await self.do_nodata([words[0], names[0]])
        first = self.findings[names[0], f"nodata.{words[0]}"]
        others = [replace(first, id=f"{name}.{first.id}", resident=name, device=f"band-{name}") for name in names[1:]]
        self.findings.update({(one.resident or "", one.cause): one for one in others})
        await self.house.take(*others)

    async def do_back_storm(self, words: list[str]) -> None:
        """Everybody speaks again at once."""
        silent = [one for (who, cause), one in self.findings.items() if who.startswith("res") and cause == f"nodata.{words[0]}"]
        now_ns = self.house.clock.now_ns()
        await self.house.take(*(replace(one, phase=Phase.END, offset=one.offset + 1, t_ns=now_ns) for one in silent))

    async def do_worse(self, words: list[str]) -> None:
        await self.house.update(self.findings[self._who(words[2:]), words[0]], Priority[words[1].upper()])

    async def do_update(self, words: list[str]) -> None:
        await self.house.update(self.findings[self._who(words[1:]), words[0]], **self._params(words))

    async def do_over(self, words: list[str]) -> None:
        await self.house.over(self.findings[self._who(words[1:]), words[0]])

    async def do_ok(self, words: list[str]) -> None:
        await self.house.update(self.findings[self._who(words[1:]), f"call.{words[0]}"], params={"cancelled": True})

    async def do_replay(self, words: list[str]) -> None:
        """The stream says once more what it said before, as after a restart."""
        await self.house.take(self.findings[self._who(words[1:]), words[0]])

    async def do_fault(self, words: list[str]) -> None:
        self.house.ops.fault(words[0], words[1])
        await self.house.clock.settle()

    async def do_clear(self, words: list[str]) -> None:
        self.house.ops.clear(words[0], words[1])
        await self.house.clock.settle()

    async def do_restart(self, words: list[str]) -> None:
        more = fields(words)
        await self.house.restart(seconds(words[0]), float(more.get("wall", 0)))

    async def do_freeze(self, words: list[str]) -> None:
        await self.house.freeze(seconds(words[0]))

    async def do_wall(self, words: list[str]) -> None:
        self.house.clock.step_wall(float(words[0]))

    async def do_cut(self, words: list[str]) -> None:
        for name in words:
            self.lines[name].up = False

    async def do_mend(self, words: list[str]) -> None:
        for name in words:
            self.lines[name].up = True

    async def do_went(self, words: list[str]) -> None:
        """How many pages went through a channel so far."""
        assert len(self.lines[words[0]].sent) == int(words[1]), f"{len(self.lines[words[0]].sent)} went through"

    async def do_once(self, words: list[str]) -> None:
        """Whatever went through went once."""
        keys = [page.key for line in self.lines.values() for page in line.sent]
        assert len(keys) == len(set(keys)), keys

    async def do_override(self, words: list[str]) -> None:
        """absent WHO SPAN | extra WHO SPAN ROLE | swap WHO SPAN FOR."""
        kind, who, span, *rest = words
        now = self.house.clock.now_ns()
        row = Override(
            id=f"o-{len(self.house.view.overrides)}", site_id=SITE, staff_id=who, kind=kind, from_ns=now,
            until_ns=now + round(seconds(span) * NS_PER_S), role=rest[0] if kind == "extra" else "",
            for_staff_id=rest[0] if kind == "swap" else None,
        )  # fmt: skip
        self.house.view.overrides[row.id] = row

    async def do_away(self, words: list[str]) -> None:
        self.house.view.residents[words[0]] = replace(self.house.view.residents[words[0]], status="away")

    async def do_merge(self, words: list[str]) -> None:
        row = self.house.view.residents[words[0]]
        self.house.view.residents[row.id] = replace(row, status="merged", merged_into=words[2])
        self.house.view._merged_from[words[2]] = (row.id,)

    async def do_give(self, words: list[str]) -> None:
        receiver = None if words[1] == "desk" else person(words[1])
        giving = handover.Giving(site_id=SITE, zone_id=None, giver=person(words[0]), receiver=receiver, note="")
        self.given = await self.house.desk.give(giving)
        await self.house.clock.settle()

    async def do_accept(self, words: list[str]) -> None:
        await self._refused(words, lambda: self.house.desk.accept(self.given["id"], person(words[0])))

    async def do_handed(self, words: list[str]) -> None:
        """What the last hand-over names: open=1 claims=1 devices=0 silenced=0."""
        for name, count in fields(words).items():
            assert len(self.given["body"][name]) == count, f"{name}: {self.given['body'][name]}"

    async def do_counter(self, words: list[str]) -> None:
        assert self.house.ops.counters[words[0]] == int(words[1]), self.house.ops.counters[words[0]]

    async def do_alerts(self, words: list[str]) -> None:
        """How many alerts stand on the wall, folded ones apart."""
        loud = [view.cause for view in self.house.open() if view.folded_into is None]
        assert len(loud) == int(words[0]), loud

    # --- people ----------------------------------------------------------------------------------------------------

    async def _person(self, words: list[str]) -> None:
        who, verb, *rest = words
        cause = next((word for word in rest if re.fullmatch(r"[a-z_0-9]+(\.[a-z_0-9]+)+", word)), None)
        if verb == "hush":
            await self._hush(who, cause or "", rest)
            return
        if verb == "unhush":
            row = next(row for row in self.house.raw.read_sync(silences.listing) if row["cause"] == cause)
            await self.house.desk.unsilence(row["id"], person(who))
            await self.house.clock.settle()
            return
        action, more = ACTIONS[verb], fields(rest)
        free = [word for word in rest if word != cause and "=" not in word and not word.startswith("!")]
        options: dict[str, Any] = {}
        if action is Action.RESOLVE and free:
            options["outcome"] = Ending(free[0])
        if action is Action.SILENCE:
            options = {"until_s": seconds(free[0]) if free else None, "reason": " ".join(free[1:])}
        if action in (Action.NOTE, Action.DISPATCH):
            options = {"note": " ".join(free), "reason": free[0] if free else ""}
        if more.pop("all", False):
            options["incident"] = True
        actor = replace(person(who), role=Role.CLINICIAN) if who == "doctor" else person(who)
        await self._refused(rest, lambda: self.house.desk.act(action, self.house.alert(cause).id, actor, **options))

    async def _hush(self, who: str, cause: str, rest: list[str]) -> None:
        free = [word for word in rest if word != cause and not word.startswith("!")]
        reason = " ".join(free[1:])
        await self._refused(rest, lambda: self.house.desk.silence("wang", cause, person(who), reason=reason, span_s=seconds(free[0])))

    async def _refused(self, words: list[str], work: Callable[[], Any]) -> None:
        wanted = next((word[1:] for word in words if word.startswith("!")), "")
        try:
            await work()
        except (AlertConflict, NotAllowedError) as error:
            if str(error) != wanted:
                raise
        else:
            assert not wanted, f"was not refused with {wanted}"
        await self.house.clock.settle()
