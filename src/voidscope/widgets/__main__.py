"""Open napari with the Voidscope dock on a project: ``python -m voidscope.widgets PROJECT``."""

from __future__ import annotations

import sys

import napari


def main(project: str) -> None:
    """Show the project in a new viewer and run it until its window is closed."""
    viewer = napari.Viewer(title="Voidscope")
    _, dock = viewer.window.add_plugin_dock_widget("voidscope", "Voidscope")
    dock.open_project(project)
    napari.run()


if __name__ == "__main__":
    main(sys.argv[1])
