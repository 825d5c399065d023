"""A Keras model's configuration -> the first thing in it that could run code. Pure.

Keras finds every object by name. A file can therefore bring bytecode along (Lambda), or name what
is installed already: `os.system` as an activation, any module to be imported, `tf.io.write_file`.
Keras 3 refuses most of that; tf_keras, which opens old files, refuses nearly nothing.
"""

import builtins
import json
import re
import sys
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Any

from converter.operators import SAVING, reaches_outside

BYTECODE = frozenset({"Lambda", "__lambda__"})
"""They carry Python bytecode."""

HOLDERS = BYTECODE | {"TorchModuleWrapper", "JaxLayer", "FlaxLayer"}
HOLDERS |= {"DropoutWrapper", "ResidualWrapper", "TFSMLayer", "ReloadedLayer"}
HOLDERS |= {"IndexLookup", "IntegerLookup", "StringLookup", "TextVectorization"}
"""Classes of Keras 2 and 3 that run bytecode or pickles, or open other files. A test finds them in
the installed Keras."""

SPACES = re.compile(
    "activations|applications|constraints|dtype_policies|engine|initializers|layers|legacy|losses"
    "|metrics|mixed_precision|models|ops|optimizers|quantizers|random|regularizers"
)
"""Modules of Keras whose classes and functions only compute."""

INITIALIZERS = {"tensorflow.python.ops.init_ops", "tensorflow.python.ops.init_ops_v2"}
"""TensorFlow's own, which networks of tf_keras.applications name."""

NO_OBJECTS = frozenset({"deserialize", "get", "serialize"})
"""Functions in these modules that look up others."""

SYMBOL = re.compile(
    r"(?:compat\.v[12]\.)?(?:"
    r"(?:math|nn|image|linalg|signal|bitwise|__operators__)\.\w+|"
    r"abs|add|argmax|argmin|argsort|boolean_mask|broadcast_to|cast|clip_by_norm|"
    r"clip_by_value|concat|constant|convert_to_tensor|cos|cumsum|divide|einsum|"
    r"equal|exp|expand_dims|eye|fill|floor|gather|gather_nd|greater|greater_equal|"
    r"identity|less|less_equal|linspace|logical_and|logical_not|logical_or|matmul|"
    r"maximum|meshgrid|minimum|multiply|negative|norm|not_equal|one_hot|ones|"
    r"ones_like|pad|pow|range|rank|realdiv|reduce_all|reduce_any|reduce_max|"
    r"reduce_mean|reduce_min|reduce_prod|reduce_sum|repeat|reshape|reverse|roll|"
    r"round|scatter_nd|shape|sigmoid|sign|sin|size|slice|sort|split|sqrt|square|"
    r"squeeze|stack|stop_gradient|strided_slice|subtract|tan|tanh|tensordot|tile|"
    r"transpose|truediv|unstack|where|zeros|zeros_like"
    r")"
)
"""Functions of TensorFlow that only compute."""

PLAIN = re.compile(r"[A-Za-z]\w*|_tf_keras_\w+")
SYMBOL_KEYS = {"function", "cls_symbol"}
ATTRIBUTES = {"dtype", "get_shape", "ndim", "set_shape", "shape"}
"""Of tensors."""
MARKS = {"__tensor__", "__numpy__", "__bytes__", "__ellipsis__", "__slice__", "__tuple__"}
MARKS |= {"__keras_tensor__"}


@dataclass(frozen=True, slots=True)
class Code:
    """Something in the configuration that could run code."""

    what: str
    layer: str
    """Its name; empty where it has none."""
    custom: str = ""
    """The name of a class or function of your own, whose code you may name."""


def code_in(config: Any, known: Collection[str] = ()) -> Code | None:
    """The first thing that could run code.

    `known` are the classes and functions whose code the user named.
    """
    found = (_judged(node, known) for node in nodes(config))
    return next((one for one in found if one), None)


def bytecode_in(config: Any) -> Code | None:
    """The same for a part that no loader opens, such as how the model was compiled: your own loss
    is no danger there, bytecode is never honest."""
    return next((one for node in nodes(config) if (one := _carrier(node))), None)


def nodes(config: Any) -> Iterator[dict[str, Any]]:
    """Every dictionary, however deep; no recursion, so that depth cannot exhaust the stack."""
    waiting = [config]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            yield node
            waiting.extend(reversed(node.values()))
        elif isinstance(node, list):
            waiting.extend(reversed(node))


def _judged(node: dict[str, Any], known: Collection[str]) -> Code | None:
    if found := _carrier(node):
        return found
    kind = node.get("class_name")
    if not isinstance(kind, str):
        return None
    named = _last(node.get("config") if kind == "function" else kind)
    registered = _last(node.get("registered_name"))
    if named in known or registered in known:
        return None
    # tf_keras takes the registered name where the module has no class of the other one.
    judges = [JUDGES[name] for name in (_last(kind), registered) if name in JUDGES]
    if kind not in {"function", "__typespec__"}:
        judges.append(_class)
    what = next((said for judge in judges if (said := judge(node))), "")
    own = named if what.startswith(repr(named)) and not _keras(node.get("module")) else ""
    return Code(what, _name(node), own) if what else None


