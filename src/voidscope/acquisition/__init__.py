"""Which slices to label next: the survey of a model, its scores (Eq. 2, 3, 5) and the strategies, Algorithm 1 among them."""

from voidscope.acquisition.coldstart import BY_GREY_LEVELS, appearance
from voidscope.acquisition.driving import reasons_told
from voidscope.acquisition.findings import KINDS, Finding, ScanFindings
from voidscope.acquisition.flicker import flicker, flickering
from voidscope.acquisition.grounds import Grounds, LimitCost, Term, ranked
from voidscope.acquisition.misgivings import doubts
from voidscope.acquisition.missed import MISSED_FROM, Suspects, missed_voids
from voidscope.acquisition.pool import Pool
from voidscope.acquisition.room import Limits
from voidscope.acquisition.rules import Near
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
from voidscope.acquisition.suggestions import Suggestion, gave_way
from voidscope.acquisition.survey import Survey, SurveyError, SurveyRow

__all__ = [
    "BY_GREY_LEVELS",
    "KINDS",
    "MISSED_FROM",
    "ORDERS",
    "UNASKED",
    "Decision",
    "Finding",
    "Grounds",
    "LimitCost",
    "Limits",
    "Near",
    "Picks",
    "Pool",
    "ScanFindings",
    "Strategy",
    "Suggestion",
    "Survey",
    "SurveyError",
    "SurveyRow",
    "Suspects",
    "Term",
    "appearance",
    "doubts",
    "draw_first",
    "draw_unasked",
    "flicker",
    "flickering",
    "gave_way",
    "greedy",
    "limits_of",
    "missed_voids",
    "opening",
    "pixel_rareness",
    "ranked",
    "rareness",
    "reasons_told",
    "serves",
    "strategy_for",
    "top_pixels",
    "uncertainty",
]
