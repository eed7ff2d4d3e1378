"""The papers beside the code: locks without addresses, two READMEs with the same commands, a wheel without tests."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.support import PACKAGES, ROOT

LOCKS = sorted(path.name for path in ROOT.glob("requirements*.lock"))
ADDRESS = re.compile(r"://|^\s*--(?!hash=)|\s@\s", re.MULTILINE)


def commands(markdown: str) -> list[str]:
    """Lines of the fenced `sh` blocks, without comments."""
    blocks = re.findall(r"^```sh\n(.*?)^```", markdown, re.MULTILINE | re.DOTALL)
    lines = (re.sub(r"\s+#.*", "", line).strip() for block in blocks for line in block.splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def unpinned(lock: str) -> list[str]:
    """Requirements of a lock without exact version or without hash."""
    entries = re.split(r"\n(?=[A-Za-z0-9])", re.sub(r"^\s*#.*\n?", "", lock, flags=re.MULTILINE).strip())
    return [entry.splitlines()[0] for entry in entries if "==" not in entry.splitlines()[0] or "--hash=sha256:" not in entry]


@pytest.mark.parametrize("name", LOCKS)
def test_locks_are_exact_and_name_no_address(name: str) -> None:
    lock = (ROOT / name).read_text(encoding="utf-8")
    assert ADDRESS.findall(lock) == []
    assert unpinned(lock) == []


def test_the_run_lock_is_a_part_of_the_dev_lock() -> None:
    def pins(name: str) -> set[str]:
        return set(re.findall(r"^[A-Za-z0-9][^ ;\\]*==[^ ;\\]*", (ROOT / name).read_text(encoding="utf-8"), re.MULTILINE))

    assert len(pins("requirements.lock")) > 20
    assert pins("requirements.lock") <= pins("requirements-dev.lock")


def test_a_weak_lock_is_caught() -> None:
    assert unpinned("a==1 \\\n    --hash=sha256:00\nb>=2 \\\n    --hash=sha256:00\nc==3\n") == ["b>=2 \\", "c==3"]
    assert ADDRESS.search("--index-url https://example.org/simple")
    assert ADDRESS.search("a @ file")


def test_the_front_ends_lock_names_no_address() -> None:
    lock = json.loads((ROOT / "dashboards/web/package-lock.json").read_text(encoding="utf-8"))
    packages = lock["packages"]
    assert len(packages) > 1
    assert [name for name, package in packages.items() if "resolved" in package] == []
    assert [name for name, package in packages.items() if name and not package.get("link") and "integrity" not in package] == []


def test_both_readmes_give_the_same_commands() -> None:
    english = commands((ROOT / "README.md").read_text(encoding="utf-8"))
    chinese = commands((ROOT / "README.zh-CN.md").read_text(encoding="utf-8"))
    assert "make demo" in english
    assert english == chinese


@pytest.mark.parametrize("name", ["README.md", "README.zh-CN.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md"])
def test_links_to_files_lead_somewhere(name: str) -> None:
    links = re.findall(r"\]\((?!https?:|#|mailto:)([^)#]+)", (ROOT / name).read_text(encoding="utf-8"))
    assert [link for link in links if not (ROOT / link).exists()] == []


@pytest.mark.timeout(120)
def test_the_wheel_has_the_packages_and_no_tests(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(tmp_path)]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    (wheel,) = tmp_path.glob("anxin-*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    top = {name.split("/")[0] for name in names if ".dist-info/" not in name}
    assert top == set(PACKAGES)
    assert not [name for name in names if "node_modules" in name or name.startswith("dashboards/web/") or "build_hook" in name]
    assert "dashboards/static/index.html" in names
