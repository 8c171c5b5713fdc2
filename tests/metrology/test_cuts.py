"""Whose a void is: told by its box, its voxels and where they lie, so that no two voids of a scan are taken for one."""

from __future__ import annotations

import csv
import io

from metrology.masks import HBM, RECIPE
from metrology.test_bumps import hooked
from voidscope.metrology import Report, measure_scan


def test_two_voids_of_one_box_and_size_lie_in_their_bump_once() -> None:
    found = measure_scan(hooked(), HBM, (1, 1, 1), RECIPE, "a")
    (bump,) = found.bumps
    assert found.voids[0].box == found.voids[1].box and found.voids[0].n_voxels == found.voids[1].n_voxels
    rows = list(csv.DictReader(io.StringIO(Report((found,)).csv())))
    assert [row["bump"] for row in rows] == [bump.name] * 2
