"""Frames -> whether the camera can see: ok, or what is wrong. Pure: time comes in with the frame.

A small grey picture, averaged over seconds so that noise and passers-by matter little, is held
against what this camera usually shows, tile by tile: where its edges are, how sharp they are, how
much contrast there is. The median tile decides, so that what fills less than half of the picture
changes nothing.
"""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from edge.types import Frame, Image, ViewState

COLUMNS, TILE = 160, 20
"""Width of the small picture and side of a tile in it, pixels."""
LOOK_S, JUDGE_S = 0.25, 1.0
"""How often a frame is looked at, and how often the average of what was seen is judged."""
AVERAGE_S = 8.0
"""How far back the average reaches: who drives or walks through is hardly in it."""
LEARN_S = 45.0
"""How long a view must stay the same before it is what this camera usually shows."""
FOLLOW_S = 1800.0
"""How fast that follows the light and the seasons."""
SETTLE_S = 3600.0
"""A camera that was moved and stays so has a new usual view after so long."""
AGREEING = 3
"""Judgements in a row that change the state, at least."""

SHADE, GLARE = 32, 245
"""Grey levels: dark is a picture with less than 5 % above the one, bright with 60 % above the
other."""
GLOOM = 48
"""Mean grey level under which a picture that is not recognised is dark, and nothing else."""
FLAT = 0.02
"""Contrast of a tile in which there is nothing to see."""
TEXTURED, STEADY, ENOUGH = 2.0, 0.6, 6
"""Texture of a tile that can be recognised, how much it must usually be like itself (where cars
pass it is not), and how many such tiles a comparison needs."""
STEADY_S = 300.0
"""How far back that "usually" reaches."""
COLORED = 0.5
"""Mean difference of a pixel's channels: less is a grey picture, as by infrared light at night;
asphalt has 1.1."""

Grey = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class ViewRule:
    """How long something must be wrong before it is said."""

    confirm_s: float = 10.0
    frozen_s: float = 20.0
    """A sensor has noise: frames that are the same to the last bit for so long are no camera's."""
    ignore: frozenset[ViewState] = frozenset()
    """What is never said: a camera that is steered is not moved."""


@dataclass(slots=True)
class Look:
    """What an averaged picture looks like, or what pictures usually look like."""

    edges: Grey
    """By pixel: steps of the coarse picture, grey levels."""
    sharpness: Grey
    """By tile: fine detail as a share of coarse detail, which the light does not change."""
    contrast: Grey
    """By tile: standard deviation over brightness."""
    gloomy: bool
    """So dark that what is seen may be the noise of an amplified sensor."""
    steady: Grey
    """By tile: how like it pictures are, -1 to 1."""
    age_s: float = 0.0
    """How long it was learned."""
    seen_s: float = 0.0
    """How long `steady` was measured."""

    def notice(self, alike: Grey, passed_s: float) -> None:
        """One more picture was so like it, tile by tile."""
        self.seen_s += passed_s
        self.steady += min(1.0, passed_s / min(self.seen_s, STEADY_S)) * (alike - self.steady)

    def learn(self, other: "Look", passed_s: float) -> None:
        """Become more like it."""
        self.age_s += passed_s
        share = min(1.0, passed_s / min(self.age_s, FOLLOW_S))
        self.edges += share * (other.edges - self.edges)
        self.sharpness += share * (other.sharpness - self.sharpness)
        self.contrast += share * (other.contrast - self.contrast)


