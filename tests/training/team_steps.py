"""What each process of a team does in the tests: other processes find it here by name."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence

import torch
from torch import nn

from training.scenes import NORMALISATION, discs
from voidscope.config import Config, ModelConfig
from voidscope.jobs import Steps
from voidscope.model import Segmenter, build_segmenter
from voidscope.model.devices import Compute
from voidscope.training import Pretrained, ProjectionHead, Seat, pretrain_steps
from voidscope.training import pretraining as module
from voidscope.training.team import Alone


def plain_segmenter(
    config: ModelConfig, n_classes: int, seed: int = 0, contrastive: bytes | None = None
) -> Segmenter:
    """Three layers with batch norm and nothing random, in place of `build_segmenter`."""
    with torch.random.fork_rng([]):
        torch.default_generator.manual_seed(seed)
        encoder = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU())
        decoder = nn.Sequential(nn.Conv2d(8, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU())
        return Segmenter(encoder, decoder, nn.Sequential(nn.Conv2d(16, n_classes, 3, padding=1)))


def in_full_precision() -> None:
    """Pretrain a plain network in float32, so that only the order of sums differs between teams."""
    module.build_segmenter = plain_segmenter  # type: ignore[attr-defined]
    module.Compute = _Full  # type: ignore[attr-defined]


class _Full(Compute):
    @classmethod
    def choose(cls, name: str | torch.device = "auto") -> _Full:
        return cls(torch.device("cpu"), torch.float32)


def pretraining(
    seat: Seat | None,
    configs: Sequence[Config],
    n: int,
    resume: bytes | None = None,
    end_at: int | None = None,
) -> Steps[list[Pretrained]]:
    """Pretrain on `n` discs by each of the settings, as one of a team or alone; the second may end itself at a step."""
    in_full_precision()
    team: Alone | None = seat and seat.taken()
    images, _ = discs(n)
    groups, found = [k % 10 for k in range(n)], []
    for config in configs:
        steps = pretrain_steps(
            images, config, normalisation=NORMALISATION, resume=resume, groups=groups, team=team
        )
        found.append((yield from _struck(steps, end_at if seat and seat.rank else None)))
    return found


def _struck(steps: Steps[Pretrained], end_at: int | None) -> Steps[Pretrained]:
    while True:
        try:
            progress = next(steps)
        except StopIteration as end:
            return end.value
        if end_at is not None and progress.done >= end_at:
            os.kill(os.getpid(), signal.SIGKILL)
        yield progress


def gradients(seat: Seat | None, encoder: str, n: int) -> Steps[tuple[float, dict[str, torch.Tensor]]]:
    """A loss of all 2n views of a U-Net and head in float64, its gradients, and the running statistics it leaves."""
    yield from ()
    team: Alone = seat.taken() if seat else Alone()
    segmenter = build_segmenter(ModelConfig(encoder=encoder, initialisation="none"), 1).train()
    network = nn.ModuleList([segmenter.encoder, segmenter.decoder, ProjectionHead(16, 8)]).double()
    generator = torch.Generator().manual_seed(1)
    for name, parameter in network[2].named_parameters():
        nn.init.normal_(parameter, std=1.0 if name.endswith("weight") else 0.1, generator=generator)
    x = torch.randn(2 * n, 1, 32, 32, generator=generator, dtype=torch.float64)
    slopes = torch.randn(2 * n, 8, generator=generator, dtype=torch.float64)
    with team.sharing_norms():
        own = segmenter.features(x[team.mine(2 * n)]).mean((2, 3))
        loss = (team.whole(network[2](own)).square() * slopes).sum()
    loss.backward()
    team.share_gradients(network)
    found = {f"{name}.grad": p.grad for name, p in network.named_parameters() if p.grad is not None}
    buffers = {name: b.double() for name, b in network.named_buffers() if "num_batches" not in name}
    return loss.item(), found | buffers
