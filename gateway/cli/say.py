"""How commands speak: tables for people, JSON for programs, two languages, exit codes 0 (done), 1 (refused), 2 (wrong call or set-up)."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

REFUSED = 1
WRONG = 2
PIPE_WIDTH = 160


@dataclass(slots=True)
class Voice:
    """Settings of one command run."""

    data_dir: Path
    json: bool
    lang: str

    def word(self, zh: str, en: str) -> str:
        """The sentence in the chosen language."""
        return zh if self.lang == "zh" else en

    def result(self, data: Any, human: str | Table | None = None) -> None:
        """JSON when asked for, else what is meant for people."""
        if self.json or human is None:
            print(json.dumps(data, ensure_ascii=False, indent=None if self.json else 1))
        else:
            console().print(human)

    def table(self, rows: Sequence[Mapping[str, Any]], columns: Sequence[tuple[str, str, str]], *, empty: tuple[str, str]) -> None:
        """Rows as a table; `columns` are (key, zh title, en title)."""
        if self.json:
            print(json.dumps(list(rows), ensure_ascii=False))
            return
        if not rows:
            console().print(self.word(*empty))
            return
        table = Table()
        for _key, zh, en in columns:
            table.add_column(self.word(zh, en), overflow="fold")
        for row in rows:
            table.add_row(*(escape(_cell(row.get(key))) for key, _zh, _en in columns))
        console().print(table)

    def fail(self, reason: str, code: int = REFUSED) -> NoReturn:
        """Say why on the error stream and end."""
        if self.json:
            print(json.dumps({"error": reason}, ensure_ascii=False), file=sys.stderr)
        else:
            Console(stderr=True).print(f"anxin: {reason}", style="bold red", highlight=False, markup=False, soft_wrap=True)
        raise typer.Exit(code)


def console() -> Console:
    """Standard output; a pipe gets lines wide enough to be cut by programs."""
    return Console() if sys.stdout.isatty() else Console(width=PIPE_WIDTH, soft_wrap=True)


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, list | tuple):
        return ", ".join(str(part) for part in value) or "–"
    return str(value)
