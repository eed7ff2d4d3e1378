"""Two records of one person become one: over HTTP and from the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gateway.cli.app import app
from gateway.clock import SystemClock
from gateway.core import Core
from gateway.ops import Ops
from gateway.registry import bindings, org, residents
from gateway.vocabulary import SYSTEM
from tests.support.house import house

BOTH = {"into": "liu", "reason": "entered twice"}


async def test_an_operator_merges_and_everything_follows(tmp_path: Path) -> None:
    async with house(tmp_path) as home, home.signed_in("operator") as client:
        answer = await client.post("/api/v1/residents/wang/merge", json=BOTH)
        assert (answer.status_code, answer.json()["resident"]["id"]) == (200, "liu"), answer.text
        now_ns = home.clock.now_ns()
        assert set(home.registry.view.devices_of("liu", now_ns)) == {"band-wang", "band-liu"}
        assert home.registry.view.occupant("bed-3-01") is None
        listed = [row["id"] for row in (await client.get("/api/v1/residents")).json()["residents"]]
        assert listed == ["liu"]
        row = (await home.registry.history("wang"))[-1]
        assert (row.kind, row.actor, row.body["reason"]) == ("resident.merged", "u-operator", "entered twice")
        again = await client.post("/api/v1/residents/wang/merge", json=BOTH)
        assert (again.status_code, again.json()["code"]) == (409, "registry.resident.status")
        assert (await home.db.read(home.audit.verify)).ok


async def test_a_merge_takes_a_reason_another_record_and_both_in_reach(tmp_path: Path) -> None:
    async with house(tmp_path) as home:
        head = home.events.head
        async with home.signed_in("operator") as client:
            for who, body, wanted in (
                ("wang", {"into": "liu"}, (422, "request.invalid")),
                ("wang", {"into": "liu", "reason": ""}, (422, "request.invalid")),
                ("wang", {"into": "wang", "reason": "x"}, (422, "registry.resident.same")),
                ("wang", {"into": "zhou", "reason": "x"}, (404, "not_found")),  # lives in a site that is not this person's
                ("zhou", {"into": "wang", "reason": "x"}, (404, "not_found")),
                ("wang", {"into": "nobody", "reason": "x"}, (404, "not_found")),
            ):
                answer = await client.post(f"/api/v1/residents/{who}/merge", json=body)
                assert (answer.status_code, answer.json()["code"]) == wanted, (who, body)
        assert home.events.head == head
        async with home.signed_in("chief") as client:
            assert (await client.post("/api/v1/residents/wang/merge", json={"into": "zhou", "reason": "moved"})).status_code == 200


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    data = tmp_path / "data"
    core = Core.open(data, SystemClock(), Ops())
    do = core.registry.do_sync
    do(SYSTEM, org.set_site, name="安和", site_id="site")
    for bed, who in (("3-01", "R01"), ("3-02", "R02")):
        do(SYSTEM, org.set_bed, site="site", label=bed, bed_id=f"bed-{bed}")
        do(SYSTEM, residents.admit, name="王淑华", bed=f"bed-{bed}", code=who, resident_id=f"id-{who}")
    do(SYSTEM, bindings.set_device, "band", quantities=())
    do(SYSTEM, bindings.bind, "band", resident="id-R01")
    core.close()
    return data


def anxin(folder: Path, *words: str, lang: str = "en") -> tuple[int, dict[str, str]]:
    done = CliRunner().invoke(app, ["--data", str(folder), "--json", "--lang", lang, *words])
    return done.exit_code, json.loads(done.stdout or done.stderr)


@pytest.mark.timeout(20)
def test_the_command_line_merges_by_code_and_says_why_not(folder: Path) -> None:
    assert anxin(folder, "residents", "merge", "R01", "--into", "R02", "--reason", " ")[0] == 2
    code, refused = anxin(folder, "residents", "merge", "R01", "--into", "R01", "--reason", "x", lang="zh")
    assert (code, "不能把一条记录合并到它自己" in refused["error"]) == (1, True)
    code, refused = anxin(folder, "residents", "merge", "R01", "--into", "R09", "--reason", "x")
    assert (code, "R09" in refused["error"]) == (1, True)
    code, done = anxin(folder, "residents", "merge", "R01", "--into", "R02", "--reason", "entered twice")
    assert (code, done) == (0, {"merged": "R01", "into": "id-R02", "status": "admitted"})
    core = Core.open(folder, SystemClock(), Ops())
    assert core.registry.view.devices_of("id-R02", core.clock.now_ns()) == ("band",)
    core.close()
