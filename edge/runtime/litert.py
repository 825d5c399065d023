"""Input tensor -> raw output tensors. The only module that imports LiteRT or tflite-runtime."""

import warnings
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from edge.errors import FatalError
from edge.types import Tensor, TensorSpec

LONGEST_REASON = 300
"""LiteRT repeats itself for every tensor."""


class Interpreter(Protocol):
    """What runs a model; not for two threads at a time."""

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]

    def infer(self, tensor: Tensor) -> tuple[Tensor, ...]:
        """The first input in its own shape and dtype -> copies of all outputs, in order.

        Raises FatalError with the interpreter's own reason.
        """
        ...

    def invoke(self) -> None:
        """Once more on what the input tensor holds: the bare interpreter, for benchmarks."""
        ...


class LiteRt:
    """One TFLite interpreter with its tensors allocated, on the CPU or with a delegate."""

    def __init__(
        self,
        name: str,
        flatbuffer: bytes,
        threads: int,
        keep_all: bool = False,
        delegate: Any = None,
    ) -> None:
        """Raises FatalError with LiteRT's own reason where it refuses the model.

        keep_all makes every intermediate tensor readable by `tensor`, at the cost of memory.
        delegate is what `load_delegate` gave; without it LiteRT takes XNNPACK.
        """
        self.name = name
        self._delegate = delegate
        self.claims: bool | None = None
        """Whether the delegate took any operator; None: there is none, or LiteRT does not tell."""
        self._interpreter = self._open(flatbuffer, threads, keep_all)
        given, made = (
            self._interpreter.get_input_details(),
            self._interpreter.get_output_details(),
        )
        self.inputs = tuple(_spec(detail) for detail in given)
        self.outputs = tuple(_spec(detail) for detail in made)
        self.input, self.output = self.inputs[0], self.outputs[0]
        self._input_index = given[0]["index"]
        self._output_indices = [detail["index"] for detail in made]

    def _open(self, flatbuffer: bytes, threads: int, keep_all: bool) -> Any:
        options: dict[str, Any] = {"num_threads": threads}
        if keep_all:
            options["experimental_preserve_all_tensors"] = True
        if self._delegate is not None:
            options["experimental_delegates"] = [self._delegate]
        try:
            with warnings.catch_warnings():
                # LiteRT warns that keeping all tensors is for debugging; that is what it is for.
                warnings.filterwarnings("ignore", message=".*experimental_preserve_all_tensors")
                interpreter = _library().Interpreter(model_content=flatbuffer, **options)
            if self._delegate is not None:  # XNNPACK takes its share when tensors are allocated
                self.claims = _delegated(interpreter)
            interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise FatalError(f"{self.name}: LiteRT refuses the model: {_line(error)}") from None
        return interpreter

    def infer(self, tensor: Tensor) -> tuple[Tensor, ...]:
        """The input in its own shape and dtype -> copies of all outputs in the model's order.

        A recurrent network starts afresh with every picture.
        """
        try:
            self._interpreter.reset_all_variables()
            self._interpreter.set_tensor(self._input_index, tensor)
            self._interpreter.invoke()
            return tuple(self._interpreter.get_tensor(index) for index in self._output_indices)
        except (ValueError, RuntimeError) as error:
            raise FatalError(f"{self.name}: inference failed: {_line(error)}") from None

    def invoke(self) -> None:
        """Once more on what the input tensor holds."""
        self._interpreter.invoke()

    def spec(self, index: int) -> TensorSpec:
        """Any tensor's shape, dtype and quantisation, by its index in the flatbuffer."""
        details = self._interpreter.get_tensor_details()
        return next(_spec(detail) for detail in details if detail["index"] == index)

    def tensor(self, index: int) -> Tensor:
        """A copy of any tensor after `infer`, by its index in the flatbuffer (keep_all only)."""
        return np.asarray(self._interpreter.get_tensor(index))


