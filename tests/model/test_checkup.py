"""The doctor: says what is there, names what is broken with its remedy, and never raises."""

from __future__ import annotations

import importlib
import os
import shutil
import subprocess
import sys
import warnings
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError

import pytest
import torch

from voidscope.model import Check, checkup, doctor


def _named(findings: tuple[Check, ...], name: str) -> Check:
    return next(f for f in findings if f.name == name)


def _breaks(monkeypatch: pytest.MonkeyPatch, module: str, error: Exception) -> None:
    def load(name: str) -> object:
        if name == module:
            raise error
        return importlib.import_module(name)

    monkeypatch.setattr(checkup, "import_module", load)


def test_a_healthy_machine_is_described() -> None:
    findings = doctor()
    assert {
        "Python",
        "memory",
        "torch",
        "torchvision",
        "segmentation-models-pytorch",
        "GPU",
        "processor",
        "runs on",
    } == {f.name for f in findings}
    assert all(bool(f.remedy) is not f.ok for f in findings)
    assert _named(findings, "torch").value.startswith(f"{torch.__version__}, built for ")
    assert _named(findings, "Python").value in sys.version
    assert f"{torch.get_num_threads()} thread" in _named(findings, "processor").value


def test_a_torchvision_for_another_torch_is_named_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    _breaks(monkeypatch, "torchvision", RuntimeError("operator torchvision::nms does not exist\nmore"))
    monkeypatch.setattr(checkup, "version", lambda name: "1.0+cpu")
    found = _named(doctor(), "torchvision")
    assert not found.ok
    assert found.value == "cannot be loaded: operator torchvision::nms does not exist"
    assert "torch torchvision" in found.remedy


