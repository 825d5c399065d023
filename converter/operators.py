"""TensorFlow operators -> whether they reach beyond the network. Pure."""

import re
from collections.abc import Iterator
from typing import Any

OUTSIDE = re.compile(
    r"File|Dataset|PyFunc|Rpc|Summary|Debug|DumpTensor|LMDB|Skipgram|Vocab|RecordInput"
    r"|LookupTableImport|^Print|^Collective|^LoadAndRemap|^DTensorRestore|^DistributedSave|^XlaCallModule"
    r"|CalibrationStatisticsSaver|FixedUnigram|^ImportEvent|^RegisterDataset|TPU|^Xla.*Host"
    r"|SnapshotChunk|^Iterator|Reader"
)
"""They read or write files, call Python or another machine, or run compiled code; a classifier has
none. A test compares this with TensorFlow's own list of operators."""

SAVING = {"Save", "SaveV2", "SaveSlices", "Restore", "RestoreV2", "RestoreSlice"}
SAVING |= {"MergeV2Checkpoints"}
"""Every SavedModel has them, for saving and restoring alone."""

PURE = {"ShardedFilename", "ShardedFilespec", "MergeSummary"}
"""They only make text."""


def reaches_outside(operator: str) -> bool:
    """Whether it does more than compute, and saves or restores no variables."""
    return operator not in PURE and OUTSIDE.search(operator) is not None


def saving_that_runs(meta: Any) -> Any:
    """The first node of a MetaGraphDef that writes or reads variables when it is loaded or called;
    None where only its saver does."""
    library = meta.graph_def.library.function
    saving = _saving_functions({f.signature.name: f.node_def for f in library})
    for function in library:
        name = function.signature.name
        if name in saving and name in meta.object_graph_def.concrete_functions:
            return saving[name]
    nodes = {node.name: node for node in meta.graph_def.node}
    for node in _reached(nodes, _roots(meta)):
        if node.op in SAVING:
            return node
        for name in called(node) & saving.keys():
            return saving[name]
    return None


def called(node: Any) -> set[str]:
    """The names of the functions that a node calls."""
    functions = [attribute.func for attribute in node.attr.values()]
    functions += [one for attribute in node.attr.values() for one in attribute.list.func]
    return {function.name for function in functions if function.name}


def _saving_functions(bodies: dict[str, Any]) -> dict[str, Any]:
    """Functions that save or restore, themselves or by another, with the node that does."""
    found = {name: node for name, body in bodies.items() for node in body if node.op in SAVING}
    while True:
        callers = {
            name: found[inner]
            for name, body in bodies.items()
            for node in body
            for inner in called(node) & found.keys()
            if name not in found
        }
        if not callers:
            return found
        found |= callers


def _roots(meta: Any) -> list[str]:
    """Names of the nodes that run on loading or on a call."""
    names = [one.name for s in meta.signature_def.values() for one in s.outputs.values()]
    for key in (
        "saved_model_main_op",
        "legacy_init_op",
        "saved_model_train_op",
        "table_initializer",
    ):
        names += meta.collection_def[key].node_list.value if key in meta.collection_def else []
    return names


def _reached(nodes: dict[str, Any], roots: list[str]) -> Iterator[Any]:
    waiting, seen = [*roots], set()
    while waiting:
        name = waiting.pop().removeprefix("^").partition(":")[0]
        if name in nodes and name not in seen:
            seen.add(name)
            yield nodes[name]
            waiting += nodes[name].input
