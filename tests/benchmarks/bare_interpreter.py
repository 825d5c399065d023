"""Foreign models through edge, and by the bare interpreter beside it: the same answers.

`python -m tests.benchmarks.bare_interpreter [TESTDATA]` prints, for each vision model in
testdata/models, on how many pictures tensor, raw outputs, labels and scores are equal. The two
ways share no code: the second one resizes, normalises, infers and sorts here.
"""

import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from edge import model
from edge.decode.classify import MOST
from edge.preprocess import Preprocess
from edge.runtime.proof import decoder
from edge.runtime.runtime import open_runtime
from edge.types import Detection, Image
from tests.conftest import TESTDATA

PIXELS = {"vww_96_float": (0, 255), "pretrainedResnet": (0, 1), "_metadata_": (127.5, 127.5)}
"""Mean and standard deviation of float models, as their authors state them; else 0..1."""
STEP = 1e-6
Values = npt.NDArray[Any]


@dataclass
class Equal:
    """On how many pictures both were the same."""

    pictures: int = 0
    tensors: int = 0
    outputs: int = 0
    answers: int = 0

    @property
    def whole(self) -> bool:
        """Everything was, on every picture."""
        return {self.tensors, self.outputs, self.answers} == {self.pictures}


class Bare:
    """One model in LiteRt's own interpreter."""

    def __init__(self, path: Path) -> None:
        from ai_edge_litert.interpreter import Interpreter

        self._interpreter = Interpreter(model_path=str(path))
        self._interpreter.allocate_tensors()
        self.given = self._interpreter.get_input_details()[0]
        self.made = self._interpreter.get_output_details()
        _, self.height, self.width, self.channels = (*self.given["shape"], 1)[:4]
        scale, zero = self.given["quantization"]
        lowest = -128 if self.given["dtype"] is np.int8 else 0
        named = (pixels for part, pixels in PIXELS.items() if part in path.stem)
        self.mean: float
        self.std: float
        self.mean, self.std = (zero - lowest, 1 / scale) if scale else next(named, (0, 255))

    def tensor(self, image: Image) -> Values:
        """B, G, R pixels of any size -> the input."""
        code = cv2.COLOR_BGR2GRAY if self.channels == 1 else cv2.COLOR_BGR2RGB
        small = cv2.resize(image, (int(self.width), int(self.height)))
        pixels = cv2.cvtColor(small, code).reshape(self.given["shape"])
        if self.given["dtype"] is np.float32:
            return ((pixels - float(self.mean)) / float(self.std)).astype(np.float32)
        return (pixels.astype(int) + (-128 if self.given["dtype"] is np.int8 else 0)).astype(
            self.given["dtype"]
        )

    def infer(self, tensor: Values) -> list[Values]:
        """All outputs."""
        self._interpreter.reset_all_variables()
        self._interpreter.set_tensor(self.given["index"], tensor)
        self._interpreter.invoke()
        return [self._interpreter.get_tensor(detail["index"]) for detail in self.made]

    def contract(self) -> str:
        """A model.toml whose labels are numbers."""
        names = 91 if len(self.made) == 4 else int(np.prod(self.made[0]["shape"]))
        more = 'task = "detect"\noutput.layout = "ssd_postprocess"\n' if len(self.made) == 4 else ""
        return (
            f'name = "m"\nlabels = {[str(n) for n in range(names)]}\n{more}[input]\n'
            f"width = {self.width}\nheight = {self.height}\nmean = [{self.mean}]\n"
            f'std = [{self.std}]\ncolor = "{"grey" if self.channels == 1 else "rgb"}"\n'
        )

    def answers(self, outputs: list[Values]) -> list[tuple[str, float, tuple[float, ...]]]:
        """Number of the label, score and box, best first."""
        if len(outputs) == 4:
            boxes, classes, scores = (output[0] for output in outputs[:3])
            order = np.argsort(-scores, kind="stable")[: int(outputs[3][0])]
            corners = boxes[order][:, [1, 0, 3, 2]].tolist()
            rows = zip(classes[order].astype(int), scores[order], corners, strict=True)
            return [(str(label), float(score), tuple(box)) for label, score, box in rows]
        scale, zero = self.made[0]["quantization"]
        real = outputs[0].ravel().astype(np.float64)
        real = (real - zero) * scale if scale else real
        return [(str(n), float(real[n]), ()) for n in np.argsort(-real, kind="stable")[:MOST]]


def compare(path: Path, images: list[Image], folder: Path) -> Equal:
    """The model of the material on those pictures; `folder` is a scratch folder."""
    bare, copy = Bare(path), folder / path.name
    copy.write_bytes(path.read_bytes())
    (folder / "model.toml").write_text(bare.contract())
    loaded = model.load(copy)
    runtime = open_runtime(loaded)
    preprocess = Preprocess(loaded.contract.input, runtime.input)
    decode = decoder(loaded, runtime.input, runtime.outputs)
    equal = Equal()
    for image in images:
        tensor, fit = preprocess(image)
        ours, outputs = runtime.infer(tensor), bare.infer(bare.tensor(image))
        equal.pictures += 1
        equal.tensors += np.array_equal(tensor, bare.tensor(image))
        equal.outputs += all(map(np.array_equal, ours, outputs))
        equal.answers += _same(decode(ours, fit), bare.answers(outputs))
    return equal


def _same(found: tuple[Detection, ...], right: list[tuple[str, float, tuple[float, ...]]]) -> bool:
    rows = [
        (d.label, d.score, (d.box.x_min, d.box.y_min, d.box.x_max, d.box.y_max) if d.box else ())
        for d in found
    ]
    return len(rows) == len(right) and all(
        one[0] == other[0]
        and abs(one[1] - other[1]) <= STEP
        and np.allclose(one[2], other[2], rtol=0, atol=STEP)
        for one, other in zip(rows, right, strict=True)
    )


def models(testdata: Path) -> list[Path]:
    """Those that a picture goes into."""
    return sorted((testdata / "models").glob("[!b]*/**/*.tflite"))


def pictures(testdata: Path, every: int = 1) -> list[Image]:
    """Photographs of every size and shape."""
    folders = ("coral", "tflite-support", "tflm", "coco-open/images")
    found = [p for f in folders for p in sorted((testdata / "images" / f).glob("*.[bjp][mpn][pg]"))]
    return [np.asarray(cv2.imread(str(path)), np.uint8) for path in found[::every]]


def main() -> None:
    """The table."""
    testdata = Path(sys.argv[1]) if len(sys.argv) > 1 else TESTDATA
    images = pictures(testdata)
    for path in models(testdata):
        with tempfile.TemporaryDirectory() as folder:
            equal = compare(path, images, Path(folder))
        print(
            f"{path.relative_to(testdata / 'models')}: of {equal.pictures} pictures, tensors "
            f"{equal.tensors}, outputs {equal.outputs}, labels and scores {equal.answers} equal"
        )


if __name__ == "__main__":
    main()
