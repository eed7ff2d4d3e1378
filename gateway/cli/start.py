"""Commands that run things: the gateway, the demo, the simulator, a replay."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress
from rich.table import Table

from gateway.alerts.policy import PolicyError
from gateway.cli.say import WRONG, Voice
from gateway.collect.replay import SourceError
from gateway.config import ConfigError
from gateway.control import AlreadyRunning
from gateway.demo_run import DemoLinks, run_demo
from gateway.main import StartError, run_gateway
from gateway.notify.base import ChannelError
from gateway.replay import ReplayError, run_replay
from gateway.store import StoreError
from gateway.web import WebError

START_ERRORS = (AlreadyRunning, ConfigError, StoreError, StartError, PolicyError, ChannelError, WebError)


def install(app: typer.Typer) -> None:
    """Add these commands."""
    app.command()(demo)
    app.command()(run)
    app.command()(replay)
    app.command(context_settings={"ignore_unknown_options": True, "allow_extra_args": True}, add_help_option=False)(sim)


def run(
    context: typer.Context,
    port: Annotated[int | None, typer.Option(help="Web port instead of the configured one. 网页端口。")] = None,
    mqtt_port: Annotated[int | None, typer.Option(help="MQTT port of the embedded broker. MQTT 端口。")] = None,
) -> None:
    """运行网关。 Run the gateway until interrupted."""
    voice: Voice = context.obj

    def ready(url: str) -> None:
        voice.result({"ready": url}, voice.word(f"安心已启动：{url}", f"Anxin is up: {url}"))
        sys.stdout.flush()

    try:
        asyncio.run(run_gateway(voice.data_dir, web_port=port, mqtt_port=mqtt_port, on_ready=ready))
    except START_ERRORS as error:
        voice.fail(str(error), WRONG)


def demo(
    context: typer.Context,
    port: Annotated[int | None, typer.Option(help="Web port. 网页端口。")] = None,
    mqtt_port: Annotated[int | None, typer.Option(help="MQTT port. MQTT 端口。")] = None,
    every_s: Annotated[float, typer.Option(help="Mean time between incidents in seconds. 事件间隔（秒）。")] = 60.0,
    first_s: Annotated[float, typer.Option(help="First incident after this many seconds. 首个事件（秒）。")] = 25.0,
    lan: Annotated[bool, typer.Option("--lan", help="Listen to the local network, for a phone. 允许局域网访问。")] = False,
) -> None:
    """演示：24 位模拟住户。 Run the gateway with 24 simulated residents; Ctrl-C ends everything."""
    voice: Voice = context.obj

    def ready(links: DemoLinks) -> None:
        if voice.json:
            voice.result(links.as_dict())
        else:
            _show_demo(voice, links)
        sys.stdout.flush()

    try:
        asyncio.run(run_demo(voice.data_dir, web_port=port, mqtt_port=mqtt_port, every_s=every_s, first_s=first_s, lan=lan, on_ready=ready))
    except START_ERRORS as error:
        voice.fail(str(error), WRONG)


def _show_demo(voice: Voice, links: DemoLinks) -> None:
    console = Console()
    console.print(voice.word("安心演示已启动，24 位模拟住户。", "The Anxin demo is up with 24 simulated residents."), style="bold")
    table = Table()
    for title in (
        voice.word("身份", "role"),
        voice.word("登录名", "login"),
        voice.word("一次性密码", "one-time password"),
        voice.word("页面", "page"),
    ):
        table.add_column(title, no_wrap=True)
    for row in links.users:
        table.add_row(row["role"], row["login"], row["password"], row["page"])
    console.print(table)
    console.print(
        voice.word(
            f"不用脚本的页面：{links.url}/m/alerts    数据：{voice.data_dir}    Ctrl-C 结束",
            f"Pages without scripts: {links.url}/m/alerts    data: {voice.data_dir}    Ctrl-C ends it",
        ),
        soft_wrap=True,
    )


def replay(
    context: typer.Context,
    source: Annotated[str, typer.Argument(help="Recording (mimic3_demo) or a CSV: device,resident,quantity,unit,t,value. 录制数据。")],
    out: Annotated[Path | None, typer.Option(help="Findings as NDJSON. 结果文件。")] = None,
    state: Annotated[Path | None, typer.Option(help="State file: an interrupted replay goes on from it. 断点文件。")] = None,
    residents: Annotated[int | None, typer.Option(help="Only the first so many residents. 只取前几位。")] = None,
) -> None:
    """回放录制数据，报告每位住户每天的提醒数。Replay recorded data: findings, alarms per resident-day, speed."""
    voice: Voice = context.obj
    try:
        if voice.json or not sys.stdout.isatty():
            report = run_replay(source, out=out, state=state, max_residents=residents)
        else:
            columns = (*Progress.get_default_columns(), MofNCompleteColumn())
            with Progress(*columns, transient=True) as bar:
                task = bar.add_task(voice.word("回放", "replay"), total=None)
                report = run_replay(
                    source,
                    out=out,
                    state=state,
                    max_residents=residents,
                    progress=lambda done, of: bar.update(task, completed=done, total=of),
                )
    except KeyboardInterrupt:
        more = f"anxin replay {source} --state {state}" if state else voice.word("加 --state 可以续跑", "add --state to be able to go on")
        voice.fail(voice.word(f"已中断。继续：{more}", f"interrupted. To go on: {more}"), WRONG)
    except (SourceError, ReplayError, OSError) as error:
        voice.fail(str(error), WRONG)
    voice.result(report.as_json(), report.text())


def sim(context: typer.Context) -> None:
    """模拟器。 Drive the simulator: fleet, trigger, link, stats (anxin sim --help)."""
    voice: Voice = context.obj
    arguments = list(context.args)
    control = voice.data_dir / "demo" / "sim.sock"
    if arguments[:1] and arguments[0] in ("trigger", "link", "stats") and "--control" not in arguments and control.exists():
        arguments += ["--control", str(control)]
    done = subprocess.run([sys.executable, "-m", "firmware_sim", *arguments], check=False)
    raise typer.Exit(done.returncode)
