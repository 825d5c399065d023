"""Tracks and named places of the frame -> who entered, left, stayed or crossed. Pure.

Zones, lines and boxes come normalized to the frame, y downwards. Distances are in frame heights
along both axes, so that a margin is as many pixels across as it is down. A point on an outer edge
is inside.
"""

import math
from dataclasses import dataclass, field
from typing import Literal

from edge.types import Box, Change, Detection, Frame, Track

Point = tuple[float, float]
Ring = tuple[Point, ...]
Anchor = Literal["bottom", "center"]

SETTLED = 2
"""Frames in a row that must say the same before an object counts as in or out of a zone."""
MARGIN = 0.1
"""How far past a line an object must come before it has crossed it, and past a zone's edge before
it has left, in its own heights: a box trembles by a few percent of its size."""
TOUCH = 1e-9
"""A point this close to an edge lies on it."""


@dataclass(frozen=True, slots=True)
class Zone:
    """A named polygon, perhaps with holes."""

    name: str
    polygon: Ring
    """At least 3 points; the last one joins the first."""
    holes: tuple[Ring, ...] = ()
    labels: tuple[str, ...] = ()
    """Whom it is for; none: everybody."""
    anchor: Anchor = "bottom"
    """Which point of a box must be inside: where its feet are, or (seen from above) its middle."""
    ignore: bool = False
    """Detections in it do not exist."""
    required: bool = False
    """An object that it is for makes no story before it was in one of its required zones."""
    stay_s: float = 0.0
    """Tell when an object has been inside for so long; 0: never."""


@dataclass(frozen=True, slots=True)
class Line:
    """A named line that objects cross."""

    name: str
    start: Point
    end: Point
    labels: tuple[str, ...] = ()
    anchor: Anchor = "bottom"


@dataclass(slots=True)
class _Stay:
    inside: bool = False
    streak: int = 0
    """Frames in a row that say otherwise."""
    since_s: float = 0.0
    told: bool = False


@dataclass(slots=True)
class _Visitor:
    stays: dict[str, _Stay]
    sides: dict[str, Point] = field(default_factory=dict)
    """Per line the last point that was clearly on one side."""
    admitted: bool = False


class Places:
    """One source's zones and lines, and who is where."""

    def __init__(self, zones: tuple[Zone, ...] = (), lines: tuple[Line, ...] = ()) -> None:
        self._ignored = tuple(zone for zone in zones if zone.ignore)
        self._zones = tuple(zone for zone in zones if not zone.ignore)
        self._lines = lines
        self._required = tuple(zone for zone in self._zones if zone.required)
        self._square = Square()
        self._visitors: dict[int, _Visitor] = {}
        self._alive: set[int] = set()

    def ignores(self, detection: Detection) -> bool:
        """Whether a detection lies in an ignore zone that is for its label."""
        box, label = detection.box, detection.label
        return box is not None and any(
            _for(zone.labels, label) and inside(zone, anchor(box, zone.anchor))
            for zone in self._ignored
        )

    def update(self, frame: Frame, tracks: tuple[Track, ...]) -> dict[int, tuple[Change, ...]]:
        """What each track's latest move means; who was gone before this frame is forgotten.

        A track that is not seen does not move, but may have stayed.
        """
        height, width = frame.image.shape[:2]
        self._square = Square(width / height)
        self._visitors = {n: v for n, v in self._visitors.items() if n in self._alive}
        self._alive = {track.number for track in tracks}
        changes = {}
        for track in tracks:
            visitor = self._visitors.get(track.number)
            if visitor is None:
                visitor = _Visitor({zone.name: _Stay() for zone in self._zones})
                visitor.admitted = not any(_for(z.labels, track.label) for z in self._required)
                self._visitors[track.number] = visitor
            found = [*self._visit(visitor, track, frame), *self._cross(visitor, track)]
            if found:
                changes[track.number] = tuple(found)
        return changes

    def dwell(self, number: int, frame: Frame) -> dict[str, float]:
        """The zones a track is in, each with the seconds it has been there."""
        visitor = self._visitors.get(number)
        stays = visitor.stays.items() if visitor else ()
        return {name: frame.mono_s - stay.since_s for name, stay in stays if stay.inside}

    def admitted(self, number: int) -> bool:
        """Whether a track has been in a required zone, where there are any for its label."""
        visitor = self._visitors.get(number)
        return visitor.admitted if visitor else not self._required

    @property
    def unsettled(self) -> bool:
        """Whether the next frames decide that somebody entered or left."""
        visitors = (self._visitors[n] for n in self._alive)
        return any(stay.streak for visitor in visitors for stay in visitor.stays.values())

    def _visit(self, visitor: _Visitor, track: Track, frame: Frame) -> list[Change]:
        changes = []
        for zone in self._zones:
            if not _for(zone.labels, track.label):
                continue
            stay = visitor.stays[zone.name]
            if track.seen:
                stay.streak = stay.streak + 1 if self._moved(stay, zone, track.box) else 0
            if stay.streak >= SETTLED:
                stay.inside, stay.streak, stay.told = not stay.inside, 0, False
                stay.since_s = frame.mono_s
                visitor.admitted |= zone.required
                changes.append(Change("entered" if stay.inside else "left", zone.name))
            long = stay.inside and frame.mono_s - stay.since_s >= zone.stay_s > 0
            if long and not stay.told:
                stay.told = True
                changes.append(Change("stayed", zone.name))
        return changes

    def _moved(self, stay: _Stay, zone: Zone, box: Box) -> bool:
        """Whether a box speaks against what is known: in at the edge, out only past the margin."""
        point = anchor(box, zone.anchor)
        if inside(zone, point):
            return not stay.inside
        return stay.inside and self._square.from_edges(zone, point) > MARGIN * _height(box)

    def _cross(self, visitor: _Visitor, track: Track) -> list[Change]:
        changes = []
        for line in self._lines:
            if not track.seen or not _for(line.labels, track.label):
                continue
            point = anchor(track.box, line.anchor)
            if self._square.from_line(line, point) < MARGIN * _height(track.box):
                continue
            before = visitor.sides.get(line.name)
            visitor.sides[line.name] = point
            if before is not None and segments_cross(before, point, line.start, line.end):
                right = side(line.start, line.end, point) > 0
                changes.append(Change("crossed", line.name, "forward" if right else "backward"))
        return changes


