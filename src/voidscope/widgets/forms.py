"""Forms made from the settings: one widget per field, with the field's title, bounds and explanation."""

from __future__ import annotations

import re
import typing
from collections.abc import Callable, Sequence
from typing import Any

from magicgui.widgets import ComboBox, Container, create_widget
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from qtpy.QtCore import QPoint, Qt, QTimer, Signal
from qtpy.QtWidgets import (
    QAbstractButton,
    QComboBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)
from superqt import QCollapsible

from voidscope.config import PRESETS, Config
from voidscope.errors import ConfigError

LAID_OUT_MS = 100
"""So long after a section was opened all around it has its new height."""
OWN = "changed"
"""Shown where the settings follow no preset."""


class SettingsForm(QWidget):
    """Some fields of one section of the settings; `valueChanged(Config)` comes with every valid change.

    A value that is refused is said below the fields while it is typed; once its field is left, what holds stands there again and
    `refused(sentence)` says why, until the next valid change, with which it comes with no words.
    """

    valueChanged = Signal(object)
    refused = Signal(str)

    def __init__(
        self, section: str, fields: typing.Sequence[str], config: Config, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._section, self._config = section, config
        model = type(getattr(config, section))
        self._widgets = {
            name: _field_widget(name, model.model_fields[name], getattr(config, section)) for name in fields
        }
        self._form = Container(widgets=list(self._widgets.values()), labels=True)
        self._form.margins = (0, 0, 0, 0)
        for field in self._widgets.values():
            field.native.setMinimumWidth(60)
            field.native.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
            if isinstance(field.native, QLineEdit):
                field.native.editingFinished.connect(self._left)
        self._problem = QLabel()
        self._problem.setWordWrap(True)
        self._problem.setObjectName("problem")
        self._problem.hide()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._form.native)
        layout.addWidget(self._problem)
        self._form.changed.connect(self._changed)
        self._refused = False

    def value(self) -> Config:
        """The settings with the last valid values of this form."""
        return self._config

    def setValue(self, config: Config) -> None:
        """Show other settings without telling anyone."""
        self._config = config
        section = getattr(config, self._section)
        with self._form.changed.blocked():
            for name, widget in self._widgets.items():
                widget.value = _shown(getattr(section, name))
        self._complain("")

    def widget(self, name: str) -> Any:
        """The magicgui widget of one field."""
        return self._widgets[name]

    def problem(self) -> str:
        """The sentence shown for the last refused value; empty when all is well."""
        return str(self._problem.text())

    def _changed(self) -> None:
        try:
            now = getattr(self._config, self._section)
            changes = [
                f"{self._section}.{name}={_written(widget.value)}"
                for name, widget in self._widgets.items()
                if widget.value != _shown(getattr(now, name))  # what is shown may be rounded: leave it be
            ]
            self._config = self._config.with_changes(changes)
        except ConfigError as error:
            self._complain(self._labelled(str(error)))
            return
        self._complain("")
        if self._refused:
            self._refused = False
            self.refused.emit("")
        self.valueChanged.emit(self._config)

    def _left(self) -> None:
        """A refused value goes with the end of its typing."""
        problem = self.problem()
        if problem:
            self.setValue(self._config)
            self._refused = True
            self.refused.emit(f"{problem} The value before stays.")

    def _labelled(self, sentence: str) -> str:
        """A sentence on the settings with the fields called as they are labelled here."""
        for name, widget in self._widgets.items():
            sentence = re.sub(rf"(Setting )?\b{self._section}\.{name}\b", widget.label, sentence)
        return sentence

    def _complain(self, problem: str) -> None:
        self._problem.setText(problem)
        self._problem.setVisible(bool(problem))


