"""What a selected finding would label is outlined, on every slice it reaches, for as long as it is selected."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from bench import add_cycle

from builders import set_prediction
from voidscope.acquisition import Finding, ScanFindings
from voidscope.acquisition.findings import runs_of
from voidscope.project import Project
from voidscope.vocabulary import Plane, SliceKey
from voidscope.widgets.outline import edges

SOLDER = 3
WHERE = [(i, y, x) for i in (1, 2, 3) for y in (8, 9, 10, 11) for x in (5, 6, 7, 8)]


def finding(where: Any, scan: str = "a") -> Finding:
    positions = np.array(where)
    index, y, x = (int(n) for n in positions[0])
    return Finding(
        "missed", SliceKey(scan, index), (y, x), len(positions), 0.4, SOLDER, runs=runs_of(positions)
    )


@pytest.fixture
def listed(dock: Any, project: Project) -> Any:
    """Two missed voids of scan a in the list, the first through three slices; none is selected."""
    found = (finding(WHERE), finding([(4, 20, 3)]))
    cycle, shape = add_cycle(project), project.scan("a").shape
    mask, sure = np.full(shape, SOLDER, np.uint8), np.zeros(shape, np.float16)
    set_prediction(project, cycle.id, "a", mask, sure, ScanFindings(found, (), (0,) * 6))
    project.events.findings_changed.emit()
    dock.view.label.queue.tabs.setCurrentIndex(1)
    return dock


def enclosed(data: np.ndarray, plane: Plane) -> dict[int, set[tuple[int, int]]]:
    """The pixels (y, x) that edges (N, 2, 3) enclose, by slice: those left of which an odd number of edges stands."""
    found: dict[int, set[tuple[int, int]]] = {}
    for index in {int(i) for i in data[:, 0, plane.axis]}:
        own = np.delete(data[data[:, 0, plane.axis] == index], plane.axis, axis=2)
        standing = [tuple(start) for start, way in own if tuple(way) == (1, 0)]
        for y in range(40):
            for x in range(40):
                if sum(row == y - 0.5 and column < x for row, column in standing) % 2:
                    found.setdefault(index, set()).add((y, x))
    return found


def outlined(dock: Any) -> dict[int, set[tuple[int, int]]]:
    """The pixels (y, x) inside the outline, by slice."""
    layer = dock.view.layers.find("outline")
    return {} if layer is None else enclosed(layer.data, Plane.AXIS1)


def test_a_selected_finding_is_outlined_on_every_slice_it_reaches(listed: Any, project: Project) -> None:
    box, layers = listed.view.label.queue, listed.view.layers
    assert outlined(listed) == {}
    box.pick(0)
    assert outlined(listed) == {i: {(y, x) for _, y, x in WHERE} for i in (1, 2, 3)}
    layer = layers.find("outline")
    assert (layer.scale == layers.find("labels").scale).all()
    assert listed._viewer.layers.selection.active.name == "labels", "one paints on"
    assert "48 voxels in 3 slices (0001 to 0003)" in box.card.text()
    assert "all 3 slices" in listed.view.label.accept.toolTip()
    layers.jump(SliceKey("a", 3))
    assert 3 in outlined(listed)
    box.pick(1)
    assert outlined(listed) == {4: {(20, 3)}}
    box.tabs.setCurrentIndex(0)
    assert outlined(listed) == {}


def test_the_outline_stays_with_its_scan_and_goes_with_its_finding(listed: Any, project: Project) -> None:
    box, layers = listed.view.label.queue, listed.view.layers
    box.pick(0)
    layers.jump(SliceKey("b", 1))
    assert outlined(listed) == {}
    layers.jump(SliceKey("a", 2))
    assert set(outlined(listed)) == {1, 2, 3}
    listed.view.label.accept_shown()
    assert listed.jobs.message.text() == "a/0001: 48 pixels labelled in 3 slices."
    assert outlined(listed) == {4: {(20, 3)}}, "the next one is selected"
    listed.view.label.queue.pass_over()
    assert outlined(listed) == {} and box.list.rows() == ()
    assert len(project.labels) == 3


def test_who_deletes_the_outline_is_rid_of_it_until_a_row_is_selected(listed: Any, qtbot: Any) -> None:
    box, viewer = listed.view.label.queue, listed._viewer
    box.pick(0)
    viewer.layers.remove(listed.view.layers.find("outline"))
    qtbot.wait(50)
    viewer.dims.set_current_step(1, 2)
    assert outlined(listed) == {}
    box.pick(0)
    assert set(outlined(listed)) == {1, 2, 3}
    listed.close_project()
    assert [layer.name for layer in viewer.layers] == []


@pytest.mark.parametrize("plane", list(Plane))
def test_edges_enclose_the_pixels_of_a_finding_and_no_others(plane: Plane, project: Project) -> None:
    record = project.scan("a").model_copy(update={"plane": plane})
    height, width = record.slice_shape
    last, rng = record.n_slices - 1, np.random.default_rng(0)
    where = [(1, y, x) for y, x in np.argwhere(rng.random((height, width)) < 0.5)]
    found = finding([(0, 2, 3), (0, 2, 4), *where, (last, height - 1, width - 1)])
    data = edges(record, found)
    expected = {
        index: {(int(y), int(x)) for y, x in np.argwhere(found.within(index, record.slice_shape))}
        for index in (0, 1, last)
    }
    assert enclosed(data, plane) == expected
    lying = np.delete(data[:, 1], plane.axis, axis=1)[:, 1] == 1
    padded = np.pad(found.within(1, record.slice_shape), 1)
    of_one = data[:, 0, plane.axis] == 1
    assert int((lying & of_one).sum()) == int((padded[1:] != padded[:-1]).sum())
    one = edges(record, finding([(1, 3, 4)]))
    assert len(one) == 4 and {tuple(np.delete(s, plane.axis)) for s, _ in one} == {
        (2.5, 3.5), (3.5, 3.5), (2.5, 4.5),
    }  # fmt: skip
