"""A model file of any kind -> what it is, in a few lines, without running it."""

from collections import Counter
from pathlib import Path
from typing import Any

from converter import carried
from converter.edge_tpu import readiness
from converter.flatbuffer import float_operators, operator_names, unpack
from converter.layers import spec
from converter.scan import Scan, scan
from edge.errors import FatalError, HedgerowError
from edge.model import CONTRACT_FILE, appended, load
from edge.text import shown


def inspect(path: Path) -> dict[str, Any]:
    """Facts of a .tflite, .keras or .h5 file or a SavedModel folder. Raises FatalError."""
    if path.is_file():
        with path.open("rb") as file:
            start = file.read(8)
        if start[4:8] == b"TFL3":
            return _tflite(path)
    return _keras(scan(path))


def _keras(found: Scan) -> dict[str, Any]:
    layers = list(found.layers())
    facts: dict[str, Any] = {"model": found.path.name, "kind": found.kind}
    if found.keras_version:
        facts["saved by Keras"] = found.keras_version
    if layers:
        facts["layers"] = dict(Counter(layer.kind for layer in layers).most_common())
    shapes = [
        layer.config.get("batch_shape") or layer.config.get("batch_input_shape")
        for layer in layers
        if layer.kind == "InputLayer"
    ]
    if shapes:
        facts["input"] = shapes[0]
    if found.preprocessing():
        facts["normalises by"] = [layer.name for layer in found.preprocessing()]
    code = carried.code_in(found.config) or carried.bytecode_in(found.compiled)
    if code:
        facts["Python code in"] = [shown(f"{code.layer or 'a part without a name'}: {code.what}")]
    return facts


def _tflite(path: Path) -> dict[str, Any]:
    flatbuffer = path.read_bytes()
    try:
        model = unpack(flatbuffer)
        graph = model.subgraphs[0]
        facts: dict[str, Any] = {"model": path.name, "kind": "tflite", "bytes": len(flatbuffer)}
        for name, indices in (("inputs", graph.inputs), ("outputs", graph.outputs)):
            facts[name] = [_tensor(graph.tensors[index]) for index in indices]
        facts["operators"] = dict(Counter(operator_names(model)).most_common())
        facts["in float"] = len(float_operators(flatbuffer))
        facts["edge_tpu"] = readiness(flatbuffer)
    except HedgerowError:
        raise
    except Exception as error:  # noqa: BLE001 - a damaged file fails anywhere in the schema
        raise FatalError(f"{path}: is damaged: {type(error).__name__}: {error}") from None
    ours = CONTRACT_FILE in appended(path, flatbuffer).files
    try:
        contract = load(path).contract
        facts["contract"] = contract.model_dump(by_alias=True, mode="json")
    except FatalError as error:
        if ours:
            raise
        facts["no contract"] = str(error)
    return facts


def _tensor(tensor: Any) -> str:
    one = spec(tensor)
    scale = f", scale {one.scale:.6g}, zero point {one.zero_point}" if one.scale else ""
    return f"{one.name} {one.dtype} {list(one.shape)}{scale}"


def lines(facts: dict[str, Any]) -> list[str]:
    """The facts for the terminal, one a line."""
    found = []
    for key, value in facts.items():
        match key, value:
            case "edge_tpu", _:
                found.append(f"edge TPU: {value['verdict']}")
                found += [f"  {reason}" for reason in value["reasons"][:10]]
            case "contract", _:
                found.append(f"contract: {value['name']} {value['version']}, {value['task']}")
                found.append(f"labels: {', '.join(value['labels'][:20])}")
                found.append(f"preprocessing: {value['input']}")
                scores = (f"{label} from {score:g}" for label, score in value["thresholds"].items())
                found += [f"thresholds: {', '.join(scores)}"] if value["thresholds"] else []
            case _, dict():
                found.append(f"{key}: " + ", ".join(f"{k} {n}" for k, n in value.items()))
            case _, list():
                found.append(f"{key}: " + ", ".join(map(str, value)))
            case _:
                found.append(f"{key}: {value}")
    return found
