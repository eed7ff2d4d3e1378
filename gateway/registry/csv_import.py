"""Import of a whole house from CSV files: a rehearsal that reports every row's error, then all or nothing. Columns: see FILES."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePath

from gateway.registry.csv_rows import FILES, IDENTITIES, TAKERS
from gateway.registry.csv_table import Row, read_table
from gateway.registry.errors import ConflictError, RegistryError
from gateway.registry.registry import Registry
from gateway.registry.tx import Tx
from gateway.vocabulary import Actor

REPORTED_ERRORS = 1000
REPORTED_ROWS = 2000
_IN_HEADER = ("csv.header", "csv.unknown_column", "csv.double_column")
_COLUMN_OF = {"at": "admitted_at"}  # fields of commands that a file calls otherwise


@dataclass(frozen=True, slots=True, kw_only=True)
class RowError:
    """One thing to repair: where it is, what it is, what to do."""

    file: str
    line: int  # 1 = the header; 0 = the file as a whole
    column: str  # as the file writes it; empty = the whole line
    error: RegistryError

    def message(self, lang: str) -> str:
        """Sentence in `lang` ("zh" or "en")."""
        return self.error.message(lang)


@dataclass(frozen=True, slots=True, kw_only=True)
class RowFate:
    """What becomes of one row that can be taken: created, changed or unchanged."""

    file: str
    line: int
    fate: str


@dataclass(slots=True)
class Counts:
    """What became of a file's rows."""

    created: int = 0
    changed: int = 0
    unchanged: int = 0


@dataclass(slots=True)
class Report:
    """Result of an import or a rehearsal; nothing was written where there are errors."""

    written: bool = False
    errors: list[RowError] = field(default_factory=list)
    omitted: int = 0  # errors beyond those listed
    counts: dict[str, Counts] = field(default_factory=dict)
    rows: list[RowFate] = field(default_factory=list)  # the first REPORTED_ROWS that can be taken

    @property
    def ok(self) -> bool:
        """Whether all rows can be taken."""
        return not self.errors

    def add(self, file: str, line: int, column: str, error: RegistryError) -> None:
        """Note an error, up to a bound."""
        if len(self.errors) >= REPORTED_ERRORS:
            self.omitted += 1
        else:
            self.errors.append(RowError(file=file, line=line, column=column, error=error))


class _RefusedError(Exception):
    """Carries a refused import out of its savepoint."""


Files = Mapping[str, bytes]  # file name ("residents.csv", "住民.csv") -> content


def dry_run(registry: Registry, actor: Actor, files: Files) -> Report:
    """Rehearse an import: every row's error, and nothing written. Blocking; run it in a thread."""
    tables, report = _read(files)
    registry.rehearse(actor, lambda tx: _apply(tx, tables, report))
    return report


async def apply(registry: Registry, actor: Actor, files: Files) -> Report:
    """Import all files, or nothing where any row has an error (the report says which)."""
    report = await asyncio.to_thread(dry_run, registry, actor, files)
    if not report.ok:
        return report
    tables, report = _read(files)
    try:
        await registry.do(actor, _import, tables, report)
    except _RefusedError:  # the registry changed since the rehearsal
        return report
    report.written = True
    return report


def apply_sync(registry: Registry, actor: Actor, files: Files) -> Report:
    """Import from a command line."""
    report = dry_run(registry, actor, files)
    if not report.ok:
        return report
    tables, report = _read(files)
    try:
        registry.do_sync(actor, _import, tables, report)
    except _RefusedError:
        return report
    report.written = True
    return report


def file_key(name: str) -> str | None:
    """Which of FILES a file name means: "residents.csv" or "住民.csv"."""
    stem = PurePath(name).stem.strip().casefold()
    return next((key for key, (zh, _) in FILES.items() if stem in (key, zh)), None)


def template(key: str, lang: str) -> tuple[str, ...]:
    """Header line of a file to fill in."""
    return tuple(column.zh if lang == "zh" else column.name for column in FILES[key][1])


def _read(files: Files) -> tuple[dict[str, tuple[str, list[Row]]], Report]:
    """Rows by file key (with the name of the file), and the errors of the files themselves."""
    report = Report()
    tables: dict[str, tuple[str, list[Row]]] = {}
    for name, content in files.items():
        key = file_key(name)
        if key is None:
            names = ", ".join(f"{key}.csv ({zh}.csv)" for key, (zh, _) in FILES.items())
            report.add(name, 0, "", RegistryError("csv.unknown_file", names=names))
            continue
        if key in tables:
            report.add(name, 0, "", RegistryError("csv.double_file", value=tables[key][0]))
            continue
        try:
            table = read_table(content, FILES[key][1])
        except RegistryError as error:
            report.add(name, 1 if error.code in _IN_HEADER else 0, "", error)
            continue
        for line, column, fault in table.faults:
            report.add(name, line, column, fault)
        tables[key] = (name, table.rows)
    return tables, report


def _import(tx: Tx, tables: Mapping[str, tuple[str, list[Row]]], report: Report) -> None:
    _apply(tx, tables, report)
    if not report.ok:
        raise _RefusedError
    tx.note("registry.imported", "registry", files=sorted(tables), rows=sum(len(rows) for _, rows in tables.values()))


def _apply(tx: Tx, tables: Mapping[str, tuple[str, list[Row]]], report: Report) -> None:
    for key, take in TAKERS.items():
        if key not in tables:
            continue
        name, rows = tables[key]
        counts = report.counts.setdefault(key, Counts())
        seen: dict[tuple[str | None, ...], int] = {}
        for row in rows:
            identity = tuple(row.get(column) for column in IDENTITIES[key])
            try:
                if identity in seen:
                    raise ConflictError("csv.duplicate", line=seen[identity])
                seen[identity] = row.line
                result = take(tx, row)
            except RegistryError as refusal:
                column = row.headers.get(_COLUMN_OF.get(refusal.field or "", refusal.field or ""), "")
                if column:
                    refusal.params["field"] = column  # the file's own word for it
                report.add(name, row.line, column, refusal)
            else:
                setattr(counts, result, getattr(counts, result) + 1)
                if len(report.rows) < REPORTED_ROWS:
                    report.rows.append(RowFate(file=name, line=row.line, fate=result))
    files = [name for name, _ in tables.values()]
    report.errors.sort(key=lambda error: (files.index(error.file) if error.file in files else -1, error.line))
