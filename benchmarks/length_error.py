"""Lengths of bumps against the exact geometry of the phantom: edges to the voxel beside edges interpolated from probabilities.

A simulated scan's truth is known finer than its voxels: the signed distances its bump is made of, read here at `FINE` points
a voxel along one axis at a time, and measured by the product's own definitions. What each project's model found in the test scans of
the data set is measured twice, with and without the margins of its mask. Of each scan the bump in the middle counts; its
neighbours are cut by the field.

    voidscope simulate DATA --logic 35 --memory 65 --seed 5101 --difficulty ordinary
    python benchmarks/length_error.py DATA PROJECT [PROJECT ...]
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

import voidscope as vs
from voidscope.metrology import Dimensions, ScanMeasurement, dimensions, measure_scan
from voidscope.project.margins import read_margins
from voidscope.vocabulary import ClassMap, Mask
from voidscope.volume.phantom.bump import Form, bodies_of, random_form
from voidscope.volume.phantom.difficulty import LOT, conditions
from voidscope.volume.phantom.geometry import Frame, Kind, Shape, random_frame, random_shape

FINE = 16
"""Points at which the geometry is read along each voxel."""
LENGTHS = {
    "blt_um": "bond line", "pillar_height_um": "pillar height", "pillar_width_um": "pillar width", "extrusion_um": "extrusion, all four sides",
    "largest_extrusion_um": "extrusion where it is most", "pad_misalignment_um": "pad misalignment",
}  # fmt: skip
Lengths = Mapping[str, float | Mapping[str, float] | None]


def main() -> None:
    """Print a table for each project and one for all."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("projects", type=Path, nargs="+")
    given = parser.parse_args()
    dataset = vs.Dataset.open(given.data)
    told = json.loads((given.data / "dataset.json").read_text())
    built = {n: built_as(n, told["simulated"]) for n in told["test"]}
    truth = {n: exact(*b, dataset.classes) for n, b in built.items()}
    everything: list[tuple[Lengths, Lengths, Lengths]] = []
    for path in given.projects:
        project = vs.Project.open(path)
        rows = [
            (truth[n], *found)
            for n, (_, frame, _) in built.items()
            if (found := both_ways(project, n, frame)) is not None
        ]
        assert project.cycle is not None
        print(f"\n{len(project.cycle.labelled)} labelled slices, {len(rows)} bumps of {len(built)} scans\n")
        print(table(rows))
        everything += rows
    print(f"\nAll {len(everything)}\n\n{table(everything)}")


