"""The words: keys sort and parse, class ids translate both ways, planes cut."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voidscope.errors import ConfigError, LabelError
from voidscope.vocabulary import ClassMap, Plane, Role, SliceKey

names = st.text("abcXYZ019_-", min_size=1, max_size=8)


@given(names, st.integers(0, 99_999))
def test_a_slice_key_prints_and_parses_to_itself(scan: str, index: int) -> None:
    key = SliceKey(scan, index)
    assert SliceKey.parse(str(key)) == key


def test_slice_keys_sort_by_scan_then_index() -> None:
    keys = [SliceKey("b", 0), SliceKey("a", 10), SliceKey("a", 9)]
    assert [str(k) for k in sorted(keys)] == ["a/0009", "a/0010", "b/0000"]


@pytest.mark.parametrize("text", ["scan07", "/3", "scan07/", "scan07/x", "scan07/-1"])
def test_what_is_no_slice_key_is_named_in_the_error(text: str) -> None:
    with pytest.raises(ConfigError, match="is not a slice key"):
        SliceKey.parse(text)


def test_hbm_classes_are_the_papers_with_background_as_a_real_class() -> None:
    classes = ClassMap.hbm()
    assert classes.names == ("background", "copper_pillar", "solder", "void", "copper_pad")
    assert [c.file_id for c in classes.classes] == [0, 1, 2, 3, 4]
    assert classes.ids_with_role(Role.BACKGROUND) == (1,)
    assert classes.ids_with_role(Role.VOID) == (4,)


def test_file_ids_and_class_ids_translate_both_ways() -> None:
    classes = ClassMap.hbm()
    ids = np.array([[0, 1, 2], [3, 4, 0]])
    mask = classes.from_file(ids)
    assert mask.dtype == np.uint8
    assert mask.tolist() == [[1, 2, 3], [4, 5, 1]]
    assert (classes.to_file(mask) == ids).all()


@given(st.lists(st.integers(0, 65535), min_size=2, max_size=6, unique=True), st.data())
def test_translation_agrees_with_a_plain_loop_whatever_the_ids(
    file_ids: list[int], data: st.DataObject
) -> None:
    classes = ClassMap.from_entries({"id": i, "name": f"class{k}"} for k, i in enumerate(file_ids))
    picked = data.draw(st.lists(st.sampled_from(file_ids), min_size=1, max_size=20))
    expected = [file_ids.index(v) + 1 for v in picked]
    assert classes.from_file(np.array(picked)).tolist() == expected
    assert classes.to_file(np.array(expected, np.uint8)).tolist() == picked


def test_a_map_renames_ids_and_may_leave_some_unlabelled() -> None:
    mask = ClassMap.hbm().from_file(np.array([0, 255, 7]), {0: "background", 255: "void", 7: "unlabelled"})
    assert mask.tolist() == [1, 4, 0]


def test_a_boolean_mask_counts_as_ids_0_and_1() -> None:
    assert ClassMap.from_names(["background", "void"]).from_file(np.array([False, True])).tolist() == [1, 2]


def test_unknown_ids_are_named_with_the_way_out() -> None:
    with pytest.raises(LabelError, match=r"Unknown label ids 9;.*--map"):
        ClassMap.hbm().from_file(np.array([0, 9]))


def test_real_numbers_are_no_labels() -> None:
    with pytest.raises(LabelError, match="float64"):
        ClassMap.hbm().from_file(np.array([0.0, 1.0]))


def test_an_unlabelled_voxel_has_no_file_id() -> None:
    with pytest.raises(LabelError, match="1 voxels are unlabelled"):
        ClassMap.hbm().to_file(np.array([0, 1, 2], np.uint8))


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["background"], "at least two"),
        (["a", "a"], "unique"),
        (["a", "b:gas"], "role 'gas'"),
        (["a", "b/c"], "cannot be a class name"),
        (["a", "unlabelled"], "cannot be a class name"),
    ],
)
def test_impossible_class_maps_are_refused(words: list[str], reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        ClassMap.from_names(words)


def test_a_colour_is_six_hexadecimal_digits() -> None:
    with pytest.raises(ConfigError, match="colour 'red'; write it as #rrggbb"):
        ClassMap.from_entries([{"id": 0, "name": "a", "colour": "red"}, {"id": 1, "name": "b"}])


def test_roles_are_read_off_names_or_words() -> None:
    classes = ClassMap.from_names(["background", "layer", "pore:void"])
    assert [c.role for c in classes.classes] == [Role.BACKGROUND, Role.FOREGROUND, Role.VOID]


def test_pores_are_voids_unless_somebody_says_otherwise() -> None:
    names = ClassMap.from_names(["Background", "metal", "Pores", "pore:foreground"])
    assert [c.role.value for c in names.classes] == ["background", "foreground", "void", "foreground"]


def test_classes_without_a_void_ratio_are_doubted() -> None:
    assert "e.g. crack:void" in ClassMap.from_names(["background", "metal", "crack"]).doubt
    assert "all of the foreground" in ClassMap.from_names(["background", "void"]).doubt
    assert ClassMap.hbm().doubt == ClassMap.from_names(["metal", "void"]).doubt == ""


def test_entries_round_trip() -> None:
    classes = ClassMap.hbm()
    assert ClassMap.from_entries(classes.entries()) == classes


def test_classes_have_different_colours() -> None:
    colours = [c.colour for c in ClassMap.from_names([f"c{k}" for k in range(6)]).classes]
    assert len(set(colours)) == 6


def test_an_unknown_class_name_lists_the_known_ones() -> None:
    with pytest.raises(ConfigError, match=r"no class 'tin'.*solder"):
        ClassMap.hbm().id_of("tin")


def test_planes_know_their_axis() -> None:
    assert [p.axis for p in Plane] == [0, 1, 2]


def test_booleans_are_ids_with_a_map_of_some_ids_too() -> None:
    ids = np.array([[True, True], [True, True]])
    assert (ClassMap.hbm().from_file(ids, {1: "void"}) == 4).all()
    with pytest.raises(LabelError, match="Unknown label ids 0"):
        ClassMap.hbm().from_file(~ids, {1: "void"})


def test_a_map_of_no_ids_is_refused() -> None:
    with pytest.raises(LabelError, match=r"names no ids.*--map ID=CLASS"):
        ClassMap.hbm().from_file(np.zeros((2, 2), np.uint8), {})
