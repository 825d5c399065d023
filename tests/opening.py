"""Opens Keras files and SavedModels, honest and hostile: `python -m tests.opening DIR`.

Runs in a process of its own, so that TensorFlow stays out of the tests' process. Prints JSON: what
came of each file.
"""

import codecs
import json
import marshal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from converter.gradcam import Answers, of_file
from converter.keras_files import load, open_model
from converter.loading import Loading
from converter.operators import PURE, SAVING, reaches_outside
from edge.errors import FatalError

SIZE = 24
REACHING = {
    "address",
    "directory",
    "file",
    "filename",
    "filenames",
    "files",
    "path",
    "prefix",
    "urls",
}
"""Words in the names of arguments of graph operators that lead out of the network."""


def main(folder: Path) -> None:
    """All of it."""
    found = {
        "bytecode": _bytecode(folder),
        "graphs": _graphs(folder),
        "operators": _operators(),
        "explained": _explained(folder),
        "reasons": _reasons(folder),
    }
    print(json.dumps(found))


def _said(action: Callable[[], Any]) -> str:
    try:
        action()
    except FatalError as error:
        return str(error)
    return "opened"


def _bytecode(folder: Path) -> dict[str, str]:
    """The Lambda that tf_keras would run, in a file that does not name it."""
    import tf_keras

    ran = folder / "ran"
    scope: dict[str, Any] = {}
    exec(f"def code(x):\n    open({str(ran)!r}, 'w').close()\n    return x", scope)
    layers = tf_keras.layers
    network = tf_keras.Sequential(
        [
            layers.InputLayer((SIZE, SIZE, 3)),
            layers.Lambda(lambda x: x, name="it"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(2, activation="softmax"),
        ]
    )
    code = codecs.encode(marshal.dumps(scope["code"].__code__), "base64").decode()
    found = {}
    for how, name in (("unnamed", None), ("empty", ""), ("named", "it")):
        path = folder / f"{how}.h5"
        network.save(path)
        with h5py.File(path, "r+") as file:
            config = json.loads(file.attrs["model_config"])
            (row,) = (one for one in config["config"]["layers"] if one["class_name"] == "Lambda")
            row["config"]["function"] = [code, None, None]
            row["config"] |= {"name": name}
            if name is None:
                del row["config"]["name"]
            file.attrs["model_config"] = json.dumps(config)
        for what, job in (("open", open_model), ("load", load)):
            said = _said(lambda job=job, path=path: job(Loading(path)))  # type: ignore[misc]
            found[f"{how} {what}"] = f"{said} {'RAN' if ran.exists() else 'did not run'}"
    tf_keras.models.load_model(folder / "named.h5", safe_mode=False)
    found["without a scan"] = "RAN" if ran.exists() else "did not run"
    return found


def _graphs(folder: Path) -> dict[str, str]:
    """SavedModels: an honest one, and ones that write, save or print when they are called."""
    import tensorflow as tf

    def saved(name: str, call: Callable[[Any], Any]) -> str:
        module = tf.Module()
        module.weight = tf.Variable(tf.ones((3, 2)))

        def scores(image: Any) -> Any:
            return tf.nn.softmax(tf.reduce_mean(call(image), axis=(1, 2)) @ module.weight)

        signature = tf.TensorSpec((1, SIZE, SIZE, 3), tf.float32, name="image")
        module.scores = tf.function(scores, input_signature=[signature])
        tf.saved_model.save(module, str(folder / name), signatures=module.scores)
        return _said(lambda: load(Loading(folder / name)))

    def writing(image: Any) -> Any:
        tf.io.write_file(str(folder / "written"), "x")
        return image

    def saving(image: Any) -> Any:
        tf.raw_ops.SaveV2(
            prefix=str(folder / "kept"), tensor_names=["a"], shape_and_slices=[""], tensors=[image]
        )
        return image

    def nested(image: Any) -> Any:
        return tf.function(tf.function(saving))(image)

    def reading(image: Any) -> Any:
        return image + tf.strings.length(tf.io.read_file("/etc/hostname"))[..., None] * 0.0

    def printing(image: Any) -> Any:
        tf.print(tf.shape(image), output_stream=f"file://{folder / 'printed'}")
        return image

    calls = {"writes": writing, "saves": saving, "saves deep inside": nested, "prints": printing}
    found = {"honest": saved("honest", lambda image: image)}
    found |= {name: saved(name.replace(" ", "-"), call) for name, call in calls.items()}
    left = [name for name in ("written", "kept.index", "printed") if (folder / name).exists()]
    found["left behind"] = ", ".join(left)
    found["a folder for its layers"] = _said(lambda: open_model(Loading(folder / "honest")))
    return found


def _operators() -> list[str]:
    """TensorFlow's own operators with an argument that leads outside, if we let them through."""
    from tensorflow.core.framework import op_def_pb2
    from tensorflow.python.client import pywrap_tf_session

    known = op_def_pb2.OpList()
    known.ParseFromString(
        bytes(pywrap_tf_session.TF_GetBuffer(pywrap_tf_session.TF_GetAllOpList()))
    )
    found = {"PyFunc", "EagerPyFunc", "PyFuncStateless"}
    for one in known.op:
        arguments = [argument.name for argument in (*one.input_arg, *one.attr)]
        if not one.name.startswith("_") and REACHING & set("_".join(arguments).split("_")):
            found.add(one.name)
    return sorted(name for name in found - SAVING - PURE if not reaches_outside(name))


def _explained(folder: Path) -> dict[str, str]:
    """Grad-CAM of every shape of model that converts."""
    import keras
    import tf_keras

    keras.utils.set_random_seed(1)
    layers, image = keras.layers, keras.Input((SIZE, SIZE, 3))
    base = keras.Sequential([layers.Input((SIZE, SIZE, 3)), layers.Conv2D(4, 3, activation="relu")])
    pooled = keras.Model(base.inputs, layers.GlobalAveragePooling2D()(base.outputs[0]), name="base")
    two = layers.Dense(2, activation="softmax", name="scores")
    old = tf_keras.layers
    models = {
        "sequential.keras": keras.Sequential([*base.layers, layers.GlobalMaxPooling2D(), two]),
        "nested.keras": keras.Sequential([layers.Input((SIZE, SIZE, 3)), pooled, two]),
        "deeper.keras": keras.Model(image, two(keras.Model(image, pooled(image))(image))),
        "sigmoid.keras": keras.Model(image, layers.Dense(1, activation="sigmoid")(pooled(image))),
        "operation.keras": keras.Model(image, two(keras.ops.mean(base(image), axis=(1, 2)))),
        "box.keras": keras.Model(image, [layers.Dense(4)(pooled(image)), two(pooled(image))]),
        "open.keras": keras.Sequential(
            [layers.Input((None, None, 3)), layers.Conv2D(4, 3), layers.GlobalMaxPooling2D(), two]
        ),
        "old.h5": tf_keras.Sequential(
            [
                old.InputLayer((SIZE, SIZE, 3)),
                old.DepthwiseConv2D(3, activation="relu"),
                old.GlobalAveragePooling2D(),
                old.Dense(2, activation="softmax"),
            ]
        ),
        "three.keras": keras.Model(image, layers.Dense(3)(pooled(image))),
    }
    picture = np.zeros((1, SIZE, SIZE, 3), np.float32)
    picture[0, 2:8, 2:8] = np.random.default_rng(0).uniform(0, 1, (6, 6, 3))
    found = {}
    for name, network in models.items():
        network.save(folder / name)
        evidence: list[Any] = []
        said = _said(
            lambda name=name, seen=evidence: seen.append(  # type: ignore[misc]
                of_file(Loading(folder / name), picture, 1, Answers(2))
            )
        )
        found[name] = said
        if evidence:
            heat = evidence[0]
            right = heat.shape == (SIZE, SIZE) and np.isfinite(heat).all() and heat.max() <= 1
            found[name] = "a map" if right else f"{heat.shape} {heat}"
    return found


def _reasons(folder: Path) -> dict[str, str]:
    """What is said where Keras dislikes a value."""
    import keras

    layers = keras.layers
    found = {}
    for what, update in (
        ("units", {"units": -1}),
        ("more", {"x": 1}),
        ("own", {"activation": "w"}),
    ):
        path = folder / f"{what}.h5"
        keras.Sequential([layers.Input((4, 4, 3)), layers.Flatten(), layers.Dense(2)]).save(path)
        with h5py.File(path, "r+") as file:
            config = json.loads(file.attrs["model_config"])
            config["config"]["layers"][-1]["config"] |= update
            file.attrs["model_config"] = json.dumps(config)
        found[what] = _said(lambda path=path: open_model(Loading(path)))  # type: ignore[misc]
    return found


if __name__ == "__main__":
    main(Path(sys.argv[1]))
