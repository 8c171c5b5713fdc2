"""Which verdicts a measurement left open: what the strategy ``verdict`` ranks by, and what tells when to stop labelling."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from math import erfc, sqrt

from voidscope.acquisition import Decision, Near
from voidscope.config import MeasureConfig
from voidscope.errors import NotReady, named
from voidscope.metrology import Outcome, Report, ScanMeasurement, Verdict
from voidscope.metrology.quantities import classes_read
from voidscope.metrology.verdict import joined
from voidscope.project import Cycle, Project
from voidscope.vocabulary import ClassMap, Role
from voidscope.workflow.snapshot import fingerprint_of

OPEN = "open"
"""What is decided about a scan or bump whose verdict is REVIEW, or of which something that decides may lie beyond its limit."""
NEAR_SHARE = 0.1
"""What has no known uncertainty is taken as near a limit within this share of it, a count within one."""


def open_verdicts(project: Project, cycle: Cycle, scans: Collection[str]) -> Decision:
    """What decides the scans among `scans`, or their bumps, in the report of this model, and is within its uncertainty of a limit.

    Raises
    ------
    NotReady : nothing was measured with this model, or no interval holds its limit, so that no label is likely to flip a verdict.
    """
    report = project.report
    if report is None or report.provenance.get("model") != cycle.id:
        what = (
            "nothing was measured yet"
            if report is None
            else f"the report is of {report.provenance.get('model')}"
        )
        raise NotReady(
            f"suggest.strategy=verdict looks at the intervals of {cycle.id}, but {what}; segment and measure first."
        )
    measured = [s for s in report.scans if s.scan in scans]
    if not measured:
        raise NotReady(
            f"The report of {cycle.id} holds no scan to suggest slices of; measure the training scans first."
        )
    classes = project.classes
    near = {s.scan: found for s in measured if (found := tuple(_near(s, classes)))}
    if not near:
        raise NotReady(
            f"No interval of {len(measured)} measured training scans holds its limit, so no label is likely to flip a verdict. "
            f"Take another strategy, e.g. suggest.strategy=rareness. {_left_out(measured)}".rstrip()
        )
    voids = tuple(k - 1 for k in classes.ids_with_role(Role.VOID))
    return Decision(near, voids, f"{_looked_at(measured)} {_left_out(measured)}".rstrip())


def decisions(report: Report) -> dict[str, str]:
    """What a report decides about each scan, or about each bump (``scan/bump``) where bumps are decided: PASS, FAIL or `OPEN`."""
    decided = [row for s in report.scans for row in _decided(s)]
    return {n: OPEN if m.verdict is Verdict.REVIEW or _is_open(m) else m.verdict.value for n, m in decided}


def recipes_of(report: Report) -> str:
    """A hash of how a report decides; decisions by different ones are not compared."""
    return fingerprint_of(*sorted({s.recipe.model_dump_json() for s in report.scans}))


def chance_of_flip(outcome: Outcome, recipe: MeasureConfig) -> float:
    """Twice the chance that the true value lies on the other side of the nearest limit, 1 at the limit; 0 where it is not near.

    The value is taken as normal with u = U / k. Where U is not known, `NEAR_SHARE` of the limit stands for it, of a count at least 1.
    """
    if outcome.value is None:
        return 0.0
    chances = [0.0]
    for limit, least in ((outcome.at_most, False), (outcome.at_least, True)):
        if limit is None:
            continue
        apart, reach = outcome.value - limit, _reach(outcome, limit)
        holds = -reach <= apart < reach if least else -reach < apart <= reach
        if holds or apart == 0:
            u = reach / recipe.coverage
            chances.append(erfc(abs(apart) / u / sqrt(2)) if u else 1.0)
    return max(chances)


def _reach(outcome: Outcome, limit: float) -> float:
    if outcome.uncertainty is not None:
        return outcome.uncertainty
    return max(NEAR_SHARE * abs(limit), 1.0 if outcome.measure.endswith("_count") else 0.0)


def _near(measured: ScanMeasurement, classes: ClassMap) -> Iterator[Near]:
    """What decides a scan or its bumps and may lie beyond its limit; of each quantity the likeliest."""
    found: dict[str, float] = {}
    for _, one in _decided(measured):
        for outcome in _pivotal(one):
            chance = chance_of_flip(outcome, one.recipe)
            found[outcome.measure] = max(chance, found.get(outcome.measure, 0.0))
    for measure, chance in found.items():
        if chance:
            yield Near(chance, _columns(measure, classes, measured.recipe))


def _columns(measure: str, classes: ClassMap, recipe: MeasureConfig) -> tuple[int, ...]:
    """The survey's columns of the classes that a measure depends on."""
    names = [n for n in classes_read(measure, recipe) if n in classes.names]
    return tuple(k - 1 for k in (map(classes.id_of, names) if names else classes.ids_with_role(Role.VOID)))


