"""Edges between voxels: recovered to a tenth of a voxel where probabilities fall off evenly, and half way where nobody knows them."""

from __future__ import annotations

import hashlib
import tracemalloc
from collections.abc import Callable
from itertools import permutations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metrology.packages import package, rows
from voidscope.config import MeasureConfig
from voidscope.metrology import Dimensions, Margins, Report, ScanMeasurement, dimensions, measure_scan
from voidscope.metrology.margins import (
    ROWS,
    STEPS,
    UNKNOWN,
    Odds,
    ends_of,
    odds_of,
    outermost,
)
from voidscope.vocabulary import ClassMap, Mask

HBM = ClassMap.hbm()
RECIPE = MeasureConfig()
BACKGROUND, PILLAR, SOLDER, VOID, PAD = (
    HBM.id_of(n) for n in ("background", "copper_pillar", "solder", "void", "copper_pad")
)
Fields = npt.NDArray[np.float64]


def soft_bump(lean: float = 0.02, blur: float = 0.35) -> tuple[Mask, Fields]:
    """Mask and entropy of a bump as a calibrated model sees it: log-odds are distance to the edge over `blur` voxels.

    In its own frame, which leans along y: pillar r 9.3 from z = 5.2 to 17.6, solder r 11.1 to 25.3, pad r 8.4 to 30.7, off by 1.3 along x.
    """
    z, y, x = np.indices((38, 34, 36)).astype(float)
    y, x = y - 16.2 - lean * (z - 18), x - 17.7

    def body(low: float, high: float, radius: float, off: float = 0.0) -> Fields:
        return np.maximum(np.hypot(y, x - off) - radius, np.maximum(low - z, z - high))

    parts = [body(5.2, 17.6, 9.3), body(17.6, 25.3, 11.1), body(25.3, 30.7, 8.4, 1.3)]
    metal = np.minimum.reduce([body(5.2, 21, 9.3), parts[1], body(22, 30.7, 8.4, 1.3)])
    inside = np.stack([-metal, *parts]) / (-2 * blur)
    odds = inside - inside.max(axis=0)
    chance = np.exp(odds) / np.exp(odds).sum(axis=0)
    entropy = -(chance * np.log(np.maximum(chance, 1e-300))).sum(axis=0)
    return np.array([BACKGROUND, PILLAR, SOLDER, PAD], np.uint8)[inside.argmax(axis=0)], entropy


def margins_of(mask: Mask, odds: Odds) -> Margins:
    return Margins.by_planes(mask, odds, [VOID])


def measured(mask: Mask, odds: Odds | None = None) -> Dimensions:
    known = None if odds is None else margins_of(mask, odds).within((0, 0, 0), mask)
    return dimensions(mask, HBM, (1.0, 1.0, 1.0), RECIPE, known)


def around(odds: Odds, first: tuple[int, ...], shape: tuple[int, ...]) -> Callable[[int], Odds]:
    """Log-odds of a box and of one voxel around it, plane by plane; not known beyond the array."""
    z, y, x = (slice(a + 1, a + n + 3) for a, n in zip(first, shape, strict=True))
    wide = np.pad(odds, 2, constant_values=UNKNOWN)[z, y, x]
    return lambda k: wide[k + 1]


@given(st.floats(0.2, 12))
@settings(deadline=None)
def test_log_odds_are_found_again_from_the_entropy_of_two_classes(t: float) -> None:
    chance = 1 / (1 + np.exp(-t))
    entropy = -chance * np.log(chance) - (1 - chance) * np.log1p(-chance)
    found = odds_of(np.full((1, 1), entropy, np.float32)).item() / STEPS
    assert found == pytest.approx(t, abs=0.6 / STEPS + 0.002 / t)


def test_no_entropy_is_the_surest_too_much_of_it_the_least_sure_and_none_at_all_is_not_known() -> None:
    told = np.array([[0.0, -0.0, 1e-8, np.log(2), 1.6, np.nan, np.inf, -1.0]], np.float32)
    assert odds_of(told).tolist() == [[255, 255, 255, 1, 1, UNKNOWN, UNKNOWN, UNKNOWN]]
    assert (np.diff(odds_of(np.linspace(0, np.log(2), 500, dtype=np.float32)[None]).astype(int)) <= 0).all()


