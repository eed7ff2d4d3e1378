"""Who may import whom. The lists are made by walking the folders; each rule is shown to catch a planted violation."""

from __future__ import annotations

import ast
import importlib.metadata
import re
import sys
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pytest

from tests.support import PACKAGES, ROOT

# Folders whose files are each one more of the same kind; they share base.py and nothing else.
SIBLINGS = (
    "devices.gatt", "devices.adverts", "devices.payloads", "devices.quirks", "analytics.detect",
    "gateway.collect", "gateway.notify", "gateway.history", "gateway.ehr",
)  # fmt: skip
# What the outside may see of the gateway.
VIEWS = ("gateway.api", "dashboards")
VIEW_DOORS = ("gateway.query", "gateway.commands", "gateway.access", "gateway.ops", "gateway.vocabulary", "gateway.clock")
MAY_ANALYSE = ("gateway.stream", "gateway.query", "gateway.main")
# Only what puts the parts together knows the views.
MAY_SERVE = ("gateway.api", "gateway.main", "dashboards")

PURE = ("devices", "analytics")
IMPURE_STDLIB = frozenset(
    "asyncio concurrent ctypes http logging multiprocessing os queue random sched select selectors shutil signal socket socketserver "
    "sqlite3 ssl subprocess tempfile threading time urllib".split()
)
PURE_THIRD_PARTY = {"devices": {"cbor2", "bthome_ble"}, "analytics": {"numpy", "scipy"}}
# Packages that come with a declared one and are part of its public face.
COMES_WITH = {"starlette": "fastapi", "annotated-types": "pydantic", "click": "typer", "urllib3": "influxdb-client"}
EXTRAS = ("influx",)  # what a sink needs that is not installed by default


@dataclass(frozen=True, slots=True)
class Import:
    """One import statement's target, seen from the module that has it."""

    importer: str
    target: str
    line: int

    def __str__(self) -> str:
        return f"{self.importer}:{self.line} imports {self.target}"


def within(module: str, *packages: str) -> bool:
    """Whether a module is one of the packages or lies in one."""
    return any(module == package or module.startswith(package + ".") for package in packages)


def product_sources() -> dict[str, str]:
    """Module name -> source of everything that ships."""
    sources = {}
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            if "node_modules" in parts or parts == ("dashboards", "build_hook"):
                continue
            sources[".".join(parts).removesuffix(".__init__")] = path.read_text(encoding="utf-8")
    return sources


def imports_of(importer: str, source: str, modules: Mapping[str, str]) -> Iterator[Import]:
    """All imports of a module, also those in functions and under TYPE_CHECKING; relative ones made absolute."""
    package = importer if any(module.startswith(importer + ".") for module in modules) else importer.rpartition(".")[0]
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(importer, alias.name, node.lineno)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                up = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*up, *([base] if base else [])])
            for alias in node.names:
                full = f"{base}.{alias.name}"
                yield Import(importer, full if full in modules else base, node.lineno)


def why_forbidden(found: Import) -> str | None:
    """The rule that an import breaks, or None."""
    importer, target = found.importer, found.target
    root, target_root = importer.split(".")[0], target.split(".")[0]
    if target_root == "tests":
        return "what ships does not know the tests"
    if target_root == "sqlite3":
        return "SQLite is apsw: the standard library's is too old for its durability to be known"
    if target_root in PACKAGES:
        return _why_forbidden_inside(importer, target, root, target_root)
    if root in PURE:
        if target_root in IMPURE_STDLIB:
            return f"{root} is pure: no clock, no input/output, no threads, no logging"
        if target_root not in sys.stdlib_module_names and target_root not in PURE_THIRD_PARTY[root]:
            return f"{root} may use the standard library and {', '.join(sorted(PURE_THIRD_PARTY[root]))} only"
    return None


def _why_forbidden_inside(importer: str, target: str, root: str, target_root: str) -> str | None:
    """The rule that an import of one of our own modules breaks."""
    for folder in SIBLINGS:
        is_sibling = within(importer, folder) and within(target, folder) and importer != folder and target != folder
        own = ".".join(importer.split(".")[: folder.count(".") + 2])
        if is_sibling and not within(target, f"{folder}.base", own):
            return f"files in {folder} know base.py and not each other"
    if root == "firmware_sim" or target_root == "firmware_sim":
        return None if root == target_root else "the simulator and the product share no code, so that no error can hide"
    if root == "devices":
        return None if target_root == "devices" else "devices knows nothing of ours"
    if root == "analytics":
        allowed = ("analytics", "devices.model", "devices.codes", "devices.units")
        return None if within(target, *allowed) else "analytics knows devices.model, devices.codes and devices.units only"
    if within(importer, *VIEWS):
        return None if within(target, *VIEWS, *VIEW_DOORS) else f"views know {', '.join(VIEW_DOORS)} only"
    if target_root == "analytics" and not within(importer, *MAY_ANALYSE):
        return f"analytics is called from {', '.join(MAY_ANALYSE)} only"
    if within(target, *VIEWS) and not within(importer, *MAY_SERVE):
        return f"views are put together in {', '.join(MAY_SERVE)} only"
    return None


def violations(sources: Mapping[str, str]) -> list[str]:
    """Every forbidden import, with its place and its rule."""
    found = []
    for importer, source in sources.items():
        for one in imports_of(importer, source, sources):
            reason = why_forbidden(one)
            if reason is not None:
                found.append(f"{one}: {reason}")
    return found


