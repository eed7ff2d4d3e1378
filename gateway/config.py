"""Typed configuration from `anxin.toml` in the data folder; an unknown key is an error that names it; paths count from that folder."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator

FILE_NAME = "anxin.toml"


class ConfigError(ValueError):
    """The configuration cannot be used; the text says which key and what to do."""


class Section(BaseModel):
    """Base of all sections: immutable, strict about keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Encrypted(Section):
    """A certificate (PEM, the chain behind it) and its key: both or neither, for half of it would mean plain text without a word."""

    certificate: Path | None = None
    key: Path | None = None

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("certificate and key: give both")
        return self


class FamilyWeb(Encrypted):
    """A second listener, for family only: what a router or a proxy may show to the internet without showing the house."""

    host: str = "127.0.0.1"
    port: int = Field(default=8081, ge=0, le=65535)
    public_url: str = Field(min_length=8, pattern=r"^https?://")  # what links to family start with
    http_lan: bool = False


class Web(Encrypted):
    """Where the API and the pages listen."""

    host: str = "127.0.0.1"
    port: int = Field(default=8080, ge=0, le=65535)
    public_url: str = ""  # what links in messages start with; empty = http://host:port
    http_lan: bool = False  # plain http in a LAN: plain cookie name, a banner says so
    second_factor: list[Literal["caregiver", "family", "clinician", "operator", "admin"]] = []  # roles that have to set one
    family: FamilyWeb | None = None  # a listener of the family's own; without it they use the one above


class Mqtt(Encrypted):
    """The MQTT door: the embedded broker, or any other by URL.

    `certificate` is what the embedded broker shows to devices, or what we show to another broker.
    """

    embedded: bool = True
    host: str = "127.0.0.1"
    port: int = Field(default=1883, ge=0, le=65535)
    protocol: Literal["3.1.1", "5"] = "3.1.1"
    username: str = ""
    password_file: Path | None = None
    ca_file: Path | None = None  # who signed another broker's certificate; the embedded one is known by the certificate itself
    client_certificates: bool = False  # embedded broker: only devices with a certificate of ours (`anxin certs`); tokens are for HTTP then
    facts: dict[str, dict[str, str]] = Field(default_factory=dict)  # of a device, for its format: button = "sos", "$.data.hr" = "hr /min"
    formats: tuple[str, ...] = ()  # payloads of other products that are listened for: file names of devices/payloads
    bridges: dict[str, str] = Field(default_factory=dict)  # embedded broker: device id -> base topic that is all its own (zigbee2mqtt ...)
    client_id: str = "anxin-gateway"
    in_flight: int = Field(default=4000, ge=10, le=60_000)
    redeliver_s: int = Field(default=30, ge=5, le=600)  # embedded broker: what was delivered and not acknowledged comes again after this

    @model_validator(mode="after")
    def _shows_one(self) -> Self:
        if self.client_certificates and (not self.embedded or self.certificate is None):
            raise ValueError("client_certificates: for the embedded broker, which needs a certificate and key of its own then")
        return self


class Ble(Section):
    """The Bluetooth door."""

    backend: Literal["none", "bleak", "bumble"] = "none"  # bleak: the system's own stack; bumble: a controller reached through HCI
    adapters: tuple[str, ...] = ()  # bleak: "hci0"; bumble: "tcp-client:host:port", "usb:0", "serial:/dev/ttyUSB0"
    links: int = Field(default=8, ge=1, le=64)  # per adapter
    rooms: dict[str, str] = Field(default_factory=dict)  # adapter -> room (id or code) in which it stands: says where a sensor is
    strangers: bool = True  # take readings of health devices that nobody entered; they wait in the inbox
    options: dict[str, Any] = Field(default_factory=dict)  # spans in seconds, checked by the door

    @model_validator(mode="after")
    def _has_adapters(self) -> Ble:
        if self.backend != "none" and not self.adapters:
            raise ValueError("adapters: name at least one")
        return self


class Journal(Section):
    """The log of readings."""

    retention_days: int = Field(default=7, ge=1, le=90)
    ballast_mib: int = Field(default=16, ge=1, le=1024)


class Backup(Section):
    """The hourly copy of store.sqlite and the health record's outbox, once a day with the history."""

    folder: Path | None = None  # default: backups/ in the data folder
    every_s: float = Field(default=3600, ge=10)
    history_every_s: float = Field(default=86_400, ge=10)


class Stream(Section):
    """The detection engine's shell."""

    checkpoint_s: float = Field(default=10, ge=0.2)
    options: dict[str, Any] = Field(default_factory=dict)  # engine settings, checked by the engine


class Alerts(Section):
    """Ladders in seconds until the next person, per kind or priority; the last step repeats until somebody owns the alert."""

    options: dict[str, Any] = Field(default_factory=dict)  # checked by the alert desk
    burden_per_day: float = Field(default=1.0, gt=0)  # alarms per resident-day that the ward can bear; a figure, no limit
    link_hours: float = Field(default=12, gt=0, le=168)  # so long a link in a message opens its alert


