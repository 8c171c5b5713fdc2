"""The scores of a slice that need no labels: rareness (Eq. 2, 3) and uncertainty (Eq. 5)."""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt

from voidscope.acquisition.survey import Survey, SurveyError
from voidscope.errors import ConfigError, LabelError
from voidscope.vocabulary import Mask

Aggregation = Literal["max", "mean"]
"""f_aggr of Eq. 3 and 5: how the scores of a slice's pixels become one score."""


def rareness(survey: Survey, aggregation: Aggregation = "max") -> npt.NDArray[np.float64]:
    """r(I) of every surveyed slice, (N,), in [1/e, 1] (Eq. 2, 3), from its class counts alone.

    The rareness of a pixel depends on its predicted class only, so the greatest in a slice belongs to its rarest
    predicted class, r(I) = exp(-min p(c)), and the mean is the counts' weighted mean of exp(-p(c)): both equal
    the aggregation over pixels.
    """
    shares, present = survey.class_distribution(), survey.counts > 0
    if _checked(aggregation) == "max":
        return np.asarray(np.exp(-np.where(present, shares, np.inf).min(axis=1)))
    # Not a matrix product: BLAS may round equal rows differently, and equal slices must tie.
    parts = survey.counts / survey.counts.sum(axis=1, keepdims=True)
    return np.asarray((parts * np.exp(-shares)).sum(axis=1))


def uncertainty(survey: Survey, aggregation: Aggregation = "max") -> npt.NDArray[np.float64]:
    """u(I) of every surveyed slice, (N,), in nats, in [0, ln C] (Eq. 5)."""
    return survey.entropy[:, 0 if _checked(aggregation) == "max" else 1]


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
    if aggregation not in ("max", "mean"):
        raise ConfigError(f"suggest.aggregation is {aggregation!r}; use max or mean.")
    return aggregation
