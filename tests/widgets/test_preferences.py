"""Preferences: declared in the manifest, read from napari, and each of them does what it says."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import fields
from typing import Any

import napari.settings
import numpy as np
import pytest
from npe2 import PluginManifest

from voidscope.project import Project
from voidscope.vocabulary import ClassMap
from voidscope.widgets import preferences as module
from voidscope.widgets.colours import class_colours, shown_classes
from voidscope.widgets.preferences import SAFE, Preferences, preferences, put_in_force

GARISH = ClassMap.from_entries([
    {"id": 0, "name": "background", "colour": "#00ff00"}, {"id": 1, "name": "pore", "role": "void", "colour": "#00fe00"},
])  # fmt: skip


@pytest.fixture
def chosen(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """Preferences set as this says, without napari."""
    found: dict[str, Any] = {}
    for place in ("preferences", "colours"):
        monkeypatch.setattr(f"voidscope.widgets.{place}.preferences", lambda: Preferences(**found))
    monkeypatch.setattr("voidscope.widgets.dock.preferences", lambda: Preferences(**found))
    yield found


@pytest.fixture
def shell(monkeypatch: pytest.MonkeyPatch) -> None:
    """A shell that says nothing of devices; whatever a test puts in force is taken back."""
    for name in ("VOIDSCOPE_DEVICE", "VOIDSCOPE_THREADS"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
        monkeypatch.setitem(module._SHELL, name, None)


def test_defaults_are_those_of_the_manifest_and_none_is_left_out() -> None:
    declared = PluginManifest.from_distribution("voidscope").contributions.configurations
    defaults = {k: p.default for section in declared.values() for k, p in section.properties.items()}
    assert defaults == {f.name: f.default for f in fields(Preferences)}
    assert all(p.description for section in declared.values() for p in section.properties.values())
    assert SAFE in (declared["window"].properties["class_colours"].enum or [])


def test_what_is_set_in_naparis_preferences_is_in_force_at_once(
    shell: None, dock: Any, project: Project, qtbot: Any
) -> None:
    settings = napari.settings.get_plugin_settings("voidscope")
    assert preferences() == Preferences()
    assert dock.view.quick_bar.switch.isChecked()
    settings.machine.device, settings.machine.threads = "cpu", 3
    settings.window.quick_looks = False
    assert (os.environ["VOIDSCOPE_DEVICE"], os.environ["VOIDSCOPE_THREADS"]) == ("cpu", "3")
    assert not dock.view.quick_bar.switch.isChecked()
    settings.machine.device, settings.machine.threads = "auto", 0
    settings.window.quick_looks = True
    assert not {"VOIDSCOPE_DEVICE", "VOIDSCOPE_THREADS"} & set(os.environ)
    assert dock.view.quick_bar.switch.isChecked()
    assert project.config.device == "cpu"  # the project's own is its own


def test_a_shell_that_says_a_device_is_heard_unless_another_is_preferred(
    shell: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(module._SHELL, "VOIDSCOPE_DEVICE", "cuda")
    put_in_force(Preferences(device="cpu"))
    assert os.environ["VOIDSCOPE_DEVICE"] == "cpu"
    put_in_force(Preferences())
    assert os.environ["VOIDSCOPE_DEVICE"] == "cuda"


def test_a_napari_that_has_no_preferences_of_plugins_leaves_the_defaults(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delattr(napari.settings, "get_plugin_settings")
    assert preferences() == Preferences()


def test_safe_colours_are_shown_and_the_project_keeps_its_own(chosen: dict[str, Any]) -> None:
    assert shown_classes(GARISH) is GARISH
    chosen["class_colours"] = SAFE
    assert [c.colour for c in shown_classes(GARISH).classes] == ["#5b6770", "#d7263d"]
    assert [(c.name, c.role) for c in shown_classes(GARISH).classes] == [
        (c.name, c.role) for c in GARISH.classes
    ]
    red = np.array([0xD7, 0x26, 0x3D]) / 255
    assert class_colours(GARISH, 0.0).color_dict[2][:3] == pytest.approx(red, abs=0.01)


def test_class_colours_change_in_the_open_project(
    dock: Any, project: Project, chosen: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("voidscope.vocabulary.COLOURS", ("#000000", "#111111", "#222222", "#00ff00"))
    labels, button = dock.view.layers.find("labels"), dock.view.label.classes.buttons[3]
    dock.view.recolour()
    assert labels.colormap.color_dict[4][0] > 0.8
    assert "#d7263d" in button.styleSheet()
    chosen["class_colours"] = SAFE
    dock.view.recolour()
    assert labels.colormap.color_dict[4][:3] == pytest.approx((0, 1, 0))
    assert "#00ff00" in button.styleSheet()
    assert [c.colour for c in project.classes.classes][3] == "#d7263d"


@pytest.mark.parametrize("reopen", [True, False])
def test_the_project_closed_last_is_reopened_with_the_dock_where_preferred(
    make_napari_viewer: Any, qtbot: Any, project: Project, chosen: dict[str, Any], monkeypatch: pytest.MonkeyPatch,
    reopen: bool,
) -> None:  # fmt: skip
    monkeypatch.setattr("voidscope.widgets.doctor_panel._examined", lambda device: ())
    monkeypatch.setattr("voidscope.widgets.dock.last_project", lambda: project.path)
    chosen["reopen"] = reopen
    viewer = make_napari_viewer(show=True)
    _, dock = viewer.window.add_plugin_dock_widget("voidscope", "Voidscope")
    qtbot.waitUntil(lambda: not dock._reopens, timeout=60_000)  # it has been shown
    qtbot.wait(50)
    qtbot.waitUntil(lambda: (dock.view is not None) is reopen, timeout=60_000)
    dock.close_project()
