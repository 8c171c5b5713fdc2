"""Every setting, described once: forms, command-line options, the docs table and the saved project come from here.

Each field says its title, what changing it does, its unit and its bounds; ``paper`` names the section the default
comes from. Defaults are the paper's. Models are frozen and refuse unknown fields.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import Any, Literal, Self

from pydantic import BaseModel, ValidationError

from voidscope.errors import ConfigError
from voidscope.measure_config import Criterion as Criterion
from voidscope.measure_config import MeasureConfig as MeasureConfig
from voidscope.setting_words import Section as _Section
from voidscope.setting_words import in_words, put, value_of
from voidscope.setting_words import setting as _field

FEW_SLICES = 12
"""Labelled slices from which on `train.growth` counts: the first batches of a loop."""


class ModelConfig(_Section):
    """The segmentation network and where its weights start (paper 3.1, 4.1)."""

    encoder: str = _field(
        "resnet18", "Encoder", "Backbone of the U-Net, any segmentation-models-pytorch name.", paper="4.1"
    )
    initialisation: Literal["auto", "contrastive", "imagenet", "none"] = _field(
        "auto", "Initial weights",
        "Where each cycle starts: this project's contrastive pretraining, ImageNet, or random. auto takes the "
        "pretraining when there is one, else random.", paper="3.1",
    )  # fmt: skip
    flips: bool = _field(
        False, "Average over flips",
        "Ask the network about the four mirror images of each slice and average: surer about small voids, four times slower. "
        "Belongs to a model: set it before training.",
    )  # fmt: skip
    detail: bool = _field(
        False, "Detail network",
        "Train a small U-Net that keeps full resolution beside the large one, and let both decide about void. Whether voids get better "
        "is undecided (two simulated sets, three seeds each); on a CPU training takes 1.3 times, segmenting 1.5 times as long. Belongs "
        "to a model: set it before training.",
    )  # fmt: skip
    imagenet_file: str = _field(
        "", "ImageNet weights file", "A local state dict for closed networks; empty asks the hub."
    )


class TrainConfig(_Section):
    """The supervised recipe of each cycle (paper 4.1)."""

    epochs: int = _field(
        50, "Epochs", "Passes over the labelled slices; fewer is faster and less exact.", ge=1, le=100_000,
        paper="4.1",
    )  # fmt: skip
    batch_size: int = _field(
        16, "Batch size", "Crops per step; smaller needs less memory.", ge=1, le=4096, paper="4.1", unit=
        "crops"
    )  # fmt: skip
    steps: int = _field(
        0, "Steps",
        "Length of a training in steps, however few slices are labelled, shared out over the epochs; 0 makes one pass "
        "over the labelled slices per epoch, as in the paper.", ge=0, le=1_000_000, unit="steps",
    )  # fmt: skip
    growth: float = _field(
        0.0, "Growth of the steps",
        "From 12 labelled slices on, steps grow with their number to this power: 0 leaves them, 0.5 doubles them at four "
        "times the slices.", ge=0, le=1,
    )  # fmt: skip
    optimiser: Literal["rmsprop", "adamw"] = _field(
        "rmsprop", "Optimiser", "rmsprop is the paper's; adamw learns faster from few slices.", paper="4.1"
    )
    learning_rate: float = _field(
        1e-4, "Learning rate", "Largest step size; rmsprop wants about 1e-4, adamw about 1e-3.", gt=0, le=1,
        paper="4.1",
    )  # fmt: skip
    schedule: Literal["drop", "one-cycle"] = _field(
        "drop", "Schedule",
        "drop divides the learning rate by ten once, as in the paper; one-cycle warms up over the first fifth of the "
        "training and falls to zero along a cosine.", paper="4.1",
    )  # fmt: skip
    drop_epoch: int = _field(
        25, "Lower the rate after", "Epoch after which the learning rate falls to a tenth (schedule drop).",
        ge=0, paper="4.1", unit="epochs",
    )  # fmt: skip
    momentum: float = _field(0.9, "Momentum", "RMSprop momentum.", ge=0, lt=1, paper="4.1")
    weight_decay: float = _field(1e-8, "Weight decay", "L2 penalty on the weights.", ge=0, le=1, paper="4.1")
    crop: int = _field(
        96, "Crop size", "Side of the training crops; a multiple of 32.", ge=32, le=2048, multiple_of=32,
        paper="4.1", unit="px",
    )  # fmt: skip
    crops_per_slice: int = _field(
        0, "Crops per slice", "Crops drawn from each labelled slice per epoch; 0 draws as many as cover its area.", ge=0, le=10_000,
    )  # fmt: skip
    resize_factors: tuple[float, ...] = _field(
        (0.5, 0.75, 1.0, 1.25, 1.5), "Resize factors", "Random magnifications before cropping.", min_length=1,
        paper="4.1",
    )  # fmt: skip
    flips: bool = _field(
        True, "Flips", "Mirror crops left-right and up-down, each half of the time.", paper="4.1"
    )
    focus: float = _field(
        0.0, "Focus on rare classes",
        "Share of crops centred on a labelled pixel of a class drawn with a preference for the rare ones; 0 crops anywhere, "
        "as in the paper.", ge=0, le=1,
    )  # fmt: skip
    balance_classes: bool = _field(
        True, "Weight classes", "Weight the loss inversely to class frequency in the labels.", paper="4.1"
    )
    dice: float = _field(
        0.0, "Weight of Dice",
        "Adds this much of the soft Dice loss, in which a rare class counts as much as a common one; 0 is the paper's.",
        ge=0, le=100,
    )  # fmt: skip
    pseudo_labels: int = _field(
        0, "Pseudo-labelled slices",
        "A first network labels the pixels it is sure of on so many slices of the training scans without labels, and the model "
        "learns from those too; it trains twice. With about 12 labelled slices 240 helped a little on simulated scans, from 36 on "
        "hardly. 0 is the paper's.", ge=0, le=100_000, unit="slices",
    )  # fmt: skip

    def steps_for(self, n_labelled: int) -> int:
        """Length in steps of a training on so many labelled slices: steps * max(1, n / 12) ** growth; 0 where epochs decide."""
        longer: float = max(1.0, n_labelled / FEW_SLICES) ** self.growth
        return round(self.steps * longer)

    def shortened(self, share: float) -> TrainConfig:
        """The same recipe, a `share` of it long (0 to 1): epochs, steps and the epoch at which the learning rate drops."""
        changes = {
            "epochs": max(1, round(self.epochs * share)),
            "steps": self.steps and max(1, round(self.steps * share)),
            "drop_epoch": round(self.drop_epoch * share),
        }
        return self.model_copy(update=changes)


class PretrainConfig(_Section):
    """Contrastive pretraining of encoder and decoder on unlabelled slices (paper 3.1, Eq. 1)."""

    method: Literal["contrastive", "mae"] = _field(
        "contrastive", "Method",
        "contrastive tells slices apart, as in the paper; mae fills in masked patches and wants a lower learning rate, "
        "about 0.05.", paper="3.1",
    )  # fmt: skip
    epochs: int = _field(
        2000, "Epochs", "Passes over all training slices; the paper's 2000 take hours without a GPU.", ge=1,
        paper="4.1",
    )  # fmt: skip
    batch_size: int = _field(
        256, "Batch size", "Slices per step, two views each; the others are the negatives.", ge=2, paper=
        "4.1", unit="slices"
    )  # fmt: skip
    learning_rate: float = _field(
        0.5, "Learning rate", "Peak step size of SGD after warm-up.", gt=0, le=10, paper="4.1"
    )
    warmup_epochs: int = _field(
        10, "Warm-up", "Epochs over which the rate rises from zero.", ge=0, unit="epochs"
    )
    momentum: float = _field(0.9, "Momentum", "SGD momentum.", ge=0, lt=1)
    weight_decay: float = _field(1e-4, "Weight decay", "L2 penalty on all parameters.", ge=0, le=1)
    temperature: float = _field(
        0.2, "Temperature", "Lower punishes near negatives harder (tau in Eq. 1).", gt=0, le=10, paper="3.1"
    )
    crop: int = _field(
        64, "View size", "Side to which the random crops are resized; a multiple of 32.", ge=32, le=512,
        multiple_of=32, paper="4.1", unit="px",
    )  # fmt: skip
    min_crop_area: float = _field(0.1, "Smallest crop", "Least share of the slice a view shows.", gt=0, le=1)
    jitter: float = _field(
        0.4, "Brightness and contrast", "Views vary by up to this share, 8 times in 10.", ge=0, lt=1
    )
    blur: float = _field(
        0.0, "Blur",
        "Share of views smoothed by a Gaussian of 0.1 to 2 pixels; makes learning blind to fine texture.", ge=0, le=1,
    )  # fmt: skip
    recipe: Literal["cifar", "imagenet"] = _field(
        "cifar", "Recipe of views",
        "The paper's library has two: imagenet sets blur to 0.5 and the smallest crop to 0.08; cifar, which fits the "
        "paper's 2000 epochs, leaves both settings as they are.",
    )  # fmt: skip
    projection_dim: int = _field(128, "Projection width", "Length of the contrasted vectors.", ge=2, le=4096)
    hidden_dim: int = _field(
        0, "Hidden width",
        "Width of the projection head's hidden layer; 0 is as wide as its input, 16 channels, which may be a bottleneck.",
        ge=0, le=4096,
    )  # fmt: skip
    one_slice_per_scan: bool = _field(
        False, "Spread scans over steps",
        "At most one slice of a scan in a step, so that no two near-identical slices are pushed apart; steps are cut to as many "
        "slices as there are scans.",
    )  # fmt: skip
    local_weight: float = _field(
        0.0, "Weight of places",
        "Adds this much of a loss that tells places inside a slice apart; 0 is the paper's.", ge=0, le=100,
    )  # fmt: skip
    masked: float = _field(
        0.6, "Masked share", "Share of patches hidden from the network (method mae).", gt=0, lt=1
    )
    patch: Literal[4, 8, 16, 32] = _field(
        8, "Patch size", "Side of the patches that are hidden (method mae).", unit="px"
    )
    devices: int = _field(
        1, "Devices",
        "GPUs that share each step, one process each; 0 takes all there are, and on a CPU it counts processes. The batch stays "
        "the same, and the losses but for rounding. More than one needs the extra multi-gpu.", ge=0, le=64, repr=False,
    )  # fmt: skip

    def spelled_out(self) -> Self:
        """These settings with what `recipe` stands for put in."""
        if self.recipe == "cifar":
            return self
        return self.model_copy(update={"blur": 0.5, "min_crop_area": 0.08})


class SuggestConfig(_Section):
    """Which slices to label next (paper 3.2, Eq. 2-5, Algorithm 1)."""

    strategy: Literal[
        "rareness", "rareness-normalised", "rareness-product", "entropy", "coreset", "coregcn", "badge", "clasp", "vaal", "verdict",
        "foreground", "stratified", "strided", "random",
    ] = _field(
        "rareness",
        "Strategy",
        "How slices are ranked: rareness is the paper's plain sum r + u + d; verdict goes where a label could flip a verdict, "
        "to the pixels the model is least sure of in scans where something that decides is within its uncertainty of a limit.",
        paper="3.2",
    )  # fmt: skip
    first: Literal["random", "stratified", "strided", "foreground", "void-like", "k-means", "typiclust"] = _field(
        "random", "First batch",
        "How slices are chosen while there is no model: random is the paper's; k-means and typiclust take one of each kind "
        "of slice, as the pretrained network sees them, or by their grey levels where nothing is pretrained; foreground is "
        "k-means by grey levels, where slices that show a single material, as those beyond a bump, come last; void-like does so "
        "too and takes of each kind those with more small dark spots first; where voids are bright, choose random.", paper="4.1",
    )  # fmt: skip
    aggregation: Literal["max", "mean", "top", "patch"] = _field(
        "max", "Aggregation",
        "How pixel scores become one score per slice: their maximum, mean, mean of the top few per cent, or greatest mean "
        "over a patch of 8 x 8 pixels.", paper="4.2",
    )  # fmt: skip
    top_percent: float = _field(
        1.0, "Top share", "Share of the pixels that aggregation top averages.", gt=0, le=100, unit="%"
    )
    budget: int = _field(
        50, "How many", "Slices suggested per cycle; small batches learn more per label.", ge=1, le=100_000,
        paper="4.2", unit="slices",
    )  # fmt: skip
    rareness: float = _field(
        1.0, "Weight of rareness", "0 leaves rareness out (Table 1a).", ge=0, le=1000, paper="Eq. 4"
    )
    uncertainty: float = _field(
        1.0, "Weight of uncertainty", "0 leaves uncertainty out (Table 1a).", ge=0, le=1000, paper="Eq. 4"
    )
    distance: float = _field(
        1.0, "Weight of distance", "0 leaves diversity out (Table 1a).", ge=0, le=1000, paper="Eq. 4"
    )
    max_per_scan: int = _field(
        0, "Most per scan", "Slices suggested of one scan at most, per cycle; 0 sets no limit.", ge=0,
        le=100_000, unit="slices",
    )  # fmt: skip
    min_slice_gap: int = _field(
        0, "Gap",
        "Slices left out between two of a scan that are labelled or suggested; 0 sets no limit. Gap, then cap, are given up "
        "when they leave too few slices, and the suggestion says so.", ge=0, le=10_000, unit="slices",
    )  # fmt: skip
    clasp_cycles: int = _field(
        5, "ClaSP cycles", "Trainings of the project over which the noise of strategy clasp fades.", ge=1, le=1000, unit=
        "cycles"
    )  # fmt: skip
    vaal_epochs: int = _field(
        100, "VAAL epochs", "Passes over the slices when strategy vaal trains its networks.", ge=1, le=100_000
    )


BUDGET = "suggest.budget"
"""The setting in which presets differ that a person changes without leaving one."""
PRESETS: Mapping[str, tuple[str, ...]] = {
    "paper": (),
    "product": (
        "train.steps=450", "train.growth=0.25", "train.optimiser=adamw", "train.learning_rate=1e-3", "train.schedule=one-cycle",
        "train.weight_decay=0.01", "train.crop=64", "train.resize_factors=[0.75, 1.0, 1.25]", "train.focus=0.5",
        "train.balance_classes=false", "train.dice=1", "train.pseudo_labels=0", "model.flips=true",
        "model.detail=false", "suggest.first=void-like", "suggest.budget=12",
    ),
}  # fmt: skip
"""What each preset changes in the defaults, which are the paper's; the reasons are in docs/product-recipe.md."""


