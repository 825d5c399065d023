"""Model files whose parts lie: `python -m tests.fuzz_parts --count N --seed S`.

tests/fuzz.py mutates networks; here the flatbuffer is sound and what lies behind it is not: the
zip's own structure, the contract, the labels, the golden vectors, a model.toml. A child opens one
batch after the other as the daemon does, up to where nothing but the network itself is left, and
measures the memory that each takes at most. A child that dies, a traceback, an error of more than
one line and too much memory are faults.
"""

import argparse
import collections
import copy
import io
import json
import random
import sys
import tempfile
import warnings
import zipfile
from pathlib import Path
from typing import Any

from tests.fuzz import batches

ROOT = Path(__file__).resolve().parent.parent
MODELS = ("bean-leaf", "person", "weeds")
BATCH = 500
ALLOWED_BYTES = 50 << 20
"""That `model.load` may take beyond three times the file's size."""
ODD: tuple[Any, ...] = (
    None, True, -1, 0, 1, 10**400, 1e-300, 1e300, float("inf"), float("nan"), "", "x" * 100_000,
    "\n", "ERROR: \x1b[2J", "\ud800", "Blu\u0308te", [], [[]], {}, {"a": {}}, [0] * 5000,
)  # fmt: skip
HEADERS = ("|i1", "<f4", "|O8", "<U9", ">i2", "<c8", "|V3", "<f2", "|b1", "garbage")


def mutant(number: int, seed: int) -> tuple[str, bytes, bytes | None]:
    """What was changed, the file, and a model.toml beside it; the same for the same numbers."""
    chance = random.Random(seed * 1_000_003 + number)
    whole = (ROOT / "models" / chance.choice(MODELS) / "model.tflite").read_bytes()
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        start = min(info.header_offset for info in archive.infolist())
        files = {info.filename: archive.read(info) for info in archive.infolist()}
    what = ("zip", "contract", "labels", "golden", "sidecar")[number % 5]
    sidecar = None
    match what:
        case "zip":
            return what, whole[:start] + damaged(whole[start:], chance), None
        case "contract":
            files["hedgerow.json"] = contract(files["hedgerow.json"], chance)
        case "labels":
            files["labels.txt"] = damaged(files["labels.txt"] * chance.choice((1, 99)), chance)
            del files["hedgerow.json"]
        case "golden":
            files["golden.npz"] = golden(files["golden.npz"], chance)
        case _:
            sidecar, files = toml(chance), {}
    return what, whole[:start] + zipped(files, chance), sidecar


def damaged(data: bytes, chance: random.Random) -> bytes:
    """Bytes changed, a run repeated, cut out or zeroed, or the end cut off."""
    changed = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 8))):
        at = chance.randrange(max(1, len(changed)))
        if chance.random() < 0.6:  # where a zip's directory is
            at = max(0, len(changed) - 1 - chance.randrange(400))
        run = chance.choice((1, 2, 4, 30, 300))
        match chance.randrange(5):
            case 0:
                changed[at : at + run] = chance.randbytes(run)
            case 1:
                changed[at : at + run] = changed[at : at + run] * 2
            case 2:
                del changed[at : at + run]
            case 3:
                changed[at : at + run] = bytes(run)
            case _:
                changed[at : at + 4] = chance.choice((0, 1, 0xFFFF, 0xFFFFFFFF)).to_bytes(4, "big")
    return bytes(
        changed if chance.random() < 0.8 else changed[: chance.randrange(len(changed) + 1)]
    )


def contract(content: bytes, chance: random.Random) -> bytes:
    """A value changed, removed, added or multiplied; or the text itself damaged."""
    if chance.random() < 0.15:
        return damaged(content, chance)
    if chance.random() < 0.1:
        depth = chance.choice((10, 1000, 100_000))
        opening, closing = chance.choice(((b"[", b"]"), (b'{"a":', b"}")))
        return opening * depth + b"1" + closing * depth
    tree = json.loads(content)
    for _ in range(chance.choice((1, 1, 2, 4))):
        table = chance.choice([tree, *(v for v in tree.values() if isinstance(v, dict))])
        key = chance.choice([*table, "surprise"])
        match chance.randrange(4):
            case 0:
                table.pop(key, None)
            case 1:
                table[key] = copy.deepcopy(chance.choice(list(tree.values())))
            case 2 if isinstance(table.get(key), list):
                table[key] = table[key] * chance.choice((0, 2, 3000))
            case _:
                table[key] = copy.copy(chance.choice(ODD))
    return json.dumps(tree).encode("utf-8", "surrogatepass")


