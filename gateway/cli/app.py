"""The command tree and its global options."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from gateway.cli import alarms, change, devices, ehr, look, pairing, policies, residents, start
from gateway.cli.say import WRONG, Voice

DEFAULT_DATA = "anxin-data"

app = typer.Typer(
    name="anxin",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="安心：养老照护监测网关。Monitoring gateway for elderly care.",
)


@app.callback()
def _global(
    context: typer.Context,
    data: Annotated[Path, typer.Option(help="Data folder. 数据文件夹。", envvar="ANXIN_DATA_DIR")] = Path(DEFAULT_DATA),
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable output. 输出 JSON。")] = False,
    lang: Annotated[str, typer.Option(help="zh or en.")] = "",
) -> None:
    spoken = lang or ("zh" if os.environ.get("LANG", "").startswith("zh") else "en")
    if spoken not in ("zh", "en"):
        Voice(data, as_json, "en").fail("--lang is zh or en", WRONG)
    context.obj = Voice(data, as_json, spoken)


start.install(app)
look.install(app)
change.install(app)
residents.install(app)
devices.install(app)
ehr.install(app)
alarms.install(app)
policies.install(app)
pairing.install(app)


def main() -> None:
    """Entry point of the `anxin` command; a pipe that closes early is no error."""
    try:
        app()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