class Config(_Section):
    """All settings of a project."""

    seed: int = _field(
        0, "Seed", "Same seed, labels and machine give the same weights bit for bit.", ge=0, le=2**31 - 1
    )
    device: Literal["auto", "cpu", "cuda", "mps"] = _field(
        "auto", "Device", "auto takes a GPU when torch can use one."
    )
    model: ModelConfig = ModelConfig()
    train: TrainConfig = TrainConfig()
    pretrain: PretrainConfig = PretrainConfig()
    suggest: SuggestConfig = SuggestConfig()
    measure: MeasureConfig = MeasureConfig()

    @classmethod
    def product(cls) -> Self:
        """The settings a new project has: those that small experiments on simulated scans chose (docs/product-recipe.md)."""
        return cls().with_changes(["preset=product"])

    @property
    def preset(self) -> str | None:
        """Name of the preset that these settings follow, or None when some of its settings are set otherwise.

        How many slices a person wants at a time makes no other recipe.
        """
        wanted = f"{BUDGET}={self.suggest.budget}"
        return next((name for name in PRESETS if self == self.with_changes([f"preset={name}", wanted])), None)

    def with_changes(self, changes: Iterable[str]) -> Self:
        """A copy with ``section.field=value`` words applied one after another, e.g. ``train.epochs=5``.

        ``preset=paper`` or ``preset=product`` puts every setting that presets differ in to what that preset says, but how many
        slices are suggested only where that was a preset's number and no person's.

        Raises
        ------
        ConfigError : a word is no setting, or its value is refused.
        """
        tree = self.model_dump()
        for change in _spelled_out(changes, tree):
            path, separator, text = change.partition("=")
            if not separator:
                raise ConfigError(
                    f"{change!r} is not a setting; write section.field=value, e.g. train.epochs=5."
                )
            put(tree, path.strip(), value_of(text.strip()))
        return self.parse(tree)

    @classmethod
    def parse(cls, tree: object) -> Self:
        """Validate a nested mapping; raises `ConfigError` with the first problem in one line."""
        try:
            return cls.model_validate(tree)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(p) for p in first["loc"])
            said = "" if isinstance(first["input"], Mapping) else f" = {first['input']!r}"
            raise ConfigError(f"Setting {where}{said}: {in_words(first['msg'])}.") from error

    def merged(self, before: Self, after: Self) -> Self:
        """These settings with every one that differs between `before` and `after` as it is in `after`."""
        was, will = before.model_dump(), after.model_dump()
        return self.parse(_merged(self.model_dump(), was, will))

    def settings(self) -> Iterator[tuple[str, Any]]:
        """Each setting as (``section.field``, value), top-level ones first."""
        for name, value in self:
            if isinstance(value, BaseModel):
                yield from ((f"{name}.{inner}", v) for inner, v in value)
            else:
                yield name, value


