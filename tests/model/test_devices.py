"""Which device and precision are used, and that nothing of the choice leaks out."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from voidscope.errors import ConfigError
from voidscope.model import Compute, choose_device, visible_gpus
from voidscope.model.devices import NO_ROOM, cpu_has_bfloat16


def _pretend(monkeypatch: pytest.MonkeyPatch, *, cuda: bool = False, mps: bool = False) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)


@pytest.mark.parametrize(
    ("cuda", "mps", "expected"),
    [(True, True, "cuda"), (True, False, "cuda"), (False, True, "mps"), (False, False, "cpu")],
)
def test_auto_takes_the_fastest_device_there_is(
    cuda: bool, mps: bool, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _pretend(monkeypatch, cuda=cuda, mps=mps)
    assert choose_device("auto") == torch.device(expected)


@pytest.mark.parametrize("name", ["cuda", "mps"])
def test_a_gpu_asked_for_by_name_and_absent_is_an_error_with_the_way_out(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _pretend(monkeypatch)
    with pytest.raises(ConfigError, match=f"device={name} was asked for.*set device=auto") as said:
        choose_device(name)
    assert "\n" not in str(said.value)


def test_the_cpu_is_always_there_and_other_names_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    _pretend(monkeypatch, cuda=True)
    assert choose_device("cpu") == torch.device("cpu")
    with pytest.raises(ConfigError, match="no device 'tpu'; choose auto, cpu, cuda or mps"):
        choose_device("tpu")


def test_a_preferred_device_is_what_auto_means_and_a_project_that_names_one_decides(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _pretend(monkeypatch, cuda=True, mps=True)
    monkeypatch.setenv("VOIDSCOPE_DEVICE", "cpu")
    assert choose_device("auto") == torch.device("cpu")
    assert choose_device("cuda") == torch.device("cuda")
    monkeypatch.setenv("VOIDSCOPE_DEVICE", " ")
    assert choose_device("auto") == torch.device("cuda")
    _pretend(monkeypatch)
    monkeypatch.setenv("VOIDSCOPE_DEVICE", "mps")
    with pytest.raises(ConfigError, match=r"VOIDSCOPE_DEVICE=mps was asked for.*set VOIDSCOPE_DEVICE=auto"):
        choose_device("auto")


@pytest.mark.parametrize(
    ("said", "there", "names"),
    [
        (None, 2, ("0", "1")), (None, 0, ()), ("", 0, ()), ("-1", 0, ()),
        ("3, 1", 2, ("3", "1")), ("GPU-a,GPU-b", 2, ("GPU-a", "GPU-b")),
        ("0,9", 1, ("0",)),  # CUDA stops at the first that is not there
    ],
)  # fmt: skip
def test_gpus_are_called_as_cuda_would_have_them_named(
    said: str | None, there: int, names: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if said is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", said)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: there)
    assert visible_gpus() == names


def test_preferred_threads_are_used_and_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    before = torch.get_num_threads()
    monkeypatch.setenv("VOIDSCOPE_THREADS", str(before + 2))
    for _ in range(2):
        Compute.choose("cpu")
        assert torch.get_num_threads() == before + 2
    monkeypatch.delenv("VOIDSCOPE_THREADS")
    Compute.choose("cpu")
    assert torch.get_num_threads() == before
    monkeypatch.setenv("VOIDSCOPE_THREADS", "-1")
    with pytest.raises(ConfigError, match="VOIDSCOPE_THREADS='-1' is no number of threads"):
        Compute.choose("cpu")


def test_a_process_takes_no_more_of_a_gpu_than_its_share(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[tuple[float, int | None]] = []
    _pretend(monkeypatch, cuda=True)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **_: True)
    monkeypatch.setattr(
        torch.cuda, "set_per_process_memory_fraction", lambda share, index: taken.append((share, index))
    )
    Compute.choose("cuda")
    assert taken == []
    monkeypatch.setenv("VOIDSCOPE_GPU_SHARE", "0.25")
    Compute.choose("cpu")
    Compute.choose("cuda")
    Compute.choose(torch.device("cuda:1"))
    assert taken == [(0.25, None), (0.25, 1)]


@pytest.mark.parametrize("text", ["0", "1.5", "-0.2", "half", "nan"])
def test_what_is_no_share_of_a_gpu_is_told(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    _pretend(monkeypatch, cuda=True)
    monkeypatch.setenv("VOIDSCOPE_GPU_SHARE", text)
    with pytest.raises(ConfigError, match=f"VOIDSCOPE_GPU_SHARE='{text}' is no share of a GPU's memory"):
        Compute.choose("cuda")


@pytest.mark.parametrize(
    ("flags", "expected"),
    [({"avx512_bf16": True}, True), ({"amx_bf16": True}, True), ({"avx512_f": True}, False), ({}, False)],
)
def test_bfloat16_is_used_only_where_the_processor_has_it(
    flags: dict[str, bool], expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: flags, raising=False)
    assert cpu_has_bfloat16() is expected
    assert Compute.choose("cpu").precision == ("bfloat16" if expected else "float32")


def test_an_older_torch_is_asked_in_its_own_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: True, raising=False)
    assert cpu_has_bfloat16()
    monkeypatch.delattr(torch.cpu, "_is_avx512_bf16_supported")
    assert not cpu_has_bfloat16()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_convolutions_run_in_the_chosen_precision_and_only_inside_the_context(dtype: torch.dtype) -> None:
    compute, layer = Compute(torch.device("cpu"), dtype), nn.Conv2d(1, 2, 1)
    with compute.running():
        assert layer(torch.zeros(1, 1, 2, 2)).dtype is dtype
    assert layer(torch.zeros(1, 1, 2, 2)).dtype is torch.float32
    assert layer.weight.dtype is torch.float32


def test_networks_are_laid_out_channels_last() -> None:
    layer = Compute.choose("cpu").place(nn.Conv2d(3, 4, 3))
    assert layer.weight.is_contiguous(memory_format=torch.channels_last)


def test_a_record_says_what_it_ran_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "NVIDIA H100")
    assert Compute(torch.device("cpu"), torch.float32).name == "cpu"
    assert Compute(torch.device("cuda"), torch.bfloat16).name == "cuda (NVIDIA H100)"


@pytest.mark.usefixtures("full_gpu")
def test_what_a_gpu_has_no_room_for_is_put_on_the_cpu_and_that_is_said() -> None:
    network, asked = nn.Linear(2, 2), list[str]()

    def put(compute: Compute) -> nn.Module:
        asked.append(compute.device.type)
        return compute.place(network)

    compute, found, told = Compute.placing("auto", put)
    assert (compute.device.type, found, told, asked) == ("cpu", network, (NO_ROOM,), ["meta", "cpu"])
    assert Compute.placing("cpu", put)[2] == ()


@pytest.mark.parametrize(
    ("device", "error"),
    [("auto", RuntimeError("CUDA error: unspecified launch failure")), ("cpu", MemoryError())],
)
@pytest.mark.usefixtures("full_gpu")
def test_another_error_and_a_cpu_without_room_are_passed_on(device: str, error: Exception) -> None:
    def put(_: Compute) -> None:
        raise error

    with pytest.raises(type(error)):
        Compute.placing(device, put)
