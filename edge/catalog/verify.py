"""A file -> the model of the catalogue that it is, with nothing changed."""

import hashlib
from pathlib import Path

from edge import model
from edge.catalog.entries import Entry, entries
from edge.errors import FatalError


def verify(path: Path) -> str:
    """The model's name. Raises FatalError where network, labels or contract are not its own."""
    known = tuple(entries().items())
    for name, entry in known:
        if _is_upstreams(path, entry):
            raise FatalError(
                f"{path}: is {name} as upstream has it, without a contract; `edge models fetch "
                f"{name} --from {path.parent}` gives it one"
            )
    loaded = model.load(path)
    same = [(name, entry) for name, entry in known if entry.flatbuffer_sha256 == loaded.sha256]
    if not same:
        raise FatalError(f"{path}: is none of the catalogue's models")
    name, entry = same[0]
    try:
        right = entry.contract(name, model.appended(path, path.read_bytes()).files)
    except FatalError as error:
        raise FatalError(f"{path}: is {name}, but {error}; fetch it again with --force") from None
    if loaded.contract != right:
        raise FatalError(
            f"{path}: is {name}, but its contract was changed; fetch it again with --force"
        )
    return name


def _is_upstreams(path: Path, entry: Entry) -> bool:
    try:
        if path.stat().st_size != entry.model.bytes:
            return False
        return hashlib.sha256(path.read_bytes()).hexdigest() == entry.model.sha256
    except OSError:
        return False  # model.load says it in words
