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

FIG3B = EXPERIMENTS["fig3b"]
POINTS = [
    *(p for seed in range(5) for name in ("random", "rareness") for p in curve(FIG3B[name], seed, 0.4 + seed / 50, 0.6)),
    *(point(FIG3B["full supervision"], seed, 400, miou=0.8) for seed in range(5)),
]  # fmt: skip


def _keep(out: Path, points: list[dict[str, Any]]) -> None:
    for p in points:
        method = next(m for rows in EXPERIMENTS.values() for m in rows.values() if m.name == p["method"])
        path = points_path(out, Cell(method, p["seed"]))
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(p) + "\n")


def test_a_full_run_is_called_by_its_data_and_seeds_alone() -> None:
    assert headline_of(POINTS) == "scans, 5 seeds"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"reduced": "at most 5 training scans"}, "REDUCED run (at most 5 training scans), scans, 5 seeds"),
        ({"changed": "train.epochs=3"}, "CHANGED settings (train.epochs=3), scans, 5 seeds"),
        ({"reduced": "a", "changed": "b=1"}, "REDUCED run (a), CHANGED settings (b=1), scans, 5 seeds"),
    ],
)
def test_what_was_cut_or_changed_is_said_first(given: dict[str, str], said: str) -> None:
    assert headline_of([p | given for p in POINTS]) == said


def test_fewer_seeds_than_the_papers_are_a_cut_until_they_are_added() -> None:
    assert (
        headline_of([p for p in POINTS if p["seed"] < 2])
        == "REDUCED run (2 seeds in place of 5), scans, 2 seeds"
    )
    assert (
        headline_of([p for p in POINTS if p["seed"] < 1])
        == "REDUCED run (1 seed in place of 5), scans, 1 seed"
    )


def test_the_page_has_headline_notes_tables_and_pictures(tmp_path: Path) -> None:
    _keep(tmp_path, [p | {"reduced": "a cut"} for p in POINTS])
    page = write_report(tmp_path).read_text(encoding="utf-8")
    assert page.startswith("# Benchmark: REDUCED run (a cut), scans, 5 seeds")
    assert "none of the differences in its Tables 1a and 1b is significant" in page
    assert "25.00 hours" in page
    for part in (
        "**mIoU**",
        "**void IoU**",
        "**Difference to random**",
        "**Wins**",
        "**Share of full supervision**",
    ):
        assert part in page
    assert (tmp_path / "fig3b.png").read_bytes().startswith(b"\x89PNG")
    assert len((tmp_path / "points.csv").read_text(encoding="utf-8").splitlines()) == len(POINTS) + 1
    assert len((tmp_path / "results.jsonl").read_text(encoding="utf-8").splitlines()) == len(POINTS)
    assert (tmp_path / "summary.csv").is_file()


def test_experiments_that_share_one_row_with_those_run_are_not_shown(tmp_path: Path) -> None:
    _keep(tmp_path, POINTS)
    page = write_report(tmp_path).read_text(encoding="utf-8")
    assert "## fig3b" in page
    assert "## table1b" not in page  # its max is fig3b's rareness


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
    assert mean == pytest.approx([0.44, 0.6])
    assert half[0] == pytest.approx([2.776445 * 0.0316228 / 5**0.5, 0], abs=1e-5)
    assert half[1] == pytest.approx(half[0])
    assert x != drawn["rareness"][2]  # side by side
    assert x == pytest.approx([10, 20], abs=3)


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
