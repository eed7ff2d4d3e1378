"""CSV files as people save them: UTF-8 (with or without BOM) or GB18030, comma, semicolon or tab, headers in English or Chinese."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from gateway.registry.errors import RegistryError

SIZE_LIMIT = 5 << 20
ROW_LIMIT = 20_000
FORMULA = ("=", "+", "-", "@", "\t", "\r")  # what makes a spreadsheet run a cell


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its name in English and in Chinese, and whether it must be there and filled."""

    name: str
    zh: str
    required: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """A line of a file: cells by column name, without the empty ones, and the header of each column as the file writes it."""

    line: int
    cells: Mapping[str, str]
    headers: Mapping[str, str]

    def get(self, name: str) -> str | None:
        """Return a cell; None where it is empty."""
        return self.cells.get(name)


@dataclass(slots=True)
class Table:
    """A file: its rows, and what is wrong with single lines (line, header, error)."""

    rows: list[Row] = field(default_factory=list)
    faults: list[tuple[int, str, RegistryError]] = field(default_factory=list)


def read_table(content: bytes, columns: tuple[Column, ...]) -> Table:
    """Parse a file; raises RegistryError where the file as a whole cannot be used (encoding, size, header)."""
    lines = _lines(_decode(content))
    table = Table()
    headers: dict[int, tuple[str, str]] | None = None
    try:
        for line, cells in lines:
            if not any(cell.strip() for cell in cells):
                continue
            if headers is None:
                headers = _headers(cells, columns)
                continue
            if len(table.rows) >= ROW_LIMIT:
                raise RegistryError("csv.size", limit=f"{ROW_LIMIT}")
            _take(table, line, cells, headers, columns)
    except csv.Error:
        table.faults.append((table.rows[-1].line + 1 if table.rows else 1, "", RegistryError("csv.format")))
        return table
    if headers is None:
        raise RegistryError("csv.header", columns=_wanted(columns))
    return table


def safe_cell(text: str) -> str:
    """Prepare text for a CSV file: what a spreadsheet would run gets an apostrophe before it."""
    return f"'{text}" if text.startswith(FORMULA) else text


def write_table(header: tuple[str, ...], rows: list[tuple[str, ...]]) -> bytes:
    """Make a CSV file that spreadsheets open in the right encoding and never run."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(header)
    writer.writerows([safe_cell(cell) for cell in row] for row in rows)
    return out.getvalue().encode("utf-8-sig")


def _decode(content: bytes) -> str:
    if len(content) > SIZE_LIMIT:
        raise RegistryError("csv.size", limit=f"{SIZE_LIMIT >> 20} MiB")
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" not in text:  # UTF-16 passes for GB18030 otherwise
            return text
    raise RegistryError("csv.encoding")


def _lines(text: str) -> Iterator[tuple[int, list[str]]]:
    """(number of the line on which a record starts, cells)."""
    first = text.split("\n", 1)[0]
    delimiter = max(",;\t", key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    start = 1
    for cells in reader:
        yield start, cells
        start = reader.line_num + 1


def _headers(cells: list[str], columns: tuple[Column, ...]) -> dict[int, tuple[str, str]]:
    """Position -> (column name, header as written)."""
    known = {_fold(alias): column.name for column in columns for alias in (column.name, column.zh)}
    found: dict[int, tuple[str, str]] = {}
    for position, cell in enumerate(cells):
        if not cell.strip():
            continue
        name = known.get(_fold(cell))
        if name is None:
            raise RegistryError("csv.unknown_column", value=cell.strip()[:40], columns=_wanted(columns))
        if name in {other for other, _ in found.values()}:
            raise RegistryError("csv.double_column", value=cell.strip()[:40])
        found[position] = (name, cell.strip())
    missing = [column for column in columns if column.required and column.name not in {name for name, _ in found.values()}]
    if missing:
        raise RegistryError("csv.header", columns=_wanted(tuple(missing)))
    return found


def _take(table: Table, line: int, cells: list[str], headers: dict[int, tuple[str, str]], columns: tuple[Column, ...]) -> None:
    if any(cell.strip() for position, cell in enumerate(cells) if position not in headers):
        table.faults.append((line, "", RegistryError("csv.format")))
        return
    values: dict[str, str] = {}
    for position, (name, header) in headers.items():
        cell = cells[position].strip() if position < len(cells) else ""
        if cell.startswith("'") and cell[1:].startswith(FORMULA):
            cell = cell[1:]  # as safe_cell writes it
        elif cell.startswith(FORMULA):
            table.faults.append((line, header, RegistryError("csv.formula", field=header)))
            return
        if cell:
            values[name] = cell
    names = dict(headers.values())
    for column in columns:
        if column.required and column.name not in values:
            header = names[column.name]
            table.faults.append((line, header, RegistryError("text.empty", field=header)))
            return
    table.rows.append(Row(line, values, names))


def _wanted(columns: tuple[Column, ...]) -> str:
    return ", ".join(f"{column.name} ({column.zh})" for column in columns)


def _fold(header: str) -> str:
    return "".join(char for char in header.casefold() if char.isalnum())
