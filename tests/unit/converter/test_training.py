"""Training's pure parts: near-duplicates, honest splits, distortions, drawing."""

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from converter.training import near
from converter.training.augment import distort
from converter.training.fit import order
from converter.training.options import Scenario

Picture = npt.NDArray[np.uint8]


def scene(seed: int, side: int = 96) -> Picture:
    """Blobs of all sizes: like nothing else, and like itself."""
    random = np.random.default_rng(seed)
    image = np.full((side, side, 3), random.integers(60, 200), np.uint8)
    for _ in range(25):
        center = tuple(int(c) for c in random.integers(0, side, 2))
        color = tuple(int(c) for c in random.integers(0, 256, 3))
        cv2.circle(image, center, int(random.integers(side // 16, side // 3)), color, -1)
    return image


class TestNearDuplicates:
    @pytest.mark.parametrize(
        "again",
        [
            lambda image: cv2.imdecode(cv2.imencode(".jpg", image, [1, 40])[1], 1),
            lambda image: cv2.resize(cv2.resize(image, (48, 48)), (96, 96)),
            lambda image: cv2.convertScaleAbs(image, alpha=0.9, beta=10),
        ],
        ids=["encoded again", "scaled", "brighter"],
    )
    def test_the_same_picture_again_is_near(self, again: object) -> None:
        assert callable(again)
        for seed in range(20):
            one = near.difference_hash(scene(seed))
            other = near.difference_hash(np.asarray(again(scene(seed)), np.uint8))
            assert (one ^ other).bit_count() <= near.NEAR

    def test_other_pictures_are_not(self) -> None:
        hashes = np.array([near.difference_hash(scene(seed)) for seed in range(60)], np.uint64)
        assert len(set(near.groups(hashes).tolist())) >= 58

    def test_a_chain_of_neighbours_is_one_group(self) -> None:
        hashes = np.array([0b0, 0b111111, 0b111111111111, 1 << 63 | 0xFFFF0000], np.uint64)
        assert near.groups(hashes).tolist() == [0, 0, 0, 3]

    @given(
        st.lists(st.tuples(st.integers(0, 2), st.integers(0, 9)), min_size=6, max_size=80),
        st.integers(0, 5),
    )
    def test_no_group_is_on_both_sides(self, rows: list[tuple[int, int]], seed: int) -> None:
        truth, grouped = (np.array(values, np.int64) for values in zip(*rows, strict=True))
        stays, held = near.split(truth, grouped, 0.3, seed)
        assert sorted([*stays, *held]) == list(range(len(rows)))
        assert not set(grouped[stays]) & set(grouped[held])
        assert set(truth[held]) == set(truth), "every class is measured"

    def test_the_share_is_kept_where_groups_are_small(self) -> None:
        truth = np.repeat([0, 1], [300, 100]).astype(np.int64)
        _, held = near.split(truth, np.arange(400), 0.15, seed=1)
        assert np.bincount(truth[held]).tolist() == [45, 15]


class TestDistortions:
    @pytest.mark.parametrize("scenario", ["leaf", "ground", "scene"])
    def test_they_keep_size_and_kind_and_follow_the_seed(self, scenario: Scenario) -> None:
        image = scene(3)
        one, two = (distort(image, scenario, np.random.default_rng(seed)) for seed in (1, 2))
        assert one.shape == image.shape and one.dtype == np.uint8
        assert np.array_equal(one, distort(image, scenario, np.random.default_rng(1)))
        assert not np.array_equal(one, two)

    def test_a_scene_is_never_upside_down(self) -> None:
        sky = np.zeros((64, 64, 3), np.uint8)
        sky[:32] = 255
        for seed in range(40):
            seen = distort(sky, "scene", np.random.default_rng(seed)).mean(axis=(1, 2))
            assert seen[:12].mean() >= seen[-12:].mean()

    def test_a_leaf_may_be_any_way_up(self) -> None:
        half = np.zeros((64, 64, 3), np.uint8)
        half[:32] = 255
        turned = [distort(half, "leaf", np.random.default_rng(seed)) for seed in range(40)]
        below = sum(seen[-12:].mean() > seen[:12].mean() + 60 for seen in turned)
        assert 5 < below < 30


class TestOrder:
    def test_rare_classes_come_more_often_than_they_are(self) -> None:
        truth = np.repeat([0, 1], [900, 100]).astype(np.int64)
        drawn = np.bincount(truth[order(truth, seed=1)])
        assert drawn.sum() == 1000
        assert drawn[1] == pytest.approx(250, abs=2), "by the square root of 9 : 1"

    def test_every_epoch_another_order_and_the_same_from_the_same_seed(self) -> None:
        truth = np.repeat([0, 1], 50).astype(np.int64)
        assert np.array_equal(order(truth, 7), order(truth, 7))
        assert not np.array_equal(order(truth, 7), order(truth, 8))
