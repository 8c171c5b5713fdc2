"""Labels made ready on any thread: packed, on disk beside their places, the change of each written out for undo.

Nothing of the project has changed by then. `Labels` puts them in their places, which takes next to no time, and makes anew
what is no longer what it was made from.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np

from voidscope.errors import ProjectError
from voidscope.project.atomic import Draft
from voidscope.project.journal import Change, Step
from voidscope.project.label_files import LabelRecord, StoredLabel, encode, label_path
from voidscope.project.manifest import still_there
from voidscope.vocabulary import Mask, Provenance, SliceKey

MANY = 4
"""A step over more slices than this takes too long for the window's thread: about 70 ms a slice of 2048 x 2048."""
Standing = tuple[Provenance, bool, bool]
"""As what a mask is stored, whether a model had a part in it, and whether a person painted on it where they did not see it."""


@dataclass(frozen=True, slots=True, eq=False)
class Made:
    """What a step makes of the label of one slice, ready to be put in its place."""

    mask: Mask
    seen: LabelRecord | None
    """What the project said of the slice when this was made."""
    record: LabelRecord | None
    """What it says afterwards; None where the label goes."""
    file: Draft | None
    change: Change | None = None
    """For the journal; None where nothing changes, or where a step is turned, which is in the journal already."""
    erases: bool = False
    """Whether every pixel that differs becomes unlabelled."""

    def is_for(self, mask: Mask, seen: LabelRecord | None, standing: Standing, author: str) -> bool:
        """Whether it is what would be made now of this mask (h, w) for a slice of which that is said."""
        found = self.record
        if found is None or mask is not self.mask or seen is not self.seen:
            return False
        is_so = (found.provenance, found.proposed, found.painted) == standing
        return is_so and author in ("", found.author)


@dataclass(frozen=True, slots=True)
class Desk:
    """Where labels are made ready: the folder they lie in and what is said of each slice, of now or of when a job began."""

    folder: Path
    records: Mapping[SliceKey, LabelRecord]
    n_classes: int

    def labelled(self, key: SliceKey, mask: Mask, standing: Standing, author: str = "") -> Made:
        """A label that somebody gives a slice (h, w); one without any labelled pixel goes."""
        mask = np.ascontiguousarray(mask, dtype=np.uint8)
        (how, proposed, painted), n = standing, self.n_classes
        record = LabelRecord.of(mask, n, how, author=author, proposed=proposed, painted=painted)
        return self.changed(key, mask, record if any(record.pixels) else None)

    def changed(self, key: SliceKey, mask: Mask, record: LabelRecord | None) -> Made:
        """The label of a slice as a step makes it; raises `ProjectError` when the disk refuses."""
        before, was = self._said(key, (mask.shape[0], mask.shape[1]))
        change, erases = None, False
        if not alike(before, record):
            change = Change.between(key, before, was, record, mask)
            erases = not mask[was != mask].any()
        return Made(mask, self.records.get(key), record, self._file(key, mask, record), change, erases)

    def turned(self, change: Change, back: bool) -> tuple[bool | None, Made | None]:
        """The label of a slice before a change (`back`) or after it, and whether it is to be put there (True), the label is there already
        (None), or is another than the change made, and to be left (False).

        Raises `DamagedStep` where the change says nothing usable, `ProjectError` when the disk refuses.
        """
        key, (source, target) = change.key, (change.before, change.after)
        if back:
            source, target = target, source
        record, mask = self._said(key, change.shape)
        if not alike(record, source):
            return None if alike(record, target) else False, None
        became = change.apply(mask, back=back)
        return True, Made(became, self.records.get(key), target, self._file(key, became, target))

    def _said(self, key: SliceKey, shape: tuple[int, int]) -> tuple[LabelRecord | None, Mask]:
        """Record and mask of a slice; a file that cannot be read says nothing any more."""
        record = self.records.get(key)
        if record is not None:
            with suppress(ProjectError):
                return record, StoredLabel(key, label_path(self.folder, key), record).mask()
        return None, np.zeros(shape, np.uint8)

    def _file(self, key: SliceKey, mask: Mask, record: LabelRecord | None) -> Draft | None:
        """A label's file, on disk but not yet in its place; a full disk refuses it before anything has changed."""
        if record is None:
            return None
        still_there(self.folder.parent)
        return Draft.of(label_path(self.folder, key), encode(key, mask, record))


@dataclass(frozen=True, slots=True, eq=False)
class Putting:
    """Labels (h, w) that slices are given as one step of undo, as `Labels.put_all` takes them."""

    masks: Mapping[SliceKey, Mask]
    provenance: Provenance
    verb: str
    bases: Mapping[SliceKey, Mask]
    unseen: Collection[SliceKey]
    desk: Desk
    """What was said of the labels when it was asked for."""

    @classmethod
    def of(
        cls, desk: Desk, masks: Mapping[SliceKey, Mask], provenance: Provenance, verb: str = "",
        bases: Mapping[SliceKey, Mask] = MappingProxyType({}), unseen: Collection[SliceKey] = (),
    ) -> Putting:  # fmt: skip
        """Labels to be given now; nobody may write to the masks any more."""
        packed = {k: np.ascontiguousarray(m, np.uint8) for k, m in masks.items()}
        return cls(packed, provenance, verb, bases, unseen, desk)

    @property
    def is_long(self) -> bool:
        """Whether its labels are to be made ready on a worker."""
        return len(self.masks) > MANY

    def made(self, key: SliceKey) -> Made:
        """The label of a slice made ready; raises `ProjectError` when the disk refuses."""
        seen = key not in self.unseen
        standing = standing_of(self.desk.records.get(key), self.provenance, proposed=False, seen=seen)
        return self.desk.labelled(key, self.masks[key], standing)


@dataclass(frozen=True, slots=True)
class Turning:
    """The step that undo (`back`) or redo turns next, as it was found; without a file where there are only steps to be `passed` over."""

    back: bool
    path: Path | None
    step: Step
    passed: Mapping[Path, Step]
    desk: Desk
    """What was said of the labels then."""

    @property
    def title(self) -> str:
        """What it is called while it is under way."""
        return "Undo" if self.back else "Redo"

    @property
    def is_long(self) -> bool:
        """Whether its labels are to be made ready on a worker."""
        return self.path is not None and len(self.step.changes) > MANY


def alike(one: LabelRecord | None, other: LabelRecord | None) -> bool:
    """Whether the same is said of a slice."""
    return one is other is None or (one is not None and one.says_as(other))


def standing_of(
    before: LabelRecord | None, provenance: Provenance, proposed: bool, *, seen: bool
) -> Standing:
    """As what a mask is stored, whether a model had a part in it, and whether a person painted on an unverified label that they did not
    see all of, which stays one.
    """
    if before is not None and not (seen or before.verified):
        return before.provenance, before.proposed or provenance is Provenance.ACCEPTED, True
    if provenance is Provenance.DRAWN:
        return provenance, before is not None and before.proposed, False
    had_model = provenance is Provenance.ACCEPTED or (proposed and provenance is Provenance.PROPAGATED)
    return provenance, had_model, False
