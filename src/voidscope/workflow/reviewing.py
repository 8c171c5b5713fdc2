"""Reviewing: what the current model may have missed, which labels it contradicts, and where its predictions flicker."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from voidscope.acquisition import KINDS, Finding, doubts
from voidscope.errors import NotReady, counted
from voidscope.jobs import Job, Progress, Steps
from voidscope.project import Cycle, PackedLabel, Project, ScanRecord, StoredLabel
from voidscope.project.masks import uncertainty_path
from voidscope.vocabulary import UNLABELLED, ClassMap, Mask, Role, SliceKey
from voidscope.volume import read_label_file, read_scan, slice_index
from voidscope.workflow.snapshot import current_cycle

Doubts = dict[tuple[str, str], tuple[Finding, ...]]
"""Findings by slice key, as text, and SHA-256 of the label that was compared."""


@dataclass(frozen=True, slots=True)
class Review:
    """Places to look at beside the queue, the weightiest first.

    Parameters
    ----------
    missed, doubts, flicker : findings of each kind, of all segmented scans, without settled ones
    unseen : scans whose masks say nothing of missed voids, as no sweep of this version made them
    settled : findings of all kinds that a person left as they are, which can be taken back
    uncompared : labelled slices that were not compared with this model's masks as they are labelled now, so nothing says whether they are in doubt
    """

    missed: tuple[Finding, ...] = ()
    doubts: tuple[Finding, ...] = ()
    flicker: tuple[Finding, ...] = ()
    unseen: tuple[str, ...] = ()
    settled: tuple[Finding, ...] = ()
    uncompared: tuple[SliceKey, ...] = ()

    def of(self, kind: str) -> tuple[Finding, ...]:
        """The findings of one kind."""
        return {"missed": self.missed, "doubt": self.doubts, "flicker": self.flicker}[kind]


@dataclass(frozen=True, slots=True)
class _Compared:
    """A labelled slice and where its scan's mask and entropy lie."""

    label: PackedLabel
    record: ScanRecord
    mask: Path
    entropy: Path


def review(project: Project, scans: Iterable[str] | None = None) -> Job[Doubts, Review]:
    """Compare every label of the segmented scans with the current model's masks; returns all there is to look at.

    Missed voids and flicker are found while a scan is segmented. Doubts need the labels of now: this compares them.

    Raises
    ------
    NotReady : there is no model yet, or none of the scans is segmented.
    """
    cycle = current_cycle(project)
    names = [project.scan(n).name for n in (project.scans if scans is None else scans)]
    names = [n for n in names if project.is_segmented(n)]
    if not names:
        raise NotReady(
            f"No scan of {project.name} is segmented by its current model; segment one with: voidscope segment {project.path}"
        )
    todo, classes = _to_compare(project, cycle, names), project.classes

    def steps() -> Steps[Doubts]:
        yield Progress(0, len(todo), "comparing labels")
        found: Doubts = {}
        masks: dict[Path, Mask] = {}
        for done, one in enumerate(todo, start=1):
            if one.mask not in masks:
                masks = {one.mask: classes.from_file(read_label_file(one.mask))}
            label = one.label
            found[str(label.key), label.record.sha256] = _doubts(one, masks[one.mask])
            yield Progress(done, len(todo), f"comparing labels of {label.key.scan}")
        return found

    def commit(found: Doubts) -> Review:
        others = {k: d for k, d in cycle.doubts.items() if SliceKey.parse(k[0]).scan not in names}
        project.set_doubts(cycle.id, {**others, **found})
        return findings(project, names)

    return Job("Reviewing", steps, commit)


def findings(project: Project, scans: Sequence[str] | None = None) -> Review:
    """All there is to look at by now; doubts as `review` last found them.

    A missed void or a flicker is done with once the pixel to look at first is labelled; a doubt, once the label says something else
    of any of its pixels than when it was compared. What a person settled is listed apart.
    """
    cycle = project.cycle
    names = list(project.scans if scans is None else scans)
    labels = project.labels
    if cycle is None:
        return Review(uncompared=tuple(k for k in labels if k.scan in names))
    seen, asked = {n: cycle.findings(n) for n in names if project.is_segmented(n)}, _asked(cycle.folder)
    open_ = [
        f
        for s in seen.values()
        if s
        for f in (*s.missed, *s.flicker)
        if _said(project, f, asked) == UNLABELLED
    ]
    compared = cycle.doubts
    uncompared = (k for k in labels if k.scan in names and (str(k), labels.record(k).sha256) not in compared)
    open_ += [
        f
        for (_, sha256), found in compared.items()
        for f in found
        if f.key.scan in names and _stands(project, f, sha256, asked)
    ]
    ranked = sorted(open_, key=lambda f: -f.n_pixels * f.strength)
    settled = tuple(f for f in ranked if project.queue.is_settled(f))
    ranked = [f for f in ranked if f not in settled]
    missed, doubts_, flickers = (tuple(f for f in ranked if f.kind == kind) for kind in KINDS)
    unseen = tuple(n for n, s in seen.items() if s is None)
    return Review(missed, doubts_, flickers, unseen, settled, tuple(uncompared))


