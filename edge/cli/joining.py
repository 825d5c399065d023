"""The options of commands that read a feed: which broker, and what it takes to be let in."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from edge.config import MqttConfig

KEYS = ("broker", "protocol", "username", "password_file", "ca_file", "cert_file", "key_file")
FILE = click.Path(path_type=Path)
OPTIONS = (
    click.option("--config", type=FILE, help="Take [mqtt] and the device from this edge.toml."),
    click.option("--broker", help="Address of the broker.  [default: mqtt://127.0.0.1:1883]"),
    click.option("--protocol", type=click.Choice(["auto", "5", "3.1.1"]), help="MQTT version."),
    click.option("--username", help="User name for the broker."),
    click.option("--password-file", type=FILE, help="File that holds the password."),
    click.option("--ca-file", type=FILE, help="CA to trust, for mqtts:// and wss://."),
    click.option("--cert-file", type=FILE, help="Client certificate, for mqtts:// and wss://."),
    click.option("--key-file", type=FILE, help="Key of the client certificate."),
    click.option("--device", help="Only this device; default: all, or that of --config."),
)


def joining(command: Callable[..., None]) -> Callable[..., None]:
    """Decorator: adds the options; `found` reads them."""
    for option in reversed(OPTIONS):
        command = option(command)
    return command


def found(options: dict[str, Any]) -> tuple["MqttConfig", str]:
    """How to connect, and the device (`+`: all). Raises FatalError for what is wrong."""
    from edge import config

    path: Path | None = options["config"]
    given = {key: options[key] for key in KEYS if options[key] is not None}
    made = config.load(path, {"mqtt": given})
    section = made.mqtt
    if section.broker.startswith("embedded"):  # it speaks 3.1.1 only
        section = section.model_copy(update={"protocol": "3.1.1"})
    return section, options["device"] or (made.device if path else "+")


class Seconds(click.ParamType):  # type: ignore[type-arg]
    """A span of time that ends."""

    name = "seconds"

    def convert(self, value: Any, param: Any, ctx: Any) -> float:
        """Refuses what is no number, not above 0, or without an end."""
        try:
            seconds = float(value)
        except ValueError:
            seconds = math.nan
        if not 0 < seconds < 1e8:
            self.fail(f"expected a number of seconds above 0, got {value!r}", param, ctx)
        return seconds
