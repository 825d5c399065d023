"""Mutated model files against the daemon's way of opening one: `python -m tests.fuzz --count N`.

Half of the files are damaged as disks and networks damage them (bytes, bits, zeroed blocks, cut
off), half are sound flatbuffers with wrong numbers in them. A child opens one batch after the
other as the daemon does (load, pre-flight, trial, interpreter, inference); a child that dies is
a crash of the daemon. Without a contract in the file no hash helps: that is the hard case.
"""

import argparse
import collections
import random
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from converter.flatbuffer import pack, unpack

MODELS = (
    "mlperf-tiny/vww_mobilenet_96/vww_96_int8.tflite",
    "mlperf-tiny/ic_resnet8/pretrainedResnet_quant.tflite",
    "coral/mobilenet_v1_0.25_128_quant.tflite",
    "coral/keras_lstm_mnist_ptq.tflite",
    "mltk/image_example1/image_example1.tflite",
    "tflite-support/coco_ssd_mobilenet_v1_1.0_quant_2018_06_29.tflite",
)
CONTRACT = 'name = "fuzz"\nlabels = ["a"]\ninput = { width = 1, height = 1 }\n'
BATCH = 100
ODD_NUMBERS = (-(1 << 31), -2, -1, 0, 1, 2, 3, 7, 127, 255, 4096, 65536, (1 << 31) - 1)
KINDS = ("damaged", "wrong structure")
TESTDATA = Path(__file__).resolve().parent.parent.parent / "shared" / "testdata"


def damaged(data: bytes, chance: random.Random) -> bytes:
    """Bytes, bits, a zeroed block, or the end cut off; often in the first part, where the
    structure lies."""
    size = len(data) if chance.random() < 0.5 else min(len(data), 4096)
    changed = bytearray(data)
    match chance.randrange(4):
        case 0:
            for _ in range(chance.choice((1, 4, 64))):
                changed[chance.randrange(size)] = chance.randrange(256)
        case 1:
            for _ in range(chance.choice((1, 4, 64))):
                changed[chance.randrange(size)] ^= 1 << chance.randrange(8)
        case 2:
            start, length = chance.randrange(size), chance.choice((4, 64, 4096))
            changed[start : start + length] = bytes(len(changed[start : start + length]))
        case _:
            del changed[chance.randrange(8, len(data)) :]
    return bytes(changed)


def wrong_structure(tree: Any, chance: random.Random) -> bytes:
    """One to three numbers of the tree changed; the flatbuffer stays a sound one."""
    for _ in range(chance.choice((1, 1, 2, 3))):
        _change(_pick(tree, chance), chance)
    return pack(tree)


def _pick(tree: Any, chance: random.Random) -> Any:
    graph = tree.subgraphs[0]
    operator, tensor = chance.choice(graph.operators), chance.choice(graph.tensors)
    choices = [operator, operator, tensor, tensor, graph, chance.choice(tree.operatorCodes)]
    choices += [chance.choice(tree.buffers), operator.builtinOptions, tensor.quantization]
    choices += tree.signatureDefs or []
    return chance.choice([choice for choice in choices if choice is not None])


def _change(thing: Any, chance: random.Random) -> None:
    numbers = [k for k, v in vars(thing).items() if isinstance(v, int)]
    lists = [k for k, v in vars(thing).items() if _is_numbers(v)]
    if lists and (not numbers or chance.random() < 0.5):
        key = chance.choice(lists)
        values = list(getattr(thing, key))
        match chance.randrange(4):
            case 0:
                values[chance.randrange(len(values))] = chance.choice(ODD_NUMBERS)
            case 1:
                values.pop(chance.randrange(len(values)))
            case 2:
                values.append(chance.choice(ODD_NUMBERS))
            case _:
                chance.shuffle(values)
        setattr(thing, key, values)
    elif numbers:
        setattr(thing, chance.choice(numbers), chance.choice(ODD_NUMBERS))


def _is_numbers(value: Any) -> bool:
    try:
        return not isinstance(value, (str, bytes)) and 0 < len(value) < 64 and int(value[0]) >= -9e9
    except (TypeError, ValueError, AttributeError):
        return False


def mutant(number: int, seed: int) -> bytes:
    """The same file for the same numbers."""
    chance = random.Random(seed * 1_000_003 + number)
    data = (TESTDATA / "models" / chance.choice(MODELS)).read_bytes()
    if number % 2 == 0:
        return damaged(data, chance)
    while True:
        try:
            return wrong_structure(unpack(data), chance)
        except Exception:  # noqa: BLE001  numbers that flatbuffers refuses to write
            continue


def batch(first: int, count: int, seed: int) -> None:
    """The child: prints one line per file."""
    from edge import model
    from edge.errors import HedgerowError
    from edge.runtime import verify
    from edge.runtime.runtime import open_runtime

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.tflite"
        (Path(folder) / "model.toml").write_text(CONTRACT)
        for number in range(first, first + count):
            path.write_bytes(mutant(number, seed))
            try:
                runtime = open_runtime(model.load(path))
                runtime.infer(next(verify.seeded(runtime.input)))
                runtime.close()
                print(number, "runs", flush=True)
            except HedgerowError as error:
                lines = str(error).splitlines()
                assert len(lines) == 1 and str(path) in lines[0], error
                print(number, "refused", lines[0].replace(str(path), "FILE"), flush=True)


def run(count: int, seed: int, first: int = 0) -> tuple[collections.Counter[str], list[str]]:
    """All batches; what happened how often, and the crashes with their numbers."""
    lines, crashes = batches("tests.fuzz", range(first, first + count), seed, BATCH)
    outcomes: collections.Counter[str] = collections.Counter()
    for line in lines:
        index, _, rest = line.partition(" ")
        outcomes[f"{KINDS[int(index) % 2]}: {outcome(rest)}"] += 1
    return outcomes, crashes


def batches(module: str, numbers: range, seed: int, at_once: int) -> tuple[list[str], list[str]]:
    """The lines of a module's children, one a file, and how those ended that died of one."""
    lines: list[str] = []
    faults: list[str] = []
    number = numbers.start
    while number < numbers.stop:
        size = min(at_once, numbers.stop - number)
        command = [sys.executable, "-m", module, "--batch", str(number)]
        command += ["--count", str(size), "--seed", str(seed)]
        child = subprocess.run(command, capture_output=True, text=True, check=False)
        seen = child.stdout.splitlines()
        lines += seen
        if child.returncode:
            last = child.stderr.strip().splitlines()[-1:]
            faults.append(f"file {number + len(seen)} (seed {seed}): {child.returncode} {last}")
            size = len(seen) + 1
        number += size
        done = number - numbers.start
        print(f"{done} of {len(numbers)}, {len(faults)} faults", file=sys.stderr, flush=True)
    return lines, faults


def outcome(line: str) -> str:
    """runs, or who refused it."""
    if not line.startswith("refused"):
        return line
    if "is not a sound model" in line or "not a TensorFlow Lite model" in line:
        return "refused by the pre-flight"
    if "is damaged (" in line or "zip" in line:
        return "refused: its zip is damaged"
    return "a child died of it" if "child process" in line else "refused by LiteRT"


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
    outcomes, crashes = run(given.count, given.seed, given.first)
    for name, times in sorted(outcomes.items()):
        print(f"{times:6}  {name}")
    print(f"{len(crashes):6}  crashes of the daemon", *crashes, sep="\n        ")
    sys.exit(bool(crashes))


if __name__ == "__main__":
    main()
