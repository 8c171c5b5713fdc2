"""Tables say what the points say: by hand on a few points."""

from __future__ import annotations

import csv
import io

import pytest
from made_points import curve, point

from voidscope.benchmark import EXPERIMENTS, tables
from voidscope.benchmark.rows import Row, curves_of, levels_of, rows_of, shared

FIG3B = EXPERIMENTS["fig3b"]
POINTS = [
    *curve(FIG3B["random"], 0, 0.4, 0.6), *curve(FIG3B["random"], 1, 0.5, 0.7),
    *curve(FIG3B["coreset"], 0, 0.5, 0.7), *curve(FIG3B["coreset"], 1, 0.4, 0.7),
    point(FIG3B["full supervision"], 0, 400, miou=0.8), point(FIG3B["full supervision"], 1, 400, miou=1.0),
]  # fmt: skip
ROWS = rows_of("fig3b", POINTS)


def _cells(table: str) -> dict[str, list[str]]:
    lines = [line.strip("| ").split(" | ") for line in table.splitlines() if line.startswith("| ")]
    return {line[0].strip(): [c.strip() for c in line[1:]] for line in lines}


def test_rows_collect_budgets_and_seeds_and_full_supervision_is_a_level() -> None:
    assert [row.name for row in ROWS] == ["random", "coreset", "full supervision"]
    assert ROWS[0].by_budget("miou") == {10: {0: 0.4, 1: 0.5}, 20: {0: 0.6, 1: 0.7}}
    assert ROWS[0].area("miou") == pytest.approx({0: 0.5, 1: 0.6})
    assert ROWS[0].last("miou") == {0: 0.6, 1: 0.7}
    assert [row.name for row in levels_of(ROWS)] == ["full supervision"]
    assert [row.name for row in curves_of(ROWS)] == ["random", "coreset"]


def test_a_seed_that_lacks_a_budget_has_no_area() -> None:
    (row,) = rows_of("fig3b", [*curve(FIG3B["random"], 0, 0.4, 0.6), *curve(FIG3B["random"], 1, 0.5)])
    assert set(row.area("miou")) == {0}


def test_means_stand_under_their_budget_with_their_spread_and_number() -> None:
    cells = _cells(tables.by_budget("fig3b", ROWS, "miou"))
    assert cells["random"][:2] == ["0.450 (0.071) n=2", "0.650 (0.071) n=2"]
    assert cells["full supervision"][-1] == "0.900 (0.141) n=2"
    assert "lower is better" in tables.by_budget("fig3b", ROWS, "void_ratio_error")


def test_a_score_that_is_nowhere_defined_is_undefined_not_zero() -> None:
    rows = rows_of("fig3b", [point(FIG3B["random"], 0, 10, void_iou=None)])
    assert _cells(tables.by_budget("fig3b", rows, "void_iou"))["random"] == ["undefined"]


def test_the_papers_numbers_stand_beside_ours_for_miou_only() -> None:
    rows = rows_of("table1b", curve(EXPERIMENTS["table1b"]["max"], 0, 0.5))
    assert "100: 0.7463 (0.0171), 150: 0.7691 (0.0049), 200: 0.7819 (0.0040)" in tables.by_budget(
        "table1b", rows, "miou"
    )
    assert "paper" not in tables.by_budget("table1b", rows, "void_iou")


def test_differences_are_of_pairs_with_their_interval_wins_and_p() -> None:
    cells = _cells(tables.differences("fig3b", ROWS))
    assert "random" not in cells
    assert "full supervision" not in cells
    area, last = cells["coreset"][:2]
    assert area.startswith("+0.025 [")
    assert ", 1/2, p 0.8" in area  # differences +0.10 and -0.05
    assert last.startswith("+0.050 [")
    assert ", 1/2, p 0.5 (0.5)" in last  # differences +0.10 and 0


