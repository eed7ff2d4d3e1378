"""Documents of residents (results of examinations ...): a row in the store, the bytes in a file of the data folder under the row's id.

The kind of a file is found in its bytes, never in its name. A file is on the disk before its row says so; a withdrawal keeps the row with
its reason and removes the bytes. `mirror` and `bring_back` are for a copy of the files beside the backups.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import apsw

from gateway.registry.ids import uuid7
from gateway.store import Component, schema

PDF, JPEG = "application/pdf", "image/jpeg"
KINDS = ("examination", "report", "letter", "other")
FOLDER = "documents"  # in the data folder
BESIDE = "anxin-documents"  # beside the archives
TAIL = 2048  # a PDF ends with %%EOF, to which some programs append blanks
NAME = re.compile(r"[0-9a-f-]{36}")

COMPONENT = Component(
    "document",
    (
        """
        CREATE TABLE document (
            id TEXT PRIMARY KEY, resident_id TEXT NOT NULL, title TEXT NOT NULL, kind TEXT NOT NULL, day TEXT NOT NULL,
            media_type TEXT NOT NULL, size INTEGER NOT NULL, sha256 TEXT NOT NULL, entered_by TEXT NOT NULL, entered_ns INTEGER NOT NULL,
            withdrawn_ns INTEGER, withdrawn_by TEXT NOT NULL DEFAULT '', reason TEXT NOT NULL DEFAULT ''
        ) STRICT, WITHOUT ROWID;
        CREATE INDEX document_resident ON document (resident_id, entered_ns);
        """,
    ),
)
_COLUMNS = "id, resident_id, title, kind, day, media_type, size, sha256, entered_by, entered_ns, withdrawn_ns, withdrawn_by, reason"
_INSERT = f"INSERT INTO document ({_COLUMNS}) VALUES (?,?,?,?,?,?,?,?,?,?,NULL,'','')"  # noqa: S608 - our own column names
_FIND = f"SELECT {_COLUMNS} FROM document WHERE id = ?"  # noqa: S608
_OF = f"SELECT {_COLUMNS} FROM document WHERE resident_id = ? AND withdrawn_ns IS NULL ORDER BY entered_ns DESC LIMIT ?"  # noqa: S608


class DocumentLost(LookupError):
    """The bytes are not there, or are not those that were entered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One document without its bytes."""

    id: str
    resident_id: str
    title: str
    kind: str
    day: str  # that it is about, "2026-11-02"; empty if nobody said
    media_type: str
    size: int
    sha256: str
    entered_by: str
    entered_ns: int
    withdrawn_ns: int | None = None
    withdrawn_by: str = ""
    reason: str = ""


def media_type_of(content: bytes) -> str | None:
    """PDF or JPEG by what the bytes are; None for anything else, also for one that was cut off."""
    if re.match(rb"%PDF-[12]\.\d", content) and b"%%EOF" in content[-TAIL:]:
        return PDF
    if content[:3] == b"\xff\xd8\xff" and b"\xff\xd9" in content[-TAIL:]:
        return JPEG
    return None


def add(
    conn: apsw.Connection, *, row_id: str, resident_id: str, title: str, kind: str, day: str, media_type: str, content: bytes, by: str,
    now_ns: int,
) -> Document:  # fmt: skip
    """Enter a document whose file is written."""
    found = Document(
        id=row_id, resident_id=resident_id, title=title, kind=kind, day=day, media_type=media_type, size=len(content),
        sha256=hashlib.sha256(content).hexdigest(), entered_by=by, entered_ns=now_ns,
    )  # fmt: skip
    conn.execute(_INSERT, (row_id, resident_id, title, kind, day, media_type, found.size, found.sha256, by, now_ns))
    return found


def withdraw(conn: apsw.Connection, document: Document, *, by: str, reason: str, now_ns: int) -> Document:
    """Take a document back; who takes the file away does so after the commit."""
    conn.execute("UPDATE document SET withdrawn_ns = ?, withdrawn_by = ?, reason = ? WHERE id = ?", (now_ns, by, reason, document.id))
    return replace(document, withdrawn_ns=now_ns, withdrawn_by=by, reason=reason)


def find(conn: apsw.Connection, document_id: str) -> Document | None:
    """One document."""
    row = conn.execute(_FIND, (document_id,)).fetchone()
    return None if row is None else Document(**dict(zip(_COLUMNS.split(", "), row, strict=True)))


def of_resident(conn: apsw.Connection, resident_ids: tuple[str, ...], limit: int = 100) -> list[Document]:
    """Documents about a resident that were not withdrawn, newest first."""
    found: list[Document] = []
    for resident_id in resident_ids:
        rows: Iterable[tuple[Any, ...]] = conn.execute(_OF, (resident_id, limit))
        found += [Document(**dict(zip(_COLUMNS.split(", "), row, strict=True))) for row in rows]
    return sorted(found, key=lambda one: (one.day, one.entered_ns), reverse=True)[:limit]


def standing(conn: apsw.Connection) -> dict[str, str]:
    """Id and SHA-256 of every document that was not withdrawn."""
    return {row[0]: row[1] for row in conn.execute("SELECT id, sha256 FROM document WHERE withdrawn_ns IS NULL")}


class Shelf:
    """The files."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, content: bytes, now_ns: int) -> str:
        """Write a file and return its id; it is on the disk when this returns."""
        schema.make_folder(self._folder)
        row_id = uuid7(now_ns)
        part = self._folder / f"{row_id}.part"
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as out:
            out.write(content)
            out.flush()
            os.fsync(out.fileno())
        part.replace(self._folder / row_id)
        schema.sync_folder(self._folder)
        return row_id

    def get(self, document: Document) -> bytes:
        """The bytes as they were entered; raises DocumentLost."""
        try:
            content = (self._folder / document.id).read_bytes()
        except FileNotFoundError as error:
            raise DocumentLost(document.id) from error
        if hashlib.sha256(content).hexdigest() != document.sha256:
            raise DocumentLost(document.id)
        return content

    def drop(self, row_id: str) -> None:
        """Remove a file; one that is gone is gone."""
        (self._folder / row_id).unlink(missing_ok=True)

    def sweep(self, known: Iterable[str]) -> int:
        """Remove what a crash left: files without a standing row; returns how many."""
        keep = set(known)
        left = [path for path in self._folder.iterdir() if path.name not in keep] if self._folder.is_dir() else []
        for path in left:
            path.unlink()
        return len(left)


