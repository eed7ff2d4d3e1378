from __future__ import annotations

import json
import shutil
import stat
import zipfile
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import apsw
import pytest

from gateway import events
from gateway.backup import MANIFEST, backup, history_age_s, prune, restore
from gateway.clock import SystemClock
from gateway.ehr.base import outbox
from gateway.ehr.base.items import Item, ItemKind
from gateway.history.base import Batch
from gateway.history.sqlite import SqliteSink
from gateway.journal import Journal
from gateway.ops import Ops
from gateway.readings import StoredBlock
from gateway.store import Corrupt, Database, DowngradeRefused, StoreError, Writer
from gateway.store import cursor as cursors
from gateway.vocabulary import Origin
from tests.ehr.support import START_NS, block
from tests.support.fake_clock import FakeClock


@pytest.fixture
async def db(tmp_path: Path, clock: FakeClock) -> AsyncIterator[Database]:
    writer = Writer(clock, Ops(), group_window_s=0)
    writer.start()
    db = Database.open(tmp_path / "data" / "store.sqlite", writer, (events.COMPONENT,))
    await put(db, 20)
    yield db
    await db.close()
    writer.close()


async def put(db: Database, count: int) -> None:
    def unit(conn: apsw.Connection) -> None:
        for number in range(count):
            events.append(conn, kind="k", subject=f"r{number}", actor="a", body={"pad": "x" * 500}, t_ns=1)

    await db.write(unit)


def rows(path: Path) -> list[tuple[object, ...]]:
    conn = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        return conn.execute('SELECT * FROM event ORDER BY "offset"').fetchall()
    finally:
        conn.close()


def modes(folder: Path) -> set[int]:
    return {stat.S_IMODE(path.stat().st_mode) for path in folder.rglob("*") if path.is_file()}


async def test_a_restored_store_is_the_same_with_a_new_lineage(db: Database, tmp_path: Path, clock: FakeClock) -> None:
    archive = backup(tmp_path / "data", tmp_path / "backups", clock=clock)
    assert archive.name == "anxin-20260101T000000Z.zip"
    await put(db, 5)
    assert restore(archive, tmp_path / "new") == ("store.sqlite",)
    assert len(rows(tmp_path / "new" / "store.sqlite")) == 20
    assert rows(tmp_path / "new" / "store.sqlite") == rows(db.path)[:20]
    assert modes(tmp_path / "new") == modes(tmp_path / "backups") == {0o600}
    assert [path.name for path in (tmp_path / "backups").iterdir()] == [archive.name], "nothing else is left behind"
    writer = Writer(clock, Ops(), group_window_s=0)
    writer.start()
    again = Database.open(tmp_path / "new" / "store.sqlite", writer, (events.COMPONENT,))
    assert again.lineage != db.lineage
    await put(again, 1)
    await again.close()
    writer.close()
    assert restore(archive, tmp_path / "second")
    lineages = {lineage_of(tmp_path / name / "store.sqlite") for name in ("data", "new", "second")}
    assert len(lineages) == 3


def lineage_of(path: Path) -> object:
    conn = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    value = conn.execute("SELECT value FROM meta WHERE key = 'lineage'").get
    conn.close()
    return value


async def test_consumers_of_the_old_log_notice(db: Database, tmp_path: Path, clock: FakeClock) -> None:
    """The journal beside a restored store is a new one, too: no cursor of the old one fits by chance."""
    writer = Writer(clock, Ops(), group_window_s=0)
    writer.start()
    journal = await Journal.open(tmp_path / "data" / "journal", writer, clock, Ops())
    consumer = Database.open(tmp_path / "data" / "stream.sqlite", writer, (cursors.COMPONENT,))
    await consumer.write(lambda conn: cursors.put(conn, "journal", journal.lineage, 5))
    await consumer.write(lambda conn: cursors.put(conn, "events", db.lineage, 20))
    restore(backup(tmp_path / "data", tmp_path / "backups", clock=clock), tmp_path / "new")
    fresh = await Journal.open(tmp_path / "new" / "journal", writer, clock, Ops())
    store = Database.open(tmp_path / "new" / "store.sqlite", writer, (events.COMPONENT,))
    kept = consumer.read_sync(lambda conn: (cursors.get(conn, "journal"), cursors.get(conn, "events")))
    assert kept == ((journal.lineage, 5), (db.lineage, 20))
    assert fresh.lineage != journal.lineage
    assert store.lineage != db.lineage
    for part in (journal, fresh, consumer, store):
        await part.close()
    writer.close()


