"""Real YOLO graphs of ultralytics with seeded weights -> tests/golden/yolo/heads.npz.

`pip install torch torchvision ultralytics; python -m tests.benchmarks.ultralytics_heads PICTURE`
in an environment of its own. No weights are downloaded: batch normalisation is calibrated on the
picture, the score branch is turned up, and what the head then says, ultralytics' own NMS and box
scaling turn into boxes. Stored as its TFLite export writes it: coordinates 0..1 of the input.
"""

import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np

OUT = Path(__file__).parent.parent / "golden" / "yolo" / "heads.npz"
SIDE, LABELS = 160, 6
CONFIDENCE, OVERLAP = 0.25, 0.45


def main() -> None:
    """Write the file anew."""
    import torch
    from ultralytics.nn.tasks import DetectionModel
    from ultralytics.utils.nms import non_max_suppression
    from ultralytics.utils.ops import scale_boxes

    torch.manual_seed(7)
    image = np.asarray(cv2.imread(sys.argv[1]), np.uint8)
    height, width = image.shape[:2]
    ratio = min(SIDE / width, SIDE / height)
    inner = round(width * ratio), round(height * ratio)
    left, top = (SIDE - inner[0]) // 2, (SIDE - inner[1]) // 2
    canvas = np.full((SIDE, SIDE, 3), 114, np.uint8)
    canvas[top : top + inner[1], left : left + inner[0]] = cv2.resize(image, inner)
    given = torch.from_numpy(canvas[:, :, ::-1].copy()).permute(2, 0, 1)[None].float() / 255
    made: dict[str, Any] = {"size": np.array([width, height])}
    for name in ("yolov5nu", "yolov8n", "yolo11n"):
        network = DetectionModel(f"{name}.yaml", ch=3, nc=LABELS, verbose=False)
        for module in network.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.momentum = 1.0
        with torch.no_grad():
            network.train()(torch.cat([given, given.flip(3)]))
            for branch in network.model[-1].cv3:
                branch[-1].weight.mul_(3)
                branch[-1].bias.fill_(-4)
            head = network.eval()(given)[0]
        head[:, :4] /= SIDE
        made[name] = head[0].numpy().astype(np.float16)
        pixels = torch.from_numpy(made[name].astype(np.float32))[None]
        pixels[:, :4] *= SIDE
        for agnostic in (False, True):
            found = non_max_suppression(
                pixels.clone(), CONFIDENCE, OVERLAP, agnostic=agnostic, max_det=100
            )[0]
            found[:, :4] = scale_boxes((SIDE, SIDE), found[:, :4], (height, width))
            made[f"{name}_{'agnostic' if agnostic else 'per_class'}"] = found.numpy()
        print(name, tuple(head.shape), "boxes", len(made[f"{name}_per_class"]))
    np.savez_compressed(OUT, **made)


if __name__ == "__main__":
    main()
