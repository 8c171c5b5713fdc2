"""How well the interval of the void ratio covers the truth: sigma of the edges from one set of scans, coverage on another.

A product model learns from a few random slices of the training scans of CALIBRATE. Its test scans give sigma, the edge's standard
deviation in voxels that makes the errors of the ratio likeliest beside the model's spread over mirror images (Gaussian errors of
variance (sigma u1)^2 + s^2, u1 being what one voxel of edge changes). The scans of CHECK, all unseen, say how often the interval
then holds the truth. Run, and draw the figure of one or several runs together:

    python benchmarks/edge_calibration.py run CALIBRATE CHECK --out run.json [--labels 50] [--seed 0] [--set train.steps=500]
    python benchmarks/edge_calibration.py plot run.json ... --out docs/pictures/coverage.png
"""

from __future__ import annotations

import argparse
import json
import math
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

import voidscope as vs
from voidscope.config import MeasureConfig
from voidscope.metrology import ScanMeasurement
from voidscope.metrology.calibration import Rows, likeliest, standard
from voidscope.metrology.measurement import measure_clean
from voidscope.project import project_truth
from voidscope.project.results import read_views
from voidscope.vocabulary import Split
from voidscope.workflow import add_dataset

UNIT = MeasureConfig(edge_sigma=1, coverage=1)
"""One voxel of edge, once: what the errors are told in."""
FACTORS = np.linspace(0.25, 3, 56)
"""k for which coverage is drawn."""


def main() -> None:
    """Run or plot, as asked."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    verbs = parser.add_subparsers(required=True, dest="verb")
    run, plot = verbs.add_parser("run"), verbs.add_parser("plot")
    run.add_argument("calibrate", type=Path)
    run.add_argument("check", type=Path)
    run.add_argument("--labels", type=int, default=50)
    run.add_argument("--seed", type=int, default=0)
    run.add_argument("--set", action="append", default=[])
    plot.add_argument("runs", type=Path, nargs="+")
    for one in (run, plot):
        one.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    if given.verb == "run":
        measured(given)
    else:
        drawn(given.runs, given.out)


def measured(given: argparse.Namespace) -> None:
    """Train, calibrate, check, and write the errors of every scan."""
    first, second = vs.Dataset.open(given.calibrate), vs.Dataset.open(given.check)
    with tempfile.TemporaryDirectory() as folder:
        words = [f"suggest.budget={given.labels}", f"seed={given.seed}", *given.set]
        config = vs.Config.product().with_changes(words)
        project = vs.Project.create(Path(folder) / "project", first.classes, config=config)
        vs.execute(add_dataset(project, first))
        vs.execute(vs.suggest(project))
        vs.answer_suggestions(project, first)
        vs.execute(vs.train(project))
        test = [s.name for s in project.scans.values() if s.split is Split.TEST]
        calibrated = _errors(project, first, test)
        other = vs.Project.create(Path(folder) / "other", second.classes, config=config)
        vs.execute(add_dataset(other, second))
        cycle = project.cycle
        assert cycle is not None
        other.add_cycle(cycle, cycle.weights())
        checked = _errors(other, second, list(other.scans))
    told = {"words": words, "columns": ["error", "one_voxel_of_edge", "model_spread"]}
    given.out.write_text(json.dumps(told | {"calibrate": calibrated, "check": checked}) + "\n")
    print(json.dumps(summary(np.array(calibrated), np.array(checked)), indent=1))


def summary(calibrated: Rows, checked: Rows) -> dict[str, object]:
    """Sigma of one set, coverage of another by it and by the default."""
    sigma, default = likeliest(calibrated), MeasureConfig().edge_sigma
    return {
        "scans": [len(calibrated), len(checked)], "sigma_voxels": sigma, "sigma_voxels_of_the_checked": likeliest(checked),
        "covered_at_k_1_and_2": [round(covered(checked, sigma, k), 3) for k in (1, 2)],
        "covered_by_the_default_at_k_1_and_2": [round(covered(checked, default, k), 3) for k in (1, 2)],
        "mean_absolute_error": float(np.abs(checked[:, 0]).mean()),
        "mean_expanded": float(2 * standard(checked, sigma).mean()),
        "mean_model_spread": float(checked[:, 2].mean()),
    }  # fmt: skip


def covered(rows: Rows, sigma: float, k: float) -> float:
    """Share of the scans whose interval holds the truth."""
    return float((np.abs(rows[:, 0]) <= k * standard(rows, sigma)).mean())


def drawn(runs: list[Path], out: Path) -> None:
    """Draw coverage against the level stated, all runs' unseen scans together, and errors against U."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    told = [json.loads(p.read_text()) for p in runs]
    calibrated, checked = (np.concatenate([np.array(t[n]) for t in told]) for n in ("calibrate", "check"))
    fitted, default = likeliest(calibrated), MeasureConfig().edge_sigma
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 4))
    stated = [math.erf(k / math.sqrt(2)) for k in FACTORS]
    for sigma, words in ((fitted, "of the calibration"), (default, "the default")):
        left.step(
            100 * np.array(stated),
            [100 * covered(checked, sigma, k) for k in FACTORS],
            label=f"sigma {sigma:g} voxels, {words}",
        )
    left.plot([0, 100], [0, 100], "k:", lw=1)
    left.fill_between([94, 96.5], 90, 99, color="green", alpha=0.25, label="90-99 % at 95 %")
    left.set(
        xlabel="stated, %", ylabel=f"{len(checked)} unseen scans covered, %", xlim=(15, 100), ylim=(0, 101)
    )
    left.legend(fontsize=8, loc="upper left")
    u = 200 * standard(checked, default)
    order = np.argsort(u)
    right.errorbar(range(len(u)), 100 * checked[order, 0], yerr=u[order], fmt="o", ms=3, lw=1, capsize=2)
    right.axhline(0, color="k", lw=0.8)
    right.set(xlabel="unseen scan, by U", ylabel="error of the ratio and its U (k = 2, default), points")
    figure.tight_layout()
    figure.savefig(out, dpi=110)
    print(json.dumps(summary(calibrated, checked), indent=1))


def _errors(project: vs.Project, dataset: vs.Dataset, scans: list[str]) -> list[list[float]]:
    """Error of the ratio of each scan, what one voxel of edge would change it, and the model's spread."""
    vs.execute(vs.segment(project, scans))
    cycle = project.cycle
    assert cycle is not None
    found = []
    for scan in scans:
        mask = project.mask(scan)
        assert mask is not None
        views = read_views(cycle.folder, scan, mask.shape, len(project.classes)).everywhere()
        here = _measured(project, mask, scan, views)
        true = _measured(project, project_truth(project, dataset, scan), scan)
        if here.ratio is not None and true.ratio is not None and here.budget:
            edges, spread, *_ = (c.value or 0.0 for c in here.budget)
            found.append([here.ratio - true.ratio, edges, spread])
    return found


def _measured(project: vs.Project, mask: np.ndarray, scan: str, views: Any = ()) -> ScanMeasurement:
    return measure_clean(mask, project.classes, (1.0, 1.0, 1.0), UNIT, scan, views)


if __name__ == "__main__":
    main()