async def test_other_files_go_along(db: Database, tmp_path: Path, clock: FakeClock) -> None:
    data = tmp_path / "data"
    (data / "secrets").mkdir()
    (data / "secrets" / "audit.key").write_bytes(b"k" * 32)
    (data / "anxin.toml").write_text("[web]\n")
    steps: list[tuple[str, int, int]] = []
    archive = backup(
        data, tmp_path / "backups", clock=clock, others=("secrets/audit.key", "anxin.toml"), progress=lambda *step: steps.append(step)
    )
    assert restore(archive, tmp_path / "new", progress=lambda *step: steps.append(step)) == (
        "store.sqlite",
        "secrets/audit.key",
        "anxin.toml",
    )
    assert (tmp_path / "new" / "secrets" / "audit.key").read_bytes() == b"k" * 32
    assert modes(tmp_path / "new") == {0o600}
    assert {name for name, _, _ in steps} == {"store.sqlite", "secrets/audit.key", "anxin.toml"}
    with pytest.raises(StoreError, match="nothing was backed up"):
        backup(data, tmp_path / "backups", clock=clock, others=("missing",))
    with pytest.raises(StoreError, match="leads out"):
        backup(data, tmp_path / "backups", clock=clock, others=("../data/anxin.toml",))
    assert len(list((tmp_path / "backups").iterdir())) == 1


async def test_only_an_empty_folder_is_restored_into(db: Database, tmp_path: Path, clock: FakeClock) -> None:
    archive = backup(tmp_path / "data", tmp_path / "backups", clock=clock)
    before = rows(db.path)
    with pytest.raises(StoreError, match="not empty"):
        restore(archive, tmp_path / "data")
    assert rows(db.path) == before
    with pytest.raises(StoreError, match="not empty"):
        restore(archive, archive)
    (tmp_path / "empty").mkdir()
    assert restore(archive, tmp_path / "empty")


def rewrite(archive: Path, change: Callable[[dict[str, bytes]], None]) -> None:
    with zipfile.ZipFile(archive) as bundle:
        files = {name: bundle.read(name) for name in bundle.namelist()}
    change(files)
    with zipfile.ZipFile(archive, "w") as bundle:
        for name, content in files.items():
            bundle.writestr(name, content)


def manifest(files: dict[str, bytes], change: Callable[[dict[str, Any]], None]) -> None:
    content = json.loads(files[MANIFEST])
    change(content)
    files[MANIFEST] = json.dumps(content).encode()


DAMAGES: dict[str, tuple[Callable[[dict[str, bytes]], None], type[Exception], str]] = {
    "content": (lambda files: files.update({"store.sqlite": files["store.sqlite"][:-1] + b"?"}), Corrupt, "older backup"),
    "longer": (lambda files: files.update({"store.sqlite": files["store.sqlite"] + b"?" * 5_000_000}), Corrupt, "older backup"),
    "missing file": (lambda files: files.update({"other": files.pop("store.sqlite")}), StoreError, "cannot be restored"),
    "no manifest": (lambda files: files.update({"other": files.pop(MANIFEST)}), StoreError, "cannot be restored"),
    "not json": (lambda files: files.update({MANIFEST: b"{"}), StoreError, "not a backup"),
    "other json": (lambda files: files.update({MANIFEST: b"[1]"}), StoreError, "not a backup"),
    "newer": (lambda files: manifest(files, lambda content: content.update(format=2)), DowngradeRefused, "format 2"),
    "way out": (lambda files: manifest(files, lambda content: content["files"][0].update(name="../x")), StoreError, "leads out"),
    "absolute": (lambda files: manifest(files, lambda content: content["files"][0].update(name="/tmp/x")), StoreError, "leads out"),
}