def canonical(name: str) -> str:
    """A distribution's name as package indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def undeclared(sources: Mapping[str, str], declared: set[str]) -> list[str]:
    """Imports of packages that pyproject.toml does not ask for."""
    provided_by = importlib.metadata.packages_distributions()
    found = []
    for importer, source in sources.items():
        for one in imports_of(importer, source, sources):
            top = one.target.split(".")[0]
            if top in sys.stdlib_module_names or top in PACKAGES:
                continue
            names = {canonical(name) for name in provided_by.get(top, [top])}
            names |= {COMES_WITH[name] for name in names if name in COMES_WITH}
            if not names & declared:
                found.append(f"{one}: not among the dependencies in pyproject.toml")
    return found


def declared_dependencies() -> set[str]:
    """Names of the run-time dependencies."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    requirements = [*project["dependencies"], *(one for extra in EXTRAS for one in project["optional-dependencies"][extra])]
    names = (re.match(r"[A-Za-z0-9._-]+", requirement) for requirement in requirements)
    return {canonical(name[0]) for name in names if name}


def test_imports_keep_the_rules() -> None:
    found = violations(product_sources())
    if found:
        pytest.fail("\n".join(found), pytrace=False)


def test_third_party_imports_are_declared() -> None:
    found = undeclared(product_sources(), declared_dependencies())
    if found:
        pytest.fail("\n".join(found), pytrace=False)


def test_the_walk_sees_the_packages() -> None:
    sources = product_sources()
    assert {name.split(".")[0] for name in sources} == set(PACKAGES)
    assert {"gateway.clock", "devices.model"} <= set(sources)


@pytest.mark.parametrize(
    ("importer", "source", "rule"),
    [
        ("devices.gatt.bad", "from gateway.clock import Clock", "devices knows nothing of ours"),
        ("devices.gatt.bad", "def f():\n    import time", "is pure"),
        ("devices.gatt.bad", "import logging", "is pure"),
        ("devices.gatt.bad", "import numpy", "standard library and"),
        ("devices.gatt.bad", "from devices.gatt import heart_rate", "not each other"),
        ("devices.gatt.bad", "from . import heart_rate", "not each other"),
        ("devices.gatt.bad", "from .heart_rate import decode", "not each other"),
        ("analytics.detect.bad", "from analytics.detect.limits import Limits", "not each other"),
        ("analytics.detect.bad", "from devices.catalog import decode", "devices.model"),
        ("analytics.bad", "import pandas", "standard library and"),
        ("gateway.collect.bad", "import gateway.collect.mqtt", "not each other"),
        ("gateway.notify.bad", "from gateway.notify.email import Email", "not each other"),
        ("gateway.intake", "from analytics.score import news2", "called from"),
        ("gateway.api.bad", "from gateway.store import Database", "views know"),
        ("gateway.api.bad", "from devices.codes import QUANTITIES", "views know"),
        ("dashboards.pages.bad", "from gateway import journal", "views know"),
        ("gateway.intake", "from gateway.api import app", "put together"),
        ("gateway.store", "import sqlite3", "apsw"),
        ("gateway.cli", "from firmware_sim.fleet import Fleet", "share no code"),
        ("firmware_sim.bad", "from devices.codes import QUANTITIES", "share no code"),
        ("gateway.main", "from tests.support import need", "does not know the tests"),
        ("gateway.intake", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import analytics.score", "called from"),
    ],
)
def test_a_planted_violation_is_caught(importer: str, source: str, rule: str) -> None:
    planted = dict.fromkeys(
        ["devices.gatt", "devices.gatt.heart_rate", "analytics.detect", "analytics.detect.limits", "gateway", "gateway.journal"], ""
    )
    planted[importer] = source
    found = violations(planted)
    assert len(found) == 1
    assert rule in found[0]


@pytest.mark.parametrize(
    ("importer", "source"),
    [
        ("devices.gatt.good", "import struct\nfrom devices.model import Sample\nfrom devices.gatt.base import Reader"),
        ("devices.payloads.good", "import cbor2, json"),
        ("analytics.detect.good", "import numpy as np\nfrom analytics.detect.base import Verdict\nfrom devices.codes import BY_KEY"),
        ("gateway.stream.engine", "import analytics.windows, asyncio"),
        ("gateway.api.alerts", "from gateway.commands import Commands\nfrom dashboards.pages import Pages\nimport fastapi"),
        ("gateway.main", "import gateway.api\nimport analytics.score\nimport devices.catalog"),
        ("gateway.collect.mqtt.session", "from gateway.collect.mqtt import filters"),
        ("firmware_sim.fleet", "import time, paho.mqtt.client\nfrom firmware_sim import people"),
    ],
)
def test_what_is_allowed_passes(importer: str, source: str) -> None:
    assert violations({importer: source}) == []


def test_an_undeclared_package_is_caught() -> None:
    assert undeclared({"gateway.bad": "import pytest"}, declared_dependencies())
    assert undeclared({"gateway.bad": "import no_such_package_at_all"}, declared_dependencies())
    assert not undeclared({"gateway.good": "from starlette.requests import Request\nimport paho.mqtt.client"}, declared_dependencies())
