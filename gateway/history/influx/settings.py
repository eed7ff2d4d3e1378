"""Settings of the sink, and the sink from them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

from gateway.clock import Clock
from gateway.history.influx.client import Door
from gateway.history.influx.sink import COMPONENTS, InfluxSink
from gateway.ops import Ops
from gateway.store import Database, Writer

FILE_NAME = "influx.sqlite"


class Settings(BaseModel):
    """The table [history.influx] of the configuration."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: str = Field(pattern=r"^https?://\S+$")
    bucket: str = Field(min_length=1)
    org: str = "-"
    token: SecretStr = SecretStr("")
    token_file: Path | None = None
    timeout_s: float = Field(default=10.0, gt=0, le=120)
    gzip: bool = True
    batch_lines: int = Field(default=5_000, ge=1, le=20_000)
    linger_s: float = Field(default=1.0, ge=0, le=60)

    @model_validator(mode="after")
    def _one_token(self) -> Settings:
        if self.token_file is not None and self.token.get_secret_value():
            raise ValueError("token and token_file cannot both be given")
        return self

    def secret(self) -> str:
        """The token itself."""
        if self.token_file is not None:
            return self.token_file.read_text(encoding="utf-8").strip()
        return self.token.get_secret_value()


def build(options: dict[str, Any], data_dir: Path, writer: Writer, clock: Clock, ops: Ops) -> InfluxSink:
    """The sink with its own file for its place and what was refused; ValidationError for options that it does not know."""
    settings = Settings.model_validate(options)
    door = Door(
        url=settings.url,
        token=settings.secret(),
        org=settings.org,
        bucket=settings.bucket,
        timeout_s=settings.timeout_s,
        gzip=settings.gzip,
    )
    db = Database.open(data_dir / FILE_NAME, writer, COMPONENTS)
    return InfluxSink(db, door, clock, ops, batch_readings=settings.batch_lines, linger_s=settings.linger_s)
