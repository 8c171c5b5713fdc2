"""Review: what segmenting leaves to look at, and labels compared with what the model says."""

from __future__ import annotations

import json
from hashlib import sha256

import numpy as np
import pytest
from typer.testing import CliRunner

from builders import set_prediction
from voidscope.acquisition import Finding, ScanFindings, flicker
from voidscope.cli.main import app
from voidscope.errors import NotReady, ProjectError
from voidscope.jobs import execute
from voidscope.model import build_segmenter, weights_bytes
from voidscope.project import Cycle, Project
from voidscope.vocabulary import SliceKey, Split
from voidscope.workflow import describe, findings, reranks, restore, review, segment, suggest, taken_over

KEY = SliceKey("a", 1)
VOID = 4


@pytest.fixture
def modelled(project: Project) -> Project:
    """The project with a model that nobody trained."""
    project.labels.put(SliceKey("b", 0), np.ones((24, 20), np.uint8))
    weights = weights_bytes(build_segmenter(project.config.model, 4, seed=1))
    config = project.config.model_dump(mode="json")
    digest = sha256(weights).hexdigest()
    metrics = {"losses": [1.0], "seconds": 1.0, "warnings": []}
    project.add_cycle(
        Cycle(1, (SliceKey("b", 0),), 0, digest, metrics, {}, config, project.normalisation()), weights
    )
    return project


def predict(project: Project, missed: tuple[Finding, ...] = ()) -> np.ndarray:
    """Give scan a a sure mask of solder with a square of background, and these missed voids."""
    assert project.cycle is not None
    mask = np.full(project.scan("a").shape, 3, np.uint8)
    mask[2:8, 1, 2:8] = 1
    counts, flickers = flicker("a", np.moveaxis(mask, 1, 0))
    set_prediction(
        project,
        project.cycle.id,
        "a",
        mask,
        np.zeros(mask.shape, np.float16),
        ScanFindings(missed, flickers, counts),
    )
    return mask


def test_segmenting_keeps_what_a_scan_gives_to_look_at(modelled: Project) -> None:
    execute(segment(modelled, ["a"], first=SliceKey("a", 3)))
    assert modelled.cycle is not None
    found, mask = modelled.cycle.findings("a"), modelled.mask("a")
    assert found is not None and mask is not None
    assert found.flickering == flicker("a", np.moveaxis(mask, 1, 0))[0]
    assert all(mask[f.pixel[0], f.key.index, f.pixel[1]] == f.class_id != VOID for f in found.missed)
    again = Project.open(modelled.path)
    assert again.cycle is not None and again.cycle.findings("a") == found
    assert findings(modelled).unseen == ()


def test_one_sweep_for_suggestions_finds_it_for_all_training_scans(modelled: Project) -> None:
    assert not reranks(modelled)
    execute(suggest(modelled))
    assert modelled.cycle is not None
    assert [modelled.cycle.findings(n) is not None for n in "abc"] == [True, True, False]
    assert reranks(modelled)
    modelled.set_config(modelled.config.with_changes(["suggest.strategy=badge"]))
    assert not reranks(modelled)


def test_a_label_the_model_is_sure_against_is_in_doubt_until_it_is_changed(modelled: Project) -> None:
    predict(modelled)
    label = np.full((24, 20), 3, np.uint8)
    modelled.labels.put(KEY, label)
    (doubt,) = execute(review(modelled)).doubts
    assert (doubt.key, doubt.n_pixels, doubt.label_id, doubt.class_id) == (KEY, 36, 3, 1)
    assert findings(Project.open(modelled.path)).doubts == (doubt,)
    label[2:8, 2:8] = 1
    modelled.labels.put(KEY, label)
    assert findings(modelled).doubts == ()


def test_the_model_is_never_right_about_what_was_painted_since(modelled: Project) -> None:
    predict(modelled)
    label = np.full((24, 20), 3, np.uint8)
    modelled.labels.put(KEY, label)
    (doubt,) = execute(review(modelled)).doubts
    label[2:4, 2:8] = 2
    taken = taken_over(modelled, doubt, KEY, label)
    assert (taken[2:4, 2:8] == 2).all() and (taken[4:8, 2:8] == 1).all()
    assert (taken == 1).sum() == 24


def test_a_doubt_is_shown_while_what_was_compared_stands(modelled: Project) -> None:
    predict(modelled)
    label = np.full((24, 20), 3, np.uint8)
    modelled.labels.put(KEY, label)
    (doubt,) = execute(review(modelled)).doubts
    label[20:, :] = VOID
    modelled.labels.put(KEY, label)
    assert findings(modelled).doubts == (doubt,), "the label changed elsewhere"
    assert doubt.pixel != (2, 7)
    label[2, 7] = 2
    modelled.labels.put(KEY, label)
    assert findings(modelled).doubts == ()
    label[2, 7] = 3
    modelled.labels.put(KEY, label)
    assert findings(modelled).doubts == (doubt,)
    modelled.labels.remove(KEY)
    assert findings(modelled).doubts == ()