def _stopped() -> tuple[Row, ...]:
    """Random at 10, 20, 30 labelled slices; core-set with the same scores stopped after 20, in its third seed after 10."""
    mious = (0.4, 0.6, 0.9)
    points = [p for seed in range(3) for p in curve(FIG3B["random"], seed, *(m + seed / 50 for m in mious))]
    for seed, n in enumerate((2, 2, 1)):
        points += curve(FIG3B["coreset"], seed, *(m + seed / 50 for m in mious[:n]))
    return rows_of("fig3b", points)


def test_a_row_that_was_stopped_differs_by_nothing_where_it_was_the_same() -> None:
    (line,) = [x for x in tables.differences("fig3b", _stopped()).splitlines() if x.startswith("| coreset")]
    name, area, last, *_ = (c.strip() for c in line.strip("|").split("|"))
    assert name == "coreset (at 10, 20)"
    assert area == "+0.000 [+0.000, +0.000], 0/2"
    assert last == "+0.000 [+0.000, +0.000], 0/2"


def test_wins_over_a_row_that_was_stopped_are_over_what_both_have() -> None:
    cells = _cells(tables.wins(_stopped(), "miou"))
    assert cells["1. random"][1] == "0/2 (at 10, 20)"
    assert cells["2. coreset"][0] == "0/2 (at 10, 20)"


def test_a_row_that_got_less_far_and_was_better_is_told_as_better() -> None:
    points = [p for s in range(3) for p in curve(FIG3B["random"], s, 0.4, 0.6 + s / 50, 0.9)]
    points += [p for s in range(3) for p in curve(FIG3B["coreset"], s, 0.4, 0.7 + s / 50)]
    cells = _cells(tables.differences("fig3b", rows_of("fig3b", points)))
    assert cells["coreset (at 10, 20)"][0].startswith("+0.050 [")
    assert cells["coreset (at 10, 20)"][1].startswith("+0.100 [")


def test_rows_are_compared_where_most_of_their_points_are() -> None:
    """A seed of another plan that got further alone does not decide for the others."""
    random, coreset = (
        [p for s in range(4) for p in curve(FIG3B[n], s, 0.4, 0.5)] + curve(FIG3B[n], 9, 0.4, 0.5, 0.6)
        for n in ("random", "coreset")
    )
    assert shared(*rows_of("fig3b", random + coreset)) == (10, 20)
    further = [p for s in range(3) for n in ("random", "coreset") for p in curve(FIG3B[n], s, 0.4, 0.5, 0.6)]
    begun = [p for n in ("random", "coreset") for p in curve(FIG3B[n], 3, 0.4)]
    assert shared(*rows_of("fig3b", further + begun)) == (10, 20, 30)


def test_rows_without_a_labelled_slice_in_common_are_no_pair() -> None:
    points = [point(FIG3B["random"], 0, 10), point(FIG3B["coreset"], 0, 20)]
    assert _cells(tables.differences("fig3b", rows_of("fig3b", points)))["coreset"] == ["no pair"] * 4
    assert _cells(tables.wins(rows_of("fig3b", points), "miou"))["1. random"][1] == "-"


def test_unfinished_rows_are_told_with_what_they_have() -> None:
    points = [p for s in range(2) for p in curve(FIG3B["random"], s, 0.4, 0.6)]
    points += [
        *curve(FIG3B["coreset"], 0, 0.4, 0.6),
        *curve(FIG3B["coreset"], 1, 0.4),
        *curve(FIG3B["vaal"], 1, 0.4),
    ]
    points += [point(FIG3B["full supervision"], 0, 400)]
    assert tables.unfinished(rows_of("fig3b", points, (10, 20)), 2) == (
        "**Unfinished**: coreset 1 of 2 seeds, the others up to 10 labelled slices; vaal 0 of 2 seeds, up to 10 labelled slices; "
        "full supervision 1 of 2 seeds"
    )
    assert tables.unfinished(rows_of("fig3b", points[:1], (10, 20)), 1) == (
        "**Unfinished**: random 0 of 1 seed, up to 10 labelled slices"
    )
    assert tables.unfinished(rows_of("fig3b", points[:4], (10, 20)), 2) == ""


