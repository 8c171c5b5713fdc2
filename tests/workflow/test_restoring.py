"""Going back to an earlier model loses nothing, and a worse model does not go unnoticed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from voidscope.errors import ProjectError
from voidscope.jobs import execute
from voidscope.project import Project, atomic, import_truth, results
from voidscope.vocabulary import SliceKey
from voidscope.volume import Dataset
from voidscope.workflow import better_before, restore, segment, suggest, train


@pytest.fixture
def two(project: Project, dataset: Dataset) -> Project:
    """Two trained cycles."""
    import_truth(project, dataset, [SliceKey(s, i) for s in "ab" for i in (0, 3)])
    execute(train(project))
    execute(train(project, project.config.with_changes(["seed=7"])))
    return project


def judge(project: Project, void: float | None, scans: tuple[str, ...] = ("c",)) -> None:
    assert project.cycle is not None
    iou = dict.fromkeys(project.classes.names, 0.9) | {"void": void}
    project.set_evaluation(
        project.cycle.id, {"miou": 0.9, "miou_foreground": 0.9, "iou": iou, "scans": list(scans)}
    )


def test_an_earlier_model_becomes_the_current_one_and_segments_as_it_did(two: Project) -> None:
    first, second = two.cycles
    assert two.cycle == second
    execute(segment(two, ["a"]))
    of_second = two.mask("a")
    execute(suggest(two))
    again = restore(two, 1)
    assert (again.number, again.weights_sha256, again.labelled) == (3, first.weights_sha256, first.labelled)
    assert again.provenance["restored_from"] == 1
    assert two.cycle == again and two.cycles[:2] == (first, second)
    assert two.mask("a") is None and two.survey is None and two.suggestions == ()
    execute(segment(two, ["a"]))
    of_first = two.mask("a")
    assert of_first is not None and of_second is not None
    restored = restore(two, 2)
    assert restored.weights() == second.weights()
    assert (two.mask("a") == of_second).all()  # the same weights have segmented it already
    assert two.survey is not None and two.survey.model_id == restored.id
    two = Project.open(two.path)
    again = restore(two, 3)
    assert (two.mask("a") == of_first).all()
    assert (of_first != of_second).any()
    assert Project.open(two.path).cycle == again


def test_what_is_then_found_anew_leaves_the_earlier_model_what_it_found(two: Project) -> None:
    """Both cycles have the same files at first; every writer of them replaces the one it changes."""
    execute(segment(two, ["a"]))
    execute(suggest(two))
    judge(two, 0.4)
    earlier = two.cycle
    assert earlier is not None
    found = results.found_by(earlier.folder)
    before = {name: path.read_bytes() for name, path in found.items()}
    assert {"masks/a.tif", "uncertainty/a.tif", "survey.safetensors", "evaluation.json"} <= before.keys()
    again = restore(two, earlier.number)
    assert all((again.folder / name).samefile(path) for name, path in found.items())
    judge(two, 0.5)
    results.set_spacing(again.folder, "a", (9.0, 9.0, 9.0))
    results.write_doubts(again.folder, again.id, {})
    results.write_decisions(again.folder, "recipe", {"a": "pass"})
    execute(segment(two, ["a"]))
    assert two.survey is not None
    two.set_survey(replace(two.survey, model_id=again.id))
    results.forget([again.folder], "a")
    assert {name: path.read_bytes() for name, path in found.items()} == before


def test_what_it_was_judged_as_goes_along(two: Project) -> None:
    judge(two, 0.4)
    restore(two, 1)
    assert two.cycle is not None and two.cycle.evaluation is None
    restored = restore(two, 2)
    assert restored.evaluation is not None and restored.evaluation["iou"]["void"] == 0.4


def test_going_back_is_done_whole_or_not_at_all(two: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    execute(segment(two, ["a"]))
    restore(two, 1)
    write = atomic._write_synced

    def unknown(self: Path, target: Path) -> None:
        raise OSError(95, "Operation not supported")

    def full(path: Path, data: bytes) -> None:
        if "masks" in path.parts:
            raise OSError(28, "No space left on device")
        write(path, data)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "hardlink_to", unknown)
        patch.setattr(atomic, "_write_synced", full)
        with pytest.raises(ProjectError, match="No space left"):
            restore(two, 2)
    assert two.next_cycle == 4 and Project.open(two.path).next_cycle == 4
    assert [p.name for p in sorted((two.path / "cycles").iterdir())] == ["0001", "0002", "0003"]
    assert restore(two, 2).number == 4 and two.mask("a") is not None


def test_a_cycle_that_is_not_there_is_named(two: Project) -> None:
    with pytest.raises(ProjectError, match="no cycle 9; its cycles are 1, 2"):
        restore(two, 9)
    two.cycles[0].weights_path.write_bytes(b"damaged")
    with pytest.raises(ProjectError, match="does not match its hash"):
        restore(two, 1)
    assert len(two.cycles) == 2


@pytest.mark.parametrize(
    ("before", "now", "scans", "worse"),
    [
        (0.8, 0.7, ("c",), True),
        (0.705, 0.7, ("c",), False),
        (0.6, 0.7, ("c",), False),
        (0.8, None, ("c",), True),
        (None, 0.1, ("c",), False),
        (0.8, 0.7, ("b",), False),
    ],
)
def test_a_better_model_is_spoken_of_only_on_the_same_scans_and_by_a_margin(
    project: Project,
    dataset: Dataset,
    before: float | None,
    now: float | None,
    scans: tuple[str, ...],
    worse: bool,
) -> None:
    import_truth(project, dataset, [SliceKey(s, 0) for s in "ab"])
    quick = project.config.with_changes(["train.epochs=1"])
    assert better_before(project) is None
    execute(train(project, quick))
    judge(project, before)
    assert better_before(project) is None
    execute(train(project, quick))
    assert better_before(project) is None
    judge(project, now, scans)
    found = better_before(project)
    assert (found is not None and found.number == 1) is worse
