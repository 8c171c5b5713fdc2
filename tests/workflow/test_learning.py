"""The verb `pretrain`: what is already done is not done again, and anything that differs is."""

from __future__ import annotations

import hashlib
import json
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from builders import add_cycle, add_scan
from voidscope import training
from voidscope.config import Config
from voidscope.errors import NotReady, ProjectError
from voidscope.jobs import Progress, Steps, execute
from voidscope.model import load_segmenter
from voidscope.project import Cycle, PackedLabel, Project, import_truth
from voidscope.training import Pretrained
from voidscope.vocabulary import Mask, Plane, Role, SliceKey, Split
from voidscope.volume import Dataset
from voidscope.workflow import compare_models, evaluate, is_trained, pretrain, segment, train
from voidscope.workflow.evaluating import held_out
from voidscope.workflow.learning import lesson_on
from voidscope.workflow.snapshot import provenance_of

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


def test_the_record_says_how_long_it_took_unless_it_went_on_from_an_earlier_one(project: Project) -> None:
    record = project.pretrained_path.parent / "pretrained.json"
    config = project.config.with_changes(["pretrain.epochs=2"])
    steps = pretrain(project, config).steps()
    while not list(record.parent.glob("state-*.pt")):
        next(steps)
    steps.close()
    execute(pretrain(project, config))
    assert json.loads(record.read_text())["seconds"] is None
    record.unlink()
    execute(pretrain(project, config))
    assert json.loads(record.read_text())["seconds"] > 0


@pytest.mark.parametrize("change", ["pretrain.epochs=3", "pretrain.temperature=0.3", "seed=9"])
def test_other_settings_are_another_pretraining(change: str, pretrained: Project) -> None:
    assert _runs(pretrained, pretrained.config.with_changes([change]))
    assert _runs(pretrained)


def test_other_scans_are_another_pretraining(pretrained: Project) -> None:
    assert _runs(pretrained, scans=["a"])


def test_settings_of_other_verbs_do_not_matter(pretrained: Project) -> None:
    others = ["train.epochs=7", "suggest.budget=3", "pretrain.devices=2"]
    assert not _runs(pretrained, pretrained.config.with_changes(others))


@pytest.mark.slow
@pytest.mark.skipif(find_spec("lightning_fabric") is None, reason="needs the extra multi-gpu")
def test_two_processes_pretrain_what_one_does_and_the_last_state_outlives_a_cancelled_job(
    project: Project,
) -> None:
    config = project.config.with_changes(["pretrain.devices=2", "pretrain.learning_rate=0.01"])
    job = pretrain(project, config)
    steps = job.steps()
    kept = next(p for p in steps if p.note.endswith("kept"))
    steps.close()
    assert kept.done < kept.total
    assert not project.pretrained_path.exists()
    (state,) = project.pretrained_path.parent.glob("state-*.pt")
    assert state.stat().st_size
    said: list[Progress] = []
    execute(job, said.append)
    assert min(p.done for p in said if p.done) > kept.done  # it went on, and did not begin anew
    file = project.pretrained_path.parent / "pretrained.json"
    together = json.loads(file.read_text())["losses"]
    file.unlink()
    execute(pretrain(project, config.with_changes(["pretrain.devices=1"])))
    alone = json.loads(file.read_text())["losses"]
    assert len(together) == len(alone)
    assert together[0] == pytest.approx(alone[0], rel=0.2)  # bfloat16, and few slices make much of little


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


def _learnt(project: Project, dataset: Dataset) -> Project:
    """The project with a cycle that records what a training does; its weights are no weights."""
    import_truth(project, dataset, [SliceKey("a", 0), SliceKey("a", 3)])
    keys = project.labels.keys()
    said = provenance_of(project.reader(["a"])) | {
        "labels_sha256": {str(k): project.labels.record(k).sha256 for k in keys}, "initial_sha256": None,
    }  # fmt: skip
    settings = project.config.model_dump(mode="json")
    digest = hashlib.sha256(b"weights").hexdigest()
    project.add_cycle(Cycle(1, keys, 0, digest, {}, said, settings, project.normalisation()), b"weights")
    return project


def test_the_same_labels_on_the_same_slices_need_no_training(project: Project, dataset: Dataset) -> None:
    assert is_trained(_learnt(project, dataset))
    assert is_trained(Project.open(project.path))


