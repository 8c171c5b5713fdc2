"""What is compared with what: the paper's figures and tables as lists of methods, and how much of them a plan runs.

A *method* is everything that can differ between two curves; a *cell* is a method with a seed; a *point* is a cell at one
number of labelled slices. Cells of one seed share their random first batch, but for a method that brings its own, so that
methods are compared in pairs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from voidscope.acquisition import UNASKED
from voidscope.config import Config
from voidscope.errors import ConfigError

EVERYTHING = "all"
"""A strategy that labels the whole pool at once: full supervision."""
FOREST = "forest"
"""A learner: the pixel classifier that users would pick instead (`forest.PixelForest`), on the same slices. Where the
strategy asks the network, it is trained on the slices so far and asked, so that the forest has those of the network's own cell; any
other strategy draws as the first batch does."""


@dataclass(frozen=True, order=True, slots=True)
class Method:
    """What learns, from which weights, by which recipe, and how its slices are chosen.

    `terms` says which of rareness, uncertainty and distance count, e.g. ``rud`` for the paper's sum; `first` how the first
    batch is chosen, as ``suggest.first`` names it.
    """

    strategy: str = "rareness"
    initialisation: Literal["none", "imagenet", "contrastive"] = "contrastive"
    terms: str = "rud"
    aggregation: str = "max"
    preset: str = "paper"
    learner: str = "unet"
    first: str = "random"

    @property
    def name(self) -> str:
        """Its parts in words, e.g. ``unet-paper-contrastive-rareness-rud-max``; a random first batch goes without saying."""
        parts = (self.learner, self.preset, self.initialisation, self.strategy, self.terms, self.aggregation)
        return "-".join(parts if self.first == "random" else (*parts, self.first))

    @property
    def asks(self) -> bool:
        """Whether its strategy asks the project's network which slices are next; VAAL's own networks are not that."""
        return self.strategy not in {*UNASKED, EVERYTHING}

    def changes(self) -> tuple[str, ...]:
        """The settings that make it; the first batch is the method's whatever the preset, so that methods can be paired."""
        if self.strategy == EVERYTHING or (self.learner == FOREST and not self.asks):
            return (
                f"preset={self.preset}",
                f"suggest.first={self.first}",
                f"model.initialisation={self.initialisation}",
            )
        weights = {"rareness": "r", "uncertainty": "u", "distance": "d"}
        return (
            f"preset={self.preset}", f"suggest.first={self.first}", f"model.initialisation={self.initialisation}",
            f"suggest.strategy={self.strategy}", f"suggest.aggregation={self.aggregation}", *(f"suggest.{t}={float(w in self.terms)}" for t, w in weights.items()),
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


WEAK = ("rareness-normalised", "rareness-product")
"""Strategies in which a term that is the same for every slice, as a weak model's rareness may be, weighs nothing."""
RAW = Method(strategy="random", initialisation="none", learner=FOREST)
EXPERIMENTS: Mapping[str, Mapping[str, Method]] = {
    "fig3a": {
        "none, random": Method(strategy="random", initialisation="none"),
        "none, rareness": Method(initialisation="none"),
        "ImageNet, random": Method(strategy="random", initialisation="imagenet"),
        "ImageNet, rareness": Method(initialisation="imagenet"),
        "contrastive, random": Method(strategy="random"),
        "contrastive, rareness": Method(),
    },
    "fig3b": {
        **{s: Method(strategy=s) for s in ("random", "entropy", "coreset", "coregcn", "vaal", "badge", "rareness")},
        **{s: Method(strategy=s) for s in ("strided", "stratified", "foreground", "clasp")},
        **{s: Method(strategy=s) for s in WEAK},
        "forest on random": RAW,
        "product on random": Method(strategy="random", initialisation="none", preset="product"),
        "product": Method(initialisation="none", preset="product"),
        "product out of the box": Method(initialisation="none", preset="product", first="void-like"),
        "forest out of the box": Method(initialisation="none", preset="product", first="void-like", learner=FOREST),
        "product, pretrained": Method(preset="product"),
        "full supervision": Method(strategy=EVERYTHING),
        "product, full supervision": Method(strategy=EVERYTHING, initialisation="none", preset="product"),
    },
    "table1a": {
        "entropy": Method(strategy="entropy"),
        "entropy + rareness": Method(terms="ru"),
        "entropy + feature": Method(terms="ud"),
        "entropy + feature + rareness": Method(),
    },
    "table1b": {"mean": Method(aggregation="mean"), "max": Method()},
}  # fmt: skip
"""Experiment -> row -> method; a method that several experiments name runs once."""


REFERENCES = {"fig3a": "contrastive, rareness", "fig3b": "random", "table1a": "entropy", "table1b": "mean"}
"""Experiment -> the row that its other rows are compared with."""
PUBLISHED: Mapping[str, Mapping[str, Mapping[int, tuple[float, float]]]] = {
    "table1a": {
        "entropy": {200: (76.86, 1.44)},
        "entropy + rareness": {200: (77.92, 0.79)},
        "entropy + feature": {200: (78.00, 0.65)},
        "entropy + feature + rareness": {200: (78.19, 0.40)},
    },
    "table1b": {
        "mean": {100: (74.23, 1.48), 150: (76.31, 1.53), 200: (77.29, 0.88)},
        "max": {100: (74.63, 1.71), 150: (76.91, 0.49), 200: (78.19, 0.40)},
    },
}
"""The paper's own mIoU in percent, mean and standard deviation of 5 runs, by experiment, row and labelled slices (Table 1)."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is run: labelled slices at each point, seeds, settings, and how many scans of the dataset.

    `settings` are the plan's own cuts, `product` those of rows of the product preset on top, `changed` what a person set on top, `without` the strategies left out unless asked
    for by name. `train_scans` and `test_scans` of None mean every one.
    """

    budgets: tuple[int, ...]
    seeds: int
    settings: tuple[str, ...] = ()
    train_scans: int | None = None
    test_scans: int | None = None
    changed: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    product: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.budgets or list(self.budgets) != sorted(set(self.budgets)) or self.budgets[0] < 1:
            raise ConfigError(
                f"Budgets are {self.budgets}; give rising numbers of slices, e.g. 50,100,150,200."
            )
        if self.seeds < 1:
            raise ConfigError(f"{self.seeds} seeds are none; run at least 1, better 10.")

    @property
    def reduced(self) -> str:
        """What was cut from the paper's protocol, in words; empty for all of it. Further budgets are no cut, and seeds, which
        may be added later, are counted by the report.
        """
        full, said = PLANS["paper"], []
        if self.train_scans or self.test_scans:
            said.append(
                f"at most {self.train_scans or 'all'} training and {self.test_scans or 'all'} test scans"
            )
        if self.budgets[: len(full.budgets)] != full.budgets:
            said.append(f"{_listed(self.budgets)} labelled slices in place of {_listed(full.budgets)}")
        said += [f"without {name}" for name in self.without]
        return "; ".join([*said, *self.settings, *(f"product: {word}" for word in self.product)])

    def words(self, method: Method) -> list[str]:
        """The settings of a method's cells, their seed apart; what a person set counts last.

        ClaSP's noise fades over the batches that are asked for.
        """
        product = self.product if method.preset == "product" else ()
        fading = (
            (f"suggest.clasp_cycles={max(1, len(self.budgets) - 1)}",) if method.strategy == "clasp" else ()
        )
        return [*method.changes(), *fading, *self.settings, *product, *self.changed]

    def initialisation(self, method: Method) -> str:
        """Which initial weights a method's cells start from: its own, unless a person set others for every row."""
        said = [w for w in self.words(method) if w.partition("=")[0].strip() == "model.initialisation"]
        return Config().with_changes(said).model.initialisation

    @property
    def departures(self) -> str:
        """What a person set otherwise than the protocol has it; where it runs is no departure."""
        return ", ".join(word for word in self.changed if word.partition("=")[0].strip() not in NEUTRAL)


NEUTRAL = frozenset({"device", "model.imagenet_file", "pretrain.devices"})
"""Settings that a later command may give otherwise: where a run happens, and which file ImageNet weights are read from. The
weights themselves stay the same wherever points started from them; `record.claim` sees to it.
"""
PLANS: Mapping[str, Plan] = {
    "paper": Plan((50, 100, 150, 200), seeds=5),
    "cpu": Plan(
        (8, 16, 24),
        seeds=2,
        settings=(
            "pretrain.epochs=12", "pretrain.batch_size=64", "train.epochs=6", "train.drop_epoch=3", "train.crop=64",
            "model.flips=false",
        ),
        train_scans=3,
        test_scans=2,
        without=("vaal", *WEAK),  # VAAL's own networks would take longer than everything else together
        product=("train.steps=30",),
    ),
}  # fmt: skip
"""``paper`` is the published protocol; ``cpu`` ends on two cores while one waits, and is no substitute for it."""


def plan_for(
    preset: str,
    budgets: tuple[int, ...] | None = None,
    seeds: int | None = None,
    changed: tuple[str, ...] = (),
) -> Plan:
    """The plan of a preset with one's own budgets, seeds and settings in place of its own.

    Raises
    ------
    ConfigError : there is no such preset or setting, or the numbers are impossible.
    """
    if preset not in PLANS:
        raise ConfigError(f"There is no preset {preset!r}; choose {' or '.join(PLANS)}.")
    plan = PLANS[preset]
    Config().with_changes(changed)
    set_here = {word.partition("=")[0].strip() for word in changed}
    if "seed" in set_here:
        raise ConfigError("A benchmark runs seeds 0, 1, 2 ...; say how many with --seeds.")
    if "suggest.strategy" in set_here:
        raise ConfigError(
            "The rows of a benchmark differ in suggest.strategy; name those to run with --strategies."
        )
    return replace(
        plan, budgets=budgets or plan.budgets, seeds=plan.seeds if seeds is None else seeds, changed=changed
    )


def _listed(numbers: Iterable[int]) -> str:
    return ", ".join(map(str, numbers))


def cells_of(
    experiments: Iterable[str], seeds: int, only: Iterable[str] = (), without: Iterable[str] = ()
) -> tuple[Cell, ...]:
    """The cells of experiments, each once, all methods of one seed together.

    Parameters
    ----------
    experiments : names in `EXPERIMENTS`, or ``all``
    only : rows to keep; a name that no row of these experiments has stands for all rows of that strategy, learner or
        preset. All rows when empty
    without : strategies to leave out, unless `only` names them

    Raises
    ------
    ConfigError : an experiment has no such name, or nothing that runs here has.
    """
    rows = [row for name in _expanded(experiments) for row in EXPERIMENTS[name].items()]
    named = _named(rows)
    wanted, left_out = list(only), set(without)
    if unknown := sorted(set(wanted) - named.keys()):
        raise ConfigError(f"No method here is called {unknown[0]!r}; there are {'; '.join(sorted(named))}.")
    asked = {m for name in wanted for m in named[name]}
    methods = dict.fromkeys(m for _, m in rows)
    kept = [m for m in methods if (m in asked if wanted else m.strategy not in left_out)]
    return tuple(Cell(method, seed) for seed in range(seeds) for method in kept)


def _named(rows: Iterable[tuple[str, Method]]) -> dict[str, set[Method]]:
    """What may be asked for, and which methods each name means: a row's where it is one, else a strategy's, learner's or preset's."""
    own: dict[str, set[Method]] = {}
    shared: dict[str, set[Method]] = {}
    for row, m in rows:
        own.setdefault(row, set()).add(m)
        for name in (m.strategy, m.learner, m.preset):
            shared.setdefault(name, set()).add(m)
    return shared | own


def _expanded(experiments: Iterable[str]) -> list[str]:
    names: list[str] = []
    for name in experiments:
        if name != "all" and name not in EXPERIMENTS:
            raise ConfigError(f"There is no experiment {name!r}; run {', '.join(EXPERIMENTS)} or all.")
        names += EXPERIMENTS if name == "all" else [name]
    return names
