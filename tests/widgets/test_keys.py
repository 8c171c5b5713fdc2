"""The keys: each on a button and on the sheet, none of them somebody else's without a word, all given back."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from napari.components import ViewerModel
from napari.layers import Image, Labels, Points
from napari.utils.action_manager import action_manager
from napari.utils.key_bindings import coerce_keybinding
from napari.utils.shortcuts import default_shortcuts
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QAbstractButton, QLabel, QLineEdit

from voidscope.project import Project
from voidscope.widgets.key_sheet import KeySheet
from voidscope.widgets.keys import (
    CLASSES,
    KEYS,
    REDO,
    SHEET,
    UNDO,
    Clash,
    Keys,
    painting_keys,
    printed,
    spelled,
)

OURS = [*(key for group in KEYS.values() for key in group), *CLASSES[:4]]
"""The project has four classes."""


def test_the_sheet_has_every_key_that_is_bound_and_no_key_means_two_things(
    dock: Any, project: Project
) -> None:
    bound = {*dock.view.shortcuts(), SHEET}
    assert sorted(OURS) == sorted(bound)
    assert len({coerce_keybinding(key) for key in OURS}) == len(OURS)
    assert {coerce_keybinding(key) for key in OURS} - {coerce_keybinding(SHEET)} <= set(dock._viewer.keymap)
    caps = {label.text() for label in dock.sheet.findChildren(QLabel)}
    assert {printed(key) for key in OURS if key not in CLASSES} <= caps
    assert {"⌃1 … 9", "⌘1 … 9"} & caps
    assert {"2 or P", "["} <= caps


def test_every_key_is_printed_on_a_button(dock: Any) -> None:
    dock.view.setCurrentIndex(1)
    texts = [b.text() for b in dock.findChildren(QAbstractButton)]
    for key in OURS:
        glyph = printed(key) if sys.platform != "darwin" or key in CLASSES else printed(key).replace("⌘", "⌃")
        assert any(t == glyph or t.startswith(f"{glyph} ") for t in texts), key


@pytest.mark.parametrize(
    ("key", "glyph"), [("N", "N"), ("Shift-N", "⇧N"), ("Control-Shift-Z", "⌃⇧Z"), ("Meta-Z", "⌘Z"), (SHEET, "?")]
)  # fmt: skip
def test_keys_are_printed_as_on_the_keyboard(key: str, glyph: str) -> None:
    assert printed(key) == glyph


def test_no_key_is_naparis_but_undo_and_redo_which_our_layers_answer(dock: Any, project: Project) -> None:
    taken = {key for kind in (Image, Labels, ViewerModel) for key in kind.class_keymap}
    for name, keys in default_shortcuts.items():
        action = action_manager._actions.get(name)
        if "labels" in name or (action and action.keymapprovider in (Image, Labels, ViewerModel)):
            taken |= {coerce_keybinding(key) for key in keys}
    assert {key for key in OURS if coerce_keybinding(key) in taken} <= {UNDO, REDO}
    assert dock.keys.clashes() == ()
    for role in ("image", "labels"):
        assert coerce_keybinding(UNDO) in dock.view.layers.find(role).keymap


def test_a_class_is_chosen_by_its_key_and_painted_with(dock: Any, project: Project) -> None:
    layers, palette = dock.view.layers, dock.view.label.classes
    for k in (4, 2, 2):
        dock._viewer.keymap[coerce_keybinding(CLASSES[k - 1])](dock._viewer)
        layer = layers.find("labels")
        assert (layer.selected_label, layer.mode, palette.value()) == (k, "paint", k)
        assert dock._viewer.layers.selection.active == layer  # a proxy of it
    assert [b.text().split()[0] for b in palette.buttons] == [printed(key) for key in CLASSES[:4]]
    assert (
        palette.buttons[1]
        .toolTip()
        .startswith(f"Paint copper_pillar ({spelled(CLASSES[1])}). 0 pixels of it")
    )
    assert palette.buttons[1].toolTip().endswith("labelled in training scans so far.")


def test_a_key_taken_by_another_plugin_is_told_and_left_to_it(dock: Any, project: Project) -> None:
    def new_thing(viewer: object) -> None:
        """Another plugin's."""

    new_thing.__module__ = "other_plugin.keys"
    dock._viewer.bind_key("K", new_thing, overwrite=True)
    assert [str(c) for c in dock.keys.clashes()] == ["K is taken: 'new thing' of other_plugin"]
    dock.close_project()
    assert dock._viewer.keymap[coerce_keybinding("K")] is new_thing


