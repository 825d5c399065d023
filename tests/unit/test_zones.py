"""Places: polygons, holes, edges, lines, and who is where for how long."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.types import Box, Change, Detection, Frame, Image, Track
from edge.zones import Line, Places, Point, Ring, Zone, inside, on_edge, segments_cross, side

SQUARE: Ring = ((0.2, 0.2), (0.8, 0.2), (0.8, 0.8), (0.2, 0.8))
HOLE: Ring = ((0.4, 0.4), (0.6, 0.4), (0.6, 0.6), (0.4, 0.6))
PIXELS = np.zeros((1, 1, 3), np.uint8)


def zone(polygon: Ring = SQUARE, *holes: Ring) -> Zone:
    return Zone("yard", polygon, holes)


def feet(x: float, y: float, number: int = 1, label: str = "person", seen: bool = True) -> Track:
    return Track(number, label, 0.9, Box(x - 0.05, y - 0.2, x + 0.05, y), seen)


def walk(places: Places, *points: tuple[float, float]) -> list[Change]:
    told: list[Change] = []
    for second, (x, y) in enumerate(points):
        told += places.update(frame(second), (feet(x, y),)).get(1, ())
    return told


def frame(at_s: float, pixels: Image = PIXELS) -> Frame:
    return Frame(pixels, mono_s=at_s, unix_s=at_s, arrived_s=at_s)


@pytest.mark.parametrize(
    ("point", "there"),
    [
        ((0.3, 0.3), True), ((0.1, 0.3), False), ((0.5, 0.5), False), ((0.2, 0.5), True),
        ((0.2, 0.2), True), ((0.8, 0.8), True), ((0.4, 0.5), True), ((0.6, 0.6), True),
        ((0.9, 0.2), False), ((0.1, 0.8), False),
    ],
)  # fmt: skip
def test_edges_belong_to_a_zone_and_holes_do_not(point: Point, there: bool) -> None:
    assert inside(zone(SQUARE, HOLE), point) is there


def test_a_hole_that_touches_the_outer_edge_leaves_the_edge_inside() -> None:
    notch: Ring = ((0.2, 0.4), (0.5, 0.4), (0.5, 0.6), (0.2, 0.6))
    assert inside(zone(SQUARE, notch), (0.2, 0.5))
    assert not inside(zone(SQUARE, notch), (0.3, 0.5))


def test_zones_that_share_an_edge_both_have_it() -> None:
    left: Ring = ((0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0))
    right: Ring = ((0.5, 0.0), (1.0, 0.0), (1.0, 1.0), (0.5, 1.0))
    assert inside(zone(left), (0.5, 0.3)) and inside(zone(right), (0.5, 0.3))


COORDINATE = st.integers(0, 20).map(lambda n: n / 20)
POINT = st.tuples(COORDINATE, COORDINATE)
RINGS = st.lists(POINT, min_size=3, max_size=8).map(tuple)


@given(RINGS, POINT)
def test_a_point_is_inside_wherever_the_ring_begins_and_whichever_way_it_runs(
    ring: Ring, point: Point
) -> None:
    there = inside(zone(ring), point)
    assert inside(zone(ring[1:] + ring[:1]), point) is there
    assert inside(zone(ring[::-1]), point) is there


@given(RINGS, st.tuples(st.floats(0, 1), st.floats(0, 1)))
def test_inside_is_what_the_winding_angle_says(ring: Ring, point: Point) -> None:
    """Crossings against angles: an odd winding number is inside, away from the edges."""
    if on_edge(ring, point) or min(distance(ring, point), default=1.0) < 1e-6:
        return
    corners = np.array(ring) - np.array(point)
    angles = np.arctan2(corners[:, 1], corners[:, 0])
    turns = np.diff(np.concatenate([angles, angles[:1]]))
    turns = (turns + np.pi) % (2 * np.pi) - np.pi
    winding = round(float(turns.sum()) / (2 * np.pi))
    assert inside(zone(ring), point) is bool(winding % 2)


def distance(ring: Ring, point: Point) -> list[float]:
    found = []
    for a, b in zip(ring, ring[1:] + ring[:1], strict=True):
        length = float(np.hypot(b[0] - a[0], b[1] - a[1]))
        if length:
            found.append(abs(side(a, b, point)) / length)
    return found


@given(POINT, POINT, POINT, POINT)
def test_segments_cross_the_same_both_ways(a: Point, b: Point, c: Point, d: Point) -> None:
    assert segments_cross(a, b, c, d) == segments_cross(b, a, c, d) == segments_cross(a, b, d, c)


def test_a_corner_on_a_line_is_met_from_both_sides() -> None:
    """(0.1, 0.05) lies on the way from (0.05, 0) to (0.55, 0.5), but not in floating point."""
    a, b, c, d = (0.05, 0.0), (0.55, 0.5), (0.0, 0.0), (0.1, 0.05)
    assert segments_cross(a, b, c, d) and segments_cross(b, a, d, c)
    assert segments_cross(*(tuple(1 - v for v in p) for p in (a, b, c, d)))  # type: ignore[arg-type]


@given(POINT, POINT, POINT, POINT, st.sampled_from(["mirror", "turn", "wide", "small"]))
def test_a_mirrored_turned_or_scaled_picture_has_the_same_crossings(
    a: Point, b: Point, c: Point, d: Point, how: str
) -> None:
    def changed(point: Point) -> Point:
        x, y = point
        ways = {"mirror": (1 - x, y), "turn": (y, 1 - x), "wide": (x * 16 / 9, y)}
        return ways.get(how, (x / 3, y / 3))

    assert segments_cross(a, b, c, d) == segments_cross(*map(changed, (a, b, c, d)))


@given(RINGS, POINT, st.sampled_from([1.0, 16 / 9, 0.5]))
def test_a_zone_may_be_mirrored_turned_and_stretched(
    ring: Ring, point: Point, aspect: float
) -> None:
    there = inside(zone(ring), point)
    changes: tuple[Callable[[Point], Point], ...] = (
        lambda p: (1 - p[0], p[1]),
        lambda p: (p[1], p[0]),
        lambda p: (p[0] * aspect, p[1]),
    )
    for change in changes:
        assert inside(zone(tuple(change(p) for p in ring)), change(point)) is there


@pytest.mark.parametrize(("width", "height"), [(1920, 1080), (1080, 1920), (640, 640)])
def test_a_margin_is_as_many_pixels_across_as_it_is_down(width: int, height: int) -> None:
    """A box of 500 pixels: past a line, or out of a zone, 50 pixels after its edge."""
    pixels = np.zeros((height, width, 3), np.uint8)
    crossed: dict[str, float] = {}
    for axis, line, half in (
        ("x", Line("l", (0.5, 0.0), (0.5, 1.0)), ((0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0))),
        ("y", Line("l", (0.0, 0.5), (1.0, 0.5)), ((0.0, 0.0), (1.0, 0.0), (1.0, 0.5), (0.0, 0.5))),
    ):
        places = Places((Zone("half", half, anchor="center"),), (line_at_center(line),))
        for step in range(-100, 100):
            x = width / 2 + (step if axis == "x" else 0)
            y = height / 2 + (step if axis == "y" else 0)
            box = Box((x - 50) / width, (y - 250) / height, (x + 50) / width, (y + 250) / height)
            track = Track(1, "person", 0.9, box, seen=True)
            for change in places.update(frame(step, pixels), (track,)).get(1, ()):
                crossed[f"{change.what} {axis}"] = step
    for axis in "xy":
        assert crossed[f"crossed {axis}"] == pytest.approx(50, abs=1)
        assert crossed[f"left {axis}"] == pytest.approx(52, abs=1), "one frame more"


def line_at_center(line: Line) -> Line:
    return Line(line.name, line.start, line.end, anchor="center")


def test_who_trembles_at_a_zones_edge_enters_once_and_stays() -> None:
    places = Places((Zone("yard", SQUARE, stay_s=10),))
    trembling = np.random.default_rng(1).normal(0.803, 0.008, 600)
    told: list[Change] = []
    for number, y in enumerate(trembling):
        told += places.update(frame(number / 10), (feet(0.5, float(y)),)).get(1, ())
    assert [change.what for change in told] == ["entered", "stayed"]


def test_leaving_into_a_hole_takes_the_margin_too() -> None:
    places = Places((zone(SQUARE, HOLE),))
    assert walk(places, (0.3, 0.5), (0.3, 0.5), *[(0.41, 0.5)] * 3) == [Change("entered", "yard")]
    assert walk(places, *[(0.5, 0.5)] * 2) == [Change("left", "yard")]


def test_a_required_zone_is_required_of_its_own_labels() -> None:
    gate = Zone("gate", SQUARE, labels=("person",), required=True)
    places = Places((gate, Zone("road", SQUARE, labels=("truck",), required=True)))
    for second in range(3):
        places.update(frame(second), (feet(0.1, 0.1), feet(0.1, 0.1, 2, "car")))
    assert not places.admitted(1), "a person has to come through the gate"
    assert places.admitted(2), "nothing is required of a car"


def test_entered_stayed_left_with_the_dwell() -> None:
    places = Places((Zone("yard", SQUARE, stay_s=3),))
    told = walk(places, (0.1, 0.5), (0.3, 0.5), (0.4, 0.5), (0.5, 0.5))
    assert told == [Change("entered", "yard")]
    assert places.dwell(1, frame(4)) == {"yard": 2}
    told = []
    for second, x in ((5, 0.5), (6, 0.9), (7, 0.95), (8, 0.96)):
        told += places.update(frame(second), (feet(x, 0.5),)).get(1, ())
    assert told == [Change("stayed", "yard"), Change("left", "yard")]
    assert places.dwell(1, frame(9)) == {}


def test_one_frame_over_the_edge_is_neither_in_nor_out() -> None:
    there, over = (0.5, 0.5), (0.9, 0.5)
    assert walk(Places((zone(),)), over, there, over, over) == []
    assert walk(Places((zone(),)), there, there, over, there, there) == [Change("entered", "yard")]


def test_crossing_a_line_has_a_direction_and_jitter_is_none() -> None:
    gate = Line("gate", (0.5, 1.0), (0.5, 0.0))
    ways = (0.3, 0.45, 0.505, 0.495, 0.6, 0.7, 0.55, 0.4)
    told = walk(Places(lines=(gate,)), *((x, 0.5) for x in ways))
    assert told == [Change("crossed", "gate", "forward"), Change("crossed", "gate", "backward")]


def test_around_the_end_of_a_line_is_not_across() -> None:
    short = Line("gate", (0.5, 0.6), (0.5, 0.4))
    assert walk(Places(lines=(short,)), (0.4, 0.9), (0.6, 0.9), (0.7, 0.9)) == []


def test_zones_and_lines_are_for_their_labels() -> None:
    cars = Zone("road", SQUARE, labels=("car",))
    assert walk(Places((cars,)), (0.5, 0.5), (0.5, 0.5)) == []


def test_the_middle_counts_for_a_camera_that_looks_down() -> None:
    above = Zone("pen", ((0.0, 0.0), (1.0, 0.0), (1.0, 0.5), (0.0, 0.5)), anchor="center")
    assert walk(Places((above,)), (0.5, 0.55), (0.5, 0.55)) == [Change("entered", "pen")]


def test_a_required_zone_admits_who_has_been_there() -> None:
    places = Places((Zone("yard", SQUARE, required=True),))
    walk(places, (0.1, 0.5), (0.1, 0.5))
    assert not places.admitted(1)
    walk(places, (0.5, 0.5), (0.5, 0.5), (0.1, 0.5), (0.1, 0.5))
    assert places.admitted(1)
    assert Places().admitted(7)


def test_detections_in_an_ignore_zone_do_not_exist() -> None:
    places = Places((Zone("street", SQUARE, labels=("car",), ignore=True),))
    box = Box(0.4, 0.3, 0.6, 0.5)
    assert places.ignores(Detection("car", 0.9, box))
    assert not places.ignores(Detection("person", 0.9, box))
    assert not places.ignores(Detection("car", 0.9, Box(0.4, 0.3, 0.6, 0.9)))


def test_who_is_not_seen_does_not_move() -> None:
    places = Places((zone(),))
    for second in range(5):
        assert places.update(frame(second), (feet(0.5, 0.5, seen=False),)) == {}
