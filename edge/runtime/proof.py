"""A model's answers to a few pictures -> its decoder, or why contract and outputs do not match.

Shapes tell little: logits and probabilities, pixels and shares have the same.
"""

from collections.abc import Iterable
from itertools import islice

import numpy as np

from edge.decode import Decoder, Raw, open_decode
from edge.decode.tensors import scores_place
from edge.errors import FatalError
from edge.flatbuffer import ends
from edge.head import IN_GRAPH
from edge.model import Contract, Model
from edge.preprocess import Preprocess, check_range
from edge.runtime.litert import LiteRt
from edge.runtime.verify import seeded
from edge.types import Tensor, TensorSpec

PICTURES = 2
SLACK = 0.01
"""How far beyond 0..1 rounding may take a probability."""
FURTHEST = 2.0
"""A normalised centre lies in the picture or a little beyond; one in pixels is of the order of
the picture's side."""
ENOUGH = 64
"""So many logits that all lie in 0..1 are none."""

Row = tuple[Tensor, ...]
"""All raw outputs for one picture."""


def decoder(model: Model, given: TensorSpec, outputs: tuple[TensorSpec, ...]) -> Decoder:
    """Raises FatalError where the contract does not describe this model.

    Its golden vectors are looked at; where it has none, it is run on noise.
    """
    contract = model.contract
    try:
        preprocess = Preprocess(contract.input, given)
        check_range(contract.input, given)
        made = open_decode(contract, outputs)
        rows = _golden(model, len(outputs)) or tuple(_noise(model, preprocess))
        check(contract, model.flatbuffer, outputs, rows)
    except FatalError as error:
        raise FatalError(f"{model.path}: {error}") from None
    return made


def check(
    contract: Contract, flatbuffer: bytes, outputs: tuple[TensorSpec, ...], rows: Iterable[Row]
) -> None:
    """The answers in `rows` against the contract. Raises FatalError with the key to change."""
    decode = open_decode(contract, outputs)
    raws = []
    for row in rows:
        for answer, spec in zip(row, outputs, strict=True):
            if answer.shape != spec.shape:
                raise FatalError(
                    f"output tensor {spec.name!r} changes its shape from {list(spec.shape)} to "
                    f"{list(answer.shape)}: export the network with outputs of a fixed size"
                )
        raws.append(decode.raw(row))
    sound = [raw for raw in raws if _is_sound(raw)]
    if not sound:
        raise FatalError(
            f"output tensor {raws[0].name!r} holds no numbers (NaN) for any of {len(raws)} "
            "pictures: the network is broken, or its pixels are normalized wrongly"
        )
    _check_scores(contract, sound)
    _check_centers(contract, sound)
    if contract.output.layout is None:
        _check_ending(contract, ends.made_by(flatbuffer, scores_place(contract, outputs)), sound)


def _golden(model: Model, outputs: int) -> tuple[Row, ...]:
    golden = model.golden
    if golden is None or 1 + len(golden.others) != outputs:
        return ()
    arrays = (golden.outputs, *golden.others)
    return tuple(tuple(array[n : n + 1] for array in arrays) for n in range(len(golden.inputs)))


def _noise(model: Model, preprocess: Preprocess) -> Iterable[Row]:
    size = (1, model.contract.input.height, model.contract.input.width, 3)
    network = LiteRt("", model.flatbuffer, threads=1)
    for picture in islice(seeded(TensorSpec("pixels", size, np.dtype(np.uint8))), PICTURES):
        yield network.infer(preprocess(picture[0])[0])


def _is_sound(raw: Raw) -> bool:
    """-inf is a logit that says never."""
    return bool((np.isfinite(raw.scores) | np.isneginf(raw.scores)).all())


def _check_scores(contract: Contract, raws: list[Raw]) -> None:
    scores = np.concatenate([raw.scores for raw in raws])
    if not scores.size:
        return
    low, high = float(scores.min()), float(scores.max())
    within = low >= -SLACK and high <= 1 + SLACK
    told = contract.output.kind == "logits" and contract.output.layout not in IN_GRAPH
    if not within and not told:
        raise FatalError(
            f"output tensor {raws[0].name!r} holds scores from {low:.3g} to {high:.3g}, and "
            f"probabilities lie in 0 to 1: {_advice(contract)}"
        )
    sealed = bool(contract.flatbuffer_sha256)  # its thresholds were chosen as it is
    if told and within and not sealed and _are_probabilities(contract, raws):
        raise FatalError(
            f"output.kind: is logits, and output tensor {raws[0].name!r} holds probabilities: "
            'make it "probabilities" (it is so without the key)'
        )


def _advice(contract: Contract) -> str:
    if contract.output.layout in IN_GRAPH:
        return "export the network with sigmoid or softmax before its boxes are chosen"
    function = "softmax" if contract.task == "classify" else "the logistic function"
    return (
        'if they are logits, say so: output = { kind = "logits" } in model.toml, --head '
        f"kind=logits for converter pack (they go through {function} then)"
    )


def _are_probabilities(contract: Contract, raws: list[Raw]) -> bool:
    if contract.task == "classify":
        return _add_up(contract, raws)
    return sum(raw.scores.size for raw in raws) >= ENOUGH


def _add_up(contract: Contract, raws: list[Raw]) -> bool:
    """As the probabilities of labels that exclude each other do."""
    sums = [float(raw.scores.sum()) for raw in raws]
    return contract.task == "classify" and all(abs(one - 1) <= 2 * SLACK for one in sums)


def _check_centers(contract: Contract, raws: list[Raw]) -> None:
    found = [raw.centers for raw in raws if raw.centers is not None and raw.centers.size]
    if not found:
        return
    furthest = float(np.nanmax(np.abs(np.concatenate(found))))
    layout, told = contract.output.layout, contract.output.coordinates
    if told == "normalized" and furthest > FURTHEST:
        raise FatalError(
            f"output.coordinates: are normalized, and boxes lie at {furthest:.3g}: say "
            'output.coordinates = "pixels"'
            if layout != "ssd_postprocess"
            else f"its boxes lie at {furthest:.3g}, not in 0 to 1"
        )
    if told == "pixels" and furthest <= FURTHEST and layout in ("yolov5", "yolov8"):
        raise FatalError(
            f"output.coordinates: are pixels, and no box lies beyond {furthest:.3g}: say "
            'output.coordinates = "normalized"'
        )


def _check_ending(contract: Contract, operator: str, raws: list[Raw]) -> None:
    """What a classifier's values alone do not tell."""
    if operator.startswith(("TOPK", "ARG_")):
        raise FatalError(
            f"its scores come from {operator}: sorted, or of the best only, and no label's own: "
            "export the network without it"
        )
    told = contract.output.kind == "logits"
    if operator in ends.GIVE_LOGITS and not told and not _add_up(contract, raws):
        raise FatalError(
            f"its scores come from {operator} without softmax or sigmoid behind it, and are no "
            f"probabilities: {_advice(contract)}"
        )
    if contract.task == "multilabel" or len(contract.labels) > 1:
        return
    if operator == "SOFTMAX" or told:
        raise FatalError(
            "softmax over one score is always 1: a network with one label ends in sigmoid "
            '(task = "multilabel")'
        )
