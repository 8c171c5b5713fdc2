"""The first batch: one slice of each kind, spread over the scans."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from voidscope.acquisition import Limits, Pool, appearance, draw_first
from voidscope.acquisition.clusters import k_means
from voidscope.acquisition.coldstart import (
    _otsu,
    foreground_start,
    glance,
    hollows,
    k_means_start,
    shows_foreground,
    typiclust_start,
    void_like_start,
)
from voidscope.acquisition.pool import Draw
from voidscope.config import SuggestConfig
from voidscope.errors import ConfigError
from voidscope.vocabulary import SliceKey
from voidscope.volume import measure_intensity, scale, simulate_scan

STARTS = {"k-means": k_means_start, "typiclust": typiclust_start}


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def keys(n: int, n_scans: int = 1) -> tuple[SliceKey, ...]:
    return tuple(sorted(SliceKey(f"scan{i % n_scans}", i) for i in range(n)))


def kinds(n_each: int = 20, n_kinds: int = 4, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Features (N, 2) of slices of a few kinds far apart, and the kind of each."""
    kind = rng(seed).permutation(np.repeat(np.arange(n_kinds), n_each))
    return (kind[:, None] * [20.0, -7] + rng(seed).normal(size=(len(kind), 2))).astype(np.float32), kind


@pytest.mark.parametrize("name", STARTS)
def test_the_batch_holds_one_slice_of_each_kind(name: str) -> None:
    features, kind = kinds()
    for seed in range(5):
        rows = STARTS[name](features, Pool.of(keys(80), frozenset()), 4, rng(seed)).rows
        assert sorted(kind[rows]) == [0, 1, 2, 3]


@pytest.mark.parametrize("name", STARTS)
def test_kinds_that_are_labelled_come_last(name: str) -> None:
    features, kind = kinds()
    pool = Pool.of(
        keys(80), frozenset(keys(80)[i] for i in (np.flatnonzero(kind == 0)[0], np.flatnonzero(kind == 2)[0]))
    )
    for seed in range(5):
        rows = STARTS[name](features, pool, 2, rng(seed)).rows
        assert sorted(kind[rows]) == [1, 3]


def test_k_means_takes_the_slice_nearest_each_centre() -> None:
    features = rng(1).normal(size=(50, 3)).astype(np.float32)
    clusters = k_means(features, 6, rng(2))
    nearest = {
        int(np.flatnonzero(clusters.members == k)[clusters.square[clusters.members == k].argmin()])
        for k in range(6)
    }
    rows = k_means_start(features, Pool.of(keys(50), frozenset()), 6, rng(2)).rows
    assert set(rows.tolist()) == nearest


def test_the_largest_cluster_comes_first() -> None:
    features = np.repeat([0.0, 50, 100], [5, 20, 10])[:, None].astype(np.float32) + rng(1).normal(
        size=(35, 1)
    ).astype(np.float32)
    rows = k_means_start(features, Pool.of(keys(35), frozenset()), 3, rng(2)).rows
    assert [int(r) for r in np.searchsorted([5, 25], rows, side="right")] == [1, 2, 0]


