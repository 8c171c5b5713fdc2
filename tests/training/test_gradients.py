"""Loss and gradients of a step: the ordinary way, and that recording is tried on a GPU only and may fail. No GPU is needed."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from voidscope.training import gradients as module
from voidscope.training.gradients import STEPS_BEFORE_RECORDING, Gradients, Loss, Recording

CPU, CUDA = torch.device("cpu"), torch.device("cuda")


def _network() -> nn.Linear:
    network = nn.Linear(3, 1)
    nn.init.constant_(network.weight, 0.5)
    nn.init.zeros_(network.bias)
    return network


def _batches(n: int, size: int = 4) -> list[torch.Tensor]:
    return list(torch.randn(n, size, 3, generator=torch.Generator().manual_seed(0)))


def _run(device: torch.device, batches: list[torch.Tensor]) -> tuple[list[torch.Tensor], Gradients]:
    """Gradient of the weights after each batch, with a step of an optimiser between."""
    network = _network()
    optimiser = torch.optim.SGD(network.parameters(), lr=0.1)
    steps = Gradients(network, lambda x: network(x).square().mean(), device)
    found = []
    for batch in batches:
        loss = steps(batch)
        assert not loss.requires_grad
        assert network.weight.grad is not None
        found.append(network.weight.grad.clone())
        optimiser.step()
    return found, steps


def _stand_in(calls: list[str]) -> object:
    def record(network: nn.Module, loss: Loss, given: tuple[torch.Tensor, ...]) -> Recording:
        calls.append(f"record {tuple(given[0].shape)}")

        def replay(*others: torch.Tensor) -> torch.Tensor:
            calls.append("replay")
            network.zero_grad()
            found = loss(*others)
            found.backward()  # type: ignore[no-untyped-call]
            return found.detach()

        return replay

    return record


def test_gradients_are_autograds_own() -> None:
    network, (batch,) = _network(), _batches(1)
    loss = Gradients(network, lambda x: network(x).square().mean(), CPU)(batch)
    assert network.weight.grad is not None
    answer = batch @ network.weight.detach().T + network.bias.detach()
    assert float(loss) == pytest.approx(float(answer.square().mean()), rel=1e-5)
    torch.testing.assert_close(network.weight.grad, (2 * answer * batch).mean(0, keepdim=True))


def test_a_step_does_not_add_to_the_last_ones_gradients() -> None:
    network, (batch,) = _network(), _batches(1)
    steps = Gradients(network, lambda x: network(x).square().mean(), CPU)
    steps(batch)
    assert network.weight.grad is not None
    once = network.weight.grad.clone()
    steps(batch)
    assert torch.equal(network.weight.grad, once)


def test_on_a_cpu_nothing_is_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    monkeypatch.setattr(module, "record", _stand_in(calls))
    _, steps = _run(CPU, _batches(9))
    assert calls == []
    assert steps.warnings == []


def test_a_shape_is_recorded_once_after_some_ordinary_steps_and_replayed_from_then_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls: list[str] = []
    monkeypatch.setattr(module, "record", _stand_in(calls))
    batches = [*_batches(6), *_batches(1, size=2)]
    found, steps = _run(CUDA, batches)
    assert calls == ["record (4, 3)"] + ["replay"] * (6 - STEPS_BEFORE_RECORDING)
    assert steps.warnings == []
    for a, b in zip(found, _run(CPU, batches)[0], strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("when", ["recording", "replaying"])
def test_whatever_fails_the_ordinary_way_gives_the_same_gradients_and_is_kept(
    when: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures: list[str] = []

    def fail(*_: object) -> torch.Tensor:
        failures.append(when)
        raise RuntimeError("operation not permitted when stream is capturing\nCUDA kernel errors ...")

    monkeypatch.setattr(module, "record", fail if when == "recording" else lambda *_: fail)
    batches = _batches(8)
    found, steps = _run(CUDA, batches)
    for a, b in zip(found, _run(CPU, batches)[0], strict=True):
        assert torch.equal(a, b)
    assert failures == [when]
    assert len(steps.warnings) == 1
    assert "one kernel at a time, which is slower: operation not permitted when stream" in steps.warnings[0]


def test_recording_without_a_gpu_fails_and_is_survived() -> None:
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    found, steps = _run(CUDA, _batches(STEPS_BEFORE_RECORDING + 2))
    assert len(found) == STEPS_BEFORE_RECORDING + 2
    assert len(steps.warnings) == 1


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")
def test_a_recorded_step_on_a_gpu_gives_the_ordinary_gradients() -> None:
    network = _network().cuda()
    steps = Gradients(network, lambda x: network(x).square().mean(), CUDA)
    plain = Gradients(network, lambda x: network(x).square().mean(), CPU)
    for batch in (b.cuda() for b in _batches(8)):
        loss = float(steps(batch))
        found = network.weight.grad.clone()
        assert loss == pytest.approx(float(plain(batch)), rel=1e-6)
        torch.testing.assert_close(found, network.weight.grad)
    assert steps.warnings == []


def test_an_error_of_the_loss_itself_is_not_hidden() -> None:
    def broken(_: torch.Tensor) -> torch.Tensor:
        raise torch.OutOfMemoryError("CUDA out of memory")

    with pytest.raises(torch.OutOfMemoryError):
        Gradients(_network(), broken, CUDA)(_batches(1)[0])