def built_as(name: str, simulated: Mapping[str, str]) -> tuple[Form, Frame, Shape]:
    """How a scan's bump was drawn: its form and frame, as `simulate_scan` draws them, and the shape of the scan."""
    kind: Kind = "logic" if name.startswith("logic") else "memory"
    number, drawn_from = int(name.partition("_")[2]), conditions(simulated["difficulty"])
    key = [int(simulated["seed"]), ("logic", "memory").index(kind)]
    drawn_from = drawn_from.of_lot(np.random.default_rng([*key, number // LOT, 1]))
    rng = np.random.default_rng([*key, number])
    shape, forms = random_shape(rng), drawn_from.forms
    frame = random_frame(shape, forms.off_centre_sd, forms.lean_sd_deg, rng)
    return random_form(kind, shape, forms, rng), frame, shape


def exact(form: Form, frame: Frame, shape: Shape, classes: ClassMap) -> dict[str, object]:
    """The lengths of a bump by its geometry, um."""
    finely = [along(form, frame, shape, axis, classes) for axis in range(3)]
    sides = {
        side: out
        for found, name in zip(finely[1:], "yx", strict=True)
        for side, out in (found.extrusion_um or {}).items()
        if name in side
    }
    return {
        **{n: getattr(finely[0], n) for n in ("blt_um", "pillar_height_um", "pad_misalignment_um")},
        "pillar_width_um": 2 * form.radius * 0.7, "extrusion_um": sides, "largest_extrusion_um": max(sides.values()),
    }  # fmt: skip


def along(form: Form, frame: Frame, shape: Shape, axis: int, classes: ClassMap) -> Dimensions:
    """A bump without its neighbours and voids, measured in a mask that is `FINE` times finer along one axis."""
    at = [np.arange(n, dtype=np.float64) for n in shape]
    at[axis] = (np.arange(shape[axis] * FINE) + 0.5) / FINE - 0.5
    z, y, x = np.meshgrid(*at, indexing="ij")
    (middle, *axle), (lean_y, lean_x) = frame.middle, map(float, frame.lean)
    y, x, up = y - axle[0], x - axle[1], z - middle
    grid = (z + lean_y * y + lean_x * x, y - lean_y * up, x - lean_x * up)
    own = tuple(g.astype(np.float32) for g in grid)
    bodies = bodies_of(form, Frame((own[0], own[1], own[2]), frame.middle, frame.lean))
    mask: Mask = np.full(z.shape, classes.id_of("background"), np.uint8)
    for body, name in (("solder", "solder"), ("pillar", "copper_pillar"), ("pad", "copper_pad")):
        if body in bodies:
            mask[bodies[body] < 0] = classes.id_of(name)
    spacing = [0.7, 0.7, 0.7]
    spacing[axis] /= FINE
    return dimensions(mask, classes, (spacing[0], spacing[1], spacing[2]), vs.Config.product().measure)


def both_ways(project: vs.Project, scan: str, frame: Frame) -> tuple[Lengths, Lengths] | None:
    """The lengths of the bump in the middle of a scan by a model's mask, to the voxel and interpolated; None where there is none."""
    mask, cycle, record = project.mask(scan), project.cycle, project.scan(scan)
    if mask is None or cycle is None:
        return None
    recipe = project.config.measure
    margins = read_margins(cycle.folder, scan, mask, project.classes)
    found = [
        in_the_middle(measure_scan(mask, project.classes, record.spacing_um, recipe, scan, None, m), frame)
        for m in (None, margins)
    ]
    whole, finer = found
    return None if whole is None or finer is None else (lengths(whole), lengths(finer))


def in_the_middle(found: ScanMeasurement, frame: Frame) -> Dimensions | None:
    """What was measured of the bump through which the frame's axis goes."""
    for bump in found.bumps:
        if all(a <= m < b for m, (a, b) in zip(frame.middle, bump.structure.box, strict=True)):
            size = bump.measured.dimensions
            return size if size.build_axis == "z" else None
    return None


def lengths(size: Dimensions) -> Lengths:
    """By name."""
    return {n: getattr(size, n) for n in LENGTHS}


def table(rows: Sequence[tuple[Lengths, Lengths, Lengths]]) -> str:
    """Mean, median and largest absolute error, um, both ways."""
    lines = [
        "| length | n | to the voxel: mean, median, largest absolute error, µm | interpolated | mean error: to the voxel / interpolated |",
        "| --- | --- | --- | --- | --- |",
    ]
    for name, words in LENGTHS.items():
        one, two = (np.array(list(errors(rows, name, k))) for k in (1, 2))
        told = [
            f"{np.abs(e).mean():.3f}, {np.median(np.abs(e)):.3f}, {np.abs(e).max():.2f}" for e in (one, two)
        ]
        lines.append(
            f"| {words} | {len(one)} | {told[0]} | {told[1]} | {one.mean():+.3f} / {two.mean():+.3f} |"
        )
    return "\n".join(lines)


def errors(rows: Sequence[tuple[Lengths, Lengths, Lengths]], name: str, way: int) -> list[float]:
    """What was found less what is true, of every bump where both are known; of each side where a length has four."""
    found: list[float] = []
    for row in rows:
        true, value = row[0][name], row[way][name]
        if isinstance(true, Mapping) and isinstance(value, Mapping):
            found += [value[side] - true[side] for side in true]
        elif isinstance(true, float) and isinstance(value, float):
            found.append(value - true)
    return found


if __name__ == "__main__":
    main()
