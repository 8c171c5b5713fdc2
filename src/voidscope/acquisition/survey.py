"""What one model thinks of every training slice: small frozen arrays from which every score is arithmetic."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from voidscope.errors import VoidscopeError
from voidscope.vocabulary import SliceKey

_DTYPES: dict[str, npt.DTypeLike] = {
    "counts": np.int64,
    "entropy": np.float64,
    "embedding": np.float32,
    "class_pixel": np.int32,
    "entropy_pixel": np.int32,
}
_EXTRAS: dict[str, npt.DTypeLike] = {
    "entropy_local": np.float64,
    "class_entropy": np.float64,
    "patch_share": np.float64,
    "gradient": np.float32,
    "top_percent": np.float64,
}
"""Arrays that a survey of an older version, or one made for another strategy, may lack."""
_NATS_TOLERANCE = 1e-3
"""Entropies come from single precision arithmetic; beyond this they are not entropies in nats."""


class SurveyError(VoidscopeError):
    """A survey, or what was stored of one, is damaged or does not hold the slice asked for."""


class SurveyRow(NamedTuple):
    """One surveyed slice; the arrays are rows of those of `Survey`, where they are described."""

    key: SliceKey
    counts: npt.ArrayLike
    entropy_max: float
    entropy_mean: float
    embedding: npt.ArrayLike
    class_pixel: npt.ArrayLike
    entropy_pixel: npt.ArrayLike
    entropy_local: npt.ArrayLike | None = None
    class_entropy: npt.ArrayLike | None = None
    patch_share: npt.ArrayLike | None = None
    gradient: npt.ArrayLike | None = None


@dataclass(frozen=True, eq=False)
class Survey:
    """What one model thinks of N slices, from one forward pass; nothing per pixel is kept.

    Padded pixels count nowhere. The arrays are copied and read-only; the slices lie in the order of their keys.

    Parameters
    ----------
    keys : N slice keys, ascending, no two alike
    counts : (N, C) int64, pixels of each class in the slice's pseudo-label (class id k + 1 in column k)
    entropy : (N, 2) float64, greatest and mean pixel entropy of the slice in nats, 0..ln C
    embedding : (N, D) float32, the decoder's output averaged over the slice: f in the paper's d(I, L)
    class_pixel : (N, C, 2) int32, (y, x) of the most confident pixel of each predicted class, -1 where absent
    entropy_pixel : (N, 2) int32, (y, x) of the most uncertain pixel
    model_id : the model that was asked
    entropy_local : (N, 2) float64 or None, mean entropy in nats of the `top_percent` % most uncertain pixels, and the
        greatest mean over any 8 x 8 patch
    class_entropy : (N, C) float64 or None, mean over the slice of H(x) p_c(x) in nats; a row's sum is its mean entropy
    patch_share : (N, C) float64 or None, the greatest share of each predicted class in any 8 x 8 patch
    gradient : (N, G) float32 or None, gradient of the head's kernel for the slice's own pseudo-label (BADGE)
    top_percent : (1,) float64 or None, what share of the pixels `entropy_local` speaks of, in percent

    Raises
    ------
    SurveyError : an array of the wrong shape or kind, not finite or out of its range; keys unsorted or repeated.
    """

    keys: tuple[SliceKey, ...]
    counts: npt.NDArray[np.int64]
    entropy: npt.NDArray[np.float64]
    embedding: npt.NDArray[np.float32]
    class_pixel: npt.NDArray[np.int32]
    entropy_pixel: npt.NDArray[np.int32]
    model_id: str
    entropy_local: npt.NDArray[np.float64] | None = None
    class_entropy: npt.NDArray[np.float64] | None = None
    patch_share: npt.NDArray[np.float64] | None = None
    gradient: npt.NDArray[np.float32] | None = None
    top_percent: npt.NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "keys", tuple(self.keys))
        for name, dtype in (_DTYPES | _EXTRAS).items():
            given = getattr(self, name)
            if given is not None:
                object.__setattr__(self, name, _frozen_copy(name, given, dtype))
        _check_keys(self.keys)
        _check_shapes(self)
        _check_values(self)

    def __len__(self) -> int:
        return len(self.keys)

    @property
    def n_classes(self) -> int:
        """C, the number of classes the model tells apart."""
        return int(self.counts.shape[1])

    def class_distribution(self) -> npt.NDArray[np.float64]:
        """p(c), (C,): the share of each class among the pseudo-labelled pixels of all surveyed slices (paper 3.2)."""
        pixels = self.counts.sum(axis=0)
        return np.asarray(pixels / pixels.sum(), dtype=np.float64)

    def rows(self, keys: Iterable[SliceKey]) -> npt.NDArray[np.int64]:
        """Rows of the given slices, in the order given; raises `SurveyError` for a slice never surveyed."""
        wanted = list(keys)
        missing = [key for key in wanted if key not in self._row_of]
        if missing:
            raise SurveyError(
                f"{missing[0]} is not among the {len(self)} surveyed slices; survey it with the others first."
            )
        return np.array([self._row_of[key] for key in wanted], dtype=np.int64)

    def holds(self, key: SliceKey) -> bool:
        """Whether this slice was surveyed."""
        return key in self._row_of

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """The arrays there are, by name, for a file; keys and model are kept apart."""
        named = {name: getattr(self, name) for name in _DTYPES | _EXTRAS}
        return {name: array for name, array in named.items() if array is not None}

    @classmethod
    def from_arrays(
        cls, keys: Iterable[SliceKey], arrays: Mapping[str, npt.NDArray[Any]], model_id: str
    ) -> Self:
        """The inverse of `arrays`; raises `SurveyError` when one that every survey has is missing, or does not fit."""
        missing = [name for name in _DTYPES if name not in arrays]
        if missing:
            raise SurveyError(
                f"The stored survey of model {model_id} lacks {', '.join(missing)}; suggest again to make it anew."
            )
        known = {name: arrays[name] for name in _DTYPES | _EXTRAS if name in arrays}
        return cls(keys=tuple(keys), **known, model_id=model_id)

    @classmethod
    def collect(cls, rows: Iterable[SurveyRow], model_id: str, top_percent: float | None = None) -> Self:
        """Gather surveyed slices, in any order, into one survey; what only some rows have is left out.

        Raises
        ------
        SurveyError : no slice, one slice twice, or slices that differ in their number of classes or features.
        """
        ordered = sorted((SurveyRow(*row) for row in rows), key=lambda row: row.key)
        keys = tuple(row.key for row in ordered)
        _check_keys(keys)
        columns = dict(zip(SurveyRow._fields, zip(*ordered, strict=True), strict=True))
        stacked = {
            name: _stack(name, columns[name], keys)
            for name in (*_DTYPES, *_EXTRAS)
            if name in columns and not any(row is None for row in columns[name])
        }
        return cls(
            keys=keys,
            entropy=np.column_stack([columns["entropy_max"], columns["entropy_mean"]]),
            model_id=model_id,
            top_percent=None if top_percent is None else np.array([top_percent]),
            **stacked,
        )

    @cached_property
    def _row_of(self) -> dict[SliceKey, int]:
        return {key: row for row, key in enumerate(self.keys)}


def _frozen_copy(name: str, values: npt.ArrayLike, dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    given, wanted = np.asarray(values), np.dtype(dtype)
    if not np.can_cast(given.dtype, wanted, "same_kind"):
        raise SurveyError(f"Survey {name} is {given.dtype}; it must be {wanted}.")
    with np.errstate(over="ignore"):
        copy = np.array(given, dtype=wanted, order="C")
    copy.flags.writeable = False
    return copy


def _stack(name: str, items: Iterable[npt.ArrayLike], keys: tuple[SliceKey, ...]) -> npt.NDArray[Any]:
    arrays = [np.asarray(item) for item in items]
    for key, array in zip(keys, arrays, strict=True):
        if array.shape != arrays[0].shape:
            raise SurveyError(
                f"{key} has {name} of shape {array.shape}, {keys[0]} of {arrays[0].shape}; one model surveys all slices."
            )
    return np.stack(arrays)


def _check_keys(keys: tuple[SliceKey, ...]) -> None:
    if not keys:
        raise SurveyError(f"A survey needs at least one slice, got {len(keys)}; add a training scan.")
    for before, after in pairwise(keys):
        if not before < after:
            raise SurveyError(
                f"Surveyed slices must ascend without repeats, but {after} follows {before}; sort them by key."
            )


def _check_shapes(survey: Survey) -> None:
    n, c = len(survey.keys), survey.counts.shape[-1] if survey.counts.ndim else 0
    d = survey.embedding.shape[-1] if survey.embedding.ndim else 0
    g = survey.gradient.shape[-1] if survey.gradient is not None and survey.gradient.ndim else 0
    shapes: dict[str, tuple[int, ...]] = {
        "counts": (n, c), "entropy": (n, 2), "embedding": (n, d), "class_pixel": (n, c, 2), "entropy_pixel": (n, 2),
        "entropy_local": (n, 2), "class_entropy": (n, c), "patch_share": (n, c), "gradient": (n, g), "top_percent": (1,),
    }  # fmt: skip
    for name, array in survey.arrays().items():
        found, shape = array.shape, shapes[name]
        if found != shape or 0 in shape:
            raise SurveyError(
                f"Survey {name} has shape {found}; {n} slices of {c} classes and {d} features need {shape}."
            )


def _check_values(survey: Survey) -> None:
    ceiling = math.log(survey.n_classes) + _NATS_TOLERANCE
    highest, mean = survey.entropy.T
    present = survey.counts > 0
    seen = (survey.class_pixel >= 0).all(axis=2)
    sound = {
        "counts must be 0 or more, with at least one pixel": (survey.counts >= 0).all(axis=1)
        & present.any(axis=1),
        f"entropy must be 0 <= mean <= max <= ln C = {math.log(survey.n_classes):.4f} nats": (
            (mean >= 0) & (mean <= highest + _NATS_TOLERANCE) & (highest <= ceiling)
        ),
        "embedding must be finite; has the training diverged? Train again with a lower learning rate": (
            np.isfinite(survey.embedding).all(axis=1)
        ),
        "class_pixel must be (y, x) where a class is predicted and -1 elsewhere": (
            (present == seen) & (present | (survey.class_pixel == -1).all(axis=2))
        ).all(axis=1),
        "entropy_pixel must be (y, x) inside the slice": (survey.entropy_pixel >= 0).all(axis=1),
    }
    _insist(survey, sound)
    _insist(survey, _rules_of_extras(survey, ceiling))


def _rules_of_extras(survey: Survey, ceiling: float) -> dict[str, npt.NDArray[np.bool_]]:
    """What must hold, per slice, for the arrays that not every survey has."""
    bounds = {"entropy_local": ceiling, "class_entropy": ceiling, "patch_share": 1.0 + _NATS_TOLERANCE}
    rules = {}
    for name, highest in bounds.items():
        values = getattr(survey, name)
        if values is not None:
            rules[f"{name} must be 0..{highest:.4f}"] = ((values >= 0) & (values <= highest)).all(axis=1)
    if survey.gradient is not None:
        rules["gradient must be finite; train again with a lower learning rate"] = np.isfinite(
            survey.gradient
        ).all(axis=1)
    return rules


def _insist(survey: Survey, rules: Mapping[str, npt.NDArray[np.bool_]]) -> None:
    """Raise `SurveyError` naming the first slice that breaks a rule; a rule's first word names its array."""
    for rule, holds in rules.items():
        if not holds.all():
            row = int(np.flatnonzero(~holds)[0])
            name = rule.partition(" ")[0]
            values = getattr(survey, name)[row].ravel()[:8].tolist()
            raise SurveyError(f"{survey.keys[row]} has {name} {values}: {rule}.")
