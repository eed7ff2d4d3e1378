"""Commands that change something: users, devices, import, backup, restore."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import Progress

from gateway.cli.say import WRONG, Voice
from gateway.cli.work import do

users = typer.Typer(no_args_is_help=True, help="Accounts: list, add, reset, disable. 用户。")
Login = Annotated[str, typer.Argument(help="Sign-in name. 登录名。")]


def install(app: typer.Typer) -> None:
    """Add these commands."""
    app.add_typer(users, name="users")
    app.command("import")(import_csv)
    for command in (bind, unbind, token, inbox, backup, restore):
        app.command()(command)


@users.command("list")
def users_list(context: typer.Context) -> None:
    """列出用户。 List accounts."""
    voice: Voice = context.obj
    columns = [
        ("login", "登录名", "login"),
        ("name", "姓名", "name"),
        ("role", "身份", "role"),
        ("sites", "机构", "sites"),
        ("status", "状态", "status"),
    ]
    voice.table(
        do(voice, "users.list"), columns, empty=("还没有用户。用 anxin users add 添加。", "No accounts yet. Add one with anxin users add.")
    )


@users.command("add")
def users_add(
    context: typer.Context,
    login: Login,
    role: Annotated[str, typer.Option(help="caregiver, family, clinician, operator, admin or supervisor")],
    name: Annotated[str, typer.Option(help="Name shown on screens. 显示名。")] = "",
    site: Annotated[list[str] | None, typer.Option(help="Site id; may be repeated. 机构。")] = None,
    resident: Annotated[list[str] | None, typer.Option(help="Resident id (family); may be repeated. 住户。")] = None,
) -> None:
    """添加用户，一次性密码只显示一次。 Add an account; its one-time password is shown once."""
    voice: Voice = context.obj
    done = do(voice, "users.add", login=login, role=role, name=name or login, sites=site or [], residents=resident or [])
    voice.result(
        done, voice.word(f"已添加 {login}，一次性密码：{done['password']}", f"Added {login}; one-time password: {done['password']}")
    )


@users.command("reset")
def users_reset(context: typer.Context, login: Login) -> None:
    """重置密码。 Give a new one-time password."""
    voice: Voice = context.obj
    done = do(voice, "users.reset", login=login)
    voice.result(done, voice.word(f"{login} 的一次性密码：{done['password']}", f"One-time password of {login}: {done['password']}"))


@users.command("disable")
def users_disable(context: typer.Context, login: Login) -> None:
    """停用用户。 Close an account and end its sessions."""
    voice: Voice = context.obj
    done = do(voice, "users.disable", login=login)
    voice.result(done, voice.word(f"已停用 {login}。", f"{login} is disabled."))


def import_csv(
    context: typer.Context,
    files: Annotated[list[Path], typer.Argument(help="CSV files named sites, zones, rooms, beds, residents, staff, devices, bindings.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only check and report. 只检查，不写入。")] = False,
) -> None:
    """从 CSV 导入，全部成功或全部不写。 Import places, people, devices and bindings from CSV, all or nothing."""
    voice: Voice = context.obj
    missing = [str(path) for path in files if not path.is_file()]
    if missing:
        voice.fail(voice.word("找不到文件：", "no such file: ") + ", ".join(missing), WRONG)
    report = do(voice, "import", files=[str(path.resolve()) for path in files], dry_run=dry_run)
    if voice.json:
        voice.result(report)
    else:
        _show_import(voice, report)
    if report["errors"]:
        raise typer.Exit(1)


def _show_import(voice: Voice, report: dict[str, Any]) -> None:
    columns = [("file", "文件", "file"), ("line", "行", "line"), ("column", "列", "column"), ("message", "问题", "problem")]
    if report["errors"]:
        voice.table(report["errors"], columns, empty=("", ""))
        more = voice.word(f"另有 {report['omitted']} 处。", f"{report['omitted']} more.") if report["omitted"] else ""
        voice.result(report, voice.word("没有写入任何内容。", "Nothing was written. ") + more)
        return
    rows = [{"file": name, **counts} for name, counts in report["counts"].items()]
    columns = [("file", "文件", "file"), ("created", "新建", "created"), ("changed", "修改", "changed"), ("unchanged", "不变", "unchanged")]
    voice.table(rows, columns, empty=("文件里没有行。", "The files hold no rows."))
    voice.result(
        report,
        voice.word("已导入。", "Imported.")
        if report["written"]
        else voice.word("可以导入，尚未写入。", "Ready to import; nothing written yet."),
    )


def bind(
    context: typer.Context,
    device: Annotated[str, typer.Argument(help="Device id. 设备号。")],
    resident: Annotated[str | None, typer.Option(help="Resident id. 住户。")] = None,
    bed: Annotated[str | None, typer.Option(help="Bed id, instead of a resident. 床位。")] = None,
) -> None:
    """绑定设备。 Bind a device to a resident or a bed from now on; undo with unbind."""
    voice: Voice = context.obj
    if (resident is None) == (bed is None):
        voice.fail(voice.word("请给出 --resident 或 --bed 之一。", "give either --resident or --bed."), WRONG)
    done = do(voice, "device.bind", device=device, resident=resident, bed=bed)
    voice.result(done, voice.word(f"{device} 已绑定 {resident or bed}。", f"{device} is bound to {resident or bed}."))


def unbind(context: typer.Context, device: Annotated[str, typer.Argument(help="Device id. 设备号。")]) -> None:
    """解除绑定。 End a device's present binding."""
    voice: Voice = context.obj
    done = do(voice, "device.unbind", device=device)
    voice.result(done, voice.word(f"{device} 已解除绑定。", f"{device} is no longer bound."))


