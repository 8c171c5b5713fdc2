"""Several processes pretrain one network as one process does: same batches, same losses, states of either for the other."""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Iterator
from functools import partial
from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest
import torch

from training import team_steps
from training.scenes import Run, finish, quick
from voidscope.apart import STARTING, abreast
from voidscope.config import Config
from voidscope.errors import ConfigError, JobFailed, NotReady
from voidscope.model import load_backbone
from voidscope.training import pretraining, seats, team
from voidscope.training.batches import batches_of
from voidscope.training.team import Team

has_fabric = pytest.mark.skipif(find_spec("lightning_fabric") is None, reason="needs the extra multi-gpu")
TWO = "pretrain.devices=2"
GENTLE = ("pretrain.batch_size=12", "pretrain.learning_rate=0.005", "pretrain.warmup_epochs=2")
"""Settings under which rounding does not grow: a large rate on a few slices makes much of little."""


@pytest.fixture
def plain(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Pretrain in this process what `team_steps` does in others."""
    for name in ("build_segmenter", "Compute"):
        monkeypatch.setattr(pretraining, name, getattr(pretraining, name))  # put back afterwards
    return


def _together(configs: list[Config], n: int, **given: Any) -> Run:
    makes = [partial(team_steps.pretraining, s, configs, n, **given) for s in seats(configs[0], n)]
    assert len(makes) == configs[0].pretrain.devices
    return finish(abreast("Pretraining", makes))


OPTIONS = {
    "paper": [],
    "local": ["pretrain.local_weight=0.5"],
    "mae": ["pretrain.method=mae"],
    "spread": ["pretrain.one_slice_per_scan=true", "pretrain.learning_rate=0.001"],
}


@has_fabric
@pytest.mark.slow
def test_two_processes_have_the_losses_of_one_whatever_is_learnt_by(plain: None) -> None:
    configs = [quick(*GENTLE, TWO, *words) for words in OPTIONS.values()]
    alone = finish(team_steps.pretraining(None, configs, 29)).result
    run = _together(configs, 29)
    for one, two in zip(alone, run.result, strict=True):
        assert two.losses == pytest.approx(one.losses, rel=1e-4)
        assert (one.device, two.device) == ("cpu", "2 x cpu")
        _assert_same_weights(one.weights, two.weights)
    told = [p for p in run.progress if p.note != STARTING]
    assert f"chance {math.log(2 * 12 - 1):.2f}" in told[0].note  # of the whole batch
    assert {p.total for p in told} == {9}
    assert sum(p.partial is not None for p in told) >= len(configs)


def _assert_same_weights(one: bytes, two: bytes) -> None:
    found = [team_steps.plain_segmenter(Config().model, 2) for _ in range(2)]
    for segmenter, weights in zip(found, (one, two), strict=True):
        load_backbone(segmenter, weights)
    for name, value in found[0].state_dict().items():
        torch.testing.assert_close(found[1].state_dict()[name], value, rtol=1e-3, atol=1e-4, msg=name)


@has_fabric
@pytest.mark.slow
def test_a_state_of_one_process_is_gone_on_from_by_two(plain: None, monkeypatch: pytest.MonkeyPatch) -> None:
    config = quick(*GENTLE, TWO)
    monkeypatch.setattr("voidscope.training.states.SECONDS_BETWEEN_STATES", 0.0)
    whole = finish(team_steps.pretraining(None, [config], 24))
    state = next(p.partial for p in whole.progress if isinstance(p.partial, bytes))
    run = _together([config], 24, resume=state)
    assert run.result[0].losses[:1] == whole.result[0].losses[:1]
    assert run.result[0].losses == pytest.approx(whole.result[0].losses, rel=1e-4)
    assert min(p.done for p in run.progress if p.note != STARTING) > 2


@has_fabric
@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
def test_one_that_is_struck_down_ends_all_and_is_what_is_told() -> None:
    config = quick(*GENTLE, TWO, "pretrain.epochs=500")
    with pytest.raises(JobFailed, match="Pretraining stopped: its process was ended by SIGKILL"):
        _together([config], 24, end_at=3)


@has_fabric
@pytest.mark.slow
def test_loss_gradients_and_batch_norms_of_two_are_those_of_one_to_ten_digits() -> None:
    encoder = "tu-mobilenetv3_small_050"
    places = seats(quick(TWO, "pretrain.batch_size=5"), 5)  # three slices for one, two for the other
    run = finish(abreast("Gradients", [partial(team_steps.gradients, s, encoder, 5) for s in places]))
    (loss, two), (expected, one) = run.result, finish(team_steps.gradients(None, encoder, 5)).result
    assert loss == pytest.approx(expected, rel=1e-10)
    assert set(one) == set(two)
    size = max(float(value.norm()) for value in one.values())
    for name, value in one.items():
        assert float((two[name] - value).norm()) <= 1e-10 * max(size, float(value.norm())), name


@pytest.mark.parametrize("size", [2, 3, 4])
@pytest.mark.parametrize("n", [4, 5, 16, 246, 256])
def test_slices_are_dealt_out_evenly_and_in_order_with_both_views_of_each(size: int, n: int) -> None:
    shares = [Team(k, size, torch.device("cpu")).mine(2 * n) for k in range(size)]
    np.testing.assert_array_equal(np.concatenate(shares), np.arange(2 * n))
    counts = [len(s) // 2 for s in shares]
    assert sum(counts) == n and max(counts) - min(counts) <= 1 and min(counts) >= 1
    assert all(s[0] % 2 == 0 for s in shares)


def test_one_device_is_this_process_alone() -> None:
    assert seats(quick(), 9) == ()
    assert seats(quick("pretrain.devices=0"), 9) == ()  # a CPU is one device


@has_fabric
def test_all_devices_are_as_many_as_there_are_and_as_a_step_has_slices(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(team, "choose_device", lambda _: torch.device("cuda"))
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    config = Config().with_changes(["pretrain.devices=0"])
    found = seats(config, 4086)
    assert [(s.kind, s.rank, s.size) for s in found] == [("cuda", k, 4) for k in range(4)]
    assert len({s.port for s in found}) == 1
    assert len(seats(config, 259)) == min(len(b) for b in batches_of(np.arange(259), 256, least=2)) == 3


@pytest.mark.parametrize(
    ("words", "n", "reason"),
    [
        (["pretrain.devices=3"], 6, "the smallest step of an epoch has 2 slices; set at most"),
        (["pretrain.devices=9", "device=cuda"], 4086, "pretrain.devices=9, but this machine has 4 cuda"),
        (["pretrain.devices=2", "device=mps"], 4086, "but this machine has 1 mps"),
    ],
)
def test_devices_that_are_not_there_are_refused_with_both_numbers(
    words: list[str], n: int, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(team, "choose_device", torch.device)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    with pytest.raises(ConfigError, match=re.escape(reason)):
        seats(quick(*words), n)


def test_with_few_scans_a_step_of_one_slice_each_is_too_small_for_many_devices(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(team, "choose_device", torch.device)
    config = quick("pretrain.one_slice_per_scan=true", "pretrain.devices=4", "pretrain.batch_size=8")
    with pytest.raises(ConfigError, match="the smallest step of an epoch has 3 slices"):
        seats(config, 24, [k % 3 for k in range(24)])


def test_without_lightning_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(team, "find_spec", lambda _: None)
    with pytest.raises(NotReady, match=r'pip install "voidscope\[multi-gpu\]"'):
        seats(quick(TWO), 8)


def test_how_many_devices_is_no_part_of_what_is_pretrained() -> None:
    one, two = quick().pretrain, quick(TWO).pretrain
    assert one != two
    assert repr(one) == repr(two)  # what states and caches are named by
