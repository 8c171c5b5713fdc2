"""The paper's experiments on anybody's labelled scans: protocol, peers, honest statistics, one page of results."""

from voidscope.benchmark.fleet import run_cells
from voidscope.benchmark.protocol import EXPERIMENTS, PLANS, Cell, Method, Plan, cells_of, reduced_plan
from voidscope.benchmark.report import write_report
from voidscope.benchmark.running import Bench, part_of, pretrain_once, run_cell

__all__ = [
    "EXPERIMENTS",
    "PLANS",
    "Bench",
    "Cell",
    "Method",
    "Plan",
    "cells_of",
    "part_of",
    "pretrain_once",
    "reduced_plan",
    "run_cell",
    "run_cells",
    "write_report",
]
