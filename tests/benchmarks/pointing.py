"""How often the strongest evidence for "person" lies in a person: `pointing.py MODEL COCO_OPEN`.

The pointing game (Zhang et al. 2016, Top-down neural attention by excitation backprop) on pictures
with boxes in which people fill less than 60 % and that the model calls person.
"""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from converter.explain import explain

MOST = 0.6


def mask(image: dict[str, Any], boxes: list[list[float]], shape: tuple[int, int]) -> Any:
    """Where the boxes are, in the network's pixels."""
    inside: npt.NDArray[np.bool_] = np.zeros(shape, bool)
    down, right = shape[0] / image["height"], shape[1] / image["width"]
    for x, y, width, height in boxes:
        rows = slice(int(y * down), int(np.ceil((y + height) * down)))
        inside[rows, int(x * right) : int(np.ceil((x + width) * right))] = True
    return inside


def main(model: Path, folder: Path) -> None:
    """One line: hits, pictures, and what a blind guess would hit."""
    truth = json.loads((folder / "annotations.json").read_text())
    person = next(c["id"] for c in truth["categories"] if c["name"] == "person")
    hits, chances = 0, []
    for image in truth["images"]:
        of_it = (a for a in truth["annotations"] if a["image_id"] == image["id"])
        boxes = [a["bbox"] for a in of_it if a["category_id"] == person]
        path = next(folder.rglob(Path(image["file_name"]).name))
        if not boxes or (found := explain(model, path)).label != "person":
            continue
        inside = mask(image, boxes, found.heat.shape)
        if inside.mean() <= MOST:
            hits += bool(inside.flat[found.heat.argmax()])
            chances.append(inside.mean())
    print(f"{hits} of {len(chances)}; a blind guess: {np.mean(chances):.1%}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
