"""Slices: exact chances, corrected for their number; a table is read as people write it."""

from itertools import combinations
from math import comb
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from converter import slice_table
from converter.slice_table import Table
from converter.slices import Slice, fisher, holm, judge
from edge.errors import FatalError


def table(**columns: tuple[str, ...]) -> Table:
    return Table(columns, 0, 0, ())


def judged(right: np.ndarray, **columns: tuple[str, ...]) -> dict[str, Slice]:
    return {s.value: s for s in judge(table(**columns), right, np.zeros(len(right), np.int64))}


class TestFisher:
    def test_the_lady_who_tasted_tea(self) -> None:
        """Fisher 1935: eight cups, four of a kind; she named three or four of them."""
        assert fisher(4, 4, 4, 8) == pytest.approx(1 / 70)
        assert fisher(3, 4, 4, 8) == pytest.approx(17 / 70)

    @given(st.data())
    def test_counts_the_draws_that_are_as_bad(self, data: st.DataObject) -> None:
        total = data.draw(st.integers(2, 9))
        size = data.draw(st.integers(1, total - 1))
        mistakes = data.draw(st.integers(0, total))
        least = max(0, size + mistakes - total)
        wrong = data.draw(st.integers(least, min(size, mistakes)))
        draws = combinations(range(total), size)
        as_bad = sum(sum(one < mistakes for one in draw) >= wrong for draw in draws)
        assert fisher(wrong, size, mistakes, total) == pytest.approx(as_bad / comb(total, size))

    def test_takes_sets_of_any_size(self) -> None:
        assert fisher(0, 20_000, 5_000, 50_000) == 1.0
        assert 0 < fisher(2_300, 20_000, 5_000, 50_000) < 1e-12


class TestHolm:
    def test_the_smallest_counts_most(self) -> None:
        assert holm([0.03, 0.01, 0.04]) == pytest.approx([0.06, 0.03, 0.06])

    @given(st.lists(st.floats(0, 1), max_size=20))
    def test_stays_between_none_and_bonferroni(self, chances: list[float]) -> None:
        for p, corrected in zip(chances, holm(chances), strict=True):
            assert p <= corrected <= 1
        assert not chances or min(holm(chances)) == min(1.0, min(chances) * len(chances))


class TestJudging:
    def test_a_site_that_is_served_worse_is_flagged(self) -> None:
        right = np.array([True] * 95 + [False] * 5 + [True] * 70 + [False] * 30)
        found = judged(right, site=("barn",) * 100 + ("field",) * 100)
        assert found["field"].worse and not found["barn"].worse
        assert (found["field"].accuracy, found["field"].rest) == (0.70, 0.95)
        low, high = found["field"].interval_95
        assert (low, high) == pytest.approx((0.6042, 0.7811), abs=1e-4)
        assert found["field"].p_holm == pytest.approx(2 * found["field"].p)

    def test_two_pictures_prove_nothing(self) -> None:
        right = np.array([True] * 88 + [False] * 10 + [True, False])
        assert not judged(right, site=("barn",) * 98 + ("yard",) * 2)["yard"].worse

    def test_pictures_without_a_value_are_neither_slice_nor_rest(self) -> None:
        right = np.array([True] * 10 + [False] * 10 + [True] * 10)
        found = judged(right, light=("day",) * 10 + ("",) * 10 + ("night",) * 10)
        assert set(found) == {"day", "night"} and found["day"].rest == 1.0

    def test_one_value_for_all_is_no_slice(self) -> None:
        assert judged(np.array([True, False]), site=("barn", "barn")) == {}

    def test_says_what_the_labels_alone_would_explain(self) -> None:
        """The field has the hard label; with its labels, the barn would do no better."""
        truth = np.array([0] * 80 + [1] * 20 + [0] * 20 + [1] * 80)
        right = np.array(
            [True] * 80 + ([True] * 10 + [False] * 10) + [True] * 20 + [True, False] * 40
        )
        sites = table(site=("barn",) * 100 + ("field",) * 100)
        field = next(s for s in judge(sites, right, truth) if s.value == "field")
        assert field.worse and field.accuracy == 0.60 and field.rest == 0.90
        assert field.expected == pytest.approx(0.60)

    def test_a_model_that_is_equal_everywhere_is_rarely_blamed(self) -> None:
        """In at most 5 % of the sets, although each has nine slices; the difference is found."""
        random = np.random.default_rng(7)
        blamed = found = 0
        for _ in range(200):
            right = random.random(300) < 0.9
            site, light, camera = (random.integers(0, n, 300) for n in (4, 2, 3))
            columns = {"site": site, "light": light, "camera": camera}
            named = {c: tuple(f"{c}{v}" for v in values) for c, values in columns.items()}
            blamed += any(one.worse for one in judged(right, **named).values())
            right[light == 1] &= random.random(int((light == 1).sum())) < 0.75
            found += judged(right, **named)["light1"].worse
        assert blamed / 200 <= 0.05
        assert found / 200 >= 0.9


