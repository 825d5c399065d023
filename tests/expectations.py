"""Networks with odd ends -> what the converter makes of each: `python -m tests.expectations`.

Runs in a process of its own, so that TensorFlow stays out of the tests' process.
"""

import json
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from converter.data import to_pixels
from edge.model import InputContract

SIZE = 8


def _networks(keras: Any) -> dict[str, tuple[Any, Any]]:
    layers = keras.layers
    image = layers.Input((SIZE, SIZE, 3))
    adapted = {name: layers.Normalization() for name in ("pixels", "unit")}
    noise = np.random.default_rng(0).integers(0, 256, (50, SIZE, SIZE, 3)).astype(np.float32)
    adapted["pixels"].adapt(noise)
    adapted["unit"].adapt(noise / 255)
    imagenet = layers.Normalization(mean=[0.485, 0.456, 0.406], variance=[0.052, 0.05, 0.051])
    fronts = {
        "rescaling from pixels": layers.Rescaling(1 / 127.5, offset=-1)(image),
        "rescaling from 0..1": layers.Rescaling(2.0, offset=-1)(image),
        "rescaling to pixels": layers.Rescaling(255.0)(image),
        "rescaling from -1..1": layers.Rescaling(127.5, offset=127.5)(image),
        "there and back": layers.Rescaling(1 / 255)(layers.Rescaling(255.0)(image)),
        "resized first": layers.Rescaling(1 / 255)(layers.Resizing(6, 6)(image)),
        "adapted to pixels": adapted["pixels"](image),
        "adapted to 0..1": adapted["unit"](image),
        "ImageNet's": imagenet(image),
        "caffe's": keras.applications.resnet50.preprocess_input(image),
        "no front": image,
    }
    pool = layers.GlobalAveragePooling2D()
    made = {
        name: (image, layers.Dense(2, activation="softmax")(pool(layers.Conv2D(4, 3)(front))))
        for name, front in fronts.items()
    }
    for last in ("softmax", "tanh", "hard_sigmoid", "linear"):
        made[f"one unit, {last}"] = (image, layers.Dense(1, activation=last)(pool(image)))
    raised = keras.ops.exp(layers.Dense(2)(pool(image)))
    made["softmax by hand"] = (image, raised / keras.ops.sum(raised, axis=-1, keepdims=True))
    keras.config.set_floatx("float64")
    double = layers.Input((SIZE, SIZE, 3))
    made["float64"] = (double, layers.Dense(2, activation="softmax")(layers.Flatten()(double)))
    keras.config.set_floatx("float32")
    return made


def _resizing(keras: Any) -> dict[str, float]:
    """By how much the device's pixels differ from Keras', at most, for each way of resizing."""
    small = np.random.default_rng(2).integers(0, 256, (6, 5, 3), np.uint8)
    image = np.asarray(cv2.resize(small, (96, 64)), np.uint8)
    ways: dict[str, tuple[dict[str, Any], dict[str, bool]]] = {
        "stretch": ({"resize": "stretch"}, {}),
        "crop": ({"resize": "crop"}, {"crop_to_aspect_ratio": True}),
        "letterbox": ({"resize": "letterbox", "pad": 0}, {"pad_to_aspect_ratio": True}),
    }
    found = {}
    for name, (ours, theirs) in ways.items():
        contract = InputContract(width=24, height=24, color="bgr", std=(1.0,), **ours)
        made = to_pixels(contract)(image)[0][0].astype(np.float32)
        layer = keras.layers.Resizing(24, 24, **theirs)
        found[name] = float(np.abs(made - np.asarray(layer(image[None].astype(np.float32)))).max())
    return found


def main() -> None:
    """One object: each network's facts, and its scores for one picture."""
    import keras

    from converter.export import to_float_tflite
    from converter.keras_files import Network
    from edge.runtime.litert import LiteRt

    keras.utils.set_random_seed(4)
    told: dict[str, Any] = {"resizing": _resizing(keras)}
    for name, (image, scores) in _networks(keras).items():
        model = keras.Model(image, scores)
        network = Network(Path(name), model, (1, SIZE, SIZE, 3), {})
        made = to_float_tflite(network)
        picture = np.random.default_rng(1).random((1, SIZE, SIZE, 3)).astype(np.float32)
        answer = LiteRt(name, made.flatbuffer, threads=1).infer(picture)[0].ravel()
        told[name] = {
            "expects": made.expects,
            "last": made.last,
            "kind": made.kind,
            "binary": made.binary,
            "scores": answer.tolist(),
            "keras": np.asarray(model(picture)).ravel().tolist(),
        }
    json.dump(told, sys.stdout)


if __name__ == "__main__":
    main()
