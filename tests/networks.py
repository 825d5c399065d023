"""Makes the Keras networks that the converter's tests convert: `python -m tests.networks DIR`.

Runs in a process of its own, so that TensorFlow stays out of the tests' process. The pictures
are stripes that lie or stand, in random colours, phases and widths, with noise.
"""

import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

SIZE = 32
LABELS = ("lying", "standing")
PICTURES_EACH = 40


def stripes(random: np.random.Generator, standing: bool) -> npt.NDArray[np.uint8]:
    """(32, 32, 3) uint8: one picture."""
    across = np.sin(np.arange(SIZE) * random.uniform(0.6, 1.2) + random.uniform(0, 6)) > 0
    one, other = random.integers(0, 256, (2, 3))
    wave = across[None, :, None] if standing else across[:, None, None]
    clean = np.broadcast_to(np.where(wave, one, other), (SIZE, SIZE, 3))
    return np.clip(clean + random.normal(0, 12, clean.shape), 0, 255).astype(np.uint8)


def write_pictures(folder: Path) -> None:
    """A folder per class with PNG files."""
    random = np.random.default_rng(1)
    for standing, label in enumerate(LABELS):
        (folder / label).mkdir(parents=True)
        for number in range(PICTURES_EACH):
            cv2.imwrite(str(folder / label / f"{number}.png"), stripes(random, bool(standing)))


