"""Every CNN of keras.applications (and AlexNet) -> int8, and whether it may be trusted.

`python -m tests.benchmarks.applications PICTURES OUT.jsonl [NAME ...]`

PICTURES is a folder or a list, as for `converter convert --data`. Weights are random (the
published ones are not to be had everywhere), batch normalisation has the statistics of real
pictures (without, signals die out in 20 layers), calibration is on real pictures, the networks
end in logits. Each line of OUT.jsonl is one network, and those in it are not made again; the table
in docs/converter.md is made from it with `--table OUT.jsonl`.

Tolerance. What rounding to int8 must cost is worked out a second time and by other means: in
Keras, with every kernel rounded to 255 steps per output channel and every tensor that TFLite
keeps rounded to 256 steps of its range. Random networks make noise grow layer by layer, so there
is no one figure for all. Both errors are those of the same pictures: a few with large logits
decide the sum. The converter's file may be off by 1.5 times as much: its ranges come from other
pictures than those measured, and the sum rounds no biases and no means.
"""

import functools
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from converter import Options, convert, data
from edge.errors import HedgerowError
from edge.model import InputContract

NAMES: list[str] = """
AlexNet MobileNet MobileNetV2 MobileNetV3Small MobileNetV3Large EfficientNetB0 EfficientNetB1
EfficientNetB2 EfficientNetB3 EfficientNetB4 EfficientNetV2B0 EfficientNetV2B1 EfficientNetV2B2
EfficientNetV2B3 NASNetMobile DenseNet121 DenseNet169 DenseNet201 InceptionV3 Xception ResNet50
ResNet50V2 ResNet101 ResNet101V2 ResNet152 ResNet152V2 InceptionResNetV2 VGG16 VGG19 ConvNeXtTiny
ConvNeXtSmall ConvNeXtBase EfficientNetB5 EfficientNetB6 EfficientNetB7 EfficientNetV2S
EfficientNetV2M EfficientNetV2L NASNetLarge ConvNeXtLarge ConvNeXtXLarge
""".split()  # noqa: SIM905 - a list of 41 strings, one a line, is harder to read
LINEAR = {"Conv2D", "DepthwiseConv2D", "SeparableConv2D", "Dense", "Add", "BatchNormalization"}
FUSED = {"relu", "relu6"}
SHAPING = {"ZeroPadding2D", "Reshape", "Dropout", "Flatten", "InputLayer", "Activation", "Permute"}
SLACK = 1.5
CLASSES = 1000
MEASURED = 12
"""Pictures, the first ones, that give batch normalisation its statistics and both errors; of the
others, some calibrate."""
COUNT = 12
COUNT_NORMALISED = 200
"""Where layer normalisation's variance may stay in float: that is chosen by them, and one picture
beyond the range that was calibrated decides the error of all."""
OPEN = ("MobileNetV3Small", "MobileNetV3Large")
"""Networks that leave the size of their input open."""


def build(name: str, path: Path, pictures: Path) -> None:
    """Save one network; runs in a child process, so that TensorFlow's memory goes with it."""
    import keras

    sys.setrecursionlimit(10_000)  # Keras walks networks recursively; EfficientNetV2M is deep
    keras.utils.set_random_seed(0)
    if name == "AlexNet":
        network = alexnet(keras)
    else:
        network = getattr(keras.applications, name)(weights=None, classifier_activation=None)
    height, width = (side or 224 for side in network.input_shape[1:3])
    contract = InputContract(height=height, width=width)
    photos = data.read(data.find(measured(path, pictures), ()), contract, path.parent, False)
    batch = photos.pixels[:].astype(np.float32)
    own = (keras.layers.Rescaling, keras.layers.Normalization)
    if not any(isinstance(layer, own) for layer in network.layers):
        batch /= 255
    normalizations = [
        layer for layer in network.layers if isinstance(layer, keras.layers.BatchNormalization)
    ]
    for layer in normalizations:
        layer.momentum = 0.0
    if normalizations:
        answers(network, batch, training=True)
    path.with_suffix(".json").write_text(json.dumps({"rounding": rounding(network, batch)}))
    network.save(path)


