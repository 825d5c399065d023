"""Another order of the labels is found if it fits, and never by chance."""

from itertools import permutations

import numpy as np
import pytest

from converter import order


@pytest.mark.parametrize("size", range(1, 7))
def test_the_best_assignment_against_brute_force(size: int) -> None:
    for seed in range(20):
        worth = np.random.default_rng(seed).integers(0, 6, (size, size)).astype(float)
        found = order.assigned(worth)
        best = max(
            sum(worth[row, column] for row, column in enumerate(columns))
            for columns in permutations(range(size))
        )
        assert sorted(found.tolist()) == list(range(size))
        assert worth[np.arange(size), found].sum() == best


def answered(seed: int, labels: int, share: float, count: int) -> tuple[order.Index, order.Index]:
    """Answers that are right for this share of the pictures, and any other label else."""
    random = np.random.default_rng(seed)
    truth = random.integers(0, labels, count)
    wrong = (truth + random.integers(1, labels, count)) % labels
    return np.where(random.random(count) < share, truth, wrong), truth


@pytest.mark.parametrize(("labels", "share"), [(2, 0.8), (3, 0.7), (12, 0.6), (40, 0.9)])
def test_the_order_that_was_mixed_up_is_found(labels: int, share: float) -> None:
    answers, truth = answered(0, labels, share, 400)
    mixed = np.roll(np.arange(labels), 1)
    back = np.argsort(mixed)
    found = order.fitting(back[answers], truth, labels)
    assert found is not None
    assert list(found.outputs) == mixed.tolist()
    assert found.accuracy == pytest.approx(float((answers == truth).mean()))


def test_two_labels_that_changed_places_among_many() -> None:
    answers, truth = answered(1, 12, 0.9, 600)
    swapped = np.arange(12)
    swapped[[3, 7]] = [7, 3]
    found = order.fitting(swapped[answers], truth, 12)
    assert found is not None and list(found.outputs) == swapped.tolist()


@pytest.mark.parametrize(
    ("labels", "share", "count"), [(2, 0.5, 100), (2, 0.8, 60), (5, 0.2, 100), (12, 0.1, 100)]
)
def test_no_order_fits_by_chance(labels: int, share: float, count: int) -> None:
    alarms = sum(
        order.fitting(*answered(seed, labels, share, count), labels) is not None
        for seed in range(100)
    )
    assert alarms <= 3


def test_one_answer_for_all_has_no_order() -> None:
    truth = np.arange(100) % 2
    assert order.fitting(np.zeros(100, np.int64), truth, 2) is None
    assert not order.below_chance(np.zeros(100, np.int64), truth, 2)


def test_below_chance_is_said_of_swapped_labels_only() -> None:
    answers, truth = answered(0, 2, 0.2, 100)
    assert order.below_chance(answers, truth, 2)
    assert not order.below_chance(1 - answers, truth, 2)
    answers, truth = answered(0, 2, 0.48, 100)
    assert not order.below_chance(answers, truth, 2)
