"""Propagating: labels for the slices between or beside labelled ones, as proposals that a person accepts or not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise

from voidscope.errors import NotReady, StaleResult, counted
from voidscope.jobs import Job, Progress, Steps
from voidscope.labelling import ShapeInterpolation
from voidscope.project import Labels, Made, Project
from voidscope.vocabulary import Mask, Provenance, SliceKey

Proposals = dict[SliceKey, Made]
Make = Callable[[SliceKey, Mask], Made]
"""Makes a proposal ready, on disk but not in its place yet, while the job runs."""


def interpolate(project: Project, key: SliceKey) -> Job[Proposals, tuple[SliceKey, ...]]:
    """Propose labels between the labelled slices around `key`: shapes move from one to the next; returns the slices.

    From a labelled slice it fills the gaps to the nearest labelled slices on both sides, from another one the gap it
    lies in. Proposals are unverified; earlier ones in the gap are replaced, a person's labels never,
    nor a proposal that a person has painted on where they did not see it.

    Raises
    ------
    NotReady : `key` lies in, or next to, no gap between labelled slices.
    """
    gaps = [g for g in _gaps(project, key.scan) if g[0] <= key.index <= g[1]]
    if not gaps:
        raise NotReady(_no_gap(project, key))
    return _interpolating(project, key.scan, gaps)


def interpolate_scan(
    project: Project, scan: str, first: int = 0, last: int | None = None
) -> Job[Proposals, tuple[SliceKey, ...]]:
    """Propose labels in all gaps between labelled slices of a scan, or those from slice `first` to `last`; as `interpolate`.

    Raises
    ------
    NotReady : there is no gap between labelled slices.
    """
    end = project.scan(scan).n_slices - 1 if last is None else last
    gaps = [g for g in _gaps(project, scan) if first <= g[0] and g[1] <= end]
    if not gaps:
        labelled = ", ".join(str(k.index) for k in project.labels.of(scan)) or "none"
        raise NotReady(
            f"No gap lies between labelled slices of {scan} from {first} to {end}; its labelled slices are {labelled}. Label two with "
            "others between them."
        )
    return _interpolating(project, scan, gaps)


def _interpolating(
    project: Project, scan: str, gaps: Sequence[tuple[int, int]]
) -> Job[Proposals, tuple[SliceKey, ...]]:
    record = project.scan(scan)
    ends = sorted({SliceKey(scan, index) for gap in gaps for index in gap})
    labels = project.labels.packed(ends)
    spacing = record.slice_spacing_um or (1.0, 1.0)

    def steps(make: Make) -> Steps[Proposals]:
        found: Proposals = {}
        masks = {label.key: label.mask() for label in labels}
        total = sum(last - first - 1 for first, last in gaps)
        for first, last in gaps:
            yield Progress(len(found), total, f"between slices {first} and {last}")
            shapes = ShapeInterpolation(masks[SliceKey(scan, first)], masks[SliceKey(scan, last)], spacing)
            for index, mask in enumerate(shapes.steps(last - first), start=first + 1):
                key = SliceKey(scan, index)
                found[key] = make(key, mask)
                yield Progress(len(found), total, f"between slices {first} and {last}")
        return found

    return _proposing(project, "Interpolating", "interpolated", ends, steps)


def extrude(project: Project, key: SliceKey, n: int) -> Job[Proposals, tuple[SliceKey, ...]]:
    """Propose the label of `key` for the next n slices, or the -n before it where n is negative; returns them.

    Slices that a person has labelled, or painted on, keep their label.

    Raises
    ------
    NotReady : the slice has no label, or there is no slice to copy it to.
    """
    if key not in project.labels:
        raise NotReady(f"{key} has no label to copy; paint or accept one first.")
    step = 1 if n > 0 else -1
    wanted = range(key.index + step, key.index + n + step, step)
    there = [SliceKey(key.scan, k) for k in wanted if 0 <= k < project.scan(key.scan).n_slices]
    free = [k for k in there if _is_free(project.labels, k)]
    if not free:
        raise NotReady(
            f"There is no unlabelled slice to copy {key} to; the scan ends there, or all are labelled."
        )
    (label,) = project.labels.packed([key])

    def steps(make: Make) -> Steps[Proposals]:
        mask, found = label.mask(), Proposals()
        for at in free:
            yield Progress(len(found), len(free), f"copying {key}")
            found[at] = make(at, mask)
        return found

    return _proposing(project, "Copying", "copied", [key], steps)


def _proposing(
    project: Project,
    title: str,
    verb: str,
    sources: Sequence[SliceKey],
    steps: Callable[[Make], Steps[Proposals]],
) -> Job[Proposals, tuple[SliceKey, ...]]:
    said = {k: project.labels.record(k) for k in sources}
    proposed = any(r.proposed for r in said.values())
    make = partial(project.labels.desk().labelled, standing=(Provenance.PROPAGATED, proposed, False))

    def commit(found: Proposals) -> tuple[SliceKey, ...]:
        project.labels.catch_up()
        if any(k not in project.labels or not r.says_as(project.labels.record(k)) for k, r in said.items()):
            raise StaleResult("The labels changed meanwhile; nothing was proposed. Try again.")
        free = {k: made for k, made in found.items() if _is_free(project.labels, k)}
        masks = {k: made.mask for k, made in free.items()}
        project.labels.put_all(masks, Provenance.PROPAGATED, verb=verb, proposed=proposed, ahead=free)
        return tuple(sorted(k for k in free if project.labels.holds(k)))

    return Job(title, lambda: steps(make), commit)


def _is_free(labels: Labels, key: SliceKey) -> bool:
    """Whether a proposal may take the place of what is said of a slice: nothing, or a proposal with nobody's stroke in it."""
    return not labels.holds(key) or not (labels.record(key).verified or labels.record(key).painted)


def _gaps(project: Project, scan: str) -> list[tuple[int, int]]:
    """Pairs of neighbouring labelled slices of a scan with others between them, in order."""
    pairs = pairwise(k.index for k in project.labels.of(scan))
    return [(first, last) for first, last in pairs if last - first > 1]


def _no_gap(project: Project, key: SliceKey) -> str:
    labelled = project.labels.of(key.scan)
    if len(labelled) < 2:
        return f"{key.scan} has {counted(len(labelled), 'labelled slice')}; interpolating needs two, with others between them."
    return (
        f"{key} lies in no gap between labelled slices of {key.scan}; go to one, or label a slice farther on."
    )