def measured(path: Path, pictures: Path) -> Path:
    """The list of the pictures to measure on, beside the list of all others."""
    files = [str(picture.path) for picture in data.find(pictures, ()).pictures]
    lists = {"measured.txt": files[:MEASURED], "others.txt": files[MEASURED:]}
    for name, rows in lists.items():
        (path.parent / name).write_text("\n".join(rows))
    return path.parent / "measured.txt"


def rounding(network: Any, batch: npt.NDArray[np.float32]) -> float:
    """Relative root mean square error of the logits that int8 costs in an ideal world."""
    import keras

    class Rounded(keras.layers.Layer):  # type: ignore[misc]
        """256 steps between the smallest and the largest value, zero among them."""

        def compute_output_spec(self, values: Any) -> Any:
            return keras.KerasTensor(values.shape, values.dtype)

        def call(self, values: Any) -> Any:
            ops = keras.ops
            low, high = ops.minimum(ops.min(values), 0.0), ops.maximum(ops.max(values), 0.0)
            step = ops.maximum((high - low) / 255, 1e-30)
            return ops.round(values / step) * step

    originals = {layer.name: layer for layer in network._flatten_layers(include_self=False)}

    def call(layer: Any, *inputs: Any, **more: Any) -> Any:
        if isinstance(layer, keras.Sequential):
            return functools.reduce(
                lambda values, inner: call(inner, values), layer.layers, *inputs
            )
        if isinstance(layer, keras.layers.LayerNormalization):
            return apart(originals[layer.name], inputs[0], Rounded())
        outputs = layer(*inputs, **more)
        return Rounded()(outputs) if kept(layer) else outputs

    coarse = keras.models.clone_model(network, call_function=call)
    for layer in coarse.layers:
        if layer.weights:
            weights = originals[layer.name].get_weights()
            layer.set_weights([rounded(weight) for weight in weights])
    clean, noisy = answers(network, batch), answers(coarse, batch)
    return float(np.linalg.norm(noisy - clean) / np.linalg.norm(clean))


def answers(
    network: Any, batch: npt.NDArray[np.float32], training: bool = False
) -> npt.NDArray[np.float32]:
    """The logits. In a graph, which lets go of a tensor after its last use; Keras' own loop keeps
    all of them, 20 GB for 12 pictures of EfficientNetB5."""
    import tensorflow as tf

    graph = tf.function(lambda images: network(images, training=training), autograph=False)
    return np.asarray(graph(tf.constant(batch)))


def apart(layer: Any, values: Any, step: Any) -> Any:
    """Layer normalisation as TFLite has it: operators whose results are rounded, but for the
    variance and its inverse root, which int8 is too coarse for."""
    from keras import ops

    mean = step(ops.mean(values, axis=-1, keepdims=True))
    variance = ops.mean(ops.square(ops.subtract(values, mean)), axis=-1, keepdims=True)
    root = step(ops.rsqrt(ops.add(variance, layer.epsilon)))
    gain = step(ops.multiply(root, ops.convert_to_tensor(layer.gamma)))
    moved = step(ops.subtract(ops.convert_to_tensor(layer.beta), step(ops.multiply(mean, gain))))
    return step(ops.add(step(ops.multiply(values, gain)), moved))


def kept(layer: Any) -> bool:
    """Whether TFLite has a tensor for what this layer gives, rather than fusing it away."""
    kind = type(layer).__name__
    if kind in SHAPING:
        return activation(layer) != "linear"
    if kind not in LINEAR or activation(layer) != "linear":
        return True
    users = [node.operation for node in layer._outbound_nodes]
    fusing = [
        type(user).__name__ in {"BatchNormalization", "ReLU"} or activation(user) in FUSED
        for user in users
    ]
    return not (len(users) == 1 and all(fusing))


def activation(layer: Any) -> str:
    return str(getattr(getattr(layer, "activation", None), "__name__", "linear"))


