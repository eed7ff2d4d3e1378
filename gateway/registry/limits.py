"""Alarm limits: versioned, with author, reason and end; commands that run inside a transaction."""

from __future__ import annotations

from devices.codes import BY_KEY, Quantity
from gateway.registry import check, hours
from gateway.registry.errors import NotFoundError, RegistryError
from gateway.registry.tx import Tx
from gateway.registry.view import Limit


def set_limit(
    tx: Tx,
    *,
    quantity: str,
    reason: str,
    resident: str | None = None,
    site: str | None = None,
    low: float | None = None,
    high: float | None = None,
    low_extreme: float | None = None,
    high_extreme: float | None = None,
    duration_s: float = 15.0,
    hysteresis: float = 0.0,
    expires_ns: int | None = None,
    from_local: str | None = None,
    to_local: str | None = None,
    off: str | None = None,
) -> Limit:
    """Set the limits of a quantity for a resident, a site or everywhere, all day or for some hours of the site's own clock.

    One with an expiry lies over the lasting ones until it expires, one with hours over those for all day. A new one ends its like.
    `off` ("low", "high", "both") switches a side off, the institution's default included.
    """
    row_resident = None if resident is None else tx.view.canonical(tx.find(tx.view.residents, "resident", resident).id)
    site_id = None if site is None or resident is not None else tx.find(tx.view.sites, "site", site).id
    row = Limit(
        id=tx.new_id(),
        quantity=_quantity(quantity).key,
        resident_id=row_resident,
        site_id=site_id,
        low=check.finite("low", low),
        high=check.finite("high", high),
        low_extreme=check.finite("low_extreme", low_extreme),
        high_extreme=check.finite("high_extreme", high_extreme),
        duration_s=_not_negative("duration_s", duration_s),
        hysteresis=_not_negative("hysteresis", hysteresis),
        author=tx.actor.id,
        reason=check.text("reason", reason, limit=check.NOTE_LIMIT),
        expires_ns=expires_ns,
        version=tx.view.limit_version(row_resident, site_id, quantity) + 1,
        from_local=from_local,
        to_local=to_local,
        off=off,
    )
    _hours(row)
    _off(row)
    if expires_ns is not None and expires_ns <= tx.now_ns:
        raise RegistryError("expiry.past", field="expires")
    _in_order(row)
    for former in tx.view.limits_of(row_resident, site_id, quantity):
        same_hours = (former.from_local, former.to_local) == (from_local, to_local)
        if same_hours and (expires_ns is None or former.expires_ns is not None):
            tx.emit("limit.ended", former.id, {"id": former.id, "resident_id": former.resident_id})
    tx.put("limit.set", row)
    return row


def end_limit(tx: Tx, limit_id: str, *, reason: str) -> None:
    """Take a limit back; the next wider scope holds again."""
    limit = tx.view.limits.get(limit_id)
    if limit is None:
        raise NotFoundError("limit", limit_id[:64])
    reason = check.text("reason", reason, limit=check.NOTE_LIMIT)
    tx.emit("limit.ended", limit_id, {"id": limit_id, "resident_id": limit.resident_id, "author": tx.actor.id, "reason": reason})


def _quantity(key: str) -> Quantity:
    found = BY_KEY.get(key)
    if found is None:
        raise NotFoundError("quantity", key[:40])
    return found


def _not_negative(field: str, value: float) -> float:
    number = check.finite(field, value)
    if number is None or number < 0:
        raise RegistryError("number.invalid", field=field)
    return number


def _hours(limit: Limit) -> None:
    all_day = limit.from_local is None and limit.to_local is None
    if not all_day and not hours.valid(limit.from_local, limit.to_local):
        raise RegistryError("limit.hours", field="from_local")


def _off(limit: Limit) -> None:
    """A side that is switched off has no number of its own."""
    if limit.off is None:
        return
    if limit.off not in ("low", "high", "both"):
        raise RegistryError("limit.off", field="off")
    for side in ("low", "high"):
        if limit.off in (side, "both") and (getattr(limit, side) is not None or getattr(limit, f"{side}_extreme") is not None):
            raise RegistryError("limit.off", field=side)


def _in_order(limit: Limit) -> None:
    quantity = BY_KEY[limit.quantity]
    given = {name: getattr(limit, name) for name in ("low_extreme", "low", "high", "high_extreme")}
    values = [(name, value) for name, value in given.items() if value is not None]
    if not values and limit.off is None:
        raise RegistryError("limit.empty", field="low")
    for name, value in values:
        if not quantity.low <= value <= quantity.high:
            raise RegistryError(
                "limit.range", field=name, quantity=quantity.en, low=quantity.low, high=quantity.high, unit=quantity.ucum
            )  # fmt: skip
    lows = [given[name] for name in ("low_extreme", "low") if given[name] is not None]
    highs = [given[name] for name in ("high", "high_extreme") if given[name] is not None]
    if lows != sorted(lows) or highs != sorted(highs) or (lows and highs and lows[-1] >= highs[0]):
        raise RegistryError("limit.order", field="low")
