"""The zip behind a model's flatbuffer -> its files, read within bounds.

Nothing is unpacked before what it declares is known to be small, and nothing is read beyond what
it declared: a few hundred kilobytes may claim, or become, gigabytes.
"""

import io
import re
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

from edge import text
from edge.errors import FatalError

MOST_FILES = 64
MOST_GROWTH = 1 << 24
"""Bytes by which unpacking may exceed the packed file."""
OURS = ("hedgerow.json", "labels.txt")
BEGINS = re.compile(rb"PK\x03\x04.{26}(?:hedgerow\.json|labels\.txt)", re.DOTALL)
"""A zip of ours, whose directory at the end may have been cut off."""
END_BYTES = 22
"""The record at a zip's end, without its comment."""


@dataclass(frozen=True, slots=True)
class Appended:
    """Where the flatbuffer ends, and the files in the zip behind it."""

    flatbuffer_bytes: int
    files: dict[str, bytes]


def appended(path: Path, data: bytes) -> Appended:
    """The zip behind the flatbuffer; none in a foreign model. Raises FatalError."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            infos = archive.infolist()
            start = min((info.header_offset for info in infos), default=len(data))
            _check_end(data, {info.filename for info in infos})
            return Appended(start, unpacked(archive, len(data)))
    except zipfile.BadZipFile as error:
        if str(error) == "File is not a zip file" and not BEGINS.search(data):
            return Appended(len(data), {})
        reason = "it is cut off at its end" if "not a zip" in str(error) else str(error)
    except FatalError as error:
        reason = str(error)
    except (OSError, ValueError, EOFError, NotImplementedError, RuntimeError, zlib.error) as error:
        reason = str(error) or type(error).__name__
    raise FatalError(f"{path}: is damaged ({text.shown(reason)}); copy the file again") from None


def unpacked(archive: zipfile.ZipFile, packed_bytes: int) -> dict[str, bytes]:
    """The files of a zip by name. Raises FatalError, with a reason, for what no sound zip holds,
    and whatever `zipfile` raises for a damaged one."""
    infos = archive.infolist()
    if len(infos) > MOST_FILES:
        raise FatalError(f"its zip holds {len(infos)} files, at most {MOST_FILES} are allowed")
    if sum(info.file_size for info in infos) > packed_bytes + MOST_GROWTH:
        raise FatalError("its zip would unpack to many times its size")
    files: dict[str, bytes] = {}
    for info in infos:
        if info.filename in files:
            raise FatalError(f"its zip holds {info.filename} twice")
        with archive.open(info) as file:  # reads no more than it declared; checks the CRC
            files[info.filename] = file.read(info.file_size)
            if len(files[info.filename]) != info.file_size or file.read(1):
                raise FatalError(f"{info.filename} in its zip is not as long as it says")
    return files


def _check_end(data: bytes, names: set[str]) -> None:
    """Raises FatalError where the zip that was found is not the file's: its own end is missing,
    and golden.npz, a zip as well, is mistaken for it; or something follows its end."""
    if BEGINS.search(data) and names.isdisjoint(OURS):
        raise FatalError("it is cut off at its end")
    end = data.rfind(b"PK\x05\x06")
    comment_bytes = int.from_bytes(data[end + END_BYTES - 2 : end + END_BYTES], "little")
    excess = len(data) - (end + END_BYTES + comment_bytes)
    if excess > 0:
        raise FatalError(f"{excess} bytes follow its end")
