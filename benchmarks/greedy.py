"""Greedy selection (Algorithm 1): time, peak memory, and ratio to recomputing every distance for every pick.

    python benchmarks/greedy.py                        1e6 slices x 64 features, 50 picks, 100 labelled
    python benchmarks/greedy.py --slices 4086 --features 16

Goal: 1e6 x 64 in at most 3 s on 2 cores, equal to float64. Pools: ``gauss`` unstructured; ``scans`` runs of 66
similar slices; ``plane`` all slices in a plane, the hardest, as each pick lowers many distances; ``offset`` is
``gauss`` with every feature about 1e4. Each selection is compared with the plain incremental float64 loop; the naive
recomputation runs on at most 20,000 slices, beside the same selection on the same slices.
"""

from __future__ import annotations

import argparse
import sys
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

from voidscope.acquisition import greedy

NAIVE_SLICES = 20_000


def pool(kind: str, n: int, d: int, rng: np.random.Generator) -> Any:
    """Embeddings (n, d) float32."""
    if kind == "scans":
        scan, along = np.divmod(np.arange(n), 66)
        start, course = rng.normal(size=(2, n // 66 + 1, d))
        return (start[scan] + along[:, None] / 66 * course[scan] + 0.05 * rng.normal(size=(n, d))).astype(
            np.float32
        )
    if kind == "plane":
        return (rng.uniform(-1, 1, size=(n, 2)) @ rng.normal(size=(2, d))).astype(np.float32)
    return (rng.standard_normal(size=(n, d), dtype=np.float32) + (1e4 if kind == "offset" else 0)).astype(
        np.float32
    )


def incremental(base: Any, embedding: Any, anchors: Any, budget: int) -> list[int]:
    """Algorithm 1 with the distances of the last pick only, float64 throughout."""
    score, nearest, picks = base.copy(), np.full(len(base), np.inf), []
    score[anchors] = -np.inf
    for k in range(len(anchors) + budget):
        row = int(anchors[k]) if k < len(anchors) else int((score + np.sqrt(nearest)).argmax())
        if k >= len(anchors):
            picks.append(row)
            score[row] = -np.inf
        for start in range(0, len(base), 8192):
            part = slice(start, start + 8192)
            apart = ((embedding[part].astype(np.float64) - embedding[row].astype(np.float64)) ** 2).sum(
                axis=1
            )
            nearest[part] = np.minimum(nearest[part], apart)
    return picks


def naive(base: Any, embedding: Any, anchors: Any, budget: int) -> list[int]:
    """Algorithm 1 as written down: all distances to all chosen slices anew for every pick."""
    from scipy.spatial.distance import cdist

    score, chosen = base.copy(), [int(a) for a in anchors]
    score[chosen] = -np.inf
    for _ in range(budget):
        nearest = cdist(embedding, embedding[chosen]).min(axis=1)
        chosen.append(int((score + nearest).argmax()))
        score[chosen[-1]] = -np.inf
    return chosen[len(anchors) :]


def timed(run: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds and result."""
    start = time.perf_counter()
    result = run()
    return time.perf_counter() - start, result


def report(kind: str, options: argparse.Namespace) -> bool:
    """Measure one pool and print a line; whether the selection equals the reference."""
    rng = np.random.default_rng(options.seed)
    embedding = pool(kind, options.slices, options.features, rng)
    base = rng.choice([0.75, 0.9, 0.99], size=options.slices) + rng.uniform(1.2, 1.6, size=options.slices)
    order = rng.permutation(options.slices)
    anchors, candidates = order[: options.labelled], np.sort(order[options.labelled :])
    runs = [
        timed(lambda: greedy(base, embedding, candidates, anchors, options.budget))
        for _ in range(options.repeats)
    ]
    seconds, picks = min(s for s, _ in runs), runs[0][1].rows.tolist()
    tracemalloc.start()
    greedy(base, embedding, candidates, anchors, options.budget)
    peak = tracemalloc.get_traced_memory()[1] / 2**20
    tracemalloc.stop()
    plain, expected = timed(lambda: incremental(base, embedding, anchors, options.budget))
    few = min(NAIVE_SLICES, options.slices)
    some = np.arange(options.labelled)
    fast_few, _ = timed(
        lambda: greedy(base[:few], embedding[:few], np.arange(len(some), few), some, options.budget)
    )
    naive_few, _ = timed(lambda: naive(base[:few], embedding[:few], some, options.budget))
    same = picks == expected
    print(
        f"{kind:8s} {seconds:7.3f} s  +{peak:4.0f} MiB  plain float64 loop {plain:7.3f} s ({plain / seconds:5.1f}x)  "
        f"naive on {few} slices {naive_few / fast_few:6.1f}x  {'equal' if same else 'DIFFERENT'}",
        flush=True,
    )
    return same


def main() -> int:
    """Measure every pool."""
    parser = argparse.ArgumentParser(description="Time greedy selection.")
    for name, default in (("slices", 1_000_000), ("features", 64), ("budget", 50), ("labelled", 100)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    print(f"{options.slices} x {options.features}, {options.budget} picks, {options.labelled} labelled")
    equal = [report(kind, options) for kind in ("gauss", "offset", "scans", "plane")]
    return 0 if all(equal) else 1


if __name__ == "__main__":
    sys.exit(main())
