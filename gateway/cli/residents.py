"""Residents from the command line: two records of one person become one."""

from __future__ import annotations

from typing import Annotated

import typer

from gateway.cli.say import WRONG, Voice
from gateway.cli.work import do

residents = typer.Typer(no_args_is_help=True, help="Residents: merge. 住户。")


@residents.callback()
def _group() -> None:
    """Keep `merge` a word of its own although it is the only one."""


def install(app: typer.Typer) -> None:
    """Add these commands."""
    app.add_typer(residents, name="residents")


@residents.command("merge")
def merge(
    context: typer.Context,
    resident: Annotated[str, typer.Argument(help="Resident id or code that goes. 被合并的住户。")],
    into: Annotated[str, typer.Option(help="Resident id or code that lives on. 保留的住户。")],
    reason: Annotated[str, typer.Option(help="Why both are the same person. 合并原因。")],
) -> None:
    """合并重复的住户记录，不能撤销。 Make two records of one person one: history, bindings and limits follow. Cannot be undone."""
    voice: Voice = context.obj
    if not reason.strip():
        voice.fail(voice.word("请用 --reason 写明原因。", "say why with --reason."), WRONG)
    done = do(voice, "residents.merge", resident=resident, into=into, reason=reason)
    voice.result(done, voice.word(f"{resident} 已合并到 {done['into']}。", f"{resident} lives on in {done['into']}."))
