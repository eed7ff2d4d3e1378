"""allow(): a full matrix against a slow and obvious twin, and what consent rows open."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from types import MappingProxyType

from gateway.access import (
    ALL_SITES,
    GRANTABLE,
    Action,
    FieldClass,
    Purpose,
    Scope,
    Subject,
    allow,
    scope_of,
    site_scope,
    subject_of,
)
from gateway.registry import RegistryView, consents, org, residents
from gateway.registry.consents import GRANTABLE as LEDGER_GRANTABLE
from gateway.registry.tx import Tx
from gateway.registry.view import User
from gateway.vocabulary import Actor, Role

F, A = FieldClass, Action
CONSENTED = (F.SUMMARY, F.VITALS, F.ALERTS, F.LOCATION, F.DOCUMENTS, F.NOTES, F.LOOKS)
GRANT_SETS = (None, frozenset[FieldClass](), frozenset({F.VITALS}), frozenset({F.ALERTS, F.NOTES, F.LOCATION, F.LOOKS}))


def twin(subject: Subject, action: Action, scope: Scope | None, what: FieldClass, why: Purpose) -> bool:
    """The rules as one would tell them, one sentence after the other."""
    scope = scope or Scope()
    rules = {
        Role.FAMILY: family_may,
        Role.ADMIN: admin_may,
        Role.CAREGIVER: caregiver_may,
        Role.CLINICIAN: clinician_may,
        Role.OPERATOR: operator_may,
        Role.SUPERVISOR: supervisor_may,
        Role.DISPLAY: display_may,
    }
    return rules[subject.role](subject, action, scope, what, why)


def kind_of(scope: Scope) -> str:
    return "person" if scope.resident_id is not None else "site" if scope.site_id is not None else "whole"


def mine(subject: Subject, scope: Scope) -> bool:
    if ALL_SITES in subject.site_ids and (scope.site_id is not None or scope.resident_id is None):
        return True
    return scope.site_id is not None and scope.site_id in subject.site_ids


def everybodys_alert(subject: Subject, action: Action, what: FieldClass) -> bool:
    """A fault of the gateway, or a call of a device that nobody bound: whoever works at any site may see and own it."""
    return what is F.ALERTS and action in (A.READ, A.ACT) and len(subject.site_ids) > 0


def family_may(subject: Subject, action: Action, scope: Scope, what: FieldClass, why: Purpose) -> bool:
    """Family reads of one person what that person consented to, and who it is, and talks with the desk; nothing else at all."""
    if why is not Purpose.FAMILY or scope.resident_id is None:
        return False
    granted = subject.grants.get(scope.resident_id, frozenset())
    if what is F.DESK and action in (A.READ, A.WRITE):
        return len(granted) > 0
    if action is not A.READ:
        return False
    return len(granted) > 0 if what is F.IDENTITY else what in CONSENTED and what in granted


def admin_may(subject: Subject, action: Action, scope: Scope, what: FieldClass, why: Purpose) -> bool:
    """Administrators keep the house running and see nobody's data."""
    if kind_of(scope) == "person":
        return False
    if what is F.AUDIT:
        return kind_of(scope) == "whole" and why is Purpose.AUDIT and action in (A.READ, A.EXPORT)
    if why not in (Purpose.ADMINISTRATION, Purpose.AUDIT):
        return False
    if what is F.USERS:
        return kind_of(scope) == "whole" and action in (A.READ, A.WRITE)
    if what is F.DEVICE:
        return action is A.READ
    if what is F.FIGURES:
        return kind_of(scope) == "site" and action in (A.READ, A.EXPORT)
    return what in (F.REGISTRY, F.STAFF, F.SYSTEM) and action in (A.READ, A.WRITE)


def supervisor_may(subject: Subject, action: Action, scope: Scope, what: FieldClass, why: Purpose) -> bool:
    """Supervisors read the figures of their sites, and nothing else."""
    site = kind_of(scope) == "site" and mine(subject, scope)
    return why is Purpose.SUPERVISION and what is F.FIGURES and site and action in (A.READ, A.EXPORT)