class Gpu:
    """LiteRT's CompiledModel on its GPU accelerator: WebGPU over Vulkan."""

    def __init__(self, flatbuffer: bytes, like: LiteRt) -> None:
        """`like` is the same model on the CPU: CompiledModel does not tell quantisations.

        Raises FatalError where there is no Vulkan driver that it takes, or for the model's sake.
        """
        self.inputs, self.outputs = like.inputs, like.outputs
        try:
            self._model = self._open(flatbuffer)
            self._inputs = self._model.create_input_buffers(0)
            self._outputs = self._model.create_output_buffers(0)
        except (ValueError, RuntimeError) as error:
            raise FatalError(
                "LiteRT's GPU accelerator does not start: is there a Vulkan driver "
                f"(vulkaninfo lists them)? It says: {_line(error)}"
            ) from None

    def _open(self, flatbuffer: bytes) -> Any:
        """The CPU helps out only where the GPU lacks operators: asked for both from the start,
        LiteRT runs on the CPU alone without a word."""
        from ai_edge_litert.compiled_model import CompiledModel
        from ai_edge_litert.hardware_accelerator import HardwareAccelerator
        from ai_edge_litert.options import Options

        gpu, both = HardwareAccelerator.GPU, HardwareAccelerator.GPU | HardwareAccelerator.CPU
        try:
            return CompiledModel.from_buffer(flatbuffer, options=Options(hardware_accelerators=gpu))
        except RuntimeError as error:
            if "Some ops are not accelerated" not in str(error):
                raise
        return CompiledModel.from_buffer(flatbuffer, options=Options(hardware_accelerators=both))

    def infer(self, tensor: Tensor) -> tuple[Tensor, ...]:
        """As LiteRt.infer."""
        try:
            self._inputs[0].write(tensor)
            self._model.run_by_index(0, self._inputs, self._outputs)
            return tuple(
                buffer.read(int(np.prod(spec.shape)), spec.dtype).reshape(spec.shape)
                for buffer, spec in zip(self._outputs, self.outputs, strict=True)
            )
        except (ValueError, RuntimeError) as error:
            raise FatalError(f"inference on the GPU failed: {_line(error)}") from None

    def invoke(self) -> None:
        """Once more on what the input buffer holds."""
        self._model.run_by_index(0, self._inputs, self._outputs)


def load_delegate(library: str, options: dict[str, str]) -> Any:
    """A delegate's library, opened. Raises FatalError with its own reason.

    The library must be there: LiteRT prints a trace of its own where it is not.
    """
    try:
        return _library().load_delegate(library, options)
    except (OSError, ValueError, RuntimeError, AttributeError) as error:
        raise FatalError(f"the delegate in {library} does not open: {_line(error)}") from None


def gpu_accelerator() -> Path | None:
    """The GPU accelerator's library, where the installed LiteRT brings one."""
    spec = find_spec("ai_edge_litert")
    if spec is None or spec.origin is None:
        return None
    library = Path(spec.origin).with_name("libLiteRtWebGpuAccelerator.so")
    return library if library.exists() else None


def interpreter_name() -> str:
    """The installed interpreter with its version: ai-edge-litert, else tflite-runtime."""
    for name in ("ai-edge-litert", "tflite-runtime"):
        if find_spec(name.replace("-", "_")):
            return f"{name} {version(name)}"
    return "none: pip install ai-edge-litert"


def _library() -> Any:
    """LiteRT's module `interpreter`; tflite-runtime's, which has the same names, in its place."""
    try:
        if find_spec("ai_edge_litert"):
            from ai_edge_litert import interpreter
        else:
            from tflite_runtime import interpreter
    except ImportError as error:
        raise FatalError(
            f"no interpreter: {_line(error)}; pip install ai-edge-litert, or on Python 3.11 "
            "'hedgerow[tflite-runtime]'"
        ) from None
    return interpreter


def _delegated(interpreter: Any) -> bool | None:
    """Whether any part of the network is a delegate's."""
    details = getattr(interpreter, "_get_ops_details", None)
    return None if details is None else any(op["op_name"] == "DELEGATE" for op in details())


def _line(error: Exception) -> str:
    """LiteRT's message, which may have several lines, as one."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= LONGEST_REASON else f"{text[:LONGEST_REASON]}…"


def _spec(detail: dict[str, Any]) -> TensorSpec:
    scale, zero_point = detail["quantization"]
    shape = tuple(int(size) for size in detail["shape"])
    dtype: np.dtype[Any] = np.dtype(detail["dtype"])
    return TensorSpec(detail["name"], shape, dtype, float(scale), int(zero_point))
