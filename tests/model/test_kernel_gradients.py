"""The gradient BADGE compares slices by, in closed form, against torch's own of the last convolution."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

from model.networks import SMALL, pixelwise_segmenter
from voidscope.model import Segmenter, build_segmenter, predict_slices
from voidscope.model.gradients import kernel_gradients


@pytest.fixture
def exact(monkeypatch: pytest.MonkeyPatch) -> None:
    """Convolve in float32, so that results can be compared."""
    monkeypatch.setattr("voidscope.model.devices.cpu_has_bfloat16", lambda: False)


def autograd(segmenter: Segmenter, image: torch.Tensor, shape: tuple[int, int]) -> np.ndarray:
    """Back-propagate the mean cross-entropy of the mask over the valid pixels of one image (1, 1, H, W)."""
    segmenter.eval().zero_grad()
    with torch.no_grad():  # with gradients another kernel may be chosen, which rounds near ties otherwise
        mask = segmenter(image)[0].argmax(1)
    logits = segmenter(image)[0]
    functional.cross_entropy(logits[:, :, : shape[0], : shape[1]], mask[:, : shape[0], : shape[1]]).backward()
    kernel = segmenter.head[0].weight
    assert kernel.grad is not None
    return kernel.grad.flatten().numpy()


@pytest.mark.parametrize("n_classes", [2, 5])
@pytest.mark.parametrize("shape", [(96, 96), (57, 61)])
def test_it_is_the_gradient_of_the_last_convolution(n_classes: int, shape: tuple[int, int]) -> None:
    segmenter = build_segmenter(SMALL, n_classes, seed=3)
    images = torch.randn(3, 1, 96, 96, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():  # one by one, as autograd does: a batch rounds otherwise, and near ties turn over
        looks = [segmenter.eval()(image[None]) for image in images]
    logits, features = (torch.cat(parts) for parts in zip(*looks, strict=True))
    found = kernel_gradients(logits, features, 3, shape)
    assert found.shape == (3, n_classes * 16 * 9)
    for image, gradient in zip(images, found, strict=True):
        expected = autograd(segmenter, image[None], shape)
        np.testing.assert_allclose(gradient, expected, rtol=1e-3, atol=1e-5 * np.abs(expected).max())


@pytest.mark.usefixtures("exact")
@pytest.mark.parametrize("flips", [False, True])
def test_a_prediction_carries_the_gradient_of_the_slice_as_it_is(flips: bool) -> None:
    segmenter = build_segmenter(SMALL, 3, seed=3)
    image = np.random.default_rng(0).random((57, 61), dtype=np.float32)
    (found,) = predict_slices(segmenter, [image], (0.4, 0.25), "cpu", flips=flips, gradients=True)
    padded = functional.pad(torch.from_numpy((image - 0.4) / 0.25)[None, None], (0, 35, 0, 39))
    expected = autograd(segmenter, padded, (57, 61))
    assert found.gradient is not None and found.gradient.dtype == np.float32
    np.testing.assert_allclose(found.gradient, expected, rtol=1e-3, atol=1e-5 * np.abs(expected).max())


def test_a_prediction_has_no_gradient_unless_it_is_asked_for() -> None:
    (found,) = predict_slices(pixelwise_segmenter(), [np.zeros((9, 9), np.float32)], (0.4, 0.25), "cpu")
    assert found.gradient is None


def test_a_sure_slice_has_no_gradient() -> None:
    logits = functional.one_hot(torch.ones(1, 4, 5, dtype=torch.long), 3).movedim(3, 1) * 1e4
    assert not kernel_gradients(logits, torch.rand(1, 2, 4, 5), 3, (4, 5)).any()


def test_each_class_takes_from_the_others_what_it_is_given() -> None:
    gradients = kernel_gradients(torch.randn(2, 3, 6, 7), torch.rand(2, 4, 6, 7), 3, (6, 7)).reshape(2, 3, -1)
    np.testing.assert_allclose(gradients.sum(1), 0, atol=1e-7)
