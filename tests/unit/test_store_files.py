from __future__ import annotations

import os
import random
import shutil
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from gateway import events
from gateway.ops import Ops
from gateway.store import Component, Corrupt, Database, DowngradeRefused, StoreError, Writer
from gateway.store import cursor as cursors
from gateway.store.schema import APPLICATION_ID, FORMAT
from tests.support import ROOT
from tests.support.fake_clock import FakeClock

FIRST = ROOT / "tests" / "cases" / "store_v1" / "store.sql"  # dumped by the first version; never make it anew
LINEAGE = "267e54f8-84a8-4697-960a-185c5c6b1870"


@pytest.fixture
def writer(clock: FakeClock) -> Iterator[Writer]:
    writer = Writer(clock, Ops(), group_window_s=0)
    writer.start()
    yield writer
    writer.close()


def count_up(conn: apsw.Connection) -> None:
    conn.execute("UPDATE box SET n = n + 1")


V1 = Component("box", ("CREATE TABLE box(n INTEGER NOT NULL) STRICT; INSERT INTO box VALUES(1)",))
V2 = Component("box", (*V1.migrations, count_up))
V3 = Component("box", (*V2.migrations, "ALTER TABLE box ADD COLUMN colour TEXT NOT NULL DEFAULT 'red'"))


def reopen(path: Path, writer: Writer, *components: Component) -> Database:
    db = Database.open(path, writer, components)
    db.close_sync()
    return db


def box(path: Path) -> tuple[object, ...]:
    conn = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    row: tuple[object, ...] = conn.execute("SELECT * FROM box").fetchall()[0]
    conn.close()
    return row


def change(path: Path, sql: str) -> None:
    conn = apsw.Connection(str(path))
    conn.execute(sql)
    conn.close()


def saved(path: Path) -> list[Path]:
    return sorted((path.parent / "upgrade-backups").glob("*"))


def test_a_new_file_is_private_marked_and_has_a_lineage(tmp_path: Path, writer: Writer) -> None:
    os.umask(0o000)
    try:
        db = Database.open(tmp_path / "deep" / "store.sqlite", writer, (V1,))
        db.write_sync(count_up)
    finally:
        os.umask(0o022)
    files = list((tmp_path / "deep").iterdir())
    assert {path.name for path in files} >= {"store.sqlite", "store.sqlite-wal", "store.sqlite-shm"}
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
    conn = apsw.Connection(str(db.path))
    assert (conn.pragma("application_id"), conn.pragma("user_version")) == (APPLICATION_ID, FORMAT)
    assert conn.pragma("journal_mode") == "wal"
    conn.close()
    assert db._conn.pragma("synchronous") == 2
    db.close_sync()
    again = reopen(db.path, writer, V1)
    assert again.lineage == db.lineage
    other = reopen(tmp_path / "other.sqlite", writer, V1)
    assert other.lineage != db.lineage


def test_migrations_run_forward_once_after_a_copy_was_saved(tmp_path: Path, writer: Writer) -> None:
    path = tmp_path / "store.sqlite"
    before = reopen(path, writer, V1)
    assert not saved(path), "nothing to save in a new file"
    reopen(path, writer, V1)
    assert not saved(path), "nothing to do, nothing to save"
    after = reopen(path, writer, V3)
    assert box(path) == (2, "red")
    assert after.versions == {"meta": 1, "box": 3}
    assert after.lineage == before.lineage
    assert [box(copy) for copy in saved(path)] == [(1,)]
    assert stat.S_IMODE(saved(path)[0].stat().st_mode) == 0o600
    reopen(path, writer, V3)
    assert box(path) == (2, "red")


def test_a_new_component_enters_an_old_file(tmp_path: Path, writer: Writer) -> None:
    path = tmp_path / "store.sqlite"
    reopen(path, writer, V1)
    assert reopen(path, writer, V1, cursors.COMPONENT).versions == {"meta": 1, "box": 1, "cursor": 1}
    assert len(saved(path)) == 1


