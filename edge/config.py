"""edge.toml and the command line -> one checked configuration. Names file, key and value."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import (
    Field,
    ValidatorFunctionWrapHandler,
    field_validator,
    model_validator,
)

from edge import toml_file
from edge.contradictions import RELATED, contradictions
from edge.errors import ProblemsError
from edge.examine import examined, given, merged
from edge.home import default_device as default_device  # noqa: PLC0414  for others
from edge.home import state_dir as state_dir  # noqa: PLC0414
from edge.scene import (
    Crop,
    EventsConfig,
    FilePath,
    Id,
    LineConfig,
    MaskConfig,
    MotionConfig,
    ProfileConfig,
    RecordConfig,
    ScheduleConfig,
    Section,
    SiteConfig,
    Span,
    SummaryConfig,
    ViewConfig,
    ZoneConfig,
    at_home,
)
from edge.text import encodable, shown

Pixels = Annotated[int, Field(ge=16, le=16_384)]


class ModelConfig(Section):
    """Which model runs."""

    path: FilePath | None = None


class RuntimeConfig(Section):
    """What the model runs on."""

    delegates: Annotated[tuple[str, ...], Field(strict=False, min_length=1)] = ("cpu",)
    threads: int = Field(default=2, ge=1, le=64)
    invoke_limit_s: Span = 10.0
    retry_s: Span = 60.0
    state_dir: FilePath | None = None

    @field_validator("delegates")
    @classmethod
    def _at_home(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(at_home(name, "external:") for name in value)


LONGEST_USER = 1000
"""Characters of a user name."""


class MqttConfig(Section):
    """Where the feed goes."""

    broker: str = "mqtt://127.0.0.1:1883"
    protocol: Literal["auto", "5", "3.1.1"] = "auto"
    username: str = ""
    password_file: FilePath | None = None
    ca_file: FilePath | None = None
    cert_file: FilePath | None = None
    key_file: FilePath | None = None
    keepalive_s: int = Field(default=30, ge=5, le=3600)

    @field_validator("broker")
    @classmethod
    def _address(cls, value: str) -> str:
        if re.fullmatch(r"embedded(:[1-9]\d{0,4})?", value):
            return value
        try:
            parts = urlsplit(value)
            schemes = ("mqtt", "mqtts", "ws", "wss")
            well_formed = parts.scheme in schemes and parts.hostname and parts.port != 0
        except ValueError:
            well_formed = False
        if not well_formed:
            raise ValueError("expected mqtt://HOST:PORT, mqtts, ws, wss or embedded" + _host(value))
        if parts.username or parts.password:
            raise ValueError("expected no credentials here: use username and password_file")
        if parts.query or parts.fragment:
            raise ValueError("expected nothing behind ? or # here: it would not be sent")
        return value

    @field_validator("username")
    @classmethod
    def _one_line(cls, value: str) -> str:
        if shown(value, LONGEST_USER) != value:
            raise ValueError(f"expected one line of at most {LONGEST_USER} characters")
        return value

    @model_validator(mode="after")
    def _hangs_together(self) -> "MqttConfig":
        tls = [key for key in ("ca_file", "cert_file", "key_file") if getattr(self, key)]
        if tls and not self.broker.startswith(("mqtts://", "wss://")):
            raise ValueError(f"{tls[0]} needs an encrypted broker: mqtts://HOST or wss://HOST")
        if self.key_file and not self.cert_file:
            raise ValueError("key_file needs cert_file")
        if self.password_file and not self.username:
            raise ValueError("password_file needs username")
        return self


def _host(value: str) -> str:
    """`: write mqtt://localhost` where nothing but the scheme is missing."""
    bare = re.fullmatch(r"[A-Za-z0-9._-]+(:\d{1,5})?", value.strip())
    return f": write mqtt://{bare[0]}" if bare else ""


class FeedConfig(Section):
    """What the feed says beside events and states."""

    observations: bool = False
    snapshots: bool = False
    status_interval_s: Span = 10.0


class HomeAssistantConfig(Section):
    """Whether and where Home Assistant is told of this device."""

    discovery: bool = True
    prefix: str = Field(default="homeassistant", pattern=r"^[^+#\s]+$")


class FileConfig(Section):
    """Events and observations as JSON lines in a file that rotates."""

    path: FilePath | None = None
    max_bytes: int = Field(default=10_485_760, ge=4096, le=1 << 50)
    keep: int = Field(default=5, ge=1, le=1000)


class OutboxConfig(Section):
    """Where events wait for the broker, and how many."""

    folder: FilePath | None = None
    max_bytes: int = Field(default=67_108_864, ge=65_536, le=1 << 50)
    max_days: float = Field(default=30.0, gt=0, le=36_500)
    replay_per_s: float = Field(default=1000.0, ge=1, le=1e6)


class V4l2Config(Section):
    """What a V4L2 camera is asked for."""

    format: Literal["auto", "mjpeg", "raw"] = "auto"
    size: Annotated[tuple[Pixels, Pixels], Field(strict=False)] = (1280, 720)


class PicameraConfig(Section):
    """What a Raspberry Pi's camera is asked for; 0 leaves a control to the camera."""

    stream: Literal["main", "lores"] = "main"
    rotation: Literal[0, 180] = 0
    exposure_us: int = Field(default=0, ge=0, le=1_000_000_000)
    gain: float = Field(default=0.0, ge=0)
    focus_m: float = Field(default=0.0, ge=0)
    hdr: bool = False


