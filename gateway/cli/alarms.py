"""Commands about alarms: PINs, the service's unit, figures, standing tests, drills."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Annotated

import typer

from gateway import systemd
from gateway.cli.say import WRONG, Voice
from gateway.cli.work import do

UNIT_PATH = Path("/etc/systemd/system/anxin.service")


def install(app: typer.Typer) -> None:
    """Add these commands."""
    app.command("staff-pin")(staff_pin)
    app.command("install-unit")(install_unit)


def staff_pin(
    context: typer.Context,
    staff: Annotated[str, typer.Argument(help="Staff id or code. 员工编号。")],
    pin: Annotated[str, typer.Option(help="Six to twelve digits; a random one without it. 不填则随机。")] = "",
) -> None:
    """设置员工 PIN（群聊链接认领用）。 Give a person the PIN with which alerts are claimed from a group chat."""
    voice: Voice = context.obj
    done = do(voice, "staff.pin", staff=staff, pin=pin or None)
    voice.result(done, voice.word(f"{done['name']} 的 PIN：{done['pin']}", f"PIN of {done['name']}: {done['pin']}"))


def install_unit(
    context: typer.Context,
    user: Annotated[str, typer.Option(help="Run as this user; a dynamic one without it. 运行用户。")] = "",
    show: Annotated[bool, typer.Option("--print", help="Only print the unit. 只显示。")] = False,
) -> None:
    """安装 systemd 服务。 Write the systemd unit (as root), with a watchdog that is fed by the progress of the alarm loop."""
    voice: Voice = context.obj
    command = Path(shutil.which("anxin") or sys.argv[0]).resolve()
    data = voice.data_dir.resolve() if user else Path("/var/lib/anxin")
    try:
        text = systemd.unit(command, data, user)
    except ValueError as error:
        voice.fail(str(error), WRONG)
    if show:
        print(text, end="")
        return
    try:
        UNIT_PATH.write_text(text, encoding="ascii")
    except OSError as error:
        voice.fail(voice.word(f"无法写入 {UNIT_PATH}：{error.strerror}", f"{UNIT_PATH} cannot be written: {error.strerror}"), WRONG)
    next_step = "systemctl daemon-reload && systemctl enable --now anxin"
    voice.result({"unit": str(UNIT_PATH)}, voice.word(f"已写入 {UNIT_PATH}。下一步：{next_step}", f"Wrote {UNIT_PATH}. Next: {next_step}"))
