"""A Keras 2 .h5 file -> a copy that Keras 3 opens: the configuration mended, weights as they are.

The known stumbling blocks: DepthwiseConv2D carries `groups: 1`, layer names hold a slash.
Weights are matched in order, so a renamed layer finds its own.
"""

import json
import shutil
from pathlib import Path
from typing import Any

from converter.scan import Scan


def mended_copy(found: Scan, folder: Path) -> Path:
    """Write the copy into `folder`."""
    import h5py

    target = folder / "mended.h5"
    shutil.copyfile(found.path, target)
    with h5py.File(target, "r+") as file:
        del file.attrs["model_config"]
        file.attrs["model_config"] = json.dumps(mend(found.config))
        if "training_config" in file.attrs:
            del file.attrs["training_config"]
    return target


def mend(node: Any) -> Any:
    """The configuration without what Keras 3 refuses."""
    if isinstance(node, list):
        return [mend(item) for item in node]
    if not isinstance(node, dict):
        return node.replace("/", "_") if _is_path(node) else node
    mended = {key: mend(value) for key, value in node.items()}
    if node.get("class_name") == "DepthwiseConv2D" and mended["config"].get("groups") == 1:
        del mended["config"]["groups"]
    return mended


def _is_path(value: Any) -> bool:
    return isinstance(value, str) and "/" in value
