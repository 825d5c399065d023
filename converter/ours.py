"""A file that is there already -> whether the converter made it, so that it may be replaced."""

import json
import struct
import zipfile
import zlib
from pathlib import Path
from typing import Any

from converter import files
from edge.errors import FatalError
from edge.model import CONTRACT_FILE

PNG = b"\x89PNG\r\n\x1a\n"
PNG_HEADER_BYTES = len(PNG) + 25
"""The signature and the chunk IHDR, which must come first."""
MARK = b"Software\0Hedgerow converter explain"

LARGEST_REPORT_BYTES = 2**28


def check_model(out: Path, *inputs: Path | None) -> None:
    """Before `out`, a .tflite file, is written. Raises FatalError."""
    files.check_outputs(out, {}, is_model, inputs)


def check_conversion(out: Path, *inputs: Path | None) -> None:
    """Before `out` and its reports are written. Raises FatalError."""
    json_report, page = out.with_suffix(".report.json"), out.with_suffix(".report.html")
    beside = {files.previous(out): is_model, json_report: is_report, page: is_page}
    files.check_outputs(out, beside, is_model, inputs)


def check_training(out: Path, *inputs: Path | None) -> None:
    """Before `out`, a .keras file, and its reports are written. Raises FatalError."""
    beside = {out.with_suffix(".train.json"): is_course, out.with_suffix(".train.html"): is_page}
    files.check_outputs(out, beside, is_trained, inputs)


def check_drawing(out: Path, *inputs: Path | None) -> None:
    """Before `out`, a PNG file, is written. Raises FatalError."""
    files.check_outputs(out, {}, is_drawing, inputs)


def is_model(path: Path) -> bool:
    """A .tflite file with a contract."""
    try:
        with path.open("rb") as file:
            if file.read(8)[4:] != b"TFL3":
                return False
        with zipfile.ZipFile(path) as archive:
            return CONTRACT_FILE in archive.namelist()
    except (OSError, zipfile.BadZipFile, ValueError, NotImplementedError):
        return False


def is_report(path: Path) -> bool:
    """A conversion's report for programs."""
    return str(_json(path).get("schema", "")).startswith("hedgerow.report/")


def is_page(path: Path) -> bool:
    """A report for people, of a conversion or of a training run."""
    with path.open("rb") as file:
        start = file.read(4096)
    return b": int8 against float</title>" in start or b": trained</title>" in start


def is_course(path: Path) -> bool:
    """A training run's report for programs."""
    return {"labels", "course", "options", "model"} <= _json(path).keys()


def is_trained(path: Path) -> bool:
    """A .keras file that is still as the training run beside it left it."""
    report = path.with_suffix(".train.json")
    found = _json(report) if report.is_file() else {}
    known = found.get("model") == path.name and is_course(report)
    return known and found.get("model_sha256", "") in ("", files.sha256_of(path))


def is_drawing(path: Path) -> bool:
    """A PNG file that `signed` gave its mark."""
    with path.open("rb") as file:
        start = file.read(PNG_HEADER_BYTES + 8 + len(MARK))
    return start.startswith(PNG) and start.endswith(MARK)


def signed(png: bytes) -> bytes:
    """A PNG file with a text chunk behind its header that says who made it."""
    chunk = b"tEXt" + MARK
    length, check = struct.pack(">I", len(MARK)), struct.pack(">I", zlib.crc32(chunk))
    return png[:PNG_HEADER_BYTES] + length + chunk + check + png[PNG_HEADER_BYTES:]


def _json(path: Path) -> dict[str, Any]:
    """An object in a file; empty where there is none."""
    try:
        if path.stat().st_size > LARGEST_REPORT_BYTES:
            return {}
        found = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        return {}
    except OSError as error:
        raise FatalError(f"{path}: cannot be read: {error.strerror}") from None
    return found if isinstance(found, dict) else {}
