"""The doubt of edges of a model, from what it says of scans whose truth is known: the sigma that makes its errors likeliest.

With e the error of a ratio, E what one voxel of edge changes it (see `uncertainty`) and s what else its budget holds,

    sigma = argmin sum ln u + e^2 / 2 u^2,     u^2 = (sigma E)^2 + s^2,

the maximum of the likelihood of Gaussian errors. Without s it is the root mean square of e / E.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from voidscope.config import MeasureConfig
from voidscope.errors import NotReady
from voidscope.measure_config import LEAST_SIGMA
from voidscope.metrology.budget import ratio_budget
from voidscope.metrology.ratios import count_classes, volume_parts
from voidscope.metrology.uncertainty import void_faces
from voidscope.metrology.views import Differences
from voidscope.vocabulary import ClassMap, Mask, Role

SIGMAS = np.arange(LEAST_SIGMA, 1.0, 0.005)
"""Among which the likeliest is sought, in voxels."""
FEWEST = 5
"""Fewer errors than this say too little."""

Rows = npt.NDArray[np.float64]
"""(N, 3): error of each ratio, what one voxel of edge changes it, what else its budget holds."""


@dataclass(frozen=True)
class RatioError:
    """What was found against the truth in one scan, or one slice where only slices are known.

    Attributes
    ----------
    where : scan or slice
    error : ratio found less the true one
    edge : what one voxel of edge changes the ratio, E
    others : root sum of squares of the other contributions of its budget, s
    """

    where: str
    error: float
    edge: float
    others: float


@dataclass(frozen=True)
class Calibration:
    """A doubt of edges and what intervals made with it are worth.

    Attributes
    ----------
    sigma, sigma_now : the likeliest, and the recipe's, in voxels
    coverage : k
    errors : all that were looked at
    held : how many of those with void keep the truth in their interval, each made with the sigma of all others
    held_now : and with the recipe's
    mean_u, mean_u_now : mean expanded uncertainty of the ratio
    """

    sigma: float
    sigma_now: float
    coverage: float
    errors: tuple[RatioError, ...]
    held: int
    held_now: int
    mean_u: float
    mean_u_now: float

    @property
    def of(self) -> int:
        """How many errors have void in what was found, so that edges say something."""
        return len(_telling(self.errors))

    def entry(self) -> dict[str, Any]:
        """The calibration as JSON has it."""
        return asdict(self) | {"of": self.of}


def ratio_error(
    where: str,
    truth: Mask,
    mask: Mask,
    classes: ClassMap,
    recipe: MeasureConfig,
    looks: Differences | None = None,
) -> RatioError | None:
    """How far a mask (z, y, x) is from the truth by the recipe's ratio of volumes; None where either ratio is undefined.

    `looks` are what the model's views of the mask say otherwise. Of a mask one slice thick the other contributions are but the
    rounding to whole pixels, for what averages out in a scan does not in a slice.
    """
    counts = count_classes(mask, len(classes))
    parts, true = (
        volume_parts(c, classes, recipe.solder_class)[recipe.ratio]
        for c in (counts, count_classes(truth, len(classes)))
    )
    if isinstance(parts, str) or isinstance(true, str):
        return None
    seen = [tuple(np.add(counts[1:], row).tolist()) for row in ([] if looks is None else looks)]
    budget = ratio_budget(
        recipe.ratio, {recipe.ratio: parts}, void_faces(mask, classes.ids_with_role(Role.VOID)), recipe.model_copy(update={"edge_sigma": 1.0}),
        [volume_parts((0, *row), classes, recipe.solder_class) for row in seen],
    )  # fmt: skip
    edge, *others = (c.value or 0.0 for c in budget)
    rest = math.hypot(*others) if min(mask.shape) > 1 else 1 / (math.sqrt(3) * parts[1])
    return RatioError(where, parts[0] / parts[1] - true[0] / true[1], edge, rest)


def calibrated(errors: Sequence[RatioError], sigma_now: float, coverage: float) -> Calibration:
    """The likeliest sigma of some errors, and how often intervals hold the truth; raises `NotReady` where there are too few."""
    rows = _telling(errors)
    if len(rows) < FEWEST:
        raise NotReady(
            f"Void was found in {len(rows)} held-out scans or slices whose truth is known; the doubt of edges takes {FEWEST}. "
            "Label more slices of test scans that show voids, whole, or name a folder with the truth: --dataset DIR."
        )
    alone = np.array([likeliest(np.delete(rows, k, axis=0)) for k in range(len(rows))])
    own, now = (coverage * standard(rows, sigma) for sigma in (alone, sigma_now))
    off = np.abs(rows[:, 0])
    return Calibration(
        likeliest(rows), sigma_now, coverage, tuple(errors), int((off <= own).sum()), int((off <= now).sum()),
        float(own.mean()), float(now.mean()),
    )  # fmt: skip


def likeliest(rows: Rows) -> float:
    """The sigma that makes the errors likeliest; rows that edges say nothing of are left out."""
    rows = rows[rows[:, 1] > 0]
    u = np.hypot(SIGMAS[:, None] * rows[:, 1], rows[:, 2])
    return round(float(SIGMAS[(np.log(u) + (rows[:, 0] / u) ** 2 / 2).sum(1).argmin()]), 3)


def standard(rows: Rows, sigma: float | Rows) -> Rows:
    """Standard uncertainty of each ratio."""
    return np.hypot(sigma * rows[:, 1], rows[:, 2])


def _telling(errors: Sequence[RatioError]) -> Rows:
    return np.array([[e.error, e.edge, e.others] for e in errors if e.edge > 0]).reshape(-1, 3)
