"""A replay of the labelling: had as many slices been labelled at random among those that are labelled now?

At the sizes of the cycles so far, short trainings on the slices that the cycle had and on random draws of as many of all that are
labelled by now; both alike, judged by the same held-out slices. What it cannot tell: all slices that it draws from had been chosen
by a strategy, so this random is kinder than drawing from the whole scans; and a short training is not the one that is reported.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from voidscope.errors import NotReady, ProjectError
from voidscope.evaluation import Matrix
from voidscope.jobs import Job
from voidscope.project import Project, results
from voidscope.vocabulary import SliceKey
from voidscope.workflow.comparing import Score, score
from voidscope.workflow.evaluating import judging_keys, unseen, with_truth
from voidscope.workflow.learning import lesson_on
from voidscope.workflow.lessons import Lesson, driven
from voidscope.workflow.snapshot import made_with
from voidscope.workflow.trials import Trial, Trials, shortened

DRAWS = 3
"""Random draws, and trainings with other seeds of what was chosen, at each size."""
MOST_SIZES = 4
"""Sizes replayed, the first and the last cycle's among them."""
MOST_JUDGED = 48
"""Held-out slices that judge, spread evenly over all there are."""
CANNOT_TELL = (
    "Random is drawn from slices that had been chosen, which flatters it; trainings are a third as long as a retraining: to compare, "
    "not to report."
)


@dataclass(frozen=True)
class ReplayPoint:
    """At one number of labels: void IoU and mIoU of each training, on random slices and on those that had been chosen."""

    n_labelled: int
    random: tuple[Score, ...]
    chosen: tuple[Score, ...]

    def spread(self, arm: str, figure: int = 0) -> tuple[float, float, float] | None:
        """Least, mean and greatest figure (0 void IoU, 1 mIoU) of an arm, ``random`` or ``chosen``; None where nothing tells."""
        found = [v for s in (self.random if arm == "random" else self.chosen) if (v := s[figure]) is not None]
        return (min(found), sum(found) / len(found), max(found)) if found else None


@dataclass(frozen=True)
class Replay:
    """A replay as the project keeps it.

    Attributes
    ----------
    points : smallest size first; at the last one both arms are the same slices
    cycle : the newest cycle it replayed
    scans, truth_sha256 : held-out scans and a hash of the labels that judged
    created : UTC, ISO 8601
    """

    points: tuple[ReplayPoint, ...]
    cycle: int
    scans: tuple[str, ...]
    truth_sha256: str
    created: str

    def entry(self) -> dict[str, Any]:
        """The replay as JSON holds it."""
        return asdict(self)

    @classmethod
    def from_entry(cls, tree: Mapping[str, Any]) -> Replay:
        """The inverse of `entry`; raises `ProjectError` when it is no replay."""
        try:
            points = tuple(
                ReplayPoint(int(p["n_labelled"]), _scores(p["random"]), _scores(p["chosen"]))
                for p in tree["points"]
            )
            told = (int(tree["cycle"]), tuple(tree["scans"]), str(tree["truth_sha256"]), str(tree["created"]))
            return cls(points, *told)
        except (KeyError, TypeError, ValueError) as error:
            raise ProjectError(f"replay.json is damaged: {error}. Delete it and replay again.") from error

    def sentence(self) -> str:
        """How the chosen slices compare with random ones at the sizes where the two differ; by mIoU where no training found any void."""
        figure = 0 if any(s[0] for p in self.points[:-1] for s in (*p.random, *p.chosen)) else 1
        said = []
        for point in self.points[:-1]:
            chosen, drawn = (point.spread(arm, figure) for arm in ("chosen", "random"))
            if chosen and drawn and point.spread("chosen"):
                said.append(
                    f"{chosen[1]:.3f} and {drawn[1]:.3f} ({drawn[0]:.3f} to {drawn[2]:.3f}) at {point.n_labelled}"
                )
        if not said:
            return "The replay's held-out slices show no void."
        name = "mIoU (no training of it finds void)" if figure else "void IoU"
        return f"Replay, {name} of chosen and of as many random slices: {'; '.join(said)}."


@dataclass(frozen=True)
class _Training:
    """One of the replay's trainings: at which size, of which arm, and on which of the labelled slices."""

    n: int
    arm: str
    draw: int
    which: tuple[int, ...]

    @property
    def note(self) -> str:
        """What it is, in words."""
        return f"replay: {self.n} {self.arm} slices, {self.draw + 1} of {DRAWS}"


