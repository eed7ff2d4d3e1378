"""Brokers that die or freeze, channels that fail, an alarm loop that stops: said, survived, drained without duplicates."""

from __future__ import annotations

import os
import signal
from collections import Counter
from pathlib import Path

import pytest

from tests.support.button import Button
from tests.support.hook import HANG, Hook
from tests.support.running import Gateway, Person, until
from tests.support.senders import BOOT, Load
from tests.support.town import names, town

pytestmark = [pytest.mark.crash, pytest.mark.timeout(240)]
LOADS = 5


def broker_pid(gateway: Gateway) -> int:
    return int((gateway.data / "nats" / "nats.pid").read_text())


def technical(person: Person, code: str) -> list[dict[str, object]]:
    """Alerts of a fault, as a caregiver sees them."""
    return person.alerts(code=f"fault.{code}")


def drained(gateway: Gateway, load: Load) -> int:
    """All that the publishers had acknowledged is in the journal, once; returns how many."""
    lists = load.finish()
    assert lists["waiting"] == 0
    acked = {(device, seq) for device, seqs in lists["acked"].items() for seq in seqs}

    def stored() -> Counter[tuple[str, int]] | None:
        found = Counter((device, seq) for device, boot, seq in gateway.frames() if boot == BOOT and seq is not None)
        return found if acked <= found.keys() else None

    found = until("everything acknowledged is stored", stored, 60, every_s=0.2)
    assert max(found.values()) == 1
    return len(acked)


def test_a_killed_embedded_broker_comes_back_and_nothing_accepted_is_lost(folder: Path) -> None:
    with town(folder, loads=LOADS) as (gateway, hook):
        gateway.start()
        mei = gateway.person("mei")
        tokens = {name: gateway.tokens[name] for name in names("load", LOADS)}
        with Load(gateway.mqtt_port, tokens, 100) as load, Button(gateway, "button-1") as button:
            button.connected()
            for turn in range(1, 3):
                until("readings are accepted", lambda turn=turn: load.acked > 100 * turn, 30)  # type: ignore[misc]
                old = broker_pid(gateway)
                os.kill(old, signal.SIGKILL)
                alert = until("a technical alert", lambda: technical(mei, "broker.down"), 15)[0]
                until("it is back", lambda old=old: broker_pid(gateway) != old and "broker.down" not in gateway.faults(), 20)  # type: ignore[misc]
                until("the alert's condition is over", lambda: technical(mei, "broker.down")[0]["condition_over"], 15)
            assert hook.keys(str(alert["id"])), "somebody was told"
            button.call()
            assert button.fate(within_s=30) == "stored"
            until("the call is an alert", lambda: mei.alerts(rule="call.sos"), 10)
            assert drained(gateway, load) > 200


def test_a_frozen_broker_and_failing_channels_are_said_and_everything_drains(folder: Path) -> None:
    with town(folder, loads=LOADS) as (gateway, hook):
        gateway.start()
        mei = gateway.person("mei")
        tokens = {name: gateway.tokens[name] for name in names("load", LOADS)}
        with Load(gateway.mqtt_port, tokens, 40) as load:
            hook.fail(500)
            calls = [_press(gateway, mei, number) for number in range(1, 7)]
            until("the channel is down", lambda: technical(mei, "channel.down"), 30)
            until("readings are accepted", lambda: load.acked > 30, 30)
            hook.fail(429)
            os.kill(broker_pid(gateway), signal.SIGSTOP)
            try:
                _answered(hook, 429)
                hook.fail(HANG)
                _answered(hook, HANG)
                until("a frozen broker is noticed", lambda: technical(mei, "broker.unreachable"), 60)
                hook.heal()
                until("all pages are delivered", lambda: all(hook.keys(call) for call in calls), 60)
                until("the channel's alert is over", lambda: technical(mei, "channel.down")[0]["condition_over"], 15)
            finally:
                os.kill(broker_pid(gateway), signal.SIGCONT)
            before = load.acked
            until("the broker's alert is over", lambda: technical(mei, "broker.unreachable")[0]["condition_over"], 30)
            until("readings are accepted again", lambda: load.acked > before + 30, 30)
            drained(gateway, load)
        delivered = Counter(hit.key for hit in hook.pages())
        assert set(delivered.values()) == {1}, "each page once"
        assert [len(hook.keys(call)) for call in calls] == [1] * len(calls)


def _press(gateway: Gateway, mei: Person, number: int) -> str:
    """A call through the HTTP door, which needs no broker; returns its alert."""
    button = Button(gateway, f"button-{number}")
    assert button.post(button.body(call={"kind": "sos"})).json()["fate"] == "stored"
    return str(until("an alert", lambda: mei.alerts(device_id=button.device), 10)[0]["id"])


def _answered(hook: Hook, status: int) -> None:
    until(f"the channel was answered {status}", lambda: any(hit.status == status for hit in list(hook.hits)), 60)


def test_the_watchdog_speaks_by_itself_when_the_gateway_stands_still(folder: Path) -> None:
    limit_s = 4
    with Hook() as guard, town(folder, watchdog={"enabled": True, "limit_s": limit_s, "webhook_url": guard.url}) as (gateway, hook):
        gateway.start()
        os.kill(gateway.pid, signal.SIGSTOP)
        try:
            until("the watchdog says that it stopped", lambda: said_by(guard) == ["gateway.stopped"], 3 * limit_s)
        finally:
            os.kill(gateway.pid, signal.SIGCONT)
        until("and that it is back", lambda: said_by(guard) == ["gateway.stopped", "gateway.back"], 15)
        assert not hook.pages()


def said_by(guard: Hook) -> list[str]:
    """What the watchdog has said."""
    return [hit.body["reason"] for hit in guard.pages()]
