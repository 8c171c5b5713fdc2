"""How labelling went so far, cycle by cycle, what the next batch is likely to bring, and whether it is time to stop."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from voidscope.errors import counted
from voidscope.evaluation import FEWEST, LEAST_FIGURE, Forecast, forecast
from voidscope.labelling import labelling_seconds
from voidscope.project import Cycle, Project
from voidscope.vocabulary import Provenance, SliceKey
from voidscope.workflow.replaying import Replay, last_replay
from voidscope.workflow.restoring import first_with, void_iou
from voidscope.workflow.snapshot import learnable
from voidscope.workflow.stopping import Readiness, readiness
from voidscope.workflow.succeeding import CROSS_VALIDATED, comparison_of

FULL, WARM, RESTORED = "full", "warm", "restored"
LABELS = "labels"
"""Truth of an evaluation by what people labelled; anything else is a dataset's folder."""


@dataclass(frozen=True)
class CycleFigures:
    """One cycle as the chart shows it.

    Attributes
    ----------
    number, n_labelled : of the cycle, and of the slices it learnt from
    kind : ``full``, ``warm`` or ``restored``; only full trainings make the curve
    void, miou : held-out void IoU and mIoU; None where it was not evaluated
    judged_by : the held-out truth, in words; empty where there is no figure
    comparable : whether it was judged by the same truth, and trained by the same recipe, as the full one with figures that is in force, or
        else as the newest such one; where no full one has any, as the newest fine-tuned one
    apart : why it is not comparable, in words; empty where it is, or was not judged
    new : slices it learnt from that no earlier cycle had
    pixels : labelled pixels per class of the slices it learnt from, as these are labelled now
    labelling_s : working time on the new slices, at least; see `labelling.labelling_seconds`
    cross_validated : how its labels and settings compare with those before by cross-validation, in words; empty where that was not asked.
        Each cycle's is on slices of its own, so that it makes no curve.
    """

    number: int
    n_labelled: int
    kind: str
    void: float | None
    miou: float | None
    judged_by: str
    comparable: bool
    apart: str
    new: tuple[SliceKey, ...]
    pixels: Mapping[str, int]
    labelling_s: float
    cross_validated: str


@dataclass(frozen=True)
class ProjectProgress:
    """How a project came on.

    Attributes
    ----------
    cycles : oldest first
    waiting, waiting_s : slices labelled that no cycle has learnt from, and the working time on them
    figure : what forecast and curve are of: ``void IoU``, or ``mIoU`` where no void is judged
    forecast : of the next batch; None where `missing` says what it takes
    readiness : whether to stop, and why
    replay : the last replay of random selection, or None
    """

    cycles: tuple[CycleFigures, ...]
    waiting: tuple[SliceKey, ...]
    waiting_s: float
    figure: str
    forecast: Forecast | None
    missing: str
    readiness: Readiness
    replay: Replay | None

    @property
    def curve(self) -> tuple[CycleFigures, ...]:
        """The cycles that the forecast is made from."""
        return tuple(c for c in self.cycles if c.comparable and c.kind == FULL)

    @property
    def balance(self) -> Mapping[str, float]:
        """Share of the labelled pixels of the newest cycle's slices that each class has; empty before the first."""
        pixels = self.cycles[-1].pixels if self.cycles else {}
        total = sum(pixels.values())
        return {name: n / total for name, n in pixels.items()} if total else {}

    @property
    def labelling_s(self) -> float:
        """Working time on all labelled slices, at least."""
        return sum(c.labelling_s for c in self.cycles) + self.waiting_s

    def forecast_sentence(self) -> str:
        """What the next batch is likely to bring, or what it takes to say."""
        found = self.forecast
        if found is None:
            return self.missing
        return (
            f"The next {found.n_next - found.n} slices should add {found.gain:+.3f} {self.figure} (80 % interval {found.gain_low:+.3f} to "
            f"{found.gain_high:+.3f}); the next retraining would come to {found.low:.3f} to {found.high:.3f}."
        )


