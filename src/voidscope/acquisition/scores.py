"""The scores of a slice that need no labels: rareness (Eq. 2, 3) and uncertainty (Eq. 5)."""

from __future__ import annotations

from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from voidscope.acquisition.survey import Survey, SurveyError
from voidscope.errors import ConfigError, LabelError
from voidscope.vocabulary import Mask

Aggregation = Literal["max", "mean", "top", "patch"]
"""f_aggr of Eq. 3 and 5: how the scores of a slice's pixels become one score. The paper has the first two; ``top`` is the
mean of the highest few per cent, ``patch`` the greatest mean over any 8 x 8 pixels."""


def rareness(survey: Survey, aggregation: Aggregation = "max") -> npt.NDArray[np.float64]:
    """r(I) of every surveyed slice, (N,), in [1/e, 1] (Eq. 2, 3), from its class counts alone.

    The rareness of a pixel depends on its predicted class only, so the greatest in a slice belongs to its rarest
    predicted class, r(I) = exp(-min p(c)), and the means over all or over the rarest pixels are the counts' weighted
    means of exp(-p(c)): they equal the aggregation over pixels. Over patches see `_rareness_of_patches`.

    Raises
    ------
    SurveyError : ``top`` or ``patch`` is asked of a survey that lacks what they need.
    """
    if _checked(aggregation) == "max":
        present = survey.counts > 0
        return np.asarray(np.exp(-np.where(present, survey.class_distribution(), np.inf).min(axis=1)))
    if aggregation == "patch":
        return _rareness_of_patches(survey)
    counts = survey.counts if aggregation == "mean" else _rarest_pixels(survey)
    # Not a matrix product: BLAS may round equal rows differently, and equal slices must tie.
    parts = counts / counts.sum(axis=1, keepdims=True)
    return np.asarray((parts * np.exp(-survey.class_distribution())).sum(axis=1))


def uncertainty(survey: Survey, aggregation: Aggregation = "max") -> npt.NDArray[np.float64]:
    """u(I) of every surveyed slice, (N,), in nats, in [0, ln C] (Eq. 5).

    Raises
    ------
    SurveyError : ``top`` or ``patch`` is asked of a survey that lacks what they need.
    """
    if _checked(aggregation) in ("max", "mean"):
        return survey.entropy[:, 0 if aggregation == "max" else 1]
    return needed(survey, "entropy_local")[:, 0 if aggregation == "top" else 1]


def needed(survey: Survey, name: str) -> npt.NDArray[Any]:
    """An array that not every survey has; raises `SurveyError` when it is not there."""
    array: npt.NDArray[Any] | None = getattr(survey, name)
    if array is None:
        raise SurveyError(
            f"The survey of model {survey.model_id} lacks {name}; suggest again to make it anew."
        )
    return array


def top_pixels(n_pixels: npt.ArrayLike, percent: float) -> npt.NDArray[np.int64]:
    """How many pixels the top `percent` % of a slice are: rounded up, so that there is at least one."""
    # A little less than the product, lest 29 % of 100 pixels become 30 by rounding.
    exact = np.asarray(n_pixels) * (percent / 100)
    return np.maximum(1, np.ceil(exact * (1 - 1e-12))).astype(np.int64)


def _rarest_pixels(survey: Survey) -> npt.NDArray[np.int64]:
    """How many of the top pixels by rareness are of each class, (N, C): the rarest classes' first."""
    rarest_first = np.argsort(survey.class_distribution(), kind="stable")
    wanted = top_pixels(survey.counts.sum(axis=1), float(needed(survey, "top_percent")[0]))
    filled = np.minimum(survey.counts[:, rarest_first].cumsum(axis=1), wanted[:, np.newaxis])
    taken = np.empty_like(survey.counts)
    taken[:, rarest_first] = np.diff(filled, axis=1, prepend=0)
    return taken


def _rareness_of_patches(survey: Survey) -> npt.NDArray[np.float64]:
    """A floor of the greatest mean rareness of any patch, from the greatest share s(c) each class has in one.

    The patch that class c fills to s(c) has a mean of at least s(c) exp(-p(c)) + (1 - s(c)) exp(-p(b)), b the
    commonest class in the slice. The greatest of these over c is what is returned: the exact value where the best patch
    holds no third class, less elsewhere. Which classes share a patch is not kept.
    """
    shares, present = survey.class_distribution(), survey.counts > 0
    least = np.exp(-np.where(present, shares, 0).max(axis=1, keepdims=True))
    filled = needed(survey, "patch_share")
    return np.asarray(np.where(present, filled * np.exp(-shares) + (1 - filled) * least, 0).max(axis=1))


def rarest_class(survey: Survey) -> npt.NDArray[np.intp]:
    """Column of the rarest class predicted in each slice, (N,); the lowest of equally rare ones."""
    return np.asarray(np.where(survey.counts > 0, survey.class_distribution(), np.inf).argmin(axis=1))


def pixel_rareness(mask: Mask, distribution: npt.ArrayLike) -> npt.NDArray[np.float32]:
    """r(x) of every pixel of a model's mask (Eq. 2): exp(-p(c)) of its predicted class c, for the heatmap.

    Parameters
    ----------
    mask : class ids 1..C, (h, w) or (z, y, x); 0 where nothing is predicted yet, which scores 0
    distribution : (C,), p(c) of `Survey.class_distribution`

    Raises
    ------
    LabelError : the mask holds an id above C.
    SurveyError : `distribution` is not a list of C shares between 0 and 1.
    """
    shares = np.asarray(distribution, dtype=np.float64)
    if shares.ndim != 1 or not np.all((shares >= 0) & (shares <= 1)):
        raise SurveyError(f"A class distribution is a list of shares 0..1, got {shares.tolist()}.")
    if mask.size and mask.max() > len(shares):
        raise LabelError(
            f"The mask holds class id {int(mask.max())}, the survey only 1..{len(shares)}; segment the scan again."
        )
    return np.concatenate([[0.0], np.exp(-shares)]).astype(np.float32)[mask]


def _checked(aggregation: str) -> str:
    if aggregation not in get_args(Aggregation):
        raise ConfigError(
            f"suggest.aggregation is {aggregation!r}; use {', '.join(get_args(Aggregation)[:-1])} or patch."
        )
    return aggregation