class Family(Section):
    """What those read who are let in from outside."""

    emergency_after_s: float = Field(default=120, ge=0, le=3600)  # a call that nobody claims is told to them then


class StandingTests(Section):
    """What has to prove itself again and again: channels and walls weekly, SOS buttons after so many days."""

    enabled: bool = True
    weekday: int = Field(default=2, ge=0, le=6)  # Monday = 0
    time: str = Field(default="10:30", pattern=r"^([01]\d|2[0-3]):[0-5]\d$")  # on the first site's clock
    wall_within_h: float = Field(default=24, gt=0)  # so long somebody at the wall has to answer
    button_days: float = Field(default=30, gt=0)
    addresses: dict[str, str] = Field(default_factory=dict)  # channel -> where its test goes, if it has no address of its own


class History(Section):
    """What is kept for years, and for how many days of each class; 0 = for ever."""

    enabled: bool = True
    raw_days: int = Field(default=90, ge=0)  # every single value of continuous readings
    minute_days: int = Field(default=730, ge=0)  # minimum, mean, maximum per minute
    reading_days: int = Field(default=0, ge=0)  # spot, stored and event readings with their raw bytes
    wave_days: int = Field(default=30, ge=0)  # waveforms
    influx: dict[str, Any] = Field(default_factory=dict)  # a second sink; checked by it (gateway/history/influx)


class Watchdog(Section):
    """A process of its own that speaks when the alarm loop stops."""

    enabled: bool = True
    limit_s: float = Field(default=20, ge=1)
    webhook_url: str = ""
    apprise_url: str = ""
    channels: dict[str, dict[str, Any]] = Field(default_factory=dict)  # of any kind, as in [channels]; not shared with the alarm path
    heartbeat_url: SecretStr | None = None  # asked with GET every heartbeat_s while there is progress; its silence alarms elsewhere
    heartbeat_s: float = Field(default=20, ge=1)
    disk_low_mib: float = Field(default=64, ge=0)  # 0 = does not look at the disk


class Ehr(Section):
    """The health record: where it goes and what may go into it; each target is {"type": "folder" | "fhir", ...its own settings}."""

    enabled: bool = True
    namespace: str = Field(default="urn:anxin", min_length=3)  # one per installation: identifiers start with it
    targets: dict[str, dict[str, Any]] = Field(default_factory=lambda: {"folder": {"type": "folder"}})
    alert_kinds: list[Literal["physiological", "call", "technical"]] = ["physiological", "call"]
    patient_fields: list[Literal["name", "birth_date", "sex"]] = []  # beside the identifier, which always goes
    staff_names: bool = False
    notes: bool = False  # free text of those who handled an alert
    profiles: bool = False  # claim meta.profile
    keep_days: int = Field(default=30, ge=1, le=400)  # so far back corrections reach


class Config(Section):
    """All of it; `channels` maps a name to {"type": <file in gateway/notify>, ...its own settings}."""

    language: Literal["zh", "en"] = "zh"
    web: Web = Web()
    mqtt: Mqtt = Mqtt()
    ble: Ble = Ble()
    journal: Journal = Journal()
    backup: Backup = Backup()
    stream: Stream = Stream()
    alerts: Alerts = Alerts()
    family: Family = Family()
    standing_tests: StandingTests = StandingTests()
    history: History = History()
    watchdog: Watchdog = Watchdog()
    ehr: Ehr = Ehr()
    channels: dict[str, dict[str, Any]] = Field(default_factory=dict)


def load(data_dir: Path) -> Config:
    """Read the folder's configuration; defaults where there is no file."""
    path = data_dir / FILE_NAME
    if not path.exists():
        return Config()
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not valid TOML: {error}") from error
    return _placed(parse(raw, str(path)), data_dir.absolute())


def parse(raw: dict[str, Any], where: str) -> Config:
    """Check a mapping; each complaint names its key."""
    try:
        return Config.model_validate(raw)
    except ValidationError as error:
        lines = [f"{'.'.join(str(part) for part in e['loc'])}: {_say(e['type'], e['msg'])}" for e in error.errors()]
        raise ConfigError(f"{where}: " + "; ".join(lines)) from error


def _placed(config: Config, folder: Path) -> Config:
    """With the paths of all sections counted from the folder of the file, wherever the command was started."""
    sections = {}
    for name in type(config).model_fields:
        section = getattr(config, name)
        if isinstance(section, Section):
            sections[name] = _moved(section, folder)
    return config.model_copy(update=sections)


def _moved(section: Section, folder: Path) -> Section:
    changed: dict[str, Any] = {}
    for key, value in section:
        if isinstance(value, Path):
            changed[key] = folder / value  # an absolute one stays
        elif isinstance(value, Section):
            changed[key] = _moved(value, folder)
    return section.model_copy(update=changed)


def _say(kind: str, message: str) -> str:
    return "unknown key (see README, configuration)" if kind == "extra_forbidden" else message
