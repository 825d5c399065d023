"""Raw outputs of the interpreter -> Detections. Pure: no clock, no thread, no I/O."""

from typing import Protocol

from edge.decode.classify import Classify, probabilities
from edge.decode.tensors import Raw, scores_place
from edge.errors import FatalError
from edge.model import Contract
from edge.types import Detection, Fit, Tensor, TensorSpec

__all__ = ["Classify", "Decode", "Decoder", "Raw", "open_decode", "probabilities"]


class Decode(Protocol):
    """One model's decoder, checked against its output tensors when it was made."""

    def __call__(self, outputs: tuple[Tensor, ...], fit: Fit) -> tuple[Detection, ...]:
        """All raw outputs, and where in the frame the input lay -> Detections, best first."""
        ...


class Decoder(Decode, Protocol):
    """One that also shows what it reads."""

    def raw(self, outputs: tuple[Tensor, ...]) -> Raw:
        """All raw outputs -> the network's own scores and boxes, for who checks the contract."""
        ...


def open_decode(contract: Contract, outputs: tuple[TensorSpec, ...]) -> Decoder:
    """The decoder that the contract asks for.

    Raises FatalError where the model's outputs are not what the contract says.
    """
    match contract.output.layout:
        case None:
            place = scores_place(contract, outputs)
            return Classify(contract, outputs[place], place)
        case "ssd_postprocess":
            from edge.decode.ssd import SsdPostprocess

            return SsdPostprocess(contract, outputs)
        case "ssd":
            from edge.decode.ssd import SsdHead

            return SsdHead(contract, outputs)
        case "yolov5" | "yolov8":
            from edge.decode.yolo import Yolo

            return Yolo(contract, outputs)
        case "end_to_end":
            from edge.decode.yolo import EndToEnd

            return EndToEnd(contract, outputs)
    raise FatalError(f"output.layout: there is no decoder for {contract.output.layout!r}")
