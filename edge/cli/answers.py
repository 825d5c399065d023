"""What a person answers to `edge init` -> what can be written. Raises FatalError otherwise, with
what would work."""

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from edge.address import hidden, read
from edge.errors import FatalError, HedgerowError

KERAS = (".keras", ".h5", ".hdf5", ".pb")
PICTURES = (".jpg", ".jpeg", ".jfif", ".png", ".bmp", ".webp", ".tif", ".tiff", ".gif", ".heic")


def device(answer: str) -> str:
    """An id for this device."""
    _examine({"device": answer})
    return answer


def broker(answer: str) -> str:
    """The address of an MQTT broker."""
    _examine({"mqtt": {"broker": answer}})
    return answer


def username(answer: str) -> str:
    """Any text of one line; empty: none."""
    return _line(answer, "a user name")


def model(answer: str) -> str:
    """The whole path of a model that `edge run` takes."""
    from edge.model import load

    path = Path(_home(_line(answer, "a path"))).absolute()
    if path.suffix.lower() in KERAS:
        advice = f"converter convert {path.name} --data FOLDER makes a .tflite file of it"
        raise FatalError(f"{path}: is no .tflite file: {advice}")
    if os.access(path, os.R_OK) and path.is_dir():
        raise FatalError(f"{path}: is a folder{_there_is(path.glob('*.tflite'))}")
    if not os.access(path, os.F_OK):
        there = _there_is(path.parent.glob("*.tflite"))
        raise FatalError(f"{path}: there is no such model file{there}")
    load(path)
    return str(path)


def source(answer: str) -> tuple[str, str]:
    """Name and URI of a camera, video or folder, as `--source` takes them."""
    from edge.cli.names import by_name
    from edge.sources import open_source

    answer = _line(answer.strip(), "a source")
    given = re.match(r"([^=:/?]*)=", answer)
    if given and not re.fullmatch(r"[a-z0-9_-]+", given[1]):
        made = re.sub(r"[^a-z0-9_-]+", "-", given[1].lower()).strip("-") or "yard"
        raise FatalError(
            f"{given[1]}: a source's name has lower-case letters, digits, - and _: write {made}=URI"
        )
    ((name, uri),) = by_name([answer]).items()
    uri = _found(_home(uri))
    made = _examine({"source": {name: {"uri": uri}}})
    try:
        open_source(made.source[name]).stop()
    except HedgerowError as error:
        raise FatalError(str(error)) from None
    return name, uri


def _found(uri: str) -> str:
    """A path that is there, whole; anything else as it is."""
    if re.match(r"\d+\.\d+\.\d+\.\d+", uri):
        raise FatalError(
            f"{re.split('[/?#]', uri)[0]}: how does that camera send its pictures? Write "
            "rtsp://HOST/PATH or http://HOST/PATH, as its manual says"
        )
    scheme, path, query = re.fullmatch(r"(dir:|file:)?([^?]*)(.*)", uri, re.DOTALL).groups()  # type: ignore[union-attr]
    if not scheme and (uri.isdecimal() or uri.startswith("/dev/video") or ":" in uri):
        return uri
    place = Path(path).absolute()
    if place.suffix.lower() in PICTURES:
        folder = hidden(str(place.parent))
        raise FatalError(
            f"{read(uri).shown}: is a picture: write dir:{folder} for all of its folder"
        )
    if not os.access(place, os.F_OK):
        raise FatalError(
            f"{_shown(scheme, place, path)}: there is no such file or folder; cameras are usb:0 or "
            "rtsp://…"
        )
    return f"{scheme or ''}{place}{query}"


def _shown(scheme: str | None, place: Path, path: str) -> str:
    """The whole path; an address that was taken for one, without what may be a secret in it."""
    plain = hidden(path) == path and "://" not in path
    return str(place) if plain else read(f"{scheme or 'file:'}{path}").shown


def _home(path: str) -> str:
    from edge.scene import at_home

    try:
        return at_home(path, "", "dir:", "file:")
    except ValueError as error:
        raise FatalError(str(error)) from None


def _line(answer: str, what: str) -> str:
    """As UTF-8, whatever the terminal's locale; TOML takes no control characters."""
    from edge.text import decoded

    text = decoded(answer.encode("utf-8", "surrogateescape"))
    if not text.isprintable():
        raise FatalError(f"{what} has no control characters")
    return text


def _examine(flags: dict[str, Any]) -> Any:
    """The configuration with these flags."""
    from edge import config

    try:
        return config.load(None, flags)
    except FatalError as error:
        raise FatalError(str(error).removeprefix("command line: ")) from None


def _there_is(paths: Iterable[Path]) -> str:
    found = sorted(path.name for path in paths)[:5]
    return f"; there is {', '.join(found)}" if found else ""
