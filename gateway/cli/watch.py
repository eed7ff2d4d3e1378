"""`anxin devices`: how every device is, once or again and again; a table for people, a line per change for pipes, JSON for programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer
from rich.live import Live
from rich.table import Table

from gateway.cli.say import Voice, console
from gateway.cli.work import do
from gateway.clock import blocking_sleep

EVERY_S = 2.0
STATES = {
    "online": ("在线", "online", "green"), "offline": ("离线", "offline", "bold red"), "idle": ("待用", "idle", "green"),
    "unknown": ("无法判断", "cannot tell", "yellow"), "never": ("从未收到", "never heard", "yellow"),
}  # fmt: skip
NEEDS = {
    "battery": ("换电池", "battery"), "offline": ("离线", "offline"), "reception": ("信号差", "reception"), "clock": ("时钟不准", "clock"),
    "never_heard": ("从未收到", "never heard"),
}  # fmt: skip
TITLES = (("设备", "device"), ("状态", "state"), ("最近收到", "last seen"), ("电量", "battery"), ("信号 dBm", "signal dBm"),
          ("每小时 收到/应收", "per hour, heard/expected"),
          ("时钟偏差", "clock offset"), ("固件", "firmware"), ("需要", "needs"))  # fmt: skip

Watch = Annotated[bool, typer.Option("--watch", "-w", help="Go on until Ctrl-C. 持续显示，Ctrl-C 结束。")]
Visit = Annotated[bool, typer.Option("--visit", help="Only devices that somebody has to go to. 只列出需要上门处理的。")]


def devices(context: typer.Context, watch: Watch = False, visit: Visit = False) -> None:
    """设备：状态（电量、信号、时钟），登记与凭据。 Devices: how they are (battery, signal, clock), and list, enrol, know, revoke.

    Without a command: one line per device, those that need something first. heard/expected is of the last hour: much less than
    expected means a bad place or a weak battery. A cuff or a button is "idle": it speaks only when it is used.

    不带子命令时逐台列出状态，需要处理的在前。“收到/应收”为最近一小时；明显偏低说明位置不好或电量弱。血压计、按钮平时为“待用”。
    """
    if context.invoked_subcommand is not None:
        return
    voice: Voice = context.obj
    try:
        _show(voice, visit) if not watch else _watch(voice, visit)
    except KeyboardInterrupt:
        return


def _rows(voice: Voice, visit: bool) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = do(voice, "devices.health")
    return [row for row in found if row["needs"] or not visit]


def _show(voice: Voice, visit: bool) -> None:
    rows = _rows(voice, visit)
    if voice.json:
        print(json.dumps(rows, ensure_ascii=False))
    elif not rows:
        console().print(voice.word("没有设备（或没有需要处理的）。用 anxin devices enrol --new 添加。",
                                   "No devices (or none that need something). Add one with anxin devices enrol --new."))  # fmt: skip
    else:
        console().print(_table(voice, rows))


def _watch(voice: Voice, visit: bool) -> None:
    if voice.json:
        while True:
            print(json.dumps(_rows(voice, visit), ensure_ascii=False), flush=True)
            blocking_sleep(EVERY_S)
    if not sys.stdout.isatty():
        _lines(voice, visit)
    with Live(_table(voice, _rows(voice, visit)), console=console(), screen=True, auto_refresh=False) as live:
        while True:
            blocking_sleep(EVERY_S)
            live.update(_table(voice, _rows(voice, visit)), refresh=True)


def _lines(voice: Voice, visit: bool) -> None:
    """For pipes and log files: a line for each device whose state, battery or need has changed."""
    said: dict[str, tuple[Any, ...]] = {}
    while True:
        for row in _rows(voice, visit):
            mark = (row["availability"]["state"], row["battery"]["percent"], *row["needs"])
            if said.get(row["id"]) != mark:
                said[row["id"]] = mark
                print("\t".join(cells(voice.lang, row)), flush=True)
        blocking_sleep(EVERY_S)


def _table(voice: Voice, rows: Sequence[Mapping[str, Any]]) -> Table:
    table = Table()
    for zh, en in TITLES:
        table.add_column(voice.word(zh, en), overflow="fold")
    for row in rows:
        style = STATES[row["availability"]["state"]][2]
        values = cells(voice.lang, row)
        table.add_row(values[0], f"[{style}]{values[1]}[/{style}]", *values[2:])
    return table


def cells(lang: str, row: Mapping[str, Any]) -> list[str]:
    """A device as words."""
    zh = lang == "zh"
    at = 0 if zh else 1
    days, offset_s = row["battery"]["days_left"], row["clock"]["offset_s"]
    battery = _number(row["battery"]["percent"], "{:.0f} %") + ("" if days is None else f" ({days:.0f} {'天' if zh else 'd'})")
    per_h, expected = row["heard"]["per_h"], row["heard"]["expected_per_h"]
    heard = f"{_number(per_h, '{:.0f}')}/{expected:.0f}" if expected else _number(row["heard"]["messages_per_h"], "{:.0f}")
    return [
        row["id"], STATES[row["availability"]["state"]][at], _ago(row["seen_s"], zh=zh), battery, _number(row["rssi"]["dbm"], "{:.0f}"),
        heard, _number(offset_s, "{:+.0f} s"), row["firmware"] or "–", ", ".join(NEEDS[need][at] for need in row["needs"]) or "–",
    ]  # fmt: skip


def _number(value: float | None, form: str) -> str:
    return "–" if value is None else form.format(value)


def _ago(seconds: float | None, *, zh: bool) -> str:
    if seconds is None:
        return "–"
    for size, word_zh, word_en in ((86_400, "天前", "d ago"), (3600, "小时前", "h ago"), (60, "分钟前", "min ago")):
        if seconds >= size:
            return f"{seconds / size:.0f} {word_zh if zh else word_en}"
    return f"{max(0, seconds):.0f} {'秒前' if zh else 's ago'}"