@pytest.mark.parametrize("damage", DAMAGES)
async def test_a_damaged_archive_is_refused_and_leaves_nothing(db: Database, tmp_path: Path, clock: FakeClock, damage: str) -> None:
    change, kind, words = DAMAGES[damage]
    archive = backup(tmp_path / "data", tmp_path / "backups", clock=clock)
    rewrite(archive, change)
    with pytest.raises(kind, match=words):
        restore(archive, tmp_path / "new")
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("size", [0, 100, 2000])
async def test_a_cut_archive_is_refused(db: Database, tmp_path: Path, clock: FakeClock, size: int) -> None:
    archive = backup(tmp_path / "data", tmp_path / "backups", clock=clock)
    cut = tmp_path / "cut.zip"
    cut.write_bytes(archive.read_bytes()[:size])
    with pytest.raises(StoreError, match="cannot be restored"):
        restore(cut, tmp_path / "new")
    assert not (tmp_path / "new").exists()


async def test_a_store_that_is_damaged_is_not_backed_up_as_if_it_were_well(db: Database, tmp_path: Path, clock: FakeClock) -> None:
    await put(db, 300)
    await db.close()
    copy = tmp_path / "damaged"
    copy.mkdir()
    shutil.copy(db.path, copy / "store.sqlite")
    with (copy / "store.sqlite").open("r+b") as data:
        data.seek(4096 * 4)
        data.write(b"\xa5" * 4096 * 3)
    with pytest.raises(StoreError):
        backup(copy, tmp_path / "backups", clock=clock)
    assert list((tmp_path / "backups").iterdir()) == []


def test_pruning_keeps_days_weeks_and_months(tmp_path: Path) -> None:
    moment = datetime(2026, 11, 24, 21, tzinfo=UTC)
    for hour in range(24 * 500):
        if hour % 6 == 0:
            (tmp_path / f"anxin-{moment - timedelta(hours=hour):%Y%m%dT%H%M%SZ}.zip").touch()
    (tmp_path / "anxin-20261124T210000Z-2.zip").touch()
    (tmp_path / "notes.txt").touch()
    removed = prune(tmp_path)
    kept = sorted((path.name for path in tmp_path.glob("anxin-*")), reverse=True)
    assert kept[:8] == [
        "anxin-20261124T210000Z-2.zip",
        *(f"anxin-202611{day}T210000Z.zip" for day in range(23, 17, -1)),
        "anxin-20261115T210000Z.zip",  # a Sunday
    ]
    assert kept[8:11] == ["anxin-20261108T210000Z.zip", "anxin-20261031T210000Z.zip", "anxin-20260930T210000Z.zip"]
    assert kept[-1] == "anxin-20251231T210000Z.zip"
    assert len(kept) == 7 + 2 + 11
    assert (tmp_path / "notes.txt").exists()
    assert len(removed) + len(kept) == 24 * 500 // 6 + 1
    assert prune(tmp_path) == ()


async def test_two_backups_of_one_second(db: Database, tmp_path: Path, clock: FakeClock) -> None:
    names = [backup(tmp_path / "data", tmp_path / "backups", clock=clock).name for _ in range(2)]
    assert names == ["anxin-20260101T000000Z.zip", "anxin-20260101T000000Z-2.zip"]


def test_nothing_to_back_up(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="is not there"):
        backup(tmp_path, tmp_path / "backups", clock=SystemClock())


