"""A backbone's name -> an untrained classifier on pixels 0..255, with what it knows already."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from converter import files
from converter.loading import Loading
from converter.scan import refuse_code, scan_file
from converter.training import lite
from converter.training.options import TrainOptions
from converter.workshop import Workshop
from edge.errors import FatalError, TransientError

Weights = dict[str, list[npt.NDArray[Any]]]
"""A layer's arrays by its name."""

LITE = {
    "efficientnet-lite0-small": lite.SMALL,
    "efficientnet-lite0-medium": lite.MEDIUM,
    "efficientnet-lite0": lite.WHOLE,
}


@dataclass(frozen=True, slots=True)
class Network:
    """A classifier and its parts, all Keras objects."""

    classifier: Any
    """(n, size, size, 3) pixels 0..255 -> (n, classes) probabilities."""
    body: Any
    """The backbone."""
    fixed: list[Any]
    """Layers of the backbone that keep the weights they came with."""


def network(options: TrainOptions, classes: int) -> Network:
    """An untrained top on a backbone with the weights that were asked for.

    Normalisation is inside, so that `converter convert` need not be told. Raises FatalError for
    weights that do not fit, TransientError where they cannot be downloaded.
    """
    import keras

    pixels = keras.Input((options.size, options.size, 3), name="pixels")
    body = _backbone(options)
    features = body(_scaled(options, pixels))
    features = keras.layers.GlobalAveragePooling2D()(features)
    features = keras.layers.Dropout(options.dropout, seed=options.seed)(features)
    scores = keras.layers.Dense(classes, activation="softmax", name="scores")(features)
    taught = options.backbone in LITE and options.weights != "none"
    fixed = lite.fixed(body) if taught else []
    return Network(keras.Model(pixels, scores, name="classifier"), body, fixed)


def _scaled(options: TrainOptions, pixels: Any) -> Any:
    """To -1..1 for the backbones that do not do it themselves."""
    import keras

    if options.backbone in ("mobilenet-v3-small", "efficientnet-b0"):
        return pixels
    return keras.layers.Rescaling(1 / 127.5, offset=-1)(pixels)


def _backbone(options: TrainOptions) -> Any:
    if options.backbone not in LITE:
        return _published(options)
    body = lite.body(options.size, LITE[options.backbone])
    if options.weights != "none":
        load(body, lite.imagenet() if options.weights == "imagenet" else Path(options.weights))
    return body


def _published(options: TrainOptions) -> Any:
    """One of keras.applications."""
    from keras import applications

    shape = (options.size, options.size, 3)
    weights = "imagenet" if options.weights == "imagenet" else None
    given: dict[str, Any] = {"input_shape": shape, "include_top": False, "weights": weights}
    try:
        match options.backbone:
            case "mobilenet-0.25" | "mobilenet-0.5":
                body = applications.MobileNet(alpha=float(options.backbone[10:]), **given)
            case "mobilenet-v2-0.35":
                body = applications.MobileNetV2(alpha=0.35, **given)
            case "mobilenet-v3-small":
                body = applications.MobileNetV3Small(**given)
            case "efficientnet-b0":
                body = applications.EfficientNetB0(**given)
    except ValueError as error:
        raise FatalError(f"--size {options.size}: {options.backbone}: {error}") from None
    except Exception as error:  # Keras raises a bare Exception where a download fails
        if weights is None:
            raise
        raise TransientError(
            f"--weights imagenet: cannot be downloaded ({type(error).__name__}): "
            "give a file of weights, or --weights none"
        ) from None
    if options.weights not in ("imagenet", "none"):
        load(body, Path(options.weights))
    return body


def load(body: Any, path: Path) -> None:
    """Give the backbone the weights of a file: a whole Keras model (old or new; its layers of the
    same names), weights as keras.applications publishes them (`..._no_top.h5`), or as PyTorch
    does (`.pth`, EfficientNet-Lite0 alone).

    Raises FatalError where the file is none of this backbone's, or carries code.
    """
    if not path.exists():
        raise FatalError(f"--weights {path}: there is no such file; or say imagenet or none")
    if path.suffix == ".pth":
        lite.load(body, path)
        return
    found = scan_file(path)
    refuse_code(found)
    try:
        body.load_weights(path)  # numbers alone: no loader of networks
    except (ValueError, OSError, KeyError):
        if not found.config:
            raise FatalError(f"--weights {path}: is another backbone's") from None
        _copy(body, _weights_of(path), path)


def _weights_of(path: Path) -> Weights:
    """The arrays of a whole model's layers, by the child process, which opens it."""
    with files.scratch_folder() as scratch, Workshop(scratch, progress=False) as workshop:
        held = scratch / "weights.npz"
        request = Loading(path).request() | {"out": str(held)}
        counts = workshop.ask("weights", f"opening {path.name}", request)["layers"]
        with np.load(held, allow_pickle=False) as arrays:
            return {
                name: [arrays[f"{number}.{place}"] for place in range(count)]
                for number, (name, count) in enumerate(counts.items())
            }


def _copy(body: Any, theirs: Weights, path: Path) -> None:
    for layer in (layer for layer in body.layers if layer.weights):
        values = theirs.get(layer.name, [])
        if [value.shape for value in values] != [tuple(ours.shape) for ours in layer.weights]:
            raise FatalError(
                f"--weights {path}: has no layer {layer.name!r} of this shape: "
                "it is another backbone's"
            )
        layer.set_weights(values)
