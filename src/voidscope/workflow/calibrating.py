"""`calibrate`: the doubt of edges of the current model, from held-out scans whose truth is known."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from voidscope.config import Config, MeasureConfig
from voidscope.errors import ConfigError, NotReady
from voidscope.jobs import Job, Progress, Steps
from voidscope.metrology import Calibration, RatioError, calibrated, ratio_error
from voidscope.metrology.ratios import VOLUMES
from voidscope.project import Project
from voidscope.project.masks import read_mask
from voidscope.project.results import read_views
from voidscope.vocabulary import ClassMap, Mask, SliceKey
from voidscope.volume import Dataset
from voidscope.workflow.asking import ScanPrediction, segment
from voidscope.workflow.evaluating import learnt, nothing_to_judge_by, truths, unseen, with_truth
from voidscope.workflow.snapshot import current_cycle


def calibrate(
    project: Project, dataset: Dataset | None = None, config: Config | None = None
) -> Job[tuple[Mapping[str, ScanPrediction], Calibration], Calibration]:
    """The `edge_sigma` that fits the current model's errors on test scans, and what intervals made with it hold; changes no setting.

    A scan whose truth is known whole gives one error; of others every slice does that is labelled whole by hand. A slice errs more than
    a scan, in which its errors average out, so slices make sigma rather too large.

    Raises
    ------
    ConfigError : the recipe's ratio is none of volumes; a slice, which has no height, tells no ratio of areas.
    NotReady : there is no model, no test scan has truth that it has not learnt from, or too few show void.
    """
    settings = config or project.config
    recipe = settings.measure
    if recipe.ratio not in VOLUMES:
        raise ConfigError(
            "The doubt of edges, in voxels, is fitted by a ratio of volumes, which a single slice tells too; "
            f"measure.ratio is {recipe.ratio!r}. What it finds holds for areas as well: set measure.ratio={VOLUMES[0]} for it."
        )
    cycle, known = current_cycle(project), with_truth(project, dataset)
    names = unseen(project, known, [cycle])
    if not names:
        raise NotReady(learnt(known, [cycle]) if known else nothing_to_judge_by(project, dataset))
    truth_by_name = truths(project, dataset, names)
    records, classes, job = (
        {n: project.scan(n) for n in names},
        project.classes,
        segment(project, names, config=config),
    )

    def steps() -> Steps[tuple[Mapping[str, ScanPrediction], Calibration]]:
        predictions = yield from job.steps()
        errors: list[RatioError] = []
        for done, (name, record) in enumerate(records.items()):
            yield Progress(done, len(names), f"comparing {name}")
            truth = truth_by_name(name)
            made = predictions.get(name)
            mask = read_mask(cycle.folder, name, classes, record.shape) if made is None else made.mask
            if mask is None:
                raise NotReady(f"The mask of {name} is gone; run segment again.")
            if truth.all():
                views = (
                    made.views
                    if made is not None
                    else read_views(cycle.folder, name, record.shape, len(classes))
                )
                looks = None if views is None else views.everywhere()
                found = [ratio_error(name, truth, mask, classes, recipe, looks)]
            else:
                found = list(_of_slices(name, record.plane.axis, truth, mask, classes, recipe))
            errors += [error for error in found if error is not None]
        return predictions, calibrated(errors, recipe.edge_sigma, recipe.coverage)

    def commit(found: tuple[Mapping[str, ScanPrediction], Calibration]) -> Calibration:
        job.commit(dict(found[0]))
        return found[1]

    return Job("Calibrating", steps, commit)


def _of_slices(
    scan: str, axis: int, truth: Mask, mask: Mask, classes: ClassMap, recipe: MeasureConfig
) -> Iterator[RatioError | None]:
    """The error of every slice that is labelled whole; None where a ratio is undefined."""
    for index in range(truth.shape[axis]):
        one, other = (np.take(m, [index], axis) for m in (truth, mask))
        if one.all():
            yield ratio_error(str(SliceKey(scan, index)), one, other, classes, recipe)
