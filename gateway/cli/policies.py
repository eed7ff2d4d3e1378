"""Commands about who is called: policies (show, check, set, end), duty, and why."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from gateway.cli.say import WRONG, Voice
from gateway.cli.work import do

policy = typer.Typer(no_args_is_help=True, help="Escalation policies: show, check, set, end. 升级策略。")
IdArgument = Annotated[str, typer.Argument(help="Id of the policy. 编号。")]
FileArgument = Annotated[Path, typer.Argument(help="JSON file of one policy; show --json prints the form. 策略的 JSON 文件。")]


def install(app: typer.Typer) -> None:
    """Add these commands."""
    app.add_typer(policy, name="policy")
    app.command()(why)
    app.command()(duty)


def _read(voice: Voice, path: Path) -> dict[str, Any]:
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        voice.fail(voice.word(f"无法读取 {path}：{error}", f"cannot read {path}: {error}"), WRONG)
    if not isinstance(raw, dict):
        voice.fail(voice.word(f"{path} 不是一个策略。", f"{path} does not hold one policy."), WRONG)
    return raw


def _time(t_ms: int | None) -> str:
    return "–" if t_ms is None else datetime.fromtimestamp(t_ms / 1e3, UTC).astimezone().strftime("%m-%d %H:%M:%S")


def _steps(row: dict[str, Any]) -> str:
    parts = []
    for step in row["steps"]:
        names = "+".join(target["id"] or target["kind"] for target in step["targets"])
        parts.append(f"{step['delay_s']:g}s {names}")
    return " → ".join(parts)


@policy.command("show")
def show(context: typer.Context) -> None:
    """现行策略。 The policies in force: those that people set, and the installation's own beneath them."""
    voice: Voice = context.obj
    found = do(voice, "policy.show")
    if voice.json:
        voice.result(found)
        return
    rows = [
        {
            "id": row["id"], "version": row["version"], "lane": row["lane"], "where": row.get("zone_id") or row.get("site_id") or "*",
            "hours": "*" if not row.get("hours") else f"{row['hours']['start']}-{row['hours']['end']}", "steps": _steps(row),
        }
        for row in (*found["policies"], *({**one, "id": f"default.{one['lane']}"} for one in found["defaults"]))
        if row["id"] not in found["unreadable"]
    ]  # fmt: skip
    columns = [
        ("id", "编号", "id"), ("version", "版本", "version"), ("lane", "类别", "lane"), ("where", "范围", "where"),
        ("hours", "时段", "hours"), ("steps", "步骤", "steps"),
    ]  # fmt: skip
    voice.table(rows, columns, empty=("", ""))
    for name, text in found["unreadable"].items():
        voice.result({}, voice.word(f"策略 {name} 无法使用：{text}", f"policy {name} cannot be used: {text}"))


@policy.command("check")
def check(
    context: typer.Context, file: Annotated[Path | None, typer.Argument(help="JSON file; all policies in force without it.")] = None
) -> None:
    """检查一周内每个时段是否都有人。 Whether somebody is reached at every hour of the coming week; exit code 1 where not."""
    voice: Voice = context.obj
    given = None if file is None else _read(voice, file)
    reports = do(voice, "policy.check", policy=given)
    _show_reports(voice, reports)
    if not all(report["ok"] for report in reports):
        raise typer.Exit(1)


def _show_reports(voice: Voice, reports: list[dict[str, Any]]) -> None:
    if voice.json:
        voice.result(reports)
        return
    rows = []
    for report in reports:
        found = [{"what": text} for text in report["errors"]]
        for word, holes in ((voice.word("无人", "nobody"), report["dead_ends"]), (voice.word("空", "empty"), report["holes"])):
            for hole in holes:
                span = f"{_time(hole['from_ms'])} – {_time(hole['until_ms'])}"
                found.append({"what": word, "step": hole["step"], "target": hole["target"], "site": hole["site_id"], "when": span})
        rows += [{"policy": report["policy"], "mark": "✓" if report["ok"] else "✗", **row} for row in found or [{"what": ""}]]
    columns = [
        ("mark", "", ""), ("policy", "策略", "policy"), ("what", "问题", "problem"), ("step", "步骤", "step"), ("target", "对象", "target"),
        ("site", "机构", "site"), ("when", "时段", "when"),
    ]  # fmt: skip
    voice.table(rows, columns, empty=("", ""))
    for role in sorted({role for report in reports for role in report["unstaffed"]}):
        zh = f"要做的事：排班里还没有“{role}”。在此之前由护理站接听。请在“人员与排班”页面给一位员工排“{role}”班，或修改策略不再呼叫该角色。"
        en = f"To do: nobody in the rota is {role} yet; until then the desk is called. Enter a shift as {role} on the page"
        voice.result({}, voice.word(zh, f"{en} Staff and rota, or change the policy so that it calls somebody else."))