def test_what_was_settled_is_listed_apart_and_comes_back(modelled: Project) -> None:
    missed = Finding("missed", SliceKey("a", 2), (10, 5), 4, 0.4, 3)
    predict(modelled, (missed,))
    modelled.queue.settle(missed)
    assert (findings(modelled).missed, findings(modelled).settled) == ((), (missed,))
    modelled.queue.reopen(missed)
    assert (findings(Project.open(modelled.path)).missed, findings(modelled).settled) == ((missed,), ())


def test_a_finding_is_done_with_when_labelled_or_settled(modelled: Project) -> None:
    missed = tuple(Finding("missed", SliceKey("a", 2), (y, 5), 4, 0.4, 3) for y in (10, 14))
    predict(modelled, missed)
    assert set(findings(modelled).missed) == set(missed)
    label = np.zeros((24, 20), np.uint8)
    label[10, 5] = VOID
    modelled.labels.put(SliceKey("a", 2), label)
    assert findings(modelled).missed == (missed[1],)
    modelled.queue.settle(missed[1])
    assert findings(modelled).missed == ()


def test_flicker_is_listed_with_what_the_neighbours_say(modelled: Project) -> None:
    predict(modelled)
    (found,) = findings(modelled).flicker
    assert (found.key, found.n_pixels, found.class_id) == (KEY, 36, 3)
    assert (
        describe(found, modelled.classes) == "36 pixels (7.5%) unlike both neighbours, which say solder there"
    )


def test_a_restored_model_brings_its_findings_along(modelled: Project) -> None:
    predict(modelled)
    before = findings(modelled).flicker
    assert modelled.cycle is not None
    modelled.add_cycle(Cycle(2, (), 0, "0" * 64, modelled.cycle.metrics, {}, {}, (0.5, 0.2)), b"other")
    assert findings(modelled).flicker == ()
    restore(modelled, 1)
    assert findings(modelled).flicker == before


def test_masks_of_an_older_version_are_named(modelled: Project) -> None:
    assert modelled.cycle is not None
    shape = modelled.scan("a").shape
    set_prediction(modelled, modelled.cycle.id, "a", np.ones(shape, np.uint8), np.zeros(shape, np.float16))
    assert execute(review(modelled)).unseen == ("a",)


def test_without_a_segmented_scan_it_says_what_to_do(modelled: Project, project: Project) -> None:
    with pytest.raises(NotReady, match="voidscope segment"):
        review(modelled)


def test_damaged_findings_are_told(modelled: Project) -> None:
    predict(modelled)
    assert modelled.cycle is not None
    (modelled.cycle.folder / "findings" / "a.json").write_text('{"missed": [{}], "flicker": []}')
    with pytest.raises(ProjectError, match="segment the scan again"):
        findings(modelled)


def test_the_command_line_lists_the_same(modelled: Project) -> None:
    predict(modelled, (Finding("missed", SliceKey("a", 2), (10, 5), 4, 0.4, 3, votes=1),))
    modelled.labels.put(KEY, np.full((24, 20), 3, np.uint8))
    told = CliRunner().invoke(app, ["review", str(modelled.path), "--json"])
    assert told.exit_code == 0
    found = json.loads(told.stdout)
    assert [len(found[k]) for k in ("missed", "doubt", "flicker")] == [1, 1, 0]
    assert (found["doubt"][0]["class"], found["doubt"][0]["label"]) == ("background", "solder")
    assert found["missed"][0]["votes"] == 1
    words = CliRunner().invoke(app, ["review", str(modelled.path)]).stdout
    assert "may be void: probability up to 0.40, seen in 1 of its mirror images" in words


def test_settings_that_need_no_model_rank_again_at_once(modelled: Project) -> None:
    execute(suggest(modelled))
    assert modelled.cycle is not None
    modelled.cycle.weights_path.unlink()
    before = modelled.suggestions
    modelled.set_config(modelled.config.with_changes(["suggest.distance=0", "suggest.aggregation=mean"]))
    assert reranks(modelled)
    after = execute(suggest(modelled))
    assert len(after) == len(before)
    terms = {t.name: t.counted for t in modelled.queue.grounds.terms}
    assert terms == {"rareness": True, "uncertainty": True, "distance": False}
    assert len(modelled.keys(Split.TRAIN)) == 12
