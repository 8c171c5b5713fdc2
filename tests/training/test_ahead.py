"""Batches made ahead of their step: each once, in order, and early only where that gains time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext

import pytest
import torch

from voidscope.training.ahead import Ahead

CPU, CUDA = torch.device("cpu"), torch.device("cuda", 0)


def _counted(n: int, made: list[int]) -> Iterator[int]:
    for k in range(n):
        made.append(k)
        yield k


class _Stream:
    """Stands in for a CUDA stream: notes what it was told to wait for."""

    def __init__(self, device: torch.device | None = None) -> None:
        self.device, self.waited_for = device, list[object]()

    def wait_stream(self, other: object) -> None:
        self.waited_for.append(other)


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> _Stream:
    """The stream of now, where there is no GPU."""
    current = _Stream(CUDA)
    monkeypatch.setattr(torch.cuda, "Stream", _Stream)
    monkeypatch.setattr(torch.cuda, "stream", lambda stream: nullcontext())
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device=None: current)
    return current


def test_on_a_cpu_a_batch_is_made_when_it_is_taken() -> None:
    made: list[int] = []
    ahead = Ahead(_counted(3, made), CPU)
    for k in ahead:
        ahead.prepare()
        assert made == list(range(k + 1))
    assert made == [0, 1, 2]


def test_on_a_gpu_just_one_batch_is_made_early(now: _Stream) -> None:
    made: list[int] = []
    ahead = Ahead(_counted(4, made), CUDA)
    for k in ahead:
        assert made == list(range(k + 1))
        for _ in range(2):
            ahead.prepare()
            assert made == list(range(min(k + 2, 4)))


@pytest.mark.parametrize("prepares", [True, False])
def test_every_batch_comes_once_in_order_and_is_waited_for(prepares: bool, now: _Stream) -> None:
    ahead = Ahead(iter("abcde"), CUDA)
    taken = []
    for batch in ahead:
        taken.append(batch)
        assert len(now.waited_for) == len(taken)
        if prepares:
            ahead.prepare()
    assert taken == list("abcde")
    assert ahead._stream is not None
    assert {id(s) for s in now.waited_for} == {id(ahead._stream)}


def test_what_batches_are_cut_out_of_is_waited_for_first(now: _Stream) -> None:
    ahead = Ahead(iter("a"), CUDA)
    assert isinstance(ahead._stream, _Stream)
    assert ahead._stream.waited_for == [now]


def test_a_batch_may_be_nothing_and_there_may_be_none(now: _Stream) -> None:
    for device in (CPU, CUDA):
        assert list(Ahead(iter([None, 1, None]), device)) == [None, 1, None]
        assert list(Ahead(iter(()), device)) == []


def test_what_fails_while_a_batch_is_made_early_reaches_the_step(now: _Stream) -> None:
    def failing() -> Iterator[int]:
        yield 1
        raise torch.OutOfMemoryError("CUDA out of memory")

    ahead = Ahead(failing(), CUDA)
    with pytest.raises(torch.OutOfMemoryError):
        for _ in ahead:
            ahead.prepare()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")
def test_batches_made_early_on_a_gpu_are_what_they_are_made_late() -> None:
    source = torch.arange(1 << 20, device=CUDA, dtype=torch.float32)

    def batches() -> Iterator[torch.Tensor]:
        yield from (source * k for k in range(20))

    ahead = Ahead(batches(), CUDA)
    for k, batch in enumerate(ahead):
        found = batch.square().sum()
        ahead.prepare()
        assert float(found) == float((source * k).square().sum())