def mirror(source: Path, target: Path, standing_ids: Iterable[str]) -> int:
    """Bring the copy beside the backups up to date: what is new is copied, what was withdrawn is removed; returns how many are there."""
    wanted = set(standing_ids)
    if not wanted and not target.is_dir():
        return 0
    schema.make_folder(target)
    for path in target.iterdir():
        if path.name not in wanted and NAME.fullmatch(path.name):
            path.unlink()
    for name in sorted(wanted):
        copy = target / name
        if not copy.exists() and (source / name).is_file():
            part = target / f"{name}.part"
            shutil.copyfile(source / name, part)
            part.chmod(0o600)
            descriptor = os.open(part, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            part.replace(copy)
    schema.sync_folder(target)
    return sum(1 for path in target.iterdir() if path.name in wanted)


def bring_back(beside: Path, folder: Path, wanted: dict[str, str]) -> tuple[int, int]:
    """Files of a restored store from the copy beside its archive, checked by their hashes; returns (brought back, missing)."""
    brought = 0
    for name, sha256 in sorted(wanted.items()):
        path = beside / name
        if not NAME.fullmatch(name) or not path.is_file():
            continue
        content = path.read_bytes()
        if hashlib.sha256(content).hexdigest() != sha256:
            continue
        schema.make_folder(folder)
        descriptor = os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as out:
            out.write(content)
            out.flush()
            os.fsync(out.fileno())
        brought += 1
    return brought, len(wanted) - brought
