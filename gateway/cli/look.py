"""Commands that only look: status, ledger, audit, dead letters, alerts, doctor."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from gateway.asyncapi import document
from gateway.cli import checks
from gateway.cli.say import Voice
from gateway.cli.work import do

audit = typer.Typer(no_args_is_help=True, help="Who looked at and did what: verify, list. 审计。")
deadletter = typer.Typer(no_args_is_help=True, help="Refused messages: list, retry. 无法解读的消息。")


def install(app: typer.Typer) -> None:
    """Add these commands."""
    app.add_typer(audit, name="audit")
    app.add_typer(deadletter, name="deadletter")
    for command in (status, ledger, alerts, doctor, asyncapi):
        app.command()(command)


def _time(t_ns: int | None) -> str:
    if t_ns is None:
        return "–"
    return datetime.fromtimestamp(t_ns / 1e9, UTC).astimezone().strftime("%m-%d %H:%M:%S")


def status(context: typer.Context) -> None:
    """运行状态。 How the gateway is."""
    voice: Voice = context.obj
    found = do(voice, "status")
    rows = [{"key": key, "value": value} for key, value in found.items() if not isinstance(value, dict)]
    rows += [
        {"key": f"{key}.{name}", "value": value} for key, part in found.items() if isinstance(part, dict) for name, value in part.items()
    ]
    if voice.json:
        voice.result(found)
    else:
        voice.table(rows, [("key", "项目", "item"), ("value", "值", "value")], empty=("", ""))


def ledger(context: typer.Context) -> None:
    """账目。Received, stored, duplicates, refused, lost; "cannot tell" where a device has no sequence."""
    voice: Voice = context.obj
    found = do(voice, "ledger")
    if voice.json:
        voice.result(found)
        return
    columns = [
        ("device", "设备", "device"),
        ("stored", "已存", "stored"),
        ("duplicate", "重复", "duplicate"),
        ("lost", "丢失", "lost"),
        ("note", "说明", "note"),
    ]
    voice.table(found["devices"], columns, empty=("还没有数据。", "No data yet."))
    total = found["total"]
    voice.result(found, "  ".join(f"{name}={value}" for name, value in total.items()))


def alerts(context: typer.Context) -> None:
    """未结束的提醒。 Open alerts, most urgent first."""
    voice: Voice = context.obj
    rows = [row | {"raised": _time(row["raised_ns"])} for row in do(voice, "alerts")]
    columns = [
        ("id", "编号", "id"),
        ("state", "状态", "state"),
        ("cause", "原因", "cause"),
        ("place", "位置", "place"),
        ("raised", "开始", "raised"),
        ("count", "次数", "count"),
        ("claimed_name", "谁在处理", "owner"),
    ]
    voice.table(rows, columns, empty=("没有未结束的提醒。", "No open alerts."))


@audit.command("verify")
def audit_verify(context: typer.Context) -> None:
    """校验审计链。 Check the whole chain; exit code 1 names the first bad row."""
    voice: Voice = context.obj
    found = do(voice, "audit.verify")
    good = voice.word(f"完整：{found['rows']} 行。", f"intact: {found['rows']} rows.")
    bad = voice.word(f"第 {found['first_bad']} 行有问题：{found['fault']}", f"row {found['first_bad']} is bad: {found['fault']}")
    voice.result(found, good if found["ok"] else bad)
    if not found["ok"]:
        raise typer.Exit(1)


@audit.command("list")
def audit_list(
    context: typer.Context,
    after: Annotated[int, typer.Option(help="Rows after this number.")] = 0,
    limit: Annotated[int, typer.Option(help="At most this many.")] = 50,
    resident: Annotated[str | None, typer.Option(help="Only about this resident.")] = None,
) -> None:
    """查看与操作记录。 Looks and acts, oldest first."""
    voice: Voice = context.obj
    rows: list[dict[str, Any]] = [
        row | {"time": _time(row["t_ns"])} for row in do(voice, "audit.list", after=after, limit=limit, resident=resident)
    ]
    columns = [
        ("n", "序号", "n"),
        ("time", "时间", "time"),
        ("actor", "谁", "who"),
        ("action", "操作", "action"),
        ("subject", "对象", "subject"),
        ("resident", "住户", "resident"),
        ("outcome", "结果", "outcome"),
    ]
    voice.table(rows, columns, empty=("没有记录。", "Nothing on record."))


@deadletter.command("list")
def deadletter_list(context: typer.Context, limit: Annotated[int, typer.Option(help="At most this many.")] = 20) -> None:
    """无法解读的消息及原因。 Refused messages with their reasons, newest first."""
    voice: Voice = context.obj
    found = do(voice, "deadletter.list", limit=limit)
    rows = [row | {"time": _time(row["t_received_ns"])} for row in found["letters"]]
    columns = [
        ("id", "编号", "id"),
        ("time", "时间", "time"),
        ("topic", "主题", "topic"),
        ("reason", "原因", "reason"),
        ("bytes", "字节", "bytes"),
    ]
    if voice.json:
        voice.result(found)
    else:
        voice.table(rows, columns, empty=("没有无法解读的消息。", "No refused messages."))


@deadletter.command("retry")
def deadletter_retry(context: typer.Context, letter: Annotated[int, typer.Argument(help="Number from the list.")]) -> None:
    """重新解读。 Decode a refused message again, after a repair; needs the running gateway."""
    voice: Voice = context.obj
    found = do(voice, "deadletter.retry", id=letter)
    voice.result(found, f"{letter}: {found['fate']}")


def doctor(context: typer.Context) -> None:
    """自检。 Check this machine and the data folder; each fault comes with its remedy."""
    voice: Voice = context.obj
    found = checks.all_checks(voice)
    if voice.json:
        voice.result(found)
    else:
        rows = [row | {"mark": "✓" if row["ok"] else "✗"} for row in found]
        voice.table(rows, [("mark", "", ""), ("check", "检查", "check"), ("detail", "说明", "detail")], empty=("", ""))
    if not all(row["ok"] for row in found):
        raise typer.Exit(1)


def asyncapi(context: typer.Context) -> None:
    """设备报文说明（AsyncAPI，YAML）。What a device has to send, as an AsyncAPI document."""
    typer.echo(document(), nl=False)