def test_a_setting_that_came_after_a_model_and_is_off_makes_no_other_model(
    project: Project, dataset: Dataset
) -> None:
    path = _learnt(project, dataset).path / "cycles" / "0001" / "cycle.json"
    tree = json.loads(path.read_text())
    assert (
        tree["config"]["model"].pop("detail") is False and tree["config"]["train"].pop("pseudo_labels") == 0
    )
    path.write_text(json.dumps(tree))
    project = Project.open(project.path)
    assert is_trained(project)
    project.set_config(project.config.with_changes(["model.detail=true"]))
    assert not is_trained(project)


def test_an_older_model_without_a_detail_network_is_fine_tuned_and_segments_as_it_is(
    project: Project, dataset: Dataset
) -> None:
    import_truth(project, dataset, [SliceKey("a", 0), SliceKey("a", 3)])
    older = execute(train(project))
    path = older.folder / "cycle.json"
    tree = json.loads(path.read_text())
    del tree["config"]["model"]["detail"]
    path.write_text(json.dumps(tree))
    project = Project.open(project.path)
    project.set_config(project.config.with_changes(["model.detail=true"]))
    assert execute(segment(project))
    warm = execute(train(project, warm=True))
    assert not warm.settings.model.detail
    fresh = execute(train(project))
    assert fresh.settings.model.detail


def test_the_classes_with_the_role_of_void_are_those_a_detail_network_is_asked_about(
    project: Project, dataset: Dataset
) -> None:
    import_truth(project, dataset, [SliceKey("a", 0), SliceKey("a", 3)])
    cycle = execute(train(project, project.config.with_changes(["model.detail=true"])))
    network = load_segmenter(cycle.settings.model, len(project.classes), cycle.weights())
    assert network.detail is not None
    asked = [k + 1 for k, void in enumerate(network.detail.void.tolist()) if void]
    assert asked == list(project.classes.ids_with_role(Role.VOID)) != []


def test_a_training_scan_that_comes_or_goes_moves_the_normalisation(
    project: Project, dataset: Dataset
) -> None:
    path = Path(_learnt(project, dataset).scan("b").path)
    add_scan(project, path, Split.TEST)
    assert not is_trained(project)
    add_scan(project, path, Split.TRAIN)
    assert is_trained(project)


@pytest.mark.parametrize("fact", [{"fingerprint": "sha256:0"}, {"plane": "axis0"}])
def test_another_file_or_plane_of_a_labelled_scan_is_another_model(
    fact: dict[str, str], project: Project, dataset: Dataset
) -> None:
    path = _learnt(project, dataset).path / "cycles" / "0001" / "cycle.json"
    tree = json.loads(path.read_text())
    tree["provenance"]["scans"]["a"] |= fact
    path.write_text(json.dumps(tree))
    assert not is_trained(Project.open(project.path))


