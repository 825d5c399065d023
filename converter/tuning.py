"""A float network, its int8 file and pictures -> the int8 file trained to answer like float.

Quantisation-aware fine-tuning by distillation (Hinton et al. 2015): the float network's answers
are the truth, so that pictures need no labels. Child process only.
"""

import time
from collections.abc import Sequence
from typing import Any, Literal

import cv2
import numpy as np
import numpy.typing as npt

from converter.data import Pixels
from converter.measure import Feed
from converter.replica import Replica
from edge.errors import FatalError
from edge.model import InputContract
from edge.runtime.litert import LiteRt

STEPS = 300
BUDGET_S = 600.0
"""Large networks are trained for fewer steps."""
BATCH = 16
RATE = 3e-3
"""Of Adam, in steps of the weights, fading to 0: in 300 steps a weight moves by half a step at the
most, enough to tip over to its next whole one."""
SMALLEST = 1e-7
ALIKE = 1e-3
"""How far the replica's answers may lie from the interpreter's, as a share of the largest."""

Reals = npt.NDArray[np.float32]
Kind = Literal["probabilities", "logits"]


def tuned(network: bytes, int8: bytes, feeds: Sequence[Feed], kind: Kind) -> bytes:
    """The int8 flatbuffer with its weights trained on the pictures; its biases are to be corrected.

    Each batch takes as many pictures from each feed. Raises FatalError where the network holds an
    operator that cannot be trained here.
    """
    replica = Replica(network, int8)
    _compare(replica, network, feeds[0])
    train(replica, feeds, kind)
    return _written(replica, int8)


def _compare(replica: Replica, network: bytes, feed: Feed) -> None:
    lite = LiteRt("float model", network, threads=2)
    wanted = lite.infer(next(iter(feed.tensors(lite))))[0].ravel()
    found = np.asarray(replica.float(normalized(feed.pixels[:1], feed.contract))[0]).ravel()
    if found.shape != wanted.shape or np.abs(found - wanted).max() > ALIKE * np.abs(wanted).max():
        raise FatalError("its replica for training computes something else")


def train(replica: Replica, feeds: Sequence[Feed], kind: Kind, rate: float = RATE) -> None:
    """Move the replica's weights to where its int8 answers are closest to its float ones."""
    import keras
    import tensorflow as tf

    optimizer = keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(rate, STEPS))
    optimizer.build(replica.weights)

    @tf.function(autograph=False)  # type: ignore[untyped-decorator]
    def step(images: Any) -> None:
        outputs, centers = replica.float(images)
        wanted = _distribution(outputs, kind)
        with tf.GradientTape() as tape:
            loss = divergence(wanted, _distribution(replica.int8(images, centers), kind))
        slopes = tape.gradient(loss, replica.weights)
        optimizer.apply_gradients(zip(slopes, replica.weights, strict=True))

    random = np.random.default_rng(0)
    started = time.monotonic()
    for _ in range(STEPS):
        drawn = augmented(_batch(feeds, random), random)
        step(tf.constant(normalized(drawn, feeds[0].contract)))
        if time.monotonic() - started > BUDGET_S:
            return


def _batch(feeds: Sequence[Feed], random: np.random.Generator) -> Pixels:
    """Pictures by chance, BATCH in all."""
    share = BATCH // len(feeds)
    drawn = [random.integers(0, len(feed.pixels), share) for feed in feeds]
    return np.concatenate([feed.pixels[rows] for feed, rows in zip(feeds, drawn, strict=True)])


def divergence(wanted: Any, given: Any) -> Any:
    """Mean Kullback-Leibler divergence of (n, labels) probabilities, nats."""
    import tensorflow as tf

    return tf.reduce_mean(tf.reduce_sum(wanted * tf.math.log(wanted / given), axis=1))


def _distribution(outputs: Any, kind: Kind) -> Any:
    """Outputs -> probabilities above zero that add up to 1."""
    import tensorflow as tf

    if kind == "logits":
        outputs = tf.nn.softmax(outputs)
    above = tf.maximum(outputs, SMALLEST)
    return above / tf.reduce_sum(above, axis=1, keepdims=True)


def augmented(pixels: Pixels, random: np.random.Generator) -> Pixels:
    """Mirrored, cut to between 70 and 100 % of each side, brighter or darker, by chance."""
    made = np.empty_like(pixels)
    height, width, channels = pixels.shape[1:]
    for row, picture in enumerate(pixels):
        share = random.uniform(0.7, 1.0)
        rows, columns = max(1, int(height * share)), max(1, int(width * share))
        top, left = random.integers(0, height - rows + 1), random.integers(0, width - columns + 1)
        part = picture[top : top + rows, left : left + columns]
        part = part[:, ::-1] if random.random() < 0.5 else part
        whole = cv2.resize(np.ascontiguousarray(part), (width, height)).astype(np.float32)
        bright = (whole - 128) * random.uniform(0.8, 1.2) + 128 + random.uniform(-20, 20)
        made[row] = np.clip(bright, 0, 255).reshape(height, width, channels).round()
    return made


def normalized(pixels: Pixels, contract: InputContract) -> Reals:
    """`(pixel - mean) / std`, as the float network takes them."""
    mean, std = np.array(contract.mean, np.float32), np.array(contract.std, np.float32)
    return np.asarray((pixels.astype(np.float32) - mean) / std, np.float32)


def _written(replica: Replica, int8: bytes) -> bytes:
    """The int8 file with what was learned in it."""
    from ai_edge_litert import schema_py_generated as schema

    current = bytearray(int8)
    root = schema.Model.GetRootAs(current)
    for layer, weights in replica.learned():
        root.Buffers(layer.weight_buffer).DataAsNumpy().view(np.int8)[:] = weights.ravel()
    return bytes(current)
