"""What the survey costs on top of predicting alone, batch by batch in turn in one process.

Predicting alone is the same network in the same precision and the mask of each slice; bare, which is told too, reads nothing off
the network's output. Run:

    python benchmarks/predict_sweep.py [--rounds 15] [--threads 2]
"""

from __future__ import annotations

import argparse
import json
import statistics

import numpy as np
import torch
from side_by_side import ratios, take_turns

from voidscope.config import ModelConfig
from voidscope.model import Compute, build_segmenter, predict_slices

SLICES, SHAPE, CLASSES = 64, (96, 96), 5


def main() -> None:
    """Measure and print one JSON object."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    images = list(np.random.default_rng(0).random((SLICES, *SHAPE), dtype=np.float32))
    compute = Compute.choose("cpu")
    segmenter = compute.place(build_segmenter(ModelConfig(), CLASSES)).eval()

    def logits(k: int) -> torch.Tensor:
        batch = torch.from_numpy(np.stack(images[k : k + 16]))[:, None]
        with torch.inference_mode(), compute.running():
            found: torch.Tensor = segmenter(batch.contiguous(memory_format=compute.layout))[0]
            return found

    def bare() -> None:
        for k in range(0, SLICES, 16):
            logits(k)

    def masks() -> None:
        for k in range(0, SLICES, 16):
            (logits(k).float().argmax(1) + 1).to(torch.uint8).numpy()

    def sweep() -> None:
        for _ in predict_slices(segmenter, images, (0.5, 0.25), "cpu", 16):
            pass

    seconds = take_turns({"bare": bare, "predict": masks, "sweep": sweep}, given.rounds)
    result: dict[str, object] = {
        f"{name}_ms_per_slice": round(1000 * statistics.median(t) / SLICES, 2) for name, t in seconds.items()
    }
    result |= ratios(seconds["sweep"], seconds["predict"])
    result["ratio_to_bare"] = ratios(seconds["sweep"], seconds["bare"])["ratio_median"]
    result |= {
        "threads": given.threads,
        "precision": compute.precision,
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
