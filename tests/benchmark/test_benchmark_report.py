"""The page and its pictures: a run that is not the paper's protocol never looks like one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from made_points import curve, point

from voidscope.benchmark import EXPERIMENTS, Cell, Method, figures, write_report
from voidscope.benchmark.points import points_path
from voidscope.benchmark.report import headline_of
from voidscope.benchmark.rows import rows_of
from voidscope.errors import NotReady
from voidscope.project.atomic import write_json

FIG3B = EXPERIMENTS["fig3b"]
POINTS = [
    *(p for seed in range(5) for name in ("random", "rareness") for p in curve(FIG3B[name], seed, 0.4 + seed / 50, 0.6, 0.6, 0.6, step=50)),
    *(point(FIG3B["full supervision"], seed, 400, miou=0.8) for seed in range(5)),
]  # fmt: skip
"""Every labelled slice and seed of the paper's protocol, of three rows."""
PART = f"of {len(FIG3B)} rows of fig3b, scans"
RANDOM, RARENESS = (FIG3B[name].name for name in ("random", "rareness"))


def _keep(out: Path, points: list[dict[str, Any]]) -> None:
    for p in points:
        method = next(m for rows in EXPERIMENTS.values() for m in rows.values() if m.name == p["method"])
        path = points_path(out, Cell(method, p["seed"]))
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(p) + "\n")


def test_rows_with_every_budget_and_seed_are_called_by_their_data_and_seeds_alone() -> None:
    assert headline_of(POINTS) == f"3 {PART}, 5 seeds"
    assert headline_of(POINTS, (50, 100, 150, 200)) == f"3 {PART}, 5 seeds"


def test_all_rows_of_an_experiment_are_not_counted() -> None:
    whole = [p for m in FIG3B.values() for s in range(5) for p in curve(m, s, 0.4, 0.5, 0.5, 0.5, step=50)]
    assert headline_of(whole) == "scans, 5 seeds"


@pytest.mark.parametrize(
    ("kept", "said"),
    [
        (lambda p: p["n_labelled"] in (50, 400), "random 0; rareness 0"),  # only the first batch
        (lambda p: p["seed"] < 4 or (p["method"], p["n_labelled"]) == (RANDOM, 50), "random 4; rareness 4; full supervision 4"),
        (lambda p: p["seed"] < 1 or p["method"] == RANDOM, "rareness 1; full supervision 1"),
        (lambda p: p["method"] != RARENESS or p["n_labelled"] < 200, "rareness 0"),
        (lambda p: p["method"] != RARENESS or p["seed"] != 2 or p["n_labelled"] != 100, "rareness 4"),  # one missing point
    ],
)  # fmt: skip
def test_a_run_short_of_labelled_slices_or_seeds_is_unfinished(kept: Any, said: str) -> None:
    headline = headline_of([p for p in POINTS if kept(p)])
    assert headline == f"UNFINISHED run (finished of 5 seeds: {said}), 3 {PART}, 5 seeds begun"


def test_no_more_than_three_unfinished_rows_are_named_the_least_finished_first() -> None:
    names = ("random", "entropy", "coreset", "badge", "rareness")
    points = [
        p
        for k, name in enumerate(names)
        for s in range(5)
        for p in curve(FIG3B[name], s, *(0.5,) * (3 + (s < k)), step=50)
    ]
    assert headline_of(points).startswith(
        "UNFINISHED run (finished of 5 seeds: random 0; entropy 1; coreset 2; 2 more rows), "
    )


def test_a_method_that_is_a_row_of_several_experiments_is_named_once() -> None:
    points = [p for m in ("entropy", "rareness") for p in curve(FIG3B[m], 0, 0.5)]
    assert headline_of([p | {"reduced": "a"} for p in points], (10, 20)) == (
        "REDUCED run (a; 1 seed in place of 5), UNFINISHED run (finished of 1 seed: entropy 0; rareness 0), "
        f"2 of {len(FIG3B)} rows of fig3b, 2 of 4 rows of table1a, scans, 1 seed begun"
    )


def test_budgets_of_the_record_count_for_the_page(tmp_path: Path) -> None:
    points = [p | {"reduced": "a cut"} for p in POINTS]
    _keep(tmp_path, points)
    write_json(tmp_path / "run.json", {"common": {"budgets": [50, 100, 150, 200, 250]}, "commands": []})
    page = write_report(tmp_path).read_text(encoding="utf-8")
    assert page.startswith(
        "# Benchmark: REDUCED run (a cut), UNFINISHED run (finished of 5 seeds: random 0; rareness 0), "
        f"3 {PART}"
    )
    assert "**Unfinished**: random 0 of 5 seeds, up to 200 labelled slices; rareness" in page


