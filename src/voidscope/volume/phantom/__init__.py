"""Simulated XRM scans of HBM micro-bumps with exact labels: geometry, physics, and data sets of them."""

from voidscope.volume.phantom.difficulty import Difficulty
from voidscope.volume.phantom.package import BumpTruth, Grid
from voidscope.volume.phantom.simulate import (
    VOXEL_UM,
    PhantomScan,
    simulate_dataset,
    simulate_package,
    simulate_scan,
)

__all__ = [
    "VOXEL_UM",
    "BumpTruth",
    "Difficulty",
    "Grid",
    "PhantomScan",
    "simulate_dataset",
    "simulate_package",
    "simulate_scan",
]
