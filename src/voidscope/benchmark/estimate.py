"""What a run will cost, counted before it starts: trainings, steps, slices predicted, and hours on one CPU core."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, prod

from voidscope.benchmark.protocol import EVERYTHING, FOREST, Cell
from voidscope.benchmark.running import Bench
from voidscope.config import Config
from voidscope.vocabulary import Split

TRAINED_PIXEL_S = 4.1e-6
PREDICTED_PIXEL_S = 1.6e-6
"""Seconds per pixel through a ResNet-18 U-Net on one core of the machine in docs/measurements.md (bf16), forward and backward,
and forward alone with what a survey keeps. Another encoder or machine costs otherwise."""
DETAIL_TRAINED, DETAIL_PREDICTED = 1.3, 1.5
"""How many times as long both take with a detail network beside the U-Net (docs/product-recipe.md)."""
VAAL_STEP_S = 4.0, 16.0
"""Seconds of a step of VAAL's own networks on one core: least and most seen (docs/benchmark.md)."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """Work of a run; the hours count neither the fitting of `forests`, cells of the forest (networks that choose their slices are
    counted), nor `vaal_steps`, those of VAAL's own networks.
    """

    cells: int
    trainings: int
    steps: int
    predicted: int
    core_hours: float
    forests: int = 0
    vaal_steps: int = 0

    def text(self) -> str:
        """The estimate in a line, with what it leaves out."""
        said = (
            f"{self.cells} cells, {self.trainings} trainings with {self.steps} steps, {self.predicted} slices predicted: "
            f"roughly {self.core_hours:.1f} hours on one CPU core with bfloat16 and ResNet-18, several times that without, much less on a GPU"
        )
        left_out = ["the forest"] if self.forests else []
        if self.vaal_steps:
            low, high = (s * self.vaal_steps / 3600 for s in VAAL_STEP_S)
            left_out.append(
                f"{self.vaal_steps} steps of VAAL's own networks, {low:.1f} to {high:.1f} core hours more"
            )
        return f"{said}; not counted: {', '.join(left_out)}" if left_out else said


def estimate(bench: Bench, cells: Sequence[Cell]) -> Estimate:
    """Count the work of all cells, finished or not, and of one pretraining where a cell needs it."""
    pixels = {split: _pixels(bench, split) for split in Split}
    parts = [_cell(bench, cell, pixels) for cell in cells]
    pretraining = any(bench.plan.initialisation(c.method) == "contrastive" for c in cells)
    first = Config().with_changes([*bench.plan.settings, *bench.plan.changed]).pretrain
    views = 2 * first.epochs * len(pixels[Split.TRAIN]) * pretraining
    seconds = sum(p.core_hours for p in parts) * 3600 + views * first.crop**2 * TRAINED_PIXEL_S
    return Estimate(
        len(cells), sum(p.trainings for p in parts), sum(p.steps for p in parts), sum(p.predicted for p in parts), seconds / 3600,
        sum(p.forests for p in parts), sum(p.vaal_steps for p in parts),
    )  # fmt: skip


def _cell(bench: Bench, cell: Cell, pixels: dict[Split, list[int]]) -> Estimate:
    pool = len(pixels[Split.TRAIN])
    budgets = (pool,) if cell.method.strategy == EVERYTHING else bench.plan.budgets
    settings = bench.config(cell)
    forest = cell.method.learner == FOREST
    asked_at = budgets[:-1] if cell.method.asks else ()
    learnt, tests = (asked_at, 0) if forest else (budgets, len(budgets))
    pseudo = [min(settings.train.pseudo_labels, pool - n) for n in learnt]
    trained = [n for n, more in zip(learnt, pseudo, strict=True) for _ in range(2 if more else 1)]
    steps = sum(_steps(settings, n) for n in trained)
    predicted = (len(asked_at) + sum(pseudo) / pool) * sum(pixels[Split.TRAIN]) + tests * sum(
        pixels[Split.TEST]
    )
    training, predicting = (DETAIL_TRAINED, DETAIL_PREDICTED) if settings.model.detail else (1.0, 1.0)
    seconds = sum(_crops(settings, n) for n in trained) * settings.train.crop**2 * TRAINED_PIXEL_S * training
    seconds += predicted * PREDICTED_PIXEL_S * (4 if settings.model.flips else 1) * predicting
    slices = len(asked_at) * pool + tests * len(pixels[Split.TEST]) + sum(pseudo)
    vaal = _vaal_steps(settings, pool, budgets[:-1]) if settings.suggest.strategy == "vaal" else 0
    return Estimate(1, len(trained), steps, slices, seconds / 3600, int(forest), vaal)


def _vaal_steps(settings: Config, pool: int, asked_at: Sequence[int]) -> int:
    """Steps of VAAL's own networks, which are trained anew each time it is asked, with so many slices labelled."""
    from voidscope.training.vaal import LARGEST_BATCH

    return sum(max(1, pool * settings.suggest.vaal_epochs // min(LARGEST_BATCH, n)) for n in asked_at)


def _steps(settings: Config, n_labelled: int) -> int:
    """Steps of one training, of one crop per slice where the settings do not say how many steps."""
    return settings.train.steps_for(n_labelled) or settings.train.epochs * ceil(
        n_labelled / settings.train.batch_size
    )


def _crops(settings: Config, n_labelled: int) -> int:
    """Crops of one training; last batches are not filled up."""
    return (
        settings.train.steps_for(n_labelled) * settings.train.batch_size or settings.train.epochs * n_labelled
    )


def _pixels(bench: Bench, split: Split) -> list[int]:
    """Pixels of each slice of a split."""
    found = []
    for scan in bench.dataset.scans:
        if scan.split is split:
            volume = bench.dataset.volume(scan.name)
            n = volume.n_slices(volume.default_plane)
            found += [prod(volume.shape) // n] * n
    return found
