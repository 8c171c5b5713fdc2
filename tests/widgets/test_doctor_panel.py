"""The doctor's panel: what the command line says, looked at on a thread, with the keys that somebody else wants."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from qtpy.QtWidgets import QApplication, QLabel

from voidscope.model import Check
from voidscope.project import Project
from voidscope.widgets import doctor_panel
from voidscope.widgets.doctor_panel import LOOKING, Doctor, DoctorPanel, key_finding, line, told
from voidscope.widgets.keys import Clash

BAD = Check("torchvision", "built for <another>", False, "pip install 'this'")
GOOD = Check("GPU", "NVIDIA H100, CUDA 13.0")


def words(panel: DoctorPanel) -> list[str]:
    return [panel.rows.itemAt(k).widget().text() for k in range(panel.rows.count())]


def test_what_is_to_be_mended_comes_first_with_its_remedy_and_can_be_copied(qtbot: Any) -> None:
    panel = DoctorPanel()
    qtbot.addWidget(panel)
    panel.setValue((GOOD, BAD))
    assert panel.value() == (BAD, GOOD)
    assert "1 of 2 to mend" in panel.summary.text()
    assert words(panel) == [
        "mend", "<b>torchvision</b>", "built for &lt;another&gt;<br><b>To do:</b> pip install 'this'",
        "ok", "<b>GPU</b>", "NVIDIA H100, CUDA 13.0",
    ]  # fmt: skip
    panel.copy.click()
    clipboard = QApplication.clipboard()
    assert clipboard is not None
    assert clipboard.text() == (
        "MEND torchvision: built for <another> -> pip install 'this'\nok   GPU: NVIDIA H100, CUDA 13.0"
    )
    panel.setValue((GOOD,))
    assert panel.summary.text() == "<b>Nothing to mend.</b>"
    assert len(words(panel)) == 3


def test_the_machine_is_looked_at_on_a_thread_one_look_at_a_time(
    qtbot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, bool]] = []

    def examined(device: str) -> tuple[Check, ...]:
        asked.append((device, threading.current_thread() is threading.main_thread()))
        return (GOOD,)

    monkeypatch.setattr(doctor_panel, "_examined", examined)
    doctor, found = Doctor(), []
    doctor.found.connect(found.append)
    for device in ("cuda", "mps", "cpu"):
        doctor.examine(device)
    qtbot.waitUntil(lambda: len(found) == 2, timeout=60_000)
    assert found == [(GOOD,), (GOOD,)]
    assert asked == [("cuda", False), ("cpu", False)]  # the last wish is heard when the first is done


@pytest.mark.parametrize(
    ("used", "said"),
    [("cpu, float32: x", "CPU, 2 threads"), ("cuda, bfloat16: x", "NVIDIA H100, CUDA 13.0")],
)
def test_the_dock_tells_in_a_few_words_what_is_used(used: str, said: str) -> None:
    found = (GOOD, Check("processor", "2 threads"), Check("runs on", used))
    assert line(found) == said
    assert line((*found, BAD)) == f"{said} (!)"
    assert told(BAD) == "torchvision: built for <another> -> pip install 'this'"


def test_keys_that_others_want_are_a_finding() -> None:
    assert key_finding(()).ok
    found = key_finding((Clash("K", "new thing", "other_plugin", True),))
    assert not found.ok
    assert found.value == "K is taken: 'new thing' of other_plugin"
    assert "Preferences" in found.remedy


def test_the_panel_opens_from_the_dock_and_looks_with_the_projects_device(
    dock: Any, qtbot: Any, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    qtbot.waitUntil(lambda: dock.device.text() == "runs on CPU, one of a test", timeout=60_000)
    monkeypatch.setattr(doctor_panel, "_examined", lambda device: (Check("runs on", f"{device}!"),))
    project.set_config(project.config.with_changes(["device=mps"]))
    dock.examine.click()
    assert dock.panel.isVisible()
    assert dock.panel.summary.text() == LOOKING
    qtbot.waitUntil(lambda: dock.panel.value() != () and dock.panel.summary.text() != LOOKING, timeout=60_000)
    assert [(f.name, f.value) for f in dock.panel.value()] == [
        ("runs on", "mps!"),
        ("keys", "no other plugin or setting wants a key of the dock"),
    ]
    assert "runs on: mps!" in dock.device.toolTip()
    assert dock.panel.findChildren(QLabel)
    dock.panel.close_button.click()
    assert not dock.panel.isVisible()
