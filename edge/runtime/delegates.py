"""A delegate's name -> an interpreter that runs the model on it."""

import ctypes
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from edge.errors import FatalError
from edge.runtime.litert import Gpu, Interpreter, LiteRt, gpu_accelerator, load_delegate

if TYPE_CHECKING:  # a delegate's process must start quickly
    from edge.model import Model

KNOWN = "cpu, gpu, edgetpu[?key=value], external:/path/lib.so[?key=value&…]"
EDGETPU = "libedgetpu.so.1"


def open_delegate(name: str, path: str, flatbuffer: bytes, threads: int) -> Interpreter:
    """In the delegate's own process. Raises FatalError with the reason where the delegate is not
    there or refuses."""
    library, options = parse(name)
    find(name)
    if library == "gpu":
        return Gpu(flatbuffer, LiteRt(path, flatbuffer, threads))
    delegate = load_delegate(library, options)
    return LiteRt(path, flatbuffer, threads, delegate=delegate)


def cpu(model: "Model", threads: int) -> LiteRt:
    """XNNPACK: the reference that every other delegate is compared with."""
    return LiteRt(str(model.path), model.flatbuffer, threads)


def parse(name: str) -> tuple[str, dict[str, str]]:
    """`external:/lib.so?a=b` -> (/lib.so, {a: b}); cpu and gpu stay as they are.

    Raises FatalError for a name that is none.
    """
    kind, _, rest = name.partition("?")
    options = dict(parse_qsl(rest, keep_blank_values=True))
    scheme, _, path = kind.partition(":")
    if scheme == "external" and path:
        return path, options
    if kind == "edgetpu":
        return EDGETPU, options
    if name in ("cpu", "gpu"):
        return name, {}
    raise FatalError(f"unknown delegate {name!r}; known: {KNOWN}")


def find(name: str) -> str:
    """Where the delegate's library lies. Raises FatalError with what to install.

    LiteRT prints a trace of its own where a library is missing, so it is looked for first.
    """
    library, _ = parse(name)
    if library == "cpu":
        return "XNNPACK, inside the interpreter"
    if library == "gpu":
        accelerator = gpu_accelerator()
        if accelerator is None:
            raise FatalError("this interpreter brings no GPU accelerator: install ai-edge-litert")
        return str(accelerator)
    if "/" in library and not Path(library).exists():
        raise FatalError(f"there is no {library}")
    try:
        ctypes.CDLL(library)
    except OSError as error:
        advice = "; install libedgetpu1-std" if library == EDGETPU else ""
        raise FatalError(f"{library} cannot be loaded: {error}{advice}") from None
    return library
