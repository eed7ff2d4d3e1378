"""Role x route x foreign resident, made from the OpenAPI document: a new route without a row here fails."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import APIRouter, FastAPI

from gateway.alerts.handover import Giving
from gateway.api import policies
from gateway.api.app import create_app
from gateway.care import documents, invitations, letters, visits
from gateway.registry import attribution, duty, terminals
from gateway.vocabulary import SYSTEM, Actor
from tests.support.house import PEOPLE, House, house

ALL = frozenset(PEOPLE)
CARE = frozenset({"carer", "carer2", "doctor"})
OPERATORS = frozenset({"operator", "chief"})
STAFF = CARE | OPERATORS | {"admin"}

# (method, path) -> who passes the door with something of his or her own reach. Everybody else is refused with 403 (401 without a session).
PASSES: dict[tuple[str, str], frozenset[str]] = {
    ("post", "/api/v1/session"): ALL | {"nobody"},
    ("delete", "/api/v1/session"): ALL,
    ("get", "/api/v1/me"): ALL,
    ("post", "/api/v1/me/password"): ALL,
    ("post", "/api/v1/me/lang"): ALL,
    ("get", "/api/v1/session/ways"): ALL | {"nobody"},
    ("post", "/api/v1/session/pin"): ALL | {"nobody"},
    ("post", "/api/v1/session/terminal"): ALL | {"nobody"},
    ("get", "/api/v1/me/ways"): ALL,
    ("post", "/api/v1/me/pin"): ALL,
    ("post", "/api/v1/me/second-factor"): ALL,
    ("post", "/api/v1/me/second-factor/confirm"): ALL,
    ("post", "/api/v1/me/second-factor/end"): ALL,
    ("post", "/api/v1/users/{user_id}/second-factor/end"): frozenset({"admin"}),
    ("get", "/api/v1/terminals"): OPERATORS | {"admin"},
    ("post", "/api/v1/terminals"): OPERATORS | {"admin"},
    ("post", "/api/v1/terminals/{terminal_id}/revoke"): OPERATORS | {"admin"},
    ("post", "/api/v1/me/elder"): ALL,
    ("get", "/api/v1/stream"): ALL,
    ("get", "/api/v1/wall"): CARE,
    ("get", "/api/v1/wall/risk"): CARE,
    ("get", "/api/v1/alerts"): CARE | OPERATORS,
    ("get", "/api/v1/alerts/{alert_id}"): CARE | OPERATORS,
    ("get", "/api/v1/alerts/{alert_id}/why"): CARE | OPERATORS,
    ("post", "/api/v1/alerts/{alert_id}/{action}"): CARE | OPERATORS,
    ("get", "/api/v1/alerts/{alert_id}/dispatch"): CARE | OPERATORS,
    ("get", "/api/v1/policies"): STAFF,
    ("post", "/api/v1/policies/check"): OPERATORS | {"admin"},
    ("put", "/api/v1/policies/{policy_id}"): OPERATORS | {"admin"},
    ("post", "/api/v1/policies/{policy_id}/end"): OPERATORS | {"admin"},
    ("get", "/api/v1/duty"): STAFF,
    ("post", "/api/v1/registry/overrides"): OPERATORS | {"admin"},
    ("post", "/api/v1/registry/overrides/{override_id}/end"): OPERATORS | {"admin"},
    ("post", "/api/v1/registry/groups"): OPERATORS | {"admin"},
    ("post", "/api/v1/registry/groups/{group_id}/end"): OPERATORS | {"admin"},
    ("post", "/api/v1/registry/quiet"): OPERATORS | {"admin"},
    ("post", "/api/v1/registry/quiet/{site_id}/end"): OPERATORS | {"admin"},
    ("post", "/api/v1/contacts"): OPERATORS,
    ("post", "/api/v1/contacts/{contact_id}/end"): OPERATORS,
    ("put", "/api/v1/residents/{resident_id}/home"): OPERATORS,
    ("get", "/api/v1/residents/{resident_id}/why"): CARE | OPERATORS,
    ("get", "/api/v1/silences"): CARE | OPERATORS,
    ("post", "/api/v1/silences"): CARE,
    ("post", "/api/v1/silences/{silence_id}/end"): CARE,
    ("get", "/api/v1/handover"): CARE | OPERATORS,
    ("get", "/api/v1/handover/scores"): CARE | OPERATORS,
    ("post", "/api/v1/handover"): CARE | OPERATORS,
    ("post", "/api/v1/handover/{handover_id}/accept"): CARE | OPERATORS,
    ("get", "/api/v1/calls"): CARE | OPERATORS,
    ("get", "/api/v1/residents"): CARE | OPERATORS | {"son"},
    ("get", "/api/v1/residents/{resident_id}"): CARE | OPERATORS | {"son"},
    ("get", "/api/v1/residents/{resident_id}/history"): CARE | {"son"},
    ("post", "/api/v1/residents"): OPERATORS,
    ("post", "/api/v1/residents/{resident_id}/observe"): CARE,
    ("post", "/api/v1/residents/{resident_id}/merge"): OPERATORS,
    ("post", "/api/v1/residents/{resident_id}/{step}"): OPERATORS,
    ("get", "/api/v1/devices"): STAFF,
    ("get", "/api/v1/devices/health"): STAFF,
    ("get", "/api/v1/devices/{device_id}/health"): STAFF,
    ("post", "/api/v1/devices"): OPERATORS,
    ("post", "/api/v1/devices/{device_id}/retire"): OPERATORS,
    ("post", "/api/v1/devices/{device_id}/token"): OPERATORS,
    ("post", "/api/v1/devices/{device_id}/pairing"): OPERATORS,
    ("get", "/api/v1/devices/{device_id}/pairing"): OPERATORS,
    ("delete", "/api/v1/devices/{device_id}/pairing"): OPERATORS,
    ("post", "/api/v1/devices/{device_id}/pairing/passkey"): OPERATORS,
    ("get", "/api/v1/inbox"): STAFF,
    ("get", "/api/v1/inbox/readings"): STAFF,
    ("get", "/api/v1/inbox/assigned"): STAFF,
    ("post", "/api/v1/readings/assign"): OPERATORS | {"carer", "carer2"},
    ("post", "/api/v1/readings/assigned/{assigned_id}/undo"): OPERATORS | {"carer", "carer2"},
    ("put", "/api/v1/devices/{device_id}/slots/{user}"): OPERATORS | {"carer", "carer2"},
    ("post", "/api/v1/devices/{device_id}/checkin"): OPERATORS | {"carer", "carer2"},
    ("post", "/api/v1/residents/{resident_id}/badges"): OPERATORS,
    ("post", "/api/v1/badges/{badge_id}/revoke"): OPERATORS,
    ("get", "/api/v1/registry"): STAFF,
    ("post", "/api/v1/registry/sites"): OPERATORS | {"admin"},
    ("post", "/api/v1/registry/zones"): OPERATORS | {"admin"},
    ("post", "/api/v1/registry/rooms"): OPERATORS | {"admin"},
    ("post", "/api/v1/registry/beds"): OPERATORS | {"admin"},
    ("post", "/api/v1/registry/staff"): OPERATORS | {"admin"},
    ("post", "/api/v1/registry/rota"): OPERATORS | {"admin"},
    ("post", "/api/v1/registry/rota/{rota_id}/end"): OPERATORS | {"admin"},
    ("post", "/api/v1/bindings"): OPERATORS | {"carer", "carer2"},
    ("post", "/api/v1/bindings/{binding_id}/end"): OPERATORS | {"carer", "carer2"},
    ("post", "/api/v1/limits"): frozenset({"doctor"}),
    ("post", "/api/v1/limits/{limit_id}/end"): frozenset({"doctor"}),
    ("post", "/api/v1/consents"): OPERATORS,
    ("post", "/api/v1/consents/{consent_id}/withdraw"): OPERATORS,
    ("get", "/api/v1/family/{resident_id}"): frozenset({"son"}),
    ("get", "/api/v1/clinic"): frozenset({"doctor"}),
    ("get", "/api/v1/clinic/{resident_id}"): frozenset({"doctor"}),
    ("get", "/api/v1/clinic/{resident_id}/pressure"): frozenset({"doctor"}),
    ("get", "/api/v1/clinic/{resident_id}/compare"): frozenset({"doctor"}),
    ("get", "/api/v1/clinic/{resident_id}/report.pdf"): frozenset({"doctor"}),
    ("get", "/api/v1/residents/{resident_id}/notes"): CARE,
    ("post", "/api/v1/residents/{resident_id}/notes"): CARE,
    ("post", "/api/v1/notes/{note_id}/withdraw"): CARE,
    ("get", "/api/v1/residents/{resident_id}/limits"): CARE,
    ("post", "/api/v1/residents/{resident_id}/limits/preview"): frozenset({"doctor"}),
    ("get", "/api/v1/limits/preview/{job}"): frozenset({"doctor"}),
    ("get", "/fhir/metadata"): ALL | {"nobody"},
    ("get", "/fhir/Observation"): frozenset({"doctor"}),
    ("get", "/fhir/Patient/{patient}"): frozenset({"doctor"}),
    ("get", "/api/v1/residents/{resident_id}/glucose"): frozenset({"doctor"}),
    ("get", "/api/v1/residents/{resident_id}/consents"): OPERATORS | {"doctor"},
    ("get", "/api/v1/residents/{resident_id}/looks"): OPERATORS | {"doctor", "son"},
    ("get", "/api/v1/grantees/{user_id}/consents"): OPERATORS | {"son"},
    ("get", "/api/v1/care"): CARE,
    ("get", "/api/v1/care/{resident_id}"): CARE | OPERATORS,
    ("post", "/api/v1/care/{resident_id}/notes"): CARE,
    ("post", "/api/v1/care/{resident_id}/visits"): CARE,
    ("post", "/api/v1/visits/{visit_id}/end"): CARE,
    ("post", "/api/v1/questions/{thread_id}/answer"): CARE,
    ("post", "/api/v1/questions/{thread_id}/settle"): CARE,
    ("post", "/api/v1/messages/{letter_id}/withdraw"): CARE,
    ("post", "/api/v1/care/{resident_id}/documents"): OPERATORS | {"doctor"},
    ("get", "/api/v1/documents/{document_id}"): frozenset({"doctor", "son"}),
    ("post", "/api/v1/documents/{document_id}/withdraw"): OPERATORS | {"doctor"},
    ("post", "/api/v1/family/{resident_id}/questions"): frozenset({"son"}),
    ("get", "/api/v1/consent-text"): ALL,
    ("post", "/api/v1/care/{resident_id}/invitations"): OPERATORS | {"carer", "carer2"},
    ("post", "/api/v1/invitations/{invitation_id}/withdraw"): OPERATORS | {"carer", "carer2"},
    ("post", "/api/v1/invite/open"): ALL | {"nobody"},
    ("post", "/api/v1/invite/accept"): ALL | {"nobody"},
    ("post", "/api/v1/invite/join"): frozenset({"son"}),
    ("get", "/api/v1/status"): STAFF,
    ("get", "/api/v1/ledger"): STAFF,
    ("get", "/api/v1/deadletters"): OPERATORS | {"admin"},
    ("post", "/api/v1/deadletters/retry"): OPERATORS,
    ("get", "/api/v1/house"): OPERATORS | {"admin"},
    ("get", "/api/v1/backups"): OPERATORS | {"admin"},
    ("post", "/api/v1/backups"): OPERATORS | {"admin"},
    ("get", "/api/v1/setup/search"): OPERATORS,
    ("post", "/api/v1/setup/search"): OPERATORS,
    ("delete", "/api/v1/setup/search"): OPERATORS,
    ("get", "/api/v1/setup/show"): OPERATORS,
    ("post", "/api/v1/setup/show"): OPERATORS,
    ("post", "/api/v1/setup/devices"): OPERATORS,
    ("get", "/api/v1/devices/{device_id}/detail"): STAFF,
    ("post", "/api/v1/devices/{device_id}/assign"): OPERATORS | {"carer", "carer2"},
    ("post", "/api/v1/bindings/{binding_id}/undo"): OPERATORS | {"carer", "carer2"},
    ("get", "/api/v1/devices/{device_id}/first"): OPERATORS,
    ("get", "/api/v1/devices/{device_id}/walk"): OPERATORS,
    ("post", "/api/v1/devices/{device_id}/walk"): OPERATORS,
    ("put", "/api/v1/devices/{device_id}/walk"): OPERATORS,
    ("delete", "/api/v1/devices/{device_id}/walk"): OPERATORS,
    ("delete", "/api/v1/devices/{device_id}/bond"): OPERATORS,
    ("get", "/api/v1/devices/{device_id}/label.svg"): OPERATORS,
    ("get", "/api/v1/deadletters/{letter_id}"): OPERATORS,
    ("post", "/api/v1/deadletters/{letter_id}/retry"): OPERATORS,
    ("get", "/api/v1/users"): frozenset({"admin"}),
    ("post", "/api/v1/users"): frozenset({"admin"}),
    ("post", "/api/v1/users/{user_id}/disable"): frozenset({"admin"}),
    ("get", "/api/v1/audit"): frozenset({"admin"}),
    ("get", "/api/v1/house/residents"): OPERATORS,
    ("get", "/api/v1/house/residents/{resident_id}"): OPERATORS,
    ("get", "/api/v1/house/residents/{resident_id}/merge"): OPERATORS,
    ("post", "/api/v1/house/residents/{resident_id}/correct"): OPERATORS,
    ("get", "/api/v1/house/beds"): OPERATORS | {"admin"},
    ("get", "/api/v1/house/staff"): OPERATORS | {"admin"},
    ("post", "/api/v1/house/staff/{staff_id}/retire"): OPERATORS | {"admin"},
    ("get", "/api/v1/house/week"): STAFF,
    ("get", "/api/v1/house/choices"): STAFF,
    ("get", "/api/v1/house/grantees"): OPERATORS,
    ("post", "/api/v1/house/import"): OPERATORS,
    ("get", "/api/v1/house/import/{table}"): OPERATORS | {"admin"},
    ("get", "/api/v1/policies/{policy_id}/versions"): STAFF,
    ("post", "/api/v1/users/{user_id}"): frozenset({"admin"}),
    ("post", "/api/v1/users/{user_id}/reset"): frozenset({"admin"}),
    ("get", "/api/v1/supervision"): OPERATORS | {"admin", "inspector"},
    ("get", "/api/v1/supervision.csv"): OPERATORS | {"admin", "inspector"},
    ("get", "/api/v1/audit/search"): frozenset({"admin"}),
    ("get", "/api/v1/audit/search.csv"): frozenset({"admin"}),
    ("get", "/api/v1/audit/verify"): frozenset({"admin"}),
    ("get", "/api/v1/figures"): OPERATORS,
    ("get", "/api/v1/figures.csv"): OPERATORS,
}

# All that a screen on the wall may ask for, beside itself and the stream.
SHOWN = {("get", "/api/v1/wall"), ("get", "/api/v1/wall/risk"), ("get", "/api/v1/alerts"), ("get", "/api/v1/silences")}

FAR_POLICY: dict[str, Any] = {
    "lane": "call", "site_id": "far", "steps": [{"delay_s": 0.0, "targets": [{"kind": "desk"}]}], "arrive_s": 60.0, "resolve_s": 300.0,
    "repeat_s": 30.0, "ack_timeout_s": 600.0, "recheck_s": 300.0, "silence_max_s": 120.0,
}  # fmt: skip
# Bodies and queries that name something of a foreign site; each must answer 404 to everybody who has only the own site.
FOREIGN_BODY: dict[tuple[str, str], dict[str, Any]] = {
    ("post", "/api/v1/policies/check"): FAR_POLICY,
    ("put", "/api/v1/policies/{policy_id}"): FAR_POLICY,
    ("post", "/api/v1/registry/overrides"): {"site": "far", "staff": "staff-li", "kind": "absent", "from_ms": 0, "until_ms": 1000},
    ("post", "/api/v1/registry/groups"): {"site": "far", "name": "x", "staff": ["staff-li"]},
    ("post", "/api/v1/registry/quiet"): {"site": "far", "start": "22:00", "end": "07:00"},
    ("post", "/api/v1/contacts"): {"resident": "zhou", "name": "x", "kind": "family"},
    ("put", "/api/v1/residents/{resident_id}/home"): {"address": "x"},
    ("post", "/api/v1/silences"): {"resident": "zhou", "cause": "hr.high", "reason": "x"},
    ("post", "/api/v1/handover"): {"site": "far"},
    ("post", "/api/v1/bindings"): {"device_id": "band-free", "resident_id": "zhou"},
    ("post", "/api/v1/terminals"): {"kind": "display", "name": "x", "site": "far"},
    ("post", "/api/v1/registry/zones"): {"site": "far", "name": "x"},
    ("post", "/api/v1/registry/rooms"): {"site": "far", "name": "x"},
    ("post", "/api/v1/registry/beds"): {"site": "far", "label": "x"},
    ("post", "/api/v1/registry/sites"): {"site_id": "far", "name": "x"},
    ("post", "/api/v1/registry/rota"): {
        "site": "far", "staff": "staff-li", "role": "caregiver", "weekdays": [0], "start": "07:00", "end": "15:00",
    },
    ("post", "/api/v1/residents"): {"site": "far", "name": "x"},
    ("post", "/api/v1/devices"): {"device_id": "band-zhou", "site": "care"},
    ("post", "/api/v1/limits"): {"quantity": "hr", "reason": "x", "resident": "zhou", "high": 120.0},
    ("post", "/api/v1/consents"): {
        "resident": "zhou", "grantee": "u-son", "classes": ["vitals"], "until_ms": 4_000_000_000_000, "giver": "x",
    },
    ("post", "/api/v1/residents/{resident_id}/observe"): {"on_oxygen": True},
    ("post", "/api/v1/house/residents/{resident_id}/correct"): {"name": "x"},
    ("post", "/api/v1/care/{resident_id}/notes"): {"text": "x"},
    ("post", "/api/v1/care/{resident_id}/visits"): {"kind": "doctor", "at_ms": 1},
    ("post", "/api/v1/visits/{visit_id}/end"): {"status": "held"},
    ("post", "/api/v1/questions/{thread_id}/answer"): {"text": "x"},
    ("post", "/api/v1/messages/{letter_id}/withdraw"): {"reason": "x"},
    ("post", "/api/v1/documents/{document_id}/withdraw"): {"reason": "x"},
    ("post", "/api/v1/family/{resident_id}/questions"): {"text": "x"},
    ("post", "/api/v1/care/{resident_id}/invitations"): {
        "name": "x", "relation": "child", "classes": ["vitals"], "until_ms": 4_000_000_000_000, "giver": "x",
    },
    ("post", "/api/v1/invite/join"): {"token": "x" * 32},
    ("post", "/api/v1/residents/{resident_id}/merge"): {"into": "wang", "reason": "x"},
    ("post", "/api/v1/residents/{resident_id}/notes"): {"kind": "note", "text": "x"},
    ("post", "/api/v1/notes/{note_id}/withdraw"): {"reason": "x"},
    ("post", "/api/v1/residents/{resident_id}/limits/preview"): {"quantity": "hr", "reason": "x", "high": 120.0},
    ("post", "/api/v1/residents/{resident_id}/{step}"): {},
    ("post", "/api/v1/limits/{limit_id}/end"): {"reason": "x"},
    ("post", "/api/v1/devices/{device_id}/pairing"): {},
    ("post", "/api/v1/devices/{device_id}/assign"): {"resident_id": "wang"},
    ("put", "/api/v1/devices/{device_id}/walk"): {"spots": []},
    ("post", "/api/v1/setup/devices"): {"address": "C0:00:00:00:00:01", "site": "far"},
    ("post", "/api/v1/devices/{device_id}/pairing/passkey"): {"passkey": 1},
    ("post", "/api/v1/readings/assign"): {"device": "band-zhou", "t_ms": 1, "resident": "wang"},
    ("put", "/api/v1/devices/{device_id}/slots/{user}"): {"resident": None},
    ("post", "/api/v1/devices/{device_id}/checkin"): {"resident": "wang"},
    ("post", "/api/v1/residents/{resident_id}/badges"): {"kind": "pin"},
}  # fmt: skip
FOREIGN_QUERY: dict[tuple[str, str], dict[str, Any]] = {
    ("get", "/api/v1/wall"): {"site": "far"},
    ("get", "/api/v1/wall/risk"): {"site": "far"},
    ("get", "/api/v1/handover/scores"): {"site": "far"},
    ("get", "/fhir/Observation"): {"patient": "zhou"},
    ("get", "/api/v1/duty"): {"site": "far"},
    ("get", "/api/v1/handover"): {"site": "far"},
    ("get", "/api/v1/house/week"): {"site": "far"},
    ("get", "/api/v1/house/residents/{resident_id}/merge"): {"into": "wang"},
    ("get", "/api/v1/calls"): {"site": "far"},
    ("post", "/api/v1/care/{resident_id}/documents"): {"title": "x"},
    ("get", "/api/v1/residents/{resident_id}/why"): {"at_ms": 0},
}
OWN_QUERY = {"/api/v1/wall": {"site": "care"}, "/api/v1/wall/risk": {"site": "care"}, "/api/v1/handover/scores": {"site": "care"},
             "/api/v1/duty": {"site": "care"}, "/api/v1/handover": {"site": "care"}, "/api/v1/house/week": {"site": "care"},
             "/api/v1/alerts": {"state": "all"}}  # fmt: skip
NOT_LISTS = ("/fhir/Observation",
             "/api/v1/stream", "/api/v1/ledger", "/api/v1/deadletters", "/api/v1/backups", "/api/v1/setup/search", "/api/v1/setup/show")
# Routes with a parameter or a body but without anybody's data behind it.
NOT_ABOUT_PEOPLE = {
    ("post", "/api/v1/session"), ("post", "/api/v1/session/pin"), ("post", "/api/v1/session/terminal"), ("post", "/api/v1/me/pin"),
    ("post", "/api/v1/me/second-factor"), ("post", "/api/v1/me/second-factor/confirm"), ("post", "/api/v1/me/second-factor/end"),
    ("post", "/api/v1/users/{user_id}/second-factor/end"),
    ("post", "/api/v1/me/password"), ("post", "/api/v1/me/lang"), ("post", "/api/v1/registry/staff"),
    ("post", "/api/v1/me/elder"),
    ("post", "/api/v1/users"),
    ("post", "/api/v1/users/{user_id}/disable"), ("post", "/api/v1/users/{user_id}"), ("post", "/api/v1/users/{user_id}/reset"),
    ("post", "/api/v1/house/import"), ("get", "/api/v1/house/import/{table}"), ("post", "/api/v1/house/staff/{staff_id}/retire"),
    ("get", "/api/v1/deadletters/{letter_id}"),
    ("post", "/api/v1/session"), ("post", "/api/v1/me/password"), ("post", "/api/v1/me/lang"), ("post", "/api/v1/registry/staff"),
    ("post", "/api/v1/users"), ("post", "/api/v1/invite/open"), ("post", "/api/v1/invite/accept"),
    ("post", "/api/v1/users/{user_id}/disable"), ("get", "/api/v1/deadletters/{letter_id}"),
    ("post", "/api/v1/deadletters/{letter_id}/retry"), ("post", "/api/v1/registry/rota/{rota_id}/end"),
    ("post", "/api/v1/deadletters/retry"), ("post", "/api/v1/backups"), ("post", "/api/v1/setup/search"), ("post", "/api/v1/setup/show"),
}  # fmt: skip


def routes(app: FastAPI) -> dict[tuple[str, str], dict[str, Any]]:
    return {
        (method, path): operation for path, operations in app.openapi()["paths"].items() for method, operation in operations.items()
    }  # fmt: skip


def filled(path: str, **ids: str) -> str:
    values = {"action": "claim", "step": "away", "letter_id": "1", "job": "nothing-here", "user": "1", **ids}
    values["patient"] = values.get("resident_id", "nothing")
    while "{" in path:
        name = path[path.index("{") + 1 : path.index("}")]
        path = path.replace("{" + name + "}", values.get(name, "nothing"))
    return path


async def send(client: httpx.AsyncClient, method: str, path: str, body: Any = None, query: Any = None) -> httpx.Response:
    return await client.request(method.upper(), path, json=body, params=query)


async def test_every_route_stands_in_the_matrix_with_its_policy(tmp_path: Path) -> None:
    async with house(tmp_path) as home:
        found = routes(home.app)
        assert set(found) == set(PASSES)
        for route, operation in found.items():
            assert operation["x-policy"], route
            roles = {PEOPLE[who] for who in PASSES[route] if who != "nobody"}
            policy = next(p for p in vars(policies).values() if isinstance(p, policies.Policy) and p.name == operation["x-policy"])
            allowed = {role.value for role in policy.roles}
            assert policy.gate is policies.Gate.OPEN or allowed - {"display"} == roles, route
            assert ("display" in allowed) == (route in SHOWN or policy is policies.SIGNED_IN), route


@pytest.mark.timeout(30)
async def test_who_may_not_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    async with house(tmp_path) as home:
        for who in ["nobody", *PEOPLE]:
            async with home.signed_in(who) as client:
                for (method, path), passes in PASSES.items():
                    if who in passes:
                        continue
                    answer = await send(client, method, filled(path), FOREIGN_BODY.get((method, path)), FOREIGN_QUERY.get((method, path)))
                    assert answer.status_code == (401 if who == "nobody" else 403), (who, method, path, answer.text)
                    assert answer.headers["content-type"] == "application/problem+json"
                    assert answer.json()["code"] == ("session.none" if who == "nobody" else "access.denied")


async def foreign_care(home: House) -> dict[str, str]:
    """What house and family of somebody else have to do with each other."""
    now_ns, actor = home.clock.now_ns(), Actor(id="u-chief", name="Chief")

    def write(conn: Any) -> dict[str, str]:
        asked = letters.send(conn, author=actor, resident_id="zhou", text="周文斌", now_ns=now_ns, from_family=True)
        told = letters.send(conn, author=actor, resident_id="zhou", text="周文斌", now_ns=now_ns, from_family=False)
        visit = visits.plan(conn, resident_id="zhou", kind="doctor", at_ns=now_ns + 1, note="", by=actor.id, now_ns=now_ns)
        paper = documents.add(
            conn, row_id="far-5", resident_id="zhou", title="x", kind="report", day="", media_type="x", content=b"", by="x", now_ns=now_ns
        )
        invited, _ = invitations.make(
            conn, resident_id="zhou", name="x", relation="child", classes=("vitals",), until_ns=2 * now_ns, giver="x", guardian=False,
            text_version="", text_sha256="", by=actor.id, now_ns=now_ns, expires_ns=2 * now_ns,
        )  # fmt: skip
        return {
            "thread_id": asked.thread, "letter_id": told.id, "visit_id": visit.id, "document_id": paper.id, "invitation_id": invited.id,
        }  # fmt: skip

    return await home.db.write(write)


async def foreign_ids(home: House) -> dict[str, str]:
    alert = await home.call("zhou")
    do, now_ns = home.registry.do, home.clock.now_ns()
    await do(SYSTEM, duty.set_override, site="far", staff="staff-li", kind="absent", from_ns=0, until_ns=now_ns, override_id="far-1")
    await do(SYSTEM, duty.set_group, site="far", name="x", staff=["staff-li"], group_id="far-2")
    await do(SYSTEM, duty.set_contact, resident="zhou", name="x", kind="family", contact_id="far-3")
    await do(SYSTEM, duty.set_quiet, site="far", start="22:00", end="07:00")
    await do(SYSTEM, duty.set_policy, "far-4", FAR_POLICY)
    silence = await home.desk.silence("zhou", "hr.high", SYSTEM, reason="x", span_s=60)
    given = await home.desk.give(Giving(site_id="far", zone_id=None, giver=SYSTEM, receiver=None, note=""))
    terminal, _ = await do(SYSTEM, terminals.add, kind="phone", name="x", site="far")
    assigned = await do(SYSTEM, attribution.assign, "band-zhou", now_ns // 1_000_000 - 1000, "zhou", reason="x")
    badge, _ = await do(SYSTEM, home.badges.give, "zhou", "qr")
    return {
        "assigned_id": assigned.id, "badge_id": badge.id,
        "terminal_id": terminal.id,
        "override_id": "far-1", "group_id": "far-2", "contact_id": "far-3", "site_id": "far", "policy_id": "far-4",
        "silence_id": silence["id"], "handover_id": given["id"], "alert_id": alert.id,
        "resident_id": "zhou", "device_id": "band-zhou", "binding_id": "bind-zhou",
        "limit_id": next(iter(home.registry.view.limits)), "consent_id": "nothing", **await foreign_care(home),
    }  # fmt: skip


@pytest.mark.timeout(30)
async def test_what_is_foreign_does_not_exist(tmp_path: Path) -> None:
    """404 for a foreign id, exactly as for an id that nobody has."""
    async with house(tmp_path) as home:
        ids = await foreign_ids(home)
        checked = set()
        for who in sorted(ALL - {"chief", "admin"}):
            async with home.signed_in(who) as client:
                for route, passes in PASSES.items():
                    method, path = route
                    about_people = "{" in path or route in FOREIGN_BODY or route in FOREIGN_QUERY
                    if who not in passes or not about_people or route in NOT_ABOUT_PEOPLE:
                        continue
                    foreign = await send(client, method, filled(path, **ids), FOREIGN_BODY.get(route), FOREIGN_QUERY.get(route))
                    assert foreign.status_code == 404, (who, route, foreign.text)
                    if "{" in path:
                        absent = await send(client, method, filled(path), FOREIGN_BODY.get(route), FOREIGN_QUERY.get(route))
                        assert (absent.status_code, absent.content) == (404, foreign.content), (who, route)
                    checked.add(route)
        uncovered = {route for route in PASSES if ("{" in route[1] or route[0] == "post") and route not in NOT_ABOUT_PEOPLE} - checked
        assert not uncovered


@pytest.mark.timeout(30)
async def test_lists_hold_nothing_foreign(tmp_path: Path) -> None:
    async with house(tmp_path) as home:
        await home.call("zhou")
        await home.call("wang")
        await foreign_care(home)
        for who in sorted(ALL - {"chief", "admin"}):
            async with home.signed_in(who) as client:
                for (method, path), passes in PASSES.items():
                    if method != "get" or who not in passes or "{" in path or path in NOT_LISTS:
                        continue
                    answer = await client.get(path, params=OWN_QUERY.get(path, {}))
                    assert answer.status_code == 200, (who, path, answer.text)
                    assert "zhou" not in answer.text, (who, path)
                    assert "周文斌" not in answer.text, (who, path)


async def test_own_reach_opens(tmp_path: Path) -> None:
    async with house(tmp_path) as home:
        alert = await home.call("wang")
        for who in ("carer", "doctor"):
            async with home.signed_in(who) as client:
                assert (await client.get(f"/api/v1/alerts/{alert.id}")).status_code == 200
                assert (await client.get("/api/v1/residents/wang")).json()["resident"]["vitals"].keys() == {"hr", "spo2", "temp"}
        async with home.signed_in("operator") as client:
            assert (await client.get(f"/api/v1/alerts/{alert.id}")).status_code == 404  # about a person: not the operator's
            seen = (await client.get("/api/v1/residents/wang")).json()["resident"]
            assert "vitals" not in seen
            assert "consciousness" not in seen
        async with home.signed_in("son") as client:
            seen = (await client.get("/api/v1/residents/wang")).json()["resident"]
            assert seen["vitals"].keys() == {"hr", "spo2", "temp"}
            assert not {"place", "devices", "limits", "consents", "consciousness"} & seen.keys()
            assert [row["id"] for row in (await client.get("/api/v1/residents")).json()["residents"]] == ["wang"]


async def test_withdrawn_consent_closes_the_view(tmp_path: Path) -> None:
    async with house(tmp_path) as home:
        consent = next(iter(home.registry.view.consents))
        async with home.signed_in("son") as son, home.signed_in("operator") as operator:
            assert (await son.get("/api/v1/residents/wang")).status_code == 200
            assert (await operator.post(f"/api/v1/consents/{consent}/withdraw")).status_code == 200
            assert (await son.get("/api/v1/residents/wang")).status_code == 404
            assert (await son.get("/api/v1/residents")).json()["residents"] == []


async def test_dead_letters_are_for_who_answers_for_the_whole_house(tmp_path: Path) -> None:
    async with house(tmp_path) as home:
        async with home.signed_in("operator") as client:
            assert (await client.get("/api/v1/deadletters")).status_code == 404
        async with home.signed_in("chief") as client:
            answer = await client.get("/api/v1/deadletters")
            assert (answer.status_code, answer.json()["letters"]) == (200, [])
            retried = await client.post("/api/v1/deadletters/1/retry")
            assert (retried.status_code, retried.json()["code"]) == (503, "deadletter.no_intake")  # this house has no intake


async def test_looks_and_acts_are_in_the_audit(tmp_path: Path) -> None:
    async with house(tmp_path) as home:
        alert = await home.call("wang")
        async with home.signed_in("carer") as client:
            for _ in range(3):
                await client.get("/api/v1/wall", params={"site": "care"})
            await client.post(f"/api/v1/alerts/{alert.id}/claim", json={})
            await client.get("/api/v1/audit")
        mine = [row for row in await home.audit_rows() if row.actor == "u-carer"]
        rows = [(row.action, row.subject, row.resident, row.purpose, row.outcome) for row in mine]
        assert rows.count(("read.wall", "care/*", None, "care", "allowed")) == 1  # one row per view and minute, not one per look
        assert ("alert.claim", alert.id, "wang", "care", "allowed") in rows
        assert ("read.refused", "audit", None, "care", "refused") in rows
        assert (await home.db.read(home.audit.verify)).ok


# --- a route without a policy ----------------------------------------------------------------------------------------


def planted(*, guards: int) -> APIRouter:
    router = APIRouter()

    @router.get("/planted", dependencies=[policies.guard(policies.WALL)] * guards)
    async def planted_route() -> dict[str, str]:
        return {}

    return router


@pytest.mark.parametrize("guards", [0, 2])
async def test_a_route_without_exactly_one_policy_builds_no_application(tmp_path: Path, guards: int) -> None:
    async with house(tmp_path) as home:
        home.app.include_router(planted(guards=guards))
        with pytest.raises(policies.RouteWithoutPolicy, match="/planted"):
            policies.policies(home.app)


async def test_a_machine_route_with_a_second_policy_builds_no_application(tmp_path: Path) -> None:
    async with house(tmp_path) as home:
        with pytest.raises(policies.RouteWithoutPolicy, match="/planted"):
            create_app(home.query, home.commands, clock=home.clock, ops=home.ops, machine_routers=[planted(guards=1)])
        app = create_app(home.query, home.commands, clock=home.clock, ops=home.ops, machine_routers=[planted(guards=0)])
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="https://anxin.test") as client:
            assert (await client.get("/api/v1/planted")).json()["code"] == "device.token_missing"
            assert (await client.get("/api/v1/planted", headers={"Authorization": "Bearer x"})).status_code == 200
