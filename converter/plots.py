"""Numbers -> small SVG drawings for the report."""

import html
from collections.abc import Sequence

ROW = 18
NAME_WIDTH = 300
NAME_LETTERS = 42
BAR_WIDTH = 420
CELL = 26
FLOAT_COLOUR, INT8_COLOUR = "#8aa", "#c63"


def bars(rows: Sequence[tuple[str, float]]) -> str:
    """One bar per (name, value); the longest fills the width."""
    top = max((value for _, value in rows), default=0.0) or 1.0
    parts = []
    for number, (name, value) in enumerate(rows):
        y = number * ROW
        parts.append(_text(NAME_WIDTH - 6, y + 13, _end_of(name), "end"))
        parts.append(_rect((NAME_WIDTH, y + 3, value / top * BAR_WIDTH, ROW - 6), INT8_COLOUR))
        parts.append(_text(NAME_WIDTH + value / top * BAR_WIDTH + 6, y + 13, f"{value:.3f}"))
    return _svg(NAME_WIDTH + BAR_WIDTH + 70, len(rows) * ROW, parts)


def pairs(rows: Sequence[tuple[str, float, float]]) -> str:
    """Two bars of 0..1 per (name, float, int8)."""
    parts = [
        _text(NAME_WIDTH, 12, "recall: float above, int8 below"),
    ]
    for number, (name, one, other) in enumerate(rows):
        y = (number + 1) * ROW
        parts.append(_text(NAME_WIDTH - 6, y + 13, _start_of(name), "end"))
        parts.append(_rect((NAME_WIDTH, y + 2, one * BAR_WIDTH, 6), FLOAT_COLOUR))
        parts.append(_rect((NAME_WIDTH, y + 9, other * BAR_WIDTH, 6), INT8_COLOUR))
    return _svg(NAME_WIDTH + BAR_WIDTH + 70, (len(rows) + 1) * ROW, parts)


def heat_map(labels: Sequence[str], table: Sequence[Sequence[int]]) -> str:
    """A confusion matrix; the darker, the larger the share of the row."""
    parts = []
    for row, counts in enumerate(table):
        total = max(1, sum(counts))
        y = row * CELL
        parts.append(_text(NAME_WIDTH - 6, y + 17, _start_of(labels[row]), "end"))
        for column, count in enumerate(counts):
            share = count / total
            box = (NAME_WIDTH + column * CELL, y, CELL - 1, CELL - 1)
            parts.append(_rect(box, f"rgba(60,90,60,{max(0.04, share):.2f})"))
            if count:
                colour = "#fff" if share > 0.5 else "#222"
                middle = NAME_WIDTH + column * CELL + CELL / 2
                parts.append(_text(middle, y + 17, str(count), "middle", colour))
    return _svg(NAME_WIDTH + len(labels) * CELL, len(labels) * CELL, parts)


def _start_of(name: str) -> str:
    return name if len(name) <= NAME_LETTERS else f"{name[: NAME_LETTERS - 1]}…"


def _end_of(name: str) -> str:
    """Of a path of layers the end says most."""
    return name if len(name) <= NAME_LETTERS else f"…{name[1 - NAME_LETTERS :]}"


def _svg(width: float, height: float, parts: Sequence[str]) -> str:
    return (
        f'<svg viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" '
        f'font-family="system-ui,sans-serif" font-size="11">{"".join(parts)}</svg>'
    )


def _rect(box: tuple[float, float, float, float], colour: str) -> str:
    x, y, width, height = box
    return (
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(0.0, width):.1f}" height="{height:.1f}" '
        f'fill="{colour}"/>'
    )


def _text(x: float, y: float, text: str, anchor: str = "start", colour: str = "#222") -> str:
    safe = html.escape(text)
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}">{safe}</text>'
