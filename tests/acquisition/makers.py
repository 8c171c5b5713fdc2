"""Strategies for tests, each by its name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, get_args

import numpy as np

from voidscope.acquisition import Decision, Near, Strategy, Suggestion, Survey, strategy_for
from voidscope.config import SuggestConfig

NAMES = get_args(SuggestConfig.model_fields["strategy"].annotation)
"""Every strategy there is."""


@dataclass(frozen=True)
class GivenScores:
    """A strategy of given scores, with random ones for whatever survey comes."""

    name: str
    settings: dict[str, Any]

    @property
    def aggregation(self) -> str:
        return str(self.settings.get("aggregation", "max"))

    def __call__(self, survey: Survey, *rest: Any) -> tuple[Suggestion, ...]:
        scores = np.random.default_rng(1).random(len(survey))
        return strategy_for(SuggestConfig(strategy=self.name, **self.settings), scores=scores)(survey, *rest)


def make(name: str, **settings: Any) -> Strategy:
    if name == "vaal":
        return GivenScores(name, settings)
    decision = (
        Decision(dict.fromkeys(("scan00", "scan01"), (Near(0.5, (0, 1)),)), (0, 1))
        if name == "verdict"
        else None
    )
    return strategy_for(SuggestConfig(strategy=name, **settings), decision=decision)
