"""The consent ledger: who lets whom see what of a resident, on which legal basis, from when until when; rows are added or withdrawn."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from gateway.registry import check
from gateway.registry.errors import ConflictError, NotFoundError, RegistryError
from gateway.registry.tx import Tx
from gateway.registry.view import Consent
from gateway.vocabulary import Role

# The classes of access.py that consent can open; a test compares them. "looks" is for the resident's own account or the guardian's.
GRANTABLE = ("summary", "vitals", "alerts", "location", "documents", "notes", "looks")
EMERGENCY = "protect_life"  # without consent, to protect life: short, with a reason, and a row of the audit by that name
BASES = ("separate_consent", "guardian_consent", EMERGENCY)
EMERGENCY_MAX_NS = 72 * 3600 * 1_000_000_000
_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)


def set_consent(
    tx: Tx,
    *,
    resident: str,
    grantee: str,
    classes: Sequence[str],
    until_ns: int,
    giver: str,
    from_ns: int | None = None,
    text_version: str = "",
    text_sha256: str = "",
    legal_basis: str = "separate_consent",
    guardian: bool = False,
    reason: str = "",
    relation: str = "",
) -> Consent:
    """Record that a resident (or guardian) lets a family account see these classes until then."""
    user = tx.view.users.get(grantee)
    if user is None:
        raise NotFoundError("user", grantee[:64])
    if user.role != Role.FAMILY:
        raise RegistryError("consent.grantee", field="grantee")
    for name in classes:
        if name not in GRANTABLE:
            raise RegistryError("consent.class", field="classes", value=name[:40])
    if not classes:
        raise RegistryError("text.empty", field="classes")
    start = tx.now_ns if from_ns is None else from_ns
    if until_ns <= max(start, tx.now_ns):
        raise RegistryError("expiry.past", field="until")
    if text_sha256 and _SHA256.fullmatch(text_sha256) is None:
        raise RegistryError("word.unknown", field="text_sha256", allowed="64 x 0-9 a-f")
    emergency = check.word("legal_basis", legal_basis, BASES) == EMERGENCY
    if emergency and until_ns - start > EMERGENCY_MAX_NS:
        raise RegistryError("consent.emergency", field="until", limit=EMERGENCY_MAX_NS // (3600 * 1_000_000_000))
    row = Consent(
        id=tx.new_id(),
        resident_id=tx.view.canonical(tx.find(tx.view.residents, "resident", resident).id),
        grantee_id=user.id,
        classes=tuple(dict.fromkeys(classes)),
        from_ns=start,
        until_ns=until_ns,
        giver=check.text("giver", giver),
        text_version=check.text("text_version", text_version, empty=True),
        text_sha256=text_sha256,
        legal_basis=legal_basis,
        guardian=guardian or legal_basis == "guardian_consent",
        relation=check.text("relation", relation, limit=40, empty=True),
        reason=check.text("reason", reason, limit=check.NOTE_LIMIT, empty=not emergency),
        recorded_by=tx.actor.id,
        recorded_ns=tx.now_ns,
    )
    tx.put("consent.set", row)
    if emergency:
        tx.note("consent.emergency", row.id, resident=row.resident_id, grantee=row.grantee_id, until_ns=row.until_ns)
    if row.resident_id not in user.resident_ids:
        tx.put("user.set", replace(user, resident_ids=(*user.resident_ids, row.resident_id)))
    return row


def withdraw_consent(tx: Tx, consent_id: str) -> Consent:
    """Withdraw a consent row; what it opened is closed at the next look."""
    row = tx.view.consents.get(consent_id)
    if row is None:
        raise NotFoundError("consent", consent_id[:64])
    if row.withdrawn_ns is not None:
        raise ConflictError("consent.over")
    body = {
        "id": row.id,
        "resident_id": row.resident_id,
        "grantee_id": row.grantee_id,
        "withdrawn_ns": tx.now_ns,
        "withdrawn_by": tx.actor.id,
    }
    tx.emit("consent.withdrawn", row.id, body)
    return tx.view.consents[row.id]