def test_a_failed_migration_leaves_the_file_as_it_was(tmp_path: Path, writer: Writer) -> None:
    path = tmp_path / "store.sqlite"
    reopen(path, writer, V1)
    broken = Component("box", (*V3.migrations, "INSERT INTO nowhere VALUES(1)"))
    with pytest.raises(StoreError, match="nowhere"):
        Database.open(path, writer, (broken,))
    assert box(path) == (1,)
    assert reopen(path, writer, V2).versions["box"] == 2


def test_a_downgrade_is_refused_and_changes_nothing(tmp_path: Path, writer: Writer) -> None:
    path = tmp_path / "store.sqlite"
    reopen(path, writer, V3)
    content = path.read_bytes()
    with pytest.raises(DowngradeRefused, match=r"box has version 3, this version knows 2.*newer version"):
        Database.open(path, writer, (V2,))
    assert path.read_bytes() == content
    assert not saved(path)


def test_a_newer_format_and_a_foreign_file_are_refused(tmp_path: Path, writer: Writer) -> None:
    path = tmp_path / "store.sqlite"
    reopen(path, writer, V1)
    change(path, f"PRAGMA user_version = {FORMAT + 1}")
    with pytest.raises(DowngradeRefused, match=f"format {FORMAT + 1}"):
        Database.open(path, writer, (V1,))
    foreign = tmp_path / "foreign.sqlite"
    change(foreign, "CREATE TABLE t(a)")
    with pytest.raises(StoreError, match="not a file of Anxin"):
        Database.open(foreign, writer, (V1,))
    change(foreign, "SELECT a FROM t")


@pytest.mark.parametrize("damage", ["header", "page"])
def test_damage_is_found_at_the_start_and_the_way_back_named(tmp_path: Path, writer: Writer, damage: str) -> None:
    path = tmp_path / "store.sqlite"
    db = Database.open(path, writer, (V1, cursors.COMPONENT))

    def many(conn: apsw.Connection) -> None:
        for number in range(300):
            cursors.put(conn, f"consumer {number} " + "x" * 40, "lineage", number)

    db.write_sync(many)
    db.close_sync()
    with path.open("r+b") as data:
        data.seek(0 if damage == "header" else path.stat().st_size - 3 * 4096)
        data.write(b"\xa5" * (16 if damage == "header" else 8192))
    with pytest.raises(Corrupt, match="anxin restore <backup> <empty folder>"):
        Database.open(path, writer, (V1, cursors.COMPONENT))


def test_only_the_last_saved_copies_are_kept(tmp_path: Path, writer: Writer, clock: FakeClock) -> None:
    path = tmp_path / "store.sqlite"
    migrations = V1.migrations
    for _ in range(8):
        reopen(path, writer, Component("box", migrations))
        migrations = (*migrations, count_up)
        clock.step_wall(60)
    assert [box(copy) for copy in saved(path)] == [(3,), (4,), (5,), (6,), (7,)]


def first_version(path: Path) -> None:
    conn = apsw.Connection(str(path))
    conn.execute(FIRST.read_text(encoding="utf-8"))
    conn.close()


def test_a_store_of_the_first_version_is_brought_forward(tmp_path: Path, writer: Writer, clock: FakeClock) -> None:
    path = tmp_path / "store.sqlite"
    first_version(path)
    newer = Component("events", (*events.COMPONENT.migrations, "ALTER TABLE event ADD COLUMN extra TEXT"))
    db = Database.open(path, writer, (newer, cursors.COMPONENT, V1))
    assert db.lineage == LINEAGE
    log = events.Events(db, clock)
    assert [(row.offset, row.subject, row.body["name"]) for row in log.read_sync(0)] == [(n, f"r{n}", "王秀英") for n in (1, 2, 3)]
    assert db.write_sync(lambda conn: events.append(conn, kind="k", subject="s", actor="a", body={}, t_ns=4)) == 4
    assert db.read_sync(lambda conn: cursors.get(conn, "stream")) == ("00000000-0000-4000-8000-000000000000", 42)
    log.close()
    db.close_sync()
    [copy] = saved(path)
    shutil.copy(copy, tmp_path / "back.sqlite")
    back = Database.open(tmp_path / "back.sqlite", writer, (events.COMPONENT, cursors.COMPONENT))
    assert back.versions == {"meta": 1, "events": 1, "cursor": 1}
    back.close_sync()
    with pytest.raises(DowngradeRefused):
        Database.open(path, writer, (events.COMPONENT, cursors.COMPONENT))


