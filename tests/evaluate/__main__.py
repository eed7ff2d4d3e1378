"""`python -m tests.evaluate [name ...] [--json FILE] [--strict]`: all groups, or the named ones, within 15 minutes.

0 = all groups ran; 1 = one failed, ran out of time or lacks its recordings (or, with --strict, missed a goal); 2 = wrong name, no data.
"""

from __future__ import annotations

import argparse
import ast
import importlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from rich.console import Console

from gateway.clock import SystemClock
from tests.evaluate._frame import Row, printed
from tests.support import ROOT, data_dir
from tests.support.parts import found_parts

BUDGET_S = 900.0
FOLDER = Path(__file__).parent


def one(name: str, out: Path) -> None:
    """Run a group in this process and write its rows."""
    rows: list[Row] = importlib.import_module(f"tests.evaluate.{name}").table()
    out.write_text(json.dumps([line.as_json() for line in rows]), encoding="utf-8")


def described(name: str) -> tuple[str, tuple[str, ...]] | None:
    """WHAT and DATA of a group without importing it (some bring large packages); None for a module that has no table."""
    tree = ast.parse((FOLDER / f"{name}.py").read_text(encoding="utf-8"))
    if not any(isinstance(node, ast.FunctionDef) and node.name == "table" for node in tree.body):
        return None
    told: dict[str, Any] = {}
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id in ("WHAT", "DATA"):
            told[node.targets[0].id] = ast.literal_eval(node.value)
    return str(told["WHAT"]), tuple(told["DATA"])


def group(name: str, left_s: float) -> dict[str, Any]:
    """Run a group in a process of its own: {name, what, fate, took_s, rows}."""
    what, data = described(name) or ("", ())
    found: dict[str, Any] = {"name": name, "what": what, "fate": "ok", "took_s": 0.0, "rows": []}
    absent = [folder for folder in data if not (data_dir() / folder).exists()]
    if absent:
        return found | {"fate": f"recordings absent: {' '.join(absent)}"}
    clock = SystemClock()
    begun_ns = clock.monotonic_ns()
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "rows.json"
        command = [sys.executable, "-m", "tests.evaluate", "--one", name, "--out", str(out)]
        alone = os.environ | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}  # many small systems: threads only wait for each other
        try:
            code = subprocess.run(command, cwd=ROOT, env=alone, check=False, timeout=max(1.0, left_s)).returncode
        except subprocess.TimeoutExpired:
            return found | {"fate": f"ran out of the {BUDGET_S:.0f} s for all groups", "took_s": round(left_s, 1)}
        found["took_s"] = round((clock.monotonic_ns() - begun_ns) / 1e9, 1)
        if code:
            return found | {"fate": f"failed ({code})"}
        return found | {"rows": json.loads(out.read_text(encoding="utf-8"))}


def revived(line: dict[str, Any]) -> Row:
    """A row from its JSON; a value that could not be measured is null there."""
    return Row(**(line | {"value": float("nan") if line["value"] is None else line["value"]}))


def main(arguments: list[str]) -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="make evaluate", description="Accuracy on real recordings, split by subject.")
    parser.add_argument("names", nargs="*")
    parser.add_argument("--json", type=Path, help="write the report here as well")
    parser.add_argument("--strict", action="store_true", help="a missed goal is a failure")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args(arguments)
    if asked.one:
        one(asked.one, asked.out)
        return 0
    known = [name for name in found_parts(FOLDER) if described(name) is not None]
    unknown = [name for name in asked.names if name not in known]
    if unknown:
        print(f"unknown: {' '.join(unknown)}; there are: {' '.join(known)}", file=sys.stderr)
        return 2
    if not data_dir().is_dir():
        print(f"no recordings in {data_dir()}: set ANXIN_DATA to their folder. They are no part of the repository.", file=sys.stderr)
        return 2
    return report(asked.names or known, asked.json, strict=asked.strict)


def report(names: list[str], out: Path | None, *, strict: bool) -> int:
    """Run the groups, print each as it ends, write all of them."""
    console, clock = Console(width=None if sys.stdout.isatty() else 160), SystemClock()
    end_ns = clock.monotonic_ns() + int(BUDGET_S * 1e9)
    groups = []
    for name in names:
        found = group(name, (end_ns - clock.monotonic_ns()) / 1e9)
        groups.append(found)
        title = f"{name}: {found['what']} ({found['took_s']} s)"
        if found["fate"] != "ok":
            console.print(f"{name}: {found['fate']}")
        else:
            console.print(printed(title, [revived(line) for line in found["rows"]]))
    if out is not None:
        out.write_text(json.dumps({"version": 1, "groups": groups}, indent=1) + "\n", encoding="utf-8")
    missed = [f"{found['name']}: {line['metric']}" for found in groups for line in found["rows"] if line["met"] is False]
    console.print(f"{sum(found['fate'] == 'ok' for found in groups)} of {len(groups)} groups ran, {len(missed)} goals missed")
    for line in missed:
        console.print(f"  missed: {line}")
    broken = any(found["fate"] != "ok" for found in groups)
    return 1 if broken or (strict and missed) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