def _pivotal(measured: ScanMeasurement) -> list[Outcome]:
    """The criteria whose turning from FAIL to PASS would change the verdict, all others being as they are."""
    outcomes = _outcomes(measured)

    def verdict(k: int, said: Verdict) -> Verdict:
        turned = [replace(o, verdict=said) if i == k else o for i, o in enumerate(outcomes)]
        return joined(turned, measured.recipe.pass_when)[0]

    return [o for k, o in enumerate(outcomes) if verdict(k, Verdict.FAIL) is not verdict(k, Verdict.PASS)]


def _outcomes(measured: ScanMeasurement) -> Sequence[Outcome]:
    """What became of each criterion; of a report of before there were any, of the ratio's limit."""
    return measured.outcomes or (
        Outcome(
            measured.formula, measured.ratio, measured.uncertainty, measured.limit, None, measured.verdict, measured.reason
        ),
    )  # fmt: skip


def _is_open(measured: ScanMeasurement) -> bool:
    """Whether something that decides, and whose uncertainty is known, holds its limit."""
    return any(
        o.uncertainty is not None and chance_of_flip(o, measured.recipe) > 0 for o in _pivotal(measured)
    )


def _decided(measured: ScanMeasurement) -> list[tuple[str, ScanMeasurement]]:
    """What a verdict is about, by name."""
    if measured.recipe.unit == "bump" and measured.bumps:
        return [(f"{measured.scan}/{b.name}", b.measured) for b in measured.bumps]
    return [(measured.scan, measured)]


def _looked_at(measured: Sequence[ScanMeasurement]) -> str:
    """Which quantities decide and are near a limit, and in which scans."""
    near = _scans_by_measure(measured, lambda o, recipe: chance_of_flip(o, recipe) > 0)
    rough = _scans_by_measure(
        measured, lambda o, recipe: o.uncertainty is None and chance_of_flip(o, recipe) > 0
    )
    said = f"Near a limit: {'; '.join(f'{m} in {named(scans)}' for m, scans in near.items())}."
    if rough:
        said += f" The uncertainty of {named(list(rough))} is not known: {NEAR_SHARE:.0%} of the limit, or one of a count, is near."
    return said


def _scans_by_measure(
    measured: Sequence[ScanMeasurement], wanted: Callable[[Outcome, MeasureConfig], bool]
) -> Mapping[str, list[str]]:
    """Scans in which a criterion that decides is as wanted, by what it measures."""
    found: dict[str, list[str]] = {}
    for scan in measured:
        said = {o.measure for _, one in _decided(scan) for o in _pivotal(one) if wanted(o, one.recipe)}
        for measure in sorted(said):
            found.setdefault(measure, []).append(scan.scan)
    return found


def _left_out(measured: Sequence[ScanMeasurement]) -> str:
    """Which quantities that decide say nothing, for they are undefined."""
    lost = _scans_by_measure(measured, lambda o, _: o.value is None)
    told = "; ".join(f"{m}, undefined in {named(scans)}" for m, scans in lost.items())
    return f"Not considered: {told}." if told else ""