@pytest.mark.parametrize(
    ("builds", "said", "remedy"),
    [
        (("2.11.0+cpu", "0.26.0"), "built for CUDA, but torch for the CPU only", "--torch-backend=cpu"),
        (("2.11.0+cpu", "0.26.0+cu130"), "built for CUDA (cu130), but torch for the CPU only", "--torch-backend=cpu"),
        (("2.11.0", "0.26.0+cpu"), "built for the CPU only, but torch for CUDA", "--torch-backend=auto"),
        (("2.11.0+cpu", "0.25.0+cpu"), "cannot be loaded", "--torch-backend=cpu"),
    ],
)  # fmt: skip
def test_a_cpu_torch_beside_a_cuda_torchvision_is_told_with_the_command_that_mends_it(
    builds: tuple[str, str], said: str, remedy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _breaks(monkeypatch, "torchvision", RuntimeError("operator torchvision::nms does not exist"))
    installed = dict(zip(("torch", "torchvision"), builds, strict=True))
    monkeypatch.setattr(checkup, "version", lambda name: installed.get(name, "1.0"))
    monkeypatch.setattr(sys, "platform", "linux")
    found = _named(doctor(), "torchvision")
    assert not found.ok
    assert found.value.startswith(said)
    assert "nms does not exist" in found.value
    assert remedy in found.remedy


@pytest.mark.parametrize(
    ("device", "variable", "said"),
    [
        ("auto", None, "the fastest that torch can use"),
        ("auto", "cpu", "preferred on this machine (VOIDSCOPE_DEVICE=cpu)"),
        ("cpu", "mps", "the project's device=cpu"),
    ],
)
def test_what_will_be_used_is_told_with_its_reason(
    device: str, variable: str | None, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _gpu(monkeypatch, available=lambda: False, driver=None)
    monkeypatch.delenv("VOIDSCOPE_DEVICE", raising=False)
    if variable is not None:
        monkeypatch.setenv("VOIDSCOPE_DEVICE", variable)
    found = _named(doctor(device), "runs on")
    assert found.ok
    assert found.value.startswith("cpu, ")
    assert found.value.endswith(said)


def test_a_preference_that_cannot_be_met_is_a_fault_with_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    _gpu(monkeypatch, available=lambda: False, driver=None)
    monkeypatch.setenv("VOIDSCOPE_DEVICE", "cuda")
    monkeypatch.setenv("VOIDSCOPE_THREADS", "many")
    findings = doctor()
    assert "VOIDSCOPE_THREADS='many' is no number" in _named(findings, "processor").value
    monkeypatch.delenv("VOIDSCOPE_THREADS")
    used = _named(doctor(), "runs on")
    assert (used.ok, used.remedy) == (False, "set VOIDSCOPE_DEVICE=auto or VOIDSCOPE_DEVICE=cpu")


@pytest.mark.parametrize(
    "error",
    [
        ImportError("DLL load failed"),
        OSError("libcudart.so.12: cannot open"),
        RuntimeError(),
        AttributeError("x"),
    ],
)
def test_a_torch_that_cannot_be_loaded_ends_the_examination_with_a_remedy(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    _breaks(monkeypatch, "torch", error)
    findings = doctor()
    assert [f.name for f in findings] == ["Python", "memory", "torch"]
    assert not findings[-1].ok
    assert findings[-1].remedy


def test_a_missing_unet_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(checkup, "version", missing)
    found = _named(doctor(), "segmentation-models-pytorch")
    assert (found.ok, found.remedy) == (False, "pip install segmentation-models-pytorch")


def test_no_gpu_is_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    _gpu(monkeypatch, available=lambda: False, driver=None)
    assert _named(doctor(), "GPU").ok


def test_a_driver_that_torch_cannot_use_is_a_fault_and_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    def available() -> bool:
        warnings.warn(
            "The NVIDIA driver on your system is too old (found version 11040). Please update", stacklevel=1
        )
        return False

    _gpu(monkeypatch, available=available, driver="/usr/bin/nvidia-smi")
    found = _named(doctor(), "GPU")
    assert not found.ok
    assert "too old (found version 11040)" in found.value
    assert found.remedy


@pytest.mark.parametrize(("free", "ok"), [(2**34, True), (2**29, False)])
def test_a_gpu_is_described_with_its_free_memory(
    free: int, ok: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    _gpu(monkeypatch, available=lambda: True, driver=None)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "NVIDIA H100")
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (free, 80 * 2**30))
    found = _named(doctor(), "GPU")
    assert found.ok is ok
    assert found.value.startswith("NVIDIA H100")
    assert f"{free / 2**30:.1f} of 80.0 GB free" in found.value


def test_a_gpu_that_fails_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    _gpu(monkeypatch, available=lambda: True, driver=None)

    def fails() -> str:
        raise RuntimeError("CUDA error: unknown error\nCUDA kernel errors might be")

    monkeypatch.setattr(torch.cuda, "get_device_name", fails)
    assert _named(doctor(), "GPU").value == "CUDA fails: CUDA error: unknown error"


def test_little_memory_is_a_fault_and_unknown_memory_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sysconf", lambda name: 2**20 if name == "SC_PHYS_PAGES" else 2048)
    found = _named(doctor(), "memory")
    assert (found.value, found.ok) == ("2.0 GB", False)
    monkeypatch.delattr(os, "sysconf")
    assert _named(doctor(), "memory").ok


def test_importing_the_room_loads_neither_torch_nor_the_unet_library() -> None:
    code = "import sys, voidscope.model, voidscope.training; sys.exit(bool({'torch', 'segmentation_models_pytorch'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_an_unknown_name_of_the_room_is_an_attribute_error() -> None:
    import voidscope.model
    import voidscope.training

    for room in (voidscope.model, voidscope.training):
        with pytest.raises(AttributeError, match="nonsense"):
            room.nonsense  # noqa: B018
        assert all(getattr(room, name) is not None for name in room.__all__)


def _gpu(monkeypatch: pytest.MonkeyPatch, *, available: Callable[[], bool], driver: str | None) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", available)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    monkeypatch.setattr(shutil, "which", lambda name: driver)
