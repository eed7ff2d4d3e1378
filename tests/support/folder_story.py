"""What happened in the house whose data folder is tests/cases/folder_v1; written once, see tests/support/folder.py."""

from __future__ import annotations

import asyncio
import json
import shutil
import tempfile
from pathlib import Path

from gateway import audit as audit_log
from gateway.registry import bindings, consents, limits, org, residents
from gateway.registry.tx import Tx
from gateway.vocabulary import SYSTEM, Action, Actor, AlertKind, Finding, Outcome, Phase, Priority, Role
from tests.support.folder import PASSWORD, START_NS, StillClock, Whole, frame, opened, pack, standing

DAY_NS = 86_400_000_000_000
MEI = Actor(id="u-mei", name="Mei", role=Role.CAREGIVER)
NAMES = ("王淑华", "刘秀英", "周文斌", "李桂兰", "陈建国", "王淑华（重复）")


def furnish(tx: Tx) -> None:
    """One site, six residents with buttons, two wearables, people on duty."""
    org.set_site(tx, name="安和", site_id="site")
    org.set_zone(tx, site="site", name="三区", zone_id="zone")
    org.set_staff(tx, name="Mei", initials="MEI", role="caregiver", staff_id="P-mei", channels={"hook": "mei"})
    org.set_rota(tx, site="site", staff="P-mei", role="caregiver", weekdays=range(7), start="00:00", end="00:00", rota_id="rota-1")
    for number, name in enumerate(NAMES, 1):
        org.set_bed(tx, site="site", zone="zone", label=f"3-0{number}", bed_id=f"bed-{number}")
        residents.admit(tx, name=name, bed=f"bed-{number}", resident_id=f"R-{number}", code=f"C{number}")
        bindings.set_device(tx, f"button-{number}", kind="pendant", quantities=())
        bindings.bind(tx, f"button-{number}", resident=f"R-{number}", binding_id=f"bind-{number}")
    for number in (1, 2):
        bindings.set_device(tx, f"band-{number}", kind="wearable", quantities=("hr",))
        bindings.bind(tx, f"band-{number}", resident=f"R-{number}", binding_id=f"bind-band-{number}")


async def people(whole: Whole) -> None:
    """Accounts, tokens, a limit, a consent."""
    core = whole.core
    for login, role in (("mei", "caregiver"), ("doc", "clinician"), ("ops", "operator"), ("root", "admin"), ("son", "family")):
        reach = {"resident_ids": ("R-1",)} if role == "family" else {"site_ids": ("site",)}
        await core.accounts.create(
            SYSTEM, login=login, password=PASSWORD, must_change=False, name=login.title(), role=role, user_id=f"u-{login}", **reach
        )
    for device in ("button-1", "button-2", "band-1"):
        await core.tokens.issue(SYSTEM, device)
    await core.registry.do(SYSTEM, limits.set_limit, quantity="hr", resident="R-6", high=110.0, reason="AF")
    await core.registry.do(
        SYSTEM, consents.set_consent, resident="R-1", grantee="u-son", classes=("vitals",), until_ns=START_NS + 300 * DAY_NS, giver="王淑华"
    )


async def measure(whole: Whole) -> None:
    """Two batches of heart rates with a missing message, a refused one, calls of five residents, a stranger."""
    clock, intake = whole.clock, whole.intake
    for batch in range(2):
        frames = [
            frame(clock, "up", "band-1", batch * 10 + n, quantity="hr", value=60 + n, unit="/min")
            for n in range(10)
            if batch * 10 + n != 13
        ]
        await intake.take(frames)
        await whole.journal.tick(clock.now_ns(), whole.core.events.head)
        clock.move(1)
    await intake.take([frame(clock, "up", "band-2", 0, quantity="hr", value=60, unit="furlong")])
    await intake.take([frame(clock, "up", "stranger", 0, quantity="hr", value=61, unit="/min")])
    for number in range(1, 6):
        await intake.take([frame(clock, "call", f"button-{number}", 0, call={"kind": "sos"})], priority=True)
        clock.move(1)
    await whole.journal.tick(clock.now_ns(), whole.core.events.head)


