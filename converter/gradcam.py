"""A Keras CNN and pictures -> where each answer comes from, by its gradients.

Grad-CAM (Selvaraju et al. 2017, Visual explanations from deep networks via gradient-based
localization): the last feature maps, each weighted by how much the label's score grows with it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from converter.keras_files import open_model
from converter.loading import Loading
from edge.errors import FatalError

Floats = npt.NDArray[np.float32]

LEAST = 1e-7
"""Added to probabilities before the logarithm: Keras's own epsilon."""


@dataclass(frozen=True, slots=True)
class Answers:
    """What a network's outputs mean."""

    labels: int
    kind: str = "probabilities"
    """Or `logits`."""

    def fit(self, width: int | None) -> bool:
        """Whether an output of this many values is the classifier's; one is the second of two
        labels."""
        return width == self.labels or (width == 1 and self.labels == 2)


def grad_cam(
    network: Any, inputs: Floats, places: npt.NDArray[np.int64], answers: Answers
) -> Floats:
    """(n, height, width) in 0..1 of the input's size: the evidence for label `places[n]`.

    `inputs` are what the network takes, (n, height, width[, channels]). The gradient is that of the
    label's log-probability. Raises FatalError where no layer takes feature maps to features.
    """
    import tensorflow as tf

    with tf.GradientTape() as tape, _watched(network, tape) as seen:
        outputs = tf.nest.flatten(network(tf.constant(inputs), training=False))
        scores = next((one for one in outputs if answers.fit(one.shape[-1])), outputs[0])
        chances = _chances(tf.cast(scores, tf.float32), answers.kind)
        chosen = tf.gather(chances, places[:, None], batch_dims=1)
        if not seen:
            raise FatalError("Grad-CAM needs a layer that pools or flattens feature maps: none")
        chosen = tf.math.log(chosen + LEAST)
    maps = seen[-1]
    slopes = tf.cast(tape.gradient(chosen, maps, unconnected_gradients="zero"), tf.float32)
    weights = tf.reduce_mean(slopes, axis=(1, 2), keepdims=True)
    weighed = weights * tf.cast(maps, tf.float32)
    cams = np.asarray(tf.nn.relu(tf.reduce_sum(weighed, axis=-1)), np.float32)
    height, width = inputs.shape[1:3]
    sized = np.stack([cv2.resize(cam, (width, height)) for cam in cams])
    most = sized.max(axis=(1, 2), keepdims=True)
    return np.asarray(sized / np.where(most > 0, most, 1), np.float32)


def _chances(scores: Any, kind: str) -> Any:
    import tensorflow as tf

    if scores.shape[-1] == 1:
        other = tf.zeros_like(scores) if kind == "logits" else 1 - scores
        scores = tf.concat([other, scores], axis=1)
    return tf.nn.softmax(scores) if kind == "logits" else scores


def of_file(loading: Loading, inputs: Floats, place: int, answers: Answers) -> Floats:
    """(height, width) for one picture (1, height, width, channels) and the model in a file.

    Raises FatalError where it cannot be opened, or is no model of such pictures and labels.
    """
    network = open_model(loading)
    taken = tuple(getattr(network, "input_shape", None) or inputs.shape)[1:]
    given = inputs.shape[1:] if len(taken) != 2 else inputs.shape[1:3]
    widths = [tensor.shape[-1] for tensor in getattr(network, "outputs", None) or ()]
    if not _alike(taken, given) or (widths and not any(map(answers.fit, widths))):
        raise FatalError(
            f"--keras {loading.path}: takes {taken} and has {_listed(widths)} outputs; the model "
            f"has {given} and {answers.labels} labels: it was made of another"
        )
    evidence = grad_cam(network, inputs.reshape(1, *given), np.array([place]), answers)
    return np.asarray(evidence[0], np.float32)


def _alike(taken: tuple[Any, ...], given: tuple[int, ...]) -> bool:
    """Whether a picture has the size that a network takes, None where it takes any."""
    pairs = zip(taken, given, strict=False)
    return len(taken) == len(given) and all(one in (None, other) for one, other in pairs)


def _listed(widths: list[Any]) -> str:
    return " and ".join(map(str, widths)) or "unknown"


@contextmanager
def _watched(network: Any, tape: Any) -> Iterator[list[Any]]:
    """While the network runs, the feature maps that a layer takes to something else, in order.

    The layers themselves are watched, because a layer inside a nested model has no tensor in the
    graph of the model around it, and a model without a graph has none at all.
    """
    seen: list[Any] = []
    layers = list(dict.fromkeys(_leaves(network)))
    for layer in layers:
        layer.call = _watching(layer.call, seen, tape)
    try:
        yield seen
    finally:
        for layer in layers:
            del layer.call


def _watching(call: Any, seen: list[Any], tape: Any) -> Any:
    def watching(*given: Any, **named: Any) -> Any:
        maps = given[0] if given else None
        if _is_map(maps):
            tape.watch(maps)
        answer = call(*given, **named)
        if _is_map(maps) and not _is_map(answer):
            seen.append(maps)
        return answer

    return watching


def _leaves(network: Any) -> Iterator[Any]:
    """Layers and operations that are no models."""
    for one in getattr(network, "operations", None) or network.layers:
        if hasattr(one, "layers"):
            yield from _leaves(one)
        else:
            yield one


def _is_map(tensor: Any) -> bool:
    """Whether it is (n, rows, columns, channels) with more than one place."""
    shape = tuple(getattr(tensor, "shape", None) or ())
    return len(shape) == 4 and shape[1:3] != (1, 1)
