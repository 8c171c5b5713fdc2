"""Scans that tools of this field stumble over: of a single slice, and with a slice that is void throughout, through the whole loop."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from builders import QUICK, add_cycle, add_scan, set_prediction
from voidscope.config import Config
from voidscope.errors import NotReady
from voidscope.jobs import execute
from voidscope.metrology import Verdict
from voidscope.project import Project, leftovers
from voidscope.vocabulary import ClassMap, Mask, Plane, SliceKey
from voidscope.volume import tiff_bytes
from voidscope.workflow import extrude, interpolate, measure, review, segment, suggest, train

H, W = 32, 32
VOID = 4
PILLAR, SOLDER = slice(6, 14), slice(14, 26)


def bump() -> Mask:
    """A slice (h, w) of solder on a pillar, with a void in the solder."""
    mask = np.ones((H, W), np.uint8)
    mask[PILLAR, 8:24], mask[SOLDER, 8:24], mask[18:22, 12:20] = 2, 3, VOID
    return mask


def seen(masks: list[Mask]) -> np.ndarray:
    """What a scan of these slices looks like, (n, h, w)."""
    noise = np.random.default_rng(0).normal(0, 1_500, (len(masks), H, W))
    return (np.array([0, 8_000, 40_000, 55_000, 12_000])[np.stack(masks)] + noise).astype(np.uint16)


@pytest.fixture
def empty(tmp_path: Path) -> Project:
    settings = Config().with_changes([*QUICK, "suggest.budget=1"])
    return Project.create(tmp_path / "project", ClassMap.hbm(), config=settings)


def add(project: Project, name: str, masks: list[Mask], plane: Plane) -> None:
    """A scan that is cut along `plane` into these slices."""
    path = project.path.with_name(f"{name}.tif")
    path.write_bytes(tiff_bytes(np.moveaxis(seen(masks), 0, plane.axis), (0.7, 0.7, 0.7)))
    add_scan(project, path, plane=plane)


@pytest.mark.parametrize("plane", [Plane.AXIS0, Plane.AXIS1])
def test_a_scan_of_a_single_slice_goes_through_the_whole_loop(empty: Project, plane: Plane) -> None:
    for name in ("one", "two"):
        add(empty, name, [bump()], plane)
    (first,) = execute(suggest(empty))
    empty.labels.put(first.key, bump())
    with pytest.raises(NotReady, match="interpolating needs two"):
        interpolate(empty, first.key)
    with pytest.raises(NotReady, match="no unlabelled slice to copy"):
        extrude(empty, first.key, 1)
    cycle = execute(train(empty))
    assert cycle.labelled == (first.key,) and np.isfinite(cycle.metrics["losses"]).all()
    (second,) = execute(suggest(empty))
    assert {first.key, second.key} == {SliceKey("one", 0), SliceKey("two", 0)}
    assert execute(segment(empty)) == ("one", "two")
    execute(review(empty))
    shape = empty.scan("one").shape
    for name in empty.scans:
        assert empty.mask(name).shape == shape and empty.uncertainty(name).shape == shape
        truth = np.expand_dims(bump(), plane.axis)
        set_prediction(empty, cycle.id, name, truth, np.zeros(shape, np.float16))
    report = execute(measure(empty))
    assert [s.ratio for s in report.scans] == pytest.approx([32 / (8 * 16 + 12 * 16)] * 2)
    assert Project.open(empty.path).report.entry() == report.entry()
    assert {p.name for p in empty.path.iterdir() if p.is_dir()} <= set(leftovers.FOLDERS)


def test_a_slice_that_is_void_throughout_is_learnt_from_and_measured(empty: Project) -> None:
    void = np.full((H, W), VOID, np.uint8)
    add(empty, "a", [bump(), void, bump()], Plane.AXIS1)
    empty.labels.put(SliceKey("a", 1), void)
    with pytest.raises(NotReady, match="1024 labelled pixels are void; label a second class"):
        train(empty)
    empty.labels.put(SliceKey("a", 0), bump())
    cycle = execute(train(empty))
    assert cycle.labelled == (SliceKey("a", 0), SliceKey("a", 1))
    assert np.isfinite(cycle.metrics["losses"]).all()
    (pick,) = execute(suggest(empty))
    assert pick.key == SliceKey("a", 2)
    execute(segment(empty))
    execute(review(empty))
    mask = np.stack([bump(), void, bump()], axis=1)
    set_prediction(empty, cycle.id, "a", mask, np.zeros(mask.shape, np.float16))
    (found,) = execute(measure(empty)).scans
    n_void, n_solid = 32 * 2 + H * W, (8 * 16 + 12 * 16 - 32) * 2
    assert found.ratio == pytest.approx(n_void / (n_void + n_solid))
    assert sum(v.n_voxels for v in found.voids) == n_void


def test_a_label_that_is_void_throughout_is_propagated(empty: Project) -> None:
    void = np.full((H, W), VOID, np.uint8)
    add(empty, "a", [void, void, void, bump(), bump()], Plane.AXIS1)
    empty.labels.put(SliceKey("a", 1), void)
    empty.labels.put(SliceKey("a", 4), bump())
    assert execute(extrude(empty, SliceKey("a", 1), -3)) == (SliceKey("a", 0),)
    assert (empty.labels.get(SliceKey("a", 0)) == VOID).all()
    between = execute(interpolate(empty, SliceKey("a", 1)))
    assert between == (SliceKey("a", 2), SliceKey("a", 3))
    n_void = [np.count_nonzero(empty.labels.get(SliceKey("a", k)) == VOID) for k in range(5)]
    assert n_void[0] == n_void[1] == H * W >= n_void[2] >= n_void[3] >= n_void[4] == 32


def test_a_scan_that_is_seen_as_void_throughout_fails(empty: Project) -> None:
    add(empty, "a", [bump(), bump()], Plane.AXIS1)
    mask = np.full(empty.scan("a").shape, VOID, np.uint8)
    set_prediction(empty, add_cycle(empty).id, "a", mask, np.zeros(mask.shape, np.float16))
    (found,) = execute(measure(empty)).scans
    assert (found.ratio, found.verdict) == (1.0, Verdict.FAIL)
    assert found.undefined["void/solder"] == "no voxel is solder"
