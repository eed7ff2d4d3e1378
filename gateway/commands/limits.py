"""Trying limits: the same checks as setting them, nothing is written, and the stream's own rule says what they would have done."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from gateway.access import FieldClass
from gateway.commands.refusal import Kind, Refusal
from gateway.commands.registry import must_resident
from gateway.query.asker import Asker, Missing
from gateway.registry import limits
from gateway.registry.errors import NotFoundError, RegistryError
from gateway.registry.tx import Tx
from gateway.registry.view import RegistryView

if TYPE_CHECKING:
    from gateway.commands.door import CommandParts


class LimitCommands:
    """Previews of limits."""

    def __init__(self, parts: CommandParts) -> None:
        self._parts = parts

    def preview(self, asker: Asker, resident_id: str, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Begin a back-test of these limits for a resident; raises Missing, Forbidden, Refusal, Unavailable."""
        registry, bounds = self._parts.registry, self._parts.query.bounds
        must_resident(asker, registry.view, resident_id, FieldClass.LIMITS)
        resident = bounds.resident(asker, resident_id)

        def work(tx: Tx) -> RegistryView:
            limits.set_limit(tx, **{**fields, "resident": resident.id})
            return tx.view

        try:
            after = registry.rehearse(asker.actor, work)
        except NotFoundError:
            raise Missing from None
        except RegistryError as error:
            raise Refusal(Kind.INVALID, f"registry.{error.code}", params={"field": error.field}) from None
        name = bounds.start(asker, resident, str(fields["quantity"]), registry.view, after)
        if name is None:
            raise Refusal(Kind.TOO_MANY, "preview.busy", retry_s=5)
        return bounds.state(asker, name)