class HealthConfig(Section):
    """Who is told how the daemon is doing, beside the feed."""

    metrics_port: int = Field(default=0, ge=0, le=65_535)
    stall_s: float = Field(default=30.0, ge=5, le=86_400)


class ThermalConfig(Section):
    """How a hot device is treated."""

    enabled: bool = True
    limit_c: float | None = Field(default=None, ge=30, le=120)
    margin_c: float = Field(default=8.0, gt=0, le=50)
    least: float = Field(default=0.2, gt=0, le=1)


class SourceConfig(Section):
    """One camera, video or folder."""

    uri: str = Field(min_length=1)
    fps: float = Field(default=0.0, ge=0, le=1000)
    width: int = Field(default=640, ge=0, le=8192)
    timeout_s: float = Field(default=5.0, ge=1, le=600)
    transport: Literal["tcp", "udp"] = "tcp"
    username: str = ""
    password_file: FilePath | None = None
    trust: str = ""
    rotate: Literal[0, 90, 180, 270] = 0
    flip: Literal["none", "horizontal", "vertical", "both"] = "none"
    crop: Crop = (0.0, 0.0, 1.0, 1.0)
    mask: dict[Id, MaskConfig] = Field(default={})
    v4l2: V4l2Config = V4l2Config()
    picamera: PicameraConfig = PicameraConfig()
    zone: dict[Id, ZoneConfig] = Field(default={})
    line: dict[Id, LineConfig] = Field(default={})
    schedule: ScheduleConfig | None = None

    @field_validator("uri", mode="wrap")
    @classmethod
    def _at_home(cls, value: object, check: ValidatorFunctionWrapHandler) -> str:
        if not isinstance(value, str) or encodable(value):  # a file's name may be any bytes
            value = check(value)
        return at_home(str(value), "", "dir:", "file:")

    @model_validator(mode="after")
    def _fits_its_camera(self) -> "SourceConfig":
        uri = self.uri.strip().lower()
        usb = uri.isdecimal() or uri.startswith(("usb:", "v4l2:", "/dev/"))
        for key, fits, what in (
            ("v4l2", usb, "usb: and v4l2: cameras"),
            ("picamera", uri.startswith("picamera:"), "picamera: cameras"),
            ("transport", uri.startswith("rtsp"), "rtsp:// cameras"),
            ("username", "://" in uri, "cameras with an address"),
            ("password_file", "://" in uri, "cameras with an address"),
        ):
            if not fits and getattr(self, key) != type(self).model_fields[key].default:
                raise ValueError(f"{key} is for {what}: remove it, or change uri")
        if self.password_file and not (self.username or "@" in self.uri):
            raise ValueError("password_file needs username")
        return self


class Config(Section):
    """All of edge.toml."""

    device: Id = Field(default_factory=default_device)
    model: ModelConfig = ModelConfig()
    runtime: RuntimeConfig = RuntimeConfig()
    mqtt: MqttConfig = MqttConfig()
    feed: FeedConfig = FeedConfig()
    outbox: OutboxConfig = OutboxConfig()
    file: FileConfig = FileConfig()
    health: HealthConfig = HealthConfig()
    thermal: ThermalConfig = ThermalConfig()
    homeassistant: HomeAssistantConfig = HomeAssistantConfig()
    events: EventsConfig = EventsConfig()
    motion: MotionConfig = MotionConfig()
    view: ViewConfig = ViewConfig()
    summary: SummaryConfig = SummaryConfig()
    record: RecordConfig = RecordConfig()
    site: SiteConfig = SiteConfig()
    profile: dict[Id, ProfileConfig] = Field(default={})
    source: dict[Id, SourceConfig] = Field(default={})


def load(path: Path | None, flags: dict[str, Any] | None = None) -> Config:
    """edge.toml (None: the defaults), overridden by flags in the file's own nesting.

    Raises FatalError with everything that is wrong:
    `edge.toml: line 7: source.barn.fps: expected a number, got 'x'`.
    """
    flags = flags or {}
    file = toml_file.read(path) if path is not None else toml_file.TomlFile()
    config, found = examined(Config, merged(file.values, flags))
    if config is not None:
        wrong = {key[-1] for key in found if key}
        rules = contradictions(config.events, config.profile)
        for where, said in (*rules, *_overwritten(config, path)):
            if not wrong & set(RELATED.get(str(where[-1]), ())):
                found.setdefault(where, f"{'.'.join(map(str, where))}: {said}")
    if config is not None and not found and not file.wrong:
        return config
    problems = list(file.wrong.items())
    for where, said in found.items():
        if file.is_whole(where[:-1]):
            problems.append((0 if given(flags, where) else file.line(where) or 0, said))
    problems.sort(key=lambda problem: problem[0])
    lines = tuple(f"line {line}: {said}" if line else said for line, said in problems)
    raise ProblemsError(str(path or "command line"), lines)


def _overwritten(config: Config, path: Path | None) -> Iterator[tuple[tuple[str, str], str]]:
    """Files that others need and that lines of the feed would be written into."""
    mqtt, file = config.mqtt, config.file.path
    needed = [path, config.model.path, mqtt.password_file, mqtt.ca_file, mqtt.cert_file]
    needed += [mqtt.key_file, *(source.password_file for source in config.source.values())]
    if file is not None and file.absolute() in {one.absolute() for one in needed if one}:
        yield ("file", "path"), f"{file} is needed for something else: give another file"
