"""What tests share: needs that are named when they are missing, the folder of recordings, seeds that are printed."""

from __future__ import annotations

import os
import random
import shutil
from pathlib import Path
from typing import NoReturn

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("analytics", "dashboards", "devices", "firmware_sim", "gateway")

# Program -> Debian package. Daemons stand in sbin, which is not on everybody's PATH.
PROGRAMS = {
    "baresip": "baresip-core",
    "chromium": "chromium",
    "dbus-daemon": "dbus-daemon",
    "espeak-ng": "espeak-ng",
    "faketime": "faketime",
    "fc-list": "fontconfig",
    "mosquitto": "mosquitto",
    "mosquitto_pub": "mosquitto-clients",
    "mosquitto_sub": "mosquitto-clients",
    "node": "nodejs",
    "npm": "npm",
    "victoria-metrics": "victoria-metrics",
}
SBIN = ("/usr/local/sbin", "/usr/sbin", "/sbin")


def no_skip() -> bool:
    """Whether a missing need is a failure (as in `.ci/run`) rather than a skip."""
    return os.environ.get("ANXIN_NO_SKIP", "") not in ("", "0")


def missing(reason: str) -> NoReturn:
    """Skip the running test for `reason`; fail it under ANXIN_NO_SKIP=1."""
    if no_skip():
        pytest.fail(f"{reason} (ANXIN_NO_SKIP=1)", pytrace=False)
    pytest.skip(reason)


def data_dir() -> Path:
    """Folder of real recordings, which are no part of the repository: ANXIN_DATA or ../shared/data."""
    return Path(os.environ.get("ANXIN_DATA") or ROOT.parent / "shared" / "data").resolve()


def find_program(name: str) -> Path | None:
    """Where a program is, looking into the sbin folders too."""
    found = shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", os.defpath), *SBIN]))
    return Path(found) if found else None


def need(name: str) -> Path:
    """Path of a system program (`need("mosquitto")`) or of a recording (`need("mimic3_demo")`); without it the test is skipped."""
    if name in PROGRAMS:
        found = find_program(name)
        if found is None:
            missing(f"program {name} is not installed (Debian package {PROGRAMS[name]})")
        return found
    path = data_dir() / name
    if not path.exists():
        missing(f"recording {name} is not in {'ANXIN_DATA' if os.environ.get('ANXIN_DATA') else '../shared/data'}")
    return path


def fresh_seed() -> int:
    """A seed that is printed, so that a failure can be repeated with ANXIN_SEED=<seed>."""
    given = os.environ.get("ANXIN_SEED")
    seed = int(given) if given else random.SystemRandom().randrange(2**32)
    print(f"ANXIN_SEED={seed}")
    return seed
