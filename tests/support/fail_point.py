"""A fail point for tests of real processes: from SIGUSR1 on the alarm loop stands still, while everything else goes on."""

from __future__ import annotations

from pathlib import Path

_CODE = """
import signal


def _stop(*_):
    import asyncio

    from gateway.alerts.desk import AlertDesk

    async def never(self):
        await asyncio.Event().wait()

    AlertDesk._turn = never


signal.signal(signal.SIGUSR1, _stop)
"""


def with_fail_point(folder: Path) -> dict[str, str]:
    """Environment for a process that has it; Python loads `sitecustomize` by itself."""
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(_CODE, encoding="utf-8")
    return {"PYTHONPATH": str(folder)}
