"""The peer a user would pick instead: multiscale filters and a random forest per pixel, as ilastik, Labkit and APOC do.

Filters are ilastik's at its scales: Gaussian, gradient magnitude, Laplacian of Gaussian, eigenvalues of Hessian and
structure tensor. Needs the extra ``voidscope[benchmark]`` (scikit-learn).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import numpy.typing as npt

from voidscope.errors import NotReady
from voidscope.vocabulary import UNLABELLED, Mask

Image = npt.NDArray[np.float32]

SIGMAS = (0.7, 1.0, 1.6, 3.5, 5.0, 10.0)
TREES = 100
MOST_PIXELS = 300
"""Pixels drawn per class and slice, without class weights: of the samplings tried one of the two best, beside 2,500 pixels drawn anywhere."""


def pixel_features(image: Image) -> npt.NDArray[np.float32]:
    """Filter responses (h, w, 43) of a slice (h, w): itself, and seven per scale."""
    from scipy.ndimage import gaussian_filter, gaussian_gradient_magnitude, gaussian_laplace
    from skimage.feature import (
        hessian_matrix,
        hessian_matrix_eigvals,
        structure_tensor,
        structure_tensor_eigenvalues,
    )

    found = [image]
    for sigma in SIGMAS:
        smooth = gaussian_filter(image, sigma)
        hessian = hessian_matrix(image, sigma=sigma, mode="nearest", use_gaussian_derivatives=False)
        tensor = structure_tensor(gaussian_filter(image, sigma / 2), sigma=sigma, mode="nearest")
        found += [smooth, gaussian_gradient_magnitude(image, sigma), gaussian_laplace(image, sigma)]
        found += [*hessian_matrix_eigvals(hessian), *structure_tensor_eigenvalues(tensor)]
    return np.stack(found, axis=-1).astype(np.float32)


class PixelForest:
    """A random forest on the filter responses of labelled pixels."""

    def __init__(self, images: Sequence[Image], labels: Sequence[Mask], seed: int) -> None:
        try:
            from sklearn.ensemble import RandomForestClassifier
        except ImportError as error:
            raise NotReady('The forest needs scikit-learn: pip install "voidscope[benchmark]".') from error
        rng = np.random.default_rng(seed)
        drawn = [_drawn(image, mask, rng) for image, mask in zip(images, labels, strict=True)]
        self._forest = RandomForestClassifier(TREES, n_jobs=1, random_state=seed)
        self._forest.fit(np.concatenate([x for x, _ in drawn]), np.concatenate([y for _, y in drawn]))

    def predict(self, images: Iterable[Image]) -> Iterator[Mask]:
        """The likeliest class of each pixel, (h, w) ids 1..C."""
        for image in images:
            features = pixel_features(image)
            found = self._forest.predict(features.reshape(-1, features.shape[-1]))
            yield found.reshape(image.shape).astype(np.uint8)


def _drawn(
    image: Image, mask: Mask, rng: np.random.Generator
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.uint8]]:
    """Features (n, F) and classes (n,) of some labelled pixels of a slice, as many of each class."""
    features, flat = pixel_features(image).reshape(mask.size, -1), mask.ravel()
    present = [c for c in np.unique(flat).tolist() if c != UNLABELLED]
    rows = np.concatenate([rng.permutation(np.flatnonzero(flat == c))[:MOST_PIXELS] for c in present])
    return features[rows], flat[rows]
