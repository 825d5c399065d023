"""Code in a Keras file is found under whatever name it comes, before anything opens the file."""

import ast
import importlib.util
import io
import json
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from converter.carried import HOLDERS, JUDGES, SPACES, bytecode_in, code_in
from converter.scan import refuse_code, scan, scan_file
from edge.errors import FatalError

BYTECODE = ["4wEAAAAAAAAA", None, None]


def model(*layers: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A Sequential of these layers, as Keras writes it."""
    rows = [
        {"class_name": "InputLayer", "config": {"name": "image"}, "module": "keras.layers"},
        *layers,
        {"class_name": "Dense", "config": {"name": "scores", "units": 2, "activation": "softmax"}},
    ]
    return {"class_name": "Sequential", "config": {"name": "net", "layers": rows}} | more


def layer(kind: str, **config: Any) -> dict[str, Any]:
    return {"class_name": kind, "config": {"name": "it"} | config}


def with_activation(activation: Any) -> dict[str, Any]:
    return model(layer("Conv2D", activation=activation))


def function(name: str, module: str | None) -> dict[str, Any]:
    return {"class_name": "function", "config": name, "module": module, "registered_name": name}


LAMBDA = {"class_name": "Lambda", "config": {"function": BYTECODE, "function_type": "lambda"}}
BYTES = {"class_name": "__lambda__", "config": {"code": BYTECODE[0]}}
CODE: dict[str, dict[str, Any]] = {
    "a layer without a name": model(LAMBDA),
    "a layer with an empty name": model(layer("Lambda", name="")),
    "a layer without a configuration": model({"class_name": "Lambda"}),
    "a layer whose configuration is a list": model({"class_name": "Lambda", "config": [1]}),
    "in a package": model(layer("Custom>Lambda")),
    "by a dotted name": model(layer("layers.Lambda") | {"module": "keras"}),
    "by the registered name": model(layer("Dense") | {"registered_name": "Lambda"}),
    "nested": model(layer("TimeDistributed", layer=model(LAMBDA))),
    "as the model itself": LAMBDA,
    "in an initializer": model(layer("Dense", kernel_initializer=BYTES)),
    "in a regularizer": model(layer("Dense", kernel_regularizer=BYTES)),
    "in an activation": with_activation(BYTES),
    "in a call's arguments": model(layer("Dense") | {"inbound_nodes": [{"args": [BYTES]}]}),
    "in a loss": model(compile_config={"loss": BYTES}),
    "in a metric": model(compile_config={"metrics": [[BYTES]]}),
    "in a nested model's loss": model(model(compile_config={"loss": function("x", "os")})),
    "a loss of the system": model(compile_config={"loss": function("system", "os")}),
    "a module of Python": with_activation(function("system", "posix")),
    "any module, imported": model(layer("Thing") | {"module": "antigravity"}),
    "a module of somebody's": model(layer("Dense") | {"module": "setup"}),
    "a function where initializers are": model(
        layer("constant_op") | {"module": "tensorflow.python.ops.init_ops_v2"}
    ),
    "a part of TensorFlow": with_activation(function("write_file", "tensorflow.io")),
    "a utility of Keras": with_activation(function("get_file", "keras.utils")),
    "a private one": with_activation(function("func_load", "keras.src.utils.python_utils")),
    "as if it were a class": model(layer("get_file") | {"module": "keras.utils"}),
    "a function by a dotted name": with_activation(function("utils.get_file", "keras")),
    "exec": with_activation(function("exec", "builtins")),
    "eval without a module": with_activation(function("eval", None)),
    "a saved folder": model(layer("TFSMLayer", filepath="/tmp/saved")),
    "a pickle": model(layer("TorchModuleWrapper", module="gAN9cQAu")),
    "a wrapper of Keras 2": model(layer("ResidualWrapper", residual_fn_type="lambda")),
    "a mask of Keras 2": model(layer("Masking", mask_type="lambda", mask=BYTECODE)),
    "a call of TensorFlow": model(layer("TFOpLambda", function="io.write_file")),
    "the same of old": model(layer("TFOpLambda", function="compat.v1.py_func")),
    "a library of it": model(layer("TFOpLambda", function="load_op_library")),
    "a raw operator": model(layer("TFOpLambda", function="raw_ops.WriteFile")),
    "the same by its registered name": model(
        layer("Thing", function="io.write_file")
        | {"module": "keras.src.layers.core.tf_op_layer", "registered_name": "TFOpLambda"}
    ),
    "the same in a package": model(layer("x>TFOpLambda", function="io.write_file")),
    "arithmetic from elsewhere": model(
        layer("TFOpLambda", function="math.add") | {"module": "setup"}
    ),
    "a mark in a package": model(layer("x>__tensor__") | {"module": "setup"}),
    "a class of it": model(layer("ClassMethod", cls_symbol="io.TFRecordWriter")),
    "an attribute of a tensor": model(layer("InstanceMethod", attr_name="__reduce_ex__")),
    "a graph operator": model(
        layer("TensorFlowOpLayer", node_def='{"name": "w", "op": "WriteFile"}')
    ),
    "one in another form": model(layer("TensorFlowOpLayer", node_def="op: WriteFile")),
    "a type": with_activation(
        {"class_name": "__typespec__", "spec_name": "x", "module": "os", "config": []}
    ),
    "a list of other files": model(layer("IntegerLookup", vocabulary="/etc/passwd")),
}
OWN = {
    "a custom layer": model(layer("Doubling") | {"module": "tests.doubling"}),
    "a custom function": with_activation(function("swish2", "tests.functions")),
}
HONEST: dict[str, dict[str, Any]] = {
    "Keras 2": model(layer("Conv2D", activation="relu", kernel_initializer=layer("HeNormal"))),
    "Keras 3": with_activation(function("relu6", "builtins")),
    "an exported function": with_activation(function("gelu", "keras.activations")),
    "an initializer of TensorFlow": model(
        layer(
            "Conv2D",
            kernel_initializer=layer("Constant", value=1)
            | {"module": "tensorflow.python.ops.init_ops_v2", "registered_name": "Constant"},
        )
    ),
    "an operation": model(layer("Sin") | {"module": "keras.src.ops.numpy"}),
    "an own loss": model(compile_config={"loss": function("focal", "my_project.losses")}),
    "a policy": model(
        layer("Dense", dtype={"class_name": "DTypePolicy", "config": {}, "module": "keras"})
    ),
    "TensorFlow's arithmetic": model(
        layer("TFOpLambda", function="math.multiply"),
        layer("TFOpLambda", function="compat.v1.transpose"),
        layer("TFOpLambda", function="image.resize"),
        layer("InstanceMethod", attr_name="get_shape"),
        layer("SlicingOpLambda", function="__operators__.getitem"),
        layer("TensorFlowOpLayer", node_def='{"name": "a", "op": "AddV2"}'),
    ),
    "a module that says nothing": model(layer("Doubling") | {"module": None}),
}


def write_keras(path: Path, config: Any) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", json.dumps(config))
        archive.writestr("metadata.json", json.dumps({"keras_version": "3.15"}))
    return path


def write_hdf5(path: Path, config: Any, **more: Any) -> Path:
    with h5py.File(path, "w") as file:
        for name, value in ({"model_config": config} | more).items():
            file.attrs[name] = json.dumps(value)
    return path


@pytest.mark.parametrize("name", CODE)
def test_code_is_refused_wherever_it_stands(name: str, tmp_path: Path) -> None:
    config = CODE[name]
    training = config.get("compile_config", {})
    for path in (
        write_keras(tmp_path / "m.keras", config),
        write_hdf5(tmp_path / "m.h5", config, training_config=training),
    ):
        with pytest.raises(FatalError, match=rf"{path.name}: .*(own code|run here|its code)"):
            refuse_code(scan(path))


@pytest.mark.parametrize("name", OWN)
def test_your_own_code_is_asked_for_by_name(name: str, tmp_path: Path) -> None:
    found = scan(write_keras(tmp_path / "m.keras", OWN[name]))
    with pytest.raises(FatalError, match=r"--custom-objects module:(Doubling|swish2)"):
        refuse_code(found)
    refuse_code(found, ("tests.doubling:Doubling", "tests.functions:swish2"))
    for wrong in ("nowhere:X", "Doubling", "tests.doubling:"):
        with pytest.raises(FatalError, match=rf"--custom-objects: .{wrong}"):
            refuse_code(found, (wrong,))


@pytest.mark.parametrize("name", HONEST)
def test_what_only_computes_is_let_through(name: str, tmp_path: Path) -> None:
    refuse_code(scan(write_keras(tmp_path / "m.keras", HONEST[name])))


def test_a_name_of_your_own_code_lets_no_bytecode_through(tmp_path: Path) -> None:
    found = scan(write_keras(tmp_path / "m.keras", model(LAMBDA, layer("Doubling"))))
    with pytest.raises(FatalError, match="a Lambda"):
        refuse_code(found, ("tests.doubling:Doubling", "tests.doubling:Lambda"))


def test_a_file_that_is_two_files_is_refused(tmp_path: Path) -> None:
    """Keras goes by the name, this scan by the content: both must see the same."""
    honest, evil = io.BytesIO(), write_hdf5(tmp_path / "evil.h5", model(LAMBDA))
    with zipfile.ZipFile(honest, "w") as archive:
        archive.writestr("config.json", json.dumps(model()))
        archive.writestr("metadata.json", "{}")
    (tmp_path / "m.h5").write_bytes(evil.read_bytes() + honest.getvalue())
    block = honest.getvalue()[:512].ljust(512, b"\0")
    (tmp_path / "n.h5").write_bytes(block + evil.read_bytes() + honest.getvalue())
    for name in ("m.h5", "n.h5"):
        with pytest.raises(FatalError, match="is a zip and an HDF5 file in one"):
            scan(tmp_path / name)


@pytest.mark.parametrize("name", ["../../.bashrc", "/etc/cron.d/x", "assets\\..\\..\\x", "link"])
def test_entries_that_leave_the_file_are_refused(name: str, tmp_path: Path) -> None:
    path = write_keras(tmp_path / "m.keras", model())
    entry = zipfile.ZipInfo(name)
    entry.external_attr = (0o120777 if name == "link" else 0o644) << 16
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(entry, "x")
    with pytest.raises(FatalError, match="which leads out of the file"):
        scan(path)


def test_weights_inside_that_lie_elsewhere_are_refused(tmp_path: Path) -> None:
    path, weights = write_keras(tmp_path / "m.keras", model()), tmp_path / "w.h5"
    with h5py.File(weights, "w") as file:
        file["layers/kernel"] = h5py.ExternalLink("/etc/hostname", "/x")
    with zipfile.ZipFile(path, "a") as archive:
        archive.write(weights, "model.weights.h5")
    with pytest.raises(FatalError, match=r"layers/kernel is a link into another file"):
        scan(path)


def test_odd_configurations_are_one_line(tmp_path: Path) -> None:
    for value in (np.array([b"a", b"b"]), 7, np.void(b"{}"), "[" * 9000, "[1, 2]", b"\xff{}"):
        path = tmp_path / "m.h5"
        with h5py.File(path, "w") as file:
            file.attrs["model_config"] = value
        with pytest.raises(FatalError, match=r"m\.h5: ") as caught:
            scan(path)
        assert "\n" not in str(caught.value)
    deep = tmp_path / "m.keras"
    with zipfile.ZipFile(deep, "w") as archive:
        archive.writestr("config.json", '{"a":' + "[" * 100_000 + "]" * 100_000 + "}")
        archive.writestr("metadata.json", "{}")
    with pytest.raises(FatalError, match=r"config\.json: is no JSON: maximum"):
        scan(deep)


def test_weights_alone_are_read_and_lead_nowhere(tmp_path: Path) -> None:
    path = tmp_path / "w.h5"
    with h5py.File(path, "w") as file:
        file["conv/kernel"] = np.ones(3, np.float32)
    refuse_code(scan_file(path))
    with pytest.raises(FatalError, match="holds weights but no network"):
        scan(path)


KEYS = ["class_name", "config", "module", "registered_name", "function", "attr_name", "node_def"]
VALUES = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
VALUES |= st.sampled_from(
    [*JUDGES, *HOLDERS, "builtins", "keras.layers", "os", "Dense", '{"op": 1}']
)
ANYTHING = st.recursive(
    VALUES,
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(KEYS) | st.text(), inner),
)


@given(ANYTHING)
def test_no_configuration_makes_it_fail(config: Any) -> None:
    found = code_in(config), bytecode_in(config)
    assert all(one is None or one.what for one in found)


RISKY = {
    *("func_load", "marshal", "pickle", "cloudpickle", "dill", "in_safe_mode", "safe_mode"),
    *("import_module", "__import__", "exec", "eval", "open", "gfile", "saved_model", "load_model"),
    *("get_symbol_from_name", "load_op_library", "node_def", "get_file", "subprocess", "jax2tf"),
}
"""What a class of Keras that can hold code has to use."""

HARMLESS = {
    # backend.eval: a tensor's value.
    *("AUC", "AutoCastVariable", "LossFunctionWrapper", "MeanMetricWrapper", "MeanRelativeError"),
    "SumOverBatchSizeMetricWrapper",
    # They write and read vocabulary inside the model's own assets.
    *("DynamicEmbedding", "DynamicLookup"),
}


def names(node: ast.AST) -> set[str]:
    found = {one.id for one in ast.walk(node) if isinstance(one, ast.Name)}
    found |= {one.attr for one in ast.walk(node) if isinstance(one, ast.Attribute)}
    return found | {one.arg for one in ast.walk(node) if isinstance(one, ast.arg)}


def risky_classes(root: Path) -> Iterator[str]:
    """Classes that a configuration can name and whose code, or a helper's, uses one of RISKY."""
    word = re.compile(rf"\b({'|'.join(RISKY)})\b")
    for path in sorted(root.rglob("*.py")):
        inside, text = path.relative_to(root).with_suffix("").parts[0], path.read_text()
        reached = SPACES.fullmatch(inside) or re.search(r"keras\.layers\.", text)
        if "_test" in path.stem or not reached or not word.search(text):
            continue
        tree = ast.parse(text)
        functions = [one for one in tree.body if isinstance(one, ast.FunctionDef)]
        risky = RISKY | {one.name for one in functions if names(one) & RISKY}
        for one in ast.walk(tree):
            if isinstance(one, ast.ClassDef):
                exported = re.findall(
                    r"keras\.(\w+)\.", " ".join(map(ast.unparse, one.decorator_list))
                )
                if any(map(SPACES.fullmatch, [inside, *exported])) and names(one) & risky:
                    yield one.name


@pytest.mark.parametrize("package", ["keras", "tf_keras"])
def test_every_class_of_keras_that_can_hold_code_is_known(package: str) -> None:
    """Read from the installed Keras: a new one fails here, and a person has to judge it."""
    found = importlib.util.find_spec(package)
    if found is None or found.origin is None:
        pytest.skip(f"{package} is not installed")
    risky = set(risky_classes(Path(found.origin).parent / "src"))
    assert {"keras": {"Lambda", "TFSMLayer", "TorchModuleWrapper"}}.get(
        package, {"Lambda"}
    ) <= risky
    assert risky - HARMLESS <= HOLDERS | JUDGES.keys()