def brief(finding: Finding, classes: ClassMap) -> str:
    """A finding in a few words, for a row of a list."""
    name = classes.names[finding.class_id - 1]
    if finding.kind == "missed":
        return f"{counted(finding.n_pixels, 'voxel')}, void up to {finding.strength:.2f}"
    if finding.kind == "doubt":
        return f"{finding.n_pixels} px {classes.names[finding.label_id - 1]}, model: {name}"
    return f"{finding.n_pixels} px, neighbours: {name}"


class _Asked:
    """What labels say of a cycle's findings: asked for again after every stroke anywhere, so answers are kept, of one cycle at a time."""

    def __init__(self) -> None:
        self.pixel = lru_cache(maxsize=2**14)(_pixel)
        self.says = lru_cache(maxsize=2**12)(_says)


@lru_cache(maxsize=1)
def _asked(cycle: Path) -> _Asked:
    return _Asked()


def _said(project: Project, finding: Finding, asked: _Asked) -> int:
    """What a person said of the pixel to look at first; 0 for nothing."""
    labels, key = project.labels, finding.key
    return asked.pixel(labels.stored(key), finding.pixel) if labels.holds(key) else UNLABELLED


def _stands(project: Project, doubt: Finding, sha256: str, asked: _Asked) -> bool:
    """Whether a doubt's slice has the label that was compared, by its hash, or one that says the same of all its pixels."""
    labels, key = project.labels, doubt.key
    if not labels.holds(key):
        return False
    return labels.record(key).sha256 == sha256 or asked.says(labels.stored(key), doubt)


def _says(label: StoredLabel, doubt: Finding) -> bool:
    """Whether a label says of all pixels of a doubt what it said when it was compared; no where they were too many to keep."""
    mask = _mask(label)
    there = doubt.within(doubt.key.index, mask.shape)
    return bool(there.any() and (mask[there] == doubt.label_id).all())


def _pixel(label: StoredLabel, pixel: tuple[int, int]) -> int:
    """One pixel of a label."""
    return int(_mask(label)[pixel])


@lru_cache(maxsize=2)
def _mask(label: StoredLabel) -> Mask:
    return label.mask()


def taken_over(project: Project, finding: Finding, key: SliceKey, own: Mask) -> Mask:
    """What a slice's label (h, w), `own`, becomes once a finding is taken over; only a doubt changes what a person said.

    A missed void becomes void, a doubt the class that the model says, where the label says still what was compared, a flicker what
    the neighbouring slice is.
    """
    label, record = own.copy(), project.scan(key.scan)
    there = finding.within(key.index, record.slice_shape)
    free = there & (label == UNLABELLED)
    mask = project.mask(key.scan)
    if finding.kind == "doubt":
        label[there & (label == finding.label_id)] = finding.class_id
    elif finding.kind == "missed":
        label[free] = project.classes.ids_with_role(Role.VOID)[0]
    elif mask is not None:
        label[free] = mask[slice_index(record.plane, key.index - 1)][free]
    return label


def describe(finding: Finding, classes: ClassMap) -> str:
    """A finding in the words a person would use."""
    name = classes.names[finding.class_id - 1]
    if finding.kind == "missed":
        votes = f", seen in {finding.votes} of its mirror images" if finding.votes else ""
        return f"{counted(finding.n_pixels, 'voxel')}{_reach(finding)} called {name} that may be void: probability up to {finding.strength:.2f}{votes}"
    if finding.kind == "doubt":
        said = classes.names[finding.label_id - 1]
        return f"{counted(finding.n_pixels, 'pixel')} labelled {said}; the model says {name}, at least {finding.strength:.0%} sure"
    return f"{counted(finding.n_pixels, 'pixel')} ({finding.strength:.1%}) unlike both neighbours, which say {name} there"


def _reach(finding: Finding) -> str:
    """In which slices it lies, where they are several."""
    keys = finding.slices()
    return f" in {len(keys)} slices ({keys[0].index:04d} to {keys[-1].index:04d})" if len(keys) > 1 else ""


def _to_compare(project: Project, cycle: Cycle, names: Sequence[str]) -> list[_Compared]:
    keys = [k for k in project.labels if k.scan in names]
    return [
        _Compared(
            label,
            project.scan(scan := label.key.scan),
            project.mask_path(scan),
            uncertainty_path(cycle.folder, scan),
        )
        for label in project.labels.packed(keys)
    ]


def _doubts(one: _Compared, mask: Mask) -> tuple[Finding, ...]:
    where = slice_index(one.record.plane, one.label.key.index)
    entropy = np.asarray(read_scan(one.entropy).voxels[where], dtype=np.float32)
    return doubts(one.label.key, one.label.mask(), mask[where], entropy)