def test_only_finished_seeds_have_an_area_in_the_summary() -> None:
    rows = rows_of("fig3b", curve(FIG3B["random"], 0, 0.4, 0.6), (10, 20, 30))
    lines = list(csv.DictReader(io.StringIO(tables.summary_csv({"fig3b": rows}))))
    (area,) = [line for line in lines if (line["score"], line["labelled"]) == ("miou", "area")]
    assert (area["n"], area["mean"]) == ("0", "")


def test_a_row_alone_differs_from_nothing() -> None:
    rows = rows_of("fig3b", curve(FIG3B["coreset"], 0, 0.5))
    assert tables.differences("fig3b", rows) == tables.differences_at("fig3b", rows, "miou") == ""


def test_without_the_experiments_reference_the_first_row_is_it() -> None:
    rows = rows_of("fig3b", [*curve(FIG3B["forest on random"], 0, 0.5), *curve(FIG3B["product"], 0, 0.75)])
    assert "Difference to forest on random** (there is no random) in pairs" in tables.differences(
        "fig3b", rows
    )
    assert _cells(tables.differences("fig3b", rows))["product"][0] == "+0.250, 1/1"


def test_differences_are_told_at_each_number_of_labelled_slices() -> None:
    table = tables.differences_at("fig3b", ROWS, "miou")
    assert "**mIoU less that of random** in pairs" in table
    at_10, at_20 = _cells(table)["coreset"]
    assert at_10 == "+0.000 [-1.271, +1.271], 1/2"  # +0.1 and -0.1: 0.1 * 12.706
    assert at_20.startswith("+0.050 [") and at_20.endswith(", 1/2")
    some = [*curve(FIG3B["random"], 0, 0.4, 0.6), *curve(FIG3B["coreset"], 0, 0.5)]
    assert _cells(tables.differences_at("fig3b", rows_of("fig3b", some), "miou"))["coreset"] == [
        "+0.100, 1/1",
        "no pair",
    ]


def test_of_an_error_the_lower_one_wins_at_each_number_and_small_ones_are_told_apart() -> None:
    rows = rows_of(
        "fig3b",
        [
            point(FIG3B["random"], 0, 10, void_ratio_error=0.00125),
            point(FIG3B["coreset"], 0, 10, void_ratio_error=0.001),
        ],
    )
    assert _cells(tables.differences_at("fig3b", rows, "void_ratio_error"))["coreset"] == ["-0.00025, 1/1"]
    assert _cells(tables.by_budget("fig3b", rows, "void_ratio_error"))["random"] == ["0.00125 n=1"]
    assert _cells(tables.areas(rows))["random"][2] == "0.00125 n=1"


def test_wins_of_a_pair_of_rows_are_all_seeds_but_the_ties() -> None:
    cells = _cells(tables.wins(ROWS, "miou"))
    assert cells["2. coreset"][0] == "1/2"
    assert cells["1. random"][1] == "1/2"
    tied = rows_of("fig3b", [*curve(FIG3B["random"], 0, 0.5), *curve(FIG3B["coreset"], 0, 0.5)])
    assert _cells(tables.wins(tied, "miou"))["1. random"][1] == "0/1"


def test_a_lower_error_wins() -> None:
    points = [
        point(FIG3B["random"], 0, 10, void_ratio_error=0.1),
        point(FIG3B["coreset"], 0, 10, void_ratio_error=0.2),
    ]
    assert _cells(tables.wins(rows_of("fig3b", points), "void_ratio_error"))["1. random"][1] == "1/1"


