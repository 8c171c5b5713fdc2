"""The recipe of a project as a whole: taken from a file or a preset, saved to a file, and what further criteria it has."""

from __future__ import annotations

from pathlib import Path

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFileDialog, QHBoxLayout, QLabel, QMenu, QPushButton, QWidget

from voidscope.config import Config, MeasureConfig
from voidscope.errors import VoidscopeError, counted
from voidscope.metrology import PRESETS, check_names, preset_recipe, read_recipe, recipe_text
from voidscope.metrology.page import micrometres
from voidscope.metrology.verdict import bounds_in_words
from voidscope.project.atomic import write_bytes
from voidscope.vocabulary import ClassMap

FILES = "Recipes (*.toml)"
TIP = "Take a whole recipe from a file or start from a preset, or save this one to send, to sign, or to edit in it what has no field here: further criteria, classes of the joint."


class RecipeMenu(QWidget):
    """A menu and the further criteria in few words; `valueChanged(Config)` when another recipe is taken, `refused(sentence)` when not,
    `told(sentence)` of what was done."""

    valueChanged = Signal(object)
    refused = Signal(str)
    told = Signal(str)

    def __init__(self, config: Config, classes: ClassMap, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._config, self._classes = config, classes
        self.button, self.criteria = QPushButton("Recipe"), QLabel()
        self.button.setToolTip(TIP)
        menu = QMenu(self)
        for words, act in (("Take from a file…", self._ask_open), ("Save to a file…", self._ask_save)):
            menu.addAction(words).triggered.connect(lambda _checked=False, act=act: act())
        presets = menu.addMenu("Start from a preset")
        presets.setToolTipsVisible(True)
        for name in PRESETS:
            action = presets.addAction(name)
            action.setToolTip(PRESETS[name].source)
            action.triggered.connect(lambda _checked=False, name=name: self.take(preset_recipe(name)))
        self.button.setMenu(menu)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.button)
        layout.addWidget(self.criteria, stretch=1)
        self.setValue(config)

    def value(self) -> Config:
        """The settings with the recipe that was taken last."""
        return self._config

    def setValue(self, config: Config) -> None:
        """Show other settings without telling anyone."""
        self._config, further = config, config.measure.criteria
        self.criteria.setText(
            f"and {counted(len(further), 'further limit')}" if further else "no further limits"
        )
        told = [
            f"{c.measure}: {micrometres(bounds_in_words(c))}" + (f" ({c.source})" if c.source else "")
            for c in further
        ]
        source = (
            f"Limit from: {config.measure.source}." if config.measure.source else "The limit has no source."
        )
        self.criteria.setToolTip("\n".join([source, *told]))

    def take(self, recipe: MeasureConfig) -> None:
        """Put a recipe in place of the project's."""
        self.setValue(self._config.model_copy(update={"measure": recipe}))
        self.valueChanged.emit(self._config)

    def open(self, path: Path) -> None:
        """Take the recipe of a file; what is wrong with it, or a class that the project lacks, is told, and the recipe stays as it is."""
        try:
            recipe = read_recipe(path)
            check_names(self._classes, recipe, "the project")
        except VoidscopeError as error:
            self.refused.emit(str(error))
            return
        self.told.emit(f"The recipe of {path.name} is taken; measure with it.")
        self.take(recipe)

    def save(self, path: Path) -> None:
        """Write the recipe to a file."""
        try:
            write_bytes(path, recipe_text(self._config.measure).encode())
        except VoidscopeError as error:
            self.refused.emit(str(error))
        else:
            self.told.emit(f"The recipe is saved as {path}.")

    def _ask_open(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self, "Take a recipe from a file", "", FILES)
        if path:
            self.open(Path(path))

    def _ask_save(self) -> None:
        path, _ = QFileDialog.getSaveFileName(self, "Save the recipe", "recipe.toml", FILES)
        if path:
            self.save(Path(path if path.lower().endswith(".toml") else f"{path}.toml"))
