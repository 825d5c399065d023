"""`edge init`: a few answers -> an edge.toml that works."""

import json
import os
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import click

DEFAULT = Path("/etc/hedgerow/edge.toml")
PASSWORD = "mqtt-password"  # noqa: S105  the file's name
CAMERAS = Path("/sys/class/video4linux")

Answer = TypeVar("Answer")
A_PATH = click.Path(path_type=Path)


@click.command()
@click.option("--out", default=DEFAULT, show_default=True, type=A_PATH, help="The file to write.")
@click.option("--device", help="This device's id on the feed.")
@click.option("--model", help="The .tflite file.")
@click.option("--source", "sources", multiple=True, metavar="[NAME=]URI", help="Repeatable.")
@click.option("--broker", help="mqtt://HOST:PORT, mqtts://…")
@click.option("--username", help="For the broker. Its password goes into a file of its own.")
@click.option("--password-file", type=A_PATH, help="Holds the broker's password, one line.")
@click.option("--yes", is_flag=True, help="Don't ask; use defaults for what is missing.")
@click.option("--force", is_flag=True, help="Overwrite an existing file.")
def init(out: Path, yes: bool, force: bool, sources: tuple[str, ...], **given: str | None) -> None:
    """Create an edge.toml. Asks for what you don't pass as an option.

    \b
    edge init --out edge.toml --model leaf.tflite --source yard=usb:0 --yes
    """
    from edge import config
    from edge.cli import answers

    _is_free(out, force)
    out = out.resolve() if out.is_symlink() else out  # a link stays one
    ask = _Ask(asked=not yes)
    questions = {
        "device": ("Name of this device", config.default_device(), answers.device),
        "model": ("Model (.tflite)", None, answers.model),
        "broker": ("Broker", config.MqttConfig().broker, answers.broker),
        "username": ("User name for the broker (empty: none)", "", answers.username),
    }
    flags = {
        key: check(value)
        for key, (_, _, check) in questions.items()
        if (value := given[key]) is not None
    }
    found = [answers.source(source) for source in sources]
    made = {}
    for key, question in questions.items():
        made[key] = flags[key] if key in flags else ask(*question)
        if key == "model" and not found:
            found = [ask("Camera, video or folder", _first_camera(), answers.source)]
    if out.absolute() == Path(made["model"]):
        from edge.errors import FatalError

        raise FatalError(f"{out}: is the model: give another --out")
    secret = _Secret(out, given["password_file"], force)
    password = secret.asked(ask) if made["username"] else ""
    made["password_file"] = secret.key(password) if made["username"] else ""
    _write(out, _text(made, _apart(found)))
    secret.write(password)
    _warn(out, found)
    click.echo(f"{out}: written; look at it with: edge doctor --config {out}")


class _Ask:
    """One question after another, each until its answer can be used."""

    def __init__(self, asked: bool) -> None:
        self.asked = asked

    def __call__(
        self, question: str, default: str | None, check: Callable[[str], Answer]
    ) -> Answer:
        from edge.errors import FatalError

        if not self.asked and default is None:
            raise FatalError(f"{question}: give it as a flag, or leave out --yes to be asked")
        while self.asked:
            answer = self.prompt(question, default)
            try:
                return check(answer)
            except FatalError as error:
                click.echo(f"  {error}", err=True)
        return check(default or "")

    def prompt(self, question: str, default: str | None, hidden: bool = False) -> str:
        """What is typed. Raises FatalError where a script has no more answers."""
        from edge.errors import FatalError

        try:
            return str(
                click.prompt(
                    question, default=default, show_default=bool(default),
                    hide_input=hidden and sys.stdin.isatty(),
                )
            )  # fmt: skip
        except click.Abort:
            if sys.stdin.isatty():
                raise
            raise FatalError(f"{question}: no answer was given; nothing is written") from None


