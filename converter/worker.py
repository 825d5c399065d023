"""One JSON job a line on stdin -> one JSON answer a line on stdout. Runs in the child process."""

import json
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from converter.isolation import leave_network
from edge.errors import HedgerowError

Job = Callable[[dict[str, Any]], dict[str, Any]]


def main() -> None:
    """Serve jobs until stdin ends: the parent has gone, or needs no more."""
    isolated = leave_network()
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever prints goes to the log, not into the answers
    for line in sys.stdin:
        request = json.loads(line)
        answer = _answer(request) | {"isolated": isolated}
        print(json.dumps(answer), file=answers, flush=True)


def _answer(request: dict[str, Any]) -> dict[str, Any]:
    try:
        return JOBS[request["job"]](request)
    except HedgerowError as error:
        return {"error": str(error)}
    except Exception as error:  # noqa: BLE001 - TensorFlow raises anything; all becomes one line
        traceback.print_exc()
        message = " ".join(f"{type(error).__name__}: {error}".split())
        return {"error": f"{request.get('model', request['job'])}: {message[:400]}"}


def _load(request: dict[str, Any]) -> dict[str, Any]:
    from converter.export import to_float_tflite
    from converter.keras_files import load
    from converter.loading import Loading

    network = load(Loading.of(request))
    made = to_float_tflite(network)
    Path(request["out"]).write_bytes(made.flatbuffer)
    return {
        "shape": network.shape,
        "versions": network.versions,
        "kind": made.kind,
        "sigmoid": made.sigmoid,
        "binary": made.binary,
        "normalizes": made.normalizes,
        "expects": made.expects,
        "last": made.last,
    }


def _weights(request: dict[str, Any]) -> dict[str, Any]:
    """The arrays of every layer of a model file, by its number and theirs."""
    import numpy as np

    from converter.keras_files import open_model
    from converter.loading import Loading

    layers = {layer.name: layer.get_weights() for layer in open_model(Loading.of(request)).layers}
    arrays = {
        f"{number}.{place}": array
        for number, held in enumerate(layers.values())
        for place, array in enumerate(held)
    }
    np.savez(request["out"], **arrays)
    return {"layers": {name: len(held) for name, held in layers.items()}}


def _grad_cam(request: dict[str, Any]) -> dict[str, Any]:
    import numpy as np

    from converter.gradcam import Answers, of_file
    from converter.loading import Loading

    answers = Answers(request["labels"], request["kind"])
    inputs = np.load(request["inputs"], allow_pickle=False)
    evidence = of_file(Loading.of(request), inputs, request["place"], answers)
    np.save(request["out"], evidence)
    return {}


def _quantize(request: dict[str, Any]) -> dict[str, Any]:
    from converter.export import to_int8_tflite

    ranged = Path(request["ranged"]).read_bytes()
    Path(request["out"]).write_bytes(to_int8_tflite(ranged, request["io"], request["in_float"]))
    return {}


def _tune(request: dict[str, Any]) -> dict[str, Any]:
    import numpy as np

    from converter.measure import Feed
    from converter.tuning import tuned
    from edge.model import InputContract

    contract = InputContract.model_validate(request["contract"])
    feeds = [Feed(np.load(path, mmap_mode="r"), contract) for path in request["pixels"]]
    network, int8 = Path(request["network"]).read_bytes(), Path(request["int8"]).read_bytes()
    Path(request["out"]).write_bytes(tuned(network, int8, feeds, request["kind"]))
    return {}


JOBS: dict[str, Job] = {
    "load": _load,
    "quantize": _quantize,
    "tune": _tune,
    "weights": _weights,
    "grad_cam": _grad_cam,
}


if __name__ == "__main__":
    main()