def _merged(now: Any, before: Any, after: Any) -> Any:
    """`after` where it differs from `before`, down to single settings; `now` elsewhere."""
    if not (isinstance(now, Mapping) and isinstance(before, Mapping) and isinstance(after, Mapping)):
        return now if after == before else after
    return {n: _merged(now[n], before.get(n), v) if n in now else v for n, v in after.items()}


def _spelled_out(changes: Iterable[str], tree: Mapping[str, Any]) -> Iterator[str]:
    """The changes with each ``preset=name`` replaced by the settings it stands for in a `tree` with all changes before."""
    for change in changes:
        word, _, name = (part.strip() for part in change.partition("="))
        if word != "preset":
            yield change
        elif name in PRESETS:
            plain = dict(Config().settings())
            differing = {c.partition("=")[0] for settings in PRESETS.values() for c in settings}
            words = [*(f"{path}={json.dumps(plain[path])}" for path in sorted(differing)), *PRESETS[name]]
            said_by_presets = {*words, *chain(*PRESETS.values())}
            if f"{BUDGET}={tree['suggest']['budget']}" not in said_by_presets:
                words = [word for word in words if not word.startswith(f"{BUDGET}=")]
            yield from words
        else:
            raise ConfigError(f"There is no preset {name!r}; choose {' or '.join(PRESETS)}.")
