"""No limit on a length is kept by what was not seen of the bump."""

from __future__ import annotations

import numpy as np
import pytest

from metrology.masks import BACKGROUND, HBM, PAD, PILLAR, SOLDER
from voidscope.config import Criterion, MeasureConfig
from voidscope.metrology import Outcome, ScanMeasurement, Verdict, measure_scan

ORDERS = [(0, 1, 2), (1, 2, 0), (2, 0, 1)]
"""Axes of a scan, of which a bump may stand along any."""
UM1 = (1.0, 1.0, 1.0)


def bump(n: int = 1) -> np.ndarray:
    """So many bumps beside one another: pillar from z = 4 to 16, solder to 30, pad to 38; 16 x 16 voxels across, 8 apart."""
    mask = np.full((42, 24, 24 * n), BACKGROUND, np.uint8)
    for k in range(n):
        own = mask[:, 4:20, 4 + 24 * k : 20 + 24 * k]
        own[4:16], own[16:30], own[30:38] = PILLAR, SOLDER, PAD
    return mask


def limit(measure: str, **limits: float) -> Criterion:
    return Criterion(measure=measure, **limits)


def measured(mask: np.ndarray, *criteria: Criterion, **changes: object) -> ScanMeasurement:
    return measure_scan(mask, HBM, UM1, MeasureConfig(criteria=criteria, **changes), "a")


def outcomes(found: ScanMeasurement) -> list[Outcome]:
    """Of the criteria of the first bump, but for the ratio's."""
    return list(found.bumps[0].measured.outcomes[1:])


def said(found: ScanMeasurement) -> list[str]:
    return [o.verdict.value for o in outcomes(found)]


@pytest.mark.parametrize("unit", ["bump", "scan"])
@pytest.mark.parametrize("n", [1, 2])
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize(
    ("planes", "verdicts", "what"),
    [
        (slice(8, None), ["REVIEW", "PASS", "REVIEW"], "foot"),
        (slice(0, 36), ["REVIEW", "PASS", "PASS"], "top"),
        (slice(0, 42), ["PASS", "PASS", "PASS"], ""),
    ],
)
def test_what_is_read_off_an_end_at_the_edge_of_the_scan_keeps_no_limit_from_above(
    planes: slice,
    verdicts: list[str],
    what: str,
    turned: bool,
    order: tuple[int, int, int],
    n: int,
    unit: str,
) -> None:
    mask = bump(n)[planes][:: -1 if turned else 1]
    limits = (
        limit("blt_um", at_most=40),
        limit("blt_um", at_least=20),
        limit("pillar_height_um", at_most=20),
    )
    found = measured(np.ascontiguousarray(mask.transpose(order)), *limits, unit=unit)
    assert said(found) == verdicts
    assert found.verdict is (Verdict.REVIEW if what else Verdict.PASS)
    axis = "zyx"[order.index(0)]
    assert (
        not what
        or f"but its {what} lies at the edge of the scan along {axis}, so it may be more" in found.reason
    )
    assert {b.measured.doubts for b in found.bumps} == {()}
    guarded = (Criterion(measure="blt_um", at_most=60, uncertainty=1.0),)
    cut = measure_scan(
        np.ascontiguousarray(mask.transpose(order)),
        HBM,
        UM1,
        MeasureConfig(criteria=guarded, rule="guard band"),
        "a",
    )
    assert said(cut) == ["REVIEW" if what else "PASS"]


def test_what_fails_though_part_of_it_is_missing_fails() -> None:
    found = measured(bump()[8:], limit("blt_um", at_most=25))
    assert (found.verdict, outcomes(found)[0].value) == (Verdict.FAIL, 30)


@pytest.mark.parametrize(("n", "verdict"), [(7, "PASS"), (8, "REVIEW")])
def test_a_few_voxels_at_the_edge_cut_no_foot(n: int, verdict: str) -> None:
    mask = bump()[3:]
    mask[0, 8, 6 : 6 + n] = PILLAR
    assert said(measured(mask, limit("blt_um", at_most=40))) == [verdict]
