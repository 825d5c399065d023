"""Flatbuffer bytes -> tables, vectors, strings; no offset is followed out of the file.

The format: https://flatbuffers.dev/internals/. A table starts with the distance back to its
vtable; the vtable holds, after two sizes, each field's distance from the table, 0 where it is
left out. Everything is little-endian, and offsets to vectors and tables only point forward.
"""

import struct
from typing import Any

from edge.errors import FatalError

LONGEST = 1 << 16
"""Elements of a vector of tables or numbers; a CNN has a few thousand at most."""


class Damaged(FatalError):  # noqa: N818  it reads as what it is
    """The bytes do not hold together; the message says where."""


class Table:
    """One table; its fields by their position in the schema, as the schema's defaults say."""

    __slots__ = ("_at", "_data", "_fields", "_vtable")

    def __init__(self, data: bytes, at: int) -> None:
        """Raises Damaged where the table or its vtable lies outside the file."""
        self._data = data
        self._at = at
        self._vtable = at - _unpack("<i", data, at)
        size = _unpack("<H", data, self._vtable)
        length = _unpack("<H", data, self._vtable + 2)
        if size < 4 or size % 2 or self._vtable + size > len(data) or at + length > len(data):
            raise Damaged(f"the table at byte {at} reaches outside the file")
        self._fields = (size - 4) // 2

    def _field(self, position: int) -> int:
        """Where a field's value lies; 0 for one that is left out."""
        if position >= self._fields:
            return 0
        distance = _unpack("<H", self._data, self._vtable + 4 + 2 * position)
        return self._at + distance if distance else 0

    def number(self, position: int, kind: str, default: int = 0) -> int:
        """A scalar; `kind` is struct's letter: b, B, h, i, I, q, Q."""
        at = self._field(position)
        return _unpack("<" + kind, self._data, at) if at else default

    def table(self, position: int) -> "Table | None":
        """The table that a field refers to; None where it is left out."""
        at = self._field(position)
        return Table(self._data, _follow(self._data, at)) if at else None

    def tables(self, position: int) -> list["Table"]:
        """A vector of tables; empty where it is left out."""
        first, length = self._vector(position, 4)
        if length > LONGEST:
            raise Damaged(f"a list at byte {first} has {length} entries")
        places = range(first, first + 4 * length, 4)
        return [Table(self._data, _follow(self._data, at)) for at in places]

    def string(self, position: int) -> str:
        """A string; empty where it is left out."""
        at = self._field(position)
        return _string(self._data, _follow(self._data, at)) if at else ""

    def numbers(self, position: int, kind: str) -> tuple[Any, ...]:
        """A vector of scalars; empty where it is left out."""
        first, length = self._vector(position, struct.calcsize("<" + kind))
        if length > LONGEST:
            raise Damaged(f"a list at byte {first} has {length} entries")
        return struct.unpack_from(f"<{length}{kind}", self._data, first)

    def bytes_at(self, position: int) -> tuple[int, int]:
        """A vector of bytes -> (where it starts, its length); (0, 0) where it is left out."""
        return self._vector(position, 1)

    def _vector(self, position: int, item: int) -> tuple[int, int]:
        at = self._field(position)
        if not at:
            return 0, 0
        start = _follow(self._data, at)
        length = _unpack("<I", self._data, start)
        if start + 4 + length * item > len(self._data):
            raise Damaged(f"a list of {length} entries at byte {start} reaches outside the file")
        return start + 4, length


def root(data: bytes, identifier: bytes) -> Table:
    """The outermost table. Raises Damaged where the file does not carry the identifier."""
    if data[4:8] != identifier:
        raise Damaged(f"does not carry the identifier {identifier.decode()}")
    return Table(data, _follow(data, 0))


def _follow(data: bytes, at: int) -> int:
    target: int = at + _unpack("<I", data, at)
    if target == at:
        raise Damaged(f"the offset at byte {at} refers to itself")
    return target


def _string(data: bytes, at: int) -> str:
    length = _unpack("<I", data, at)
    end = at + 4 + length
    if end >= len(data) or data[end]:
        raise Damaged(f"a text of {length} bytes at byte {at} has no end")
    return data[at + 4 : end].decode("utf-8", "replace")


def _unpack(kind: str, data: bytes, at: int) -> int:
    """One scalar. struct would count a negative place from the file's end."""
    if at < 0 or at + struct.calcsize(kind) > len(data):
        raise Damaged(f"an offset points to byte {at} of {len(data)}")
    value: int = struct.unpack_from(kind, data, at)[0]
    return value
