"""Going on from the weights of a cycle instead of from the start: gently and briefly.

A network that has converged needs little to take in a few more labels, and the full learning rate makes it worse than it was.
The statistics of batch norm go on as well: frozen, they cost void IoU in what was tried (docs/measurements.md).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

from voidscope.config import Config
from voidscope.model.segmenter import Segmenter

NEVER = -1e4
"""Logit of a class that no label showed; its probability is 0."""
SHARE = 1 / 6
"""Length of a warm training as a share of the full one, for which a fifth is the most."""
GENTLE = 0.3
"""Factor on the learning rate."""


def warm_recipe(config: Config) -> Config:
    """The settings of a warm training by those of a full one: a sixth of its length at a lower learning rate."""
    brief = config.train.shortened(SHARE)
    gentle = brief.model_copy(update={"learning_rate": brief.learning_rate * GENTLE})
    return config.model_copy(update={"train": gentle})


def welcome(segmenter: Segmenter, present: npt.NDArray[np.bool_]) -> None:
    """Give the classes that are `present` (C,) among the labels a chance again where an earlier training had them barred."""
    for classifier in segmenter.classifiers:
        bias: torch.Tensor = classifier.bias  # type: ignore[assignment]
        _let_in(bias, present)


def _let_in(bias: torch.Tensor, present: npt.NDArray[np.bool_]) -> None:
    """Raise the biases (C,) of classes that are `present` and barred to the least of those that are not barred."""
    barred = bias <= NEVER / 2
    least = bias[~barred].min() if bool((~barred).any()) else bias.new_zeros(())
    with torch.no_grad():
        bias[barred & torch.from_numpy(present).to(bias.device)] = least.detach()
