"""Commands that run things: the gateway, the demo, the simulator, a replay. The gateway itself is loaded only when it is run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.say import Voice


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
    from gateway.cli import starting

    starting.run(context.obj, port, mqtt_port)


def demo(
    context: typer.Context,
    port: Annotated[int | None, typer.Option(help="Web port. 网页端口。")] = None,
    mqtt_port: Annotated[int | None, typer.Option(help="MQTT port. MQTT 端口。")] = None,
    every_s: Annotated[float, typer.Option(help="Mean time between incidents in seconds. 事件间隔（秒）。")] = 60.0,
    first_s: Annotated[float, typer.Option(help="First incident after this many seconds. 首个事件（秒）。")] = 25.0,
    lan: Annotated[bool, typer.Option("--lan", help="Listen to the local network, for a phone. 允许局域网访问。")] = False,
) -> None:
    """演示：24 位模拟住户。 Run the gateway with 24 simulated residents; Ctrl-C ends everything."""
    from gateway.cli import starting

    starting.demo(context.obj, port=port, mqtt_port=mqtt_port, every_s=every_s, first_s=first_s, lan=lan)


def replay(
    context: typer.Context,
    source: Annotated[str, typer.Argument(help="Recording (mimic3_demo) or a CSV: device,resident,quantity,unit,t,value. 录制数据。")],
    out: Annotated[Path | None, typer.Option(help="Findings as NDJSON. 结果文件。")] = None,
    state: Annotated[Path | None, typer.Option(help="State file: an interrupted replay goes on from it. 断点文件。")] = None,
    residents: Annotated[int | None, typer.Option(help="Only the first so many residents. 只取前几位。")] = None,
) -> None:
    """回放录制数据，报告每位住户每天的提醒数。Replay recorded data: findings, alarms per resident-day, speed."""
    from gateway.cli import starting

    starting.replay(context.obj, source, out=out, state=state, residents=residents)


def sim(context: typer.Context) -> None:
    """模拟器。 Drive the simulator: fleet, trigger, link, stats (anxin sim --help)."""
    voice: Voice = context.obj
    arguments = list(context.args)
    control = voice.data_dir / "demo" / "sim.sock"
    if arguments[:1] and arguments[0] in ("trigger", "link", "stats") and "--control" not in arguments and control.exists():
        arguments += ["--control", str(control)]
    done = subprocess.run([sys.executable, "-m", "firmware_sim", *arguments], check=False)
    raise typer.Exit(done.returncode)