def token(context: typer.Context, device: Annotated[str, typer.Argument(help="Device id. 设备号。")]) -> None:
    """发放设备令牌，只显示一次。 Issue a device's token (MQTT password and HTTP bearer), shown once."""
    voice: Voice = context.obj
    done = do(voice, "device.token", device=device)
    voice.result(done, f"{device}: {done['token']}")


def inbox(context: typer.Context) -> None:
    """未登记的设备。 Devices that spoke before anybody entered them."""
    voice: Voice = context.obj
    columns = [("device", "设备", "device"), ("quantities", "数据", "quantities")]
    voice.table(do(voice, "inbox"), columns, empty=("没有未登记的设备。", "No unknown devices."))


def backup(
    context: typer.Context,
    folder: Annotated[Path | None, typer.Option(help="Target folder.")] = None,
    history: Annotated[bool, typer.Option(help="With the history of readings. 包括历史数据。")] = True,
) -> None:
    """备份。 Write an archive of the store, the health record's outbox and the history."""
    voice: Voice = context.obj
    target = None if folder is None else str(folder.resolve())
    if voice.json:
        voice.result(do(voice, "backup", folder=target, history=history))
        return
    with Progress(transient=True) as bar:
        bar.add_task(voice.word("备份", "backing up"), total=None)
        done = do(voice, "backup", folder=target, history=history)
    voice.result(done, voice.word(f"备份：{done['archive']}", f"backup: {done['archive']}"))


def restore(context: typer.Context, archive: Annotated[Path, typer.Argument(help="Archive written by anxin backup.")]) -> None:
    """恢复到空文件夹。 Restore an archive into an empty data folder (--data)."""
    from gateway import backup as archives
    from gateway.store import StoreError

    voice: Voice = context.obj
    try:
        if voice.json:
            names = archives.restore(archive, voice.data_dir)
        else:
            with Progress(transient=True) as bar:
                task = bar.add_task(voice.word("恢复", "restoring"), total=None)
                names = archives.restore(
                    archive, voice.data_dir, progress=lambda _name, done, total: bar.update(task, completed=done, total=total)
                )
    except (StoreError, OSError) as error:
        voice.fail(str(error), WRONG)
    voice.result({"restored": list(names)}, voice.word(f"已恢复到 {voice.data_dir}。", f"restored into {voice.data_dir}."))
