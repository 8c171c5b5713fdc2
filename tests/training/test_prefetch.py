"""Batches made ahead of their step: each once, in order, and early only where that gains time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch

from voidscope.training import prefetch as module
from voidscope.training.prefetch import Prefetcher

CPU, MPS, CUDA = torch.device("cpu"), torch.device("mps"), torch.device("cuda", 0)


class _Stream:
    """Stands in for a CUDA stream: notes what it was told to wait for."""

    def __init__(self, device: torch.device | None = None) -> None:
        self.device, self.waited_for = device, list[object]()

    def wait_stream(self, other: object) -> None:
        self.waited_for.append(other)


class _Gpu:
    """Stands in for a GPU: which stream is the one of now, and the main one."""

    def __init__(self) -> None:
        self.main = _Stream(CUDA)
        self.now = self.main

    @contextmanager
    def stream(self, stream: _Stream) -> Iterator[None]:
        before, self.now = self.now, stream
        yield
        self.now = before

    def counted(self, n: int, made: list[int]) -> Iterator[int]:
        """0, 1, ... n - 1, noted as they are made, beside the main stream."""
        for k in range(n):
            assert self.now is not self.main, "made on the stream that computes"
            made.append(k)
            yield k


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> Iterator[_Gpu]:
    """A GPU where there is none."""
    found = _Gpu()
    monkeypatch.setattr(torch.cuda, "Stream", _Stream)
    monkeypatch.setattr(torch.cuda, "stream", found.stream)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device=None: found.now)
    module._stream_beside.cache_clear()
    yield found
    module._stream_beside.cache_clear()


@pytest.mark.parametrize(("device", "early"), [(CPU, True), (MPS, True), (CUDA, False)])
def test_elsewhere_a_batch_is_made_when_it_is_taken_and_cuda_is_left_alone(
    device: torch.device, early: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("Stream", "stream", "current_stream"):
        monkeypatch.setattr(torch.cuda, name, lambda *_, name=name: pytest.fail(f"torch.cuda.{name}"))
    made: list[int] = []
    batches = Prefetcher((made.append(k) or k for k in range(3)), device, early=early)
    for k in batches:
        batches.prefetch()
        assert made == list(range(k + 1))
    assert made == [0, 1, 2]


def test_on_a_gpu_just_one_batch_is_made_early_and_beside_what_is_computed(gpu: _Gpu) -> None:
    made: list[int] = []
    batches = Prefetcher(gpu.counted(4, made), CUDA)
    for k in batches:
        assert gpu.now is gpu.main
        assert made == list(range(k + 1))
        for _ in range(2):
            batches.prefetch()
            assert made == list(range(min(k + 2, 4)))


@pytest.mark.parametrize("prefetches", [True, False])
def test_every_batch_comes_once_in_order_and_is_waited_for(prefetches: bool, gpu: _Gpu) -> None:
    batches = Prefetcher(iter("abcde"), CUDA)
    taken = []
    for batch in batches:
        taken.append(batch)
        assert gpu.main.waited_for == [module._stream_beside(CUDA)] * len(taken)
        if prefetches:
            batches.prefetch()
    assert taken == list("abcde")


def test_what_batches_are_cut_out_of_is_waited_for_first(gpu: _Gpu) -> None:
    Prefetcher(iter("a"), CUDA)
    assert module._stream_beside(CUDA).waited_for == [gpu.main]  # type: ignore[attr-defined]


def test_all_epochs_have_one_stream(gpu: _Gpu) -> None:
    assert len({id(Prefetcher(iter("a"), CUDA)._stream) for _ in range(40)}) == 1


def test_a_batch_may_be_nothing_and_there_may_be_none(gpu: _Gpu) -> None:
    for device in (CPU, CUDA):
        assert list(Prefetcher(iter([None, 1, None]), device)) == [None, 1, None]
        assert list(Prefetcher(iter(()), device)) == []


def test_what_fails_while_a_batch_is_made_early_reaches_the_step(gpu: _Gpu) -> None:
    def failing() -> Iterator[int]:
        yield 1
        raise torch.OutOfMemoryError("CUDA out of memory")

    batches = Prefetcher(failing(), CUDA)
    assert next(iter(batches)) == 1
    with pytest.raises(torch.OutOfMemoryError):
        batches.prefetch()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")
def test_batches_made_early_on_a_gpu_are_what_they_are_made_late() -> None:
    source = torch.arange(1 << 20, device=CUDA, dtype=torch.float32)
    batches = Prefetcher((source * k for k in range(20)), CUDA)
    for k, batch in enumerate(batches):
        found = batch.square().sum()
        batches.prefetch()
        assert float(found) == float((source * k).square().sum())
