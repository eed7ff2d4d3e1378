"""The health record from the command line: status, send, dead letters."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from gateway.cli.say import Voice
from gateway.cli.work import do

ehr = typer.Typer(no_args_is_help=True, help="Health record: status, send, deadletter. 健康档案。")


def install(app: typer.Typer) -> None:
    """Add these commands."""
    app.add_typer(ehr, name="ehr")


@ehr.command("status")
def status(context: typer.Context) -> None:
    """健康档案的发送情况。 What waits, what was sent, what is held or dead, by target."""
    voice: Voice = context.obj
    found = do(voice, "ehr.status")
    if voice.json:
        voice.result(found)
        return
    states = ("pending", "sent", "done", "held", "dead")
    rows = [{"target": name, **{state: counts.get(state, 0) for state in states}} for name, counts in sorted(found["targets"].items())]
    columns = [
        ("target", "去向", "target"),
        ("pending", "等待", "pending"),
        ("sent", "在途", "on the way"),
        ("done", "完成", "done"),
        ("held", "待处理", "held"),
        ("dead", "拒收", "refused"),
    ]
    voice.table(rows, columns, empty=("还没有内容。", "Nothing yet."))


@ehr.command("send")
def send(
    context: typer.Context,
    dead: Annotated[bool, typer.Option("--dead", help="Refused ones too. 包括被拒收的。")] = False,
    item: Annotated[int | None, typer.Option(help="Only this item, see anxin ehr deadletter. 仅此一条。")] = None,
) -> None:
    """立即重发待处理的内容。 Send now, and try again what is held."""
    voice: Voice = context.obj
    done = do(voice, "ehr.send", dead=dead, item=item)
    voice.result(done, voice.word(f"重新发送 {done['again']} 条。", f"{done['again']} go again."))


@ehr.command("deadletter")
def deadletter(context: typer.Context, limit: Annotated[int, typer.Option(min=1, max=10_000)] = 50) -> None:
    """被拒收或需人工处理的内容。 What a target refused, or a person must look at, with its reason."""
    voice: Voice = context.obj
    rows = do(voice, "ehr.deadletter", limit=limit)
    if not voice.json:
        rows = [row | {"time": _time(row["t_ns"]), "outcome": _short(row["outcome"])} for row in rows]
    columns = [
        ("item", "编号", "item"),
        ("target", "去向", "target"),
        ("kind", "类型", "kind"),
        ("device", "设备", "device"),
        ("time", "时间", "time"),
        ("state", "状态", "state"),
        ("reason", "原因", "reason"),
        ("outcome", "对方说明", "their answer"),
    ]
    voice.table(rows, columns, empty=("没有。", "None."))


def _time(t_ns: int) -> str:
    return datetime.fromtimestamp(t_ns / 1e9, UTC).astimezone().strftime("%m-%d %H:%M:%S")


def _short(outcome: dict[str, Any] | None) -> str:
    """The first issue of an OperationOutcome."""
    for issue in (outcome or {}).get("issue", []):
        return str(issue.get("details", {}).get("text") or issue.get("diagnostics") or json.dumps(issue, ensure_ascii=False))
    return ""
