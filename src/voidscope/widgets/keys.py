"""The keys of the dock: what each does, how it is printed, and who else wants it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from napari.layers import Labels
from napari.utils.key_bindings import coerce_keybinding

from voidscope.widgets.looks import role_of

UNDO, REDO = ("Meta-Z", "Meta-Shift-Z") if sys.platform == "darwin" else ("Control-Z", "Control-Shift-Z")
"""The keys of napari's own undo, which on a Mac are with the command key."""
DONE = "Shift-D"
"""Finishes a reading of a gauge study."""
CLASSES = tuple(f"{'Meta' if sys.platform == 'darwin' else 'Control'}-{k}" for k in range(1, 10))
"""Choose the first nine classes to paint with. With Alt, a brush of napari's changes its size while the mouse moves."""
SHEET = "?"
"""Bound by Qt and not by napari, which knows no key that is typed with Shift but letters: it drops the Shift and then the key."""
PRINTED = {"Shift": "⇧", "Control": "⌃", "Meta": "⌘"}

KEYS: Mapping[str, Mapping[str, str]] = {
    "What to look at": {
        "N": "next row of the list still to do", "Shift-N": "back to the row before",
        "S": "skip; of a finding: leave as it is", "G": "flag to come back to, or unflag",
        "U": "next proposed label",
    },
    "Label": {
        "A": "accept: the prediction; a proposal or finding, and on to the next",
        "Shift-A": "accept only the class you paint with", "K": "accept the part under the mouse",
        "R": "reject the prediction or proposal, or bring it back", "Shift-B": "the rest is background",
        "I": "interpolate between labelled slices", "Shift-I": "copy the label on to the next slices",
        "W": "paint only within a range of intensities", UNDO: "undo, in whatever slice", REDO: "redo",
        DONE: "in a gauge study: done with this slice",
    },
    "Show": {
        "D": "prediction on and off", "J": "labels on and off", "H": "next heatmap, or none", SHEET: "this sheet",
    },
    "Learn": {"Shift-T": "retrain", "Shift-F": "fine-tune", "Shift-P": "segment the scan in view"},
}  # fmt: skip
"""Key in napari's words -> what it does, by what one is about."""

NAPARI = {
    "activate_labels_paint_mode": "paint", "activate_labels_erase_mode": "erase", "activate_labels_fill_mode": "fill",
    "activate_labels_picker_mode": "pick the class under the mouse", "activate_labels_pan_zoom_mode": "pan and zoom",
    "decrease_brush_size": "smaller brush", "increase_brush_size": "larger brush",
}  # fmt: skip
"""Actions of napari's labels layer worth a place on the sheet."""


@dataclass(frozen=True, slots=True)
class Clash:
    """A key of ours that somebody else wants: what they do with it, and whether it is theirs now."""

    key: str
    what: str
    whose: str
    theirs: bool

    def __str__(self) -> str:
        if self.theirs:
            return f"{printed(self.key)} is taken: '{self.what}' of {self.whose}"
        return f"{printed(self.key)} was '{self.what}' of {self.whose}; it is Voidscope's while a project is open"


def printed(key: str) -> str:
    """A key as the buttons print it, e.g. ``⇧N`` or ``⌃⇧Z``."""
    *held, last = key.split("-")
    return "".join(PRINTED[word] for word in sorted(held)) + last


def spelled(key: str) -> str:
    """A key as tooltips spell it, e.g. ``Ctrl+1``."""
    return key.replace("-", "+").replace("Control", "Ctrl").replace("Meta", "⌘")


def painting_keys() -> list[tuple[str, str]]:
    """Keys of napari's labels layer as they are set now, and what they do."""
    found: dict[str, list[str]] = {}
    for key, action in Labels.class_keymap.items():
        found.setdefault(getattr(action, "__name__", ""), []).append(str(key))
    return [(" or ".join(sorted(found[name])), words) for name, words in NAPARI.items() if name in found]


class Keys:
    """Binds our keys to a viewer while a project is open, and gives back what it took from others."""

    def __init__(self, viewer: Any) -> None:
        self._viewer = viewer
        self._bound: dict[str, Callable[[Any], None]] = {}
        self._before: dict[str, Any] = {}

    def bind(self, actions: Mapping[str, Callable[[Any], None]]) -> None:
        """Let keys do these things."""
        for key, action in actions.items():
            before = self._viewer.keymap.get(coerce_keybinding(key))
            if before is not None:
                self._before[key] = before
            self._viewer.bind_key(key, action, overwrite=True)
        self._bound.update(actions)

    def release(self) -> None:
        """Let go of the keys that are still ours; what they did before they do again."""
        for key, action in self._bound.items():
            if self._viewer.keymap.get(coerce_keybinding(key)) is action:
                self._viewer.bind_key(key, self._before.get(key), overwrite=True)
        self._bound, self._before = {}, {}

    def clashes(self) -> tuple[Clash, ...]:
        """Who else wants our keys: other plugins, napari's actions as a person has set them, layers that are there.

        Undo and redo are napari's keys on purpose: our layers answer them themselves, and a person's own layers keep theirs.
        """
        found: dict[tuple[str, str], Clash] = {}
        for key in (k for k in self._bound if k not in (UNDO, REDO)):
            for clash in self._claims(key):
                found.setdefault((key, clash.what), clash)
        return tuple(found.values())

    def _claims(self, key: str) -> Iterator[Clash]:
        binding = coerce_keybinding(key)
        now = self._viewer.keymap.get(binding)
        if now is not None and now is not self._bound[key]:
            yield Clash(key, *_owner(now), theirs=True)
        if key in self._before:
            yield Clash(key, *_owner(self._before[key]), theirs=False)
        for kind in type(self._viewer).__mro__:
            if action := getattr(kind, "class_keymap", {}).get(binding):
                yield Clash(key, *_owner(action), theirs=False)
        for layer in self._viewer.layers:
            for keymap in (
                layer.keymap,
                *(getattr(kind, "class_keymap", {}) for kind in type(layer).__mro__),
            ):
                if role_of(layer) != "pointer" and (action := keymap.get(binding)):
                    what, whose = _owner(action)
                    yield Clash(
                        key, what, f"{whose}, while a {type(layer).__name__} layer is active", theirs=True
                    )


def _owner(action: Any) -> tuple[str, str]:
    """What an action is called, and the package it comes from."""
    what = getattr(action, "__name__", type(action).__name__).replace("_", " ").strip("<> ")
    return what, str(getattr(action, "__module__", None) or "another plugin").split(".")[0]
