"""What people said: one mask file per labelled slice, each with its provenance inside; every change can be undone.

A label's way to the disk: `fitting` checks it, it is joined with one written meanwhile, the `Desk` makes its file's content,
the `Journal` notes the step for undo, the `LabelFolder` writes and renames, and who listens is told.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from voidscope.errors import LabelError, ProjectError, StaleResult
from voidscope.project.atomic import explained
from voidscope.project.drafting import Desk, Made, Putting, Turning, standing_of
from voidscope.project.journal import Change, DamagedStep, Journal, Step
from voidscope.project.label_files import (
    LabelRecord,
    PackedLabel,
    StoredLabel,
    fitting,
    joined,
    now,
    user,
)
from voidscope.project.label_folder import LabelFolder
from voidscope.project.labelled import Labelled
from voidscope.project.manifest import still_there
from voidscope.project.memory import HeldLabels
from voidscope.project.turned import Turned
from voidscope.vocabulary import Mask, Provenance, SliceKey

VERBS = {
    Provenance.DRAWN: "painted",
    Provenance.ACCEPTED: "accepted",
    Provenance.PROPAGATED: "propagated",
    Provenance.IMPORTED: "imported",
}
"""What a change is called when it is undone, unless whoever makes it says more."""


class Labels(Labelled):
    """Store of label masks by slice key; every change is on disk, durably, when the call returns, and can be undone.

    `shape_of` gives the (h, w) of a key or raises for an unknown one; `source_of` names the data and the plane of a scan, by which undo
    knows whether it is the one a step was about; `changed` is told the slices that a step has
    changed, once all of it is on disk. Another program may label in the same folder: `catch_up` takes in what it did, and `put` joins a label it wrote meanwhile.
    """

    def __init__(
        self, folder: Path, n_classes: int, shape_of: Callable[[SliceKey], tuple[int, int]],
        source_of: Callable[[str], str], changed: Callable[[tuple[SliceKey, ...]], None], journal: Journal,
    ) -> None:  # fmt: skip
        self._folder, self._journal = folder, journal
        self._shape_of, self._source_of, self._changed = shape_of, source_of, changed
        self._files = LabelFolder(folder, self._is_known)
        super().__init__(self._files.records, n_classes)
        self._held = HeldLabels()
        self._desk = Desk(folder, self._records, n_classes)

    def get(self, key: SliceKey) -> Mask | None:
        """The label mask (h, w) with ids 0..C, or None; raises `ProjectError` when its file is damaged."""
        if key not in self._records:
            return None
        mask = self._held_mask(key)
        if mask is None:
            mask = self.stored(key).mask()
            self._held.hold(key, self.record(key), mask)
        return mask.copy()

    def unread(self, scan: str) -> tuple[StoredLabel, ...]:
        """The labels of a scan, verified or not, that `get` would read from their files: for a job that reads them before."""
        keys = (k for k in self._records.order if k.scan == scan)
        return tuple(self.stored(k) for k in keys if self._held_mask(k) is None)

    def hold(self, read: Iterable[tuple[StoredLabel, Mask]]) -> None:
        """Have labels in memory that were read meanwhile, but for those that are others by now."""
        for label, mask in read:
            if self._records.get(label.key) is label.record:
                self._held.hold(label.key, label.record, mask)

    def stored(self, key: SliceKey) -> StoredLabel:
        """The label of a slice to be read later; raises `LabelError` for an unlabelled one."""
        return StoredLabel(key, self._files.path(key), self.record(key))

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
        ahead: Mapping[SliceKey, Made] = MappingProxyType({}),
    ) -> None:  # fmt: skip
        """`put` several masks as one step of undo, called `verb`; nothing is written unless all of them fit.

        `proposed` says that a model had a part in masks that are propagated. `bases` are the labels that masks were painted on:
        over one stored since, only the pixels painted since win, and nothing stays of an unverified one, for nobody saw it. The label of
        a slice that was `unseen`, or that somebody has painted on unseen meanwhile, stays unverified, with all that was painted in it.
        What was made `ahead` at a `desk` for such a mask is taken where it is still what would be made now.
        """
        still_there(self._folder.parent)
        wanted: dict[SliceKey, Made] = {}
        fit = {k: fitting(k, m, self._shape_of(k), self._n_classes) for k, m in masks.items()}
        for key, mask in fit.items():
            with explained(self._files.path(key)):
                whole, before, seen = self._joined(key, mask, bases.get(key), seen=key not in unseen)
            standing, made = standing_of(before, provenance, proposed, seen=seen), ahead.get(key)
            if made is None or not made.is_for(whole, self._records.get(key), standing, author):
                made = self._desk.labelled(key, whole, standing, author)
            wanted[key] = made
        self._do(verb, provenance, wanted)

    def put_made(self, asked: Putting, ahead: Mapping[SliceKey, Made]) -> None:
        """`put_all` with what was made `ahead` of its labels, where that is still what would be made now."""
        self.put_all(
            asked.masks,
            asked.provenance,
            verb=asked.verb,
            bases=asked.bases,
            unseen=asked.unseen,
            ahead=ahead,
        )

    def accept(self, key: SliceKey) -> None:
        """Stand behind an unverified label as it is; raises `LabelError` when the slice has none."""
        self.catch_up()
        mask = self.get(key)
        if mask is None or key in self:
            raise LabelError(f"{key} has no propagated label to accept.")
        record = replace(self._records[key], provenance=Provenance.ACCEPTED, author=user(), time=now())
        self._do("", Provenance.ACCEPTED, {key: self._desk.changed(key, mask, record)})

    def remove(self, key: SliceKey, verb: str = "erased") -> None:
        """Forget the label of a slice; an unlabelled slice is fine."""
        self.catch_up()
        if key in self._records:
            nothing = np.zeros(self._shape_of(key), np.uint8)
            self._do(verb, Provenance.DRAWN, {key: self._desk.changed(key, nothing, None)})

    def reject(self, key: SliceKey) -> None:
        """Drop an unverified label; raises `LabelError` when the slice has none, also where another program has labelled on it since."""
        self.catch_up()
        if key not in self.unverified:
            raise LabelError(
                f"{key} has no propagated label to drop: another program has labelled it, or dropped it, since."
            )
        self.remove(key, "rejected")

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

    def turning(self, *, back: bool) -> Turning | None:
        """The step that `undo` (`back`) or `redo` would turn now, for a job that makes its labels ready; None when there is none."""
        self.catch_up()
        return self._next(back)

    def turn(self, turning: Turning, ahead: Mapping[SliceKey, Made]) -> Turned | None:
        """Undo or redo a step with what was made `ahead` of its labels, where that is still what would be made now.

        Raises `StaleResult` where another step would be turned by now; else as `undo`.
        """
        self.catch_up()
        if self._journal.next(back=turning.back, without=turning.passed) != turning.path:
            raise StaleResult("The labels changed meanwhile; nothing was undone or redone. Try again.")
        return self._turned(turning, ahead)

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
            changed, damaged = self._files.look()
        if changed:
            self._changed(changed)
        if damaged:
            raise damaged[0]

    def desk(self) -> Desk:
        """Where a job makes labels ready, on any thread, as what is said of them now."""
        return Desk(self._folder, MappingProxyType(dict(self._records)), self._n_classes)

    def _held_mask(self, key: SliceKey) -> Mask | None:
        """The label of a slice where it is in memory and its file is the one it was read from."""
        return self._held.get(key, self.record(key)) if self._files.state(key) == (True, False) else None

    def _is_known(self, key: SliceKey) -> bool:
        try:
            self._shape_of(key)
        except ProjectError:
            return False
        return True

    def _has(self, change: Change) -> bool:
        """Whether the project has the scan that a change was about: the same data, seen along the same plane."""
        scan = change.key.scan
        return self._is_known(SliceKey(scan, 0)) and change.source in ("", self._source_of(scan))

    def _do(self, verb: str, provenance: Provenance, wanted: Mapping[SliceKey, Made]) -> None:
        """Write the step down, then put the labels it is about in their places."""
        changes = [
            replace(made.change, source=self._source_of(key.scan))
            for key, made in wanted.items()
            if made.change is not None
        ]
        erased = provenance is Provenance.DRAWN and all(m.erases for m in wanted.values() if m.change)
        with explained(self._folder):
            if changes:
                self._journal.append(verb or ("erased" if erased else VERBS[provenance]), changes)
        with explained(self._folder), self._keeping(wanted):
            self._journal.tidy()

    @contextmanager
    def _keeping(self, step: Mapping[SliceKey, Made]) -> Iterator[None]:
        """Put the labels of a step in their places, or away, and tell it once, when what is done inside is done, too.

        Of a step that the disk refuses half way, what was done is told.
        """
        done: list[SliceKey] = []
        try:
            self._files.keep(step, done)
            yield
        finally:
            if done:
                self._tell({key: step[key] for key in done})

    def _tell(self, step: Mapping[SliceKey, Made]) -> None:
        """Tell what a step has changed; who listens and asks for a label gets it without a file being read back."""
        for key, made in step.items():
            if made.record is not None and made.record is self._records.get(key):
                self._held.hold(key, made.record, made.mask.copy())
        self._changed(tuple(step))

    def _turn(self, *, back: bool) -> Turned | None:
        turning = self.turning(back=back)
        return None if turning is None else self._turned(turning, {})

    def _next(self, back: bool) -> Turning | None:
        passed: dict[Path, Step] = {}
        while (path := self._journal.next(back=back, without=passed)) is not None:
            step = self._journal.read(path)
            if any(map(self._has, step.changes)):
                return Turning(back, path, step, passed, self.desk())
            passed[path] = step
        return Turning(back, None, next(iter(passed.values())), passed, self.desk()) if passed else None

    def _turned(self, turning: Turning, ahead: Mapping[SliceKey, Made]) -> Turned | None:
        back, passed = turning.back, [*turning.passed.values()]
        gone = {c.key for c in turning.step.changes if not self._has(c)}
        if turning.path is None:
            return Turned.of(turning.step, {}, gone, back, passed)
        states = self._turn_step(turning.path, turning.step, back, ahead)
        if all(state is None for state in states.values()):
            return self._turn(back=back)
        return Turned.of(turning.step, states, gone, back, passed)

    def _turn_step(
        self, path: Path, step: Step, back: bool, ahead: Mapping[SliceKey, Made]
    ) -> dict[SliceKey, bool | None]:
        """Undo or redo a step; it counts as done for as long as any label may be as it made it.

        Says of each label whether it changed (True), is left to another program (False), or was there already (None).
        """
        states: dict[SliceKey, bool | None] = {}
        turning: dict[SliceKey, Made] = {}
        try:
            for change in step.changes:
                states[change.key], made = self._turned_slice(change, back, ahead.get(change.key))
                if made is not None:
                    turning[change.key] = made
        except DamagedStep:
            self._journal.forget(path)
            raise
        if not back:
            self._journal.turned(path, back=False)
        with self._keeping(turning):
            if back:
                self._journal.turned(path, back=True)
        return states

    def _turned_slice(self, change: Change, back: bool, made: Made | None) -> tuple[bool | None, Made | None]:
        """What becomes of one slice of a step (`Desk.turned`): as `made` ahead, where nothing else was said of it since."""
        if (
            not self._has(change)
            or not self._is_known(change.key)
            or self._shape_of(change.key) != change.shape
        ):
            return False, None
        if made is not None and made.seen is self._records.get(change.key):
            return True, made
        return self._desk.turned(change, back)

    def _joined(
        self, key: SliceKey, mask: Mask, base: Mask | None, *, seen: bool
    ) -> tuple[Mask, LabelRecord | None, bool]:
        """`mask` and what another program has written since, how that came to be, and whether all of it was `seen`."""
        is_there, is_news = self._files.state(key)
        if is_news:
            self._files.take_in(key)
        if not is_there and base is not None:
            self._files.forget(key)
        before = self._records.get(key)
        if before is None or not (is_news or base is not None):
            return joined(mask, base, None), before, seen
        is_new = not before.verified and (base is None or not before.is_of(base))
        if is_new and seen and not before.painted:  # nobody has seen it, and nobody's work is in it
            return joined(mask, base, None), None, seen
        return joined(mask, base, self.stored(key)), before, seen and not is_new
