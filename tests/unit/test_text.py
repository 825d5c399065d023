import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge import text


@pytest.mark.parametrize(
    "data",
    [
        "ä\nö\n".encode(),
        b"\xef\xbb\xbf" + "ä\r\nö\r\n".encode(),
        "ä\rö\r".encode("cp1252"),
        b"\xff\xfe" + "ä\r\nö\n".encode("utf-16-le"),
        b"\xfe\xff" + "ä\nö\n".encode("utf-16-be"),
    ],
    ids=["utf-8", "bom and crlf", "latin-1", "utf-16-le", "utf-16-be"],
)
def test_what_editors_save_is_the_same_text(data: bytes) -> None:
    assert text.decoded(data) == "ä\nö\n"


@given(st.binary())
def test_no_bytes_are_refused(data: bytes) -> None:
    assert "\r" not in text.decoded(data)


@given(st.text())
def test_what_is_shown_is_one_line_without_controls(anything: str) -> None:
    line = text.shown(anything, limit=40)
    assert len(line) <= 40
    assert len(line.splitlines()) <= 1
    assert not set("\x1b\u202e\u2066") & set(line)


def test_two_spellings_of_one_name_are_one() -> None:
    assert text.composed("Blu\u0308te") == text.composed("Blüte") == "Blüte"
