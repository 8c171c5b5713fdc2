"""How long labelling took, by the times at which labels were last changed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise

PAUSE_S = 600.0
"""Somebody who labels nothing for longer than this was not labelling."""


def labelling_seconds(
    labels: Sequence[tuple[str, datetime]], ready: Sequence[datetime] = ()
) -> tuple[float, ...]:
    """Seconds of work that led to each label, in the order given.

    Work on a label began when the same author's label before it was done, or later when a model became `ready` (waiting for a
    training is no work); more than `PAUSE_S` is a pause and counts nothing. The first label of a sitting therefore counts nothing
    either, so that sums say "at least".

    Parameters
    ----------
    labels : author and time of each
    ready : when models became ready
    """
    found = [0.0] * len(labels)
    for author in {a for a, _ in labels}:
        own = sorted((time, k) for k, (a, time) in enumerate(labels) if a == author)
        for (before, _), (time, k) in pairwise(own):
            began = max([before, *(r for r in ready if before < r <= time)])
            seconds = (time - began).total_seconds()
            found[k] = seconds if seconds <= PAUSE_S else 0.0
    return tuple(found)
