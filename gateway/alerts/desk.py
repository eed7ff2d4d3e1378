"""The alert desk: takes findings, actions and the passing of time, and makes every decision durable in one transaction."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

from gateway.clock import Clock
from gateway.ops import Ops
from gateway.vocabulary import Action, Actor, AlertView, Finding, Outcome

if TYPE_CHECKING:
    import apsw

    from gateway.alerts.policy import PolicyBook


class AlertDesk:
    """Owner of all alerts."""

    def __init__(
        self,
        db: Any,
        events: Any,
        registry: Any,
        clock: Clock,
        ops: Ops,
        policies: PolicyBook,
        *,
        channels: Collection[str] = (),
        public_url: str = "",
    ) -> None:
        raise NotImplementedError("the desk is being written")

    async def take(self, findings: Sequence[Finding]) -> None:
        """Make alerts of findings; idempotent; returns after the commit."""
        raise NotImplementedError("the desk is being written")

    async def act(
        self,
        action: Action,
        alert_id: str,
        actor: Actor,
        *,
        version: int | None = None,
        note: str = "",
        outcome: Outcome | None = None,
        until_s: float | None = None,
        reason: str = "",
    ) -> AlertView:
        """Apply a person's action; raises AlertNotFound or AlertConflict."""
        raise NotImplementedError("the desk is being written")

    async def run(self) -> None:
        """Timers, faults and progress until cancelled."""
        raise NotImplementedError("the desk is being written")

    @staticmethod
    def open_alerts(conn: apsw.Connection) -> list[AlertView]:
        """All alerts that are not resolved: unclaimed first, then priority, then oldest."""
        raise NotImplementedError("the desk is being written")

    @staticmethod
    def get(conn: apsw.Connection, alert_id: str) -> AlertView:
        """One alert; raises AlertNotFound."""
        raise NotImplementedError("the desk is being written")

    @staticmethod
    def history(conn: apsw.Connection, alert_id: str) -> list[dict[str, Any]]:
        """Transitions of one alert, oldest first: t_ns, kind, actor, actor_name, body."""
        raise NotImplementedError("the desk is being written")

    @staticmethod
    def why(conn: apsw.Connection, alert_id: str) -> list[dict[str, Any]]:
        """Who was told or not, when, by which channel, and why: t_ns, transition, staff_id, name, channel, told, reason."""
        raise NotImplementedError("the desk is being written")
