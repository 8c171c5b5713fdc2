"""What is learnt by without labels: what each task shows the network, what it costs, and by what it is measured."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from voidscope.config import PretrainConfig
from voidscope.training.contrastive import nt_xent
from voidscope.training.places import POINTS, draw_places, features_at, local_contrast
from voidscope.training.pool import SlicePool
from voidscope.training.pretext import PLACES, Contrastive, Masked, draw_masks, mean_squares, rng_at
from voidscope.training.views import Views, cut_views, draw_views

CONFIG = PretrainConfig(crop=32)


def _batch(n: int = 4) -> tuple[torch.Tensor, Views, SlicePool]:
    images = [np.random.default_rng(k).random((40, 50), dtype=np.float32) for k in range(n)]
    pool = SlicePool(images, torch.float32, torch.device("cpu"))
    views = draw_views(np.random.default_rng(0), np.repeat(np.arange(n), 2), pool.sizes, CONFIG)
    return cut_views(pool, views, CONFIG, (0.5, 0.25)), views, pool


def _maps(images: torch.Tensor) -> torch.Tensor:
    """Features without a network: the image, its square and its shifted self."""
    return torch.cat((images, images**2, images.roll(1, 3)), dim=1)


def _loss(
    task: Contrastive | Masked,
    features: Callable[[torch.Tensor], torch.Tensor],
    given_: tuple[torch.Tensor, ...],
) -> torch.Tensor:
    return task.loss(task.rows(features, *given_[: task.by_view]), *given_)


def test_the_papers_loss_is_nt_xent_of_the_projected_means() -> None:
    task = Contrastive(3, CONFIG, seed=0)
    given_ = task.given(*_batch())
    assert len(given_) == len(task.heads) == 1
    expected = nt_xent(task.heads[0](_maps(given_[0]).mean((2, 3))), 0.2)
    assert _loss(task, _maps, given_).item() == pytest.approx(expected.item(), rel=1e-5)
    assert task.compared(*given_) == "chance 1.95"


def test_the_local_term_is_added_with_its_weight_and_leaves_the_global_one_alone() -> None:
    config = CONFIG.model_copy(update={"local_weight": 0.5})
    task, plain = Contrastive(3, config, seed=0), Contrastive(3, CONFIG, seed=0)
    batch, views, pool = _batch()
    given_ = task.given(batch, views, pool, 3, 1)
    places = draw_places(rng_at(0, PLACES, 3, 1), views, 32)
    np.testing.assert_array_equal(given_[1].numpy(), places.pixels)
    vectors = task.heads[1](features_at(_maps(batch), given_[1]).reshape(-1, 3)).reshape(8, POINTS, -1)
    expected = _loss(plain, _maps, (batch,)) + 0.5 * local_contrast(vectors, given_[2], given_[3], 0.2)
    assert _loss(task, _maps, given_).item() == pytest.approx(expected.item(), rel=1e-5)


@pytest.mark.parametrize(("hidden", "width"), [(0, 3), (64, 64)])
def test_the_hidden_layer_is_as_wide_as_asked_or_as_its_input(hidden: int, width: int) -> None:
    task = Contrastive(3, CONFIG.model_copy(update={"hidden_dim": hidden}), seed=0)
    shapes = [tuple(p.shape) for p in task.heads[0].parameters() if p.ndim == 2]
    assert shapes == [(width, 3), (128, width)]


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 5), st.floats(0.01, 0.99), st.sampled_from([4, 8, 16]), st.integers(0, 2**31))
def test_masks_hide_whole_patches_and_as_many_in_each_view(
    n: int, share: float, patch: int, seed: int
) -> None:
    config = PretrainConfig(crop=32, masked=share, patch=patch)
    masks = draw_masks(np.random.default_rng(seed), n, config)
    assert masks.shape == (n, 1, 32, 32)
    side = 32 // patch
    patches = masks.reshape(n, side, patch, side, patch).transpose(0, 1, 3, 2, 4).reshape(n, side**2, -1)
    assert (patches.all(axis=2) == patches.any(axis=2)).all()
    counts = set(patches.all(axis=2).sum(axis=1).tolist())
    assert len(counts) == 1
    assert abs(counts.pop() - share * side**2) <= 1
    assert 0 < masks.mean() < 1


def test_every_patch_is_hidden_equally_often() -> None:
    masks = draw_masks(np.random.default_rng(0), 4000, PretrainConfig(crop=32))
    np.testing.assert_allclose(masks[:, 0, ::8, ::8].mean(axis=0), 10 / 16, atol=0.03)


def test_hidden_pixels_are_not_shown_and_only_they_are_asked_for() -> None:
    task = Masked(3, CONFIG, seed=0)
    batch, hidden = task.given(*_batch())
    shown: list[torch.Tensor] = []

    def features(images: torch.Tensor) -> torch.Tensor:
        shown.append(images)
        return _maps(images)

    loss = _loss(task, features, (batch, hidden))
    assert shown[0][hidden].eq(0).all()
    assert torch.equal(shown[0][~hidden], batch[~hidden])
    weight, bias = (p.detach().numpy() for p in task.heads[0].parameters())
    maps, asked = _maps(shown[0]).numpy(), hidden.numpy()
    terms = [
        (weight[0, :, 0, 0] @ maps[b, :, y, x] + bias[0] - float(batch[b, 0, y, x])) ** 2
        for b, _, y, x in np.argwhere(asked)
    ]
    assert loss.item() == pytest.approx(sum(terms) / len(terms), rel=1e-4)


def test_what_is_not_hidden_does_not_change_the_loss_of_an_answer() -> None:
    values, where = torch.arange(8.0).reshape(2, 4), torch.tensor([[True, False, True, False]] * 2)
    assert mean_squares(values, where).tolist() == [2.0, 26.0]
    assert mean_squares(values + torch.tensor([0.0, 9, 0, 9]), where).tolist() == [2.0, 26.0]


def test_a_network_that_answers_with_the_mean_costs_what_progress_compares_with() -> None:
    task = Masked(3, CONFIG, seed=0)
    torch.nn.init.zeros_(task.heads[0].bias)
    given_ = task.given(*_batch())
    loss = _loss(task, lambda images: torch.zeros(len(images), 3, 32, 32), given_)
    assert task.compared(*given_) == f"by the mean {loss.item():.2f}"
    assert math.isclose(loss.item(), float((given_[0][given_[1]] ** 2).mean()), rel_tol=1e-5)