class PresetBox(QWidget):
    """Which preset the settings follow; choosing another tells its name: `valueChanged(str)`."""

    valueChanged = Signal(str)

    def __init__(self, config: Config, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._preset = OWN
        self.box = QComboBox()
        self.box.addItems([*PRESETS, OWN])
        self.box.setToolTip(
            "product: what experiments on simulated scans chose. paper: Cai et al. 2022 as published. "
            f"{OWN}: some setting below differs from both."
        )
        layout = QFormLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addRow("Preset", self.box)
        self.setValue(config)
        self.box.activated.connect(self._chosen)

    def value(self) -> str:
        """Name of the preset shown, or `OWN`."""
        return str(self.box.currentText())

    def setValue(self, config: Config) -> None:
        """Show which preset settings follow without telling anyone."""
        self._preset = config.preset or OWN
        self.box.setCurrentText(self._preset)

    def _chosen(self) -> None:
        if self.value() == OWN:  # nothing to put in place
            self.box.setCurrentText(self._preset)
            return
        self._preset = self.value()
        self.valueChanged.emit(self._preset)


def push_button(text: str, tooltip: str, act: Callable[[], object]) -> QPushButton:
    """A button as wide as it is given room for, that leaves the keys with the viewer."""
    button = QPushButton(text)
    button.setToolTip(tooltip)
    button.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
    button.setFocusPolicy(Qt.FocusPolicy.TabFocus)  # a click leaves the keys with the viewer
    button.clicked.connect(lambda _checked: act())
    return button


def share(row: QHBoxLayout, widgets: Sequence[QWidget]) -> None:
    """Widgets side by side that share the width there is, buttons by their words, which have room, if barely; a list to choose from needs some
    for its arrow, too.
    """
    row.setSpacing(2)
    for widget in widgets:
        widget.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        if isinstance(widget, QPushButton):
            widget.setStyleSheet("QPushButton { padding: 4px 0; }")
        words = widget.text() if isinstance(widget, QAbstractButton) else "all of the scans"
        row.addWidget(widget, stretch=widget.fontMetrics().horizontalAdvance(words) + 4)


class _Section(QCollapsible):
    """One that comes into view where a person opens it at the lower edge of what is scrolled."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.setDuration(0)  # so that all around it has its new height soon
        self.toggleButton().clicked.connect(lambda _: QTimer.singleShot(LAID_OUT_MS, self.bring_into_view))

    def bring_into_view(self) -> None:
        """Scroll just so far that all of it is seen, but never past its title."""
        area = self.parentWidget()
        while area is not None and not isinstance(area, QScrollArea):
            area = area.parentWidget()
        if area is None or not self.isExpanded():
            return
        bar, top = area.verticalScrollBar(), self.mapTo(area.widget(), QPoint()).y()
        bar.setValue(max(bar.value(), min(top, top + self.height() - area.viewport().height())))


def folded(title: str, *widgets: QWidget) -> QCollapsible:
    """Widgets under a title that opens them; closed at first."""
    box = _Section(title, expandedIcon="▾", collapsedIcon="▸")
    for layout in (box.layout(), box.content().layout()):
        layout.setContentsMargins(0, 0, 0, 0)
    for widget in widgets:
        box.addWidget(widget)
    box.toggleButton().setToolTip(f"Open or close: {title.lower()}.")
    return box


def _field_widget(name: str, field: FieldInfo, section: BaseModel) -> Any:
    value, tooltip = getattr(section, name), _tooltip(field)
    if typing.get_origin(field.annotation) is typing.Literal:
        choices = list(typing.get_args(field.annotation))
        return ComboBox(name=name, label=field.title, value=value, choices=choices, tooltip=tooltip)
    if isinstance(value, bool):
        return create_widget(value, name=name, label=field.title, options={"tooltip": tooltip})
    if isinstance(value, int):
        low, high = (_bound(field, *names) for names in (("ge", "gt"), ("le", "lt")))
        options = {"tooltip": tooltip, "min": int(low or 0), "max": int(high or 10_000_000)}
        return create_widget(value, name=name, label=field.title, options=options)
    return create_widget(
        _shown(value), name=name, label=field.title, annotation=str, options={"tooltip": tooltip}
    )


def _bound(field: FieldInfo, *names: str) -> float | None:
    found = (getattr(rule, name, None) for rule in field.metadata for name in names)
    return next((f for f in found if f is not None), None)


def _tooltip(field: FieldInfo) -> str:
    extra = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
    source = f" Paper {extra['paper']}." if "paper" in extra else ""
    return f"{field.description}{source}"


def _shown(value: object) -> object:
    """Real numbers and lists are typed as text, so that 1e-8 can be read and written."""
    if isinstance(value, float):
        return f"{value:g}"
    return ", ".join(f"{v:g}" for v in value) if isinstance(value, tuple) else value


def _written(value: object) -> str:
    """A widget's value as `Config.with_changes` reads it."""
    if isinstance(value, bool):
        return str(value).lower()
    return f"[{value}]" if isinstance(value, str) and "," in value else str(value)
