from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from pools import EXTRAS, pool, survey_of, with_counts

from voidscope.acquisition import Survey, SurveyError
from voidscope.errors import VoidscopeError
from voidscope.vocabulary import SliceKey


@pytest.fixture
def survey() -> Survey:
    return survey_of(pool(12))


def changed(survey: Survey, **arrays: Any) -> Survey:
    return dataclasses.replace(survey, **arrays)


def with_value(survey: Survey, name: str, index: Any, value: Any) -> Survey:
    array = getattr(survey, name).copy()
    array[index] = value
    return changed(survey, **{name: array})


def test_class_distribution_is_the_share_of_pseudo_labelled_pixels_of_all_slices() -> None:
    slices = pool(9)
    every_pixel = np.concatenate([s.classes.ravel() for s in slices])
    expected = [np.mean(every_pixel == c) for c in range(5)]
    assert survey_of(slices).class_distribution() == pytest.approx(expected, abs=1e-15)


def test_large_slices_weigh_more_in_the_class_distribution(survey: Survey) -> None:
    counts = np.zeros_like(survey.counts)
    counts[:, 0] = 100
    counts[0] = [0, 2600, 0, 0, 0]
    shares = with_counts(survey, counts).class_distribution()
    assert shares.tolist() == [1100 / 3700, 2600 / 3700, 0, 0, 0]


def test_collecting_sorts_slices_by_key_whatever_order_they_come_in() -> None:
    slices = pool(20)
    shuffled = [slices[i] for i in np.random.default_rng(3).permutation(20)]
    given, sorted_ = survey_of(shuffled), survey_of(slices)
    assert given.keys == tuple(s.key for s in slices)
    for name, array in sorted_.arrays().items():
        assert np.array_equal(given.arrays()[name], array), name


def test_arrays_make_the_same_survey_again(survey: Survey) -> None:
    again = Survey.from_arrays(survey.keys, survey.arrays(), survey.model_id)
    assert (again.keys, again.model_id) == (survey.keys, survey.model_id)
    for name, array in survey.arrays().items():
        assert np.array_equal(again.arrays()[name], array) and again.arrays()[name].dtype == array.dtype


def test_arrays_survive_a_safetensors_file(survey: Survey) -> None:
    safetensors = pytest.importorskip("safetensors.numpy")
    stored = safetensors.load(safetensors.save(survey.arrays()))
    again = Survey.from_arrays(survey.keys, stored, survey.model_id)
    assert np.array_equal(again.class_pixel, survey.class_pixel) and np.array_equal(
        again.entropy, survey.entropy
    )


def test_a_survey_cannot_be_changed_and_never_changes_what_it_was_made_from(survey: Survey) -> None:
    source = {name: array.copy() for name, array in survey.arrays().items()}
    made = Survey.from_arrays(survey.keys, source, "model")
    source["counts"][0, 0] += 1_000_000
    assert made.counts[0, 0] == survey.counts[0, 0]
    assert all(array.flags.writeable for array in source.values())
    for array in made.arrays().values():
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0
    with pytest.raises(dataclasses.FrozenInstanceError):
        made.model_id = "other"  # type: ignore[misc]


def test_rows_follow_the_order_of_the_keys_asked_for(survey: Survey) -> None:
    asked = [survey.keys[i] for i in (7, 0, 11, 0)]
    assert survey.rows(asked).tolist() == [7, 0, 11, 0]
    assert survey.rows([]).dtype == np.int64
    assert survey.holds(survey.keys[3]) and not survey.holds(SliceKey("scan00", 99))


