"""Torch's errors become one line that says what to do."""

from __future__ import annotations

import pytest
import torch

from voidscope.errors import JobFailed, VoidscopeError, is_out_of_memory
from voidscope.model.failures import one_line, told_in_one_line


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (torch.OutOfMemoryError("CUDA out of memory."), True),
        (MemoryError("Unable to allocate 9 GiB for an array"), True),
        (
            RuntimeError(
                "[enforce fail at alloc_cpu.cpp:119] DefaultCPUAllocator: can't allocate memory: you tried"
            ),
            True,
        ),
        (RuntimeError("MPS backend out of memory (MPS allocated: 1 GB)"), True),
        (RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 1 bytes."), True),
        (RuntimeError("could not create a primitive"), True),
        (RuntimeError("std::bad_alloc"), True),
        (
            RuntimeError(
                "could not create a primitive descriptor for the convolution forward propagation primitive. Run"
            ),
            False,
        ),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False),
    ],
)
def test_running_out_of_memory_is_recognised_on_every_device(error: Exception, expected: bool) -> None:
    assert is_out_of_memory(error) is expected


def test_a_runtime_error_becomes_a_job_failed_of_one_line_with_its_cause_kept() -> None:
    cause = RuntimeError(
        "\n  CUDA error: device-side assert triggered.\nCUDA kernel errors might be asynchronously reported"
    )
    with pytest.raises(JobFailed) as said, told_in_one_line("Training"):
        raise cause
    assert (
        str(said.value)
        == "Training stopped: CUDA error: device-side assert triggered; see: voidscope doctor."
    )
    assert said.value.__cause__ is cause


def test_memory_has_its_own_remedy() -> None:
    with pytest.raises(JobFailed, match="choose smaller batches or device=cpu"), told_in_one_line("Training"):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB.")


def test_want_of_memory_in_numpy_is_told_in_one_line_too() -> None:
    with (
        pytest.raises(JobFailed, match="Training stopped: MemoryError; choose smaller"),
        told_in_one_line("Training"),
    ):
        raise MemoryError


def test_our_own_errors_and_cancelling_pass_through() -> None:
    for error in (VoidscopeError("known"), KeyboardInterrupt(), GeneratorExit()):
        with pytest.raises(type(error)) as said, told_in_one_line("Training"):
            raise error
        assert said.value is error


def test_an_error_without_words_is_named_by_its_kind() -> None:
    assert one_line(RuntimeError()) == "RuntimeError"
