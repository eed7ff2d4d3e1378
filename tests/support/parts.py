"""Runs the parts of `make bench` and `make soak`: every module of a folder is a part and prints its own report."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.support import ROOT


def found_parts(folder: Path) -> list[str]:
    """Names of the runnable modules; a leading underscore marks a helper."""
    return sorted(path.stem for path in folder.glob("*.py") if not path.stem.startswith(("_", "test_")))


def run_parts(folder: Path, planned: Mapping[str, str], arguments: Sequence[str]) -> int:
    """Run the named parts, or all; each in a process of its own. 0 = all went well, 1 = one failed or is missing, 2 = wrong name."""
    package = ".".join(folder.relative_to(ROOT).parts)
    found = found_parts(folder)
    names = list(arguments) or sorted({*planned, *found})
    unknown = [name for name in names if name not in found and name not in planned]
    if unknown:
        print(f"unknown: {' '.join(unknown)}; there are: {' '.join(sorted({*planned, *found}))}", file=sys.stderr)
        return 2
    fates: dict[str, str] = {}
    for name in names:
        print(f"\n=== {package}.{name}: {planned.get(name, '')}", flush=True)
        if name not in found:
            print(f"missing: {package}.{name} is not written yet")
            fates[name] = "missing"
            continue
        code = subprocess.run([sys.executable, "-m", f"{package}.{name}"], cwd=ROOT, check=False).returncode
        fates[name] = "ok" if code == 0 else f"failed ({code})"
    print(f"\n=== {package}: " + ", ".join(f"{name} {fate}" for name, fate in fates.items()))
    return 0 if all(fate == "ok" for fate in fates.values()) else 1