def anchor(box: Box, kind: Anchor) -> Point:
    """The point of a box that says where the object is."""
    x = (box.x_min + box.x_max) / 2
    return (x, box.y_max) if kind == "bottom" else (x, (box.y_min + box.y_max) / 2)


def inside(zone: Zone, point: Point) -> bool:
    """In the polygon or on its edge, and not within a hole; a hole's edge belongs to the zone."""
    if on_edge(zone.polygon, point):
        return True
    if not within(zone.polygon, point):
        return False
    return not any(within(hole, point) and not on_edge(hole, point) for hole in zone.holes)


def within(ring: Ring, point: Point) -> bool:
    """Even-odd rule: a ray to the right meets the ring an odd number of times.

    Half-open in y, so that a corner counts once (Shimrat 1962; Franklin's pnpoly).
    """
    x, y = point
    odd = False
    for (ax, ay), (bx, by) in zip(ring, ring[1:] + ring[:1], strict=True):
        if (ay > y) != (by > y) and x < ax + (y - ay) / (by - ay) * (bx - ax):
            odd = not odd
    return odd


def on_edge(ring: Ring, point: Point) -> bool:
    """Whether a point lies on one of a ring's edges."""
    return _from_ring(ring, point) <= TOUCH


def side(start: Point, end: Point, point: Point) -> float:
    """Above 0 to the right of someone who walks from start to end (y points down), 0 on the line.

    The z component of the cross product, twice the triangle's area.
    """
    return (end[0] - start[0]) * (point[1] - start[1]) - (end[1] - start[1]) * (point[0] - start[0])


def segments_cross(a: Point, b: Point, c: Point, d: Point) -> bool:
    """Whether the segments ab and cd share a point, where neither a nor b lies on cd's line."""
    apart = _turn(c, d, a) * _turn(c, d, b) < 0
    return apart and _turn(a, b, c) * _turn(a, b, d) <= 0


def _turn(a: Point, b: Point, point: Point) -> int:
    """On which side of the line ab a point lies, -1 or 1; 0 on it. The sign means nothing by
    itself: ab and ba give the same one."""
    a, b = min(a, b), max(a, b)
    area = side(a, b, point)
    return 0 if abs(area) <= TOUCH * math.dist(a, b) else int(math.copysign(1, area))


@dataclass(frozen=True, slots=True)
class Square:
    """The frame with equal units along both axes: its height is 1, its width `aspect`."""

    aspect: float = 1.0
    """Pixels across per pixel down."""

    def from_line(self, line: Line, point: Point) -> float:
        """From a point to the endless line through both ends, in frame heights."""
        start, end = self._at(line.start), self._at(line.end)
        return abs(side(start, end, self._at(point))) / math.dist(start, end)

    def from_edges(self, zone: Zone, point: Point) -> float:
        """From a point to the nearest edge of a zone or of its holes, in frame heights."""
        rings = (tuple(map(self._at, ring)) for ring in (zone.polygon, *zone.holes))
        return min(_from_ring(ring, self._at(point)) for ring in rings)

    def _at(self, point: Point) -> Point:
        return point[0] * self.aspect, point[1]


def _from_ring(ring: Ring, point: Point) -> float:
    """From a point to the nearest of a ring's edges."""
    return min(_near_segment(a, b, point) for a, b in zip(ring, ring[1:] + ring[:1], strict=True))


def _near_segment(a: Point, b: Point, point: Point) -> float:
    """From a point to the nearest point of the segment ab."""
    dx, dy = b[0] - a[0], b[1] - a[1]
    squared = dx * dx + dy * dy
    along = ((point[0] - a[0]) * dx + (point[1] - a[1]) * dy) / squared if squared > 0 else 0.0
    along = min(max(along, 0.0), 1.0)
    return math.hypot(point[0] - a[0] - along * dx, point[1] - a[1] - along * dy)


def _height(box: Box) -> float:
    return box.y_max - box.y_min


def _for(labels: tuple[str, ...], label: str) -> bool:
    return not labels or label in labels