def replay(project: Project, *, elsewhere: bool = False) -> Job[tuple[Matrix, ...], Replay]:
    """Train on random draws of the labelled slices and on those that each cycle had, and judge all alike; kept in the project.

    `elsewhere` runs it in a process of its own.

    Raises
    ------
    NotReady : no two full trainings with different numbers of labels, or no held-out label to judge by.
    """
    keys, sizes = _replayable(project)
    truth = project.labels.packed(_judges(project))
    lesson = lesson_on(project, shortened(project.config), keys)
    trainings = tuple(_trainings(keys, sizes, project.config.seed))
    judges = project.reader(label.key.scan for label in truth)
    doing = Trials([Trial(_lesson(lesson, t), judges, truth, t.note) for t in trainings])
    number = project.cycles[-1].number
    digest = hashlib.sha256("".join(label.record.sha256 for label in truth).encode()).hexdigest()

    def commit(matrices: tuple[Matrix, ...]) -> Replay:
        scores = [(t, score(m, project.classes)) for t, m in zip(trainings, matrices, strict=True)]
        points = tuple(_point(n, scores, last=n == len(keys)) for n in sorted({t.n for t in trainings}))
        scans = tuple(sorted({label.key.scan for label in truth}))
        found = Replay(points, number, scans, digest, str(made_with()["created"]))
        results.write_replay(project.path, found.entry())
        project.events.evaluation_changed.emit()
        return found

    title = "Replaying random selection"
    return Job(title, driven(title, doing.steps, elsewhere=elsewhere), commit)


def replay_lacks(project: Project) -> str:
    """What a replay would be refused for now; empty where nothing is missing. Reads records only."""
    try:
        _replayable(project)
        _judges(project)
    except NotReady as error:
        return str(error)
    return ""


def last_replay(project: Project) -> Replay | None:
    """The replay that the project keeps, or None; raises `ProjectError` where its file is damaged."""
    tree = results.read_replay(project.path)
    return None if tree is None else Replay.from_entry(tree)


def _replayable(project: Project) -> tuple[tuple[SliceKey, ...], tuple[tuple[int, ...], ...]]:
    """The labelled slices of the newest full training, and which of them each replayed cycle had, smallest first."""
    full = [c for c in project.cycles if c.full]
    keys = tuple(k for k in full[-1].labelled if k in project.labels) if full else ()
    had = {tuple(k for k, key in enumerate(keys) if key in set(c.labelled)) for c in full}
    sizes = {len(which): which for which in sorted(had) if which}
    if len(sizes) < 2:
        raise NotReady(
            f"A replay compares retrainings of different sizes; {project.name} has {len(sizes)}. Label more slices and retrain."
        )
    order = sorted(sizes)
    picked = np.unique(np.linspace(0, len(order) - 1, MOST_SIZES).round().astype(int))
    return keys, tuple(sizes[order[k]] for k in picked)


def _judges(project: Project) -> tuple[SliceKey, ...]:
    """Held-out slices that people labelled and no cycle has learnt from."""
    keys = judging_keys(project, unseen(project, with_truth(project, None), project.cycles))
    if not keys:
        raise NotReady(
            f"No held-out slice of {project.name} has labels to judge a replay by; add a scan with --split test ('judge only') "
            "and label some of its slices by hand."
        )
    return tuple(keys[:: -(-len(keys) // MOST_JUDGED)])


def _lesson(lesson: Lesson, training: _Training) -> Lesson:
    """What one of the trainings learns from, and its seed."""
    settings = lesson.settings.model_copy(update={"seed": lesson.settings.seed + training.draw})
    return replace(lesson.only([lesson.labels[k].key for k in training.which]), settings=settings)


def _trainings(
    keys: Sequence[SliceKey], sizes: Sequence[tuple[int, ...]], seed: int
) -> Iterator[_Training]:  # fmt: skip
    """What is trained: at each size but the last both arms, there the one set that both have."""
    for which in sizes:
        n = len(which)
        for draw in range(DRAWS):
            yield _Training(n, "chosen", draw, which)
            if n < len(keys):
                drawn = np.random.default_rng([seed, n, draw]).choice(len(keys), n, replace=False)
                yield _Training(n, "random", draw, tuple(sorted(drawn.tolist())))


def _point(n: int, scores: Sequence[tuple[_Training, Score]], *, last: bool) -> ReplayPoint:
    arms = {arm: tuple(s for t, s in scores if (t.n, t.arm) == (n, arm)) for arm in ("random", "chosen")}
    return ReplayPoint(n, arms["chosen"] if last else arms["random"], arms["chosen"])


def _scores(rows: Sequence[Sequence[float | None]]) -> tuple[Score, ...]:
    return tuple((void, mean) for void, mean in rows)
