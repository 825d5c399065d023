"""`--source [NAME=]URI`, repeated -> sources by name. No name tells a secret."""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from urllib.parse import unquote

from edge.address import NETWORK, TELLING, Address, exists, read
from edge.errors import FatalError

LONGEST = 64
"""Characters of a name."""


def by_name(sources: Iterable[str], there: Mapping[str, str] | None = None) -> dict[str, str]:
    """Each source's URI by its name.

    Names that are given go before those that are made from addresses; a made one that is taken,
    here or `there` by another address, gets the host, then a number. Raises FatalError for a name
    that is given twice.
    """
    split = [_split(given) for given in sources]
    named: dict[str, str] = {}
    for name, uri in split:
        if name in named:
            raise FatalError(f"--source {name}: this name is given to two sources")
        if name:
            named[name] = uri
    return {name or _free(uri, named, there or {}): uri for name, uri in split}


def _split(given: str) -> tuple[str, str]:
    """`Barn=usb:0` -> (barn, usb:0); no name where none is given."""
    match = re.match(r"\s*([^=:/?&@#!%.]*?)\s*=(.+)$", given, re.DOTALL)
    if match is None or exists(given):
        return "", given
    name = slug(match[1])
    if not name:
        raise FatalError("--source: expected NAME=URI with a name of a-z, 0-9, - and _")
    return name, match[2]


def _free(uri: str, named: dict[str, str], there: Mapping[str, str]) -> str:
    """A name that nobody has yet, which is then taken."""
    address = read(uri)

    def taken(name: str) -> bool:
        return name in named or (name in there and read(there[name]) != address)

    name = made = _made(address)
    if taken(name) and address.host and made != slug(address.host):
        name = made = slug(f"{made}-{address.host}")
    number = 1
    while taken(name):
        number += 1
        name = f"{made[: LONGEST - 5]}-{number}"
    named[name] = uri
    return name


def _made(address: Address) -> str:
    """From host and path alone: what else is in an address may be a secret."""
    if address.scheme in NETWORK:
        where, _, path = address.shown.partition("://")[2].rpartition("@")[2].partition("/")
        last = path.partition("?")[0].rstrip("/").rpartition("/")[2]
        stem = "" if "*" in last else slug(unquote(_stem(last)))
        host = slug(where.rpartition(":")[0] if re.search(r":\d*$", where) else where)
        return (f"{host}-{stem}" if stem.isdecimal() else stem or host) or "source"
    if address.scheme in ("", "gst"):
        word = re.split(r"[\s!?]", address.shown.partition(":")[2].strip())[0]
        return slug("" if TELLING.search(word) or "*" in word else word) or "source"
    rest = address.rest.partition("?")[0]
    stem = slug(_stem(rest.rstrip("/").rpartition("/")[2]))
    if address.scheme in ("usb", "picamera", "csi"):
        return f"{address.scheme}-{stem}"
    unsafe = address.scheme in ("dir", "file") and ("@" in rest or "://" in rest)
    return ("" if unsafe else stem) or address.scheme


def _stem(file: str) -> str:
    return file.rpartition(".")[0] or file


def slug(text: str) -> str:
    """In the letters of an id: `Küche 2` becomes kuche-2."""
    plain = unicodedata.normalize("NFKD", text)
    plain = "".join(letter for letter in plain if not unicodedata.combining(letter))
    return re.sub(r"[^a-z0-9_-]+", "-", plain.lower()).strip("-")[:LONGEST].strip("-")
