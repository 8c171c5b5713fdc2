"""The verb `pretrain`: what is already done is not done again, and anything that differs is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from voidscope import training
from voidscope.config import Config
from voidscope.jobs import Progress, execute
from voidscope.project import Project
from voidscope.workflow import pretrain

DONE = "these scans and settings are already pretrained"


def _notes(project: Project, config: Config | None = None, scans: list[str] | None = None) -> list[str]:
    """What a pretraining says while it runs."""
    said: list[Progress] = []
    path = execute(pretrain(project, config, scans), said.append)
    assert path == project.pretrained_path
    return [p.note for p in said]


def _runs(project: Project, config: Config | None = None, scans: list[str] | None = None) -> bool:
    """Whether there is anything to do."""
    return _notes(project, config, scans) != [DONE]


@pytest.fixture
def pretrained(project: Project) -> Project:
    """The project after a pretraining."""
    execute(pretrain(project))
    return project


def test_the_same_scans_and_settings_are_pretrained_once(
    pretrained: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = pretrained.pretrained_path.read_bytes()
    monkeypatch.setattr(training, "pretrain_steps", None)
    assert _notes(pretrained) == [DONE]
    assert pretrained.pretrained_path.read_bytes() == weights


@pytest.mark.parametrize("change", ["pretrain.epochs=3", "pretrain.temperature=0.3", "seed=9"])
def test_other_settings_are_another_pretraining(change: str, pretrained: Project) -> None:
    assert _runs(pretrained, pretrained.config.with_changes([change]))
    assert _runs(pretrained)


def test_other_scans_are_another_pretraining(pretrained: Project) -> None:
    assert _runs(pretrained, scans=["a"])


def test_settings_of_other_verbs_do_not_matter(pretrained: Project) -> None:
    assert not _runs(pretrained, pretrained.config.with_changes(["train.epochs=7", "suggest.budget=3"]))


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


@pytest.mark.parametrize("harm", [_cut, Path.unlink])
@pytest.mark.parametrize("name", ["weights.safetensors", "pretrained.json"])
def test_damaged_or_lost_files_are_made_again(name: str, harm: object, pretrained: Project) -> None:
    weights = pretrained.pretrained_path.read_bytes()
    harm(pretrained.path / "pretrained" / name)  # type: ignore[operator]
    _notes(pretrained)
    assert pretrained.pretrained_path.read_bytes() == weights
    assert json.loads((pretrained.path / "pretrained" / "pretrained.json").read_text())["losses"]
    assert _notes(pretrained) == [DONE]


def test_a_record_from_before_there_were_checksums_is_no_obstacle(pretrained: Project) -> None:
    record = pretrained.path / "pretrained" / "pretrained.json"
    tree = json.loads(record.read_text())
    del tree["sha256"]
    record.write_text(json.dumps(tree))
    assert _notes(pretrained) != [DONE]


def test_scans_are_told_apart_where_steps_are_to_hold_one_slice_of_each(project: Project) -> None:
    assert _runs(project, project.config.with_changes(["pretrain.one_slice_per_scan=true"]))
