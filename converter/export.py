"""A callable network -> float and int8 flatbuffers. Runs in the child process only."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from converter.graph import front, last_operator
from converter.keras_files import Network
from converter.negation import without_negation
from edge.errors import FatalError
from edge.runtime.litert import LiteRt

SAME = 1e-3
"""How far the .tflite's scores may lie from Keras', as a share of the largest score: float
kernels of both were measured up to 7e-6 apart, a mistake of the converter is of the order of 1."""

TREMBLE = 1e-6
"""Where a change of a picture by this share changes the scores by more than SAME, float itself is
not exact enough there, and a difference says nothing of the converter."""


@dataclass(frozen=True, slots=True)
class FloatModel:
    """The float32 .tflite with batch 1, frozen variables and folded batch normalisation."""

    flatbuffer: bytes
    kind: Literal["probabilities", "logits"]
    sigmoid: bool
    """Whether the outputs are independent of each other."""
    binary: bool
    """Whether one output was made into two: the first label is `not` the second."""
    normalizes: str
    """The operator in front that turns its input into what the network likes, or empty."""
    expects: str
    """What that is made for: see `normalization.Expected`."""
    last: str
    """The kind of the operator behind the network's own output."""


@dataclass(frozen=True, slots=True)
class Probe:
    """A picture, and what Keras says of it."""

    image: npt.NDArray[np.float32]
    scores: npt.NDArray[np.float32]
    largest: float
    """The largest of the scores, by size."""


def to_float_tflite(network: Network) -> FloatModel:
    """Trace, freeze, convert and compare with Keras on noise.

    Raises FatalError where TFLite has no operator for something in the network.
    """
    frozen = _freeze(network, network.call)
    last = last_operator(frozen)
    if len(frozen.outputs) != 1 or frozen.outputs[0].shape.rank is None:
        raise FatalError(f"{network.path}: its output has no fixed shape")
    binary = frozen.outputs[0].shape.num_elements() == 1
    call = _as_two(network, last) if binary else network.call
    if binary:
        frozen = _freeze(network, call)
    probe, (operator, expects) = _probe(network, call), front(frozen)
    flatbuffer = without_negation(_convert(network, frozen))
    del frozen  # several times the size of the network
    _compare(network.path, probe, flatbuffer)
    probabilities = last in {"Softmax", "Sigmoid"} or (binary and last == "Tanh")
    return FloatModel(
        flatbuffer,
        "probabilities" if probabilities else "logits",
        sigmoid=last == "Sigmoid" and not binary,
        binary=binary,
        normalizes=operator,
        expects=expects,
        last=last,
    )


def _freeze(network: Network, call: Any) -> Any:
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    def scores(image: Any) -> Any:
        return tf.cast(call(image), tf.float32, name="scores")

    signature = tf.TensorSpec(network.shape, tf.float32, name="image")
    function = tf.function(scores, input_signature=[signature], autograph=False)
    # Frozen first: from_concrete_functions leaves a Keras 3 model's variables as variables,
    # and saving it as a SavedModel loses its weights.
    return convert_variables_to_constants_v2(function.get_concrete_function())


def _as_two(network: Network, last: str) -> Any:
    """One score -> two: `1 - p, p` of a sigmoid or of tanh moved to 0..1, `0, x` of a logit."""
    import tensorflow as tf

    def call(image: Any) -> Any:
        score = tf.reshape(network.call(image), (1, 1))
        if last == "Tanh":
            score = (score + 1.0) / 2.0
        other = 1.0 - score if last in {"Sigmoid", "Tanh"} else tf.zeros_like(score)
        return tf.concat([other, score], axis=1)

    return call


def _convert(network: Network, frozen: Any) -> bytes:
    import tensorflow as tf

    converter = tf.lite.TFLiteConverter.from_concrete_functions([frozen])
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    try:
        flatbuffer: bytes = converter.convert()
    except Exception as error:  # noqa: BLE001 - its error types vary between releases
        raise FatalError(f"{network.path}: {_reason(str(error), frozen)}") from None
    return flatbuffer


def _reason(message: str, frozen: Any) -> str:
    """The converter's pages of MLIR -> the operator and the layer it is for."""
    found = re.search(r"'tf\.(\w+)' op is neither", message)
    if found:
        nodes = frozen.graph.as_graph_def().node
        layer = next((node.name for node in nodes if node.op == found[1]), "")
        return f"TFLite has no operator for {found[1]}, which layer {layer!r} needs"
    text = " ".join(message.split())
    for mark in ("error: '", "Some ops are not supported", "Error code:"):
        if mark in text:
            text = text[text.index(mark) :]
            break
    return f"TFLite cannot express it: {text[:250]}"


def _probe(network: Network, call: Any) -> Probe:
    """Noise; or a grey picture, for networks that are beside themselves about noise."""
    noise = np.random.default_rng(0).uniform(-1, 1, network.shape).astype(np.float32)
    for image in (noise, np.full(network.shape, 127.5, np.float32)):
        expected = _answer(call, image)
        largest = max(float(np.abs(expected).max()), 1e-6)
        if not np.isfinite(largest):
            raise FatalError(
                f"{network.path}: gives scores that are not finite: are weights missing?"
            )
        moved = float(np.abs(_answer(call, image * (1 + TREMBLE)) - expected).max())
        if moved <= SAME * largest:
            break
    return Probe(image, expected, largest)


def _compare(path: Path, probe: Probe, flatbuffer: bytes) -> None:
    answer = LiteRt(str(path), flatbuffer, threads=2).infer(probe.image)[0].ravel()
    if not np.isfinite(answer).all():
        raise FatalError(
            f"{path}: gives scores that are not finite in TFLite, but not in Keras: does a "
            "layer normalise what can be all zeros?"
        )
    worst = float(np.abs(answer - probe.scores).max()) / probe.largest
    if not worst <= SAME:
        raise FatalError(
            f"{path}: the float .tflite differs from Keras by {worst:.1%} of the largest "
            "score: TensorFlow's converter mistakes this network"
        )


def _answer(call: Any, image: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    import tensorflow as tf

    return np.asarray(tf.cast(call(tf.constant(image)), tf.float32)).ravel()


def to_int8_tflite(ranged: bytes, io: str, in_float: Iterable[str] = ()) -> bytes:
    """A float flatbuffer whose tensors carry min and max -> int8 inside, weights per channel.

    `io` (int8, uint8 or float32) is the type of its input and output. What makes the tensors
    named in `in_float` stays in float.
    """
    import tensorflow as tf
    from tensorflow.lite.python.convert import mlir_quantize
    from tensorflow.lite.python.util import modify_model_io_type

    # fully_quantize makes int8 ends, whatever types are asked for.
    quantized: bytes = mlir_quantize(
        ranged,
        fully_quantize=io == "int8",
        input_data_type=tf.as_dtype(io),
        output_data_type=tf.as_dtype(io),
        denylisted_nodes=set(in_float),
    )
    if io == "int8":
        return quantized
    kind = tf.as_dtype(io)
    changed: bytes = modify_model_io_type(quantized, kind, kind)
    return changed