def _carrier(node: dict[str, Any]) -> Code | None:
    """A class that holds code, under whichever name; or the mark of a bytecode function."""
    names = [node.get("class_name"), node.get("registered_name")]
    if node.get("class_name") == "function":
        names.append(node.get("config"))
    what = next((f"a {_last(name)}" for name in names if _last(name) in HOLDERS), "")
    if any(key.endswith("_type") and value == "lambda" for key, value in node.items()):
        what = what or "a Python lambda"
    if _imported(node):
        what = what or f"from Python's module {node['module']!r}"
    return Code(what, _name(node)) if what else None


def _imported(node: dict[str, Any]) -> bool:
    """Whether it comes from Python's own library, which no network needs."""
    module = node.get("module")
    root = module.partition(".")[0] if isinstance(module, str) else ""
    return "class_name" in node and root in sys.stdlib_module_names and root != "builtins"


def _function(node: dict[str, Any]) -> str:
    name, module = node.get("config"), node.get("module")
    if not isinstance(name, str) or not PLAIN.fullmatch(name) or name in NO_OBJECTS:
        return f"a function called {name!r}"
    if module in (None, "builtins"):
        return f"Python's function {name!r}" if _pythons(name) else ""
    return "" if _of_keras(module) else f"{name!r} from the module {module!r}"


def _pythons(name: str) -> bool:
    return hasattr(builtins, name) and name not in {"abs", "max", "min", "pow", "round", "sum"}


def _class(node: dict[str, Any]) -> str:
    module, own = node.get("module"), node["class_name"].rpartition(">")[2]
    if node["class_name"] in MARKS:
        return ""
    if not (module in (None, "builtins", *INITIALIZERS) or _of_keras(module)):
        return f"{own!r} from the module {module!r}"
    if "module" in node and (not PLAIN.fullmatch(own) or own[0].islower()):
        return f"{own!r}, which is no class of Keras"
    return ""


def _type_spec(node: dict[str, Any]) -> str:
    module = node.get("module")
    known = isinstance(module, str) and module.startswith("tensorflow.python.framework.")
    return "" if known else f"a type from the module {module!r}"


def _keras(module: object) -> bool:
    return isinstance(module, str) and module.partition(".")[0] in {"keras", "tf_keras"}


def _of_keras(module: object) -> bool:
    """Whether it is one of the modules of Keras that only compute."""
    inside = module.split(".")[1:] if isinstance(module, str) else []
    inside = inside[1:] if inside[:1] == ["src"] else inside
    return _keras(module) and (not inside or SPACES.fullmatch(inside[0]) is not None)


def _symbol(node: dict[str, Any]) -> str:
    """A call of TensorFlow by name, as Keras 2 stores it."""
    config = node.get("config")
    held = config if isinstance(config, dict) else {}
    for key in SYMBOL_KEYS & held.keys():
        if not isinstance(held[key], str) or not SYMBOL.fullmatch(held[key]):
            return f"a call of tf.{held[key]}"
    return ""


def _attribute(node: dict[str, Any]) -> str:
    """An attribute of a tensor by name, as Keras 2 stores it."""
    config = node.get("config")
    name = config.get("attr_name") if isinstance(config, dict) else None
    known = isinstance(name, str) and name in ATTRIBUTES
    return "" if known else f"a call of a tensor's {name!r}"


def _operator(node: dict[str, Any]) -> str:
    """A graph operator, whose description is JSON in a string."""
    config = node.get("config")
    text = config.get("node_def") if isinstance(config, dict) else None
    try:
        described: Any = json.loads(text) if isinstance(text, str) else text
        operator = str(described["op"])
    except (ValueError, TypeError, KeyError, RecursionError):
        return "a graph operator that cannot be read"
    outside = reaches_outside(operator) or operator in SAVING
    return f"the graph operator {operator}" if outside else ""


def _last(name: object) -> str:
    """`Package>Name`, `module.Name` -> `Name`."""
    return name.rpartition(">")[2].rpartition(".")[2] if isinstance(name, str) else ""


def _name(node: dict[str, Any]) -> str:
    config = node.get("config")
    name = (config.get("name") if isinstance(config, dict) else None) or node.get("name")
    return name if isinstance(name, str) else ""


JUDGES: dict[str, Callable[[dict[str, Any]], str]] = {
    "function": _function,
    "TFOpLambda": _symbol,
    "SlicingOpLambda": _symbol,
    "ClassMethod": _symbol,
    "InstanceMethod": _attribute,
    "InstanceProperty": _attribute,
    "TensorFlowOpLayer": _operator,
    "__typespec__": _type_spec,
}
