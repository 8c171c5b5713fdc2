"""How well the interval of the void ratio covers the truth: sigma of the edges from one set of scans, coverage on another.

A product model learns from a few random slices of the training scans of CALIBRATE, its test scans give sigma (the root mean
square of the error of the ratio over what one voxel of edge would change it), and the scans of CHECK, all unseen, say how often
the interval then holds the truth. Run:

    python benchmarks/edge_calibration.py CALIBRATE CHECK [--labels 50] [--seed 0]
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

import numpy as np

import voidscope as vs
from voidscope.config import MeasureConfig
from voidscope.metrology import ScanMeasurement, measure_mask
from voidscope.project import project_truth
from voidscope.vocabulary import Split
from voidscope.workflow import add_dataset

UNIT = MeasureConfig(edge_sigma=1, coverage=1)
"""One voxel of edge, once: what the errors are told in."""


def main() -> None:
    """Train, calibrate, check, and print one JSON object."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("calibrate", type=Path)
    parser.add_argument("check", type=Path)
    parser.add_argument("--labels", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    first, second = vs.Dataset.open(given.calibrate), vs.Dataset.open(given.check)
    with tempfile.TemporaryDirectory() as folder:
        config = vs.Config.product().with_changes([f"suggest.budget={given.labels}", f"seed={given.seed}"])
        project = vs.Project.create(Path(folder) / "project", first.classes, config=config)
        vs.execute(add_dataset(project, first))
        vs.execute(vs.suggest(project))
        vs.answer_suggestions(project, first)
        vs.execute(vs.train(project))
        test = [s.name for s in project.scans.values() if s.split is Split.TEST]
        errors = _errors(project, first, test)
        other = vs.Project.create(Path(folder) / "other", second.classes, config=config)
        vs.execute(add_dataset(other, second))
        cycle = project.cycle
        assert cycle is not None
        other.add_cycle(cycle, cycle.weights())
        checked = _errors(other, second, list(other.scans))
    sigma = float(np.sqrt(np.mean(np.square([e / u for e, u in errors if u]))))
    covered = {k: float(np.mean([abs(e) <= k * sigma * u for e, u in checked])) for k in (1, 2)}
    default = MeasureConfig().edge_sigma
    print(json.dumps({
        "labels": given.labels, "seed": given.seed, "scans": [len(errors), len(checked)], "sigma_voxels": round(sigma, 3),
        "sigma_voxels_of_the_checked": round(float(np.sqrt(np.mean(np.square([e / u for e, u in checked if u])))), 3),
        "covered_at_k_1_and_2": [round(c, 3) for c in covered.values()],
        "covered_by_the_default": round(float(np.mean([abs(e) <= 2 * default * u for e, u in checked])), 3),
        "mean_absolute_error": round(float(np.mean([abs(e) for e, _ in checked])), 5),
        "mean_expanded": round(float(np.mean([2 * sigma * u for _, u in checked])), 5),
    }))  # fmt: skip


def _errors(project: vs.Project, dataset: vs.Dataset, scans: list[str]) -> list[tuple[float, float]]:
    """Error of the ratio of each scan, and what one voxel of edge would change it."""
    vs.execute(vs.segment(project, scans))
    found = []
    for scan in scans:
        mask = project.mask(scan)
        assert mask is not None
        measured, true = (
            _measured(project, mask, scan),
            _measured(project, project_truth(project, dataset, scan), scan),
        )
        if measured.ratio is not None and true.ratio is not None and measured.uncertainty is not None:
            found.append((measured.ratio - true.ratio, measured.uncertainty))
    return found


def _measured(project: vs.Project, mask: np.ndarray, scan: str) -> ScanMeasurement:
    return measure_mask(mask, project.classes, (1.0, 1.0, 1.0), UNIT, scan)


if __name__ == "__main__":
    main()
