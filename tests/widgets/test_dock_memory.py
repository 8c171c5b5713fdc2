"""What the dock looked like comes back with the project, and is nobody's business when it cannot be kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from voidscope.project import Project
from voidscope.vocabulary import SliceKey
from voidscope.widgets import dock_memory
from voidscope.widgets.dock_memory import Look, last_project, recall, remember


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file, where tests may write."""
    path = tmp_path / "settings" / dock_memory.NAME
    monkeypatch.setattr(dock_memory, "_place", lambda: path)
    return path


def test_looks_are_kept_by_project_and_the_last_closed_is_known(place: Path, tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    for folder in (one, two):
        folder.mkdir()
        (folder / "project.json").write_text("{}")
    look = Look("Train", ("Pretraining",), "scan/0003")
    assert (recall(one), last_project()) == (Look(), None)
    remember(one, look)
    remember(two, Look("Scans"))
    assert (recall(one), recall(two).panel) == (look, "Scans")
    assert last_project() == two.resolve()
    remember(one, look)
    assert last_project() == one.resolve()
    (one / "project.json").unlink()
    assert last_project() is None


def test_the_projects_not_opened_for_longest_are_forgotten(place: Path, tmp_path: Path) -> None:
    for k in range(dock_memory.MOST + 2):
        remember(tmp_path / str(k), Look(str(k)))
    assert recall(tmp_path / "1") == Look()
    assert recall(tmp_path / "2") == Look("2")


@pytest.mark.parametrize("text", ["{", "[]", '{"PATH": 3}', '{"PATH": {"panel": "Train"}}', "\0"])
def test_a_damaged_file_knows_nothing_and_is_written_anew(text: str, place: Path, tmp_path: Path) -> None:
    place.parent.mkdir()
    place.write_text(text.replace("PATH", str(tmp_path.resolve())))
    assert recall(tmp_path) == Look()
    remember(tmp_path, Look("Train"))
    assert recall(tmp_path) == Look("Train")


def test_a_folder_that_cannot_be_written_or_is_not_there_is_no_news(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("in the way")
    for place in (tmp_path / "file" / "x.json", None):
        monkeypatch.setattr(dock_memory, "_place", lambda place=place: place)
        remember(tmp_path, Look("Train"))
        assert recall(tmp_path) == Look()


def test_panel_open_sections_and_slice_come_back_with_the_project(
    place: Path, dock: Any, project: Project
) -> None:
    view = dock.view
    view.layers.jump(SliceKey("b", 4))
    view.setCurrentIndex(2)
    view.label.tools.more.expand(animate=False)
    look = view.look()
    assert look == Look("Train", ("More ways to label",), "b/0004")
    dock.close_project()
    dock.show_project(Project.open(project.path))
    assert dock.view.look() == look
    assert dock.view.label.tools.more.isExpanded()


def test_what_is_gone_stays_out_of_view(place: Path, dock: Any, project: Project) -> None:
    dock.close_project()
    remember(project.path, Look("Gone", ("Nothing",), "gone/0001"))
    dock.show_project(project)
    assert dock.view.look() == Look("Label", (), "a/0003")
    for key in ("nonsense", "b/0999"):
        dock.view.setLook(Look("", (), key))
        assert dock.view.layers.key is not None


def test_a_window_that_was_killed_offers_to_go_on_with_its_project(
    place: Path, dock: Any, project: Project, make_napari_viewer: Any, qtbot: Any
) -> None:
    dock.show_project(Project.open(project.path))
    assert last_project() == project.path.resolve()  # known before anything is closed
    _, other = make_napari_viewer(show=True).window.add_plugin_dock_widget("voidscope", "Voidscope")
    qtbot.waitUntil(lambda: other.welcome.go_on.isVisible(), timeout=60_000)
    assert project.name in other.welcome.go_on.text()
    other.welcome.go_on.click()
    assert other.view is not None and other.view.project.path.resolve() == project.path.resolve()
    assert not other.welcome.isVisible()
    other.close_project()


def test_a_window_that_was_killed_comes_back_to_the_slice_last_in_view(
    place: Path, dock: Any, project: Project, qtbot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[Look] = []
    really = dock_memory.remember
    monkeypatch.setattr(
        "voidscope.widgets.look_keeper.remember", lambda *what: (written.append(what[1]), really(*what))
    )
    dock.show_project(Project.open(project.path))
    dock.view.layers.jump(SliceKey("b", 1))
    written.clear()
    for index in range(2, 6):
        dock._viewer.dims.set_current_step(1, index)
        qtbot.wait(20)
    assert written == []  # while the slider moves
    qtbot.waitUntil(lambda: recall(project.path).key == "b/0005", timeout=60_000)
    dock.view.setCurrentIndex(3)
    qtbot.waitUntil(lambda: recall(project.path).panel == "Measure", timeout=60_000)
    assert [look.key for look in written] == ["b/0005", "b/0005"]


def test_what_is_on_its_way_into_view_is_not_forgotten_before_it_is_there(
    place: Path, dock: Any, project: Project, qtbot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    dock.view.layers.jump(SliceKey("b", 4))
    dock.close_project()
    monkeypatch.setattr("voidscope.widgets.ahead.AT_ONCE_VOXELS", 0)
    dock.show_project(Project.open(project.path))
    assert dock.view.layers.key is None
    dock._looks.keep()
    assert recall(project.path).key == "b/0004"
    qtbot.waitUntil(lambda: dock.view.layers.key == SliceKey("b", 4), timeout=60_000)


def test_what_is_kept_already_is_not_written_again(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    remember(tmp_path, Look("Train", ("Pretraining",), "a/0001"))
    monkeypatch.setattr(dock_memory, "write_json", None)
    remember(tmp_path, Look("Train", ("Pretraining",), "a/0001"))
    assert recall(tmp_path).key == "a/0001"
