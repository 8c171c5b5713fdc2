"""`calibrate` on a project: whole scans and slices as truth, and what it lacks."""

from __future__ import annotations

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from builders import add_cycle, set_prediction
from voidscope.cli.main import app
from voidscope.errors import ConfigError, NotReady
from voidscope.jobs import execute
from voidscope.project import Project
from voidscope.vocabulary import SliceKey, Split
from voidscope.workflow import calibrate


@pytest.fixture
def judged(project: Project) -> Project:
    """A project whose test scan is labelled whole, each slice with a void, and masks that are a pixel too wide."""
    add_cycle(project)
    scan = next(s.name for s in project.scans.values() if s.split is Split.TEST)
    shape = project.scan(scan).shape
    mask = np.full(shape, 3, np.uint8)
    for key in project.scan(scan).slice_keys():
        label = np.full(project.slice_shape(key), 3, np.uint8)
        label[5:12, 5:12] = 4
        project.labels.put(key, label)
        mask[:, key.index, :][5:12, 5:13] = 4
    for name in project.scans:
        made = mask if name == scan else np.full(project.scan(name).shape, 3, np.uint8)
        set_prediction(project, project.cycle.id, name, made, np.zeros(made.shape, np.float16))
    return project


def test_slices_of_a_test_scan_calibrate_where_it_is_not_labelled_whole(judged: Project) -> None:
    scan = next(s for s in judged.scans.values() if s.split is Split.TEST)
    whole = len(judged.labels.of(scan.name))
    with pytest.raises(NotReady, match="found in 1 held-out"):
        execute(calibrate(judged))  # all labelled: one scan, one error
    judged.labels.remove(SliceKey(scan.name, 0))
    found = execute(calibrate(judged))
    assert found.of == whole - 1
    area = scan.slice_shape[0] * scan.slice_shape[1]
    assert found.errors[0].error == pytest.approx(7 / area)
    assert found.errors[0].edge == pytest.approx(2 / 3 * 2 * (7 + 8) / area)
    assert found.sigma == pytest.approx(7 / 20, abs=0.02)
    said = CliRunner().invoke(app, ["calibrate", str(judged.path)])
    assert said.exit_code == 0
    assert f"edge_sigma {found.sigma:g} voxels fits {found.of} held-out scans or slices" in said.stdout
    told = json.loads(CliRunner().invoke(app, ["calibrate", str(judged.path), "--json"]).stdout)
    assert (told["sigma"], told["of"], told["held"]) == (found.sigma, found.of, found.held)


def test_a_ratio_of_areas_is_refused_and_the_one_to_calibrate_by_is_named(judged: Project) -> None:
    with pytest.raises(ConfigError, match="What it finds holds for areas") as refused:
        calibrate(judged, config=judged.config.with_changes(['measure.ratio="projected area"']))
    assert "measure.ratio is 'projected area'" in str(refused.value)
    assert str(refused.value).endswith("set measure.ratio=void/foreground for it.")
    for key in list(judged.labels):
        judged.labels.remove(key)
    with pytest.raises(NotReady, match="has labels to judge by"):
        calibrate(judged)
