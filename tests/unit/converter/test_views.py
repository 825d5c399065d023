"""Views of pictures: new, and yet of the same pixels."""

import numpy as np
import pytest

from converter.views import ENOUGH, MOST, several


@pytest.mark.parametrize(("pictures", "times"), [(3, MOST), (50, 4), (ENOUGH, 1), (900, 1)])
def test_there_are_enough_but_not_too_many_of_each(pictures: int, times: int) -> None:
    assert len(several(np.zeros((pictures, 4, 4, 1), np.uint8))) == pictures * times


@pytest.mark.parametrize("shape", [(40, 30, 3), (21, 40, 1), (1, 1, 3)])
def test_all_pictures_come_once_then_all_again_a_little_moved(shape: tuple[int, int, int]) -> None:
    pictures = np.random.default_rng(1).integers(0, 256, (5, *shape), dtype=np.uint8)
    seen = several(pictures).reshape(MOST, *pictures.shape)
    for view in seen:
        for one, other in zip(pictures, view, strict=True):
            there = {tuple(pixel) for pixel in one.reshape(-1, shape[2])}
            assert {tuple(pixel) for pixel in other.reshape(-1, shape[2])} <= there
    if shape != (1, 1, 3):
        assert (seen == pictures).all(axis=(2, 3, 4)).mean() < 0.1


def test_the_same_pictures_have_the_same_views() -> None:
    pictures = np.random.default_rng(1).integers(0, 256, (2, 20, 20, 3), dtype=np.uint8)
    np.testing.assert_array_equal(several(pictures), several(pictures))
