"""Bodies of the pages for those who run the house."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from gateway.api.models import Body, Day, Id, Line, SiteRef

TableName = Annotated[str, StringConstraints(min_length=1, max_length=80, pattern=r"^[^\x00-\x1f\x7f/\\]+$")]
Base64 = Annotated[str, StringConstraints(max_length=2 * 1024 * 1024, pattern=r"^[A-Za-z0-9+/]*={0,2}$")]


class TableBody(Body):
    """One CSV file as it was chosen; its bytes, for spreadsheets of this country write GB18030."""

    name: TableName
    content_base64: Base64


class ImportBody(Body):
    """Tables to rehearse, or to take over."""

    files: Annotated[list[TableBody], Field(min_length=1, max_length=10)]
    write: bool = False
    lang: Literal["zh", "en"] = "zh"


class CorrectBody(Body):
    """What was entered wrongly of a resident; a member that is absent stays as it is."""

    name: Line | None = None
    code: Line | None = None
    birth_date: Day | None = None
    sex: Literal["female", "male", "other"] | None = None


class UserChangeBody(Body):
    """What changes of an account; a member that is absent stays as it is."""

    name: Line | None = None
    role: Literal["caregiver", "family", "clinician", "operator", "admin", "supervisor"] | None = None
    sites: Annotated[list[SiteRef], Field(max_length=100)] | None = None
    residents: Annotated[list[Id], Field(max_length=500)] | None = None
    status: Literal["active", "disabled"] | None = None
