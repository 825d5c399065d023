"""A classifier's raw output -> one Detection per label, without boxes."""

import numpy as np
import numpy.typing as npt

from edge.decode.tensors import Raw
from edge.errors import FatalError
from edge.model import Contract
from edge.types import Detection, Fit, Tensor, TensorSpec

MOST = 16
"""Labels that a frame is given. One further down has a probability of at most 1/17, and a
thousand of them cost more time than a small network's inference."""


class Classify:
    """A classifier's output -> its labels with their probabilities, highest first.

    Raises FatalError at construction where the output's width and the labels do not agree.
    """

    def __init__(self, contract: Contract, output: TensorSpec, place: int = 0) -> None:
        """`place` is the output's position among the model's."""
        width = int(np.prod(output.shape))
        if width != len(contract.labels):
            raise FatalError(
                f"output tensor {output.name!r} has {width} values, the contract names "
                f"{len(contract.labels)} labels"
            )
        if output.counts:
            raise FatalError(
                f"output tensor {output.name!r} holds whole numbers ({output.dtype}), not a score "
                "for each label: export the network without top_k or argmax at its end"
            )
        self._contract = contract
        self._output = output
        self._place = place

    def __call__(self, outputs: tuple[Tensor, ...], fit: Fit) -> tuple[Detection, ...]:  # noqa: ARG002
        """The scores' tensor -> one Detection for each of the first MOST labels.

        A frame that the reject rule turns away has the rule's label alone, with the probability
        that was too low: 0 where the network gave what is no number.
        """
        real = self.raw(outputs).scores
        if not np.isfinite(real).all():
            return (Detection(self._contract.reject.label, 0.0),)
        scores = np.clip(self._scores(real), 0.0, 1.0)
        order = np.argsort(-scores, kind="stable")
        if self._contract.task == "classify":
            order = order[:MOST]
        best = float(scores[order[0]])
        if best < self._contract.reject.below:
            return (Detection(self._contract.reject.label, best),)
        return tuple(Detection(self._contract.labels[i], float(scores[i])) for i in order)

    def raw(self, outputs: tuple[Tensor, ...]) -> Raw:
        """A real score for each label."""
        return Raw(self._output.name, self._output.dequantize(outputs[self._place]).ravel())

    def _scores(self, real: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        if self._contract.task == "multilabel":
            return independent(self._contract, real)
        return probabilities(self._contract, real)


def independent(contract: Contract, real: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """(..., labels) real outputs -> probabilities of the same shape, each label for itself.

    `1 / (1 + exp(-logit / temperature))`, the logistic function.
    """
    if contract.output.kind == "probabilities":
        if contract.temperature == 1.0:
            return real
        clipped = np.clip(real, 1e-7, 1.0 - 1e-7)
        real = np.log(clipped / (1.0 - clipped))
    return logistic(real / np.float32(contract.temperature))


def logistic(logits: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """`1 / (1 + exp(-x))`, as a tanh so that no x overflows."""
    return np.asarray(0.5 + 0.5 * np.tanh(0.5 * logits), np.float32)


def probabilities(contract: Contract, real: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """(..., labels) real outputs -> calibrated probabilities 0..1 of the same shape.

    `softmax(logits / temperature)` (Guo et al. 2017, On Calibration of Modern Neural Networks);
    the logits of a network that ends in softmax are the logarithms of its outputs.
    """
    if contract.output.kind == "probabilities":
        if contract.temperature == 1.0:
            return real
        real = np.log(np.clip(real, 1e-7, 1.0))
    scaled = real / contract.temperature
    exponents = np.exp(scaled - scaled.max(axis=-1, keepdims=True))
    return np.asarray(exponents / exponents.sum(axis=-1, keepdims=True), np.float32)
