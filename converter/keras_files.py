"""A trained model's file -> a callable network. Runs in the child process only."""

import importlib
import re
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from converter.legacy import mend, mended_copy
from converter.loading import Loading
from converter.scan import Scan, refuse_code, refuse_out_of_scope, scan
from edge.errors import FatalError
from edge.text import shown

UNKNOWN = re.compile(
    r"(?:Could not locate (?:class|function)|Unknown layer:) '(\w+)'"
    r"|Could not interpret [\w ]+ identifier: (\w+)"
)
CONFIGURATIONS = ("Full object config:", "Full config:", "config={", "Received: config=")
"""After these, Keras' messages repeat the configuration to their end."""


@dataclass(frozen=True, slots=True)
class Network:
    """A loaded model, ready to be traced with a fixed input."""

    path: Path
    call: Callable[[Any], Any]
    """float32 tensor of `shape` -> (1, classes) float32 tensor."""
    shape: tuple[int, ...]
    """1, height, width and channels, or 1, height and width."""
    versions: dict[str, str]


def load(loading: Loading) -> Network:
    """Open a .keras or .h5 file of Keras 2 or 3, or a SavedModel folder.

    Raises FatalError naming the file and the layer, key or object, and what to do.
    """
    import keras
    import tensorflow as tf

    found = scan(loading.path)
    refuse_out_of_scope(found)
    if not loading.trusted:
        refuse_code(found, loading.custom_objects)
    versions = {"keras": keras.__version__, "tensorflow": tf.__version__}
    if found.keras_version:
        versions["saved_by_keras"] = found.keras_version
    if found.kind == "savedmodel":
        from converter.saved_model import load_saved_model

        call, shape = load_saved_model(loading)
    else:
        call, shape = _keras_call(loading, _open(loading, found))
    return Network(loading.path, call, fixed_shape(loading, shape), versions)


def open_model(loading: Loading) -> Any:
    """The Keras model itself, for its layers and weights. Raises FatalError as `load` does."""
    found = scan(loading.path)
    if found.kind == "savedmodel":
        # Keras' loaders of folders run code that no scan here sees; their layers are not needed.
        raise FatalError(f"{loading.path}: is a folder: give the .keras or .h5 file of the model")
    if not loading.trusted:
        refuse_code(found, loading.custom_objects)
    return _open(loading, found)


def _open(loading: Loading, found: Scan) -> Any:
    """Keras 3 as it is, Keras 3 with a mended configuration, then tf_keras."""
    objects = dict(map(_import, loading.custom_objects))
    reasons: list[str] = []
    for attempt in (_with_keras3, _with_mended, _with_tf_keras):
        try:
            return attempt(loading, found, objects)
        except ModuleNotFoundError as error:
            reasons.append(f"{error.name} is not installed")
        except Exception as error:  # noqa: BLE001 - Keras raises anything on a file it dislikes
            reasons.append(" ".join(str(error).split()) or type(error).__name__)
    raise FatalError(_explain(found, reasons))


def _with_keras3(loading: Loading, found: Scan, objects: dict[str, Any]) -> Any:
    import keras

    return keras.saving.load_model(
        found.path, custom_objects=objects, compile=False, safe_mode=not loading.trusted
    )


def _with_mended(loading: Loading, found: Scan, objects: dict[str, Any]) -> Any:
    import keras

    if found.kind != "h5":
        raise ValueError("only .h5 files can be mended")
    if not loading.trusted:  # mending changes names
        refuse_code(replace(found, config=mend(found.config)), loading.custom_objects)
    with tempfile.TemporaryDirectory() as folder:
        return keras.saving.load_model(
            mended_copy(found, Path(folder)),
            custom_objects=objects,
            compile=False,
            safe_mode=not loading.trusted,
        )


def _with_tf_keras(loading: Loading, found: Scan, objects: dict[str, Any]) -> Any:
    import tf_keras
    from tf_keras.src.saving.serialization_lib import SafeModeScope

    if not loading.trusted:
        refuse_code(found)  # it would import the module of a class that the user named elsewhere
    # Its argument safe_mode is for .keras files alone.
    with SafeModeScope(not loading.trusted):
        return tf_keras.models.load_model(
            found.path, custom_objects=objects, compile=False, safe_mode=not loading.trusted
        )


def _explain(found: Scan, reasons: list[str]) -> str:
    unknown = UNKNOWN.search(" ".join(reasons))
    name = (unknown[1] or unknown[2]) if unknown else "Functional"
    if name != "Functional":
        return (
            f"{found.path}: {name!r} is not Keras' own: name its code with "
            f"--custom-objects module:{name}"
        )
    text = f"{found.path}: Keras cannot open it: {useful(reasons[0])}"
    if any("tf_keras is not installed" in reason for reason in reasons):
        text += " (Keras 2 itself may: pip install --no-deps tf_keras)"
    return text


