"""What a process of ours does about itself."""

from __future__ import annotations

import subprocess
import sys

from tests.support import ROOT

LOWER_THEN_RAISE = """
import resource
from gateway.processes import many_files
_, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
many_files()
soft, after = resource.getrlimit(resource.RLIMIT_NOFILE)
print(soft, after == hard, soft == min(hard, 65536) or hard == resource.RLIM_INFINITY)
"""


def test_a_thousand_screens_do_not_meet_the_shells_limit_of_open_files() -> None:
    done = subprocess.run([sys.executable, "-c", LOWER_THEN_RAISE], capture_output=True, text=True, check=True, cwd=ROOT, timeout=30)
    soft, kept, right = done.stdout.split()
    assert int(soft) > 256
    assert (kept, right) == ("True", "True")
