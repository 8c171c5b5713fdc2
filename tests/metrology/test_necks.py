"""The least solid section between two ends of a body is the least cut of its graph of voxels."""

from __future__ import annotations

import networkx
import numpy as np
import pytest

from voidscope.metrology import necks
from voidscope.metrology.necks import neck_of


def column(radius: float, levels: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """A cylinder (levels, h, w) and its indices, from the middle across."""
    z, y, x = np.indices((levels, *[2 * int(radius) + 3] * 2)).astype(float)
    y, x = (a - int(radius) - 1 for a in (y, x))
    return np.hypot(y, x) <= radius, z, y, x


def cut_of(solid: np.ndarray, spacing: tuple[float, float, float]) -> float:
    """Slow twin: networkx on the same graph, a capacity of one face each way, in voxels of a level."""
    graph = networkx.DiGraph()
    graph.add_nodes_from(["start", "end"])
    for at in np.argwhere(solid):
        for axis in range(3):
            to = at + np.eye(3, dtype=int)[axis]
            if to[axis] < solid.shape[axis] and solid[tuple(to)]:
                for a, b in ((at, to), (to, at)):
                    graph.add_edge(tuple(a.tolist()), tuple(b.tolist()), capacity=spacing[0] / spacing[axis])
    for level, ends in ((0, ("start",)), (len(solid) - 1, ("end",))):
        for y, x in np.argwhere(solid[level]).tolist():
            pair = (ends[0], (level, y, x)) if level == 0 else ((level, y, x), ends[0])
            graph.add_edge(*pair)
    return float(networkx.maximum_flow_value(graph, "start", "end"))


@pytest.mark.parametrize("spacing", [(1, 1, 1), (1, 0.5, 0.5), (0.5, 1, 2)])
def test_it_is_that_of_a_slow_twin(spacing: tuple[float, float, float]) -> None:
    rng = np.random.default_rng(3)
    found = []
    for share in np.repeat((0.3, 0.5, 0.7, 0.9), 8):
        solid = rng.random((5, 4, 5)) < share
        solid[0, 0, 0] = solid[-1, 0, 0] = True
        flow, (first, last) = necks._least_cut(solid, [spacing[0] / s for s in spacing])
        found.append(flow / necks.UNIT)
        assert found[-1] == pytest.approx(cut_of(solid, spacing))
        assert 0 <= first <= last < 5
    assert 0 in found and max(found) > 4


@pytest.mark.parametrize("slope", [0.0, 0.3, 0.7])
def test_what_holds_a_tilted_crack_is_its_thread(slope: float) -> None:
    solid, z, y, x = column(10, 44)
    crack = np.abs(z - 22 - slope * x) <= 1
    thread = (np.abs(y) <= 1) & (np.abs(x) <= 1)
    assert neck_of(solid, (1, 1, 1)).section == solid[0].sum()
    held = neck_of(solid & ~(crack & ~thread), (1, 1, 1))
    assert held.section == 9 and 13 <= held.first < held.last <= 31
    assert neck_of(solid & ~crack, (1, 1, 1)).section == 0


def test_a_crack_a_voxel_thick_holds_nothing_where_it_steps() -> None:
    solid, z, _, x = column(10, 44)
    crack = z == 22 + np.round(1.4 * x)
    assert neck_of(solid & ~crack, (1, 1, 1)).section == 0
    assert necks._least_cut(solid & ~crack, [1, 1, 1])[0] > 0  # faces touch beside each step


@pytest.mark.parametrize("slope", [1.2, 1.5, 1.8])
@pytest.mark.parametrize("most_cells", [necks.FEW, 1300])
def test_nor_does_it_where_cells_are_looked_at(slope: float, most_cells: int) -> None:
    """Cells of 2 and 3 voxels, which faces that touch beside each step would fill."""
    solid, z, _, x = column(10, 52)
    crack = z == 26 + np.round(slope * x)
    assert neck_of(solid & ~crack, (1, 1, 1), most_cells).section == 0
    assert neck_of(solid, (1, 1, 1), most_cells).section > 0.8 * solid[0].sum()


def test_a_void_leaves_the_ring_around_it_and_a_thin_dome_its_apex() -> None:
    solid, z, y, x = column(10, 30)
    hollow = solid & (y**2 + x**2 + (z - 15) ** 2 > 36)
    assert neck_of(hollow, (1, 1, 1)).section == hollow[15].sum()
    dome = solid & (z <= 18 + np.sqrt(np.maximum(0, 100 - y**2 - x**2)))
    top = int(z[dome].max()) - 1
    dome, over_void = (s[:top] for s in (dome, dome & (y**2 + x**2 + (z - 20) ** 2 > 16)))
    assert neck_of(dome, (1, 1, 1)).section == dome[-1].sum()
    assert neck_of(over_void, (1, 1, 1)).section > 0.9 * dome[-1].sum()


@pytest.mark.parametrize("turned", [False, True])
def test_large_bodies_are_looked_at_in_cells(turned: bool) -> None:
    solid, z, y, x = column(40, 150)
    section = solid[0].sum()
    crack = z == 70 + np.round(0.3 * x)
    thread = np.hypot(y, x) <= 9
    whole, torn, held = (
        neck_of(s[::-1] if turned else s, (1, 1, 1))
        for s in (solid, solid & ~crack, solid & ~(crack & ~thread))
    )
    assert 0.85 * section < whole.section <= section
    assert torn.section == 0
    assert 0.3 * thread[0].sum() < held.section <= 1.5 * thread[0].sum()
    pores = np.random.default_rng(0).random(solid.shape) < 0.005
    assert neck_of(solid & ~pores, (1, 1, 1)).section > 0.5 * section


@pytest.mark.parametrize("most_cells", [64, 512, 4096])
@pytest.mark.parametrize("slope", [0.0, 0.1, 0.5])
def test_no_cell_is_so_large_that_a_thin_crack_is_lost_in_it(most_cells: int, slope: float) -> None:
    solid, z, y, x = column(40, 150)
    crack = z == 70 + np.round(slope * x)
    assert neck_of(solid & ~crack, (1, 1, 1), most_cells).section == 0
    thread = np.hypot(y, x) <= 20
    held = neck_of(solid & ~(crack & ~thread), (1, 1, 1), most_cells).section
    assert held < 2 * thread[0].sum()