class View:
    """One camera's view; it outlasts reconnections. `take` once per frame."""

    def __init__(self, rule: ViewRule) -> None:
        self._rule = rule
        self.state: ViewState = "ok"
        self._looked_s = self._judged_s = float("-inf")
        self._last: Image | None = None
        self._same_s = 0.0
        """Since when frames are the same as `_last`."""
        self._repeats = 0
        self._average: Grey | None = None
        self._gathered_s = 0.0
        """How much is in the average."""
        self._usual: dict[bool, Look] = {}
        """By whether the picture has colours: cameras with infrared light have two faces."""
        self._strange_s = 0.0
        """How long the view that is being learned has looked otherwise."""
        self._held_s = 0.0
        """When a judgement last said what the state is."""
        self._against = 0
        """Judgements since then."""
        self._state_s = 0.0

    def take(self, frame: Frame) -> ViewState:
        """One more frame -> the state it leaves the view in."""
        passed_s = frame.mono_s - self._looked_s
        if passed_s < LOOK_S:
            return self.state
        self._looked_s = frame.mono_s
        picture = _small(frame.image)
        self._compare_with_last(picture, frame.mono_s)
        grey = np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), np.float32)
        self._gather(grey, passed_s)
        if frame.mono_s - self._judged_s >= JUDGE_S:
            since_s = min(frame.mono_s - self._judged_s, AVERAGE_S)
            self._judged_s = frame.mono_s
            verdict = self._judge(grey, _colored(picture), since_s)
            self._settle("ok" if verdict in self._rule.ignore else verdict, frame.mono_s)
        return self.state

    def _gather(self, grey: Grey, passed_s: float) -> None:
        """Keep the average of the last seconds; it begins anew after a gap."""
        if self._average is None or self._average.shape != grey.shape:
            self._average, self._usual, self._gathered_s = grey.copy(), {}, 0.0
        elif passed_s > AVERAGE_S:
            self._average, self._gathered_s = grey.copy(), 0.0
        self._gathered_s = min(self._gathered_s + min(passed_s, JUDGE_S), AVERAGE_S)
        self._average += min(1.0, passed_s / self._gathered_s) * (grey - self._average)

    def _compare_with_last(self, picture: Image, mono_s: float) -> None:
        same = self._last is not None and np.array_equal(picture, self._last)
        self._repeats = self._repeats + 1 if same else 0
        if not same:
            self._last, self._same_s = picture, mono_s

    def _judge(self, grey: Grey, colored: bool, since_s: float) -> ViewState:
        """What this moment says; the usual view learns from it where nothing is wrong."""
        kept = 1.25  # what is wrong must become clearly better
        if (grey > SHADE * (kept if self.state == "dark" else 1)).mean() < 0.05:
            return "dark"
        if (grey >= GLARE).mean() > 0.6 / (kept if self.state == "bright" else 1):
            return "bright"
        if self._repeats >= AGREEING and self._looked_s - self._same_s >= self._rule.frozen_s:
            return "frozen"
        assert self._average is not None
        now = _look(self._average)
        usual = self._usual.get(colored)
        if usual is None or usual.age_s < LEARN_S:
            return self._begin(now, colored, since_s)
        verdict = _compare(now, usual, self.state)
        if self.state == "ok":
            usual.notice(_likeness(now, usual), since_s)
            if verdict == "ok":
                usual.learn(now, since_s)
        return verdict

    def _begin(self, now: Look, colored: bool, since_s: float) -> ViewState:
        """Learn a usual view; where there is little to see, that is none."""
        usual, other = self._usual.get(colored), self._usual.get(not colored)
        if other is not None and other.age_s >= LEARN_S:
            blind = _compare(now, other, self.state)
            if blind in ("covered", "dark"):
                return blind
        elif (now.contrast < FLAT).mean() > 0.95:
            return "covered"
        verdict = "moved" if usual is None else _compare(now, usual, "ok")
        same = verdict == "ok"
        self._strange_s = 0.0 if same else self._strange_s + since_s
        if usual is None or self._strange_s >= self._rule.confirm_s:
            self._usual[colored], self._strange_s = now, 0.0
            return "ok"
        usual.notice(_likeness(now, usual), since_s)
        if same:
            usual.learn(now, since_s)
        return "dark" if verdict == "dark" else "ok"

    def _settle(self, verdict: ViewState, mono_s: float) -> None:
        """The state follows when judgements were against it for long enough."""
        if verdict == self.state:
            self._held_s, self._against = mono_s, 0
            if verdict == "moved" and mono_s - self._state_s >= SETTLE_S:
                self._usual = {}
            return
        self._against += 1
        if self._against >= AGREEING and mono_s - self._held_s >= self._rule.confirm_s:
            self.state, self._state_s = verdict, mono_s
            self._held_s, self._against = mono_s, 0


def _compare(now: Look, usual: Look, state: ViewState) -> ViewState:
    """A picture against the usual one; what is already said needs less to go on."""
    known = (_spread(usual.edges) > TEXTURED) & (usual.contrast > FLAT) & (usual.steady > STEADY)
    if np.count_nonzero(known) < ENOUGH:
        return "dark" if now.gloomy else "ok"
    contrast = np.median(now.contrast[known] / usual.contrast[known])
    if contrast < (0.35 if state == "covered" else 0.25):
        return "dark" if now.gloomy else "covered"
    if np.median(_likeness(now, usual)[known]) < (0.45 if state == "moved" else 0.35):
        return "dark" if now.gloomy else "moved"
    sharpness = np.median(now.sharpness[known] / usual.sharpness[known])
    return "blurred" if sharpness < (0.7 if state == "blurred" else 0.6) else "ok"


def _look(grey: Grey) -> Look:
    coarse = cv2.GaussianBlur(grey, (0, 0), 1.5)
    across, down = cv2.Sobel(coarse, cv2.CV_32F, 1, 0), cv2.Sobel(coarse, cv2.CV_32F, 0, 1)
    edges = np.asarray(cv2.magnitude(across, down), np.float32)
    fine = np.asarray(cv2.absdiff(grey, cv2.GaussianBlur(grey, (5, 5), 1.0)), np.float32)
    sharpness, contrast = _tiles(fine) / (_tiles(edges) + 1), _spread(grey) / (_tiles(grey) + 16)
    return Look(edges, sharpness, contrast, bool(grey.mean() < GLOOM), np.ones_like(contrast))


def _likeness(now: Look, usual: Look) -> Grey:
    """By tile: the correlation of the edges, -1 to 1."""
    together = _tiles(now.edges * usual.edges) - _tiles(now.edges) * _tiles(usual.edges)
    apart = np.maximum(_spread(now.edges) * _spread(usual.edges), 1e-3)
    return np.asarray(together / apart, np.float32)


def _spread(values: Grey) -> Grey:
    """By tile: the standard deviation."""
    variance = _tiles(values * values) - _tiles(values) ** 2
    return np.asarray(np.sqrt(np.maximum(variance, 0)), np.float32)


def _tiles(values: Grey) -> Grey:
    """By tile: the mean."""
    size = (max(1, round(values.shape[1] / TILE)), max(1, round(values.shape[0] / TILE)))
    return np.asarray(cv2.resize(values, size, interpolation=cv2.INTER_AREA), np.float32)


def _small(image: Image) -> Image:
    height, width = image.shape[:2]
    columns = min(COLUMNS, width)
    size = (columns, max(1, round(height * columns / width)))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_LINEAR), np.uint8)


def _colored(picture: Image) -> bool:
    blue, green, red = (picture[:, :, n] for n in range(3))
    return bool((cv2.absdiff(blue, green).mean() + cv2.absdiff(green, red).mean()) / 2 > COLORED)
