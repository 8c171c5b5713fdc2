"""What people said: one mask file per labelled slice, each with its provenance inside; every change can be undone."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from voidscope.errors import LabelError, ProjectError
from voidscope.project.atomic import Draft, explained, keep_all, remove
from voidscope.project.journal import Change, DamagedStep, Journal, Step
from voidscope.project.label_files import (
    LabelRecord,
    Look,
    PackedLabel,
    Stamp,
    StoredLabel,
    encode,
    fitting,
    joined,
    label_path,
    now,
    read_record,
    stamp,
    user,
)
from voidscope.project.manifest import still_there
from voidscope.project.turned import Turned
from voidscope.vocabulary import Mask, Provenance, SliceKey

VERBS = {
    Provenance.DRAWN: "painted",
    Provenance.ACCEPTED: "accepted",
    Provenance.PROPAGATED: "propagated",
    Provenance.IMPORTED: "imported",
}
"""What a change is called when it is undone, unless whoever makes it says more."""


class Labels:
    """Store of label masks by slice key; every change is on disk, durably, when the call returns, and can be undone.

    What was only propagated is *unverified*: `get` and `record` know it, but it is not among the labelled slices that
    `in`, `len`, `keys`, `of` and `counts` speak of, so that nothing learns from it or is judged by it, until a person
    accepts it or labels on it.

    `shape_of` gives the (h, w) of a key or raises for an unknown one; `changed` is told the slices that a step has
    changed, once all of it is on disk. Another program may label in the same folder: `catch_up` takes in what it did, and `put` joins a label it wrote meanwhile.
    """

    def __init__(
        self, folder: Path, n_classes: int, shape_of: Callable[[SliceKey], tuple[int, int]],
        changed: Callable[[tuple[SliceKey, ...]], None], journal: Journal,
    ) -> None:  # fmt: skip
        self._folder = folder
        self._journal = journal
        self._n_classes = n_classes
        self._shape_of = shape_of
        self._changed = changed
        self._records: dict[SliceKey, LabelRecord] = {}
        self._stamps: dict[SliceKey, Stamp | None] = {}
        self._settled: dict[str, int] = {}
        self._damaged: dict[SliceKey, Stamp] = {}
        for key, path in Look.into(self._folder, {}, self._is_known).files.items():
            self._take_in(key, path)

    def __len__(self) -> int:
        return len(self.keys())

    def __contains__(self, key: object) -> bool:
        return isinstance(key, SliceKey) and key in self._records and self._records[key].verified

    def __iter__(self) -> Iterator[SliceKey]:
        return iter(self.keys())

    def keys(self) -> tuple[SliceKey, ...]:
        """All labelled slices in order; unverified ones are not among them."""
        return tuple(sorted(k for k in self._records if k in self))

    @property
    def unverified(self) -> tuple[SliceKey, ...]:
        """Slices with a propagated label that no person has accepted yet, in order."""
        return tuple(sorted(k for k in self._records if k not in self))

    def speak_of(self, scan: str) -> bool:
        """Whether any slice of a scan has a label, verified or not."""
        return any(key.scan == scan for key in self._records)

    def holds(self, key: SliceKey) -> bool:
        """Whether there is a label of a slice, verified or not."""
        return key in self._records

    def of(self, scan: str) -> tuple[SliceKey, ...]:
        """The labelled slices of one scan in order."""
        return tuple(k for k in self.keys() if k.scan == scan)

    def record(self, key: SliceKey) -> LabelRecord:
        """Provenance of a labelled slice; raises `LabelError` for an unlabelled one."""
        if key not in self._records:
            raise LabelError(f"{key} has no label; paint or import one first.")
        return self._records[key]

    def get(self, key: SliceKey) -> Mask | None:
        """The label mask (h, w) with ids 0..C, or None; raises `ProjectError` when its file is damaged."""
        return self.stored(key).mask() if key in self._records else None

    def stored(self, key: SliceKey) -> StoredLabel:
        """The label of a slice to be read later; raises `LabelError` for an unlabelled one."""
        return StoredLabel(key, self._path(key), self.record(key))

    def packed(self, keys: Iterable[SliceKey]) -> tuple[PackedLabel, ...]:
        """The labels of these slices as they are now, for a job that unpacks them; raises `LabelError` for an unlabelled one."""
        return tuple(self.stored(key).packed() for key in keys)

    def put(
        self, key: SliceKey, mask: npt.NDArray[np.integer], provenance: Provenance = Provenance.DRAWN, author: str = "",
    ) -> None:  # fmt: skip
        """Store a label mask (h, w), ids 0..C; one without any labelled pixel removes the label.

        Where another program has labelled the slice since it was last looked at, its label stays on the pixels that `mask`
        leaves unlabelled. Raises `LabelError` when shape or ids do not fit, `ProjectError` when the disk refuses.
        """
        self.put_all({key: mask}, provenance, author)

    def put_all(
        self, masks: Mapping[SliceKey, npt.NDArray[np.integer]], provenance: Provenance = Provenance.DRAWN,
        author: str = "", *, verb: str = "", proposed: bool = False,
        bases: Mapping[SliceKey, Mask] = MappingProxyType({}), unseen: Collection[SliceKey] = (),
    ) -> None:  # fmt: skip
        """`put` several masks as one step of undo, called `verb`; nothing is written unless all of them fit.

        `proposed` says that a model had a part in masks that are propagated. `bases` are the labels that masks were painted on:
        over one stored since, only the pixels painted since win, and nothing stays of an unverified one, for nobody saw it. The label of
        a slice that was `unseen`, or that somebody has painted on unseen meanwhile, stays unverified, with all that was painted in it.
        """
        still_there(self._folder.parent)
        wanted: dict[SliceKey, tuple[Mask, LabelRecord | None]] = {}
        fit = {k: fitting(k, m, self._shape_of(k), self._n_classes) for k, m in masks.items()}
        for key, mask in fit.items():
            with explained(self._path(key)):
                whole, before, seen = self._joined(key, mask, bases.get(key), seen=key not in unseen)
            how, had_model, painted = _standing(before, provenance, proposed, seen=seen)
            of = partial(LabelRecord.of, author=author, proposed=had_model, painted=painted)
            wanted[key] = (whole, of(whole, self._n_classes, how) if whole.any() else None)
        self._do(verb, provenance, wanted)

    def accept(self, key: SliceKey) -> None:
        """Stand behind an unverified label as it is; raises `LabelError` when the slice has none."""
        self.catch_up()
        mask = self.get(key)
        if mask is None or key in self:
            raise LabelError(f"{key} has no propagated label to accept.")
        record = replace(self._records[key], provenance=Provenance.ACCEPTED, author=user(), time=now())
        self._do("", Provenance.ACCEPTED, {key: (mask, record)})

    def remove(self, key: SliceKey, verb: str = "erased") -> None:
        """Forget the label of a slice; an unlabelled slice is fine."""
        still_there(self._folder.parent)
        if key in self._records:
            self._do(verb, Provenance.DRAWN, {key: (np.zeros(self._shape_of(key), np.uint8), None)})

    def undo(self) -> Turned | None:
        """Take back the newest step that is not undone yet, whoever made it and whenever; None when there is none.

        A label that is no longer what the step made of it is never overwritten: it is among `Turned.kept`. A step of removed scans
        is passed over and stays as it is.
        Raises `ProjectError` when the disk refuses, or the step's file is damaged; that step is then given up.
        """
        return self._turn(back=True)

    def redo(self) -> Turned | None:
        """Do the step undone last again; as `undo` otherwise."""
        return self._turn(back=False)

    @property
    def can_undo(self) -> bool:
        """Whether there is a step to undo."""
        return self._journal.next(back=True) is not None

    @property
    def can_redo(self) -> bool:
        """Whether there is a step to redo."""
        return self._journal.next(back=False) is not None

    def catch_up(self) -> None:
        """Take in what another program has labelled in this folder since it was last looked at.

        Raises `ProjectError`, once all else is taken in and told, for a label that is damaged since; not again until its file changes.
        """
        with explained(self._folder):
            still_there(self._folder.parent)
            look = Look.into(self._folder, self._settled, self._is_known)
            gone = look.gone(self._records)
            for key in gone:
                self._forget(key)
            news, damaged = _news(look, self._stamps)
            self._records |= {key: record for key, (record, _) in news.items()}
            self._stamps |= {key: now for key, (_, now) in news.items()}
            self._settled = look.settled({k.scan for k in damaged})
        if gone or news:
            self._changed((*gone, *news))
        untold = [error for k, (error, now) in damaged.items() if now != self._damaged.get(k)]
        self._damaged = {key: now for key, (_, now) in damaged.items()}
        if untold:
            raise untold[0]

    def counts(self, keys: Iterable[SliceKey] | None = None) -> npt.NDArray[np.int64]:
        """Labelled pixels per class (C,), over all labelled slices or those of `keys`."""
        total = np.zeros(self._n_classes, dtype=np.int64)
        for key in self if keys is None else keys:
            if key in self:
                total += np.asarray(self._records[key].pixels)
        return total

    def _is_known(self, key: SliceKey) -> bool:
        try:
            self._shape_of(key)
        except ProjectError:
            return False
        return True

    def _has(self, key: SliceKey) -> bool:
        """Whether the project has the scan of a slice."""
        return self._is_known(SliceKey(key.scan, 0))

    def _take_in(self, key: SliceKey, path: Path) -> None:
        now = stamp(path)
        self._records[key] = read_record(path)
        self._stamps[key] = now  # of a damaged label none is noted: it stays news

    def _do(
        self, verb: str, provenance: Provenance, wanted: Mapping[SliceKey, tuple[Mask, LabelRecord | None]]
    ) -> None:
        """Write the step down, then the labels it is about."""
        with explained(self._folder):
            changes = []
            for key, (mask, record) in wanted.items():
                before, was = self._said(key)
                if not _alike(before, record):
                    changes.append(Change.between(key, before, was, record, mask))
            erased = provenance is Provenance.DRAWN and all(c.erases for c in changes)
            word = verb or ("erased" if erased else VERBS[provenance])
            drafts = {key: self._draft(key, mask, record) for key, (mask, record) in wanted.items()}
            if changes:
                self._journal.append(word, changes)
        with _telling(self._changed) as kept, explained(self._folder):
            for key, (_, record) in wanted.items():
                self._keep(key, record, drafts[key])
                kept.append(key)
            self._journal.tidy()

    def _draft(self, key: SliceKey, mask: Mask, record: LabelRecord | None) -> Draft | None:
        """The label's file, on disk but not yet in its place; a full disk refuses it before anything has changed."""
        return None if record is None else Draft.of(self._path(key), encode(key, mask, record))

    def _keep(self, key: SliceKey, record: LabelRecord | None, draft: Draft | None) -> None:
        if record is None or draft is None:
            remove(self._path(key))
            self._forget(key)
        else:
            keep_all([draft])
            self._records[key], self._stamps[key] = record, stamp(self._path(key))

    def _said(self, key: SliceKey) -> tuple[LabelRecord | None, Mask]:
        """Record and mask of a slice now; a file that cannot be read says nothing any more."""
        with suppress(ProjectError):
            if (mask := self.get(key)) is not None:
                return self._records[key], mask
        return None, np.zeros(self._shape_of(key), np.uint8)

    def _turn(self, *, back: bool) -> Turned | None:
        self.catch_up()
        passed: dict[Path, Step] = {}
        while (path := self._journal.next(back=back, without=passed)) is not None:
            step = self._journal.read(path)
            if not any(self._has(change.key) for change in step.changes):
                passed[path] = step
                continue
            states = self._turn_step(path, step, back)
            if any(state is not None for state in states.values()):
                return Turned.of(step, states, self._has, back, [*passed.values()])
        steps = [*passed.values()]
        return Turned.of(steps[0], {}, self._has, back, steps) if steps else None

    def _turn_step(self, path: Path, step: Step, back: bool) -> dict[SliceKey, bool | None]:
        """Undo or redo a step; it counts as done for as long as any label may be as it made it."""
        try:
            states = {change.key: self._may_turn(change, back) for change in step.changes}
            turning = [change for change in step.changes if states[change.key]]
            targets = [change.before if back else change.after for change in turning]
            masks = [change.apply(self._said(change.key)[1], back=back) for change in turning]
        except DamagedStep:
            self._journal.forget(path)
            raise
        drafts = list(map(self._draft, (c.key for c in turning), masks, targets))
        if not back:
            self._journal.turned(path, back=False)
        with _telling(self._changed) as kept:
            for change, record, draft in zip(turning, targets, drafts, strict=True):
                self._keep(change.key, record, draft)
                kept.append(change.key)
            if back:
                self._journal.turned(path, back=True)
        return states

    def _may_turn(self, change: Change, back: bool) -> bool | None:
        """Whether the label is to be changed (True), left to another program (False), or is there already (None)."""
        source, target = (change.after, change.before) if back else (change.before, change.after)
        if not self._is_known(change.key) or self._shape_of(change.key) != change.shape:
            return False
        record, _ = self._said(change.key)
        return True if _alike(record, source) else None if _alike(record, target) else False

    def _forget(self, key: SliceKey) -> None:
        self._records.pop(key, None)
        self._stamps.pop(key, None)

    def _joined(
        self, key: SliceKey, mask: Mask, base: Mask | None, *, seen: bool
    ) -> tuple[Mask, LabelRecord | None, bool]:
        """`mask` and what another program has written since, how that came to be, and whether all of it was `seen`."""
        path = self._path(key)
        now = stamp(path)
        is_news = now is not None and now != self._stamps.get(key)
        if is_news:
            self._take_in(key, path)
        if now is None and base is not None:
            self._forget(key)
        before = self._records.get(key)
        if before is None or not (is_news or base is not None):
            return joined(mask, base, None), before, seen
        is_new = not before.verified and (base is None or not before.is_of(base))
        if is_new and seen and not before.painted:  # nobody has seen it, and nobody's work is in it
            return joined(mask, base, None), None, seen
        return joined(mask, base, self.stored(key)), before, seen and not is_new

    def _path(self, key: SliceKey) -> Path:
        return label_path(self._folder, key)


