"""The audit chain: append-only by trigger, and verify() names what somebody with the file in hand has done to it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from gateway.audit import Audit, AuditError, Verdict
from gateway.registry import RegistryError, bindings, residents
from tests.support.fake_clock import FakeClock
from tests.support.registry_house import OPERATOR, House, house


@pytest.fixture
def home(tmp_path: Path, clock: FakeClock) -> Iterator[House]:
    with house(tmp_path, clock, furnished=False) as found:
        yield found


def look(home: House, times: int = 1) -> None:
    def unit(conn: apsw.Connection) -> None:
        for number in range(times):
            who = f"r{number}"
            home.audit.append(conn, actor="U1", action="vitals.read", subject=who, role="caregiver", resident=who, purpose="care")

    home.db.write_sync(unit)


def verify(home: House) -> Verdict:
    return home.db.read_sync(home.audit.verify)


def tamper(home: House, statement: str, *values: object) -> None:
    """What somebody does who has the file: triggers off, rows changed, triggers on again."""
    home.close()
    conn = apsw.Connection(str(home.folder / "store.sqlite"))
    triggers = conn.execute("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = 'audit'").fetchall()
    for name, _ in triggers:
        conn.execute(f'DROP TRIGGER "{name}"')
    conn.execute(statement, values)
    for _, sql in triggers:
        conn.execute(str(sql))
    conn.close()
    home.open()


def test_an_untouched_chain_verifies_over_a_restart(home: House) -> None:
    assert verify(home) == Verdict(rows=0)
    look(home, 5)
    assert home.db.read_sync(home.audit.checkpoint) == 5
    look(home, 3)
    home.reopen()
    look(home, 1)
    assert verify(home) == Verdict(rows=9)


def test_the_database_itself_refuses_changes(home: House) -> None:
    look(home, 2)
    with pytest.raises(apsw.ConstraintError, match="append-only"):
        home.db.write_sync(lambda conn: conn.execute("UPDATE audit SET actor = 'x'"))
    with pytest.raises(apsw.ConstraintError, match="append-only"):
        home.db.write_sync(lambda conn: conn.execute("DELETE FROM audit"))
    assert verify(home).ok


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("actor", "U2"),
        ("subject", "r9"),
        ("resident", None),
        ("t_ns", 1),
        ("outcome", "refused"),
        ("detail", '{"a":1}'),
        ("hash", bytes(32)),
    ],
)
def test_an_edited_row_is_named(home: House, column: str, value: object) -> None:
    look(home, 6)
    tamper(home, "UPDATE audit SET " + column + " = ? WHERE n = 4", value)  # noqa: S608 - a name of the table above
    assert verify(home) == Verdict(rows=3, first_bad=4, fault="edited")


@pytest.mark.parametrize("row", [1, 3, 5])
def test_a_deleted_row_is_named(home: House, row: int) -> None:
    look(home, 6)
    tamper(home, "DELETE FROM audit WHERE n = ?", row)
    assert verify(home) == Verdict(rows=row - 1, first_bad=row, fault="deleted")


def test_a_deleted_row_whose_gap_was_closed_is_named(home: House) -> None:
    look(home, 6)
    tamper(home, "DELETE FROM audit WHERE n = 3")
    tamper(home, "UPDATE audit SET n = n - 1 WHERE n = 4")
    assert verify(home) == Verdict(rows=2, first_bad=3, fault="edited")


def test_a_cut_end_shows_by_the_checkpoint(home: House) -> None:
    look(home, 6)
    home.db.read_sync(home.audit.checkpoint)
    tamper(home, "DELETE FROM audit WHERE n > 4")
    assert verify(home) == Verdict(rows=4, first_bad=5, fault="truncated")
    look(home, 4)  # writing on over the cut does not hide it
    assert verify(home) == Verdict(rows=5, first_bad=6, fault="edited")


def test_a_chain_rewritten_with_another_key_is_seen(home: House) -> None:
    look(home, 3)
    home.db.read_sync(home.audit.checkpoint)
    other = Audit(bytes(32), home.folder / "audit.checkpoints", home.clock)
    found = home.db.read_sync(other.verify)
    assert not found.ok


def test_checkpoints_that_were_removed_or_forged_are_seen(home: House) -> None:
    look(home, 3)
    home.db.read_sync(home.audit.checkpoint)
    file = home.folder / "audit.checkpoints"
    lines = file.read_text().splitlines()
    forged = json.loads(lines[-1]) | {"n": 2}
    file.write_text("\n".join([lines[0], json.dumps(forged)]) + "\n")
    assert verify(home).fault == "checkpoint"
    file.write_text("\n".join(lines) + '\n{"n": 3, "ha')  # power loss in the middle of a line
    assert verify(home).ok
    file.unlink()
    assert verify(home).fault == "checkpoint"


def test_missing_triggers_are_seen(home: House) -> None:
    look(home, 2)
    home.db.write_sync(lambda conn: conn.execute("DROP TRIGGER audit_no_delete"))
    assert verify(home) == Verdict(rows=2, fault="triggers")


def test_a_refused_act_leaves_no_row_and_an_act_leaves_one_with_its_ids(home: House) -> None:
    home.furnish()
    before = verify(home).rows
    first = home.registry.do_sync(OPERATOR, residents.admit, name="王淑华", site="S", bed="3-01")
    with pytest.raises(RegistryError):
        home.registry.do_sync(OPERATOR, residents.admit, name="李桂兰", site="S", bed="3-01")
    home.registry.do_sync(OPERATOR, bindings.set_device, "watch1", site="S")
    home.registry.do_sync(OPERATOR, bindings.bind, "watch1", resident=first.id)
    rows = home.db.read_sync(lambda conn: home.audit.rows(conn, after=before))
    assert [row.action for row in rows] == ["resident.admitted", "device.set", "binding.set"]
    assert [row.resident for row in rows] == [first.id, None, first.id]
    assert rows[0].actor == OPERATOR.id
    assert rows[0].role == "operator"
    everything = home.db.read_sync(lambda conn: conn.execute("SELECT group_concat(detail || subject, ' ') FROM audit").get)
    assert "王" not in everything, "the audit names ids, never people"
    assert home.db.read_sync(lambda conn: home.audit.rows(conn, resident=first.id)) == [rows[0], rows[2]]


def test_the_key_is_private_and_damage_is_said(home: House, tmp_path: Path, clock: FakeClock) -> None:
    key = home.folder / "audit.key"
    assert key.stat().st_mode & 0o077 == 0
    assert (home.folder / "audit.checkpoints").stat().st_mode & 0o077 == 0
    key.chmod(0o644)
    with pytest.raises(AuditError, match="chmod 600"):
        Audit.open(key, tmp_path / "c", clock)
    key.chmod(0o600)
    key.write_bytes(b"short")
    with pytest.raises(AuditError, match="5 bytes"):
        Audit.open(key, tmp_path / "c", clock)
    key.unlink()
    Audit.open(key, home.folder / "audit.checkpoints", clock)
    home.reopen()


def test_a_checkpoint_is_written_every_hour(home: House) -> None:
    async def scenario() -> None:
        task = asyncio.create_task(home.audit.run(home.db))
        await home.clock.advance(2 * 3600 + 1)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    look(home, 1)
    asyncio.run(scenario())
    marks = [json.loads(line) for line in (home.folder / "audit.checkpoints").read_text().splitlines()]
    assert [mark["n"] for mark in marks] == [0, 1, 1, 1]
