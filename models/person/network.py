"""Weight files -> the student and its teacher, Keras models on (n, 96, 96, 3) RGB in -1..1."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras

SIZE = 96
"""Side of the network's square input, pixels."""
LABELS = ("no_person", "person")
HINTS = {"conv_pw_11_relu": "activation_22", "conv_pw_13_relu": "activation_26"}
"""Student's layer -> teacher's layer of the same shape, (6, 6, 128) and (3, 3, 256)."""
FROZEN_TO = "conv_pw_3_relu"
"""The layers up to here keep their ImageNet weights: they cost most of a training step."""


class _OldDepthwise(keras.layers.DepthwiseConv2D):  # type: ignore[misc]
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        # Keras 2 wrote a key that Keras 3 refuses.
        kwargs.pop("groups", None)
        super().__init__(*args, **kwargs)


def load_old(path: Path) -> keras.Model:
    """A Keras 2 .h5 file -> the model, for reading only."""
    if not path.is_file():
        raise FileNotFoundError(path)
    objects = {"DepthwiseConv2D": _OldDepthwise}
    return keras.models.load_model(path, custom_objects=objects, compile=False)


def student(imagenet: keras.Model) -> keras.Model:
    """MobileNetV1 0.25 with ImageNet weights and a new head: (n, 96, 96, 3) -> (n, 2)."""
    body = keras.applications.MobileNet(
        (SIZE, SIZE, 3), alpha=0.25, include_top=False, weights=None, pooling="avg"
    )
    for layer in body.layers:
        if layer.weights:
            layer.set_weights(imagenet.get_layer(layer.name).get_weights())
    for layer in body.layers:
        layer.trainable = False
        if layer.name == FROZEN_TO:
            break
    scores = keras.layers.Dense(len(LABELS), activation="softmax", name="scores")
    return keras.Model(body.input, scores(body.output), name="person")


def with_hints(model: keras.Model) -> keras.Model:
    """The student's scores and, for training only, linear maps of two of its feature maps."""
    outputs = [model.output]
    for ours, theirs in HINTS.items():
        features = model.get_layer(ours).output
        outputs.append(keras.layers.Conv2D(features.shape[-1], 1, name=theirs)(features))
    return keras.Model(model.input, outputs)


def teacher(vww: keras.Model) -> keras.Model:
    """MLPerf Tiny's network behind our input range: -1..1 -> [scores, two feature maps]."""
    hints = [vww.get_layer(name).output for name in HINTS.values()]
    inner = keras.Model(vww.inputs, [vww.outputs[0], *hints])
    inputs = keras.Input((SIZE, SIZE, 3))
    outputs = inner(keras.layers.Rescaling(0.5, offset=0.5)(inputs), training=False)
    return keras.Model(inputs, outputs)
