"""Gauge R&R: how much of the spread of a measurement comes from measuring, by analysis of variance of a crossed study.

Every operator (a person, or a model) measures every part several times. With p parts, o operators and r repeats the sums of
squares of parts, operators, their interaction and the repeats give the components of variance (AIAG, *Measurement
Systems Analysis*, 4th edition, chapter III; Montgomery, *Statistical Quality Control*, chapter 8):

    repeatability = MS_e,  interaction = (MS_po - MS_e) / r,  operator = (MS_o - MS_po) / (p r),  part = (MS_p - MS_po) / (o r)

Negative components are put to 0, and so are sums of squares that rounding alone can make (`_rounding`). Where the interaction is not significant (p above `POOLED_ABOVE`), it is pooled with the
repeats and MS_po is replaced by the pooled MS_e.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from math import floor, sqrt
from typing import Any

import numpy as np
import numpy.typing as npt

from voidscope.errors import LabelError
from voidscope.metrology.verdict import Verdict

POOLED_ABOVE = 0.25
"""An interaction with a larger p is pooled with the repeats (AIAG's choice)."""
GOOD, ACCEPTABLE = 0.10, 0.30
"""%GRR of the total below which a gauge is good, and above which it is rejected; between, it depends on the use."""
CATEGORIES = 1.41
"""ndc = this * PV / GRR: distinct categories within a 97 % interval, sqrt(2) rounded as AIAG does."""
LEAST_STUDY = (10, 3, 2)
"""Parts, appraisers and repeats that AIAG asks of a study at least; a smaller one tells too little of the spread to be graded alone."""
ALIKE = (
    "all readings of each part are identical, so nothing that was repeated can change them, as where a program reads one file, or values "
    "are rounded too coarsely; that says nothing of the gauge's spread"
)
"""What is said in place of a grade where no reading differs from another of the same part."""
ONE_VERDICT = "undefined: only one verdict ever occurs"
"""What there is to say of a kappa that is None though there are verdicts."""

Study = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Reading:
    """One measurement of a part by an operator; `verdict` may be empty, and is written as one of `Verdict` however it is spelled.

    Raises
    ------
    LabelError : the verdict is none.
    """

    part: str
    operator: str
    value: float
    verdict: str = ""

    def __post_init__(self) -> None:
        said = self.verdict.strip().upper()
        if said and said not in list(Verdict):
            raise LabelError(
                f"Part {self.part} by {self.operator} has the verdict {self.verdict!r}; give {', '.join(Verdict)}, or none."
            )
        object.__setattr__(self, "verdict", said)


@dataclass(frozen=True)
class GaugeStudy:
    """The components of a crossed study, as standard deviations in the unit of the values.

    Attributes
    ----------
    parts, operators, repeats : size of the study
    repeatability, operator, interaction : equipment variation (EV), appraiser variation (AV), and operators differing by part
    grr, part, total : sqrt(EV2 + AV2 + INT2), part variation (PV), and everything together
    grr_of_total : GRR / total, what %GRR usually means
    grr_of_tolerance : 6 GRR / tolerance; None without a tolerance
    ndc : distinct categories, floor(1.41 PV / GRR), 0 where parts are not told apart; None where GRR is 0
    pooled : whether the interaction was pooled with the repeats
    interaction_p : probability of so large an interaction by chance
    """

    parts: int
    operators: int
    repeats: int
    repeatability: float
    operator: float
    interaction: float
    grr: float
    part: float
    total: float
    grr_of_total: float | None
    grr_of_tolerance: float | None
    ndc: int | None
    pooled: bool
    interaction_p: float

    @property
    def opinion(self) -> str:
        """What AIAG's rules of thumb say of it; no grade of a study smaller than AIAG asks."""
        if self.grr_of_total is None:
            return "undefined: all values are equal"
        if whys := [*([] if self.grr else [ALIKE]), *self._short_of_least]:
            return f"no grade: {'; '.join(whys)}"
        share = (
            "good"
            if self.grr_of_total < GOOD
            else "conditional"
            if self.grr_of_total <= ACCEPTABLE
            else "rejected"
        )
        few = "" if self.ndc is None or self.ndc >= 5 else ", and fewer than 5 distinct categories"
        return share + few

    @property
    def _short_of_least(self) -> list[str]:
        """That the study is smaller than AIAG asks; empty where it is not."""
        size = (self.parts, self.operators, self.repeats)
        if all(n >= least for n, least in zip(size, LEAST_STUDY, strict=True)):
            return []
        small, least = (" x ".join(map(str, n)) for n in (size, LEAST_STUDY))
        return [f"an indication, of {small} parts x operators x repeats, fewer than AIAG's {least}"]

    def entry(self) -> dict[str, Any]:
        """The study as JSON has it."""
        return asdict(self) | {"opinion": self.opinion}


def gauge_study(readings: Sequence[Reading], tolerance: float | None = None) -> GaugeStudy:
    """Analyse a crossed study.

    Parameters
    ----------
    readings : every operator's every part, each measured equally often
    tolerance : width of what is allowed, in the unit of the values

    Raises
    ------
    LabelError : fewer than two parts, operators or repeats, a cell with another number of repeats, a value that is no number, or
        a tolerance that is not above 0.
    """
    if tolerance is not None and not tolerance > 0:
        raise LabelError(f"The tolerance is {tolerance}; give a width above 0 in the unit of the values.")
    cells = _crossed(readings)
    p, o, r = cells.shape
    mean, by_part, by_operator, by_cell = cells.mean(), cells.mean((1, 2)), cells.mean((0, 2)), cells.mean(2)
    squares = {
        "part": o * r * ((by_part - mean) ** 2).sum(),
        "operator": p * r * ((by_operator - mean) ** 2).sum(),
        "interaction": r * ((by_cell - by_part[:, None] - by_operator + mean) ** 2).sum(),
        "repeat": ((cells - by_cell[..., None]) ** 2).sum(),
    }
    squares = {name: found if found > _rounding(cells) else 0.0 for name, found in squares.items()}
    degrees = {"part": p - 1, "operator": o - 1, "interaction": (p - 1) * (o - 1), "repeat": p * o * (r - 1)}
    chance = _probability(
        squares["interaction"] / degrees["interaction"], squares["repeat"] / degrees["repeat"], degrees
    )
    pooled = chance > POOLED_ABOVE
    within = (squares["repeat"] + pooled * squares["interaction"]) / (
        degrees["repeat"] + pooled * degrees["interaction"]
    )
    between = within if pooled else squares["interaction"] / degrees["interaction"]
    variances = {
        "repeatability": within,
        "interaction": 0.0 if pooled else max(0.0, (between - within) / r),
        "operator": max(0.0, (squares["operator"] / degrees["operator"] - between) / (p * r)),
        "part": max(0.0, (squares["part"] / degrees["part"] - between) / (o * r)),
    }
    return _study((p, o, r), {k: float(v) for k, v in variances.items()}, tolerance, pooled, chance)


def _study(
    size: tuple[int, int, int],
    variances: Mapping[str, float],
    tolerance: float | None,
    pooled: bool,
    chance: float,
) -> GaugeStudy:
    of_measuring = variances["repeatability"] + variances["interaction"] + variances["operator"]
    grr, part, total = sqrt(of_measuring), sqrt(variances["part"]), sqrt(of_measuring + variances["part"])
    return GaugeStudy(
        *size, sqrt(variances["repeatability"]), sqrt(variances["operator"]), sqrt(variances["interaction"]), grr, part, total,
        grr_of_total=grr / total if total else None,
        grr_of_tolerance=None if tolerance is None else 6 * grr / tolerance,
        ndc=floor(CATEGORIES * part / grr) if grr else None, pooled=pooled, interaction_p=chance,
    )  # fmt: skip


def _rounding(cells: Study) -> float:
    """The largest sum of squares that rounding alone can make of values as large as these.

    A mean of n values in float64 is off by at most n u max|x|, u half the machine's epsilon (Higham, *Accuracy and Stability of
    Numerical Algorithms*, 2nd edition, section 4.2). A deviation holds four means at most, so it is off by 2 n eps max|x|, and the
    squares of n of them come to n (2 n eps max|x|)^2: for 90 readings, a standard deviation of 4e-14 of the largest value.
    """
    n = cells.size
    return n * float(2 * n * np.finfo(np.float64).eps * np.abs(cells).max()) ** 2


def _probability(between: float, within: float, degrees: Mapping[str, int]) -> float:
    """Chance of an F as large as between / within."""
    from scipy.stats import f

    if within <= 0:
        return 1.0 if between <= 0 else 0.0
    return float(f.sf(between / within, degrees["interaction"], degrees["repeat"]))


def _crossed(readings: Sequence[Reading]) -> Study:
    """The values as (parts, operators, repeats), in order of appearance."""
    parts, operators = (list(dict.fromkeys(getattr(m, n) for m in readings)) for n in ("part", "operator"))
    found: dict[tuple[str, str], list[float]] = {(a, b): [] for a in parts for b in operators}
    for reading in readings:
        if not np.isfinite(reading.value):
            raise LabelError(
                f"Part {reading.part} by {reading.operator} has the value {reading.value}; give a number."
            )
        found[reading.part, reading.operator].append(reading.value)
    if min(len(parts), len(operators)) < 2:
        raise LabelError(
            f"The study has {len(parts)} part(s) and {len(operators)} operator(s); it needs at least two of each."
        )
    repeats = len(found[parts[0], operators[0]])
    for (part, operator), values in found.items():
        if len(values) != repeats or repeats < 2:
            raise LabelError(
                f"Part {part} was measured {len(values)} time(s) by {operator}, part {parts[0]} {repeats} time(s) by {operators[0]}; "
                "a crossed study needs as many repeats everywhere, two at least."
            )
    return np.array([[found[a, b] for b in operators] for a in parts], np.float64)


def verdict_agreement(readings: Sequence[Reading]) -> float | None:
    """Fleiss' kappa of the verdicts, each reading of a part being one rating; None where fewer than two verdicts occur.

    kappa = (P - P_e) / (1 - P_e), P the mean share of agreeing pairs of ratings of a part, P_e that of chance (Fleiss 1971).
    It is 1 where all ratings of every part agree. Where only one verdict ever occurs it is 0 / 0, for chance would agree as well.

    Raises
    ------
    LabelError : some parts have another number of verdicts than others.
    """
    rated = [m for m in readings if m.verdict]
    if not rated:
        return None
    parts, verdicts = (list(dict.fromkeys(getattr(m, n) for m in rated)) for n in ("part", "verdict"))
    counts = np.zeros((len(parts), len(verdicts)))
    for reading in rated:
        counts[parts.index(reading.part), verdicts.index(reading.verdict)] += 1
    n = counts.sum(1)
    if len(set(n.tolist())) > 1 or n[0] < 2:
        raise LabelError(
            f"Part {parts[int(n.argmin())]} has {int(n.min())} verdict(s), part {parts[int(n.argmax())]} {int(n.max())}; every part "
            "needs as many, two at least."
        )
    if len(verdicts) == 1:
        return None
    agreeing = ((counts**2).sum(1) - n) / (n * (n - 1))
    by_chance = float(((counts.sum(0) / counts.sum()) ** 2).sum())
    return float((agreeing.mean() - by_chance) / (1 - by_chance))


def study_in_words(study: GaugeStudy, kappa: float | None, *, rated: bool = True) -> str:
    """A study in one sentence: %GRR and the opinion of it, of the tolerance where there is one, distinct categories, and, if `rated`, agreement of the verdicts."""
    agreed = ONE_VERDICT if kappa is None else f"{kappa:.2f}"
    agreement = f", kappa of the verdicts {agreed}" if rated else ""
    if study.grr_of_total is None:
        return f"Gauge R&R is {study.opinion}{agreement}."
    share, categories = 100 * study.grr_of_total, "undefined" if study.ndc is None else study.ndc
    of = study.grr_of_tolerance
    tolerated = "" if of is None else f", 6 GRR {100 * of:.1f} % of the tolerance"
    return f"Gauge R&R is {share:.1f} % of the total ({study.opinion}){tolerated}, distinct categories (ndc) {categories}{agreement}."
