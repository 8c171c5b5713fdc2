"""Surveys for tests, made from pixels, so that slow twins can be computed from the same pixels."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

from voidscope.acquisition import Survey, SurveyRow
from voidscope.vocabulary import SliceKey

PATCH = 8
"""Side of a patch in pixels."""
TOP_PERCENT = 20
"""What share of the pixels the surveys' top entropies are of, in percent."""

EXTRAS = ("entropy_local", "class_entropy", "patch_share", "gradient", "top_percent")
"""Arrays that a survey of an older version lacks."""


@dataclass(frozen=True)
class Pixels:
    """What a model said about one slice: class probabilities (h, w, C) and the embedding (D,)."""

    key: SliceKey
    probabilities: npt.NDArray[np.float64]
    embedding: npt.NDArray[np.float32]

    @property
    def classes(self) -> npt.NDArray[np.intp]:
        """Pseudo-label (h, w), classes 0..C-1."""
        return self.probabilities.argmax(axis=2)

    @property
    def entropy(self) -> npt.NDArray[np.float64]:
        """u(x) of Eq. 5, (h, w), in nats."""
        p = self.probabilities
        return -np.sum(np.where(p > 0, p * np.log(np.where(p > 0, p, 1)), 0), axis=2)

    def patches(self, values: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
        """Means of per-pixel values (h, w) over every 8 x 8 patch."""
        shape = tuple(min(PATCH, n) for n in values.shape)
        return sliding_window_view(values, shape).mean(axis=(2, 3)).ravel()

    def row(self) -> SurveyRow:
        """The slice as a survey row; its gradient is the mean of (p - onehot) (x) (1, position)."""
        classes, entropy, n_classes = self.classes, self.entropy, self.probabilities.shape[2]
        counts = np.array([(classes == c).sum() for c in range(n_classes)])
        best = np.where(classes[..., None] == np.arange(n_classes), self.probabilities, -1).reshape(
            -1, n_classes
        )
        yx = np.stack(np.unravel_index(best.argmax(axis=0), classes.shape), axis=1)
        class_pixel = np.where((counts > 0)[:, None], yx, -1)
        driving = np.unravel_index(entropy.argmax(), classes.shape)
        top = np.sort(entropy.ravel())[::-1][: max(1, -(-entropy.size * TOP_PERCENT // 100))].mean()
        shares = [self.patches(classes == c).max() for c in range(n_classes)]
        slopes = self.probabilities - (classes[..., None] == np.arange(n_classes))
        seen = np.stack([np.ones(classes.shape), *np.indices(classes.shape)], axis=2)
        gradient = np.einsum("yxc,yxd->cd", slopes, seen).astype(np.float32).ravel() / classes.size
        return SurveyRow(
            self.key, counts, entropy.max(), entropy.mean(), self.embedding, class_pixel, np.array(driving),
            np.array([top, self.patches(entropy).max()]),
            (entropy[..., None] * self.probabilities).mean(axis=(0, 1)), np.array(shares), gradient,
        )  # fmt: skip


def pool(
    n: int = 30,
    n_classes: int = 5,
    features: int = 4,
    seed: int = 0,
    absent: int | None = None,
    largest: int = 8,
) -> list[Pixels]:
    """`n` slices over several scans, of different sizes, the last class rare; class `absent` is never predicted."""
    rng = np.random.default_rng(seed)
    sharpness = np.linspace(1.0, -1.0, n_classes)
    slices = []
    for i in range(n):
        shape = (*rng.integers(3, largest + 1, size=2), n_classes)
        logits = rng.normal(size=shape) * rng.uniform(0.5, 3.0) + sharpness * rng.uniform(0, 3)
        if absent is not None:
            logits[..., absent] = -50.0
        p = np.exp(logits - logits.max(axis=2, keepdims=True))
        embedding = rng.normal(size=features).astype(np.float32)
        slices.append(
            Pixels(SliceKey(f"scan{i // 7:02d}", i % 7), p / p.sum(axis=2, keepdims=True), embedding)
        )
    return slices


def survey_of(slices: list[Pixels]) -> Survey:
    """The survey of these slices."""
    return Survey.collect((s.row() for s in slices), "model", TOP_PERCENT)


def flat_survey(n: int, embedding: npt.ArrayLike, n_classes: int = 3) -> Survey:
    """A survey of `n` slices alike in everything but their embedding (N, D)."""
    return Survey(
        keys=tuple(SliceKey("scan", i) for i in range(n)),
        counts=np.tile(np.eye(n_classes, dtype=np.int64)[0] * 100, (n, 1)),
        entropy=np.tile([0.5, 0.25], (n, 1)),
        embedding=np.asarray(embedding, dtype=np.float32),
        class_pixel=np.where(np.arange(n_classes)[None, :, None] == 0, 1, np.full((n, 1, 2), -1)),
        entropy_pixel=np.full((n, 2), 2),
        model_id="flat",
        entropy_local=np.tile([0.5, 0.25], (n, 1)),
        class_entropy=np.full((n, n_classes), 0.25 / n_classes),
        patch_share=np.tile(np.eye(n_classes)[0], (n, 1)),
        gradient=np.ones((n, 6), dtype=np.float32),
        top_percent=np.array([float(TOP_PERCENT)]),
    )


def with_counts(survey: Survey, counts: npt.ArrayLike) -> Survey:
    """The survey with other class counts (N, C) and class pixels to match."""
    counts = np.asarray(counts)
    pixels = np.repeat(np.where(counts > 0, 0, -1)[..., np.newaxis], 2, axis=2)
    return replace(survey, counts=counts, class_pixel=pixels)


def spread_over(n_scans: int, n_slices: int, features: int = 3, seed: int = 0) -> Survey:
    """A survey of scans of equal length with random embeddings, entropies, classes and gradients."""
    rng, n = np.random.default_rng(seed), n_scans * n_slices
    flat = flat_survey(n, rng.normal(size=(n, features)))
    keys = tuple(SliceKey(f"scan{i // n_slices:02d}", i % n_slices) for i in range(n))
    mean = rng.uniform(0.1, 0.5, size=n)
    return replace(
        with_counts(flat, rng.integers(0, 3, size=(n, 3)) * [90, 9, 1] + [100, 0, 0]),
        keys=keys,
        entropy=np.column_stack([mean + 0.2, mean]),
        class_entropy=rng.dirichlet(np.ones(3), size=n) * mean[:, None],
        gradient=rng.normal(size=(n, 6)).astype(np.float32),
    )
