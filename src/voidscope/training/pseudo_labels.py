"""Pseudo-labels: what a first network is sure of on slices that nobody labelled helps to teach a second one.

A dozen labelled slices show a few of the scans, and scans differ in contrast and artefacts. The first network is trained on the
labels alone. Where it is sure of a pixel of other slices, its class stands for a label there (D.-H. Lee, *Pseudo-Label*, ICML
workshop 2013; with a second network that starts anew, as Q. Xie et al., *Noisy Student*, CVPR 2020). The second network learns from
both, about as often from what a person said as from what the first one believes. Edges are where the first one doubts: they are learnt
from a person's labels alone. (The pseudo-labels of a survey, Eq. 2, are of all pixels and only counted.)
"""

from __future__ import annotations

import math
import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace

import numpy as np

from voidscope.config import Config
from voidscope.jobs import Progress, Steps
from voidscope.model.predict import predict_slices
from voidscope.model.randomness import rng_at
from voidscope.model.segmenter import load_segmenter
from voidscope.training.batches import entries_of
from voidscope.training.supervised import Image, Trained, train_steps
from voidscope.vocabulary import UNLABELLED, Mask

SURE = 0.325
"""Entropy in nats up to which a pixel counts as sure: that of 0.9 against 0.1. More classes in question need more than 0.9."""
WINDOW = 256
"""Pixels each way that are looked at of a slice, so that large slices take no longer than small ones."""
WINDOWS = 5
"""What random numbers are for; see `supervised`."""


def pseudo_label_steps(
    images: Sequence[Image],
    labels: Sequence[Mask],
    further: Sequence[Image],
    n_classes: int,
    config: Config,
    *,
    normalisation: tuple[float, float],
    contrastive: bytes | None = None,
    void_ids: Collection[int] = (),
) -> Steps[Trained]:
    """Train a network, let it label what it is sure of on `further` slices, and train a second one on both.

    Returns the second as `train_steps` does, with the seconds and warnings of all. It takes as many steps as the first one, which
    learns from the labels alone. Where that is sure of nothing it is the one that is returned.

    Parameters
    ----------
    further : slices (h, w) without labels, scaled as `images`; see `window_of`
    images, labels, n_classes, config, normalisation, contrastive, void_ids : as for `train_steps`, which says what is raised too
    """
    started = time.monotonic()
    first = yield from _telling(
        train_steps(
            images, labels, n_classes, config, normalisation=normalisation, contrastive=contrastive, void_ids=void_ids,
        ), "first of two trainings", 0,
    )  # fmt: skip
    warnings, sure = list(first.warnings), []
    masks = _sure_pixels(first.weights, n_classes, further, config, normalisation, warnings)
    for k, (image, mask) in enumerate(zip(further, masks, strict=True), start=1):
        sure += [(image, mask)] if mask.any() else []
        yield Progress(0, 0, f"pseudo-labels of {k} of {len(further)} slices", where=first.device)
    if not sure:
        said = "The network was sure of nothing on slices without labels, so it learnt from the labels alone."
        return replace(first, warnings=(*warnings, said), seconds=time.monotonic() - started)
    more, pseudo_labels = zip(*sure, strict=True)
    second = yield from _telling(
        train_steps(
            [*images, *more], [*labels, *pseudo_labels], n_classes, _as_long(config, labels),
            normalisation=normalisation, contrastive=contrastive, times=_times(config, labels, pseudo_labels), void_ids=void_ids,
        ), "second of two trainings", 1,
    )  # fmt: skip
    told, seconds = (*warnings, *second.warnings), time.monotonic() - started
    return replace(second, warnings=told, seconds=seconds, pseudo_labelled=len(sure))


def window_of(image: Image, seed: int, k: int) -> Image:
    """Of the `k`-th further slice a random window of at most `WINDOW` pixels each way."""
    room = np.maximum(0, np.array(image.shape) - WINDOW)
    top, left = rng_at(seed, WINDOWS, k).integers(0, room + 1)
    return image[top : top + WINDOW, left : left + WINDOW].copy()


def _sure_pixels(
    weights: bytes,
    n_classes: int,
    images: Sequence[Image],
    config: Config,
    normalisation: tuple[float, float],
    warnings: list[str],
) -> Iterator[Mask]:
    """The class (h, w) of every pixel that the network of these weights is sure of, 0 elsewhere."""
    network = load_segmenter(config.model, n_classes, weights)
    looks = predict_slices(
        network, images, normalisation, config.device, flips=config.model.flips, tell=warnings.append
    )
    for found in looks:
        yield np.where(found.entropy <= SURE, found.mask, np.uint8(UNLABELLED))


def _n_crops(config: Config, masks: Sequence[Mask]) -> int:
    """Crops of these slices in an epoch."""
    sizes = np.array([m.shape for m in masks])
    return len(entries_of(sizes, config.train.crops_per_slice, config.train.crop))


def _times(config: Config, labels: Sequence[Mask], pseudo_labels: Sequence[Mask]) -> list[int]:
    """How often each slice counts, so that crops come from both about as often."""
    ours, theirs = _n_crops(config, labels), _n_crops(config, pseudo_labels)
    often, seldom = max(1, round(theirs / ours)), max(1, round(ours / theirs))
    return [often] * len(labels) + [seldom] * len(pseudo_labels)


def _as_long(config: Config, labels: Sequence[Mask]) -> Config:
    """The settings with as many steps as these labels alone would take."""
    by_epochs = config.train.epochs * math.ceil(_n_crops(config, labels) / config.train.batch_size)
    fixed = {"steps": config.train.steps_for(len(labels)) or by_epochs, "growth": 0.0}
    return config.model_copy(update={"train": config.train.model_copy(update=fixed)})


def _telling(steps: Steps[Trained], note: str, before: int) -> Steps[Trained]:
    """One of two trainings of one length, telling of the steps of both; `before` it lie none or one."""
    try:
        while True:
            told = next(steps)
            done = before * told.total + told.done
            yield replace(told, done=done, total=2 * told.total, note=f"{note}: {told.note}")
    except StopIteration as end:
        found: Trained = end.value
        return found
    finally:
        steps.close()
