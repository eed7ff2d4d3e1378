"""`anxin pair`: leads whoever stands beside a Bluetooth device through pairing it, a sentence per step."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from gateway.cli.say import Voice, console
from gateway.cli.work import do
from gateway.clock import blocking_sleep

STEPS = {
    "waiting": ("请让设备进入配对状态（通常是长按按钮，直到灯闪或出现 P）。等待中……",
                "Bring the device into pairing mode (usually: hold its button until it blinks or shows P). Waiting ..."),
    "connecting": ("听到设备，正在连接……", "The device is heard; connecting ..."),
    "pairing": ("正在配对……", "Exchanging keys ..."),
    "passkey": ("设备显示一个六位数字，请输入。", "The device shows a number of six digits: type it."),
    "proving": ("已配对。请把设备关掉再打开（或再测一次），确认它能自己连回来……",
                "Paired. Now switch the device off and on (or measure once more): it must come back by itself ..."),
    "paired": ("完成：设备已自行连回，配对有效。", "Done: the device came back by itself, the bond holds."),
    "cancelled": ("已取消。", "Cancelled."),
}  # fmt: skip
CAUSES = {
    "not_seen": ("没有听到设备：离网关近一点，确认它没有连着手机，再试一次。",
                 "The device was not heard: bring it closer, make sure that no phone holds it, and try again."),
    "not_proved": ("设备没有自行连回：再配对一次；有的型号先要在手机里删除旧配对。",
                   "The device did not come back by itself: pair it once more; some models must first be removed from the phone."),
    "refused": ("设备拒绝了（数字不对，或它还记着旧的配对）：请重来。",
                "The device refused (a wrong number, or an old bond): start again."),
    "no_answer": ("设备没有回答：请重来。", "The device did not answer: start again."),
    "link_lost": ("连接中断：离近一点再试。", "The link was lost: bring it closer and try again."),
    "passkey_missing": ("没有及时输入数字：请重来。", "No number was typed in time: start again."),
}  # fmt: skip
LOOK_EVERY_S = 0.5


def install(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(pair)


def pair(
    context: typer.Context,
    device: Annotated[str, typer.Argument(help="Device id as entered with the gateway. 设备号。")],
    address: Annotated[str | None, typer.Option(help="Bluetooth address, if the gateway does not know it yet. 蓝牙地址。")] = None,
    passkey: Annotated[int | None, typer.Option(help="The number of a device that always shows the same. 固定数字。")] = None,
) -> None:
    """引导配对一台蓝牙设备。 Pair a Bluetooth device, step by step.

    One device at a time; stand beside it. The bond is proved in the end: the device has to come back by itself.
    一次一台，请站在设备旁；最后会确认设备能自己连回来。Ctrl-C 取消。
    """
    voice: Voice = context.obj
    state = do(voice, "pair.begin", device=device, address=address)
    said = ""
    try:
        while True:
            if state["step"] != said:
                said = str(state["step"])
                _say(voice, said)
                if said == "passkey":
                    do(voice, "pair.type", device=device, passkey=passkey if passkey is not None else _ask(voice))
            if state["over"]:
                break
            blocking_sleep(LOOK_EVERY_S)
            state = do(voice, "pair.state", device=device)
    except KeyboardInterrupt:
        state = do(voice, "pair.cancel", device=device)
    _end(voice, state)


def _say(voice: Voice, step: str) -> None:
    if not voice.json and step in STEPS:
        console().print(voice.word(*STEPS[step]))


def _ask(voice: Voice) -> int:
    if not sys.stdin.isatty():
        voice.fail(voice.word("设备要求输入数字：请用 --passkey 给出", "the device asks for a number: give it with --passkey"))
    return int(typer.prompt(voice.word("数字", "Number"), type=int))


def _end(voice: Voice, state: dict[str, Any]) -> None:
    if voice.json:
        voice.result(state)
    elif state["step"] == "failed":
        voice.fail(voice.word(*CAUSES.get(state["cause"], ("配对失败。", "Pairing failed."))))
    if state["step"] != "paired":
        raise typer.Exit(1)