def low(whole: Whole, who: str, phase: Phase, offset: int) -> Finding:
    """A value below its limit."""
    now_ns = whole.clock.now_ns()
    return Finding(
        id=f"{who}.limit.spo2.low.1", phase=phase, rule="limit.spo2.low", rule_version=1, cause="spo2.low", kind=AlertKind.PHYSIOLOGICAL,
        priority=Priority.MEDIUM, resident=who, device="band-2", onset_offset=1, onset_ns=now_ns, offset=offset, t_ns=now_ns,
        code="finding.limit.low", params={"value": 85.0, "limit": 90.0},
    )  # fmt: skip


async def handle(whole: Whole) -> None:
    """The calls in four states; a limit alert that is over by itself, one that is silenced."""
    core, desk, clock = whole.core, whole.desk, whole.clock
    alerts = {alert.resident_id: alert.id for alert in await core.store.read(desk.open_alerts)}

    async def act(who: str, action: Action, outcome: Outcome | None = None, until_s: float | None = None) -> None:
        clock.move(1)
        note = "扶起" if outcome else ""
        await desk.act(
            action, alerts[who], MEI, outcome=outcome, until_s=until_s, note=note, reason="" if until_s is None else "在床旁",
            also=lambda conn: _note(core.audit, conn, action, alerts[who]),
        )  # fmt: skip

    for who, actions in {"R-2": "claim", "R-3": "claim arrive", "R-4": "claim arrive"}.items():
        for word in actions.split():
            await act(who, Action(word))
    await act("R-4", Action.RESOLVE, Outcome.HELPED)
    await act("R-5", Action.CLAIM)
    await act("R-5", Action.RELEASE)
    await desk.take([low(whole, who, Phase.START, 1) for who in ("R-5", "R-6")])
    clock.move(1)
    await desk.take([low(whole, "R-6", Phase.END, 2)])
    alerts["R-5"] = next(
        alert.id for alert in await core.store.read(desk.open_alerts) if (alert.resident_id, alert.cause) == ("R-5", "spo2.low")
    )
    await act("R-5", Action.SILENCE, until_s=60.0)


def _note(audit: audit_log.Audit, conn: object, action: Action, alert_id: str) -> None:
    audit.append(conn, actor=MEI.id, role="caregiver", action=f"alert.{action.value}", subject=alert_id, purpose="care")  # type: ignore[arg-type]


async def leave(whole: Whole) -> dict[str, str]:
    """Somebody moves out, a duplicate is merged, two people are signed in."""
    do = whole.core.registry.do
    await do(SYSTEM, residents.merge, "R-6", "R-1", reason="entered twice")
    await do(SYSTEM, residents.discharge, "R-4", reason="home")
    sessions = {login: (await whole.core.accounts.sign_in(login, PASSWORD)).token for login in ("mei", "doc")}
    await whole.core.store.read(whole.core.audit.checkpoint)
    return sessions


def refuse(target: Path) -> None:
    """What was written once stays."""
    if target.exists():
        raise FileExistsError(f"{target} stands for the first version and is never written again")


async def live(target: Path) -> None:
    """All of it, and the folder as text in `target`, which must not exist."""
    refuse(target)
    with tempfile.TemporaryDirectory() as room:
        data = Path(room) / "data"
        data.mkdir(mode=0o700)
        (data / "anxin.toml").write_text('language = "zh"\n\n[journal]\nballast_mib = 1\n', encoding="utf-8")
        clock = StillClock()
        async with opened(data, clock) as whole:
            await whole.core.registry.do(SYSTEM, furnish)
            await people(whole)
            await measure(whole)
            await whole.catch_up()
            await handle(whole)
            sessions = await leave(whole)
            await whole.identity.checkpoint()
            expected = {"now_ns": clock.now_ns(), "sessions": sessions, **await standing(whole)}
        await asyncio.to_thread(pack, data, target)
        text = json.dumps(expected, ensure_ascii=False, indent=1)
        await asyncio.to_thread((target / "expected.json").write_text, text, encoding="utf-8")
        shutil.rmtree(data)