def caregiver_may(subject: Subject, action: Action, scope: Scope, what: FieldClass, why: Purpose) -> bool:
    """Caregivers look after those who are in their sites now."""
    if why is not Purpose.CARE:
        return False
    if kind_of(scope) == "whole":
        return (what is F.SYSTEM and action is A.READ) or everybodys_alert(subject, action, what)
    person = kind_of(scope) == "person"
    if not mine(subject, scope) or (person and not scope.present):
        return False
    if action is A.READ and person:
        return what in (
            F.IDENTITY, F.VITALS, F.ALERTS, F.LOCATION, F.NOTES, F.CARE, F.LIMITS, F.DEVICE, F.DESK, F.INVITATION
        )  # fmt: skip
    if action is A.READ:
        return what in (F.REGISTRY, F.STAFF, F.DEVICE, F.ALERTS, F.SYSTEM)
    if action is A.WRITE:
        return what is F.DEVICE or (person and what in (F.NOTES, F.CARE, F.DESK, F.INVITATION))
    return action is A.ACT and what is F.ALERTS


def display_may(subject: Subject, action: Action, scope: Scope, what: FieldClass, why: Purpose) -> bool:
    """A screen on the wall shows who is in its site now, how they are and who is called; it does nothing."""
    if why is not Purpose.CARE or action is not A.READ:
        return False
    if kind_of(scope) == "whole":
        return what is F.SYSTEM or everybodys_alert(subject, action, what)
    if not mine(subject, scope):
        return False
    if kind_of(scope) == "person":
        return scope.present and what in (F.IDENTITY, F.VITALS, F.ALERTS, F.LOCATION)
    return what in (F.REGISTRY, F.STAFF, F.ALERTS, F.SYSTEM)


def clinician_may(subject: Subject, action: Action, scope: Scope, what: FieldClass, why: Purpose) -> bool:
    """Clinicians see their sites and, wherever these are, the people in their care; limits are theirs to set."""
    if why is not Purpose.CARE:
        return False
    if kind_of(scope) == "person":
        if not mine(subject, scope) and scope.resident_id not in subject.resident_ids:
            return False
        return {
            A.READ: what
            in (
                F.IDENTITY, F.VITALS, F.ALERTS, F.LOCATION, F.NOTES, F.CARE, F.LIMITS, F.DEVICE, F.CONSENT, F.LOOKS, F.DESK, F.DOCUMENTS
            ),
            A.WRITE: what in (F.NOTES, F.CARE, F.LIMITS, F.DESK, F.DOCUMENTS),
            A.ACT: what is F.ALERTS,
            A.EXPORT: what in (F.IDENTITY, F.VITALS, F.ALERTS, F.NOTES, F.CARE),
        }[action]
    if kind_of(scope) == "whole" and what is F.SYSTEM:
        return action is A.READ
    if kind_of(scope) == "whole" and everybodys_alert(subject, action, what):
        return True
    if not mine(subject, scope):
        return False
    if what is F.LIMITS:
        return action in (A.READ, A.WRITE)
    if kind_of(scope) == "whole":
        return False
    if what is F.ALERTS:
        return action in (A.READ, A.ACT)
    return what in (F.REGISTRY, F.STAFF, F.DEVICE, F.SYSTEM) and action is A.READ


def operator_may(subject: Subject, action: Action, scope: Scope, what: FieldClass, why: Purpose) -> bool:
    """Operators install devices and run the house: they see names, never a value."""
    if why is not Purpose.OPERATION:
        return False
    if kind_of(scope) == "whole" and what is F.SYSTEM:
        return action in (A.READ, A.WRITE)
    if kind_of(scope) == "whole" and everybodys_alert(subject, action, what):
        return True
    if not mine(subject, scope):
        return False
    if kind_of(scope) == "person":
        if what is F.DOCUMENTS:
            return action is A.WRITE  # scans paper, reads none
        return (what is F.LOOKS and action is A.READ) or (
            what in (F.IDENTITY, F.DEVICE, F.CONSENT, F.INVITATION) and action in (A.READ, A.WRITE)
        )
    if what is F.RAW:
        return action is A.READ
    if what is F.ALERTS:
        return action in (A.READ, A.ACT)
    if what is F.IDENTITY:
        return kind_of(scope) == "site" and action is A.WRITE
    if what is F.FIGURES:
        return kind_of(scope) == "site" and action in (A.READ, A.EXPORT)
    return what in (F.REGISTRY, F.STAFF, F.DEVICE, F.SYSTEM) and action in (A.READ, A.WRITE)


def subjects() -> Iterator[Subject]:
    for role in Role:
        for sites, people in itertools.product((set(), {"s1"}, {ALL_SITES}), (set(), {"r1"})):
            for classes in GRANT_SETS:
                grants = MappingProxyType({} if classes is None else {"r1": classes})
                yield Subject(user_id="u", role=role, site_ids=frozenset(sites), resident_ids=frozenset(people), grants=grants)


