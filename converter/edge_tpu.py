"""An int8 flatbuffer -> which operators Google's Edge TPU would take, by its documented rules.

Rules: coral.ai/docs/edgetpu/models-intro ("Model requirements", "Supported operations"). The
compiler stops at the first operator that does not map: that one and all behind it run on the
CPU. Where `edgetpu_compiler` is on the PATH, it is asked as well.
"""

import shutil
from typing import Any

from converter import child
from converter.flatbuffer import operator_names, unpack
from converter.scratch import scratch_folder

PLAIN = {
    "ADD", "EXPAND_DIMS", "L2_NORMALIZATION", "LOGISTIC", "MAXIMUM", "MINIMUM", "MUL", "PACK",
    "PRELU", "QUANTIZE", "REDUCE_MAX", "REDUCE_MIN", "RELU", "RELU6", "RELU_N1_TO_1", "RESHAPE",
    "RSQRT", "SLICE", "SPACE_TO_DEPTH", "SPLIT", "SQUARED_DIFFERENCE", "SQUEEZE", "STRIDED_SLICE",
    "SUB", "SUM", "TANH", "TRANSPOSE", "TRANSPOSE_CONV", "FULLY_CONNECTED", "RESIZE_BILINEAR",
    "RESIZE_NEAREST_NEIGHBOR", "PAD",
}  # fmt: skip
"""Operators that map without a condition that int8 CNNs meet with."""
DILATED = {"CONV_2D", "DEPTHWISE_CONV_2D"}
NO_ACTIVATION = {"AVERAGE_POOL_2D", "MAX_POOL_2D", "CONCATENATION"}
MOST_SOFTMAX = 16_000
MOST_DIMENSIONS = 3
LIMIT_S = 600


def readiness(flatbuffer: bytes) -> dict[str, Any]:
    """How many operators map, a verdict, and a reason for each that does not."""
    model = unpack(flatbuffer)
    names = operator_names(model)
    reasons = []
    first = len(names)
    for number, (op, kind) in enumerate(zip(model.subgraphs[0].operators, names, strict=True)):
        reason = _reason(model, op, kind)
        if reason:
            first = min(first, number)
            layer = model.subgraphs[0].tensors[op.outputs[0]].name.decode()
            reasons.append(f"{kind} at {layer}: {reason}")
    verdict = (
        f"{first} of {len(names)} operators would run on the Edge TPU, by the documented rules"
    )
    if first < len(names):
        verdict += f"; the rest, from {names[first]} on, on the CPU"
    found = {"mapped": first, "operators": len(names), "verdict": verdict, "reasons": reasons}
    compiled = _compiler(flatbuffer)
    return found | ({"compiler": compiled} if compiled else {})


def _reason(model: Any, op: Any, kind: str) -> str:
    """Why an operator does not map; empty where it does."""
    tensors = model.subgraphs[0].tensors
    target = tensors[op.outputs[0]]
    large = [size for size in (target.shape if target.shape is not None else ()) if size > 1]
    if len(large) > MOST_DIMENSIONS:
        return f"its output has {len(large)} dimensions above 1, {MOST_DIMENSIONS} are possible"
    if target.shapeSignature is not None and min(target.shapeSignature, default=1) < 0:
        return "its output's shape is not fixed"
    return "" if kind in PLAIN else _condition(model, op, kind)


def _condition(model: Any, op: Any, kind: str) -> str:
    """Why an operator with conditions, or without support, does not map."""
    options, source = op.builtinOptions, model.subgraphs[0].tensors[op.inputs[0]]
    if kind in DILATED:
        same = options.dilationWFactor == options.dilationHFactor
        return "" if same else "its dilation differs between x and y"
    if kind in NO_ACTIVATION:
        return "" if options.fusedActivationFunction == 0 else "it has a fused activation"
    if kind == "MEAN":
        return _mean(model, op)
    if kind == "SOFTMAX":
        wide = int(source.shape[-1]) > MOST_SOFTMAX
        return f"it has more than {MOST_SOFTMAX} values" if wide else ""
    return "the Edge TPU has no such operator"


def _mean(model: Any, op: Any) -> str:
    """The mean over height and width maps; others do not."""
    from converter.flatbuffer import constant

    data = constant(model, model.subgraphs[0].tensors[op.inputs[1]])
    axes = set() if data is None else set(data.view("<i4").tolist())
    return "" if axes <= {1, 2} else f"it averages over the axes {sorted(axes)}, not 1 and 2"


def _compiler(flatbuffer: bytes) -> str:
    """The last lines of edgetpu_compiler, where it is installed."""
    program = shutil.which("edgetpu_compiler")
    if program is None:
        return ""
    with scratch_folder() as folder:
        file = folder / "model.tflite"
        file.write_bytes(flatbuffer)
        arguments = [program, "-s", "-o", str(folder), str(file)]
        ran = child.run([*child.command("converter.child"), *arguments], LIMIT_S)
    return (ran.stdout or ran.stderr).strip()[-2000:]