def test_a_slice_never_surveyed_is_named(survey: Survey) -> None:
    with pytest.raises(SurveyError, match=r"scan99/0003 is not among the 12 surveyed slices"):
        survey.rows([survey.keys[0], SliceKey("scan99", 3)])


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda s: changed(s, keys=s.keys[::-1]), "must ascend"),
        (lambda s: changed(s, keys=(s.keys[0], *s.keys[:-1])), "scan00/0000 follows scan00/0000"),
        (lambda s: changed(s, keys=()), "at least one slice"),
        (lambda s: changed(s, keys=s.keys[:-1]), r"shape \(12, 5\); 11 slices"),
        (lambda s: changed(s, counts=s.counts[0]), r"counts has shape \(5,\)"),
        (lambda s: changed(s, counts=s.counts * 1.5), "counts is float64; it must be int64"),
        (lambda s: changed(s, entropy=s.entropy[:, :1]), r"entropy has shape \(12, 1\)"),
        (lambda s: changed(s, embedding=s.embedding[:, :0]), r"embedding has shape \(12, 0\)"),
        (lambda s: changed(s, class_pixel=s.class_pixel[:, :2]), "class_pixel has shape"),
        (lambda s: changed(s, entropy_pixel=s.entropy_pixel[:, 0]), "entropy_pixel has shape"),
        (lambda s: with_value(s, "counts", 2, -1), r"scan00/0002 has counts \[-1, -1"),
        (lambda s: with_value(s, "counts", 2, 0), "at least one pixel"),
        (lambda s: with_value(s, "entropy", (4, 0), np.nan), "scan00/0004 has entropy"),
        (lambda s: with_value(s, "entropy", (4, 1), -0.5), "0 <= mean"),
        (lambda s: changed(s, entropy=s.entropy[:, ::-1]), "mean <= max"),
        (lambda s: with_value(s, "entropy", (4, 0), 1.7), r"ln C = 1\.6094 nats"),
        (lambda s: with_value(s, "embedding", (3, 1), np.inf), "embedding must be finite"),
        (lambda s: with_value(s, "embedding", (3, 1), np.nan), "scan00/0003"),
        (lambda s: changed(s, embedding=s.embedding.astype(np.float64) * 1e300), "must be finite"),
        (lambda s: changed(s, class_pixel=np.full_like(s.class_pixel, -1)), "where a class is predicted"),
        (lambda s: with_value(s, "entropy_pixel", (1, 0), -1), "inside the slice"),
        (lambda s: changed(s, entropy_local=s.entropy_local[:, :1]), r"entropy_local has shape \(12, 1\)"),
        (lambda s: changed(s, class_entropy=s.class_entropy[:, :2]), "class_entropy has shape"),
        (lambda s: changed(s, gradient=s.gradient[:, :0]), r"gradient has shape \(12, 0\)"),
        (lambda s: changed(s, top_percent=np.ones(2)), r"top_percent has shape \(2,\)"),
        (lambda s: with_value(s, "entropy_local", (2, 1), 1.7), r"scan00/0002 has entropy_local .* 0\.\.1\.6"),
        (lambda s: with_value(s, "class_entropy", (2, 1), np.nan), "scan00/0002 has class_entropy"),
        (lambda s: with_value(s, "patch_share", (2, 1), -0.1), "scan00/0002 has patch_share"),
        (lambda s: with_value(s, "gradient", (2, 1), np.inf), "gradient must be finite"),
    ],
)  # fmt: skip
def test_a_survey_that_cannot_be_true_is_refused_in_one_line(
    survey: Survey, spoil: Callable[[Survey], Survey], words: str
) -> None:
    with pytest.raises(SurveyError, match=words) as raised:
        spoil(survey)
    assert isinstance(raised.value, VoidscopeError) and "\n" not in str(raised.value)


def test_a_class_pixel_of_an_absent_class_is_refused() -> None:
    survey = survey_of(pool(5, absent=3))
    with pytest.raises(SurveyError, match="-1 elsewhere"):
        with_value(survey, "class_pixel", (2, 3), (1, 1))


def test_collecting_slices_of_two_models_is_refused() -> None:
    rows = [pool(3)[0].row(), pool(3, features=9)[1].row()]
    with pytest.raises(
        SurveyError, match=r"scan00/0001 has embedding of shape \(9,\), scan00/0000 of \(4,\)"
    ):
        Survey.collect(rows, "model")


def test_collecting_a_slice_twice_or_none_is_refused() -> None:
    row = pool(1)[0].row()
    with pytest.raises(SurveyError, match="scan00/0000 follows scan00/0000"):
        Survey.collect([row, row], "model")
    with pytest.raises(SurveyError, match="at least one slice, got 0"):
        Survey.collect([], "model")


def test_a_stored_survey_with_an_array_missing_says_which(survey: Survey) -> None:
    arrays = survey.arrays()
    del arrays["entropy_pixel"]
    with pytest.raises(SurveyError, match="model lacks entropy_pixel; suggest again"):
        Survey.from_arrays(survey.keys, arrays, "model")


def test_a_survey_of_an_older_version_is_read_without_what_it_lacks(survey: Survey) -> None:
    arrays = {name: array for name, array in survey.arrays().items() if name not in EXTRAS}
    old = Survey.from_arrays(survey.keys, arrays, "model")
    assert all(getattr(old, name) is None for name in EXTRAS)
    assert set(old.arrays()) == set(arrays) and np.array_equal(old.counts, survey.counts)


def test_collecting_leaves_out_what_only_some_slices_have() -> None:
    first, second = (p.row() for p in pool(2))
    partly = Survey.collect([first, second._replace(gradient=None, patch_share=None)], "model")
    assert partly.gradient is None and partly.patch_share is None and partly.top_percent is None
    assert partly.class_entropy is not None


def test_rows_of_the_seven_first_values_make_a_survey() -> None:
    survey = Survey.collect([tuple(p.row())[:7] for p in pool(3)], "model")  # type: ignore[misc]
    assert len(survey) == 3 and survey.entropy_local is None
