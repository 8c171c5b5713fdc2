"""What each of the three speeds of learning costs and gains: quick look, warm fine-tune, full retrain; paired by seed.

For each seed: scans are simulated, a product model learns from 12 random slices, 6 more are labelled by the truth; then
the head is fitted (quick look), the network goes on from its weights (warm) and is trained anew (full) on the same 18 slices.
All are judged on the same unseen test scans by one pooled confusion matrix. Run:

    python benchmarks/three_speeds.py [--seeds 5] [--steps 450] [--difficulty ordinary] [--out FILE]
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

import voidscope as vs
from voidscope.evaluation import confusion_matrix, iou, miou
from voidscope.model import Compute, Segmenter, load_segmenter, predict_slices
from voidscope.project import project_truth
from voidscope.training import Trained, train_steps
from voidscope.training.quick import fit_head, sample_of
from voidscope.vocabulary import Mask, Role, Split
from voidscope.volume import slice_index
from voidscope.workflow import add_dataset, simulate

FIRST, MORE = 12, 6
"""Slices labelled before the first model, and after it."""
LOGIC, MEMORY = 4, 6


class Case:
    """One seed: its scans, slices and truth, and how a network is judged on it."""

    def __init__(self, folder: Path, seed: int, changes: Sequence[str], difficulty: str) -> None:
        made = simulate(folder / "scans", logic=LOGIC, memory=MEMORY, seed=1000 + seed, difficulty=difficulty)
        dataset = vs.execute(made)
        self.config = vs.Config.product().with_changes([*changes, f"seed={seed}", "device=cpu"])
        project = vs.Project.create(folder / "project", dataset.classes, config=self.config)
        vs.execute(add_dataset(project, dataset))
        self.normalisation, self.classes = project.normalisation(), project.classes
        self.n_classes = len(project.classes)
        chosen = np.random.default_rng(seed).permutation(len(project.keys(Split.TRAIN)))[: FIRST + MORE]
        truth = {name: project_truth(project, dataset, name) for name in project.scans}
        keys = [project.keys(Split.TRAIN)[k] for k in chosen]
        self.images, self.masks = _slices(project, truth, keys)
        self.test = _slices(project, truth, project.keys(Split.TEST))

    def train(self, n: int, warm: bytes | None = None) -> Trained:
        """A training on the first `n` slices, to its end."""
        steps = train_steps(
            self.images[:n], self.masks[:n], self.n_classes, self.config, normalisation=self.normalisation, warm=warm,
            void_ids=self.classes.ids_with_role(Role.VOID),
        )  # fmt: skip
        try:
            while True:
                next(steps)
        except StopIteration as end:
            return end.value

    def network(self, weights: bytes) -> Segmenter:
        """The trained network."""
        return load_segmenter(self.config.model, self.n_classes, weights)

    def score(self, network: Segmenter) -> dict[str, float]:
        """mIoU and void IoU on the unseen scans."""
        images, masks = self.test
        found = predict_slices(network, images, self.normalisation, "cpu", flips=self.config.model.flips)
        matrix = sum(confusion_matrix(t, p.mask, self.n_classes) for t, p in zip(masks, found, strict=True))
        voids = [iou(matrix)[k - 1] for k in self.classes.ids_with_role(Role.VOID)]
        return {"miou": round(float(miou(matrix)), 4), "void": round(float(np.nanmean(voids)), 4)}

    def quick(self, network: Segmenter) -> tuple[Segmenter, dict[str, float]]:
        """The head fitted to all slices, and the seconds of what happens when one more is labelled.

        What was kept of the others is there already; the last slice is looked at, the head fitted and the slice predicted.
        """
        compute = Compute.choose("cpu")
        network = compute.place(network).eval()
        pairs = list(zip(self.images, self.masks, strict=True))
        samples = [sample_of(network, compute, i, m, self.normalisation) for i, m in pairs]
        seconds = []
        for _ in range(5):
            started = time.perf_counter()
            samples[-1] = sample_of(network, compute, *pairs[-1], self.normalisation)
            fitted = fit_head(network, samples)
            list(
                predict_slices(
                    fitted, [self.images[-1]], self.normalisation, "cpu", flips=self.config.model.flips
                )
            )
            seconds.append(time.perf_counter() - started)
        return fitted, {"seconds": round(float(np.median(seconds)), 3), "slowest": round(max(seconds), 3)}


def _slices(
    project: vs.Project, truth: dict[str, Mask], keys: Sequence[vs.SliceKey]
) -> tuple[list[Any], list[Mask]]:
    reader = project.reader(k.scan for k in keys)
    masks = [np.array(truth[k.scan][slice_index(project.scan(k.scan).plane, k.index)]) for k in keys]
    return [reader.image(k) for k in keys], masks


def one_seed(folder: Path, seed: int, changes: Sequence[str], difficulty: str) -> dict[str, Any]:
    """All three speeds on one seed."""
    case = Case(folder, seed, changes, difficulty)
    first = case.train(FIRST)
    row: dict[str, Any] = {"seed": seed, "before": case.score(case.network(first.weights))}
    fitted, took = case.quick(case.network(first.weights))
    row["quick"] = case.score(fitted) | took
    for name, start in (("warm", first.weights), ("full", None)):
        found = case.train(FIRST + MORE, start)
        row[name] = case.score(case.network(found.weights)) | {"seconds": round(found.seconds, 1)}
    return row


def summary(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Means and standard deviations over seeds of what each speed gains, and what warm reaches of full."""

    def column(what: str, figure: str) -> np.ndarray:
        return np.array([r[what][figure] for r in rows])

    told: dict[str, Any] = {"seeds": len(rows)}
    for what in ("quick", "warm", "full"):
        for figure in ("miou", "void"):
            gains = column(what, figure) - column("before", figure)
            told[f"{what}_gains_{figure}"] = (
                [round(float(gains.mean()), 4), round(float(gains.std(ddof=1)), 4)]
                if len(rows) > 1
                else gains.round(4).tolist()
            )
    share = column("warm", "miou") / column("full", "miou")
    told["warm_of_full_miou"] = {"mean": round(float(share.mean()), 4), "least": round(float(share.min()), 4)}
    told["warm_of_full_time"] = round(
        float((column("warm", "seconds") / column("full", "seconds")).mean()), 3
    )
    told["quick_seconds"] = {
        "median": float(np.median(column("quick", "seconds"))),
        "slowest": float(column("quick", "slowest").max()),
    }
    return told


def main() -> None:
    """Measure and print one JSON object per seed, then the summary."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=450)
    parser.add_argument("--difficulty", default="ordinary")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    rows = []
    for seed in range(given.seeds):
        with tempfile.TemporaryDirectory() as folder:
            rows.append(one_seed(Path(folder), seed, [f"train.steps={given.steps}"], given.difficulty))
        print(json.dumps(rows[-1]), flush=True)
        if given.out:
            given.out.write_text(json.dumps({"rows": rows, "summary": summary(rows), "steps": given.steps}))
    print(
        json.dumps(
            summary(rows) | {"steps": given.steps, "threads": given.threads, "torch": torch.__version__}
        )
    )


if __name__ == "__main__":
    main()