def rounded(weight: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """A kernel in 255 steps per output channel; anything else as it is."""
    if weight.ndim < 2:
        return weight
    depthwise = weight.ndim == 4 and weight.shape[3] == 1 and weight.shape[2] > 3
    axes = (0, 1) if depthwise else tuple(range(weight.ndim - 1))
    step = np.maximum(np.abs(weight).max(axis=axes, keepdims=True) / 127, 1e-30)
    return np.asarray(np.rint(weight / step) * step, np.float32)


def alexnet(keras: Any) -> Any:
    """Krizhevsky et al. 2012, in one tower, without local response normalisation."""
    layers = keras.layers
    image = scores = layers.Input((227, 227, 3))
    for layer in (
        layers.Conv2D(96, 11, strides=4, activation="relu"),
        layers.MaxPooling2D(3, 2),
        layers.Conv2D(256, 5, padding="same", activation="relu"),
        layers.MaxPooling2D(3, 2),
        layers.Conv2D(384, 3, padding="same", activation="relu"),
        layers.Conv2D(384, 3, padding="same", activation="relu"),
        layers.Conv2D(256, 3, padding="same", activation="relu"),
        layers.MaxPooling2D(3, 2),
        layers.Flatten(),
        layers.Dense(4096, activation="relu"),
        layers.Dense(4096, activation="relu"),
        layers.Dense(CLASSES),
    ):
        scores = layer(scores)
    return keras.Model(image, scores, name="alexnet")


def measure(name: str, pictures: Path, folder: Path) -> dict[str, Any]:
    """One network's row."""
    source, out = folder / "network.keras", folder / "network.tflite"
    subprocess.run(
        [
            sys.executable,
            "-m",
            "tests.benchmarks.applications",
            "--build",
            name,
            str(source),
            str(pictures),
        ],
        check=True,
        env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"},
        capture_output=True,
    )
    ideal = json.loads(source.with_suffix(".json").read_text())["rounding"]
    labels = tuple(str(number) for number in range(CLASSES))
    count = COUNT_NORMALISED if name.startswith("ConvNeXt") else COUNT
    options = Options(labels=labels, normalize="", effort="fast", count=count, progress=False)
    options = replace(options, calibration=folder / "others.txt")
    if name in OPEN:
        options = replace(options, input_size=(224, 224))
    started = time.monotonic()
    try:
        facts = convert(source, folder / "measured.txt", out, options).report
    except HedgerowError as error:
        return {"name": name, "error": str(error).replace(str(source), "network.keras")}
    return {
        "name": name,
        "seconds": round(time.monotonic() - started, 1),
        "float_mb": round(facts["bytes"]["float"] / 1e6, 1),
        "int8_mb": round(facts["bytes"]["int8"] / 1e6, 1),
        "float_operators": sorted({part["operator"] for part in facts["float_operators"]}),
        "error": round(facts["score_error"], 4),
        "tolerance": round(SLACK * ideal, 4),
        "float_ms": round(facts["latency_ms"]["float"], 2),
        "int8_ms": round(facts["latency_ms"]["int8"], 2),
    }


def table(rows: list[dict[str, Any]]) -> str:
    """The rows as Markdown."""
    lines = [
        "| network | float MB | int8 MB | left in float | error of the logits | tolerance "
        "| float ms | int8 ms |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        if "error" in row and isinstance(row["error"], str):
            lines.append(f"| {row['name']} | | | | {row['error']} | | | |")
            continue
        verdict = "" if row["error"] <= row["tolerance"] else " **above**"
        lines.append(
            f"| {row['name']} | {row['float_mb']} | {row['int8_mb']} | "
            f"{', '.join(row['float_operators']) or 'nothing'} | {row['error']:.3f}{verdict} | "
            f"{row['tolerance']:.3f} | {row['float_ms']} | {row['int8_ms']} |"
        )
    return "\n".join(lines)


def main() -> None:
    """See the module's first lines."""
    match sys.argv[1:]:
        case ["--build", name, path, pictures]:
            build(name, Path(path), Path(pictures))
        case ["--table", path]:
            rows = [json.loads(line) for line in Path(path).read_text().splitlines()]
            print(table(rows))
        case [pictures, out, *names]:
            there = Path(out).read_text() if Path(out).exists() else ""
            done = {json.loads(line)["name"] for line in there.splitlines()}
            for name in (name for name in names or NAMES if name not in done):
                with tempfile.TemporaryDirectory() as folder:
                    row = measure(name, Path(pictures), Path(folder))
                with Path(out).open("a") as file:
                    file.write(json.dumps(row) + "\n")
        case _:
            sys.exit((__doc__ or "").splitlines()[2])


if __name__ == "__main__":
    main()
