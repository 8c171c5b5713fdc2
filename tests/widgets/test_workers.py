"""No worker of ours outlives the window it works for, or aborts the process where one does."""

from __future__ import annotations

import subprocess
import sys
import threading
from typing import Any

from voidscope.widgets.workers import wait_for_workers, worker

CLOSING = """
import time
import napari
from qtpy.QtCore import QTimer
from voidscope.widgets import doctor_panel

def examined(device):
    end = time.monotonic() + 2
    while time.monotonic() < end:
        sum(range(1000))
    return ()

doctor_panel._examined = examined
viewer = napari.Viewer()
viewer.window.add_plugin_dock_widget("voidscope", "Voidscope")
from voidscope.widgets.doctor_panel import Doctor
late = Doctor()

def close():
    late.examine()
    viewer.window._qt_window.close()

QTimer.singleShot(4000, close)
napari.run()
print("closed")
"""


def test_a_window_closed_just_after_a_worker_was_started_ends_the_process_well() -> None:
    done = subprocess.run(
        [sys.executable, "-c", CLOSING], capture_output=True, text=True, timeout=240, check=False
    )
    assert (done.returncode, done.stdout.strip()) == (0, "closed"), done.stderr
    assert "has been deleted" not in done.stderr


def test_a_worker_is_waited_for_and_one_whose_listeners_are_gone_ends_in_silence(qtbot: Any) -> None:
    from PyQt6 import sip

    begun, gate, ended = threading.Event(), threading.Event(), []

    def working() -> None:
        begun.set()
        gate.wait(60)
        ended.append(threading.current_thread())

    late = worker(working)
    late.start()
    assert begun.wait(60)
    sip.delete(late.signals)  # as Qt does when it is taken down
    gate.set()
    assert wait_for_workers()
    assert len(ended) == 1 and ended[0] is not threading.main_thread()
    late._set_discard(late)


def test_a_generator_is_ended_between_two_steps(qtbot: Any) -> None:
    begun, steps = threading.Event(), []

    def counting() -> Any:
        for k in range(10_000):
            steps.append(k)
            begun.set()
            yield k
            threading.Event().wait(0.001)

    one = worker(counting)
    one.start()
    assert begun.wait(60)
    one.quit()
    assert wait_for_workers()
    assert len(steps) < 10_000
