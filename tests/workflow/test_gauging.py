"""Blind studies of a project: parts that differ, readings that are the recipe's, models that look from all sides."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from builders import add_cycle, set_prediction
from voidscope.cli.main import app
from voidscope.errors import ConfigError, LabelError, NotReady, ProjectError, StaleResult
from voidscope.jobs import execute
from voidscope.metrology import Slot, measure_scan, measured_ratio
from voidscope.model import build_segmenter, load_segmenter, predict_slices, weights_bytes
from voidscope.model.predict import MIRRORED
from voidscope.project import Cycle, Project, Study, import_truth
from voidscope.vocabulary import ClassMap, Plane, SliceKey
from voidscope.volume import Dataset
from voidscope.workflow import add_scans, plan_study, shown_slice, take_reading
from voidscope.workflow.gauging import MIRRORS

BACKGROUND, PILLAR, SOLDER, VOID = 1, 2, 3, 4
KEYS = (SliceKey("a", 0), SliceKey("b", 1))


def square(voids: int) -> np.ndarray:
    """A slice of solder with so many pixels of void."""
    mask = np.full((24, 20), BACKGROUND, np.uint8)
    mask[4:14, 4:14] = SOLDER
    mask[6, 4 : 4 + voids] = VOID
    return mask


def modelled(project: Project, seed: int) -> Cycle:
    """The project with one more model that nobody trained."""
    weights = weights_bytes(build_segmenter(project.config.model, 4, seed=seed))
    cycle = Cycle(
        len(project.cycles) + 1, (), 0, sha256(weights).hexdigest(), {}, {}, project.config.model_dump(mode="json"), (0.5, 0.2)
    )  # fmt: skip
    return project.add_cycle(cycle, weights)


def study_of(project: Project, **settings: object) -> Study:
    return execute(plan_study(project, ["ann", "bo"], keys=KEYS, **settings))


def test_parts_are_spread_over_the_ratios_of_labels_and_predictions(project: Project) -> None:
    cycle = add_cycle(project)
    mask = np.stack([square(k) for k in range(6)], 1)
    for scan in "ab":
        set_prediction(project, cycle.id, scan, mask, np.zeros(mask.shape, np.float16))
    project.labels.put(SliceKey("c", 3), square(10))
    partial = square(9)
    partial[partial != VOID] = 0
    project.labels.put(SliceKey("a", 0), partial)  # leaves pixels out: the prediction says more
    study = execute(plan_study(project, ["ann", "bo"], parts=3, seed=1))
    chosen = {p.key for p in study.planned.parts.values()}
    assert SliceKey("c", 3) in chosen
    ratios = sorted(10 if k == SliceKey("c", 3) else k.index for k in chosen)
    assert ratios == [0, 5, 10]
    again = execute(plan_study(project, ["ann", "bo"], parts=3, seed=1))
    assert again.planned == study.planned


def test_a_reading_is_what_measuring_the_slice_alone_gives(project: Project) -> None:
    project.set_config(project.config.with_changes(["measure.limit=0.05"]))
    study = study_of(project)
    for voids, verdict in ((1, "PASS"), (5, "PASS"), (10, "FAIL")):
        slot = study.next("ann")
        take_reading(project, study, slot, square(voids))
        row = study._row(slot)
        key = study.planned.parts[slot.part].key
        alone = measure_scan(
            square(voids)[:, None], project.classes, (0.7, 0.5, 0.7), project.config.measure, str(key)
        )
        assert row["value"] == alone.ratio == voids / 100
        assert row["verdict"] == alone.outcomes[0].verdict.value == verdict


def test_the_recipe_is_the_one_of_the_plan(project: Project) -> None:
    study = study_of(project)
    project.set_config(project.config.with_changes(["measure.limit=0.5", "measure.ratio=void/solder"]))
    slot = study.next("bo")
    take_reading(project, Study.all(project.path)[0], slot, square(8))
    assert (study._row(slot)["value"], study._row(slot)["verdict"]) == (0.08, "FAIL")


@pytest.mark.parametrize(
    ("mask", "said"),
    [
        (np.zeros((24, 20), np.uint8), "Nothing is painted yet"),
        (np.full((24, 20), BACKGROUND, np.uint8), "void/foreground is undefined: no voxel is foreground"),
        (np.full((24, 20), 9, np.uint8), "holds id 9; classes are 1..4"),
        (square(1)[:-3], r"uint8 of \(21, 20\); expected class ids, whole numbers, of \(24, 20\)"),
        (square(1)[None], r"of \(1, 24, 20\); expected"),
        (square(1).astype(float), "The drawing is float64"),
    ],
)
def test_what_is_no_reading_is_refused_and_nothing_is_kept(
    project: Project, mask: np.ndarray, said: str
) -> None:
    study = study_of(project)
    slot = study.next("ann")
    with pytest.raises(LabelError, match=said) as refused:
        take_reading(project, study, slot, mask)
    key = study.planned.parts[slot.part].key
    assert str(key) not in str(refused.value)
    assert slot.part not in str(refused.value)
    assert study.done("ann") == 0


def test_a_slice_is_shown_without_a_name_and_only_as_it_was_planned(project: Project) -> None:
    study = study_of(project)
    slot = study.next("ann")
    key = study.planned.parts[slot.part].key
    shown = shown_slice(project, study, slot)
    assert (shown.image == project.volume(key.scan).voxels[:, key.index]).all()
    assert (shown.pixel, shown.unit) == ((0.7, 0.7), "um")
    project.add([project.scan(key.scan).model_copy(update={"plane": Plane.AXIS0})])
    with pytest.raises(StaleResult, match="cut along another plane than when study 1 was planned"):
        shown_slice(project, study, slot)


def test_each_repeat_of_a_model_is_another_look_and_says_what_that_look_says(project: Project) -> None:
    cycle = modelled(project, 1)
    study = execute(plan_study(project, ["ann"], models=[1], keys=KEYS, repeats=4))
    assert study.done("cycle 1") == 8
    assert study.planned.models == {"cycle 1": cycle.id}
    assert tuple(tuple(a + 2 for a in axes) for axes in MIRRORS) == MIRRORED
    network = load_segmenter(project.config.model, 4, cycle.weights())
    values = set()
    for part, record in study.planned.parts.items():
        for repeat, axes in enumerate(MIRRORS, start=1):
            turned = np.flip(project.image(record.key), axes).copy()
            (found,) = predict_slices(network, [turned], (0.5, 0.2), "cpu")
            slot = Slot(part, "cycle 1", repeat)
            assert (np.flip(study.drawing(slot), axes) == found.mask).all()
            values.add(study._row(slot)["value"])
            assert study._row(slot)["value"] == measured_ratio(
                found.mask[:, None], project.classes, project.config.measure
            )
    assert len(values) > 2  # looks differ


def test_a_study_of_models_alone_is_complete_at_once(project: Project) -> None:
    modelled(project, 1)
    modelled(project, 2)
    study = execute(plan_study(project, [], models=[1, 2], keys=KEYS))
    assert study.complete
    assert (study.folder / "readings.csv").is_file()
    assert study.entry()["result"]["operators"] == 2


def test_a_model_that_sees_no_structure_is_told_and_nothing_is_planned(project: Project) -> None:
    modelled(project, 1)
    project.set_config(project.config.with_changes(["measure.ratio=interface band, pad side"]))
    with pytest.raises(
        NotReady, match=r"cycle 1 gives no reading of a/0000 in look 1: .* undefined.* leave the model out"
    ):
        study_of(project, models=[1])
    assert Study.all(project.path) == ()


def test_what_cannot_be_planned_is_refused(project: Project, dataset: Dataset, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"0 slice.s. have a label or a prediction"):
        execute(plan_study(project, ["ann", "bo"]))
    with pytest.raises(ConfigError, match="name each once"):
        plan_study(project, ["ann", "bo"], keys=(KEYS[0], KEYS[0]))
    with pytest.raises(ProjectError, match="no slice a/0099"):
        plan_study(project, ["ann", "bo"], keys=(KEYS[0], SliceKey("a", 99)))
    with pytest.raises(ProjectError, match="no cycle 7; its cycles are none yet"):
        plan_study(project, ["ann"], models=[7], keys=KEYS)
    modelled(project, 1)
    with pytest.raises(ConfigError, match="5 repeats are asked for; a model has 4 looks"):
        plan_study(project, ["ann"], models=[1], keys=KEYS, repeats=5)
    plain = Project.create(tmp_path / "plain", ClassMap.from_names(["background", "metal"]))
    execute(add_scans(plain, [dataset.folder / "a.tif"]))
    with pytest.raises(NotReady, match="No class of plain has the role void"):
        plan_study(plain, ["ann", "bo"], keys=KEYS)


def test_a_person_has_one_name_that_is_no_models(project: Project) -> None:
    with pytest.raises(ConfigError, match="'Ann', 'Ann'; give each a name of its own"):
        plan_study(project, ["Ann", " Ann "], keys=KEYS)
    modelled(project, 1)
    for models in ([], [1]):
        with pytest.raises(ConfigError, match=r"'cycle 1' is what a model is called.* --model 1"):
            plan_study(project, ["cycle  1", "Bo"], models=models, keys=KEYS)
    study = execute(plan_study(project, ["Ann ", "Bo  Lee"], keys=KEYS))
    assert study.plan.operators == ("Ann", "Bo Lee")


def test_a_damaged_study_stops_no_new_one(project: Project) -> None:
    first = study_of(project)
    (first.folder / "plan.json").write_text("{")
    second = study_of(project)
    assert second.number == 2
    assert second.plan.seed == first.plan.seed + 1


def test_a_draft_that_stays_is_told_after_the_reading_is_taken(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = study_of(project)
    slot = study.next("ann")

    def refused(path: Path) -> None:
        raise ProjectError(f"Cannot write {path}: read-only.")

    monkeypatch.setattr("voidscope.project.studies.remove", refused)
    assert "The reading is kept" in take_reading(project, study, slot, square(1))
    assert study.done("ann") == 1


def test_labels_undo_and_all_else_are_byte_for_byte_what_they_were(
    project: Project, dataset: Dataset
) -> None:
    import_truth(project, dataset, [SliceKey("a", k) for k in range(4)])

    def files() -> dict[str, bytes]:
        found = (
            p
            for p in project.path.rglob("*")
            if p.is_file() and "gauge" not in p.relative_to(project.path).parts
        )
        return {str(p.relative_to(project.path)): p.read_bytes() for p in found}

    before = files()
    study = execute(plan_study(project, ["ann", "bo"], parts=3))
    for person in ("ann", "bo"):
        while (slot := study.next(person)) is not None:
            study.keep_draft(slot, square(1))
            take_reading(project, study, slot, square(int(slot.part[1:]) + slot.repeat))
    assert study.complete
    assert files() == before
    assert len(Project.open(project.path).labels) == 4


def test_the_command_line_plans_tells_and_concludes(project: Project) -> None:
    path = str(project.path)
    asked = [
        "gauge",
        path,
        "--plan",
        "--operator",
        "ann",
        "--operator",
        "bo",
        "--slice",
        "a/0000",
        "--slice",
        "b/0001",
    ]
    said = CliRunner().invoke(app, asked)
    assert said.exit_code == 0, said.output
    assert "ann                                0 of 4" in said.stdout
    study = Study.all(project.path)[0]
    for person in ("ann", "bo"):
        while (slot := study.next(person)) is not None:
            take_reading(project, study, slot, square(3 * int(slot.part[1:]) + slot.repeat))
    said = CliRunner().invoke(app, ["gauge", path, "--study", "1", "--tolerance", "0.05"])
    assert "2 parts x 2 operators x 2 repeats" in said.stdout
    assert "of the tolerance" in said.stdout
    for words in ([str(study.folder / "readings.csv"), "--plan"], [path, "--operator", "cy"]):
        refused = CliRunner().invoke(app, ["gauge", *words])
        assert isinstance(refused.exception, ConfigError)
        assert "--plan" in str(refused.exception)
