"""Learning rates of a supervised training as it goes on."""

from __future__ import annotations

import math

from voidscope.config import TrainConfig

DROP = 0.1
"""Factor on the learning rate after `drop_epoch` (paper 4.1)."""
RISE = 0.2
"""Share of a one-cycle training over which the learning rate rises."""
START = 0.04
"""Where it starts, as a share of the largest."""


def shared_out(config: TrainConfig, n_labelled: int) -> TrainConfig:
    """The recipe with no more epochs than its steps for so many slices fill; all but the last have as many steps as each other.

    So a training has as many steps as a person asked for, to the step. Where epochs decide, it is the recipe itself.
    """
    total = config.steps_for(n_labelled)
    if not total:
        return config
    epochs = math.ceil(total / math.ceil(total / config.epochs))
    drop = round(config.drop_epoch * epochs / config.epochs)
    return config.model_copy(update={"epochs": epochs, "drop_epoch": drop})


def supervised_rate(config: TrainConfig, epoch: int, step: int, steps_per_epoch: int) -> float:
    """Learning rate of step `step` of epoch `epoch`, both from 0.

    ``drop``: the learning rate, and a tenth of it from `drop_epoch` on (paper 4.1). ``one-cycle``: half a cosine from 4 % of
    it up over the first fifth of all steps, then half a cosine down to nearly 0 (Smith and Topin 2019).
    """
    if config.schedule == "drop":
        return config.learning_rate * (DROP if epoch >= config.drop_epoch else 1.0)
    done = (epoch * steps_per_epoch + step + 1) / (config.epochs * steps_per_epoch)
    if done < RISE:
        return config.learning_rate * _between(START, 1.0, done / RISE)
    return config.learning_rate * _between(1.0, 0.0, (done - RISE) / (1 - RISE))


def _between(start: float, end: float, share: float) -> float:
    """Half a cosine from `start` to `end`."""
    return end + (start - end) * (1 + math.cos(math.pi * share)) / 2
