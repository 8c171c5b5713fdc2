"""What one model is worth on held-out scans: agreement with the truth, and what a metrologist would have signed."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import fmean
from typing import Any

import numpy as np

from voidscope.config import MeasureConfig
from voidscope.evaluation import confusion_matrix, defined, iou, miou
from voidscope.metrology import decide, measured_ratio
from voidscope.vocabulary import ClassMap, Mask, Role


def score(
    masks: Mapping[str, Mask], truths: Mapping[str, Mask], classes: ClassMap, recipe: MeasureConfig
) -> dict[str, Any]:
    """Scores of masks (z, y, x) of test scans against their truths, ids 1..C, truth 0 where unknown.

    mIoU and IoU come from one confusion matrix pooled over all pixels at native size; void ratio error is the mean over scans
    of the absolute difference of measured and true ratio, where a model that finds nothing to measure found no void (0);
    verdict agreement is the share of scans on the same side of the limit, of those whose truth is on one.
    None where nothing is defined, e.g. the IoU of a class found nowhere.
    """
    matrix = np.sum([confusion_matrix(truths[n], masks[n], len(classes)) for n in masks], axis=0)
    per_class = {n: defined(v) for n, v in zip(classes.names, iou(matrix).tolist(), strict=True)}
    of_voids = [
        v for k in classes.ids_with_role(Role.VOID) if (v := per_class[classes.names[k - 1]]) is not None
    ]
    background = [k - 1 for k in classes.ids_with_role(Role.BACKGROUND)]
    scans = [_scan(n, masks[n], truths[n], classes, recipe) for n in masks]
    agreed = [s["verdict"] == s["true_verdict"] for s in scans if s["true_ratio"] is not None]
    errors = [abs((s["ratio"] or 0.0) - s["true_ratio"]) for s in scans if s["true_ratio"] is not None]
    return {
        "miou": defined(miou(matrix)),
        "miou_foreground": defined(miou(matrix, exclude=background)),
        "iou": per_class,
        "void_iou": fmean(of_voids) if of_voids else None,
        "void_ratio_error": fmean(errors) if errors else None,
        "verdict_agreement": fmean(agreed) if agreed else None,
        "scans": scans,
    }


def _scan(name: str, mask: Mask, truth: Mask, classes: ClassMap, recipe: MeasureConfig) -> dict[str, Any]:
    known = np.where(truth > 0, mask, 0).astype(np.uint8)
    ratio, true = (measured_ratio(m, classes, recipe) for m in (known, truth))
    exact = recipe.model_copy(
        update={"rule": "simple acceptance"}
    )  # which side of the limit, whatever the doubt
    verdicts = [decide(value, exact, "undefined")[0].value for value in (ratio, true)]
    return {
        "scan": name,
        "ratio": ratio,
        "true_ratio": true,
        "verdict": verdicts[0],
        "true_verdict": verdicts[1],
    }
