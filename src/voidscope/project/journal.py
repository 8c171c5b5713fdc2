"""Undo and redo: one small file per step, on disk before the labels it is about change.

A step file holds, per slice, who had said what before and after, and the box of pixels that differs. Its name says its
place in the order and whether the step is done or undone, so that undoing is a rename. Killed between a step and its
labels, the journal names a change that did not happen: the label is as it was before, and undoing finds nothing to do.
"""

from __future__ import annotations

import base64
import re
import zlib
from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np

from voidscope.errors import ProjectError, VoidscopeError
from voidscope.project.atomic import Draft, explained, json_bytes, keep_all, read_json, remove, sync_folder
from voidscope.project.label_files import LabelRecord, now, sha256, user
from voidscope.vocabulary import Mask, SliceKey

MAX_STEPS = 500
MAX_BYTES = 256 * 2**20
LEAST_STEPS = 100
"""The oldest steps go when there are more than `MAX_STEPS`, or when they take more than `MAX_BYTES`; the newest `LEAST_STEPS` always
stay, whatever they take.
"""
_NAME = re.compile(r"(\d{8})-[0-9a-f]{8}\.(done|undone)\.json")


class DamagedStep(ProjectError):
    """A step file that says nothing usable; the label it is about was left as it is."""


@dataclass(frozen=True, slots=True, eq=False)
class Change:
    """What one step did to the label of one slice; a record is None where there was, or is, no label."""

    key: SliceKey
    shape: tuple[int, int]
    before: LabelRecord | None
    after: LabelRecord | None
    corner: tuple[int, int]
    """First pixel (y, x) of the box that differs."""
    box: tuple[int, int]
    """Its height and width."""
    was: str
    """Its pixels before, packed."""
    became: str
    """The same after."""
    source: str = ""
    """Of which data and plane the slice was; empty in steps of before that was kept."""

    @classmethod
    def between(
        cls, key: SliceKey, before: LabelRecord | None, was: Mask, after: LabelRecord | None, became: Mask
    ) -> Change:
        """The change from one mask (h, w) to another of the same shape."""
        differs = was != became
        rows, columns = (np.flatnonzero(differs.any(axis=a)) for a in (1, 0))
        (y, x), (h, w), (height, width) = (0, 0), (0, 0), was.shape
        if len(rows):
            y, x = int(rows[0]), int(columns[0])
            h, w = int(rows[-1]) + 1 - y, int(columns[-1]) + 1 - x
        part = slice(y, y + h), slice(x, x + w)
        packed = _packed(was[part]), _packed(became[part])
        return cls(key, (height, width), before, after, (y, x), (h, w), *packed)

    def apply(self, mask: Mask, *, back: bool) -> Mask:
        """The mask after this change, or before it (`back`); raises `DamagedStep` when it is not the one recorded."""
        part, record = (self.was, self.before) if back else (self.became, self.after)
        (y, x), (h, w) = self.corner, self.box
        result = mask.copy()
        try:
            result[y : y + h, x : x + w] = _unpacked(part, self.box)
        except (ValueError, zlib.error) as error:
            raise DamagedStep(f"The undo step of {self.key} is damaged: {error}") from error
        if record is not None and sha256(result) != record.sha256:
            raise DamagedStep(f"The undo step of {self.key} is damaged; the label was left as it is.")
        return result


@dataclass(frozen=True, slots=True)
class Step:
    """What a person did at once, to one slice or several, and its name: painted, accepted, imported ..."""

    verb: str
    changes: tuple[Change, ...]
    author: str
    time: str


class Journal:
    """The steps of a project's labels, oldest first; several programs may write in one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def append(self, verb: str, changes: Iterable[Change]) -> Path:
        """Write down a step about to be done; returns its file. What was undone before it can no longer be redone."""
        steps = self._steps()
        path = (
            self._folder / f"{max((n for n, _, _ in steps), default=0) + 1:08d}-{uuid4().hex[:8]}.done.json"
        )
        tree = {
            "verb": verb,
            "author": user(),
            "time": now(),
            "changes": [_change_to_json(c) for c in changes],
        }
        draft = Draft.of(path, json_bytes(tree))
        with explained(self._folder):
            for _, done, undone in steps:
                if not done:
                    undone.unlink(missing_ok=True)
        keep_all([draft])
        return path

    def tidy(self) -> None:
        """Once a step is done, the oldest go; a crash may bring them back, which does no harm."""
        with explained(self._folder):
            kept = [path for _, _, path in self._steps()]
            sizes = [path.stat().st_size for path in kept]
            while len(kept) > MAX_STEPS or (len(kept) > LEAST_STEPS and sum(sizes) > MAX_BYTES):
                kept.pop(0).unlink(missing_ok=True)
                sizes.pop(0)

    def next(self, *, back: bool, without: Collection[Path] = ()) -> Path | None:
        """The file of the step that undo (`back`) or redo would turn, but for those passed over; None when there is none."""
        steps = self._steps()
        waiting = [p for _, is_done, p in (reversed(steps) if back else steps) if is_done is back]
        return next((p for p in waiting if p not in without), None)

    def read(self, path: Path) -> Step:
        """A step; raises `DamagedStep` when its file is, and gives it up."""
        try:
            tree: dict[str, Any] = read_json(path)
            changes = tuple(_change_from_json(c) for c in tree["changes"])
            return Step(str(tree["verb"]), changes, str(tree["author"]), str(tree["time"]))
        except (KeyError, TypeError, ValueError, VoidscopeError) as error:
            self.forget(path)
            raise DamagedStep(f"The undo step {path.name} is damaged and given up: {error}") from error

    def turned(self, path: Path, *, back: bool) -> None:
        """Write down that a step is undone (`back`) or done again."""
        stem = path.name.split(".", 1)[0]
        with explained(path):
            path.replace(path.with_name(f"{stem}.{'undone' if back else 'done'}.json"))
            sync_folder(path.parent)

    def forget(self, path: Path) -> None:
        """Take a step out: nothing of it was done, or its file is damaged."""
        remove(path)

    def _steps(self) -> list[tuple[int, bool, Path]]:
        """Number, whether done, and file of each step, in order."""
        if not self._folder.is_dir():
            return []
        found = ((_NAME.fullmatch(p.name), p) for p in self._folder.iterdir())
        return sorted((int(m[1]), m[2] == "done", p) for m, p in found if m)


def _change_to_json(change: Change) -> dict[str, object]:
    return {
        "key": str(change.key),
        "shape": list(change.shape),
        "before": change.before and asdict(change.before),
        "after": change.after and asdict(change.after),
        "corner": list(change.corner),
        "box": list(change.box),
        "was": change.was,
        "became": change.became,
        "source": change.source,
    }


def _change_from_json(tree: dict[str, Any]) -> Change:
    before, after = (None if tree[n] is None else LabelRecord.from_json(tree[n]) for n in ("before", "after"))
    (height, width), (y, x), (h, w) = (tree[name] for name in ("shape", "corner", "box"))
    key = SliceKey.parse(tree["key"])
    parts = str(tree["was"]), str(tree["became"]), str(tree.get("source", ""))
    return Change(key, (height, width), before, after, (y, x), (h, w), *parts)


def _packed(part: Mask) -> str:
    return base64.b64encode(zlib.compress(part.tobytes(), 1)).decode()


def _unpacked(text: str, box: tuple[int, int]) -> Mask:
    size = int(np.prod(box))
    data = zlib.decompressobj().decompress(base64.b64decode(text), size + 1)
    if len(data) != size:
        raise ValueError(f"{len(data)} pixels where {size} should be")
    return np.frombuffer(data, np.uint8).reshape(box)