def test_a_blurred_leaning_bump_is_measured_to_a_tenth_of_a_voxel() -> None:
    mask, entropy = soft_bump()
    found, whole = measured(mask, odds_of(entropy)), measured(mask)
    assert found.interpolated and not whole.interpolated
    true = {
        "blt_um": 25.5,
        "pillar_height_um": 12.4,
        "pillar_width_um": 18.6 - 1 / 9.3,
    }  # of five rows the third
    off = {n: abs(getattr(found, n) - v) for n, v in true.items()}
    assert max(off.values()) < 0.1, off
    assert max(abs(getattr(whole, n) - v) for n, v in true.items()) > 0.35
    assert found.pad_misalignment_um == whole.pad_misalignment_um


@pytest.mark.parametrize("shift", [0.0, 0.25, 0.5, 0.75])
def test_a_plane_is_found_wherever_it_lies_between_two_voxels(shift: float) -> None:
    at = (
        np.arange(12) - 5.3 - shift
    )  # a body from 5.3 + shift on, its edge as far beyond the centre of a voxel
    chance = 1 / (1 + np.exp(-2 * np.abs(at)))
    entropy = -chance * np.log(chance) - (1 - chance) * np.log1p(-chance)
    body = np.broadcast_to((at > 0)[:, None, None], (12, 3, 3))
    odds = np.broadcast_to(odds_of(entropy[None])[0][:, None, None], (12, 3, 3))
    near, far = ends_of(body, around(odds, (0, 0, 0), (12, 3, 3)))[0]
    assert near == pytest.approx(5.8 + shift, abs=0.03)
    assert (far == 12).all()  # nobody knows what is beyond the scan


@pytest.mark.parametrize("order", list(permutations(range(3))))
@pytest.mark.parametrize("turned", [False, True])
def test_it_is_the_same_whichever_way_the_bump_stands(order: tuple[int, int, int], turned: bool) -> None:
    mask, entropy = soft_bump()
    odds = odds_of(entropy)
    plain = measured(mask, odds)
    stood = [(v[::-1] if turned else v).transpose(order) for v in (mask, odds)]
    found = measured(*stood)
    assert (found.build_axis or "").endswith("zyx"[order.index(0)])
    for name in ("blt_um", "pillar_width_um", "pillar_height_um", "pad_misalignment_um"):
        assert getattr(found, name) == pytest.approx(getattr(plain, name))
    assert plain.extrusion_um is not None and found.extrusion_um is not None
    assert sorted(found.extrusion_um.values()) == pytest.approx(sorted(plain.extrusion_um.values()))


@pytest.mark.parametrize("known", [UNKNOWN, 1, 200])
def test_where_nothing_is_known_or_all_is_as_sure_the_edge_is_half_way(known: int) -> None:
    """Medians of five rows beside each other may make a bump narrower, so of a box."""
    mask = np.full((30, 20, 20), BACKGROUND, np.uint8)
    mask[3:12, 4:15, 5:16], mask[12:20, 3:16, 4:17], mask[20:25, 5:14, 6:15] = PILLAR, SOLDER, PAD
    found, whole = measured(mask, np.full(mask.shape, known, np.uint8)), measured(mask)
    assert {**found.entry(), "interpolated": False} == whole.entry()


@given(st.integers(0, 2**32 - 1))
@settings(deadline=None, max_examples=50)
def test_ends_are_those_of_a_loop_over_lines_and_never_farther_than_half_a_voxel_from_whole_ones(
    seed: int,
) -> None:
    rng = np.random.default_rng(seed)
    odds = rng.integers(0, 256, (6, 7, 8), dtype=np.uint8)
    first, shape = (1, 0, 2), (4, 7, 5)
    body = rng.random(shape) < rng.choice([0.1, 0.6])
    for axis, (near, far) in enumerate(ends_of(body, around(odds, first, shape))):
        lines = np.moveaxis(body, axis, 2)
        for at in np.ndindex(lines.shape[:2]):
            there = np.flatnonzero(lines[at]).tolist()
            if not there:
                assert (near[at], far[at]) == (np.inf, -np.inf)
                continue

            def sure(k: int, at: tuple[int, ...] = at, axis: int = axis) -> int:
                index = [a + f for a, f in zip(np.insert(at, axis, k), first, strict=True)]
                beyond = any(not 0 <= i < n for i, n in zip(index, odds.shape, strict=True))
                return UNKNOWN if beyond else int(odds[tuple(index)])

            def share(inner: int, outer: int) -> float:
                return 0.5 if UNKNOWN in (inner, outer) else inner / (inner + outer)

            a, b = there[0], there[-1]
            assert near[at] == pytest.approx(a + 0.5 - share(sure(a), sure(a - 1)))
            assert far[at] == pytest.approx(b + 0.5 + share(sure(b), sure(b + 1)))
            assert abs(near[at] - a) <= 0.5 and abs(far[at] - b - 1) <= 0.5


