"""`edge init`: a few answers -> an edge.toml that works."""

import json
from pathlib import Path

import click

from edge.cli.names import by_name

DEFAULT = Path("/etc/hedgerow/edge.toml")
CAMERAS = Path("/sys/class/video4linux")


@click.command()
@click.option("--out", default=DEFAULT, show_default=True, type=click.Path(path_type=Path))
@click.option("--device", help="This device's id on the feed.")
@click.option("--model", type=click.Path(path_type=Path), help="The .tflite file.")
@click.option("--source", "sources", multiple=True, metavar="[NAME=]URI", help="Repeatable.")
@click.option("--broker", help="mqtt://HOST:PORT, mqtts://…")
@click.option("--username", help="For the broker; the password goes into a file.")
@click.option("--yes", is_flag=True, help="Ask nothing: defaults for what is not given.")
@click.option("--force", is_flag=True, help="Write over a file that is there.")
def init(out: Path, yes: bool, force: bool, sources: tuple[str, ...], **given: str | None) -> None:
    """Write a configuration: what no flag says is asked for.

    \b
    edge init --out edge.toml --model leaf.tflite --source yard=usb:0 --yes
    """
    from edge import config
    from edge.errors import FatalError

    if out.exists() and not force:
        raise FatalError(f"{out}: is there already: change it, or give --force or another --out")
    ask = _Answers(asked=not yes)
    device = ask("Name of this device", given["device"], config.default_device())
    model = ask("Model (.tflite)", given["model"], None)
    if not sources:
        sources = (ask("Camera, video or folder", None, _first_camera()),)
    broker = ask("Broker", given["broker"], config.MqttConfig().broker)
    username = ask("User name for the broker (empty: none)", given["username"], "")
    text = _text(device, str(Path(model).absolute()), by_name(sources), (broker, username))
    _write(out, text)
    click.echo(f"{out}: written; look at it with: edge doctor --config {out}")


class _Answers:
    """A flag, else what is answered, else the default."""

    def __init__(self, asked: bool) -> None:
        self._asked = asked

    def __call__(self, question: str, flag: object, default: str | None) -> str:
        from edge.errors import FatalError

        if flag is not None:
            return str(flag)
        if self._asked:
            return str(click.prompt(question, default=default, show_default=bool(default)))
        if default is None:
            raise FatalError(f"{question}: give it as a flag, or leave out --yes to be asked")
        return default


def _first_camera() -> str:
    """The first camera that the kernel knows now; usb:0 where none is plugged in."""
    numbers = sorted(int(entry.name.removeprefix("video")) for entry in CAMERAS.glob("video[0-9]*"))
    return f"usb:{numbers[0]}" if numbers else "usb:0"


def _text(device: str, model: str, sources: dict[str, str], broker: tuple[str, str]) -> str:
    """A TOML string is written as JSON writes it."""
    address, username = map(json.dumps, broker)
    lines = [
        "# Written by edge init. Every other key, with its default and what it does:",
        "# /usr/local/share/hedgerow/edge.toml, or systemd/edge.toml of the project.",
        f"device = {json.dumps(device)}",
        "",
        "[model]",
        f"path = {json.dumps(model)}",
        "",
        "[mqtt]",
        f"broker = {address}",
        f"username = {username}",
        "# The service reads the password from /etc/hedgerow/mqtt-password.",
    ]
    for name, uri in sources.items():
        lines += ["", f"[source.{name}]", f"uri = {json.dumps(uri)}"]
    return "\n".join(lines) + "\n"


def _write(out: Path, text: str) -> None:
    """Only what can be read again is written; a camera that is not there yet may come."""
    from edge import config
    from edge.errors import FatalError

    fresh = out.with_name(f".{out.name}.new")
    try:
        fresh.write_text(text, encoding="utf-8")
        config.load(fresh)
        fresh.replace(out)
    except OSError as error:
        raise FatalError(f"{out}: cannot be written: {error.strerror}") from None
    except FatalError as error:
        raise FatalError(str(error).replace(f"{fresh}: ", "")) from None
    finally:
        fresh.unlink(missing_ok=True)
