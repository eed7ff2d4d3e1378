"""`python -m tests.soak decoders`: 10^6 random inputs per decoder, 10^6 for the envelope's twins; or ANXIN_FUZZ_COUNT of them."""

from __future__ import annotations

import os
import subprocess
import sys

from tests.support import ROOT

SUITES = ("tests/conformance/test_decoders.py", "tests/property/test_envelope_twin.py")

if __name__ == "__main__":
    environment = os.environ | {"ANXIN_FUZZ_COUNT": os.environ.get("ANXIN_FUZZ_COUNT", "1000000")}
    command = [sys.executable, "-m", "pytest", "-q", "-rP", "-k", "random_and_mutated or twins_agree", *SUITES]
    sys.exit(subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode)