def golden(content: bytes, chance: random.Random) -> bytes:
    """Arrays with other headers, other bytes, other names; or the archive itself damaged."""
    if chance.random() < 0.3:
        return damaged(content, chance)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        arrays = {info.filename: archive.read(info) for info in archive.infolist()}
    name = chance.choice(list(arrays))
    match chance.randrange(4):
        case 0:
            shape = tuple(
                chance.choice((-1, 0, 1, 2, 1 << 40)) for _ in range(chance.randrange(40))
            )
            header = {"descr": chance.choice(HEADERS), "fortran_order": chance.random() < 0.3}
            text = repr(header | {"shape": shape}).encode()
            arrays[name] = b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + b"ab"
        case 1:
            arrays[name] = arrays[name][: chance.randrange(200)] + chance.randbytes(40)
        case 2:
            arrays[chance.choice(("outputs_1.npy", "x\x1b\n", "inputs"))] = arrays.pop(name)
        case _:
            arrays[name] = bytes(chance.choice((0, 1 << 10, 1 << 26)))
    return zipped(arrays, chance)


def toml(chance: random.Random) -> bytes:
    """A model.toml with a value of some kind, or damaged."""
    lines = [b'name = "a"', b'labels = ["a", "b"]', b"input = { width = 8, height = 8 }"]
    odd = (b"nan", b"inf", b"[[" * 3000, b"'''", b'"\\u0000"', b"9" * 5000, b"1," * 60_000)
    lines[chance.randrange(3)] = chance.choice((b"name = ", b"labels = ")) + chance.choice(odd)
    return damaged(b"\n".join(lines), chance) if chance.random() < 0.5 else b"\n".join(lines)


def zipped(files: dict[str, bytes], chance: random.Random) -> bytes:
    """A zip of them, stored or deflated."""
    data = io.BytesIO()
    how = chance.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))
    with zipfile.ZipFile(data, "w", how) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return data.getvalue() if files else b""


def peak_bytes() -> int:
    """The most memory this process ever had, since it was last forgotten."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) << 10


def batch(first: int, count: int, seed: int) -> None:
    """The child: prints one line per file."""
    from edge.errors import HedgerowError

    warnings.simplefilter("error")
    with tempfile.TemporaryDirectory() as folder:
        path, sidecar = Path(folder) / "model.tflite", Path(folder) / "model.toml"
        for number in range(first, first + count):
            what, data, toml_bytes = mutant(number, seed)
            path.write_bytes(data)
            sidecar.unlink(missing_ok=True)
            if toml_bytes is not None:
                sidecar.write_bytes(toml_bytes)
            del data
            try:
                said = opened(path)
            except HedgerowError as error:
                said = "refused"
                shown = str(error)
                assert len(shown.splitlines()) == 1 and shown.isprintable(), ascii(shown)
                assert str(folder) in shown and len(shown) < 1000, shown
            print(number, what, said, flush=True)


def opened(path: Path) -> str:
    """As the daemon opens it: the contract, its decoder, its preprocessing, its rules."""
    from edge import model
    from edge.config import Config
    from edge.daemon import scene
    from edge.decode import open_decode
    from edge.errors import FatalError
    from edge.preprocess import Preprocess, check_range
    from edge.runtime import verify
    from edge.runtime.litert import LiteRt

    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    before = peak_bytes()
    try:
        loaded = model.load(path)
    finally:
        taken = peak_bytes() - before
        size = path.stat().st_size
        assert taken <= 3 * size + ALLOWED_BYTES, f"{taken >> 20} MiB for {size >> 10} KiB"
    try:
        network = LiteRt(str(path), loaded.flatbuffer, threads=1)
        Preprocess(loaded.contract.input, network.input)
        check_range(loaded.contract.input, network.input)
        open_decode(loaded.contract, network.outputs)
        scene.book(loaded.contract, Config())
        if loaded.golden is not None:
            verify.replay(network, loaded.golden)
    except FatalError as error:
        raise FatalError(f"{path}: {error}") from None
    return "runs"


def run(count: int, seed: int, first: int = 0) -> tuple[collections.Counter[str], list[str]]:
    """All batches; what happened how often, and the faults with their numbers."""
    lines, faults = batches("tests.fuzz_parts", range(first, first + count), seed, BATCH)
    return collections.Counter(line.partition(" ")[2] for line in lines), faults


def main() -> None:
    """Parent or, with --batch, child."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--batch", type=int)
    given = parser.parse_args()
    if given.batch is not None:
        batch(given.batch, given.count, given.seed)
        return
    print("seed", given.seed)
    outcomes, faults = run(given.count, given.seed, given.first)
    for name, times in sorted(outcomes.items()):
        print(f"{times:6}  {name}")
    print(f"{len(faults):6}  faults", *faults, sep="\n        ")
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