def scopes() -> Iterator[Scope | None]:
    yield None
    yield Scope()
    for site in ("s1", "s2"):
        yield site_scope(site)
        for resident, present in itertools.product(("r1", "r2"), (True, False)):
            yield Scope(resident_id=resident, site_id=site, present=present)
    yield Scope(resident_id="r1", site_id=None)


def test_the_full_matrix_equals_the_slow_twin() -> None:
    counted = allowed = 0
    for subject, scope, action, what, why in itertools.product(subjects(), scopes(), Action, FieldClass, Purpose):
        found = allow(subject, action, scope, what, why)
        assert found == twin(subject, action, scope, what, why), (subject, scope, action, what, why)
        counted += 1
        allowed += found
    assert counted > 200_000
    assert 0 < allowed < counted / 10, "deny is the rule"


def test_no_clinical_data_for_admin_and_operator_whatever_the_scope() -> None:
    clinical = (F.VITALS, F.LOCATION, F.NOTES, F.CARE)
    for subject, scope, action, what, why in itertools.product(subjects(), scopes(), Action, clinical, Purpose):
        if subject.role in (Role.ADMIN, Role.OPERATOR):
            assert not allow(subject, action, scope, what, why)


def ward() -> Tx:
    tx = Tx(None, RegistryView(), 1_000, Actor(id="U-op"))
    org.set_site(tx, name="S", site_id="s1")
    for person in ("r1", "r2"):
        residents.admit(tx, name=person, site="s1", resident_id=person)
    tx.put("user.set", User(id="fam", login="fam", name="Fam", role="family"))
    return tx


def sees(tx: Tx, resident: str, what: FieldClass, at: int) -> bool:
    subject = subject_of(tx.view, "fam", at)
    return subject is not None and allow(subject, A.READ, scope_of(tx.view, resident), what, Purpose.FAMILY)


def test_family_sees_what_an_unexpired_consent_grants() -> None:
    tx = ward()
    assert not sees(tx, "r1", F.IDENTITY, 1_000)
    row = consents.set_consent(tx, resident="r1", grantee="fam", classes=("vitals",), until_ns=5_000, giver="r1")
    assert sees(tx, "r1", F.VITALS, 1_000)
    assert sees(tx, "r1", F.IDENTITY, 4_999)
    assert not sees(tx, "r1", F.VITALS, 5_000), "expired"
    assert not sees(tx, "r1", F.VITALS, 999), "not yet given"
    assert not sees(tx, "r1", F.ALERTS, 1_000), "another class"
    assert not sees(tx, "r2", F.VITALS, 1_000), "another resident"
    consents.set_consent(tx, resident="r1", grantee="fam", classes=("alerts",), until_ns=9_000, giver="r1")
    assert sees(tx, "r1", F.ALERTS, 1_000)
    tx.now_ns = 2_000
    consents.withdraw_consent(tx, row.id)
    assert not sees(tx, "r1", F.VITALS, 2_000)
    assert sees(tx, "r1", F.ALERTS, 2_000)


def test_consent_follows_a_merge_and_a_disabled_account_sees_nothing() -> None:
    tx = ward()
    consents.set_consent(tx, resident="r1", grantee="fam", classes=("vitals",), until_ns=5_000, giver="r1")
    residents.merge(tx, "r1", "r2")
    assert sees(tx, "r2", F.VITALS, 1_000)
    assert sees(tx, "r1", F.VITALS, 1_000), "the merged record stands for the one it lives on in"
    tx.put("user.set", User(id="fam", login="fam", name="Fam", role="family", resident_ids=("r1",), status="disabled"))
    assert subject_of(tx.view, "fam", 1_000) is None
    assert subject_of(tx.view, "nobody", 1_000) is None
    assert scope_of(tx.view, "nobody") is None


def test_a_consent_row_without_the_account_naming_the_resident_opens_nothing() -> None:
    tx = ward()
    consents.set_consent(tx, resident="r1", grantee="fam", classes=("vitals",), until_ns=5_000, giver="r1")
    tx.put("user.set", User(id="fam", login="fam", name="Fam", role="family", resident_ids=()))
    assert not sees(tx, "r1", F.VITALS, 1_000)


def test_what_can_be_granted_is_said_the_same_in_both_places() -> None:
    assert tuple(item.value for item in GRANTABLE) == LEDGER_GRANTABLE