def slow_typicality(x: np.ndarray) -> np.ndarray:
    """1 / mean distance to the min(20, size / 2) nearest, of each of a cluster's slices."""
    near = min(20, len(x) // 2)
    return np.array([1 / np.mean(sorted(np.linalg.norm(x - p, axis=1))[1 : near + 1]) for p in x])


@pytest.mark.parametrize("seed", range(4))
def test_typiclust_takes_the_most_typical_slice_of_each_cluster(seed: int) -> None:
    features = rng(seed).normal(size=(120, 3)).astype(np.float32)
    clusters = k_means(features, 4, rng(seed))
    expected = set()
    for k in range(4):
        mine = np.flatnonzero(clusters.members == k)
        expected.add(int(mine[slow_typicality(features[mine].astype(float)).argmax()]))
    rows = typiclust_start(features, Pool.of(keys(120), frozenset()), 4, rng(seed)).rows
    assert set(rows.tolist()) == expected


def test_typiclust_asks_clusters_of_a_few_slices_last() -> None:
    features = np.concatenate([np.zeros((40, 1)), np.full((40, 1), 50), np.full((3, 1), 1000)])
    features = (features + rng(1).normal(size=(83, 1))).astype(np.float32)
    pool = Pool.of(keys(83), frozenset())
    lonely = [bool((typiclust_start(features, pool, 3, rng(seed)).rows >= 80).any()) for seed in range(10)]
    assert (
        sum(lonely) <= 1 < sum((k_means_start(features, pool, 3, rng(s)).rows >= 80).any() for s in range(10))
    )


@pytest.mark.parametrize("name", STARTS)
@settings(max_examples=30, deadline=None)
@given(st.integers(0, 999), st.integers(1, 4), st.integers(1, 30))
def test_scans_have_an_equal_share_where_they_have_the_slices(
    name: str, seed: int, n_scans: int, budget: int
) -> None:
    pool = Pool.of(keys(32, n_scans), frozenset())
    features = rng(seed).normal(size=(32, 2)).astype(np.float32)
    chosen: Draw = STARTS[name](features, pool, budget, rng(seed))
    often = Counter(pool.keys[row].scan for row in chosen.rows)
    assert len(set(chosen.rows.tolist())) == budget
    assert max(often.values()) <= max(-(-budget // n_scans), budget - 32 + 32 // n_scans + 1)
    assert set(chosen.relaxed) == {()}


@pytest.mark.parametrize("name", STARTS)
def test_a_cap_that_was_asked_for_is_kept_or_said_to_have_given_way(name: str) -> None:
    features = rng().normal(size=(30, 2)).astype(np.float32)
    pool = Pool.of(keys(30, 3), frozenset(), (), Limits(max_per_scan=2))
    chosen: Draw = STARTS[name](features, pool, 8, rng())
    assert chosen.relaxed == ((),) * 6 + (("max_per_scan",),) * 2


@pytest.mark.parametrize("name", STARTS)
def test_a_gap_that_was_asked_for_is_kept_though_one_scan_has_not_its_share(name: str) -> None:
    two = tuple(SliceKey("a", i) for i in range(2)) + tuple(SliceKey("b", i) for i in range(60))
    features = rng().normal(size=(62, 2)).astype(np.float32)
    chosen: Draw = STARTS[name](features, Pool.of(two, frozenset(), (), Limits(min_slice_gap=3)), 9, rng())
    found = sorted(two[row].index for row in chosen.rows if two[row].scan == "b")
    assert set(chosen.relaxed) == {()}
    assert min(b - a for a, b in pairwise(found)) > 3


@pytest.mark.parametrize("name", STARTS)
def test_scans_share_evenly_where_no_share_keeps_the_gap(name: str) -> None:
    two = tuple(SliceKey(scan, i) for scan in "ab" for i in range(60))
    features = rng().normal(size=(120, 2)).astype(np.float32)
    chosen: Draw = STARTS[name](features, Pool.of(two, frozenset(), (), Limits(min_slice_gap=9)), 20, rng())
    assert Counter(two[row].scan for row in chosen.rows) == {"a": 10, "b": 10}
    assert set(chosen.relaxed) == {(), ("min_slice_gap",)}


@pytest.mark.parametrize("name", STARTS)
def test_slices_that_look_all_alike_are_drawn_without_repeats(name: str) -> None:
    chosen = STARTS[name](np.zeros((9, 3), np.float32), Pool.of(keys(9, 2), frozenset()), 9, rng())
    assert sorted(chosen.rows) == list(range(9))


@pytest.mark.parametrize("name", ["random", "stratified", "strided", *STARTS])
def test_a_first_batch_tells_no_scores_and_depends_on_nothing_but_the_generator(name: str) -> None:
    features = rng().normal(size=(30, 2)).astype(np.float32)
    pool, config = Pool.of(keys(30, 3), frozenset()), SuggestConfig(first=name)
    chosen = draw_first(config, pool, 7, rng(5), features)
    assert chosen == draw_first(config, pool, 7, rng(5), features)
    assert [s.rank for s in chosen] == [*range(1, 8)] and len({s.key for s in chosen}) == 7
    assert {(s.r, s.u, s.d, s.score, s.pixel, s.strategy) for s in chosen} == {(None,) * 5 + (name,)}
    with pytest.raises(ConfigError, match="but 30 slices are left"):
        draw_first(config, pool, 31, rng(), features)


def test_clusters_without_features_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"suggest\.first=k-means clusters slices by features"):
        draw_first(SuggestConfig(first="k-means"), Pool.of(keys(3), frozenset()), 1, rng())


class TestAppearance:
    """What a slice looks like at a glance."""

    @pytest.mark.parametrize("shape", [(57, 96), (8, 8), (5, 3), (1, 1), (300, 9)])
    def test_it_is_eighty_numbers_of_any_slice(self, shape: tuple[int, int]) -> None:
        seen = appearance(rng().random(shape, dtype=np.float32))
        assert seen.shape == (80,) and seen.dtype == np.float32
        assert seen[:16].sum() == pytest.approx(1)

    def test_it_is_what_loops_over_pixels_find(self) -> None:
        image = rng().random((16, 24), dtype=np.float32)
        shares = [np.mean((image >= k / 16) & (image < (k + 1) / 16)) for k in range(16)]
        blocks = [image[2 * i : 2 * i + 2, 3 * j : 3 * j + 3].mean() / 8 for i in range(8) for j in range(8)]
        np.testing.assert_allclose(appearance(image), [*shares, *blocks], rtol=1e-6)

    def test_a_picture_that_differs_by_a_tenth_everywhere_is_a_tenth_away(self) -> None:
        dark, light = (np.full((20, 30), v, np.float32) for v in (0.3125, 0.35))
        assert np.linalg.norm(appearance(dark) - appearance(light)) == pytest.approx(0.0375, rel=1e-5)

    def test_intensities_beyond_the_scale_count_as_its_ends(self) -> None:
        seen = appearance(np.array([[-0.5, 0.0], [1.0, 1.7]], np.float32))
        assert seen[[0, 15]].tolist() == [0.5, 0.5]


def bumps(n: int = 24, inverted: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """The appearance of noisy slices of two scans of unlike brightness, and which hold a bump: the middle third."""
    looks, held = [], []
    for scan, dark in enumerate((0.1, 0.3)):
        for i in range(n):
            image = rng(100 * scan + i).normal(dark, 0.02, (24, 20))
            if n // 3 <= i < 2 * n // 3:
                image[8:16, 6:14] += 0.5
            looks.append(appearance(np.clip(1 - image if inverted else image, 0, 1).astype(np.float32)))
            held.append(n // 3 <= i < 2 * n // 3)
    return np.stack(looks), np.array(held)


class TestForeground:
    """Slices that show a single material come last."""

    KEYS = tuple(SliceKey(scan, i) for scan in "ab" for i in range(24))

    @pytest.mark.parametrize("inverted", [False, True])
    def test_it_is_told_by_grey_levels_whichever_side_is_bright(self, inverted: bool) -> None:
        looks, held = bumps(inverted=inverted)
        np.testing.assert_array_equal(shows_foreground(looks, np.repeat([0, 1], 24)), held)

    def test_no_slice_without_it_is_drawn_while_one_with_it_is_left(self) -> None:
        looks, held = bumps()
        pool = Pool.of(self.KEYS, frozenset())
        for seed in range(3):
            assert held[foreground_start(looks, pool, 16, rng(seed)).rows].all()
        rows = foreground_start(looks, pool, 20, rng(0)).rows
        assert held[rows].tolist() == [True] * 16 + [False] * 4 and len(set(rows)) == 20

    @settings(max_examples=30, deadline=None)
    @given(st.lists(st.integers(0, 50), min_size=16, max_size=16).filter(lambda n: np.count_nonzero(n) > 1))
    def test_the_threshold_is_the_one_of_greatest_variance_between(self, counts: list[int]) -> None:
        def between(first: int) -> float:
            groups = [[(n, g) for g, n in enumerate(counts) if (g >= first) == up] for up in (False, True)]
            (n0, s0), (n1, s1) = ((sum(n for n, _ in x), sum(n * g for n, g in x)) for x in groups)
            return n0 * n1 * (s0 / n0 - s1 / n1) ** 2 if n0 and n1 else 0.0

        best = max(between(first) for first in range(1, 16))
        assert between(_otsu(np.array(counts) / sum(counts))) == pytest.approx(best)

    def test_a_scan_of_one_level_shows_nothing_and_is_drawn_all_the_same(self) -> None:
        looks = np.stack([appearance(np.full((8, 8), 0.5, np.float32))] * 48)
        assert not shows_foreground(looks, np.repeat([0, 1], 24)).any()
        rows = foreground_start(looks, Pool.of(self.KEYS, frozenset()), 5, rng()).rows
        assert len(set(rows)) == 5


def slow_hollows(image: np.ndarray) -> float:
    """The black top-hat by loops over pixels, borders mirrored."""

    def over_windows(x: np.ndarray, of: Callable[[np.ndarray], float]) -> np.ndarray:
        padded = np.pad(x, 4, mode="symmetric")
        return np.array(
            [[of(padded[i : i + 9, j : j + 9]) for j in range(x.shape[1])] for i in range(x.shape[0])]
        )

    smooth = gaussian_filter(image.astype(np.float64), 1)
    closed = over_windows(over_windows(smooth, np.max), np.min)
    return float(sum(max(d - 0.15, 0) for d in (closed - smooth).ravel()))


class TestVoidLike:
    """Of each kind of slice the one with the most dark spots."""

    @pytest.mark.parametrize("shape", [(30, 24), (12, 40)])
    def test_dark_spots_are_what_loops_over_pixels_find(self, shape: tuple[int, int]) -> None:
        image = rng(3).random(shape, dtype=np.float32)
        assert hollows(image) == pytest.approx(slow_hollows(image), rel=1e-4)
        assert hollows(image) > 1

    def test_a_spot_counts_by_what_a_closing_fills_in_and_a_wide_dark_region_not(self) -> None:
        image = np.full((40, 40), 0.8, np.float32)
        assert hollows(image) == 0
        image[10:15, 20:25] = 0.2
        kept = gaussian_filter(image, 1)
        assert hollows(image) == pytest.approx(np.maximum(0.8 - kept - 0.15, 0).sum(), rel=0.02)
        wide = np.full((40, 40), 0.8, np.float32)
        wide[:, 12:28] = 0.2
        assert hollows(wide) == pytest.approx(0, abs=1e-5)

    @settings(max_examples=20, deadline=None)
    @given(st.integers(0, 999))
    def test_neither_brightness_nor_a_mirror_changes_it_and_bright_spots_are_none(self, seed: int) -> None:
        image = (0.6 - 0.5 * (rng(seed).random((20, 20)) > 0.97)).astype(np.float32)
        found = hollows(image)
        assert hollows(image + 0.3) == pytest.approx(found, rel=1e-4, abs=1e-4)
        assert hollows(image[::-1, ::-1]) == pytest.approx(found, rel=1e-4, abs=1e-4)
        bright = np.full((20, 20), 0.1, np.float32)
        bright[8:12, 8:12] = 0.9
        assert hollows(bright) == 0

    def test_voids_of_many_sizes_are_seen_in_large_slices_and_weigh_by_their_area(self) -> None:
        y, x = np.mgrid[:600, :600]
        found = [
            hollows(np.where((y - 300) ** 2 + (x - 280) ** 2 <= radius**2, 0.2, 0.8).astype(np.float32))
            for radius in (4, 8, 16, 32)
        ]
        assert found[0] > 10 and all(b > 1.5 * a for a, b in pairwise(found))

    def test_without_any_dark_spot_it_is_as_foreground(self) -> None:
        looks = bumps()[0]
        features = np.column_stack([looks, np.zeros(48, np.float32)])
        pool = Pool.of(TestForeground.KEYS, frozenset())
        for seed in range(3):
            expected = foreground_start(looks, pool, 12, rng(seed)).rows
            np.testing.assert_array_equal(void_like_start(features, pool, 12, rng(seed)).rows, expected)

    def test_of_each_cluster_it_is_the_slice_with_most(self) -> None:
        looks, found = bumps()[0], rng(1).random(48).astype(np.float32)
        features = np.column_stack([looks, found])
        clusters = k_means(looks, 4, rng(2))
        shown = shows_foreground(looks, np.repeat([0, 1], 24))
        expected = set()
        for k in np.unique(clusters.members[shown]):
            mine = np.flatnonzero((clusters.members == k) & shown)
            expected.add(int(mine[found[mine].argmax()]))
        pool = Pool.of(TestForeground.KEYS, frozenset(), (), Limits(max_per_scan=24))
        rows = void_like_start(features, pool, 4, rng(2)).rows
        assert expected <= set(rows.tolist())

    def test_it_finds_more_void_than_foreground_alone_on_simulated_scans(self) -> None:
        scans = [simulate_scan("memory", 5, k, difficulty="ordinary") for k in range(3)]
        looks, void, names = [], [], []
        for k, scan in enumerate(scans):
            voxels, intensity = np.asarray(scan.volume.voxels), measure_intensity(scan.volume)
            for z, image in enumerate(voxels):
                looks.append(glance(scale(image, intensity)))
                void.append(np.count_nonzero(scan.labels[z] == 3))
                names.append(SliceKey(f"s{k}", z))
        features, pixels, pool = np.stack(looks), np.array(void), Pool.of(tuple(names), frozenset())
        assert pixels.sum() > 0
        void_like, plain = (
            [pixels[start(x, pool, 8, rng(seed)).rows].sum() for seed in range(4)]
            for start, x in ((void_like_start, features), (foreground_start, features[:, :-1]))
        )
        assert sum(void_like) > 1.5 * sum(plain)