def _classifier(keras: Any) -> Any:
    layers = keras.layers
    return keras.Sequential(
        [
            layers.Input((SIZE, SIZE, 3)),
            layers.Conv2D(8, 5, strides=2, use_bias=False, padding="same"),
            layers.BatchNormalization(),
            layers.ReLU(6),
            layers.DepthwiseConv2D(3, padding="same", activation="relu"),
            layers.Conv2D(8, 3, strides=2, activation="relu"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(2, activation="softmax", name="scores"),
        ]
    )


def write_networks(folder: Path) -> None:
    """stripes.keras and stripes.h5: trained on pixels / 255."""
    import keras

    keras.utils.set_random_seed(2)
    random = np.random.default_rng(3)
    truth = random.integers(0, 2, 1200)
    pictures = np.stack([stripes(random, bool(standing)) for standing in truth])
    network = _classifier(keras)
    network.compile(keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy")
    network.fit(pictures.astype(np.float32) / 255, truth, epochs=6, verbose=0)
    network.save(folder / "stripes.keras")
    network.save(folder / "stripes.h5")


def write_odd_networks(folder: Path) -> None:
    """Untrained networks, each with one thing that the converter must master or refuse."""
    import keras

    keras.utils.set_random_seed(4)
    layers, image = keras.layers, keras.layers.Input((SIZE, SIZE, 3), name="image")
    conv = layers.Conv2D(4, 3, activation="relu", name="conv")
    pool = layers.GlobalAveragePooling2D()
    norm, wide = layers.LayerNormalization(), layers.Dense(8, activation="gelu")
    trunk = pool(conv(image))
    scores = layers.Dense(2, activation="softmax", name="scores")(trunk)
    rescaled = layers.Rescaling(1 / 255, name="to_unit")(image)
    prepared = keras.applications.mobilenet_v2.preprocess_input(image)
    minus_mean = keras.applications.resnet50.preprocess_input(image)
    unit = layers.UnitNormalization()
    recurrent = layers.LSTM(4, name="memory")(layers.Reshape((SIZE, SIZE * 3))(image))
    coded = layers.Lambda(lambda values: values * 2, name="secret")(trunk)
    free = layers.Input((None, None, 3))
    look = layers.MultiHeadAttention(1, 4, name="look")
    rows = layers.Reshape((SIZE, SIZE * 3))(image)
    extra = layers.Input((2,), name="weather")
    odd = {
        "sigmoid": (image, layers.Dense(1, activation="sigmoid")(trunk)),
        "rescaling": (image, layers.Dense(2, activation="softmax")(pool(conv(rescaled)))),
        "two_outputs": (image, [scores, layers.Dense(4, name="box")(trunk)]),
        "two_inputs": ([image, extra], layers.Dense(2)(layers.Concatenate()([trunk, extra]))),
        "open": (free, layers.Dense(2)(pool(layers.Conv2D(4, 3)(free)))),
        "lstm": (image, layers.Dense(2)(recurrent)),
        "lambda": (image, layers.Dense(2)(coded)),
        "attention": (image, layers.Dense(2)(layers.Flatten()(look(rows, rows)))),
        "sine": (image, layers.Dense(2)(keras.ops.sin(trunk))),
        "erfinv": (image, layers.Dense(2)(keras.ops.erfinv(trunk))),
        "normalised": (image, layers.Dense(2)(pool(wide(norm(conv(image)))))),
        "unit": (image, layers.Dense(2)(unit(layers.Dense(8)(trunk)))),
        "dead": (image, layers.Dense(2)(pool(unit(layers.ReLU(threshold=1e9)(image))))),
        "tutorial": (image, layers.Dense(2, activation="softmax")(pool(conv(prepared)))),
        "caffe": (image, layers.Dense(2, activation="softmax")(pool(conv(minus_mean)))),
        "twice": (image, layers.Dense(2, activation="softmax")(pool(conv(image * 2 - 1)))),
    }
    for name, (source, target) in odd.items():
        keras.Model(source, target).save(folder / f"{name}.keras")
    keras.Model(*odd["lambda"]).save(folder / "lambda.h5")
    keras.Model(image, scores).save_weights(folder / "weights.weights.h5")
    (folder / "weights.weights.h5").rename(folder / "weights.h5")
    keras.Model(image, scores).export(folder / "saved", verbose=False)
    keras.Model(*odd["tutorial"]).export(folder / "saved_tutorial", verbose=False)
    _write_shortcut(keras, folder)
    _write_custom_and_half(keras, folder)


def _write_shortcut(keras: Any, folder: Path) -> None:
    """As a ResNet goes from one size to the next."""
    keras.utils.set_random_seed(4)
    layers = keras.layers
    keras.Sequential(
        [
            layers.Input((60, 60, 3)),
            layers.Conv2D(8, 3, padding="same", activation="relu"),
            layers.Conv2D(16, 1, strides=2),
            layers.GlobalAveragePooling2D(),
            layers.Dense(2, activation="softmax"),
        ]
    ).save(folder / "shortcut.keras")


def _write_custom_and_half(keras: Any, folder: Path) -> None:
    from tests.doubling import Doubling

    keras.utils.set_random_seed(4)
    layers = keras.layers
    keras.Sequential(
        [layers.Input((SIZE, SIZE, 3)), Doubling(), layers.Flatten(), layers.Dense(2)]
    ).save(folder / "custom.keras")
    keras.mixed_precision.set_global_policy("mixed_float16")
    _classifier(keras).save(folder / "half.keras")


def write_yolo(folder: Path) -> None:
    """yolo.tflite: untrained, with the output of YOLOv8's head: (1, 4 + 3 labels, 84 cells)."""
    import keras
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    layers = keras.layers
    image = place = layers.Input((64, 64, 3), name="image")
    rows = []
    for stride in (4, 8, 16, 32):
        place = layers.Conv2D(8, 3, strides=4 if stride == 4 else 2, padding="same")(place)
        place = layers.ReLU()(place)
        if stride > 4:
            head = layers.Conv2D(7, 1, kernel_initializer="random_normal")(place)
            rows.append(layers.Reshape((-1, 7))(head))
    scores = layers.Activation("sigmoid")(layers.Concatenate(axis=1)(rows))
    network = keras.Model(image, layers.Permute((2, 1))(scores))
    call = tf.function(network, input_signature=[tf.TensorSpec((1, 64, 64, 3), name="image")])
    frozen = convert_variables_to_constants_v2(call.get_concrete_function())
    made = tf.lite.TFLiteConverter.from_concrete_functions([frozen])
    (folder / "yolo.tflite").write_bytes(made.convert())


if __name__ == "__main__":
    write_pictures(Path(sys.argv[1]) / "pictures")
    write_yolo(Path(sys.argv[1]))
    write_odd_networks(Path(sys.argv[1]))
    write_networks(Path(sys.argv[1]))
