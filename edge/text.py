"""Text as people's editors save it -> str; any text -> one line that is safe to show or log."""

import unicodedata
from pathlib import Path

MARKS = (
    (b"\xef\xbb\xbf", "utf-8"),
    (b"\xff\xfe", "utf-16-le"),
    (b"\xfe\xff", "utf-16-be"),
)
"""Byte order marks, with the encoding that each announces."""
UNPRINTABLE = {"Cc", "Cs", "Zl", "Zp"}
"""Unicode's categories of controls, lone surrogates, and line and paragraph separators."""
OVERRIDES = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""They turn what follows around: `gnp.exe` reads as `exe.png`."""


def decoded(data: bytes) -> str:
    """The text of a file that a person wrote: no byte order mark, `\\n` between lines.

    UTF-8 unless a byte order mark says otherwise; bytes that are not UTF-8 are taken for
    Windows-1252, which old editors write, and never refused.
    """
    for mark, encoding in MARKS:
        if data.startswith(mark):
            text = data[len(mark) :].decode(encoding, "replace")
            break
    else:
        try:
            text = data.decode("utf-8")
        except UnicodeDecodeError:
            text = data.decode("cp1252", "replace")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def read(path: Path) -> str:
    """A text file as `decoded` gives it. Raises OSError."""
    return decoded(path.read_bytes())


def composed(text: str) -> str:
    """The text in Unicode's composed form (NFC): two spellings of one name become equal."""
    return unicodedata.normalize("NFC", text)


def encodable(text: str) -> bool:
    """Whether it is text; else the name of a file whose bytes are no UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def shown(text: str, limit: int = 200) -> str:
    """One line of at most `limit` characters: control characters become `?`, so that no text
    from outside forges a line of a log, moves a terminal's cursor or turns a line around."""
    line = "".join("?" if _hides(letter) else letter for letter in text)
    return line if len(line) <= limit else f"{line[: limit - 1]}…"


def _hides(letter: str) -> bool:
    return letter in OVERRIDES or unicodedata.category(letter) in UNPRINTABLE
