"""The detail network beside the U-Net: both decide about void, and the U-Net is the one it would be alone."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from model.networks import SMALL, pixelwise_segmenter
from voidscope.config import Config, ModelConfig
from voidscope.errors import ProjectError
from voidscope.model import (
    Segmenter,
    backbone_bytes,
    build_segmenter,
    load_segmenter,
    predict_slices,
    weights_bytes,
)
from voidscope.model.detail import DetailNetwork, void_together

DETAILED = SMALL.model_copy(update={"detail": True})
NORMALISATION = (0.4, 0.25)
VOID = 2
"""The class that is void."""


@pytest.fixture
def exact(monkeypatch: pytest.MonkeyPatch) -> None:
    """Convolve in float32, so that results can be compared."""
    monkeypatch.setattr("voidscope.model.devices.cpu_has_bfloat16", lambda: False)


def _with_detail(seed: int = 3, n_classes: int = 3) -> Segmenter:
    """A pixelwise U-Net beside a real detail network whose batch norm has seen something."""
    torch.manual_seed(seed)
    detail = DetailNetwork(n_classes)
    detail.train()(torch.randn(4, 1, 32, 32))
    with torch.no_grad():
        detail.head.weight.mul_(10)  # an opinion strong enough to change masks
    detail.name_void([VOID])
    alone = pixelwise_segmenter(n_classes, seed=seed)
    return Segmenter(alone.encoder, alone.decoder, alone.head, detail).eval()


def _image(seed: int = 0, shape: tuple[int, int] = (23, 31)) -> np.ndarray:
    return np.random.default_rng(seed).random(shape, dtype=np.float32)


# --- the network


@pytest.mark.parametrize("shape", [(4, 4), (64, 96)])
def test_it_gives_logits_of_every_pixel_in_float32(shape: tuple[int, int]) -> None:
    detail = DetailNetwork(5).eval()
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        logits = detail(torch.rand(2, 1, *shape))
    assert logits.shape == (2, 5, *shape)
    assert logits.dtype is torch.float32


def test_it_has_a_hundredth_of_the_unets_weights() -> None:
    own = sum(p.numel() for p in DetailNetwork(5).parameters())
    assert own == 118_373
    assert own < sum(p.numel() for p in build_segmenter(ModelConfig(), 5).parameters()) / 100


def test_what_its_head_sees_moves_with_the_image_by_single_pixels_where_the_unets_does_not() -> None:
    """With everything below full resolution silenced, a shift by one pixel shifts the features by one pixel."""
    torch.manual_seed(0)
    detail = DetailNetwork(3).eval()
    with torch.no_grad():
        detail.up[0][0].weight[:, 16:] = 0
        image = torch.rand(1, 1, 32, 32)
        here, there = detail.features(image), detail.features(image.roll(1, 3))
        unet = build_segmenter(SMALL, 3).eval()
        blurred, moved = unet.features(image), unet.features(image.roll(1, 3))
    assert here.std() > 0
    torch.testing.assert_close(there[..., 6:-4], here.roll(1, 3)[..., 6:-4])
    assert (moved[..., 6:-4] - blurred.roll(1, 3)[..., 6:-4]).abs().max() > 0.1 * blurred.std()


def test_void_classes_are_named_by_their_ids_and_travel_with_the_weights() -> None:
    segmenter = build_segmenter(DETAILED, 3)
    assert segmenter.detail is not None and not segmenter.detail.void.any()
    segmenter.detail.name_void([1, 3])
    loaded = load_segmenter(DETAILED, 3, weights_bytes(segmenter))
    assert loaded.detail is not None and loaded.detail.void.tolist() == [True, False, True]
    loaded.detail.name_void([2])
    assert loaded.detail.void.tolist() == [False, True, False]


# --- in the segmenter


def test_the_unet_is_drawn_the_same_with_and_without_it() -> None:
    alone, both = build_segmenter(SMALL, 3, seed=7), build_segmenter(DETAILED, 3, seed=7)
    assert alone.detail is None and both.detail is not None
    theirs = both.state_dict()
    assert all(torch.equal(value, theirs[name]) for name, value in alone.state_dict().items())
    assert {name.partition(".")[0] for name in theirs.keys() - alone.state_dict().keys()} == {"detail"}
    another = build_segmenter(DETAILED, 3, seed=8)
    assert not torch.equal(theirs["detail.head.weight"], another.state_dict()["detail.head.weight"])


def test_weights_are_loaded_with_it_and_refused_where_one_side_has_none() -> None:
    saved = weights_bytes(build_segmenter(DETAILED, 3, seed=4))
    assert weights_bytes(load_segmenter(DETAILED, 3, saved)) == saved
    with pytest.raises(ProjectError, match=r"another network: detail\.[^ ]+ is .* there, missing here"):
        load_segmenter(SMALL, 3, saved)
    with pytest.raises(ProjectError, match=r"another network: detail\.[^ ]+ is missing there"):
        load_segmenter(DETAILED, 3, weights_bytes(build_segmenter(SMALL, 3)))


def test_what_pretraining_hands_on_has_no_detail_network_and_one_starts_anew() -> None:
    source = build_segmenter(DETAILED, 2, seed=99)
    pretrained = backbone_bytes(source)
    assert pretrained == backbone_bytes(build_segmenter(SMALL, 2, seed=99))
    target, fresh = build_segmenter(DETAILED, 5, 3, pretrained), build_segmenter(DETAILED, 5, 3)
    assert torch.equal(next(target.encoder.parameters()), next(source.encoder.parameters()))
    theirs = fresh.state_dict()
    own = {k: v for k, v in target.state_dict().items() if k.startswith(("detail.", "head."))}
    assert len(own) > 2 and all(torch.equal(v, theirs[k]) for k, v in own.items())


# --- deciding about void together


@pytest.mark.parametrize("void", [[], [1, 2, 3]])
def test_where_nothing_or_everything_is_void_the_unet_decides_alone_and_no_other_is_asked(
    void: list[int],
) -> None:
    segmenter = _with_detail()
    assert segmenter.detail is not None
    segmenter.detail.name_void(void)
    segmenter.detail.register_forward_pre_hook(lambda module, given: pytest.fail("asked"))
    logits = torch.randn(2, 3, 4, 4)
    assert segmenter.together(torch.rand(2, 1, 4, 4), logits) is logits


def test_two_networks_in_closed_form() -> None:
    """Void 0.2 and 0.6 make 0.4; the others keep their shares 3 to 1 of what is left."""
    unet, detail = (torch.tensor(p).log()[None, :, None, None] for p in ([0.6, 0.2, 0.2], [0.1, 0.3, 0.6]))
    found = void_together(unet, detail, torch.tensor([False, False, True])).exp()
    np.testing.assert_allclose(found.ravel(), [0.45, 0.15, 0.4], rtol=1e-6)


@given(
    st.integers(0, 2**32 - 1),
    st.floats(0, 1000),
    st.lists(st.booleans(), min_size=4, max_size=4).filter(lambda v: any(v) and not all(v)),
)
def test_void_lies_half_way_and_the_others_keep_their_shares(
    seed: int, scale: float, void: list[bool]
) -> None:
    generator = torch.Generator().manual_seed(seed)
    unet, detail = (scale * torch.randn(1, 4, 3, 2, generator=generator) for _ in range(2))
    said = void_together(unet, detail, torch.tensor(void))
    assert torch.isfinite(said).all()
    found, p, q = (x.double().softmax(1) for x in (said, unet, detail))
    voids, solids = np.flatnonzero(void), np.flatnonzero(~np.array(void))
    np.testing.assert_allclose(found[:, voids], (p + q)[:, voids] / 2, atol=1e-4)
    left = 1 - found[:, voids].sum(1, keepdim=True)
    np.testing.assert_allclose(found[:, solids], unet[:, solids].double().softmax(1) * left, atol=1e-4)


@pytest.mark.parametrize("logit", [10.0, 100.0, 1000.0])
def test_a_network_that_is_as_sure_as_can_be_keeps_what_it_thinks_of_the_others(logit: float) -> None:
    sure, unsure = (torch.tensor(x)[None, :, None, None] for x in ([0.0, -1.0, logit], [0.0, 0.0, 0.0]))
    found = void_together(sure, unsure, torch.tensor([False, False, True])).double().exp().ravel()
    p = torch.tensor([0.0, -1.0, logit], dtype=torch.float64).softmax(0)
    void = float(p[2] + 1 / 3) / 2
    shares = torch.tensor([0.0, -1.0], dtype=torch.float64).softmax(0) * (1 - void)
    np.testing.assert_allclose(found, [*shares, void], rtol=1e-6)


@pytest.mark.usefixtures("exact")
@pytest.mark.parametrize("flips", [False, True])
def test_a_prediction_is_what_both_decide_in_all_mirror_images_by_loops(flips: bool) -> None:
    segmenter, image = _with_detail(), _image()
    assert segmenter.detail is not None
    padded = np.zeros((96, 96), np.float32)
    total = np.zeros((3, *image.shape))
    mirrors = [(), (0,), (1,), (0, 1)] if flips else [()]
    for axes in mirrors:
        padded[:] = 0
        padded[: image.shape[0], : image.shape[1]] = np.flip((image - 0.4) / 0.25, axes)
        p, q = (
            _probabilities(network, padded)[:, : image.shape[0], : image.shape[1]]
            for network in (lambda x: segmenter(x)[0], segmenter.detail)
        )
        void = (p[VOID - 1] + q[VOID - 1]) / 2
        both = p * (1 - void) / (1 - p[VOID - 1])
        both[VOID - 1] = void
        total += np.flip(both, [a + 1 for a in axes]) / len(mirrors)
    (found,) = predict_slices(segmenter, [image], NORMALISATION, "cpu", flips=flips)
    np.testing.assert_array_equal(found.mask, total.argmax(0) + 1)
    np.testing.assert_allclose(found.entropy, -(total * np.log(total)).sum(0), atol=1e-4)
    (alone,) = predict_slices(_without(segmenter), [image], NORMALISATION, "cpu", flips=flips)
    assert (found.mask != alone.mask).any()
    np.testing.assert_array_equal(found.embedding, alone.embedding)


def _probabilities(network: Callable[[torch.Tensor], torch.Tensor], padded: np.ndarray) -> np.ndarray:
    with torch.no_grad():
        odds = np.exp(network(torch.from_numpy(padded)[None, None])[0].double().numpy())
    return np.asarray(odds / odds.sum(0))


@pytest.mark.usefixtures("exact")
def test_badge_compares_by_the_unets_head_which_the_detail_network_does_not_touch() -> None:
    segmenter = _with_detail()
    (both,) = predict_slices(segmenter, [_image()], NORMALISATION, "cpu", gradients=True)
    (alone,) = predict_slices(_without(segmenter), [_image()], NORMALISATION, "cpu", gradients=True)
    np.testing.assert_array_equal(both.gradient, alone.gradient)


@pytest.mark.usefixtures("exact")
def test_a_mirror_image_counts_as_both_networks_decide_in_it() -> None:
    segmenter = _with_detail()
    (found,) = predict_slices(segmenter, [_image()], NORMALISATION, "cpu", flips=True)
    (first,) = predict_slices(segmenter, [_image()], NORMALISATION, "cpu")
    assert found.views is not None and found.views.shape[0] == 4
    np.testing.assert_array_equal(found.views[0].sum((0, 1)), first.counts - found.counts)


@pytest.mark.usefixtures("exact")
def test_when_memory_runs_out_it_goes_on_in_smaller_batches_and_says_the_same() -> None:
    segmenter, images = _with_detail(), [_image(k) for k in range(5)]
    assert segmenter.detail is not None
    expected = [p.mask for p in predict_slices(segmenter, images, NORMALISATION, "cpu")]

    def refuse(module: object, given: tuple[torch.Tensor]) -> None:
        if len(given[0]) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")

    segmenter.detail.register_forward_pre_hook(refuse)
    said: list[str] = []
    found = list(predict_slices(segmenter, images, NORMALISATION, "cpu", tell=said.append))
    assert said == ["memory ran out: 2 slices at a time"]
    for one, mask in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one.mask, mask)


def _without(segmenter: Segmenter) -> Segmenter:
    return Segmenter(segmenter.encoder, segmenter.decoder, segmenter.head)


# --- settings


@pytest.mark.parametrize("preset", ["paper", "product"])
def test_no_preset_has_one_and_each_takes_it_away(preset: str) -> None:
    config = Config().with_changes([f"preset={preset}"])
    assert not config.model.detail
    asked = config.with_changes(["model.detail=true"])
    assert asked.model.detail and asked.preset is None
    assert asked.with_changes([f"preset={preset}"]) == config


def test_its_classifier_is_one_of_the_segmenters() -> None:
    both = build_segmenter(DETAILED, 3)
    assert [type(c) for c in both.classifiers] == [nn.Conv2d, nn.Conv2d]
    assert [c.out_channels for c in both.classifiers] == [3, 3]
    assert len(build_segmenter(SMALL, 3).classifiers) == 1