def test_the_share_of_full_supervision_is_taken_seed_by_seed_and_within_one_recipe() -> None:
    product = curve(FIG3B["product"], 0, 0.9, 0.9)
    table = tables.shares(rows_of("fig3b", [*POINTS, *product]))
    assert (
        [line for line in table.splitlines() if line.startswith("| random")]
        == [
            "| random | full supervision | 10 (2.5 %) | 50.0 % n=2 | 90.0 % n=2 |",  # mIoU 0.4 / 0.8 and 0.5 / 1.0, void IoU 0.4 / 0.5 and 0.5 / 0.5
            "| random | full supervision | 20 (5.0 %) | 72.5 % n=2 | 130.0 % n=2 |",
        ]
    )
    assert "product" not in table
    full = [point(FIG3B["full supervision"], s, 400, void_iou=0.5 if s else 0) for s in range(3)]
    some = [point(FIG3B["random"], s, 10, void_iou=None if s == 1 else 0.4) for s in range(3)]
    assert "| 100.0 % n=3 | 80.0 % n=1 |" in tables.shares(rows_of("fig3b", [*full, *some]))
    assert "| 100.0 % n=2 | undefined |" in tables.shares(rows_of("fig3b", [*full[:2], *some[:2]]))


def test_iou_of_each_class_is_told_at_the_rows_last_labelled_slices() -> None:
    points = [
        *(point(FIG3B["random"], s, 10, iou={"solder": 0.1, "void": 0.1}) for s in range(2)),
        *(point(FIG3B["random"], s, 20, iou={"solder": 0.5 + s / 10, "void": None}) for s in range(2)),
        point(FIG3B["full supervision"], 0, 400, iou={"solder": 0.9, "void": 0.8}),
    ]
    table = tables.by_class(rows_of("fig3b", points))
    assert "| row | labelled slices | solder | void |" in table
    cells = _cells(table)
    assert cells["random"] == ["20", "0.550 (0.071) n=2", "undefined"]
    assert cells["full supervision"] == ["400", "0.900 n=1", "0.800 n=1"]


def test_areas_are_told_with_their_interval_and_only_of_finished_seeds() -> None:
    cells = _cells(tables.areas(rows_of("fig3b", [*POINTS, *curve(FIG3B["vaal"], 0, 0.4)], (10, 20))))
    assert cells["random"][0] == "0.550 [-0.085, 1.185] n=2"  # 0.05 * 12.706 each side
    assert cells["vaal"] == ["unfinished"] * 3
    assert "full supervision" not in cells
    assert "(AUBC)" in tables.areas(ROWS)
    assert tables.areas(levels_of(ROWS)) == ""


def test_seconds_of_a_cell_are_those_of_all_its_points() -> None:
    took = (
        {"suggest": 1.0, "train": 10.0, "segment": 100.0},
        {"suggest": 2.0, "train": 20.0, "segment": 200.0},
    )
    points = [
        *(point(FIG3B["random"], 0, 10 * k, seconds=s) for k, s in enumerate(took, start=1)),
        *(point(FIG3B["random"], 1, 10 * k, seconds=took[0]) for k in (1, 2)),
        point(FIG3B["random"], 2, 10, seconds=took[1]),  # not finished
        point(FIG3B["vaal"], 0, 10, seconds=took[0]),
    ]
    cells = _cells(tables.seconds(rows_of("fig3b", points, (10, 20))))
    assert cells["random"] == ["2.5 (0.7) n=2", "25.0 (7.1) n=2", "250.0 (70.7) n=2"]
    assert cells["vaal"] == ["unfinished"] * 3


def test_both_csv_files_hold_every_number() -> None:
    (first, *_) = csv.DictReader(io.StringIO(tables.points_csv(POINTS)))
    assert (first["miou"], first["iou_solder"], first["iou_void"], first["seconds_train"]) == (
        "0.4",
        "0.7",
        "",
        "1800.0",
    )
    lines = list(csv.DictReader(io.StringIO(tables.summary_csv({"fig3b": ROWS}))))
    (area,) = [
        line for line in lines if (line["row"], line["score"], line["labelled"]) == ("random", "miou", "area")
    ]
    assert (area["n"], float(area["mean"]), float(area["std"])) == ("2", 0.55, pytest.approx(0.070711))
    assert len(lines) == 5 * (3 + 3 + 2)
