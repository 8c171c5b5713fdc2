"""Places inside a slice: corresponding pixels show the same point, and the local loss by loops and in closed form."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from voidscope.config import PretrainConfig
from voidscope.training.places import NEAR_PX, POINTS, Places, draw_places, features_at, local_contrast
from voidscope.training.pool import SlicePool
from voidscope.training.views import Views, cut_views, draw_views

CPU = torch.device("cpu")
CALM = PretrainConfig(jitter=0.0)


def _views(n: int, sizes: np.ndarray, seed: int = 0) -> Views:
    return draw_views(np.random.default_rng(seed), np.repeat(np.arange(n) % len(sizes), 2), sizes, CALM)


def _drawn(n: int = 60, seed: int = 0) -> tuple[Views, Places]:
    views = _views(n, np.array([[70, 90], [96, 51]]), seed)
    return views, draw_places(np.random.default_rng(seed), views, CALM.crop)


@pytest.mark.parametrize("axis", [0, 1])
def test_corresponding_pixels_show_the_same_point_of_the_slice_mirrored_or_not(axis: int) -> None:
    ramps = [
        np.indices((70, 90))[axis].astype(np.float32) / 128,
        np.indices((96, 51))[axis].astype(np.float32) / 128,
    ]
    pool = SlicePool(ramps, torch.float32, CPU)
    views, places = _drawn()
    shown = cut_views(pool, views, CALM, (0.0, 1 / 128)).flatten(1).numpy()  # each pixel says where it lies
    found = np.take_along_axis(shown, places.pixels, axis=1)[..., None].reshape(-1, 2, POINTS)
    scale = views.size[:, axis].reshape(-1, 2) / CALM.crop
    difference = np.abs(found[:, 0] - found[:, 1])[places.overlap]
    allowed = (scale.sum(axis=1) / 2 + 1)[
        places.overlap
    ]  # half a pixel of each view; ramps are flat at the slice's edge
    assert len(difference) > 40
    assert {tuple(m) for m in views.mirrored.tolist()} == {
        (a, b) for a in (False, True) for b in (False, True)
    }
    assert (difference <= allowed[:, None]).all()


def test_points_cover_the_overlap_and_stay_inside_it() -> None:
    first, size = np.array([[0, 0], [10, 20]]), np.array([[40, 40], [40, 40]])
    plain = np.zeros((2, 2), bool)
    views = Views(np.array([0, 0]), first, size, plain, np.ones(2), np.ones(2), np.ones(2, bool), np.zeros(2))
    pixels = np.concatenate(
        [draw_places(np.random.default_rng(k), views, 40).pixels for k in range(40)], axis=1
    )
    rows, columns = np.divmod(pixels, 40)
    assert (rows[0].min(), rows[0].max(), columns[0].min(), columns[0].max()) == (10, 39, 20, 39)
    assert (rows[1].min(), rows[1].max(), columns[1].min(), columns[1].max()) == (0, 29, 0, 19)
    np.testing.assert_array_equal(rows[0] - rows[1], 10)
    np.testing.assert_array_equal(columns[0] - columns[1], 20)


def test_views_that_do_not_overlap_are_told() -> None:
    first, size = np.array([[0, 0], [0, 30]]), np.full((2, 2), 30)
    views = Views(np.zeros(2, int), first, size, np.zeros((2, 2), bool), np.ones(2), np.ones(2), np.ones(2, bool), np.zeros(2))  # fmt: skip
    places = draw_places(np.random.default_rng(0), views, 64)
    assert places.overlap.tolist() == [False]
    assert places.pixels.min() >= 0
    assert places.pixels.max() < 64 * 64


def test_points_are_near_when_either_view_shows_them_close_together() -> None:
    _, places = _drawn()
    rows, columns = (a.reshape(-1, 2, POINTS) for a in np.divmod(places.pixels, CALM.crop))
    for k in np.flatnonzero(places.overlap):
        for p in range(POINTS):
            assert not places.near[k, p, p]
            for q in range(POINTS):
                apart = min(
                    max(abs(rows[k, v, p] - rows[k, v, q]), abs(columns[k, v, p] - columns[k, v, q]))
                    for v in (0, 1)
                )
                if p != q and apart <= NEAR_PX - 1:
                    assert places.near[k, p, q]
                if apart >= NEAR_PX + 1:
                    assert not places.near[k, p, q]


def test_features_are_those_of_their_pixels_and_gradients_find_back() -> None:
    maps = torch.randn(4, 3, 5, 5, generator=torch.Generator().manual_seed(0), requires_grad=True)
    pixels = torch.tensor([[0, 24, 7], [1, 1, 1], [2, 3, 4], [9, 8, 7]])
    found = features_at(maps, pixels)
    for b in range(4):
        for p in range(3):
            row, column = divmod(int(pixels[b, p]), 5)
            assert torch.equal(found[b, p], maps[b, :, row, column])
    found.sum().backward()
    assert maps.grad is not None
    assert float(maps.grad[1, 0, 0, 1]) == 3.0
    assert float(maps.grad.sum()) == found.numel()


def _twin(vectors: np.ndarray, near: np.ndarray, overlap: np.ndarray, tau: float) -> float:
    """The docstring's formula, point by point."""
    slices = []
    for k in np.flatnonzero(overlap):
        a, b = (v / np.linalg.norm(v, axis=1, keepdims=True) for v in (vectors[2 * k], vectors[2 * k + 1]))
        terms = []
        for one, other in ((a, b), (b, a)):
            for p in range(len(a)):
                q = [j for j in range(len(a)) if not near[k, p, j]]
                terms.append(-math.log(math.exp(one[p] @ other[p] / tau) / sum(math.exp(one[p] @ other[j] / tau) for j in q)))  # fmt: skip
        slices.append(sum(terms) / len(terms))
    return sum(slices) / len(slices) if slices else 0.0


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 4), st.integers(1, 6), st.floats(0.1, 2), st.integers(0, 2**31))
def test_the_local_loss_is_its_formula_by_loops(n: int, p: int, tau: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    vectors, overlap = rng.normal(size=(2 * n, p, 5)), rng.random(n) < 0.7
    near = rng.random((n, p, p)) < 0.3
    near = (near | near.transpose(0, 2, 1)) & ~np.eye(p, dtype=bool)
    found = local_contrast(*(torch.from_numpy(a) for a in (vectors, near, overlap)), tau)
    assert float(found) == pytest.approx(_twin(vectors, near, overlap, tau), rel=1e-4, abs=1e-6)


def _everything(n: int, p: int) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.zeros(n, p, p, dtype=torch.bool), torch.ones(n, dtype=torch.bool)


def test_vectors_that_say_nothing_give_ln_p() -> None:
    assert float(local_contrast(torch.ones(6, 16, 4), *_everything(3, 16), 0.2)) == pytest.approx(
        math.log(16)
    )


@pytest.mark.parametrize("tau", [0.1, 0.2, 1.0])
def test_orthogonal_points_that_agree_have_the_closed_form(tau: float) -> None:
    e = math.exp(1 / tau)
    found = local_contrast(torch.eye(8).expand(4, 8, 8), *_everything(2, 8), tau)
    assert float(found) == pytest.approx(-math.log(e / (e + 7)), rel=1e-4, abs=1e-6)


def test_slices_without_overlap_neither_count_nor_learn() -> None:
    vectors = torch.randn(4, 3, 5, generator=torch.Generator().manual_seed(0), requires_grad=True)
    near, _ = _everything(2, 3)
    local_contrast(vectors, near, torch.tensor([True, False]), 0.2).backward()
    assert vectors.grad is not None
    assert vectors.grad[:2].abs().sum() > 0
    assert vectors.grad[2:].abs().sum() == 0
    assert local_contrast(vectors, near, torch.tensor([False, False]), 0.2).item() == 0.0
