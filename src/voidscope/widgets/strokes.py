"""Every stroke is saved: watches the labels layer and puts what changed into the project within a second of the stroke's end.

napari tells of strokes by `paint`, but of direct writes only by `set_data`, which also fires when the slider moves, and
its payloads are private. So an event only means "something may have changed": soon after, the slices in question are
compared with the stored label that the layer was filled with (`Filled`), and saved where they differ. What another program
has labelled since stays on every pixel that was not painted.

A stroke may go through slices that are not in view (napari's 3-D editing). It is saved there too, but a person stands behind a
proposal only by painting on it where they see it: out of view it stays one, with the stroke in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from qtpy.QtCore import QObject, QTimer, Signal

from voidscope.errors import LabelError, VoidscopeError, named
from voidscope.project import Project, Putting, ScanRecord
from voidscope.vocabulary import Mask, Provenance, SliceKey
from voidscope.volume import slice_index
from voidscope.widgets.layers import ScanLayers
from voidscope.widgets.turns import Turns

SETTLE_MS = 150
"""Quiet time after the last event before a slice is saved."""
LATEST_MS = 800
"""A finished stroke is saved no later than this, however busily others follow it; one still being drawn goes along as far as it has come."""
RETRY_MS = 5000
"""After a failed write, try again this often; the strokes stay in the viewer meanwhile."""


Refused = dict[SliceKey, VoidscopeError]
"""Why the disk takes which labels not."""


class _Held(NamedTuple):
    """A label that the disk refused, and the stored one it was painted on, both (h, w); whether the slice was in view then."""

    label: Mask
    provenance: Provenance
    base: Mask
    seen: bool


class Strokes(QObject):
    """Saves what is painted on the labels layer of a `ScanLayers`.

    `refused(sentence)` when the disk refuses, once until a write succeeds again, then `refused` nothing and `recovered(sentence)`.
    A slice that is refused keeps no other from being saved; one whose label can never be saved shows the stored one again, which
    `failed(sentence)` tells.
    """

    failed = Signal(str)
    refused = Signal(str)
    recovered = Signal(str)

    def __init__(self, project: Project, layers: ScanLayers, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._project, self._layers = project, layers
        self._layer: Any = None
        self.turns: Turns | None = None
        self._filled = layers.filled
        self._scan = ""
        self._seen: int | None = None
        self._touched: set[int] = set()
        self._unsaved: dict[int, Provenance] = {}
        self._unseen: set[int] = set()  # those of them that were not in view when they were painted on
        self._held: dict[SliceKey, _Held] = {}
        self._failing, self._verbs = False, dict[int, str]()  # what is not just painted is called
        self._timer, self._latest = QTimer(self), QTimer(self)  # _latest: since the first stroke not saved
        for timer, act in ((self._timer, self._save_between_strokes), (self._latest, self._save_all)):
            timer.setSingleShot(True)
            timer.timeout.connect(act)
        layers.leaving.connect(self.flush)
        layers.leaves.connect(self.release)
        layers.shown.connect(self.watch)

    def come_after(self, turns: Turns) -> None:
        """Save nothing while undo or redo is under way, so that what is painted meanwhile is the step after it."""
        self.turns = turns

    def watch(self) -> None:
        """Save what is left of the layer watched so far, then watch the one in view."""
        late = [self._key(index) for index in self._touched | set(self._unsaved)]
        self.release()
        self._layer, self._scan = self._layers.find("labels"), self._layers.scan or ""
        self._filled, self._seen = self._layers.filled, self._in_view()
        for key in late:  # saved only now, after the new layer was filled
            self._layers.show_label(key)
        if self._layer is not None:
            self._layer.events.paint.connect(self._painted)
            self._layer.events.set_data.connect(self._maybe_changed)
            self._layer.mouse_drag_callbacks.insert(0, self._pressed)
            self._put_back()

    def release(self) -> None:
        """Save and stop watching; what the disk refuses is held and tried again."""
        self.flush()
        if self._layer is not None:
            self._let_go()

    def write(self, key: SliceKey, mask: Mask, provenance: Provenance, verb: str = "") -> bool:
        """Label a slice in the viewer and save it with this provenance; `verb` names the step of undo. Whether it is on disk now."""
        self._layers.show(key.scan)
        if self._layers.scan != key.scan:  # a stroke is being drawn on another scan
            return False
        self.flush()
        self._layer.data[self._where(key.index)] = mask
        self._touched.add(key.index)
        self._layer.refresh()
        self._unsaved[key.index] = provenance
        self._unseen.discard(key.index)
        self._verbs[key.index] = verb
        self._save_all(at_once=True)
        return not self.pending(key)

    def label(self, key: SliceKey) -> Mask:
        """The label (h, w) of a slice as it is now: what the viewer or this object holds, saved or not, else the stored one."""
        self.flush()
        if self._layer is not None and key.scan == self._scan:
            return self._label_in_viewer(key.index)
        stored = self._held[key].label if key in self._held else self._project.labels.get(key)
        return np.zeros(self._project.slice_shape(key), np.uint8) if stored is None else stored.copy()

    def flush(self) -> None:
        """Save every slice of this scan that may have been painted on; raises nothing.

        A layer that was deleted is read for the last time: what is labelled from then on is not in it. An undo that is under way is done
        first.
        """
        if self.turns is not None:
            self.turns.finish()
        is_there = self._layer is not None and self._layers.find("labels") is self._layer
        index = self._in_view() if is_there else None
        self._suspect(set() if index is None else {index})
        self._save_all(at_once=True)
        if self._layer is not None and not is_there:
            self._let_go()

    def ready(self, what: str) -> bool:
        """Save everything; where the disk refuses some of it, tell that `what` a person asked for has to wait."""
        self.flush()
        if self._failing:
            self.failed.emit(f"{what} has to wait until the disk takes the strokes that are not saved yet.")
        return not self._failing

    @property
    def unsaved(self) -> bool:
        """Whether the disk refuses strokes that only the viewer or this object still holds."""
        return self._failing

    def pending(self, key: SliceKey) -> bool:
        """Whether the viewer may hold a label of this slice that the project does not have yet."""
        return key.scan == self._scan and key.index in self._unsaved

    def _let_go(self) -> None:
        """Stop watching the layer; what the disk refuses of it is held."""
        if self._scan in self._project.scans:
            for i, provenance in self._unsaved.items():
                base, seen = self._filled.mask(i), i not in self._unseen
                self._held[self._key(i)] = _Held(self._label_in_viewer(i), provenance, base, seen)
        self._layer.events.paint.disconnect(self._painted)
        self._layer.events.set_data.disconnect(self._maybe_changed)
        self._layer.mouse_drag_callbacks.remove(self._pressed)
        self._layer, self._scan = None, ""
        for painted in (self._touched, self._unsaved, self._unseen, self._verbs):
            painted.clear()

    def _painted(self, event: Any) -> None:
        index = self._in_view()
        record = self._project.scans.get(self._scan)
        found = _slices_of(event.value, record) | (set() if index is None else {index})
        self._touched |= found
        self._suspect(found)
        self._unseen -= {index, self._seen}  # the last: of a drag that ends because the slider moved
        self._timer.start(SETTLE_MS)
        if not self._latest.isActive():
            self._latest.start(LATEST_MS)

    def _pressed(self, layer: Any, event: Any) -> None:
        """A stroke begins, and napari has not drawn of it yet: what was painted before is a step of undo of its own."""
        if self._unsaved and not self._failing:
            self._save_all()

    def _maybe_changed(self, event: Any = None) -> None:
        """A stroke, an undo (of any slice touched before), a direct write; or only the slider.

        Who goes on to another slice is done with the last one: it is saved now, as a step of its own.
        """
        index = self._in_view()
        if index is None or index != self._seen:
            self._seen = index
            if self._unsaved and not self._failing:
                self._save_all()
            return
        self._suspect(self._touched | {index})
        self._timer.start(SETTLE_MS)

    def _suspect(self, indices: set[int]) -> None:
        new = indices - self._unsaved.keys()
        self._unsaved |= dict.fromkeys(new, Provenance.DRAWN)
        self._unseen |= new - {self._in_view()}

    def _in_view(self) -> int | None:
        key = self._layers.key
        return key.index if key is not None and key.scan == self._scan else None

    def _save_between_strokes(self) -> None:
        """Save, once the mouse is up: a stroke is not cut into two steps of undo by the save of the one before."""
        if getattr(self._layer, "_block_history", False):  # what napari does while a stroke is drawn
            self._timer.start(SETTLE_MS)
        else:
            self._save_all()

    def _save_all(self, at_once: bool = False) -> None:
        """Save all that was painted; many slices on a worker, unless it is to be done `at_once`."""
        if self.turns is not None and self.turns.under_way:
            self._timer.start(SETTLE_MS)
            return
        self._timer.stop()
        self._latest.stop()
        refused = self._save_held()
        for provenance in sorted(set(self._unsaved.values())):
            indices = [i for i, p in self._unsaved.items() if p is provenance]
            for step in [[i] for i in indices] if self._failing else [indices]:  # painted one by one
                refused |= self._save_apart(step, provenance, at_once or self._failing)
        for key in [k for k, error in refused.items() if isinstance(error, LabelError)]:
            self._give_up(key, refused.pop(key))
        if refused:
            self._tell_failure(refused)
        elif self._failing:
            self._failing = False
            self.refused.emit("")
            self.recovered.emit("All strokes are saved again.")

    def _save_held(self) -> Refused:
        """Save what was held of other scans; returns what is refused, and why."""
        refused: Refused = {}
        for key, (label, provenance, base, seen) in list(self._held.items()):
            unseen = () if seen else (key,)
            try:
                self._project.labels.put_all({key: label}, provenance, bases={key: base}, unseen=unseen)
                del self._held[key]
            except VoidscopeError as error:
                refused[key] = error
        return refused

    def _save_apart(self, indices: list[int], provenance: Provenance, at_once: bool = True) -> Refused:
        """Save slices as one step of undo, or each by itself where that is refused; returns what still is, and why."""
        try:
            self._save(indices, provenance, at_once)
        except VoidscopeError as error:
            if len(indices) == 1:
                return {self._key(indices[0]): error}
            parts = [self._save_apart([index], provenance) for index in indices]
            return {key: why for part in parts for key, why in part.items()}
        return {}

    def _give_up(self, key: SliceKey, error: VoidscopeError) -> None:
        """Show the stored label again in place of one that can never be saved."""
        self._held.pop(key, None)
        if key.scan == self._scan:
            self._forget(key.index)
        with suppress(VoidscopeError):
            self._layers.show_label(key)
        self.failed.emit(f"{error} The label saved before is shown again.")

    def _tell_failure(self, refused: Mapping[SliceKey, VoidscopeError]) -> None:
        self._timer.start(RETRY_MS)
        if not self._failing:
            self._failing = True
            slices, why = named(map(str, refused)), next(iter(refused.values()))
            self.refused.emit(f"{slices} not saved yet, kept in the viewer and tried again: {why}")

    def _save(self, indices: list[int], provenance: Provenance, at_once: bool) -> None:
        """Save the slices that were painted on, as one step of undo."""
        if self._layer is None or self._scan not in self._project.scans:
            return
        touched = [i for i in sorted(indices) if self._filled.differs(i, self._layer.data[self._where(i)])]
        painted = {self._key(i): self._label_in_viewer(i) for i in touched}
        if painted:
            self._touched |= set(touched)
            bases = {key: self._filled.mask(key.index) for key in painted}
            unseen = [key for key in painted if key.index in self._unseen]
            verb = self._verbs.get(indices[0], "") if len(indices) == 1 else ""
            asked = Putting.of(self._project.labels.desk(), painted, provenance, verb, bases, unseen)
            if not at_once and self.turns is not None and self.turns.may_wait(asked):
                now = lambda _: self._save_all(at_once=True)  # noqa: E731  # what a worker was kept from saving
                self.turns.put(asked, partial(self._saved, indices, painted), now)
                return
            self._project.labels.put_made(asked, {})
        self._done_with(indices, painted)

    def _saved(self, indices: list[int], painted: Mapping[SliceKey, Mask]) -> None:
        """A worker saved slices as they were `painted`, others were not painted on; what was painted since is still to be saved."""
        for index in indices:
            saved, provenance = painted.get(self._key(index)), self._unsaved.pop(index, None)
            now = self._label_in_viewer(index)
            if self._filled.differs(index, now) if saved is None else not np.array_equal(now, saved):
                self._timer.start(SETTLE_MS)
                self._unsaved[index] = provenance or Provenance.DRAWN
                if saved is not None:
                    self._filled.note(index, saved, "" if saved.any() else None)  # its file may say more
            else:
                self._done_with([index], painted)

    def _done_with(self, indices: list[int], painted: Mapping[SliceKey, Mask]) -> None:
        for index in indices:
            self._forget(index)
            self._settle(self._key(index), painted.get(self._key(index)))

    def _forget(self, index: int) -> None:
        self._unsaved.pop(index, None)
        self._verbs.pop(index, None)
        self._unseen.discard(index)

    def _settle(self, key: SliceKey, saved: Mask | None) -> None:
        """Note what was saved of a slice as stored; show what another program has labelled of it meanwhile."""
        labels = self._project.labels
        record = labels.record(key) if labels.holds(key) else None
        stored = None if record is None else record.sha256
        if saved is not None and (not saved.any() if record is None else record.is_of(saved)):
            self._filled.note(key.index, saved, stored)
        elif stored != self._filled.sha256(key.index):
            self._layers.show_label(key)

    def _put_back(self) -> None:
        """Show labels of this scan again that the disk refused before."""
        for key in [k for k in self._held if k.scan == self._scan]:
            label, provenance, base, seen = self._held.pop(key)
            stored = self._filled.mask(key.index)
            self._layer.data[self._where(key.index)] = np.where(label != base, label, stored)
            self._layer.refresh()
            self._unsaved[key.index] = provenance
            self._unseen |= set() if seen else {key.index}

    def _key(self, index: int) -> SliceKey:
        return SliceKey(self._scan, index)

    def _where(self, index: int) -> tuple[slice | int, ...]:
        return slice_index(self._project.scan(self._scan).plane, index)

    def _label_in_viewer(self, index: int) -> Mask:
        return np.array(self._layer.data[self._where(index)], dtype=np.uint8)


def _slices_of(atoms: Any, record: ScanRecord | None) -> set[int]:
    """Indices of the slices of a scan that a paint event names, for both of napari's payloads; empty when it cannot be told."""
    if record is None or not isinstance(atoms, list | tuple):
        return set()
    found: set[int] = set()
    for atom in atoms:
        where = getattr(atom, "slice_key", atom[0] if isinstance(atom, tuple) and atom else None)
        if isinstance(where, tuple) and len(where) > record.plane.axis:
            found |= _indices(where[record.plane.axis], record.n_slices)
    return found


def _indices(where: Any, n: int) -> set[int]:
    if isinstance(where, slice):
        return set(range(*where.indices(n)))
    values = np.unique(np.asarray(where))
    return {int(v) for v in values if np.issubdtype(values.dtype, np.integer) and 0 <= v < n}
