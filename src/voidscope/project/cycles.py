"""The record of one training: which labels, which weights, which numbers; append-only."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from voidscope.acquisition import ScanFindings
from voidscope.config import Config
from voidscope.errors import ProjectError
from voidscope.project import results
from voidscope.project.atomic import read_json, write_folder
from voidscope.project.history import read_history
from voidscope.project.register import ABOUT
from voidscope.vocabulary import SliceKey


@dataclass(frozen=True)
class Cycle:
    """One trained model and how it came to be; `folder` also holds its weights, survey and masks."""

    number: int
    labelled: tuple[SliceKey, ...]
    seed: int
    weights_sha256: str
    metrics: Mapping[str, Any]
    """Losses per epoch, seconds, warnings."""
    provenance: Mapping[str, Any]
    """Versions, device, threads, precision, time, data and label hashes."""
    config: Mapping[str, Any]
    normalisation: tuple[float, float]
    """Mean and standard deviation of the scaled intensities the model was trained with."""
    folder: Path = field(default=Path(), compare=False)

    @property
    def id(self) -> str:
        """Names the model in every result it makes: cycle number and the head of the weights' hash."""
        return f"cycle-{self.number:04d}-{self.weights_sha256[:12]}"

    @property
    def weights_path(self) -> Path:
        """The model's safetensors file."""
        return self.folder / "weights.safetensors"

    @property
    def settings(self) -> Config:
        """What it was trained with."""
        return Config.parse(dict(self.config))

    @property
    def learnt_by(self) -> dict[str, Any]:
        """The settings of network and training; those that came after it at their defaults, which have to leave things as they were."""
        plain = Config().model_dump(mode="json")
        return {name: {**plain[name], **self.config.get(name, {})} for name in ("model", "train")}

    @property
    def learnt_from(self) -> frozenset[str]:
        """Scans on whose labels it was trained; whatever their split is now, they never judge it."""
        return frozenset(key.scan for key in self.labelled)

    @property
    def warm(self) -> bool:
        """Whether it went on from an earlier cycle's weights; such a model is to work with, a full training to report."""
        return self.provenance.get("warm_from") is not None

    @property
    def restored(self) -> bool:
        """Whether it is an earlier cycle's model that was gone back to; nothing was trained for it."""
        return self.provenance.get("restored_from") is not None

    @property
    def full(self) -> bool:
        """Whether it was trained from its initial weights on: neither `warm` nor `restored`."""
        return not (self.warm or self.restored)

    @property
    def evaluation(self) -> dict[str, Any] | None:
        """Its agreement with held-out truth, or None when it was not evaluated (or its file is no evaluation).

        One by scans that it had learnt from, as an older version made, is none.
        """
        newest = read_history(self.folder / "evaluation.json")[-1:]
        return newest[0] if newest and self._is_evaluation(newest[0]) else None

    @property
    def evaluations(self) -> tuple[dict[str, Any], ...]:
        """All its evaluations, oldest first."""
        return tuple(e for e in read_history(self.folder / "evaluation.json") if self._is_evaluation(e))

    def _is_evaluation(self, found: Mapping[str, Any]) -> bool:
        return {"iou", "miou", "scans"} <= found.keys() and self.learnt_from.isdisjoint(found["scans"])

    def findings(self, scan: str) -> ScanFindings | None:
        """Voids it may have missed in a scan, and where its prediction flickers; None where they were not looked for."""
        return results.read_findings(self.folder, scan)

    @property
    def doubts(self) -> results.Doubts:
        """Labels it contradicts; empty before it was compared with them."""
        return results.read_doubts(self.folder)

    @property
    def promotion(self) -> dict[str, Any] | None:
        """When, by whom and against what it was put in force, and the note where that was insisted on; None where it was not."""
        return next(reversed(self.promotions), None)

    @property
    def promotions(self) -> tuple[dict[str, Any], ...]:
        """How it was put in force each time, oldest first."""
        return read_history(self.folder / "promotion.json")

    @property
    def decisions(self) -> tuple[str, Mapping[str, str]]:
        """By which recipe (a hash) what was decided about each scan or bump when it was last measured with; empty before."""
        return results.read_decisions(self.folder)

    @classmethod
    def read(cls, folder: Path) -> Cycle:
        """Read ``cycle.json`` of a cycle folder; raises `ProjectError` when it is damaged."""
        tree: dict[str, Any] = read_json(folder / "cycle.json")
        try:
            labelled = tuple(SliceKey.parse(k) for k in tree.pop("labelled"))
            return cls(
                labelled=labelled, normalisation=tuple(tree.pop("normalisation")), folder=folder, **tree
            )
        except (KeyError, TypeError) as error:
            raise ProjectError(
                f"{folder / 'cycle.json'} is damaged: {error}. Restore it from a backup."
            ) from error

    @classmethod
    def read_all(cls, folder: Path, known: Iterable[Cycle] = ()) -> tuple[Cycle, ...]:
        """All cycles in a folder in order; a record never changes, so one that is known is not read again."""
        read = {c.folder: c for c in known}
        return tuple(read[p] if p in read else cls.read(p) for p in sorted(folder.glob("[0-9]*")))

    def write(self, folder: Path, weights: bytes, along: Mapping[str, Path] = MappingProxyType({})) -> Cycle:
        """Write the cycle, its weights and the files `along` as a new folder in one step; returns it with its folder set."""
        tree = asdict(self) | {"labelled": [str(k) for k in self.labelled]}
        del tree["folder"]
        write_folder(folder, {"cycle.json": _json(tree), "weights.safetensors": weights, **ABOUT, **along})
        return replace(self, folder=folder)

    def weights(self) -> bytes:
        """The weights' bytes; raises `ProjectError` when they are missing or do not match their hash."""
        try:
            data = self.weights_path.read_bytes()
        except OSError as error:
            raise ProjectError(f"Cannot read {self.weights_path}: {error.strerror}. Train again.") from error
        if hashlib.sha256(data).hexdigest() != self.weights_sha256:
            raise ProjectError(f"{self.weights_path} does not match its hash; it is damaged. Train again.")
        return data


def _json(tree: Mapping[str, Any]) -> bytes:
    import json

    return (json.dumps(tree, indent=2, allow_nan=False, default=list) + "\n").encode()
