"""What a report shows of a scan beside its numbers."""

from __future__ import annotations

import numpy as np
import pytest

from builders import add_cycle, set_prediction
from voidscope.jobs import execute
from voidscope.metrology import overlay_png
from voidscope.project import Project
from voidscope.project.results import read_pictures
from voidscope.vocabulary import SliceKey
from voidscope.volume import slice_index
from voidscope.workflow import measure


@pytest.mark.parametrize("void_at", [None, 1])
def test_a_scan_is_pictured_where_its_void_is_most_or_without_any_its_foreground(
    project: Project, void_at: int | None
) -> None:
    record, solder, void = project.scan("a"), project.classes.id_of("solder"), project.classes.id_of("void")
    mask = np.full(record.shape, project.classes.id_of("background"), np.uint8)
    for k, width in ((2, 4), (3, 9), (4, 6)):
        mask[slice_index(record.plane, k)][5:15, 2 : 2 + width] = solder
    if void_at is not None:
        mask[slice_index(record.plane, void_at)][5:9, 2:6] = void
    cycle = add_cycle(project)
    set_prediction(project, cycle.id, "a", mask, np.zeros(mask.shape, np.float16))
    report = execute(measure(project, ["a"]))
    shown = 3 if void_at is None else void_at
    image = project.reader(["a"]).image(SliceKey("a", shown))
    wanted = overlay_png(
        image, mask[slice_index(record.plane, shown)], project.classes, record.slice_spacing_um
    )
    assert read_pictures(project.report_folder, report)["a"] == wanted
    assert ("The slice with the most foreground; there is no void in any" in report.html({"a": wanted})) is (
        void_at is None
    )