def test_cuts_are_told_once_and_none_of_a_strategy_that_was_run_after_all() -> None:
    cut = "8 labelled slices; without vaal; train.epochs=25"
    asked = [point(FIG3B["vaal"], s, 8, reduced="8 labelled slices; train.epochs=25") for s in range(5)]
    others = [point(FIG3B["random"], s, 8, reduced=cut) for s in range(5)]
    assert headline_of(others).startswith(f"REDUCED run ({cut}), 1 of ")
    assert (
        headline_of([*others, *asked])
        == f"REDUCED run (8 labelled slices; train.epochs=25), 2 {PART}, 5 seeds"
    )


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"reduced": "at most 5 training scans"}, "REDUCED run (at most 5 training scans)"),
        ({"changed": "train.epochs=3"}, "CHANGED settings (train.epochs=3)"),
        ({"reduced": "a", "changed": "b=1"}, "REDUCED run (a), CHANGED settings (b=1)"),
    ],
)
def test_what_was_cut_or_changed_is_said_first(given: dict[str, str], said: str) -> None:
    assert headline_of([p | given for p in POINTS]) == f"{said}, 3 {PART}, 5 seeds"


def test_fewer_seeds_than_the_papers_are_a_cut_until_they_are_added() -> None:
    assert (
        headline_of([p for p in POINTS if p["seed"] < 2])
        == f"REDUCED run (2 seeds in place of 5), 3 {PART}, 2 seeds"
    )
    assert (
        headline_of([p for p in POINTS if p["seed"] < 1])
        == f"REDUCED run (1 seed in place of 5), 3 {PART}, 1 seed"
    )


def test_the_page_has_headline_notes_tables_and_pictures(tmp_path: Path) -> None:
    _keep(tmp_path, [p | {"reduced": "a cut"} for p in POINTS])
    page = write_report(tmp_path).read_text(encoding="utf-8")
    assert page.startswith(f"# Benchmark: REDUCED run (a cut), 3 {PART}, 5 seeds")
    assert "none of the differences in its Tables 1a and 1b is significant" in page
    assert "45.00 hours" in page
    assert "Unfinished" not in page
    for part in (
        "**mIoU**",
        "**void IoU**",
        "**Difference to random**",
        "**Wins**",
        "**Share of full supervision**",
        "**IoU of each class**",
        "**Area under the curve (AUBC)**",
        "**Seconds of a cell**",
    ):
        assert part in page
    assert (tmp_path / "fig3b.png").read_bytes().startswith(b"\x89PNG")
    assert len((tmp_path / "points.csv").read_text(encoding="utf-8").splitlines()) == len(POINTS) + 1
    assert len((tmp_path / "results.jsonl").read_text(encoding="utf-8").splitlines()) == len(POINTS)
    assert (tmp_path / "summary.csv").is_file()


@pytest.mark.parametrize(
    ("record", "said"),
    [
        (
            {"seconds": 90.0},
            "segmenting on cpu (1 threads); pretraining 0.03 hours",
        ),
        ({"losses": [1.0, 0.5]}, "segmenting on cpu (1 threads); pretraining apart"),
        ({"seconds": None}, "segmenting on cpu (1 threads); pretraining apart"),
        (None, "segmenting on cpu (1 threads); pretraining apart"),
    ],
)
def test_the_time_of_the_pretraining_is_told_where_it_is_known(
    record: Any, said: str, tmp_path: Path
) -> None:
    _keep(tmp_path, POINTS)
    if record:
        write_json(tmp_path / "pretraining" / "pretrained" / "pretrained.json", record)
    assert f"{said}\n" in write_report(tmp_path).read_text(encoding="utf-8")


def test_experiments_that_share_one_row_with_those_run_are_not_shown(tmp_path: Path) -> None:
    _keep(tmp_path, POINTS)
    page = write_report(tmp_path).read_text(encoding="utf-8")
    assert "## fig3b" in page
    assert "## table1b" not in page  # its max is fig3b's rareness


def test_an_experiment_all_of_whose_rows_another_shows_is_not_shown_again(tmp_path: Path) -> None:
    _keep(tmp_path, POINTS)  # of fig3a the contrastive rows alone, which fig3b has as random and rareness
    page = write_report(tmp_path).read_text(encoding="utf-8")
    assert "## fig3b" in page and "## fig3a" not in page
    none = EXPERIMENTS["fig3a"]["none, random"]
    _keep(tmp_path, [p for seed in range(5) for p in curve(none, seed, 0.4, 0.5, 0.5, 0.5, step=50)])
    assert "## fig3a" in write_report(tmp_path).read_text(encoding="utf-8")


