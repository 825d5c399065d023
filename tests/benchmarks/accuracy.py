"""Float, int8 and reference int8 files on the same pictures, by a path of its own.

`python -m tests.benchmarks.accuracy PICTURES NORMALIZE MODEL.tflite ...`

Nothing of the converter and nothing of `edge` is used: pictures by OpenCV, arithmetic by NumPy,
inference by LiteRT. PICTURES is a folder per class or a list of `path,index`; NORMALIZE is
`mean,std`; `--crop SHARE` cuts the middle square instead of stretching.
"""

import argparse
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from ai_edge_litert.interpreter import Interpreter

Array = npt.NDArray[np.float64]


def listed(data: Path) -> list[tuple[Path, int]]:
    """Every picture with the index of its class."""
    if data.is_file():
        rows = (line.rsplit(",", 1) for line in data.read_text().splitlines() if line)
        return [(Path(path), int(label)) for path, label in rows]
    folders = sorted(folder for folder in data.iterdir() if folder.is_dir())
    return [(path, i) for i, folder in enumerate(folders) for path in sorted(folder.iterdir())]


def picture(path: Path, size: tuple[int, int], crop: float) -> Array:
    """(height, width, 3) R,G,B 0..255."""
    image = np.asarray(cv2.imread(str(path)))
    if crop:
        side = round(min(image.shape[:2]) * crop)
        top, left = (image.shape[0] - side) // 2, (image.shape[1] - side) // 2
        image = image[top : top + side, left : left + side]
    if image.shape[:2] != size:
        image = cv2.resize(image, size[::-1], interpolation=cv2.INTER_LINEAR)
    return np.asarray(image[:, :, ::-1], np.float64)


def answers(model: Path, rows: list[tuple[Path, int]], options: Any) -> npt.NDArray[np.int64]:
    """(n,) the label that the model gives each picture."""
    interpreter = Interpreter(model_path=str(model), num_threads=2)
    interpreter.allocate_tensors()
    source, target = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    mean, std = options.normalize
    found = []
    for path, _ in rows:
        height, width = source["shape"][1:3]
        real = (picture(path, (height, width), options.crop) - mean) / std
        scale, zero = source["quantization"]
        if scale:
            limits = np.iinfo(source["dtype"])
            real = np.clip(np.floor(real / scale + 0.5 + 1e-5) + zero, limits.min, limits.max)
        interpreter.set_tensor(source["index"], real[None].astype(source["dtype"]))
        interpreter.invoke()
        found.append(int(interpreter.get_tensor(target["index"]).argmax()))
    return np.array(found)


def main() -> None:
    """Print accuracy and agreement with the first model, a line per model."""
    parser = argparse.ArgumentParser()
    parser.add_argument("pictures", type=Path)
    parser.add_argument("normalize", type=lambda text: tuple(map(float, text.split(","))))
    parser.add_argument("models", type=Path, nargs="+")
    parser.add_argument("--crop", type=float, default=0.0)
    options = parser.parse_args()
    rows = listed(options.pictures)
    truth = np.array([label for _, label in rows])
    first = None
    for model in options.models:
        found = answers(model, rows, options)
        first = found if first is None else first
        print(
            f"{model.name}: {(found == truth).mean():.2%} of {len(truth)} right, "
            f"{(found == first).mean():.2%} as {options.models[0].name}"
        )


if __name__ == "__main__":
    main()
