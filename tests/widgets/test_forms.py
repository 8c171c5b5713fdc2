"""Forms speak the settings: what is typed becomes a setting, what is refused is said, nothing is told back."""

from __future__ import annotations

import typing
from typing import Any

import pytest
from qtpy.QtCore import Qt

from voidscope.config import Config
from voidscope.widgets.forms import PresetBox, SettingsForm

SECTIONS = {
    name: list(type(getattr(Config(), name)).model_fields)
    for name in ("model", "train", "pretrain", "suggest", "measure")
}


@pytest.mark.parametrize("section", SECTIONS)
def test_every_section_has_a_form_that_shows_its_values(qtbot: Any, section: str) -> None:
    form = SettingsForm(section, SECTIONS[section], Config())
    qtbot.addWidget(form)
    assert form.value() == Config()
    for name in SECTIONS[section]:
        assert form.widget(name).label
        assert form.widget(name).tooltip


def test_a_change_is_told_as_new_settings(qtbot: Any) -> None:
    form = SettingsForm("train", ("epochs", "learning_rate", "flips", "resize_factors"), Config())
    qtbot.addWidget(form)
    told: list[Config] = []
    form.valueChanged.connect(told.append)
    form.widget("epochs").value = 7
    form.widget("learning_rate").value = "1e-3"
    form.widget("flips").value = False
    form.widget("resize_factors").value = "0.5, 1"
    last = told[-1].train
    assert (last.epochs, last.learning_rate, last.flips, last.resize_factors) == (7, 1e-3, False, (0.5, 1.0))
    assert form.value() == told[-1]


def test_setting_a_value_is_not_told(qtbot: Any) -> None:
    form = SettingsForm("suggest", ("strategy", "budget"), Config())
    qtbot.addWidget(form)
    told: list[Config] = []
    form.valueChanged.connect(told.append)
    form.setValue(Config().with_changes(["suggest.strategy=coreset", "suggest.budget=9"]))
    assert told == []
    assert (form.widget("strategy").value, form.widget("budget").value) == ("coreset", 9)


def test_a_refused_value_is_said_and_the_last_good_one_stays(qtbot: Any) -> None:
    form = SettingsForm("train", ("learning_rate",), Config())
    qtbot.addWidget(form)
    told: list[Config] = []
    form.valueChanged.connect(told.append)
    form.widget("learning_rate").value = "fast"
    assert form.problem().startswith(f"{form.widget('learning_rate').label} = 'fast'")  # as it is called here
    assert told == []
    assert form.value() == Config()
    form.widget("learning_rate").value = "0.01"
    assert form.problem() == ""
    assert told[-1].train.learning_rate == 0.01


def test_letters_in_a_field_of_numbers_go_once_it_is_left_and_that_is_said(qtbot: Any) -> None:
    form = SettingsForm("suggest", ("distance", "budget"), Config())
    qtbot.addWidget(form)
    told: list[Config] = []
    said: list[str] = []
    form.valueChanged.connect(told.append)
    form.refused.connect(said.append)
    field = form.widget("distance")
    before = field.value
    field.native.selectAll()
    qtbot.keyClicks(field.native, "abc")
    assert field.value == "abc" and "'abc'" in form.problem() and said == []
    qtbot.keyClick(field.native, Qt.Key.Key_Return)
    assert field.value == before and form.problem() == ""
    assert len(said) == 1 and said[0].startswith(f"{field.label} = 'abc'")
    assert said[0].endswith("The value before stays.") and told == []
    field.native.selectAll()
    qtbot.keyClicks(field.native, "0.5")
    qtbot.keyClick(field.native, Qt.Key.Key_Return)
    assert told[-1].suggest.distance == 0.5 and said[1:] == [""]  # what went wrong is over
    field.native.selectAll()
    qtbot.keyClicks(field.native, "0.6")
    qtbot.keyClick(field.native, Qt.Key.Key_Return)
    assert told[-1].suggest.distance == 0.6 and len(said) == 2


def test_choices_are_those_of_the_settings(qtbot: Any) -> None:
    form = SettingsForm("measure", ("ratio",), Config())
    qtbot.addWidget(form)
    annotation = type(Config().measure).model_fields["ratio"].annotation
    assert tuple(form.widget("ratio").choices) == typing.get_args(annotation)


def test_choosing_a_preset_changes_all_its_settings_and_any_own_value_is_called_own(qtbot: Any) -> None:
    box = PresetBox(Config())
    qtbot.addWidget(box)
    assert box.box.currentText() == "paper"
    heard: list[str] = []
    box.valueChanged.connect(heard.append)
    box.box.setCurrentText("product")
    box.box.activated.emit(box.box.currentIndex())
    assert heard == ["product"] == [box.value()]
    box.setValue(Config.product().with_changes(["train.dice=0.5", "suggest.budget=3"]))
    assert box.box.currentText() == "changed"
    box.box.activated.emit(box.box.currentIndex())
    assert heard == ["product"]
    box.box.setCurrentText("paper")
    box.box.activated.emit(box.box.currentIndex())
    assert heard[-1] == "paper"


def test_a_value_that_nobody_touched_is_not_rounded_to_what_is_shown(qtbot: Any) -> None:
    form = SettingsForm(
        "measure", ("limit", "min_voxels"), Config().with_changes(["measure.limit=0.0123456789"])
    )
    qtbot.addWidget(form)
    form.widget("min_voxels").value = 5
    assert (form.value().measure.limit, form.value().measure.min_voxels) == (0.0123456789, 5)
