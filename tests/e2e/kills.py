"""kill -9 at random points under load: what the publishers, the caregivers and the web hook know must be what the gateway still knows."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from tests.support.button import Button
from tests.support.hook import Hook
from tests.support.running import Gateway, Person, ladder, until
from tests.support.senders import BOOT, Load
from tests.support.town import RESIDENTS, names, town

STEPS_S = (4.0, 8.0)
NEXT = {"raised": "claim", "claimed": "arrive", "arrived": "resolve"}
SAME = ("state", "claimed_by", "claimed_ms", "arrived_ms", "priority", "count", "resident_id")


@dataclass
class Report:
    """Figures of a run; `wrong` are sentences."""

    kills: int = 0
    sent: int = 0
    acked: int = 0
    lost: int = 0
    twice: int = 0
    alerts: int = 0
    claimed: int = 0
    ready_s: list[float] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def add(self, other: Report) -> None:
        """One more run's figures."""
        for name in ("kills", "sent", "acked", "lost", "twice", "alerts", "claimed", "ready_s", "wrong"):
            setattr(self, name, getattr(self, name) + getattr(other, name))

    def line(self) -> str:
        ready = sorted(self.ready_s) or [0.0]
        return (
            f"{self.kills} kills, {self.sent} readings sent, {self.acked} acknowledged, {self.lost} lost, {self.twice} twice; "
            f"{self.alerts} alerts, {self.claimed} claims; ready after {ready[len(ready) // 2]:.1f} s (longest {ready[-1]:.1f} s); "
            f"{len(self.wrong)} wrong"
        )


class Ward:
    """What the people of the run remember."""

    def __init__(self, gateway: Gateway, hook: Hook, rng: random.Random, report: Report, buttons: Sequence[Button]) -> None:
        self.gateway, self.hook, self.rng, self.report = gateway, hook, rng, report
        self.mei: Person = gateway.person("mei")
        self.buttons = buttons
        self.known: dict[str, dict[str, Any]] = {}  # alert id -> what was last seen of it
        self.told: dict[str, frozenset[str]] = {}  # claimed alert -> keys of its pages when it was claimed
        self.open: dict[int, str] = {}  # button -> its open alert

    def press(self, number: int) -> None:
        self.buttons[number].call()

    def await_alert(self, number: int) -> str:
        """The alert of a press, whatever happened meanwhile."""
        device = self.buttons[number].device

        def look() -> str | None:
            fresh = [alert for alert in self.mei.alerts(device_id=device) if alert["state"] == "raised" and alert["id"] not in self.known]
            return fresh[0]["id"] if fresh else None

        alert_id = until(f"the call of {device} is an alert", look, 20)
        until(f"the alert of {device} is announced", lambda: self.hook.keys(alert_id), 20)
        self.open[number] = alert_id
        self.remember(alert_id)
        self.report.alerts += 1
        return alert_id

    def remember(self, alert_id: str) -> None:
        self.known[alert_id] = self.mei.get(f"/alerts/{alert_id}")["alert"]

    def go_on(self, number: int) -> None:
        """The next thing that a caregiver does with the button's alert."""
        alert_id = self.open[number]
        action = NEXT[self.known[alert_id]["state"]]
        self.mei.act(alert_id, action, **({"outcome": "helped"} if action == "resolve" else {}))
        self.remember(alert_id)
        if action == "claim":
            self.report.claimed += 1
            keys = self.gateway.rows("SELECT key FROM outbox WHERE alert_id = ?", alert_id)
            self.told[alert_id] = frozenset(str(row[0]) for row in keys)
        if action == "resolve":
            del self.open[number]

    def live(self) -> int:
        """Something for the kill to interrupt: one action that is over, one press that may not be; returns the button of the press."""
        if self.open and self.rng.random() < 0.7:
            self.go_on(self.rng.choice(sorted(self.open)))
        while len(self.open) == len(self.buttons):
            self.go_on(self.rng.choice(sorted(self.open)))
        idle = [i for i in range(len(self.buttons)) if i not in self.open]
        number = self.rng.choice(idle)
        self.press(number)
        return number

    def compare(self) -> None:
        """Every alert stands as it stood; only the ladder may have gone on."""
        for alert_id, before in self.known.items():
            now = self.mei.get(f"/alerts/{alert_id}")["alert"]
            changed = {key: (before[key], now[key]) for key in SAME if before[key] != now[key]}
            if changed or now["step"] < before["step"]:
                self.report.wrong.append(f"alert {alert_id}: {changed or (before['step'], now['step'])}")

    def check_pages(self) -> None:
        """Nobody was told of what was claimed; every step of what was not came, each once for each person."""
        for alert_id, keys in self.told.items():
            extra = set(self.hook.keys(alert_id)) - keys
            if extra:
                self.report.wrong.append(f"claimed alert {alert_id} was announced again: {extra}")
        for alert_id in self.known:
            steps = Counter((hit.body["step"], hit.body["recipient"]) for hit in self.hook.told(alert_id))
            if any(count > 1 for count in steps.values()):
                self.report.wrong.append(f"alert {alert_id}: a step was announced twice: {steps}")

    def await_ladders(self) -> None:
        """All steps of what nobody claimed are announced when they are due, kills or not."""
        for alert_id in self.open.values():
            if self.known[alert_id]["state"] != "raised":
                continue
            until(f"the last step of {alert_id}", partial(self._has_step, alert_id, len(STEPS_S)), 40)
            first_s = self.hook.pages(alert_id)[0].at_s
            for step, due_s in enumerate(STEPS_S, start=1):
                late = [hit.at_s - first_s - due_s for hit in self.hook.pages(alert_id) if hit.body["step"] == step]
                if late and min(late) > 15:
                    self.report.wrong.append(f"step {step} of {alert_id} came {min(late):.1f} s late")

    def _has_step(self, alert_id: str, step: int) -> bool:
        return any(hit.body["step"] == step for hit in self.hook.pages(alert_id))