@policy.command("set")
def set_policy(context: typer.Context, policy_id: IdArgument, file: FileArgument) -> None:
    """检查并保存策略。 Check a policy and save it as a new version; one that reaches nobody at some hour is refused."""
    voice: Voice = context.obj
    done = do(voice, "policy.set", id=policy_id, policy=_read(voice, file))
    if not voice.json:
        _show_reports(voice, [done])
    if not done["saved"]:
        if voice.json:
            voice.result(done)
        voice.fail(voice.word("没有保存。", "Nothing was saved."))
    voice.result(done, voice.word(f"已保存 {policy_id} 第 {done['version']} 版。", f"Saved {policy_id}, version {done['version']}."))


@policy.command("end")
def end(context: typer.Context, policy_id: IdArgument) -> None:
    """撤销策略。 Withdraw a policy; the next wider one holds again."""
    voice: Voice = context.obj
    do(voice, "policy.end", id=policy_id)
    voice.result({"ended": policy_id}, voice.word(f"{policy_id} 已撤销。", f"{policy_id} is withdrawn."))


def duty(context: typer.Context, at: Annotated[str | None, typer.Option(help="Local time: 2026-11-02 22:00. 时间。")] = None) -> None:
    """谁在当班。 Who is on duty now, or at a time."""
    voice: Voice = context.obj
    columns = [("site", "机构", "site"), ("role", "岗位", "role"), ("name", "姓名", "name"), ("staff", "编号", "staff")]
    voice.table(do(voice, "duty", at=at), columns, empty=("没有人当班。", "Nobody is on duty."))


def why(
    context: typer.Context,
    subject: Annotated[str, typer.Argument(help="Alert id, or with --at a resident's id or code. 提醒编号，或住户编号。")],
    at: Annotated[str | None, typer.Option(help="A minute on the site's clock: 2026-11-02 22:00. 时间。")] = None,
) -> None:
    """谁收到了提醒，谁没有，为什么。 Who was told of an alert, or in a resident's minute, who was not, and why."""
    voice: Voice = context.obj
    if at is None:
        found = do(voice, "why", alert=subject)
        told = [{**row, "cause": found["cause"], "t_ms": row["t_ns"] // 1_000_000} for row in found["told"]]
    else:
        found = do(voice, "why.resident", resident=subject, at=at)
        told = [{**row, "cause": alert["view"]["cause"]} for alert in found["alerts"] for row in alert["told"]]
    if voice.json:
        voice.result(found)
        return
    if at is not None:
        _show_minute(voice, found)
    rows = [{**row, "time": _time(row["t_ms"]), "fate": _fate(row)} for row in told]
    columns = [
        ("time", "时间", "time"), ("cause", "提醒", "alert"), ("transition", "步骤", "step"), ("name", "人员", "person"),
        ("channels", "渠道", "channels"), ("told", "已通知", "told"), ("reason", "原因", "reason"), ("fate", "结果", "result"),
    ]  # fmt: skip
    voice.table(rows, columns, empty=("这段时间没有通知任何人。", "Nobody was told, and nothing was held back."))


def _show_minute(voice: Voice, found: dict[str, Any]) -> None:
    rows = [
        {"cause": alert["view"]["cause"], "state": alert["view"]["state"], "owner": alert["view"]["claimed_name"],
         "happened": ", ".join(row["kind"] for row in alert["happened"])}
        for alert in found["alerts"]
    ]  # fmt: skip
    columns = [("cause", "提醒", "alert"), ("state", "状态", "state"), ("owner", "谁在处理", "owner"), ("happened", "发生", "happened")]
    voice.table(rows, columns, empty=("没有提醒。", "No alert stood then."))
    for row in found["silences"]:
        text = f"{row['cause']}: {row['author_name']}, {row['reason']}, {_time(row['from_ms'])} – {_time(row['until_ms'])}"
        voice.result({}, voice.word(f"静音 {text}", f"silenced {text}"))
    names = ", ".join(f"{row['name']} ({row['role']})" for row in found.get("on_duty", ())) or "–"
    quiet = voice.word("，安静时段", ", quiet hours") if found.get("quiet_hours") else ""
    status = found["status"]
    voice.result({}, voice.word(f"当班：{names}{quiet}；住户状态：{status}", f"on duty: {names}{quiet}; resident: {status}"))


def _fate(row: dict[str, Any]) -> str:
    page = row.get("page")
    return "" if page is None else f"{page['state']} {page['channel']}".strip()
