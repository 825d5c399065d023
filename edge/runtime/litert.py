"""Input tensor -> raw output tensors on the CPU. The only module that imports LiteRT."""

import warnings
from typing import Any

import numpy as np

from edge.errors import FatalError
from edge.types import Tensor, TensorSpec


class LiteRt:
    """One TFLite interpreter with its tensors allocated. Not for two threads at a time."""

    def __init__(self, name: str, flatbuffer: bytes, threads: int, keep_all: bool = False) -> None:
        """Raises FatalError with LiteRT's own reason where it refuses the model.

        keep_all makes every intermediate tensor readable by `tensor`, at the cost of memory.
        """
        from ai_edge_litert.interpreter import Interpreter

        try:
            with warnings.catch_warnings():
                # LiteRT warns that keeping all tensors is for debugging; that is what it is for.
                warnings.filterwarnings("ignore", message=".*experimental_preserve_all_tensors")
                self._interpreter = Interpreter(
                    model_content=flatbuffer,
                    num_threads=threads,
                    experimental_preserve_all_tensors=keep_all,
                )
            self._interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            reason = " ".join(str(error).split())
            raise FatalError(f"{name}: LiteRT refuses the model: {reason}") from None
        self.inputs = tuple(_spec(d) for d in self._interpreter.get_input_details())
        self.outputs = tuple(_spec(d) for d in self._interpreter.get_output_details())
        self.input, self.output = self.inputs[0], self.outputs[0]
        self._input_index = self._interpreter.get_input_details()[0]["index"]
        self._output_indices = [d["index"] for d in self._interpreter.get_output_details()]

    def infer(self, tensor: Tensor) -> tuple[Tensor, ...]:
        """The input in its own shape and dtype -> copies of all outputs in the model's order."""
        self._interpreter.set_tensor(self._input_index, tensor)
        self._interpreter.invoke()
        return tuple(self._interpreter.get_tensor(index) for index in self._output_indices)

    def tensor(self, index: int) -> Tensor:
        """A copy of any tensor after `infer`, by its index in the flatbuffer (keep_all only)."""
        return np.asarray(self._interpreter.get_tensor(index))


def _spec(detail: dict[str, Any]) -> TensorSpec:
    scale, zero_point = detail["quantization"]
    shape = tuple(int(size) for size in detail["shape"])
    dtype: np.dtype[Any] = np.dtype(detail["dtype"])
    return TensorSpec(detail["name"], shape, dtype, float(scale), int(zero_point))
