"""Labelled pixels that the model contradicts strongly: slips of the brush, or classes mixed up."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from voidscope.acquisition.findings import Finding, middle, patches, runs_of, weightiest
from voidscope.vocabulary import UNLABELLED, Mask, SliceKey

SURE = 0.9
"""The model must give its own class at least this probability for its contradiction to count as strong."""
FEWEST_PX = 4
"""Fewer pixels in one place are the brush's edge."""
_TABLE = np.linspace(0.5, 1.0, 4001)


def binary_entropy(p: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """-p ln p - (1 - p) ln(1 - p) in nats, 0 at both ends."""
    q = np.asarray(p, dtype=np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        found = -q * np.log(q) - (1 - q) * np.log1p(-q)
    return np.asarray(np.nan_to_num(found, nan=0.0))


def least_probability(entropy: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """The least probability that the likeliest class can have at these entropies, in nats; 1/2 from ln 2 on.

    Among distributions whose greatest probability is p >= 1/2 the one with the rest in a single class has the least
    entropy, h(p) = -p ln p - (1 - p) ln(1 - p). So an entropy H < ln 2 leaves the likeliest class at least the p >= 1/2
    with h(p) = H. The entropy of a mask, which is kept, thus tells how sure the model is; its probabilities need not be.
    """
    return np.interp(np.asarray(entropy, dtype=np.float64), binary_entropy(_TABLE)[::-1], _TABLE[::-1])


def doubts(key: SliceKey, label: Mask, mask: Mask, entropy: npt.NDArray[np.floating]) -> tuple[Finding, ...]:
    """Patches of a labelled slice where the model is sure of another class, the weightiest first.

    A patch is of pixels that touch, have one label and one predicted class, and where the model's class has `SURE` or more;
    it weighs the sum of these probabilities. The model has learnt from most labels it is compared with here, so that it
    contradicts fewer of them than an independent one would.

    Parameters
    ----------
    label, mask : (h, w) what a person said, 0 for nothing, and what the model says
    entropy : (h, w) of the model, in nats
    """
    sure = least_probability(entropy)
    against = (label != UNLABELLED) & (label != mask) & (sure >= SURE)
    both = label.astype(np.int64) * 256 + mask
    found = []
    for pair in np.unique(both[against]):
        for pixels in patches(against & (both == pair)):
            if len(pixels) >= FEWEST_PX:
                strength = float(sure[tuple(pixels.T)].mean())
                runs = runs_of(np.insert(pixels, 0, key.index, axis=1))
                said, seen = divmod(int(pair), 256)
                doubt = Finding("doubt", key, middle(pixels), len(pixels), strength, seen, said, runs=runs)
                found.append((len(pixels) * strength, doubt))
    return weightiest(found)
