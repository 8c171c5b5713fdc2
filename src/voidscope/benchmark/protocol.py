"""What is compared with what: the paper's figures and tables as lists of methods, and how much of them a plan runs.

A *method* is everything that can differ between two curves; a *cell* is a method with a seed; a *point* is a cell at one
number of labelled slices. Cells of one seed share their random first batch, so that methods are compared in pairs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from voidscope.errors import ConfigError

EVERYTHING = "all"
"""A strategy that labels the whole pool at once: full supervision."""
FOREST = "forest"
"""A learner: the pixel classifier that users would pick instead (`forest.PixelForest`), on the same slices."""


@dataclass(frozen=True, order=True, slots=True)
class Method:
    """What learns, from which weights, by which recipe, and how its slices are chosen.

    `terms` says which of rareness, uncertainty and distance count, e.g. ``rud`` for the paper's sum.
    """

    strategy: str = "rareness"
    initialisation: Literal["none", "imagenet", "contrastive"] = "contrastive"
    terms: str = "rud"
    aggregation: str = "max"
    preset: str = "paper"
    learner: str = "unet"

    @property
    def name(self) -> str:
        """Its parts in words, e.g. ``unet-paper-contrastive-rareness-rud-max``."""
        return "-".join(
            (self.learner, self.preset, self.initialisation, self.strategy, self.terms, self.aggregation)
        )

    def changes(self) -> tuple[str, ...]:
        """The settings that make it."""
        if self.strategy == EVERYTHING or self.learner == FOREST:
            return (f"preset={self.preset}", f"model.initialisation={self.initialisation}")
        weights = {"rareness": "r", "uncertainty": "u", "distance": "d"}
        return (
            f"preset={self.preset}", f"model.initialisation={self.initialisation}", f"suggest.strategy={self.strategy}",
            f"suggest.aggregation={self.aggregation}", *(f"suggest.{t}={float(w in self.terms)}" for t, w in weights.items()),
        )  # fmt: skip


@dataclass(frozen=True, order=True, slots=True)
class Cell:
    """One method with one seed."""

    method: Method
    seed: int

    @property
    def id(self) -> str:
        """Names its files."""
        return f"{self.method.name}-s{self.seed}"


RAW = Method(strategy="random", initialisation="none", learner=FOREST)
EXPERIMENTS: Mapping[str, Mapping[str, Method]] = {
    "fig3a": {
        "none": Method(initialisation="none"),
        "ImageNet": Method(initialisation="imagenet"),
        "contrastive": Method(),
    },
    "fig3b": {
        **{s: Method(strategy=s) for s in ("random", "entropy", "coreset", "coregcn", "vaal", "badge", "rareness")},
        **{s: Method(strategy=s) for s in ("strided", "stratified", "foreground", "clasp")},
        "forest on random": RAW,
        "product on random": Method(strategy="random", preset="product"),
        "product": Method(strategy="rareness-normalised", preset="product"),
        "full supervision": Method(strategy=EVERYTHING),
        "product, full supervision": Method(strategy=EVERYTHING, preset="product"),
    },
    "table1a": {
        "entropy": Method(terms="u"),
        "entropy + rareness": Method(terms="ru"),
        "entropy + feature": Method(terms="ud"),
        "entropy + feature + rareness": Method(),
    },
    "table1b": {"mean": Method(aggregation="mean"), "max": Method()},
}  # fmt: skip
"""Experiment -> row -> method; a method that several experiments name runs once."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is run: labelled slices at each point, seeds, settings, and how many scans of the dataset.

    `reduced` says in words what was cut from the paper's protocol; empty for all of it. `train_scans` and `test_scans` of
    None mean every one.
    """

    budgets: tuple[int, ...]
    seeds: int
    settings: tuple[str, ...] = ()
    train_scans: int | None = None
    test_scans: int | None = None
    reduced: str = ""

    def __post_init__(self) -> None:
        if not self.budgets or list(self.budgets) != sorted(set(self.budgets)) or self.budgets[0] < 1:
            raise ConfigError(
                f"Budgets are {self.budgets}; give rising numbers of slices, e.g. 50,100,150,200."
            )
        if self.seeds < 1:
            raise ConfigError(f"{self.seeds} seeds are none; run at least 1, better 10.")


PLANS: Mapping[str, Plan] = {
    "paper": Plan((50, 100, 150, 200), seeds=5),
    "cpu": Plan(
        (10, 20, 30),
        seeds=2,
        settings=("pretrain.epochs=12", "pretrain.batch_size=64", "train.epochs=30", "train.drop_epoch=15"),
        train_scans=5,
        test_scans=2,
        reduced="5 training and 2 test scans, 10/20/30 labels, 30 epochs, 12 epochs of pretraining with batches of 64, 2 seeds",
    ),
}  # fmt: skip
"""``paper`` is the published protocol; ``cpu`` ends on two cores while one waits, and is no substitute for it."""


def cells_of(experiments: Iterable[str], seeds: int, only: Iterable[str] = ()) -> tuple[Cell, ...]:
    """The cells of experiments, each once, all methods of one seed together.

    Parameters
    ----------
    experiments : names in `EXPERIMENTS`, or ``all``
    only : strategies to keep; all of them when empty

    Raises
    ------
    ConfigError : an experiment or strategy has no such name.
    """
    wanted = set(only)
    methods: dict[Method, None] = {}
    for name in _expanded(experiments):
        methods |= dict.fromkeys(EXPERIMENTS[name].values())
    known = {m.strategy for m in methods} | {m.learner for m in methods} | {m.preset for m in methods}
    if wanted - known:
        raise ConfigError(
            f"No method here is called {sorted(wanted - known)[0]!r}; there are {', '.join(sorted(known))}."
        )
    kept = [m for m in methods if not wanted or wanted & {m.strategy, m.learner, m.preset}]
    return tuple(Cell(method, seed) for seed in range(seeds) for method in kept)


def _expanded(experiments: Iterable[str]) -> list[str]:
    names: list[str] = []
    for name in experiments:
        if name != "all" and name not in EXPERIMENTS:
            raise ConfigError(f"There is no experiment {name!r}; run {', '.join(EXPERIMENTS)} or all.")
        names += EXPERIMENTS if name == "all" else [name]
    return names


def reduced_plan(plan: Plan, **changes: object) -> Plan:
    """A plan with other budgets, seeds or settings; what differs from the paper's protocol is said in `reduced`."""
    given = {name: value for name, value in changes.items() if value}
    changed = replace(plan, **given)  # type: ignore[arg-type]
    said = [f"{name} {value}" for name, value in given.items() if getattr(PLANS["paper"], name) != value]
    return replace(changed, reduced="; ".join(filter(None, [plan.reduced, *said])))
