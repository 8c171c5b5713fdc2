"""What seeds say about methods: means with intervals, areas under curves, and differences of paired runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Summary:
    """Mean, sample standard deviation and 95 % interval of the mean (Student's t) of n values; NaN where n is too small."""

    n: int
    mean: float
    std: float
    low: float
    high: float


def summarise(values: Sequence[float]) -> Summary:
    """Summarise finite values; others are left out."""
    x = np.asarray(values, dtype=np.float64)
    x = x[np.isfinite(x)]
    if len(x) == 0:
        return Summary(0, *[float("nan")] * 4)
    mean = float(x.mean())
    if len(x) == 1:
        return Summary(1, mean, *[float("nan")] * 3)
    std = float(x.std(ddof=1))
    half = _t_quantile(len(x) - 1) * std / float(np.sqrt(len(x)))
    return Summary(len(x), mean, std, mean - half, mean + half)


def aubc(budgets: Sequence[float], values: Sequence[float]) -> float:
    """Area under a curve of values against budgets by trapezoids, budgets scaled to [0, 1]; the value itself at one budget.

    NaN when a value is missing. As nnActive (Lüth et al. 2025) defines it.
    """
    order = np.argsort(budgets)
    x, y = np.asarray(budgets, dtype=np.float64)[order], np.asarray(values, dtype=np.float64)[order]
    if len(x) == 1:
        return float(y[0])
    return float(((y[1:] + y[:-1]) / 2 * np.diff(x)).sum() / (x[-1] - x[0]))


@dataclass(frozen=True, slots=True)
class Comparison:
    """Of paired runs a and b: the difference a - b, how often a was higher, and the two-sided p of a paired t-test."""

    difference: Summary
    wins: int
    p: float


def compare(a: Mapping[int, float], b: Mapping[int, float]) -> Comparison:
    """Compare two methods over the seeds both have; NaN p below two pairs or when all differences are equal."""
    seeds = sorted(a.keys() & b.keys())
    differences = np.array([a[s] - b[s] for s in seeds], dtype=np.float64)
    differences = differences[np.isfinite(differences)]
    found = summarise(differences.tolist())
    p = float("nan")
    if found.n > 1 and found.std > 0:
        from scipy.stats import t

        p = float(2 * t.sf(abs(found.mean) / (found.std / np.sqrt(found.n)), found.n - 1))
    return Comparison(found, int((differences > 0).sum()), p)


def _t_quantile(freedom: int) -> float:
    from scipy.stats import t

    return float(t.ppf((1 + CONFIDENCE) / 2, freedom))