def test_a_key_another_had_before_is_told_and_given_back() -> None:
    viewer, done = ViewerModel(), []

    def before(viewer: object) -> None:
        done.append("before")

    viewer.bind_key("N", before)
    keys = Keys(viewer)
    keys.bind({"N": lambda viewer: done.append("ours")})
    viewer.keymap[coerce_keybinding("N")](viewer)
    (clash,) = keys.clashes()
    assert (clash.key, clash.what, clash.theirs) == ("N", "before", False)
    assert str(clash).endswith("it is Voidscope's while a project is open")
    keys.release()
    viewer.keymap[coerce_keybinding("N")](viewer)
    assert done == ["ours", "before"]
    assert keys.clashes() == ()


def test_a_setting_of_napari_or_a_layer_that_takes_a_key_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    viewer = ViewerModel()
    keys = Keys(viewer)
    keys.bind({"A": lambda viewer: None, "K": lambda viewer: None})
    assert keys.clashes() == ()
    toggle = next(iter(ViewerModel.class_keymap.values()))
    monkeypatch.setitem(ViewerModel.class_keymap, coerce_keybinding("K"), toggle)
    viewer.add_layer(Points())
    found = {c.key: c for c in keys.clashes()}
    assert found["K"].whose == "napari"
    assert not found["K"].theirs
    assert found["A"] == Clash("A", "select all in slice", "napari, while a Points layer is active", True)


def in_front(dock: Any, qtbot: Any) -> None:
    """Show the viewer's window as the one that gets what is typed."""
    with qtbot.waitActive(dock.window()):
        dock.window().show()
        dock.window().activateWindow()


def test_the_question_mark_opens_and_closes_the_sheet(dock: Any, qtbot: Any) -> None:
    in_front(dock, qtbot)
    canvas = dock._viewer.window._qt_viewer.canvas.native
    for pressed_in, opened in ((canvas, True), (dock.sheet, False), (canvas, True), (canvas, False)):
        QTest.keyClick(pressed_in, Qt.Key.Key_Question, Qt.KeyboardModifier.ShiftModifier)
        assert dock.sheet.isVisible() is opened
    dock.help.click()
    assert dock.sheet.isVisible()
    dock.help.click()
    assert not dock.sheet.isVisible()


def test_a_question_mark_that_is_typed_into_a_field_opens_no_sheet(dock: Any, qtbot: Any) -> None:
    in_front(dock, qtbot)
    field = QLineEdit(dock)
    field.show()
    QTest.keyClick(field, Qt.Key.Key_Question, Qt.KeyboardModifier.ShiftModifier)
    assert (field.text(), dock.sheet.isVisible()) == ("?", False)


def test_the_sheet_follows_the_keys_a_person_set_in_napari(
    qtbot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    paint = next(a for a in Labels.class_keymap.values() if a.__name__ == "activate_labels_paint_mode")
    monkeypatch.setitem(Labels.class_keymap, coerce_keybinding("Alt-Q"), paint)
    assert {words: key for key, words in painting_keys()}["paint"] == "2 or Alt+Q or P"
    sheet = KeySheet()
    qtbot.addWidget(sheet)
    assert "2 or Alt+Q or P" in {label.text() for label in sheet.findChildren(QLabel)}
