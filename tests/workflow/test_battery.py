"""The loop on real data: learn from one lab-CT slice of a battery, find the electrode layers in another."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from voidscope.config import Config
from voidscope.evaluation import confusion_matrix, iou
from voidscope.jobs import execute
from voidscope.project import Project, import_labels
from voidscope.vocabulary import ClassMap, Plane, SliceKey, Split
from voidscope.volume import read_label_file
from voidscope.workflow import add_scans, segment, suggest, train


@pytest.mark.data
@pytest.mark.slow
def test_electrodes_learnt_on_one_battery_are_found_in_another(tmp_path: Path, shared_data: Path) -> None:
    folder = shared_data / "battery_xct_ucl"
    settings = Config.product().with_changes(["suggest.budget=1", "train.epochs=5", "train.steps=40"])
    project = Project.create(
        tmp_path / "battery", ClassMap.from_names(["background", "electrode"]), config=settings
    )
    execute(add_scans(project, [folder / "im_1.tif"]))
    execute(add_scans(project, [folder / "im_2.tif"], split=Split.TEST))
    assert (project.scan("im_1").shape, project.scan("im_1").plane) == ((1, 576, 576), Plane.AXIS0)

    (pick,) = execute(suggest(project))
    assert pick.key == SliceKey("im_1", 0)
    mapping = {0: "background", 255: "electrode"}
    import_labels(project, "im_1", read_label_file(folder / "mask_1.tif"), file_map=mapping)
    cycle = execute(train(project))
    assert len(cycle.metrics["losses"]) == settings.train.epochs

    execute(segment(project, ["im_2"]))
    mask = project.mask("im_2")
    assert mask is not None
    truth = project.classes.from_file(read_label_file(folder / "mask_2.tif"), mapping)
    electrode = iou(confusion_matrix(truth, mask, 2))[1]
    assert electrode >= 0.85
    assert np.isin(mask, (1, 2)).all()