@given(st.integers(0, 2**32 - 1))
@settings(deadline=None, max_examples=50)
def test_the_outermost_ends_are_those_of_a_loop_over_levels(seed: int) -> None:
    rng = np.random.default_rng(seed)
    shape = (6, int(rng.integers(1, 12)))
    near, far = rng.random(shape), 5 + rng.random(shape)
    gone = rng.random(shape) < rng.choice([0.1, 0.7])
    near[gone], far[gone] = np.inf, -np.inf
    slow = []
    for low, high in zip(near, far, strict=True):
        if np.isinf(low).all():
            continue
        runs = [slice(k, k + ROWS) for k in range(len(low) - ROWS + 1)]
        one = min((sorted(low[r])[ROWS // 2] for r in runs), default=np.inf)
        two = max((sorted(high[r])[ROWS // 2] for r in runs), default=-np.inf)
        slow.append([one if np.isfinite(one) else low.min(), two if np.isfinite(two) else high.max()])
    assert outermost(near, far).tolist() == slow


def test_one_noisy_row_makes_no_bump_wider() -> None:
    near, far = np.full((4, 9), 2.0), np.full((4, 9), 8.0)
    near[:, 4] -= 0.5
    assert outermost(near, far).tolist() == [[2.0, 8.0]] * 4


class Entropy:
    """Entropies that know which planes were read."""

    def __init__(self, values: Fields) -> None:
        self.values, self.shape, self.dtype = values, values.shape, values.dtype
        self.read: list[int] = []

    def __getitem__(self, index: int) -> Fields:
        self.read.append(index)
        return self.values[index]


def test_only_planes_with_something_and_those_next_to_them_are_read() -> None:
    mask, entropy = soft_bump()
    source = Entropy(entropy)
    margins = Margins.of(mask, source, HBM)
    there = np.flatnonzero((mask != BACKGROUND).any(axis=(1, 2)))
    assert source.read == list(range(there[0] - 1, there[-1] + 2)) and len(source.read) < len(mask)
    assert dimensions(mask, HBM, (1, 1, 1), RECIPE, margins.within((0, 0, 0), mask)) == measured(
        mask, odds_of(entropy)
    )
    unread = [z for z in range(len(mask)) if z not in source.read]
    whole = odds_of(entropy)
    whole[unread] = UNKNOWN
    assert margins.sha256 == hashlib.sha256(whole.tobytes()).hexdigest()
    empty = np.full_like(mask, BACKGROUND)
    assert not any(len(plane.odds) for plane in Margins.of(empty, Entropy(entropy), HBM).planes)


@pytest.mark.parametrize("shape", [(9, 10, 11), (1, 5, 6)])
def test_only_void_and_voxels_beside_another_class_are_kept(shape: tuple[int, int, int]) -> None:
    rng = np.random.default_rng(3)
    mask = rng.choice(np.array([BACKGROUND, VOID, SOLDER], np.uint8), shape, p=[0.05, 0.05, 0.9])
    odds = rng.integers(0, 256, shape, dtype=np.uint8)
    kept = np.zeros(shape, np.uint8)
    for plane, told in zip(kept, margins_of(mask, odds).planes, strict=True):
        plane[:] = told.rows(0, shape[1], shape[2])
        assert (told.rows(2, 4, shape[2]) == plane[2:4]).all()
    assert (kept == np.where(at_edges(mask), odds, UNKNOWN)).all() and not at_edges(mask).all()


def at_edges(mask: Mask) -> npt.NDArray[np.bool_]:
    """Voxel by voxel: void, or with a neighbour of another class."""
    found = mask == VOID
    for at in np.ndindex(mask.shape):
        for step in (*np.eye(3, dtype=int), *-np.eye(3, dtype=int)):
            beside = tuple((at + step).tolist())
            if all(0 <= i < n for i, n in zip(beside, mask.shape, strict=True)):
                found[at] |= mask[beside] != mask[at]
    return found


def test_margins_cost_little_memory_beside_the_mask() -> None:
    mask, entropy = np.full((96, 96, 96), BACKGROUND, np.uint8), np.full((96, 96, 96), 0.3, np.float16)
    mask[5:45, 10:86, 10:86], mask[45:90, 10:86, 10:86] = PILLAR, SOLDER

    def peak(work: Callable[[], object]) -> float:
        tracemalloc.start()
        work()
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most / mask.nbytes

    margins = Margins.of(mask, Entropy(entropy), HBM)
    known = margins.within((0, 0, 0), mask)
    assert peak(lambda: Margins.of(mask, Entropy(entropy), HBM)) < 0.5
    dimensions(mask, HBM, (1, 1, 1), RECIPE, None)  # what it imports is no memory of the mask's
    plain, finer = (peak(lambda k=k: dimensions(mask, HBM, (1, 1, 1), RECIPE, k)) for k in (None, known))
    assert finer < plain + 0.4


def test_nothing_is_known_of_voxels_that_are_no_longer_what_the_model_said() -> None:
    mask, entropy = soft_bump()
    odds = odds_of(entropy)
    known = margins_of(mask, odds)
    cut = mask[4:30, 2:30, 3:33].copy()
    cut[10, 10] = PAD
    before = cut.copy()
    box = known.within((4, 2, 3), cut)
    found = np.stack([box.around(z, (0, 0), cut.shape[1:]) for z in range(-1, len(cut) + 1)])
    same = cut == mask[4:30, 2:30, 3:33]
    there = np.where(at_edges(mask), odds, UNKNOWN)[4:30, 2:30, 3:33]
    true = np.pad(np.where(same, there, UNKNOWN), 1, constant_values=UNKNOWN)
    assert (found == true).all() and not same.all() and true.any()
    part = np.stack([box.around(z, (5, 0), (9, 30)) for z in range(-1, len(cut) + 1)])
    assert (part[..., 1:-1] == true[:, 5:16, 1:-1]).all()
    assert (cut == before).all()


def test_a_scan_without_margins_is_measured_as_ever_and_each_bump_of_one_with_them_as_it_is_alone() -> None:
    made = package((24, 44, 60), rows(2, 3, 18, 12), [7.0] * 6)
    odds = np.random.default_rng(0).integers(1, 256, made.mask.shape, dtype=np.uint8)
    margins = margins_of(made.mask, odds)
    found, whole = (measure_scan(made.mask, HBM, (1, 1, 1), RECIPE, "a", None, m) for m in (margins, None))
    assert len(found.bumps) == 6 and not any(b.measured.dimensions.interpolated for b in whole.bumps)
    for bump, plain in zip(found.bumps, whole.bumps, strict=True):
        box = tuple(slice(a - 1, b + 1) for a, b in bump.structure.box)
        alone = measured(made.mask[box], odds[box])
        assert bump.measured.dimensions == alone != plain.measured.dimensions
        assert bump.measured.n_voxels == plain.measured.n_voxels
        assert bump.measured.boxed == plain.measured.boxed
    assert found.dimensions == whole.dimensions  # of all bumps together
    again = ScanMeasurement.from_entry(found.entry())
    assert again.bumps[0].measured.dimensions == found.bumps[0].measured.dimensions
    old = found.entry()
    del old["dimensions"]["interpolated"]  # a report of before there were margins
    assert not ScanMeasurement.from_entry(old).dimensions.interpolated


def test_a_lone_bump_is_measured_alike_whether_there_is_dust_beside_it_or_not() -> None:
    mask, entropy = soft_bump()
    odds = odds_of(entropy)
    alone = measure_scan(mask, HBM, (1, 1, 1), RECIPE, "a", None, margins_of(mask, odds))
    assert alone.dimensions == measured(mask, odds)
    mask[36, 2, 2] = SOLDER
    found = measure_scan(mask, HBM, (1, 1, 1), RECIPE, "a", None, margins_of(mask, odds))
    assert found.stray.pieces == 1
    for size in (found.dimensions, found.bumps[0].measured.dimensions):
        assert size.interpolated and size.blt_um == alone.dimensions.blt_um
        assert size.extrusion_um == pytest.approx(alone.dimensions.extrusion_um)


@pytest.mark.parametrize("sure", [True, False])
def test_the_page_says_how_fine_the_edges_are_of_the_bumps_that_have_lengths(sure: bool) -> None:
    made = package((24, 44, 60), rows(2, 3, 18, 12), [7.0] * 6)
    made.mask[(made.truth == 1) & (made.mask == SOLDER)] = BACKGROUND  # the first is open and has no lengths
    odds = np.random.default_rng(0).integers(1, 256, made.mask.shape, dtype=np.uint8)
    margins = margins_of(made.mask, odds) if sure else None
    found = measure_scan(made.mask, HBM, (1, 1, 1), RECIPE, "a", None, margins)
    assert [b.measured.dimensions.interpolated for b in found.bumps] == [False, *[sure] * 5]
    said = ["edges to the voxel", "edges interpolated from the model's probabilities"]
    for page in (Report((found,)).html(), Report((found,)).print_html()):
        text = page.replace("&#39;", "'")
        assert [words in text for words in said] == [not sure, sure]
