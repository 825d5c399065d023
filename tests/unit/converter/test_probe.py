"""Which other pixels are tried beside the stated ones."""

from converter.probe import order_text, ways_to_resize
from edge.model import InputContract


def test_every_other_way_of_resizing_and_pad_is_tried() -> None:
    stretched = dict(ways_to_resize(InputContract(width=8, height=8)))
    assert list(stretched) == [
        "--resize crop",
        "--resize crop --crop-fraction 0.875",
        "--resize letterbox",
        "--resize letterbox --pad 0",
    ]
    assert stretched["--resize letterbox --pad 0"].pad == 0
    boxed = dict(ways_to_resize(InputContract(width=8, height=8, resize="letterbox", pad=0)))
    assert "--resize letterbox" in boxed and "--resize letterbox --pad 0" not in boxed
    cut = InputContract(width=8, height=8, resize="crop", crop_fraction=0.9)
    assert {"--resize crop", "--resize crop --crop-fraction 0.875"} <= set(
        dict(ways_to_resize(cut))
    )


def test_the_order_to_write() -> None:
    row = {"labels": ["b", "a"], "float_accuracy": 0.9}
    assert order_text(row, ("a", "b")) == "with --labels 'b,a' it is right on 90.0%"
    row = {"labels": ["b, c", "a"], "float_accuracy": 0.9}
    assert "output 0 is 'b, c', output 1 is 'a'" in order_text(row, ("a", "b, c"))
    many = tuple(map(str, range(40)))
    row = {"labels": [*many[:38], "39", "38"], "float_accuracy": 0.9}
    assert order_text(row, many).startswith("with 2 labels in other places (output 38 is '39'")
