"""The pixel forest: its features are local filters, and it learns what a filter can tell."""

from __future__ import annotations

import numpy as np
import pytest

from voidscope.benchmark.forest import MOST_PIXELS, PixelForest, _drawn, pixel_features

pytest.importorskip("sklearn")


def _scene(seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:40, :50]
    disc = np.hypot(y - rng.uniform(12, 28), x - rng.uniform(12, 38)) < 8
    image = (0.3 + 0.4 * disc + rng.normal(0, 0.05, disc.shape)).astype(np.float32)
    return image, (1 + disc).astype(np.uint8)


def test_features_are_one_plus_seven_per_scale_and_the_first_is_the_slice() -> None:
    image, _ = _scene(0)
    features = pixel_features(image)
    assert features.shape == (40, 50, 43)
    np.testing.assert_array_equal(features[..., 0], image)
    assert np.isfinite(features).all()


def test_a_constant_slice_has_no_edges() -> None:
    features = pixel_features(np.full((30, 30), 0.5, np.float32))
    smooth = [1 + 7 * k for k in range(6)]
    np.testing.assert_allclose(features[..., smooth], 0.5, atol=1e-6)
    others = [k for k in range(1, 43) if k not in smooth]
    np.testing.assert_allclose(features[..., others], 0, atol=0.006)  # a truncated Laplacian


def test_a_disc_is_learnt_from_two_slices_and_unlabelled_pixels_teach_nothing() -> None:
    scenes = [_scene(k) for k in range(4)]
    labels = [scenes[0][1].copy(), scenes[1][1]]
    labels[0][:, 25:] = 0
    forest = PixelForest([s[0] for s in scenes[:2]], labels, seed=3)
    found = list(forest.predict([s[0] for s in scenes[2:]]))
    for mask, (_, truth) in zip(found, scenes[2:], strict=True):
        assert mask.dtype == np.uint8
        assert ((mask == 2) & (truth == 2)).sum() / ((mask == 2) | (truth == 2)).sum() > 0.8


def test_the_same_seed_gives_the_same_masks() -> None:
    image, label = _scene(0)
    first, second = (next(PixelForest([image], [label], 5).predict([_scene(9)[0]])) for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_as_many_pixels_of_each_class_are_drawn_and_none_unlabelled() -> None:
    image, label = _scene(0)
    label[:5] = 0
    features, classes = _drawn(image, label, np.random.default_rng(0))
    assert features.shape == (len(classes), 43)
    assert np.bincount(classes).tolist() == [0, MOST_PIXELS, min(MOST_PIXELS, int((label == 2).sum()))]
