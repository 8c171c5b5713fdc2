"""Plan of a blind gauge study: who reads which part when, and which slices make parts that differ enough to be told apart.

Every operator reads every part once per repeat, in an order of its own that is drawn anew for each repeat (AIAG, *Measurement
Systems Analysis*, 4th edition, chapter III: random order, and the operator does not know which part it is).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from voidscope.errors import ConfigError
from voidscope.vocabulary import SliceKey


@dataclass(frozen=True, order=True, slots=True)
class Slot:
    """One reading to be made: which part, by whom, for the how manieth time (from 1)."""

    part: str
    operator: str
    repeat: int


@dataclass(frozen=True)
class Plan:
    """A crossed study: every operator reads every part `repeats` times; the same seed gives the same orders.

    Raises
    ------
    ConfigError : fewer than two parts, operators or repeats, a name that is empty or given twice, a negative seed.
    """

    parts: tuple[str, ...]
    operators: tuple[str, ...]
    repeats: int
    seed: int = 0

    def __post_init__(self) -> None:
        for what, names in (("part", self.parts), ("operator", self.operators)):
            if len(names) < 2:
                raise ConfigError(
                    f"The study has {len(names)} {what}(s){': ' if names else ''}{', '.join(names)}; it needs two at least."
                )
            if len(set(names)) < len(names) or not all(n.strip() for n in names):
                raise ConfigError(
                    f"The {what}s of the study are {', '.join(map(repr, names))}; give each a name of its own."
                )
        if self.repeats < 2:
            raise ConfigError(
                f"The study has {self.repeats} repeat(s); repeatability needs two at least: --repeats 2."
            )
        if self.seed < 0:
            raise ConfigError(f"The seed is {self.seed}; give a whole number from 0 on.")

    @property
    def slots(self) -> tuple[Slot, ...]:
        """All readings of the study, by part, operator and repeat, as its table lists them."""
        return tuple(
            Slot(part, operator, repeat)
            for part in self.parts
            for operator in self.operators
            for repeat in range(1, self.repeats + 1)
        )

    def order(self, operator: str) -> tuple[Slot, ...]:
        """The readings of one operator in the order they are asked for: every part once per repeat, never one twice in a row.

        A repeat that would begin with the part the one before has ended with exchanges its first part for another.

        Raises
        ------
        ConfigError : nobody of that name takes part.
        """
        if operator not in self.operators:
            raise ConfigError(f"{operator!r} takes no part in the study; {', '.join(self.operators)} do.")
        rng = np.random.default_rng([self.seed, self.operators.index(operator)])
        slots: list[Slot] = []
        for repeat in range(1, self.repeats + 1):
            parts = [self.parts[k] for k in rng.permutation(len(self.parts))]
            if slots and slots[-1].part == parts[0]:
                other = int(rng.integers(1, len(parts)))
                parts[0], parts[other] = parts[other], parts[0]
            slots += [Slot(part, operator, repeat) for part in parts]
        return tuple(slots)


def choose_parts(ratios: Mapping[SliceKey, float], n: int, seed: int = 0) -> tuple[SliceKey, ...]:
    """Slices whose ratios are spread evenly over the range that occurs, from as many scans as it allows, in random order.

    First those of the smallest and the largest ratio; then, for each of the n - 2 values evenly spaced between, of the slices not taken
    yet within half a step of it (else as near as there is any) one of the scan that has fewest parts so far, of several the nearest,
    among equals as the seed decides. Parts that are spread so vary more than parts drawn at random would.

    Raises
    ------
    ConfigError : fewer slices than parts, or fewer than two parts.
    """
    if n < 2:
        raise ConfigError(f"The study has {n} part(s); it needs two at least: --parts 10.")
    if len(ratios) < n:
        raise ConfigError(
            f"{len(ratios)} slice(s) have a label or a prediction with a void ratio, {n} parts are asked for; label or segment more, "
            "ask for fewer parts, or name the slices."
        )
    rng = np.random.default_rng([seed, n])
    keys: Sequence[SliceKey] = sorted(ratios)
    left = [keys[k] for k in rng.permutation(len(keys))]
    aims = np.linspace(min(ratios.values()), max(ratios.values()), n).tolist()
    half = (aims[-1] - aims[0]) / (n - 1) / 2
    taken: list[SliceKey] = []
    for aim, reach in ((aims[0], 0.0), (aims[-1], 0.0), *((a, half) for a in aims[1:-1])):
        of_scan = Counter(key.scan for key in taken)
        apart = {key: abs(ratios[key] - aim) for key in left}
        near = max(reach, min(apart.values()))
        taken.append(min((k for k in left if apart[k] <= near), key=lambda k: (of_scan[k.scan], apart[k])))
        left.remove(taken[-1])
    return tuple(taken[k] for k in rng.permutation(n))