def useful(reason: str) -> str:
    """The innermost of Keras' reasons, without the configuration that it repeats."""
    text = " ".join(reason.rpartition("Exception encountered:")[2].split())
    for mark in CONFIGURATIONS:
        text = text.partition(mark)[0] or text
    return shown(text.rstrip(" .,:"), 300)


def _import(reference: str) -> tuple[str, Any]:
    """`module:name` -> the name and the object. Raises FatalError."""
    module, _, name = reference.partition(":")
    here = str(Path.cwd())
    sys.path.insert(0, here)
    try:
        return name, getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise FatalError(f"--custom-objects: {reference!r}: {error}") from None
    finally:  # for what it imports later; libraries that are still to come are not looked for here
        sys.path.remove(here)
        sys.path.append(here)


def _keras_call(loading: Loading, model: Any) -> tuple[Callable[[Any], Any], tuple[Any, ...]]:
    inputs, outputs = getattr(model, "inputs", None), getattr(model, "outputs", None)
    if not inputs:
        if len(loading.input_size) < 2:
            raise FatalError(
                f"{loading.path}: does not say the size of its input: give --input-size HxW"
            )
        return lambda image: model(image, training=False), (None, None, 3)
    if len(inputs) != 1:
        given = ", ".join(str(tensor.name) for tensor in inputs)
        raise FatalError(
            f"{loading.path}: has {len(inputs)} inputs ({given}); only a network with one input, "
            "the picture, can be converted"
        )
    model = _in_float32(model)
    names = getattr(model, "output_names", ()) or [tensor.name for tensor in outputs or ()]
    index = _which_output(loading, [str(name) for name in names])
    shape = tuple(inputs[0].shape[1:])
    if len(outputs or ()) == 1 and index == 0:
        return lambda image: _only(model(image, training=False)), shape
    return lambda image: _flat(model(image, training=False))[index], shape


def _which_output(loading: Loading, names: list[str]) -> int:
    """Raises FatalError naming the outputs where one must be chosen."""
    if loading.output in names:
        return names.index(loading.output)
    if len(names) > 1 or loading.output:
        raise FatalError(
            f"{loading.path}: has the outputs {', '.join(names)}: choose the classifier's with "
            "--output NAME (a detection head: convert it where it was trained, then "
            "`converter pack`)"
        )
    return 0


def _flat(outputs: Any) -> list[Any]:
    import tensorflow as tf

    return list(tf.nest.flatten(outputs))


def _only(outputs: Any) -> Any:
    return _flat(outputs)[0]


def _in_float32(model: Any) -> Any:
    """A mixed-precision model rebuilt in float32: TFLite's int8 path starts from float32."""
    kinds = {str(getattr(layer, "compute_dtype", "float32")) for layer in model.layers}
    if not kinds - {"float32", "None"} or not kinds & {"float16", "bfloat16"}:
        return model
    plain = type(model).from_config(_float32(model.get_config()))
    plain.set_weights(model.get_weights())
    return plain


def _float32(node: Any) -> Any:
    match node:
        case list() | tuple():
            return [_float32(item) for item in node]
        case dict():
            return {key: _float32(value) for key, value in node.items()}
        case "mixed_float16" | "mixed_bfloat16" | "float16" | "bfloat16":
            return "float32"
        case _:
            return node


def fixed_shape(loading: Loading, shape: tuple[Any, ...]) -> tuple[int, ...]:
    """1 and the picture's dimensions. Raises FatalError where the input is no picture."""
    sizes = list(shape)
    if len(sizes) not in {2, 3}:
        raise FatalError(
            f"{loading.path}: its input has the shape {sizes}; a picture has height, width and "
            "1 or 3 channels"
        )
    for axis, size in enumerate(loading.input_size[:2]):
        if sizes[axis] not in {None, size}:
            raise FatalError(
                f"--input-size: {loading.path} takes {sizes[0]}x{sizes[1]} pictures only"
            )
        sizes[axis] = size
    if None in sizes:
        raise FatalError(
            f"{loading.path}: its input has the open shape {sizes}: fix it with --input-size HxW"
        )
    if len(sizes) == 3 and sizes[2] not in {1, 3} and sizes[0] in {1, 3}:
        raise FatalError(
            f"{loading.path}: its input has the shape {sizes}, channels first, which TFLite does "
            "not run: build it with data_format='channels_last', copy the weights and save that"
        )
    if len(sizes) == 3 and sizes[2] not in {1, 3}:
        raise FatalError(
            f"{loading.path}: its input has the shape {sizes}; the last number must be 1 or 3 "
            "colour channels"
        )
    return (1, *(int(size) for size in sizes))
