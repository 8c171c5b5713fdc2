"""The paper's experiments on anybody's labelled scans: protocol, peers, honest statistics, one page of results."""

from voidscope.benchmark.campaign import run_all, run_cells
from voidscope.benchmark.estimate import Estimate, estimate
from voidscope.benchmark.protocol import EXPERIMENTS, PLANS, Cell, Method, Plan, cells_of, plan_for
from voidscope.benchmark.record import claim, held
from voidscope.benchmark.report import write_report
from voidscope.benchmark.running import Bench, pretrain_once, run_cell
from voidscope.benchmark.scans import check_packages, check_scans, part_of

__all__ = [
    "EXPERIMENTS",
    "PLANS",
    "Bench",
    "Cell",
    "Estimate",
    "Method",
    "Plan",
    "cells_of",
    "check_packages",
    "check_scans",
    "claim",
    "estimate",
    "held",
    "part_of",
    "plan_for",
    "pretrain_once",
    "run_all",
    "run_cell",
    "run_cells",
    "write_report",
]