def run(folder: Path, *, kills: int, rate: float, seed: int, loads: int = 20, pause_s: float = 0.8) -> Report:
    """Kill and start again under load, then compare everything."""
    rng, report = random.Random(seed), Report()
    policy = ladder(*STEPS_S)
    # What was delivered to a gateway that died comes again after this; the product's 30 s would only make the end of the run longer.
    with town(folder, loads=loads, call=policy, mqtt={"redeliver_s": 5}) as (gateway, hook), ExitStack() as stack:
        gateway.start()
        buttons = [stack.enter_context(Button(gateway, f"button-{i}")) for i in range(1, RESIDENTS + 1)]
        load = stack.enter_context(Load(gateway.mqtt_port, {name: gateway.tokens[name] for name in names("load", loads)}, rate))
        ward = Ward(gateway, hook, rng, report, buttons)
        for button in buttons:
            button.connected()
        ward.press(0)
        ward.await_alert(0)
        for _ in range(kills):
            number = ward.live()
            time.sleep(rng.uniform(0.0, pause_s))  # the random point at which it is killed
            gateway.kill()
            gateway.start()
            report.kills += 1
            ward.await_alert(number)
            ward.compare()
        ward.await_ladders()
        ward.check_pages()
        report.ready_s = gateway.ready_s[1:]
        _compare_readings(gateway, load.finish(), report)
    return report


def _compare_readings(gateway: Gateway, lists: dict[str, Any], report: Report) -> None:
    """The publishers' own lists against the journal's files and the ledger."""
    report.sent, report.acked = sum(lists["sent"].values()), sum(len(acked) for acked in lists["acked"].values())
    if lists["waiting"]:
        report.wrong.append(f"{lists['waiting']} readings were not acknowledged at the end")
    acked = {(device, seq) for device, seqs in lists["acked"].items() for seq in seqs}

    def stored() -> Counter[tuple[str, int]]:
        return Counter((device, seq) for device, boot, seq in gateway.frames() if boot == BOOT and seq is not None)

    with suppress(AssertionError):
        until("what was acknowledged is in the journal", lambda: acked <= stored().keys(), 60, every_s=0.3)
    found = stored()
    report.lost = len(acked - found.keys())
    report.twice = sum(count - 1 for count in found.values())
    books = gateway.ask("ledger")["total"]
    if books["lost"] and not report.lost:
        report.wrong.append(f"the ledger says {books}")

