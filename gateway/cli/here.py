"""Does a job on the data folder itself, when no gateway runs on it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from gateway.cli.say import WRONG, Voice
from gateway.clock import SystemClock
from gateway.config import ConfigError
from gateway.control import AlreadyRunning
from gateway.core import Core
from gateway.office import JOBS, perform
from gateway.ops import Ops
from gateway.store import StoreError


def do_here(voice: Voice, job: str, args: Mapping[str, Any]) -> Any:
    """The job's answer; a refusal ends the command with its reason."""
    if not (voice.data_dir / "store.sqlite").exists():
        voice.fail(
            voice.word(
                f"{voice.data_dir} 里没有数据。先运行 anxin run 或 anxin demo，或用 --data 指定文件夹。",
                f"there is no data in {voice.data_dir}. Start anxin run or anxin demo first, or name the folder with --data.",
            ),
            WRONG,
        )
    if job not in JOBS:
        voice.fail(
            voice.word(
                "此命令需要正在运行的网关。请先在另一个终端启动：anxin run",
                "this needs the running gateway. Start it first in another terminal: anxin run",
            ),
            WRONG,
        )
    try:
        core = Core.open(voice.data_dir, SystemClock(), Ops())
    except (AlreadyRunning, ConfigError, StoreError, OSError) as error:
        voice.fail(str(error), WRONG)
    try:
        return asyncio.run(perform(core, job, args))
    except (ValueError, LookupError, RuntimeError, OSError) as error:
        voice.fail(str(error))
    finally:
        core.close()