class Parts:
    """A data folder with a store, a history with a raw spot reading and an outbox with an item."""

    def __init__(self, data: Path, db: Database) -> None:
        self.data, self.writer = data, db._writer

    async def fill(self, number: int) -> None:
        sink = SqliteSink.open(self.data / "history.sqlite", self.writer, SystemClock(), Ops())
        await sink.resume("L", 1, 2**40)
        made = block([("dev-1", "glucose", 5.0 + number, START_NS + number * 10**9)], first_seq=number)
        await sink.write(Batch(blocks=(StoredBlock(first=number, readings=made),)))
        await sink.flush()
        await sink.close()
        ehr = Database.open(self.data / "ehr.sqlite", self.writer, outbox.COMPONENTS)
        item = Item(
            kind=ItemKind.READING, key=f"k{number}", resident="R1", device="dev-1", t_ns=1, origin=Origin.LIVE, test=False, record={}
        )  # fmt: skip
        await ehr.write(lambda conn: outbox.put(conn, item, [outbox.Address(name="emr", real=True)], 1))
        await ehr.close()


def content(folder: Path) -> tuple[object, ...]:
    found: list[object] = []
    for name, sql in (("history.sqlite", "SELECT value, payload FROM reading JOIN frame ON frame.id = reading.frame ORDER BY reading.id"),
                      ("ehr.sqlite", "SELECT key, state FROM item JOIN delivery ON item = id ORDER BY id")):  # fmt: skip
        conn = apsw.Connection(str(folder / name), flags=apsw.SQLITE_OPEN_READONLY)
        found.append(list(conn.execute(sql)))
        conn.close()
    return tuple(found)


async def test_history_and_outbox_come_back(db: Database, tmp_path: Path, clock: FakeClock) -> None:
    parts = Parts(tmp_path / "data", db)
    await parts.fill(1)
    await parts.fill(2)
    archive = backup(parts.data, tmp_path / "backups", clock=clock, others=("ehr.sqlite", "history.sqlite"))
    assert archive.name.endswith("Z.history.zip")
    wanted = content(parts.data)
    assert [value for value, _raw in wanted[0]] == [6.0, 7.0]  # type: ignore[attr-defined]
    await parts.fill(3)
    restore(archive, tmp_path / "new")
    assert content(tmp_path / "new") == wanted
    sink = SqliteSink.open(tmp_path / "new" / "history.sqlite", db._writer, SystemClock(), Ops())
    assert await sink.resume("another journal", 1, 2**40) == 1  # the restored house begins a journal of its own
    await sink.close()


async def test_an_hourly_archive_takes_the_history_of_the_day(db: Database, tmp_path: Path, clock: FakeClock) -> None:
    parts, target = Parts(tmp_path / "data", db), tmp_path / "backups"
    await parts.fill(1)
    assert history_age_s(target, clock.now_ns()) is None
    backup(parts.data, target, clock=clock, others=("ehr.sqlite", "history.sqlite"))
    clock.step_wall(3600)
    assert history_age_s(target, clock.now_ns()) == 3600
    hourly = backup(parts.data, target, clock=clock, others=("ehr.sqlite",))
    clock.step_wall(3600)
    await parts.fill(2)
    backup(parts.data, target, clock=clock, others=("ehr.sqlite", "history.sqlite"))  # younger: not for the hourly one
    assert "history.sqlite" in restore(hourly, tmp_path / "new")
    assert [value for value, _raw in content(tmp_path / "new")[0]] == [6.0]  # type: ignore[attr-defined]
    for _ in range(3):
        clock.step_wall(86_400)
        backup(parts.data, target, clock=clock, others=("history.sqlite",))
    prune(target)
    assert len(list(target.glob("*.history.zip"))) == 2
    assert hourly.exists()


def test_a_backup_that_does_not_fit_is_not_begun(db: Database, tmp_path: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1000))
    with pytest.raises(StoreError, match="no room"):
        backup(tmp_path / "data", tmp_path / "backups", clock=clock)
    assert list((tmp_path / "backups").iterdir()) == []
