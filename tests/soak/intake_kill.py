"""`python -m tests.soak.intake_kill`: the kill test of the collecting half with 200 kills (ANXIN_KILLS)."""

from __future__ import annotations

import os
import subprocess
import sys

from tests.support import ROOT

if __name__ == "__main__":
    environment = {"ANXIN_KILLS": "200"} | os.environ
    command = [sys.executable, "-m", "pytest", "-q", "-s", "tests/crash/test_intake_kill.py"]
    sys.exit(subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode)
