"""What an operator does about alarms from the command line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.core import Core
from gateway.pins import Pins
from gateway.vocabulary import Actor

OPERATOR = Actor(id="command-line", name="command line")


async def staff_pin(core: Core, args: Mapping[str, Any]) -> dict[str, Any]:
    """A person's PIN, shown once; instead of any former one."""
    staff = core.registry.view.staff.get(args["staff"])
    if staff is None or staff.status != "active":
        raise LookupError(f"no member of staff {args['staff']}")
    pin = await Pins(core.store, core.clock, core.audit, core.accounts.hasher).give(OPERATOR, staff.id, args.get("pin"))
    return {"staff": staff.id, "name": staff.name, "pin": pin}


JOBS = {"staff.pin": staff_pin}
