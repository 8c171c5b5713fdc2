"""Drawing by class: foreground-aware random slices, and ClaSP PE, which fills one quota per class."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from voidscope.acquisition.distances import Rows
from voidscope.acquisition.pool import Pool, draw, with_distances
from voidscope.acquisition.scores import needed
from voidscope.acquisition.select import Picks
from voidscope.acquisition.survey import Survey

ANYWHERE = 1 / 3
"""Share of foreground-aware random slices that are drawn from all; the others hold a foreground class."""
PLAIN = 0.34
"""Share of a ClaSP batch ranked by entropy alone; the rest is split equally over the foreground classes."""
NOISE_FROM, NOISE_TO = 1.0, 100.0
"""ClaSP's beta in the first and in the last cycle: the noise of a log score is Gumbel(0, 1 / beta)."""


def foreground_aware(
    survey: Survey, pool: Pool, budget: int, rng: np.random.Generator, foreground: Sequence[int] | None = None
) -> Picks:
    """A third of the slices uniformly, the others by class: the class first, all alike, then a slice that holds it.

    So a class seen in ten slices is drawn as often as one seen in a thousand. Classes of which no open slice is left
    are passed over; with no foreground predicted at all the draw is uniform [nnActive's 66 % FG random, by slices].

    Parameters
    ----------
    foreground : columns of the classes that are not background; None for all but the first
    """
    present = survey.counts[:, _columns(survey, foreground)] > 0

    def choose(rows: Rows) -> int:
        held = np.flatnonzero(present[rows].any(axis=0))
        if rng.random() >= ANYWHERE and len(held):
            rows = rows[present[rows, rng.choice(held)]]
        return int(rng.choice(rows))

    return with_distances(survey.embedding, pool.anchors, draw(pool, budget, choose))


def clasp(
    survey: Survey, pool: Pool, budget: int, rng: np.random.Generator, cycle: int, cycles: int,
    foreground: Sequence[int] | None = None,
) -> Picks:  # fmt: skip
    """Class-stratified predictive entropy with power noise [ClaSP PE, 2601.13677]; scores are noisy logarithms.

    Each foreground class c has a ranking by the mean over the slice of H(x) p_c(x), and one more is by the mean of
    H(x); 34 % of the batch come from the last, the others from the classes in turn. A ranking is by log(score) +
    Gumbel(0, 1 / beta), where beta grows exponentially from 1 in the first `cycle` to 100 in the last of `cycles`: early
    batches are explored, late ones exploited.
    """
    columns = _columns(survey, foreground)
    scores = np.column_stack([needed(survey, "class_entropy")[:, columns], survey.entropy[:, 1]])
    beta = _beta(cycle, cycles)
    noise = rng.gumbel(0.0, 1.0 / beta, size=scores.shape)
    ranked = np.log(np.maximum(scores, np.finfo(np.float64).tiny)) + noise
    turns = _turns(budget, rng.permutation(len(columns)), plain=len(columns))
    coming = iter(turns)

    def choose(rows: Rows) -> int:
        return int(rows[ranked[rows, next(coming)].argmax()])

    chosen = draw(pool, budget, choose)
    return with_distances(survey.embedding, pool.anchors, chosen, ranked[chosen.rows, turns])


def _columns(survey: Survey, foreground: Sequence[int] | None) -> list[int]:
    return list(range(1, survey.n_classes) if foreground is None else foreground)


def _beta(cycle: int, cycles: int) -> float:
    """ClaSP's beta in a cycle, counted from 1: `NOISE_FROM` in the first, `NOISE_TO` from the last on."""
    progress = min((cycle - 1) / (cycles - 1), 1.0) if cycles > 1 else 1.0
    return float(NOISE_FROM * (NOISE_TO / NOISE_FROM) ** progress)


def _turns(budget: int, classes: Rows, plain: int) -> Rows:
    """Which ranking each pick comes from, (K,): `plain` evenly in 34 %, else the classes one after another."""
    by_class = 0
    turns = []
    for k in range(budget):
        if not len(classes) or math.floor((k + 1) * PLAIN + 0.5) > math.floor(k * PLAIN + 0.5):
            turns.append(plain)
        else:
            turns.append(int(classes[by_class % len(classes)]))
            by_class += 1
    return np.array(turns)