async def test_a_copy_is_one_moment_while_writing_goes_on(tmp_path: Path, writer: Writer) -> None:
    db = Database.open(tmp_path / "store.sqlite", writer, (events.COMPONENT, V1))

    def step(conn: apsw.Connection) -> None:
        count_up(conn)
        for _ in range(50):
            events.append(conn, kind="k", subject="s", actor="a", body={"pad": "x" * 1000}, t_ns=1)

    for _ in range(20):
        await db.write(step)
    stop = threading.Event()

    def load() -> None:
        while not stop.is_set():
            db.write_sync(step)

    thread = threading.Thread(target=load)
    thread.start()
    steps: list[tuple[int, int]] = []
    try:
        for number in range(3):
            await db.backup_to(tmp_path / f"copy{number}.sqlite", lambda done, of: steps.append((done, of)))
    finally:
        stop.set()
        thread.join()
    heads = []
    for number in range(3):
        conn = apsw.Connection(str(tmp_path / f"copy{number}.sqlite"))
        head = conn.execute('SELECT max("offset") FROM event').get
        assert conn.execute("SELECT n FROM box").get == 1 + head / 50, "rows and events of the same transactions"
        heads.append(head)
        conn.close()
    assert heads[0] >= 1000
    assert heads[0] < heads[2], "writing went on meanwhile"
    assert steps[-1][0] == steps[-1][1] > 0
    await db.close()


def test_another_process_may_write_too(tmp_path: Path, writer: Writer, clock: FakeClock) -> None:
    db = Database.open(tmp_path / "store.sqlite", writer, (events.COMPONENT,))
    log = events.Events(db, clock)

    def append(conn: apsw.Connection) -> int:
        return events.append(conn, kind="k", subject="s", actor="a", body={}, t_ns=1)

    other = apsw.Connection(str(db.path))
    other.set_busy_timeout(1000)
    for number in range(1, 20, 2):
        assert db.write_sync(append) == number
        with other:
            assert append(other) == number + 1
    other.close()
    assert [row.offset for row in log.read_sync(0)] == list(range(1, 21))
    log.close()
    db.close_sync()


@pytest.mark.timeout(20)
def test_any_damage_to_a_store_is_named_or_harmless(tmp_path: Path, writer: Writer, seed: int) -> None:
    """Random bytes over random places: opening gives a Database or an error of the store, and never a new, empty file."""
    path = tmp_path / "store.sqlite"
    first_version(path)
    whole = path.read_bytes()
    rng = random.Random(seed)
    refused = 0
    for number in range(100):
        victim = tmp_path / f"{number}.sqlite"
        damaged = bytearray(whole)
        at = rng.choice([0, rng.randrange(4096), rng.randrange(len(whole))])
        junk = rng.choice([rng.randbytes(rng.randint(1, 64)), bytes(100), bytes(4096)])
        damaged[at : at + len(junk)] = junk
        victim.write_bytes(damaged[: len(whole)])
        try:
            db = Database.open(victim, writer, (events.COMPONENT, cursors.COMPONENT))
        except StoreError:
            refused += 1
            continue
        db.close_sync()
        assert db.lineage == LINEAGE or b"resident.admitted" in victim.read_bytes(), "made anew over what was there"
    print(f"100 damages, {refused} refused")
    assert refused > 20
