"""Which slices to label next: the survey of a model, its scores (Eq. 2, 3, 5) and the strategies, Algorithm 1 among them."""

from voidscope.acquisition.coldstart import appearance
from voidscope.acquisition.pool import Pool
from voidscope.acquisition.room import Limits
from voidscope.acquisition.scores import pixel_rareness, rareness, top_pixels, uncertainty
from voidscope.acquisition.select import Picks, greedy, opening
from voidscope.acquisition.strategies import (
    ORDERS,
    UNASKED,
    Decision,
    Strategy,
    draw_first,
    draw_unasked,
    limits_of,
    serves,
    strategy_for,
)
from voidscope.acquisition.suggestions import Suggestion, gave_way, random_start
from voidscope.acquisition.survey import Survey, SurveyError, SurveyRow

__all__ = [
    "ORDERS",
    "UNASKED",
    "Decision",
    "Limits",
    "Picks",
    "Pool",
    "Strategy",
    "Suggestion",
    "Survey",
    "SurveyError",
    "SurveyRow",
    "appearance",
    "draw_first",
    "draw_unasked",
    "gave_way",
    "greedy",
    "limits_of",
    "opening",
    "pixel_rareness",
    "random_start",
    "rareness",
    "serves",
    "strategy_for",
    "top_pixels",
    "uncertainty",
]