def _news(
    look: Look, stamps: Mapping[SliceKey, Stamp | None]
) -> tuple[dict[SliceKey, tuple[LabelRecord, Stamp]], dict[SliceKey, tuple[ProjectError, Stamp]]]:
    """Labels written since they had these stamps, each read by itself, and those that are damaged; with the stamps they have now."""
    news, damaged = {}, {}
    for key, path in look.files.items():
        now = stamp(path)
        if now is not None and now != stamps.get(key):
            try:
                news[key] = read_record(path), now
            except ProjectError as error:
                damaged[key] = error, now
    return news, damaged


@contextmanager
def _telling(changed: Callable[[tuple[SliceKey, ...]], None]) -> Iterator[list[SliceKey]]:
    """Tell in the end which slices were changed, all of a step or those before one that the disk refuses."""
    kept: list[SliceKey] = []
    try:
        yield kept
    finally:
        if kept:
            changed(tuple(kept))


def _alike(one: LabelRecord | None, other: LabelRecord | None) -> bool:
    return one is other is None or (one is not None and one.says_as(other))


def _standing(
    before: LabelRecord | None, provenance: Provenance, proposed: bool, *, seen: bool
) -> tuple[Provenance, bool, bool]:
    """As what a mask is stored, whether a model had a part in it, and whether a person painted on an unverified label that they did not
    see all of, which stays one.
    """
    if before is not None and not (seen or before.verified):
        return before.provenance, before.proposed or provenance is Provenance.ACCEPTED, True
    if provenance is Provenance.DRAWN:
        return provenance, before is not None and before.proposed, False
    had_model = provenance is Provenance.ACCEPTED or (proposed and provenance is Provenance.PROPAGATED)
    return provenance, had_model, False