def test_a_single_row_is_shown_all_the_same(tmp_path: Path) -> None:
    _keep(tmp_path, curve(FIG3B["strided"], 0, 0.5, 0.6))
    assert "| strided |" in write_report(tmp_path).read_text(encoding="utf-8")


def test_every_picture_is_titled_with_the_headline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    titles: list[str] = []

    def spy(rows: object, scores: object, title: str) -> bytes:
        titles.append(title)
        return b""

    monkeypatch.setattr(figures, "draw_curves", spy)
    other = curve(Method(initialisation="none"), 0, 0.3, 0.4)
    _keep(tmp_path, [p | {"reduced": "a cut"} for p in (*POINTS, *other)])
    write_report(tmp_path)
    assert len(titles) == 2
    assert all("REDUCED run (a cut)" in title for title in titles)


def test_a_report_of_nothing_says_how_to_make_something(tmp_path: Path) -> None:
    with pytest.raises(NotReady, match="no finished point; run: voidscope benchmark run"):
        write_report(tmp_path)


def test_curves_show_means_and_intervals_and_full_supervision_is_a_level(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from matplotlib.axes import Axes

    drawn: dict[str, Any] = {}
    real = Axes.errorbar

    def spy(axes: Axes, x: Any, y: Any, **look: Any) -> Any:
        drawn[look["label"]] = (list(y), look["yerr"], list(x))
        return real(axes, x, y, **look)

    monkeypatch.setattr(Axes, "errorbar", spy)
    rows = rows_of("fig3b", POINTS)
    picture = figures.draw_curves(rows, {"miou": "mIoU"}, "title")
    assert picture.startswith(b"\x89PNG")
    assert set(drawn) == {"random", "rareness"}
    mean, half, x = drawn["random"]
    assert mean == pytest.approx([0.44, 0.6, 0.6, 0.6])
    assert half[0] == pytest.approx([2.776445 * 0.0316228 / 5**0.5, 0, 0, 0], abs=1e-5)
    assert half[1] == pytest.approx(half[0])
    assert x != drawn["rareness"][2]  # side by side
    assert x == pytest.approx([50, 100, 150, 200], abs=3)


def test_rows_are_told_apart_without_colour() -> None:
    looks = [figures.look_of(k) for k in range(21)]
    assert len({(look["marker"], look["linestyle"]) for look in looks}) == 21
    assert len({look["color"] for look in looks}) == 8


def test_bars_are_intervals_from_three_seeds_on_and_below_that_the_seeds() -> None:
    assert figures.spread_of([0.4, 0.6]) == (0.4, 0.6)
    assert figures.spread_of([0.4, float("nan")]) == (0.4, 0.4)
    assert figures.spread_of([0.4, 0.5, 0.6]) == pytest.approx(
        (0.5 - 4.302653 * 0.1 / 3**0.5, 0.5 + 4.302653 * 0.1 / 3**0.5)
    )
    assert all(x != x for x in figures.spread_of([]))


def test_all_values_are_shown_and_wide_intervals_do_not_flatten_them() -> None:
    rows = rows_of("fig3b", [p for p in POINTS if p["n_labelled"] < 400])
    assert figures.limits_of(rows, "miou") == pytest.approx(
        (0.3893, 0.6103), abs=1e-3
    )  # interval from 0.4007; values from 0.4
    seeds = [p for s, m in enumerate((0.4, 0.5, 0.6)) for p in curve(FIG3B["random"], s, m)]
    assert figures.limits_of(rows_of("fig3b", seeds), "miou") == pytest.approx(
        (0.28, 0.72)
    )  # interval 0.25 to 0.75


def test_nothing_defined_sets_no_limits_and_one_value_stands_free() -> None:
    assert (
        figures.limits_of(rows_of("fig3b", [point(FIG3B["random"], 0, 10, void_iou=None)]), "void_iou")
        is None
    )
    assert figures.limits_of(rows_of("fig3b", [point(FIG3B["random"], 0, 10)]), "miou") == pytest.approx(
        (0.48, 0.52)
    )


def test_points_made_with_several_versions_name_them_all(tmp_path: Path) -> None:
    older = [point(FIG3B["random"], 0, 50, versions={"torch": "1"}, platform="there", created="2024-01-01")]
    _keep(tmp_path, [*older, *(p for p in POINTS if p["seed"])])
    page = write_report(tmp_path).read_text(encoding="utf-8")
    assert "- torch 1; Python 3, there\n- voidscope 0; Python 3, here\n" in page
