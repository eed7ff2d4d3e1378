"""Bodies of what house and family write to each other."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from gateway.api.models import Body, Line, Ms, Note, Secret

_NO_CONTROL = r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]*$"
Text = Annotated[str, StringConstraints(min_length=1, max_length=1000, pattern=_NO_CONTROL)]
Reason = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=_NO_CONTROL)]
Token = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{20,64}$")]
Row = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
Name = Annotated[str, StringConstraints(min_length=1, max_length=80, pattern=r"^[^\x00-\x1f\x7f]*[^\x00-\x20\x7f][^\x00-\x1f\x7f]*$")]
Grantable = Literal["summary", "vitals", "alerts", "location", "documents", "notes", "looks"]


class TextBody(Body):
    """A message."""

    text: Text


class AskBody(Body):
    """A question to the desk, or what belongs to one that was asked."""

    text: Text
    thread: Row | None = None


class ReasonBody(Body):
    """Why something is taken back."""

    reason: Reason


class VisitBody(Body):
    """A visit to come, or one that was."""

    kind: Literal["doctor", "nurse", "therapist", "family", "outing", "examination", "other"]
    at_ms: Ms
    note: Note = ""


class VisitEnd(Body):
    """What became of a planned visit."""

    status: Literal["held", "cancelled"]
    result: Note = ""


class InvitationBody(Body):
    """Who is let in to see what until when, and who signed the consent."""

    name: Name
    relation: Literal["self", "spouse", "child", "sibling", "relative", "guardian", "friend", "other"]
    classes: Annotated[list[Grantable], Field(min_length=1, max_length=7)]
    until_ms: Ms
    giver: Name
    guardian: bool = False
    lang: Literal["zh", "en"] = "zh"  # of the text that was signed


class TokenBody(Body):
    """What a link carries behind its #."""

    token: Token


class AcceptBody(Body):
    """The account that an invited person wants."""

    token: Token
    user: Annotated[str, StringConstraints(min_length=2, max_length=64, pattern=r"^[^\x00-\x20\x7f]+$")]
    password: Secret
    name: Line = ""
    lang: Literal["zh", "en"] = "zh"
