"""What `anxin run`, `demo` and `replay` do; loaded by these commands only, so that the others answer at once."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

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


def run(voice: Voice, port: int | None, mqtt_port: int | None) -> None:
    """Run the gateway until interrupted."""
    def ready(url: str) -> None:
        voice.result({"ready": url}, voice.word(f"安心已启动：{url}", f"Anxin is up: {url}"))
        sys.stdout.flush()

    try:
        asyncio.run(run_gateway(voice.data_dir, web_port=port, mqtt_port=mqtt_port, on_ready=ready))
    except START_ERRORS as error:
        voice.fail(str(error), WRONG)


def demo(voice: Voice, *, port: int | None, mqtt_port: int | None, every_s: float, first_s: float, lan: bool) -> None:
    """Run the gateway with the simulated ward until interrupted."""
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


def replay(voice: Voice, source: str, *, out: Path | None, state: Path | None, residents: int | None) -> None:
    """Replay recorded data and report."""
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
