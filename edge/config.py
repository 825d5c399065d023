"""edge.toml and the command line -> one checked configuration. Names file, key and value."""

import os
import re
import socket
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, ValidationError, field_validator

from edge.address import hidden
from edge.errors import FatalError
from edge.scene import (
    Crop,
    EventsConfig,
    Id,
    LineConfig,
    MaskConfig,
    MotionConfig,
    ProfileConfig,
    RecordConfig,
    ScheduleConfig,
    Section,
    SiteConfig,
    SummaryConfig,
    ViewConfig,
    ZoneConfig,
)


def default_device() -> str:
    """This machine's host name as an id."""
    return re.sub(r"[^a-z0-9_-]+", "-", socket.gethostname().split(".")[0].lower()) or "edge"


def state_dir() -> Path:
    """Where this machine keeps what must outlast a restart: systemd's StateDirectory, else the
    user's own."""
    given = os.environ.get("STATE_DIRECTORY", "").partition(":")[0]
    return Path(given) if given else Path("~/.local/state/hedgerow").expanduser()


class ModelConfig(Section):
    """Which model runs."""

    path: Annotated[Path, Field(strict=False)] | None = None


class RuntimeConfig(Section):
    """What the model runs on."""

    delegates: Annotated[tuple[str, ...], Field(strict=False, min_length=1)] = ("cpu",)
    threads: int = Field(default=2, ge=1, le=64)
    invoke_limit_s: float = Field(default=10.0, gt=0)
    retry_s: float = Field(default=60.0, gt=0)
    state_dir: Annotated[Path, Field(strict=False)] | None = None


class MqttConfig(Section):
    """Where the feed goes."""

    broker: str = "mqtt://127.0.0.1:1883"
    protocol: Literal["auto", "5", "3.1.1"] = "auto"
    username: str = ""
    password_file: Annotated[Path, Field(strict=False)] | None = None
    ca_file: Annotated[Path, Field(strict=False)] | None = None
    cert_file: Annotated[Path, Field(strict=False)] | None = None
    key_file: Annotated[Path, Field(strict=False)] | None = None
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
            raise ValueError("expected mqtt://HOST:PORT, mqtts, ws, wss or embedded")
        if parts.username or parts.password:
            raise ValueError("expected no credentials here: use username and password_file")
        return value


class FeedConfig(Section):
    """What the feed says beside events and states."""

    observations: bool = False
    snapshots: bool = False
    status_interval_s: float = Field(default=10.0, gt=0)


class HomeAssistantConfig(Section):
    """Whether and where Home Assistant is told of this device."""

    discovery: bool = True
    prefix: str = Field(default="homeassistant", pattern=r"^[^+#\s]+$")


class FileConfig(Section):
    """Events and observations as JSON lines in a file that rotates."""

    path: Annotated[Path, Field(strict=False)] | None = None
    max_bytes: int = Field(default=10_485_760, ge=4096)
    keep: int = Field(default=5, ge=1, le=1000)


class OutboxConfig(Section):
    """Where events wait for the broker, and how many."""

    folder: Annotated[Path, Field(strict=False)] | None = None
    max_bytes: int = Field(default=67_108_864, ge=65_536)
    max_days: float = Field(default=30.0, gt=0)
    replay_per_s: float = Field(default=1000.0, ge=1)


class V4l2Config(Section):
    """What a V4L2 camera is asked for."""

    format: Literal["auto", "mjpeg", "raw"] = "auto"
    size: Annotated[tuple[int, int], Field(strict=False)] = (1280, 720)


class PicameraConfig(Section):
    """What a Raspberry Pi's camera is asked for; 0 leaves a control to the camera."""

    stream: Literal["main", "lores"] = "main"
    rotation: Literal[0, 180] = 0
    exposure_us: int = Field(default=0, ge=0)
    gain: float = Field(default=0.0, ge=0)
    focus_m: float = Field(default=0.0, ge=0)
    hdr: bool = False


class HealthConfig(Section):
    """Who is told how the daemon is doing, beside the feed."""

    metrics_port: int = Field(default=0, ge=0, le=65_535)
    stall_s: float = Field(default=30.0, ge=5)


class ThermalConfig(Section):
    """How a hot device is treated."""

    enabled: bool = True
    limit_c: float | None = Field(default=None, ge=30, le=120)
    margin_c: float = Field(default=8.0, gt=0, le=50)
    least: float = Field(default=0.2, gt=0, le=1)


class SourceConfig(Section):
    """One camera, video or folder."""

    uri: str = Field(min_length=1)
    fps: float = Field(default=0.0, ge=0)
    width: int = Field(default=640, ge=0, le=8192)
    timeout_s: float = Field(default=5.0, ge=1, le=600)
    transport: Literal["tcp", "udp"] = "tcp"
    username: str = ""
    password_file: Annotated[Path, Field(strict=False)] | None = None
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

    Raises FatalError: `edge.toml: source.barn.fps: expected a number above 0, got 'x'`.
    """
    values: dict[str, Any] = {}
    if path is not None:
        try:
            values = tomllib.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise FatalError(f"{path}: there is no such configuration file") from None
        except (OSError, UnicodeDecodeError) as error:
            raise FatalError(f"{path}: cannot be read: {error}") from None
        except tomllib.TOMLDecodeError as error:
            raise FatalError(f"{path}: is not valid TOML: {error}") from None
    merged = _merge(values, flags or {})
    try:
        return Config.model_validate(merged)
    except ValidationError as error:
        first = error.errors()[0]
        raise FatalError(f"{path or 'command line'}: {_explain(first)}") from None


def _merge(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        below = merged.get(key)
        both = isinstance(below, dict) and isinstance(value, dict)
        merged[key] = _merge(below, value) if both and isinstance(below, dict) else value
    return merged


def _explain(error: Any) -> str:
    """One pydantic error -> `key: expected …, got …`; values of unknown keys stay secret."""
    key = ".".join(str(part) for part in error["loc"])
    if error["type"] == "extra_forbidden":
        return f"{key}: unknown key; see systemd/edge.toml for all of them"
    if error["type"] == "missing":
        return f"{key}: is missing"
    if error["type"] == "value_error":
        return f"{key}: {error['ctx']['error']}"
    message = re.sub(r"^Input should be (greater|less)", r"expected a value \1", error["msg"])
    message = message.replace("Input should be", "expected").replace("String should", "expected to")
    return f"{hidden(key)}: {message}, got {hidden(repr(error['input']))}"