class _Secret:
    """The file with the broker's password: the service's beside its edge.toml, or one of ours."""

    def __init__(self, out: Path, given: object, force: bool) -> None:
        self._given = Path(str(given)).expanduser().absolute() if given else None
        self._file = self._given or out.absolute().with_name(PASSWORD)
        self._service = out.absolute().parent == DEFAULT.parent
        self._keep = self._given is not None or (_is_filled(self._file) and not force)

    def asked(self, ask: _Ask) -> str:
        """The password; empty: none, or a file that is there is used."""
        if self._keep:
            click.echo(f"{self._file}: is used for the password", err=True)
        elif ask.asked:
            return ask.prompt("Password for the broker (empty: none)", "", hidden=True)
        else:
            click.echo(f"put the password into {self._file}: chmod 600 {self._file}", err=True)
        return ""

    def key(self, password: str) -> str:
        """mqtt.password_file; the service gets its own as a systemd credential."""
        if self._service and self._given is None:
            return ""
        return str(self._file) if self._keep or password else ""

    def write(self, password: str) -> None:
        """For its owner's eyes only."""
        from edge.errors import FatalError
        from edge.files import write_whole

        if not password:
            return
        try:
            write_whole(self._file, f"{password}\n".encode("utf-8", "surrogateescape"), 0o600)
        except OSError as error:
            raise FatalError(f"{self._file}: cannot be written: {error.strerror}") from None
        click.echo(f"{self._file}: written, readable by its owner only")


def _warn(out: Path, sources: list[tuple[str, str]]) -> None:
    """A camera's password in a file that is not for its owner's eyes only."""
    from edge.address import read

    shared = out.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH)
    for name in [name for name, uri in sources if shared and read(uri).password]:
        click.echo(
            f"source {name}: its password stands in {out}, which others on this machine may read: "
            "better set username and password_file", err=True,
        )  # fmt: skip


def _is_filled(path: Path) -> bool:
    try:
        return path.stat().st_size > 0
    except OSError:
        return False


def _is_free(out: Path, force: bool) -> None:
    """Raises FatalError before anything is asked."""
    from edge.errors import FatalError

    folder = out.absolute().parent
    if os.access(folder, os.F_OK) and not os.access(folder, os.W_OK | os.X_OK):
        raise FatalError(f"{out}: may not be written: use sudo, or give another --out")
    if out.is_dir():
        raise FatalError(f"{out}: is a folder: name the file, as {out}/edge.toml")
    if out.exists() and not force:
        raise FatalError(f"{out}: is there already: change it, or give --force or another --out")
    if out.exists() and not stat.S_ISREG(out.stat().st_mode):
        raise FatalError(f"{out}: is no ordinary file: give another --out")
    if not folder.is_dir():
        raise FatalError(f"{out}: there is no folder {out.parent}: make it, or give another --out")


def _first_camera() -> str:
    """The first camera that the kernel knows now; usb:0 where none is plugged in."""
    numbers = sorted(int(entry.name.removeprefix("video")) for entry in CAMERAS.glob("video[0-9]*"))
    return f"usb:{numbers[0]}" if numbers else "usb:0"


def _apart(sources: list[tuple[str, str]]) -> dict[str, str]:
    """Sources by name. Raises FatalError where two have one name."""
    from edge.errors import FatalError

    for at, (name, _) in enumerate(sources):
        if name in dict(sources[:at]):
            raise FatalError(f"two sources are called {name}: write NAME=URI with another name")
    return dict(sources)


def _text(made: dict[str, str], sources: dict[str, str]) -> str:
    """A TOML string is written as JSON writes it; TOML knows no surrogate pairs."""
    written = {key: json.dumps(value, ensure_ascii=False) for key, value in made.items()}
    lines = [
        "# Written by edge init. Every other key, with its default and what it does:",
        "# /usr/local/share/hedgerow/edge.toml, or systemd/edge.toml of the project.",
        f"device = {written['device']}",
        "",
        "[model]",
        f"path = {written['model']}",
        "",
        "[mqtt]",
        f"broker = {written['broker']}",
        f"username = {written['username']}",
        "# The service reads the password from /etc/hedgerow/mqtt-password.",
    ]
    if made["password_file"]:
        lines[-1] = f"password_file = {written['password_file']}"
    for name, uri in sources.items():
        lines += ["", f"[source.{name}]", f"uri = {json.dumps(uri, ensure_ascii=False)}"]
    return "\n".join(lines) + "\n"


def _write(out: Path, text: str) -> None:
    """Only what can be read again is written; a camera that is not there yet may come."""
    from edge import config
    from edge.errors import FatalError

    fresh = out.with_name(f".{out.name}.new")
    try:
        fresh.write_text(text, encoding="utf-8")
        made = stat.S_IMODE(fresh.stat().st_mode) & ~(stat.S_IWGRP | stat.S_IWOTH)
        fresh.chmod(stat.S_IMODE(out.stat().st_mode) if out.exists() else made)
        config.load(fresh)
        fresh.replace(out)
    except OSError as error:
        raise FatalError(f"{out}: cannot be written: {error.strerror}") from None
    except FatalError as error:
        raise FatalError(str(error).replace(f"{fresh}: ", "")) from None
    finally:
        fresh.unlink(missing_ok=True)
