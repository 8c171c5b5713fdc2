"""Random numbers that depend on a seed and a place in the run only, never on what was drawn before or elsewhere.

Each use names its place by counters, e.g. (seed, purpose, epoch), so that a run resumed in its middle draws what the
uninterrupted run would have drawn, without any generator state to keep.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


def rng_at(*counters: int) -> np.random.Generator:
    """The NumPy generator of one place in a run."""
    return np.random.default_rng(counters)


@contextmanager
def torch_seeded(device: torch.device, *counters: int) -> Iterator[None]:
    """Seed what torch draws by itself (initial weights, dropout); the global generators are put back afterwards."""
    seed = int(np.random.SeedSequence(counters).generate_state(1, np.uint64)[0] >> np.uint64(1))
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices):
        torch.default_generator.manual_seed(seed)
        if device.type == "cuda":
            with torch.cuda.device(device):
                torch.cuda.manual_seed(seed)
        yield
