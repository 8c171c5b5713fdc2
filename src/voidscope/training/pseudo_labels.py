"""Pseudo-labels: what a first network is sure of on slices that nobody labelled helps to teach a second one.

A dozen labelled slices show a few of the scans, and scans differ in contrast and artefacts. The first network is trained on the
labels alone. Where it is sure of a pixel of other slices, its class stands for a label there (D.-H. Lee, *Pseudo-Label*, ICML
workshop 2013; with a second network that starts anew, as Q. Xie et al., *Noisy Student*, CVPR 2020). The second network learns from
both, and as often from what a person said as from what the first one believes. Edges are where the first one doubts: they are learnt
from a person's labels alone.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from voidscope.config import Config
from voidscope.jobs import Progress, Steps
from voidscope.model.predict import predict_slices
from voidscope.model.randomness import rng_at
from voidscope.model.segmenter import Segmenter, load_segmenter
from voidscope.training.supervised import Image, Trained, train_steps
from voidscope.vocabulary import UNLABELLED, Mask

SURE = 0.325
"""Entropy in nats up to which a pixel counts as sure: that of 0.9 against 0.1. More classes in question need more than 0.9."""
WINDOW = 256
"""Pixels each way that are looked at of a slice, so that large slices take no longer than small ones."""
UNITS = 1000
"""Of progress, for each of the two trainings."""
WINDOWS = 5
"""What random numbers are for; see `supervised`."""


def pseudo_label_steps(
    images: Sequence[Image],
    labels: Sequence[Mask],
    further: Iterable[Image],
    n_classes: int,
    config: Config,
    *,
    normalisation: tuple[float, float],
    contrastive: bytes | None = None,
) -> Steps[Trained]:
    """Train a network, let it label what it is sure of of `further` slices, and train a second one on both.

    Returns the second as `train_steps` does, with the seconds and warnings of all. Each takes as many steps as so many labelled
    slices would without this. Where the first network is sure of nothing it is the one that is returned.

    Parameters
    ----------
    further : slices (h, w) without labels, scaled as `images`; of larger ones a random window is taken
    images, labels, n_classes, config, normalisation, contrastive : as for `train_steps`, which says what is raised too
    """
    started = time.monotonic()
    first = yield from _telling(
        train_steps(
            images, labels, n_classes, config, normalisation=normalisation, contrastive=contrastive
        ), "first of two trainings", 0,
    )  # fmt: skip
    network, warnings = load_segmenter(config.model, n_classes, first.weights), list(first.warnings)
    windows, sure = list(_windows(further, config.seed)), []
    guesses = _guesses(network, windows, config, normalisation, warnings)
    for k, (window, guess) in enumerate(zip(windows, guesses, strict=True), start=1):
        sure += [(window, guess)] if guess.any() else []
        yield Progress(UNITS, 2 * UNITS, f"pseudo-labels of {k} of {len(windows)} slices", where=first.device)
    if not sure:
        said = "The network was sure of nothing on slices without labels, so it learnt from the labels alone."
        return replace(first, warnings=(*warnings, said), seconds=time.monotonic() - started)
    more, guessed = zip(*sure, strict=True)
    often = max(1, round(sum(m.size for m in guessed) / sum(m.size for m in labels)))
    times = [often] * len(labels) + [1] * len(sure)
    second = yield from _telling(
        train_steps(
            [*images, *more], [*labels, *guessed], n_classes, _as_long(config, len(labels)),
            normalisation=normalisation, contrastive=contrastive, times=times,
        ), "second of two trainings", UNITS,
    )  # fmt: skip
    return replace(second, warnings=(*warnings, *second.warnings), seconds=time.monotonic() - started)


def _windows(images: Iterable[Image], seed: int) -> Iterator[Image]:
    """Of each slice a random window of at most `WINDOW` pixels each way."""
    for k, image in enumerate(images):
        room = np.maximum(0, np.array(image.shape) - WINDOW)
        top, left = rng_at(seed, WINDOWS, k).integers(0, room + 1)
        yield image[top : top + WINDOW, left : left + WINDOW].copy()


def _guesses(
    network: Segmenter,
    windows: Sequence[Image],
    config: Config,
    normalisation: tuple[float, float],
    told: list[str],
) -> Iterator[Mask]:
    """The class (h, w) of every pixel that the network is sure of, 0 elsewhere."""
    looks = predict_slices(
        network, windows, normalisation, config.device, flips=config.model.flips, tell=told.append
    )
    for found in looks:
        yield np.where(found.entropy <= SURE, found.mask, np.uint8(UNLABELLED))


def _as_long(config: Config, n_labelled: int) -> Config:
    """The settings with as many steps as so many labelled slices ask for, however many are given; epochs stay as they are."""
    fixed = {"steps": config.train.steps_for(n_labelled), "growth": 0.0}
    return config.model_copy(update={"train": config.train.model_copy(update=fixed)})


def _telling(steps: Steps[Trained], note: str, before: int) -> Steps[Trained]:
    """One of two trainings, telling of both, after `before` units."""
    try:
        while True:
            told = next(steps)
            done = before + UNITS * told.done // max(1, told.total)
            yield replace(told, done=done, total=2 * UNITS, note=f"{note}: {told.note}")
    except StopIteration as end:
        found: Trained = end.value
        return found
    finally:
        steps.close()
