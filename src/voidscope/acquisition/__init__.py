"""Which slices to label next: the survey of a model, its scores (Eq. 2, 3, 5) and greedy selection (Algorithm 1)."""

from voidscope.acquisition.scores import pixel_rareness, rareness, uncertainty
from voidscope.acquisition.select import Picks, greedy, opening
from voidscope.acquisition.strategies import Strategy, strategy_for
from voidscope.acquisition.suggestions import Suggestion, random_start
from voidscope.acquisition.survey import Survey, SurveyError, SurveyRow

__all__ = [
    "Picks",
    "Strategy",
    "Suggestion",
    "Survey",
    "SurveyError",
    "SurveyRow",
    "greedy",
    "opening",
    "pixel_rareness",
    "random_start",
    "rareness",
    "strategy_for",
    "uncertainty",
]
