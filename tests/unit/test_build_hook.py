"""The front end is built when its sources changed and not otherwise; a failed build leaves the old one."""

from __future__ import annotations

from pathlib import Path

import pytest

from dashboards import build_hook
from dashboards.build_hook import STAMP, WebError, build, source_hash, stale, system_node


@pytest.fixture
def tree(tmp_path: Path) -> tuple[Path, Path]:
    """A front end of three files and the words beside it."""
    web, static = tmp_path / "web", tmp_path / "static"
    (web / "src").mkdir(parents=True)
    (tmp_path / "i18n").mkdir()
    (tmp_path / "i18n" / "en.json").write_text("{}")
    (web / "package.json").write_text("{}")
    (web / "package-lock.json").write_text("{}")
    (web / "src" / "main.ts").write_text("1")
    return web, static


def fake_program(folder: Path, name: str, script: str) -> None:
    """A shell script on a PATH of its own."""
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)


def test_without_sources_there_is_nothing_to_do(tmp_path: Path) -> None:
    assert not stale(tmp_path / "web", tmp_path / "static")


def test_any_source_makes_it_stale(tree: tuple[Path, Path]) -> None:
    web, static = tree
    assert stale(web, static)
    for changed in (web / "src" / "main.ts", web / "package-lock.json", web.parent / "i18n" / "en.json", web / "src" / "new.ts"):
        static.mkdir(exist_ok=True)
        (static / STAMP).write_text(source_hash(web))
        assert not stale(web, static)
        changed.write_text("2")
        assert stale(web, static), changed
    (web / "node_modules").mkdir()
    before = source_hash(web)
    (web / "node_modules" / "x.js").write_text("3")
    assert source_hash(web) == before


@pytest.mark.parametrize(
    ("version", "good"), [("v20.18.9", False), ("v20.19.0", True), ("v22.1.0", True), ("v18.20.0", False), ("broken", False)]
)
def test_node_must_be_new_enough(version: str, good: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_program(tmp_path / "bin", "node", f"echo {version}")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.delenv("ANXIN_NO_SYSTEM_NODE", raising=False)
    assert system_node() is None  # without npm beside it
    fake_program(tmp_path / "bin", "npm", "exit 0")
    assert (system_node() is not None) is good
    monkeypatch.setenv("ANXIN_NO_SYSTEM_NODE", "1")
    assert system_node() is None


def test_without_any_node_it_says_what_to_do(tree: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build_hook, "system_node", lambda: None)
    monkeypatch.setattr(build_hook, "wheel_node", lambda: None)
    with pytest.raises(WebError, match="make web"):
        build(*tree)


def test_a_build_takes_the_old_ones_place_only_when_it_is_whole(tree: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    web, static = tree
    npm = web.parent / "npm"
    monkeypatch.setattr(build_hook, "npm_command", lambda: ([str(npm)], {"PATH": "/usr/bin:/bin"}))
    succeeds = 'case "$1" in ci) mkdir -p node_modules;; run) mkdir -p "$5"; echo page > "$5/index.html";; esac'
    fake_program(npm.parent, "npm", succeeds)
    build(web, static)
    assert (static / "index.html").read_text() == "page\n"
    assert not stale(web, static)

    (web / "src" / "main.ts").write_text("broken")
    fake_program(npm.parent, "npm", 'mkdir -p "$5"; echo what is wrong; exit 2')
    with pytest.raises(WebError, match="what is wrong"):
        build(web, static)
    assert (static / "index.html").read_text() == "page\n"
    assert stale(web, static)
    assert not list(static.parent.glob(".static-*"))
