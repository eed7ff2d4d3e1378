"""Gives a job to the running gateway, or opens the data folder and does it here."""

from __future__ import annotations

from typing import Any

from gateway.cli.say import WRONG, Voice
from gateway.control import ControlError, ask, socket_path

NOBODY = (ConnectionRefusedError, FileNotFoundError)


def do(voice: Voice, job: str, **args: Any) -> Any:
    """The job's answer; a refusal ends the command with its reason."""
    args["lang"] = args.get("lang") or voice.lang
    try:
        return ask(socket_path(voice.data_dir), job, args)
    except NOBODY:
        from gateway.cli.here import do_here  # not loaded while a gateway answers

        return do_here(voice, job, args)
    except ControlError as error:
        voice.fail(str(error))
    except (OSError, ValueError) as error:
        voice.fail(voice.word(f"网关没有回答：{error}", f"the gateway does not answer: {error}"), WRONG)
