"""Commands about alarms: PINs, the service's unit, figures, standing tests, drills."""

from __future__ import annotations

import json
import shutil
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from gateway import figures as report
from gateway import systemd
from gateway.cli.say import WRONG, Voice
from gateway.cli.work import do
from gateway.clock import NS_PER_S

UNIT_PATH = Path("/etc/systemd/system/anxin.service")


def install(app: typer.Typer) -> None:
    """Add these commands."""
    app.command("staff-pin")(staff_pin)
    app.command("install-unit")(install_unit)
    app.command()(figures)
    app.command()(drill)
    app.command("standing-tests")(standing_tests)


def staff_pin(
    context: typer.Context,
    staff: Annotated[str, typer.Argument(help="Staff id or code. 员工编号。")],
    pin: Annotated[str, typer.Option(help="Six to twelve digits; a random one without it. 不填则随机。")] = "",
) -> None:
    """设置员工 PIN（群聊链接认领用）。 Give a person the PIN with which alerts are claimed from a group chat."""
    voice: Voice = context.obj
    done = do(voice, "staff.pin", staff=staff, pin=pin or None)
    voice.result(done, voice.word(f"{done['name']} 的 PIN：{done['pin']}", f"PIN of {done['name']}: {done['pin']}"))


def drill(
    context: typer.Context,
    kind: Annotated[str, typer.Option(help="sos, fall, pull_cord or assist. 呼叫种类。")] = "sos",
    device: Annotated[str | None, typer.Option(help="As if this device had called. 模拟此设备呼叫。")] = None,
    site: Annotated[str | None, typer.Option(help="At this site, without a device; the first one by itself. 机构。")] = None,
) -> None:
    """演习：带“测试”标记的呼叫，走完整报警流程，不计入统计。 A call marked as a test, through the whole alarm path; never counted."""
    voice: Voice = context.obj
    if kind not in ("sos", "fall", "pull_cord", "assist"):
        voice.fail("--kind: sos, fall, pull_cord, assist", WRONG)
    done = do(voice, "drill", kind=kind, device=device, site=site)
    voice.result(done, voice.word(f"演习已开始，提醒编号 {done['alert']}", f"The drill has begun: alert {done['alert']}"))


def standing_tests(context: typer.Context) -> None:
    """例行测试及到期日。 Standing tests of channels, walls and SOS buttons, with their due dates."""
    voice: Voice = context.obj
    rows = [
        row | {"passed": _day(row["passed_ns"]), "due": _day(row["due_ns"]), "mark": "✗" if row["overdue"] else "✓"}
        for row in do(voice, "standing.list")
    ]
    columns = [
        ("mark", "", ""),
        ("kind", "种类", "kind"),
        ("subject", "对象", "subject"),
        ("passed", "最近通过", "passed"),
        ("due", "到期", "due"),
    ]
    voice.table(rows, columns, empty=("还没有例行测试。", "No standing tests yet."))


def _day(t_ns: int | None) -> str | None:
    return None if t_ns is None else datetime.fromtimestamp(t_ns // NS_PER_S, UTC).astimezone().strftime("%Y-%m-%d %H:%M")


def figures(
    context: typer.Context,
    since: Annotated[str, typer.Option("--from", help="First day, e.g. 2026-11-01; a week ago without it. 开始日期。")] = "",
    until: Annotated[str, typer.Option("--to", help="First day that does not count; now without it. 结束日期（不含）。")] = "",
    as_csv: Annotated[bool, typer.Option("--csv", help="One figure per line. 输出 CSV。")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Everything. 输出 JSON。")] = False,
    origin: Annotated[list[str] | None, typer.Option(help="live, sim, replay, import or test; live without it. 数据来源。")] = None,
) -> None:
    """提醒负担与应答数据。 Alarms per resident-day, shares judged false, times to answer; drills do not count unless asked for."""
    voice: Voice = context.obj
    if origin and not set(origin) <= {"live", "sim", "replay", "import", "test"}:
        voice.fail("--origin: live, sim, replay, import, test", WRONG)
    found = do(voice, "figures", **{"from": since, "to": until, "origins": origin or ["live"]})
    if as_csv:
        print(report.as_csv(found), end="")
    elif as_json or voice.json:
        print(json.dumps(found, ensure_ascii=False))
    else:
        _figures_for_people(voice, found)


def _figures_for_people(voice: Voice, found: dict[str, Any]) -> None:
    rows = []
    for row in (*found["sites"], {"site": "*", "name": voice.word("合计", "all"), **found["total"]}):
        claim, calls = row["times"]["claim"], row["calls"]
        false = [group for group in row["by_kind"] if group["judged"]]
        judged = sum(group["judged"] for group in false)
        rows.append(
            {
                "site": row["name"] or row["site"] or voice.word("系统", "installation"),
                "days": row["resident_days"],
                "alarms": row["alarms"],
                "rate": row["per_resident_day"],
                "false": f"{sum(group['false'] for group in false)}/{judged}" if judged else None,
                "claim": None if claim["p50_s"] is None else f"{claim['p50_s']:.0f} / {claim['p95_s']:.0f} s",
                "unowned": None if row["longest_unowned"] is None else f"{row['longest_unowned']['s']:.0f} s",
                "fast": f"{calls['within_60_s']['answered']}/{calls['within_60_s']['calls']}",
                "slow": f"{calls['within_180_s']['answered']}/{calls['within_180_s']['calls']}",
            }
        )
    columns = [
        ("site", "机构", "site"),
        ("days", "住户日", "resident-days"),
        ("alarms", "提醒", "alarms"),
        ("rate", "每住户日", "per resident-day"),
        ("false", "误报/已判定", "false/judged"),
        ("claim", "认领 p50/p95", "claim p50/p95"),
        ("unowned", "最长无人认领", "longest unowned"),
        ("fast", "呼叫≤60 s", "calls <= 60 s"),
        ("slow", "呼叫≤180 s", "calls <= 180 s"),
    ]
    voice.table(rows, columns, empty=("没有数据。", "Nothing yet."))


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
