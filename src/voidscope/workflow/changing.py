"""What changed for the bumps between two cycles, or between two recipes on the current model's masks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from voidscope.config import Config, MeasureConfig
from voidscope.errors import NotReady
from voidscope.jobs import Job, Progress, Steps
from voidscope.metrology import (
    Change,
    Changes,
    ScanMeasurement,
    changes_page,
    check_names,
    overlay_png,
    recipe_sha256,
    spot,
)
from voidscope.project import Cycle, Project, SliceReader, fingerprint, package_version, results
from voidscope.project.masks import mask_path, read_mask
from voidscope.vocabulary import ClassMap, Mask, SliceKey
from voidscope.volume import slice_index
from voidscope.workflow.doubting import Doubt, Standing, doubt_of, measured_mask
from voidscope.workflow.measuring import MARGIN
from voidscope.workflow.recording import UNKNOWN, commit_of_now
from voidscope.workflow.restoring import void_iou
from voidscope.workflow.snapshot import current_cycle, cycle_of, made_with

PICTURED = 6
"""Bumps shown before and after: those that moved most."""

Pictures = Mapping[tuple[str, str], tuple[bytes, bytes]]


def changes(
    project: Project,
    *,
    cycles: tuple[int, int] | None = None,
    recipes: Sequence[tuple[str, MeasureConfig]] | None = None,
    scans: Iterable[str] | None = None,
    config: Config | None = None,
) -> Job[tuple[Changes, Pictures], Changes]:
    """Measure the same scans before and after and say what moved; also kept in the project, as ``changes/changes.html``.

    Give `cycles`, two numbers measured by one recipe, or `recipes`, two names and recipes for the current model's masks. Scans
    that one side has no mask of are left out. A verdict is what a report would say: REVIEW of a model that is not in force or blind;
    which flips come of that alone is said.

    Raises
    ------
    ProjectError : no such cycle or scan.
    ConfigError : a recipe names a class that is none.
    NotReady : no scan has a mask on both sides, or lacks its spacing.
    """
    recipe = (config or project.config).measure
    if recipes is not None and len(recipes) == 2 and cycles is None:
        current = current_cycle(project)
        sides = [(name, current, how) for name, how in recipes]
    elif cycles is not None and recipes is None:
        sides = [(f"cycle {n}", cycle_of(project, n), recipe) for n in cycles]
    else:
        raise NotReady("Compare two cycles or two recipes, not both: --cycles 3,5, or --recipe A --recipe B.")
    for _, _, how in sides:
        check_names(project.classes, how, project.name)
    wanted = [project.scan(n).name for n in (project.scans if scans is None else scans)]
    names = [
        n for n in wanted
        if project.scan(n).spacing_um is not None and all(mask_path(c.folder, n).is_file() for _, c, _ in sides)
    ]  # fmt: skip
    if not names:
        raise NotReady(
            f"No scan of {project.name} with a spacing was segmented by both {sides[0][0]} and {sides[1][0]}; go back to a cycle "
            f"with restore, segment, and compare then."
        )
    reader, classes, folder = project.reader(names), project.classes, project.path
    doubts = [doubt_of(c, classes, how, Standing.now(project, c)) for _, c, how in sides]
    scores = {name: _scores(c, classes) for name, c, _ in sides} if cycles is not None else {}

    def steps() -> Steps[tuple[Changes, Pictures]]:
        one: list[ScanMeasurement] = []
        two: list[ScanMeasurement] = []
        sure: tuple[list[ScanMeasurement], list[ScanMeasurement]] = ([], [])
        sources: list[dict[str, str]] = []
        warnings: list[str] = []
        for done, name in enumerate(names):
            yield Progress(done, len(names), f"measuring {name} before and after")
            record = reader.records[name]
            now = fingerprint(record.place(folder))
            sources.append({"scan": name, "file": record.path, "fingerprint": now})
            for side, bare, (_, cycle, how), doubt in zip((one, two), sure, sides, doubts, strict=True):
                mask = _mask(cycle, name, classes, reader)
                when = "before" if side is one else "after"
                seen = measured_mask(cycle, record, mask, classes, how, Doubt(), now)
                sources[-1][f"mask {when}, SHA-256"] = seen.mask_sha256
                warnings += [f"{when}: {seen.warning}"] if seen.warning else []
                bare.append(seen.found)
                side.append(doubt.falls_on(bare[-1]))
        said = {
            name: words for (name, _, _), words in zip(sides, map(_words, doubts, sure), strict=True) if words
        }
        told = _made(folder) | {"sides": [_side(*side) for side in sides], "scans": sources}
        told |= {"warnings": "; ".join(warnings)} if warnings else {}
        found = Changes.of(one, two, (sides[0][0], sides[1][0]), scores, said, sure, told)
        yield Progress(len(names), len(names), "taking pictures")
        pair = (sides[0][1], sides[1][1])
        return found, {(r.scan, r.name): _pictures(r, pair, classes, reader) for r in found.moved[:PICTURED]}

    def commit(result: tuple[Changes, Pictures]) -> Changes:
        found, pictures = result
        page = changes_page(found, f"Project {project.name}", pictures)
        results.write_changes(results.changes_page(project.path).parent, found, page)
        return found

    return Job("Comparing measurements", steps, commit)


def _made(project: Path) -> dict[str, Any]:
    """When, by what and of which project a comparison is made."""
    software = f"voidscope {package_version('voidscope')}, commit {commit_of_now() or UNKNOWN}"
    return {"created": made_with()["created"], "software": software, "project": str(project.resolve())}


def _words(doubt: Doubt, measured: Sequence[ScanMeasurement]) -> str:
    """Why no verdict, or no PASS, comes of a model; empty where one does of all that was measured with it."""
    return doubt.words if doubt.reason or any(map(doubt.overturns, measured)) else ""


def _side(name: str, cycle: Cycle, recipe: MeasureConfig) -> dict[str, str]:
    """What a side was measured with: its model and its recipe by their hashes."""
    return {
        "side": name, "model": cycle.id, "weights SHA-256": cycle.weights_sha256, "recipe SHA-256": recipe_sha256(recipe),
    }  # fmt: skip


def _scores(cycle: Cycle, classes: ClassMap) -> dict[str, float | None]:
    """Held-out figures of a cycle."""
    found = cycle.evaluation or {}
    return {
        "mIoU": found.get("miou"),
        "void IoU": void_iou(cycle, classes),
        "void recall": found.get("void_recall"),
    }


def _mask(cycle: Cycle, scan: str, classes: ClassMap, reader: SliceReader) -> Mask:
    mask = read_mask(cycle.folder, scan, classes, reader.records[scan].shape)
    if mask is None:
        raise NotReady(f"The mask of {scan} by {cycle.id} is gone; run segment again.")
    return mask


def _pictures(
    row: Change, cycles: tuple[Cycle, Cycle], classes: ClassMap, reader: SliceReader
) -> tuple[bytes, bytes]:
    """The bump's slice beside either side's mask, cut to where either side sees it."""
    plane = reader.records[row.scan].plane
    bumps = [b for b in (row.after, row.before) if b is not None]
    seen = next((b for b in bumps if b.measured.voids), bumps[0])
    key = SliceKey(row.scan, round(spot(seen)[plane.axis]))
    edges = [
        (min(b.structure.box[a][0] for b in bumps), max(b.structure.box[a][1] for b in bumps))
        for a in range(3) if a != plane.axis
    ]  # fmt: skip
    window = tuple(slice(max(0, a - MARGIN), b + MARGIN) for a, b in edges)
    image = reader.image(key)[window]
    one, two = (
        overlay_png(
            image,
            _mask(c, row.scan, classes, reader)[slice_index(plane, key.index)][window],
            classes,
            reader.records[row.scan].slice_spacing_um,
        )
        for c in cycles
    )
    return one, two