class TestTheTable:
    @pytest.fixture
    def pictures(self, tmp_path: Path) -> tuple[Path, ...]:
        paths = tuple(tmp_path / "photos" / name for name in ("a.jpg", "b.jpg", "c.jpg"))
        paths[0].parent.mkdir()
        return paths

    def read(self, folder: Path, content: str, pictures: tuple[Path, ...]) -> Table:
        (folder / "sites.csv").write_text(content, encoding="utf-8")
        return slice_table.read(folder / "sites.csv", pictures, folder / "photos")

    @pytest.mark.parametrize("sign", [",", ";", "\t"])
    @pytest.mark.parametrize("start", ["", "\ufeff"])
    @pytest.mark.parametrize("root", ["", "photos/"])
    def test_is_read_as_spreadsheets_write_it(
        self, sign: str, start: str, root: str, pictures: tuple[Path, ...], tmp_path: Path
    ) -> None:
        rows = (("path", "site", "light"), ("b.jpg", "barn, left", " night"), ("a.jpg", "yard", ""))
        quoted = [f'{row[0]}{sign}"{row[1]}"{sign}{row[2]}' for row in rows]
        content = start + "\r\n".join([quoted[0], *(root + row for row in quoted[1:])])
        found = self.read(tmp_path, content, pictures)
        assert found.columns == {"site": ("yard", "barn, left", ""), "light": ("", "night", "")}
        assert (found.undescribed, found.strangers) == (1, 0)

    def test_rows_of_other_pictures_are_counted(
        self, pictures: tuple[Path, ...], tmp_path: Path
    ) -> None:
        found = self.read(tmp_path, "path,site\na.jpg,x\nz.jpg,y\n", pictures)
        assert (found.undescribed, found.strangers) == (2, 1)

    def test_a_column_of_times_is_no_attribute(self, tmp_path: Path) -> None:
        (tmp_path / "photos").mkdir()
        pictures = tuple(tmp_path / "photos" / f"{n}.jpg" for n in range(60))
        rows = "".join(f"{n}.jpg,{n % 2},2026-05-{n}\n" for n in range(60))
        found = self.read(tmp_path, "path,site,time\n" + rows, pictures)
        assert tuple(found.columns) == ("site",) and found.left_out == ("time",)

    @pytest.mark.parametrize(
        ("content", "reason"),
        [
            ("", "expected a first line such as path,site"),
            ("file,site\na.jpg,x\n", "expected a first line such as path,site"),
            ("path\na.jpg\n", "expected a first line such as path,site"),
            ("path,site\nz.jpg,x\n", "none of its 1 paths is a picture of"),
            ("path,site\na.jpg,x\nphotos/a.jpg,y\n", "line 3: photos/a.jpg is there twice"),
        ],
    )
    def test_what_cannot_be_used_is_said_in_one_line(
        self, content: str, reason: str, pictures: tuple[Path, ...], tmp_path: Path
    ) -> None:
        with pytest.raises(FatalError, match=reason):
            self.read(tmp_path, content, pictures)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "latin-1"])
def test_a_table_as_windows_saves_it(tmp_path: Path, encoding: str) -> None:
    pictures = tuple(tmp_path / "a" / f"{number}.png" for number in range(4))
    rows = [f"a\\{number}.png;{'Süd' if number % 2 else 'Nord'}" for number in range(4)]
    file = tmp_path / "t.csv"
    file.write_bytes("\r\n".join(["path;site", *rows]).encode(encoding))
    table = slice_table.read(file, pictures, tmp_path)
    assert table.columns == {"site": ("Nord", "Süd", "Nord", "Süd")}