def progress(project: Project) -> ProjectProgress:
    """How the project came on; reads records only, so that it takes no time."""
    seconds = _seconds(project)
    full, warm = ([c for c in project.cycles if kind_of(c) == kind] for kind in (FULL, WARM))
    # Of what is in force, be it gone back to.
    now = None if project.cycle is None else first_with(project, project.cycle)
    asked = (
        *(c for c in reversed(full) if now is not None and c.number <= now),
        *reversed(full),
        *reversed(warm),
    )
    basis = next((c for c in asked if c.evaluation is not None), None)
    rows: list[CycleFigures] = []
    seen = set[SliceKey]()
    for cycle in project.cycles:
        new = tuple(k for k in cycle.labelled if k not in seen)
        seen |= set(new)
        rows.append(_figures(project, cycle, basis, new, seconds))
    waiting = tuple(k for k in learnable(project) if k not in seen)
    curve = [r for r in rows if r.comparable and r.kind == FULL]
    figure = "mIoU" if any(r.void is None for r in curve) else "void IoU"
    found, missing = _forecast(curve, figure, project.config.suggest.budget)
    return ProjectProgress(
        tuple(rows),
        waiting,
        sum(seconds.get(k, 0.0) for k in waiting),
        figure,
        found,
        missing,
        readiness(project, full, found if figure == "void IoU" else None, missing),
        last_replay(project),
    )


def kind_of(cycle: Cycle) -> str:
    """Whether a cycle is a full training, a warm one, or an earlier model again."""
    if cycle.restored:
        return RESTORED
    return WARM if cycle.warm else FULL


def _figures(
    project: Project, cycle: Cycle, basis: Cycle | None, new: tuple[SliceKey, ...], seconds: Mapping[SliceKey, float]
) -> CycleFigures:  # fmt: skip
    found, compared = cycle.evaluation, comparison_of(cycle)
    apart = "" if found is None else _apart(cycle, basis)
    return CycleFigures(
        cycle.number,
        len(cycle.labelled),
        kind_of(cycle),
        void_iou(cycle, project.classes),
        None if found is None else found["miou"],
        _judged_by(found),
        found is not None and not apart,
        apart,
        new,
        class_pixels(project, cycle.labelled),
        sum(seconds.get(k, 0.0) for k in new),
        "" if compared is None or compared.basis != CROSS_VALIDATED else compared.sentence(),
    )


def class_pixels(project: Project, keys: Iterable[SliceKey]) -> dict[str, int]:
    """Labelled pixels per class of some slices, as they are labelled now."""
    rows = [project.labels.record(k).pixels for k in keys if k in project.labels]
    return {n: sum(row[k] for row in rows) for k, n in enumerate(project.classes.names)}


def _judged_by(found: Mapping[str, object] | None) -> str:
    if found is None:
        return ""
    scans, truth = found["scans"], found.get("truth", LABELS)
    named = ", ".join(scans) if isinstance(scans, list | tuple) else str(scans)
    return f"held-out labels of {named}" if truth == LABELS else f"truth of {named} in {truth}"


def _apart(cycle: Cycle, basis: Cycle | None) -> str:
    """Why a judged cycle does not lie on one curve with the `basis`: the truth it was judged by, or how it was trained; else nothing."""
    if basis is None:
        return "no training of this project has figures"
    said, known = (c.evaluation or {} for c in (cycle, basis))
    if any(said.get(name) != known.get(name) for name in ("scans", "truth_sha256")):
        return f"judged by another truth than cycle {basis.number}"
    if cycle.learnt_by != basis.learnt_by:
        return f"trained by another recipe than cycle {basis.number}"
    return ""


def _forecast(
    curve: Sequence[CycleFigures], figure: str, batch: int
) -> tuple[Forecast | None, str]:  # fmt: skip
    """The forecast, or what it takes."""
    told = [(r, v) for r in curve if (v := r.void if figure == "void IoU" else r.miou) is not None]
    if told and told[-1][1] < LEAST_FIGURE:
        why = f"cycle {told[-1][0].number} has a {figure} of {told[-1][1]:.3f}"
        return None, f"There is no forecast: {why}; label slices that show voids, and train again."
    told = [(r, v) for r, v in told if v >= LEAST_FIGURE]
    found = forecast([r.n_labelled for r, _ in told], [v for _, v in told], batch) if told else None
    if found is not None:
        return found, ""
    left = FEWEST - len({r.n_labelled for r, _ in told})
    return None, (
        f"A forecast takes {FEWEST} retrainings with different numbers of labels, evaluated on the same held-out slices: "
        f"{counted(left, 'more cycle')}."
    )


def _seconds(project: Project) -> dict[SliceKey, float]:
    """Working time on each labelled slice; imported labels took none here."""
    records = {k: project.labels.record(k) for k in project.labels}
    keys = [k for k, r in records.items() if r.provenance is not Provenance.IMPORTED]
    times = [(records[k].author, _time(records[k].time)) for k in keys]
    ready = [_time(str(c.provenance["created"])) for c in project.cycles if c.provenance.get("created")]
    return dict(zip(keys, labelling_seconds(times, ready), strict=True))


def _time(text: str) -> datetime:
    """A time as records hold it; one without an offset is UTC."""
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)