def test_another_plane_is_another_pretraining(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    states: list[bytes | None] = []

    def begun(images: object, settings: object, *, resume: bytes | None, **rest: object) -> Steps[Pretrained]:
        states.append(resume)
        yield Progress(1, 2, partial=b"state")
        raise NotReady("killed")

    monkeypatch.setattr(training, "pretrain_steps", begun)
    for plane in (Plane.AXIS1, Plane.AXIS1, Plane.AXIS0):
        add_scan(project, Path(project.scan("a").path), plane=plane)
        with pytest.raises(NotReady, match="killed"):
            execute(pretrain(project))
    assert states == [None, b"state", None]


def test_labels_are_unpacked_by_the_job_as_they_were_when_it_was_asked_for(
    project: Project, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = [SliceKey(s, i) for s in "abc" for i in (0, 2)]
    import_truth(project, dataset, keys[:4])
    add_cycle(project)
    import_truth(project, dataset, keys[4:])
    before = {k: project.labels.get(k) for k in keys}
    unpacked: list[SliceKey] = []
    mask = PackedLabel.mask

    def seen(self: PackedLabel) -> Mask:
        unpacked.append(self.key)
        return mask(self)

    monkeypatch.setattr(PackedLabel, "mask", seen)
    lesson, judges = lesson_on(project, project.config, tuple(keys[:4])), held_out(project, "c")
    compare_models(project)
    train(project)
    evaluate(project)
    assert unpacked == []  # so that whoever asks need not wait
    for key in keys:
        project.labels.put(key, np.ones((24, 20), np.uint8))
    assert all((label.mask() == before[label.key]).all() for label in lesson.labels)
    volume = judges.volume()
    assert all((volume[:, key.index] == before[key]).all() for key in keys[4:])
    assert set(unpacked) == set(keys)


def test_a_label_file_that_is_gone_or_damaged_is_named(project: Project, dataset: Dataset) -> None:
    key = SliceKey("a", 0)
    import_truth(project, dataset, [key])
    path = project.path / "labels" / "a" / "0000.tif"
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(ProjectError, match=r"0000.tif is damaged"):
        execute(train(project))
    path.unlink()
    with pytest.raises(ProjectError, match=r"0000.tif is damaged.*Restore"):
        train(project)


PSEUDO = ["train.pseudo_labels=5", "train.steps=2", "train.epochs=1"]


def test_pseudo_labels_are_of_unlabelled_slices_of_training_scans_and_counted(
    project: Project, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = [SliceKey(s, i) for s in "ab" for i in (0, 2)]
    import_truth(project, dataset, keys)
    settings = project.config.with_changes(PSEUDO)
    lesson = lesson_on(project, settings, tuple(keys))
    unlabelled = set(project.keys(Split.TRAIN)) - set(keys)
    assert len(set(lesson.further)) == 5
    assert set(lesson.further) <= unlabelled
    assert lesson.further == lesson_on(project, settings, tuple(keys)).further
    others = lesson_on(project, settings.with_changes(["seed=1"]), tuple(keys)).further
    assert others != lesson.further
    everything = lesson_on(project, settings.with_changes(["train.pseudo_labels=1000"]), tuple(keys)).further
    assert set(everything) == unlabelled
    monkeypatch.setattr("voidscope.training.pseudo_labels.SURE", np.inf)
    said: list[Progress] = []
    cycle = execute(train(project, settings), said.append)
    notes = [p.note for p in said]
    assert "reading 5 of 5 slices without labels" in notes
    assert notes.index("reading 5 of 5 slices without labels") < next(
        k for k, n in enumerate(notes) if n.startswith("first of two trainings: epoch")
    ), "a slice that cannot be read costs no training"
    assert notes[-1].startswith("second of two trainings")
    assert cycle.provenance["pseudo_labelled"] == 5
    assert lesson.only(keys[:2]).further == (), "they may be neighbours of what judges"
    assert execute(train(project, settings, warm=True)).provenance["pseudo_labelled"] == 0
    assert execute(train(project)).provenance["pseudo_labelled"] == 0


def test_pseudo_labels_are_of_the_scans_that_were_named_and_whose_file_is_there(
    project: Project, dataset: Dataset
) -> None:
    keys = (SliceKey("a", 0), SliceKey("a", 2))
    import_truth(project, dataset, keys)
    settings = project.config.with_changes(["train.pseudo_labels=1000"])
    pool = [k for k in project.keys(Split.TRAIN) if k.scan == "a"]
    assert {k.scan for k in lesson_on(project, settings, keys, pool=pool).further} == {"a"}
    assert {k.scan for k in lesson_on(project, settings, keys).further} == {"a", "b"}, "c is a test scan"
    again = Project.open(project.path)  # with no scan open
    again.scan("b").place(again.path).unlink()
    assert {k.scan for k in lesson_on(again, settings, keys).further} == {"a"}
    brief = settings.with_changes(["train.steps=1", "train.epochs=1"])
    (said,) = [
        w for w in execute(train(again, brief)).metrics["warnings"] if w.startswith("No pseudo-labels")
    ]
    assert said == "No pseudo-labels from b, whose file is gone."


def test_a_model_knows_the_scans_of_its_pseudo_labels(project: Project, dataset: Dataset) -> None:
    import_truth(project, dataset, [SliceKey("a", 0), SliceKey("a", 2)])
    project.set_config(project.config.with_changes([*PSEUDO, "train.pseudo_labels=1000"]))
    execute(train(project))
    assert is_trained(project)
    path = next(s.path for s in dataset.scans if s.name == "b")
    add_scan(project, path, plane=Plane.AXIS0)
    assert not is_trained(project)
