"""A SavedModel folder -> a callable network. Runs in the child process only."""

from collections.abc import Callable
from typing import Any, NoReturn

from converter.keras_files import useful
from converter.loading import Loading
from converter.operators import reaches_outside, saving_that_runs
from edge.errors import FatalError
from edge.text import shown

OUT_OF_SCOPE = {"While", "StatelessWhile", "TensorListReserve", "CudnnRNN", "CudnnRNNV3"}


def load_saved_model(loading: Loading) -> tuple[Callable[[Any], Any], tuple[Any, ...]]:
    """The serving signature and its input's shape without the batch.

    Raises FatalError naming the operator, input or output that stands in the way.
    """
    import tensorflow as tf

    _check_operators(loading)
    try:
        loaded = tf.saved_model.load(str(loading.path))
    except Exception as error:  # noqa: BLE001 - anything on a folder that it dislikes
        reason = useful(str(error))
        raise FatalError(f"{loading.path}: TensorFlow cannot open it: {reason}") from None
    signatures = dict(loaded.signatures)
    if not signatures:
        raise FatalError(f"{loading.path}: has no signatures: export it with model.export")
    signature = signatures.get("serving_default") or next(iter(signatures.values()))
    inputs = signature.structured_input_signature[1]
    if len(inputs) != 1:
        raise FatalError(
            f"{loading.path}: has {len(inputs)} inputs ({', '.join(inputs)}); only a network "
            "with one input, the picture, can be converted"
        )
    name, spec = next(iter(inputs.items()))
    output = _which_output(loading, sorted(signature.structured_outputs))

    def call(image: Any) -> Any:
        # `loaded` owns the variables: the closure keeps it alive.
        assert loaded is not None
        return signature(**{name: image})[output]

    return call, tuple(spec.shape[1:])


def _which_output(loading: Loading, names: list[str]) -> str:
    if loading.output in names:
        return loading.output
    if len(names) > 1 or loading.output:
        raise FatalError(
            f"{loading.path}: has the outputs {', '.join(names)}: choose one with --output NAME"
        )
    return names[0]


def _check_operators(loading: Loading) -> None:
    """Raises FatalError naming the first operator that does more than compute."""
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

    saved = SavedModel()
    try:
        saved.ParseFromString((loading.path / "saved_model.pb").read_bytes())
    except Exception as error:  # noqa: BLE001 - protobuf's error type varies
        raise FatalError(f"{loading.path}: saved_model.pb is damaged: {error}") from None
    for graph in saved.meta_graphs:
        nodes = [*graph.graph_def.node]
        nodes += [n for f in graph.graph_def.library.function for n in f.node_def]
        for node in nodes:
            if reaches_outside(node.op) and not loading.trusted:
                _refuse(loading, node)
            if node.op in OUT_OF_SCOPE:
                raise FatalError(
                    f"{loading.path}: operator {shown(node.name)!r} is {node.op}: a recurrent "
                    "network is outside the scope, which is CNNs that classify pictures"
                )
        if not loading.trusted and (node := saving_that_runs(graph)) is not None:
            _refuse(loading, node)


def _refuse(loading: Loading, node: Any) -> NoReturn:
    raise FatalError(
        f"{loading.path}: operator {shown(node.name)!r} is {shown(node.op)}, which reaches outside "
        "the network; use --trust-model-code if you trust whoever made the file"
    )
